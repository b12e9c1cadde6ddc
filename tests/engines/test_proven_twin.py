"""An int8 twin stands for its model only where it is proven, of that very file, and faster; else the line says why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.networks import HEADER, disc_frames, fitted, needs

from seqcls.detector import load
from seqcls.engines import open_engine, proven_twin
from seqcls.engines.base import test_images as images_for_tests
from seqcls.errors import EngineError
from seqcls.models.file import write_model
from seqcls.models.folded import network
from seqcls.models.twin import Proof, file_digest, twin_path

pytestmark = needs("openvino")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Proof]:
    """A model, and its twin: the same graph under another name, of a head that adds 0.5 to each logit."""
    from seqcls.engines.openvino_engine import OpenVINOEngine
    from seqcls.engines.openvino_graph import build, write

    frames = disc_frames()
    model = tmp_path_factory.mktemp("twins") / "disc.safetensors"
    tensors = fitted(frames.images[:80], frames.targets[:80]).tensors()
    write_model(model, HEADER, tensors)
    shifted = {**tensors, "fc.bias": tensors["fc.bias"] + np.float32(0.5)}
    made = network(HEADER, shifted)
    write(twin_path(model), build(made), HEADER, "int8")
    proof = Proof(
        model=file_digest(model),
        drift=0.0012,
        largest=0.03,
        compared="97 validation frames of 5 clips",
        times_as_fast=3.0,
        logits=tuple(map(tuple, proven_twin.logits(OpenVINOEngine(twin_path(model))).tolist())),
    )
    return model, proof


@pytest.fixture
def model(pair: tuple[Path, Proof], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(proven_twin, "fast_int8", lambda: True)
    prove(*pair)
    return pair[0]


def prove(model: Path, proof: Proof | None) -> None:
    """Write the twin with this proof."""
    from seqcls.engines.openvino_graph import read, write

    graph, header, _ = read(twin_path(model))
    write(twin_path(model), graph, header, "int8", "" if proof is None else proof.to_json())


def test_the_twin_is_taken_where_nothing_is_stated(model: Path) -> None:
    twin, itself = open_engine(model), open_engine(model, exact=True)
    assert twin.precision == "int8" and itself.precision in ("fp32", "bf16")
    assert twin.description.endswith(
        "cpu, int8 (twin disc-int8.xml, the fastest here: compared with the model on 97 validation frames of 5 clips, no"
        " interval gained or lost, scores differ by 0.0012 on average, 0.0300 at most)"
    )
    assert "twin" not in itself.description
    for how in ({"engine": "openvino"}, {"precision": "fp32"}):
        assert open_engine(model, **how).precision != "int8"
    assert load(model).provenance.engine == twin.description
    assert load(model, exact=True).engine.precision == itself.precision


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model": "0" * 64}, "not disc-int8.xml, which is the twin of another training; make it again"),
        ({"logits": ((9.0,),) * 4}, "not its twin disc-int8.xml: this processor computes it differently"),
        (None, "not its twin disc-int8.xml: it holds no proof of how it compares; make it again"),
    ],
)
def test_what_is_not_proven_is_not_taken(
    model: Path, pair: tuple[Path, Proof], change: dict[str, object] | None, why: str
) -> None:
    prove(model, None if change is None else replace(pair[1], **change))  # type: ignore[arg-type]
    engine = open_engine(model)
    assert engine.precision != "int8" and why in engine.description


@pytest.mark.parametrize(("fast", "times", "why"), [(False, 3.0, "is no faster on this"), (None, 1.1, "was no faster")])
def test_what_is_not_faster_is_not_taken(
    model: Path, pair: tuple[Path, Proof], monkeypatch: pytest.MonkeyPatch, fast: bool | None, times: float, why: str
) -> None:
    monkeypatch.setattr(proven_twin, "fast_int8", lambda: fast)
    prove(model, replace(pair[1], times_as_fast=times))
    assert why in open_engine(model).description


def test_int8_that_is_asked_for_is_the_twin_or_says_why_not(
    model: Path, pair: tuple[Path, Proof], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proven_twin, "fast_int8", lambda: False)  # to ask for it is enough
    for engine in ("auto", "openvino"):
        opened = open_engine(model, engine=engine, device="cpu", precision="int8")
        assert opened.precision == "int8" and "twin disc-int8.xml, as stated" in opened.description
    prove(model, None)
    with pytest.raises(
        EngineError, match=r"disc.safetensors cannot be run in int8: .* holds no proof .* make it again"
    ):
        open_engine(model, device="cpu", precision="int8")
    with pytest.raises(EngineError, match="no int8 form"):
        open_engine(model, device="cpu", precision="int8", exact=True)


def test_a_model_that_changed_has_no_twin(model: Path, pair: tuple[Path, Proof], tmp_path: Path) -> None:
    """Another number in its header is another model: intervals may have changed."""
    other = tmp_path / "disc.safetensors"
    write_model(other, replace(HEADER, version="other"), {n: t for n, t in read_tensors(model).items()})
    for suffix in (".xml", ".bin"):
        (tmp_path / f"disc-int8{suffix}").write_bytes(model.with_name(f"disc-int8{suffix}").read_bytes())
    assert "the twin of another training" in open_engine(other).description


def test_a_damaged_twin_is_left_aside(model: Path) -> None:
    weights = twin_path(model).with_suffix(".bin")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    engine = open_engine(model)
    weights.write_bytes(whole)
    assert engine.precision != "int8" and "is cut, changed, or another model's" in engine.description


def read_tensors(model: Path) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    from seqcls.models.file import read_model

    return dict(read_model(model)[1])


def test_test_images_are_unlike() -> None:
    images = images_for_tests(8)
    assert images.shape == (4, 8, 8) and images[0].max() == 0 and images[1].min() == 255
    assert images[3, :4].max() < 32 < images[3, 4:].max()
