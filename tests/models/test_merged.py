"""The mean of several models: its logits are reckoned by hand, and what cannot be averaged is left out or refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.networks import HEADER_OF_3 as HEADER
from support.networks import fitted, patterns
from support.novelties import reference

from seqcls.engines import open_engine
from seqcls.errors import ModelError, UsageError
from seqcls.files.json_text import parse_json
from seqcls.geometry import Geometry, Region
from seqcls.intervals import IntervalOptions
from seqcls.models.file import ModelHeader, Tensors, misfit, read_model, write_model
from seqcls.models.merged import merge
from seqcls.models.operating_curve import OperatingPoint
from seqcls.models.trained_on import TrainedOn
from seqcls.smoothing import SmoothingOptions

IMAGES, TARGETS = patterns()


@pytest.fixture(scope="module")
def networks() -> list[Tensors]:
    """Two that say different things."""
    return [fitted(IMAGES, TARGETS, seed=1).tensors(), fitted(IMAGES, TARGETS[:, ::-1], seed=2).tensors()]


class Models:
    """Models of the networks that stand nowhere: 45 MB each would take longer to write than all else."""

    def __init__(self, networks: list[Tensors]) -> None:
        self.networks = networks
        self.held: dict[Path, tuple[ModelHeader, Tensors]] = {}
        self.digests: dict[Path, str] = {}

    def __call__(self, name: str, number: int, **changes: Any) -> Path:
        """One with changes in its header; from the third on it is a network with another bias."""
        tensors = self.networks[number % 2]
        if number > 1:
            tensors = {**tensors, "fc.bias": tensors["fc.bias"] + np.float32(number)}
        path = Path(f"{name}.safetensors")
        self.digests[path] = hashlib.sha256(bytes([number])).hexdigest()
        return self.keep(path, replace(HEADER, **changes), tensors)

    def keep(self, path: Path, header: ModelHeader, tensors: Tensors) -> Path:
        assert misfit(tensors, len(header.organs), header.network_count) == ""
        self.held[path] = header, tensors
        return path

    def logits(self, path: Path) -> NDArray[np.float64]:
        """Of the calibrated probabilities by PyTorch."""
        p = open_engine(self.held[path], engine="torch", device="cpu", precision="fp32").scores(IMAGES[:6])
        return np.log(p.astype(np.float64) / (1 - p.astype(np.float64)))


@pytest.fixture
def models(networks: list[Tensors], monkeypatch: pytest.MonkeyPatch) -> Models:
    found = Models(networks)
    monkeypatch.setattr("seqcls.models.merged.read_model", lambda path: found.held[path])
    monkeypatch.setattr("seqcls.models.merged.weights_digest", lambda path: found.digests[path])
    return found


def test_every_engine_gives_the_mean_of_the_calibrated_logits(models: Models, tmp_path: Path) -> None:
    """By hand: the probabilities of each model by itself, back to logits, their mean, and the sigmoid of that."""
    known = reference(centre=0.5, limit=1.0)
    one = models("one", 0, calibration=((1.5, 0.3), (0.7, -0.2), (1.0, 0.0)))
    two = models("two", 1, calibration=((0.5, 1.0), (2.0, 0.0), (1.0, -1.0)), novelty=known)
    merged = merge([one, two])
    path = tmp_path / "mean.safetensors"
    write_model(path, merged.header, merged.tensors)
    header, tensors = read_model(path)
    assert header == merged.header and len(tensors) == 2 * len(models.networks[0])
    assert header.calibration == ((1, 0),) * 3 and header.network_count == 2
    # The one that knows what is unlike its training comes first.
    assert header.novelty == known and header.networks == (models.digests[two], models.digests[one])
    assert merged.notes == ("frames unlike training are found by two.safetensors alone",)

    own = [models.logits(one), models.logits(two)]
    assert np.abs(own[0] - own[1]).max() > 1  # or the mean would say little
    expected = 1 / (1 + np.exp(-(own[0] + own[1]) / 2))
    single = open_engine(models.held[two], engine="torch", device="cpu", precision="fp32")
    novelty = single.answers(IMAGES[:6])[:, 3]
    for name, library in (("torch", "torch"), ("openvino", "openvino"), ("onnx", "onnxruntime")):
        pytest.importorskip(library)
        answers = open_engine((header, tensors), engine=name, device="cpu", precision="fp32").answers(IMAGES[:6])
        assert np.abs(answers[:, :3] - expected).max() <= 1e-4, name
        assert np.abs(answers[:, 3] - novelty).max() <= 1e-4, name


def test_a_mean_among_them_counts_as_its_networks(models: Models) -> None:
    """Also where it was calibrated as a whole: a * mean(l) + b is the mean of a * l + b."""
    a, b, c = (models(name, number) for number, name in enumerate("abc"))
    pair = merge([a, b])
    both = models.keep(Path("pair.safetensors"), replace(pair.header, calibration=((2.0, 1.0),) * 3), pair.tensors)
    merged = merge([both, c])
    three = models.keep(Path("three.safetensors"), merged.header, merged.tensors)
    assert merged.header.networks == tuple(models.digests[one] for one in (a, b, c))
    expected = (2 * models.logits(a) + 1 + 2 * models.logits(b) + 1 + models.logits(c)) / 3
    assert models.logits(three) == pytest.approx(expected, abs=2e-3)
    with pytest.raises(ModelError, match=r"pair\.safetensors has the same weights as b\.safetensors"):
        merge([b, both])


def test_thresholds_are_averaged_between_their_logits(models: Models) -> None:
    """The mean of two logits is the geometric mean of two odds; what all have in common stays as it is."""
    same = IntervalOptions(onset=0.61, offset=0.3, min_present_s=0.4)
    one = models("one", 0, intervals=(IntervalOptions(onset=0.8, offset=0.5), same, IntervalOptions(onset=1, offset=0)))
    two = models(
        "two", 1, intervals=(IntervalOptions(onset=0.9, offset=0.2, min_absent_s=2), same, IntervalOptions(offset=0))
    )
    merged = merge([one, two])
    first, second, third = merged.header.intervals
    assert first.onset == pytest.approx(6 / 7, abs=1e-6)  # odds 4 and 9, their geometric mean is 6
    assert first.offset == pytest.approx(1 / 3, abs=1e-6)  # odds 1 and 1/4: 1/2
    assert second == same and first.min_absent_s == IntervalOptions().min_absent_s
    assert 0.99 < third.onset < 1 and third.offset == 0
    assert merged.notes == (
        "the models differ in the durations of a: the mean has the defaults; `seqcls tune` chooses them anew",
    )


def test_what_becomes_of_the_rest(models: Models) -> None:
    point = OperatingPoint(organ="a", delay_s=0.5, onset=0.4, sensitivity=0.9, specificity=0.8, event_f1=0.77)
    marks = [TrainedOn.of(name, []) for name in "xy"]
    regions = [Region(0, 0, 4, side, 10, 20, kind="convex") for side in (5, 6)]
    median = SmoothingOptions(kind="median")
    training = {
        "weights": "ImageNet weights",
        "best_auroc": 1.0,
        "options": {"seed": 1, "loss": "bce"},
        "leaked_frames": 0,
    }
    other = {**training, "options": {"seed": 2, "loss": "bce"}, "leaked_frames": 3}
    one = models("one", 0, operating_curve=(point,), trained_on=(marks[0],), regions=(regions[0],), training=training,
                 smoothing=median, dataset_hash="x")  # fmt: skip
    two = models("two", 1, trained_on=tuple(marks), regions=tuple(regions), training=other, dataset_hash="x")
    three = models("three", 2, training={**training, "options": {"seed": 3, "loss": "bce"}}, dataset_hash="x")
    merged = merge([one, two, three])
    header = merged.header
    assert header.operating_curve == () and header.trained_on == tuple(marks) and header.regions == tuple(regions)
    assert header.training == {"weights": "ImageNet weights", "options": {"loss": "bce"}, "leaked_frames": 3}
    assert (header.dataset_hash, header.smoothing) == ("x", SmoothingOptions())
    assert [note.split(":")[0] for note in merged.notes] == [
        "the models differ in smoothing",
        "the operating points are of single networks and left out; `seqcls tune` finds those of the mean",
        "three.safetensors keeps no marks of the training data",
    ]
    alike = merge([models("one", 0, smoothing=median, dataset_hash="x"), models("two", 1, smoothing=median)])
    assert alike.notes == () and (alike.header.smoothing, alike.header.dataset_hash) == (median, "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"organs": ("b", "a", "c")}, "differ in organs: b, a, c in the one, a, b, c in the other; only"),
        ({"geometry": Geometry(size=48)}, "differ in image size: 48 in the one, 32 in the other"),
        (
            {"geometry": Geometry(size=32, region="none")},
            "differ in ultrasound region: none in the one, auto in the other",
        ),
        ({"mean": 0.4}, r"differ in scaling of gray levels: mean 0.4, std 0.226 in the one, mean 0.449"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_models_that_do_not_go_together(models: Models, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=rf"two\.safetensors and one\.safetensors {message}") as caught:
        merge([models("one", 0), models("two", 1, **changes)])
    assert "\n" not in str(caught.value)


def test_too_few_too_many_and_the_same(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    one = models("one", 0)
    with pytest.raises(UsageError, match=r"two or more models, not of one\.safetensors alone"):
        merge([one])
    with pytest.raises(ModelError, match=r"twin\.safetensors has the same weights as one\.safetensors"):
        merge([one, models("twin", 0, calibration=())])
    monkeypatch.setattr("seqcls.models.merged.MAX_NETWORKS", 2)
    with pytest.raises(UsageError, match="3 networks are more than the 2 that"):
        merge([one, models("two", 1), models("three", 2)])


def test_only_a_seqcls_that_knows_of_it_reads_the_header() -> None:
    """Format 3 alone stands for several networks: a seqcls that reads up to 2 says so, and reads all others."""
    several = replace(HEADER, networks=("a" * 64, "b" * 64))
    assert parse_json(several.to_json())["format"] == 3 and ModelHeader.from_json(several.to_json()) == several
    record = parse_json(HEADER.to_json())
    assert record["format"] == 2 and "networks" not in record
    assert replace(several, networks=()).format == 2
    for wrong in (("a" * 64,), ("a" * 64, "a" * 64), ("a" * 64, "b")):
        with pytest.raises(ModelError, match="networks"):
            replace(HEADER, networks=wrong)


def test_tensors_of_another_number_of_networks_are_refused(models: Models, tmp_path: Path) -> None:
    merged = merge([models("one", 0), models("two", 1)])
    with pytest.raises(ModelError, match="are missing"):
        write_model(tmp_path / "m.safetensors", replace(merged.header, networks=()), merged.tensors)
    three = replace(merged.header, networks=(*merged.header.networks, "c" * 64))
    with pytest.raises(ModelError, match=r"102 tensors are missing, network2\.bn1\.bias among them"):
        write_model(tmp_path / "m.safetensors", three, merged.tensors)
