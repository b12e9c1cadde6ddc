"""Conversion: the same answers from the other library, an honest report, and nothing written that strays too far."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqcls.convert import convert as module
from seqcls.convert.convert import ConvertOptions, calibration_rows, convert, output_of
from seqcls.convert.parity import Parity, parity_report
from seqcls.datasets.dataset import FrameSet
from seqcls.engines import open_engine
from seqcls.errors import DataError, EngineError, ModelError, OutputError, UsageError
from seqcls.geometry import Geometry
from seqcls.intervals import IntervalOptions
from seqcls.models.file import ModelHeader, read_header, write_model
from seqcls.smoothing import SmoothingOptions
from seqcls.training.options import AugmentOptions, TrainOptions
from seqcls.training.train import train

SIZE = 32
HEADER = ModelHeader(organs=("liver",), geometry=Geometry(size=SIZE), version="test")


def needs(*libraries: str) -> pytest.MarkDecorator:
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


@pytest.fixture(scope="module")
def frames() -> FrameSet:
    """Six clips of 40 frames at 10 Hz; the organ, a bright disc, is in view in the middle of each."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    images, targets = [], []
    for _ in range(6):
        for index in range(40):
            picture = rng.random((SIZE, SIZE)) * 80
            present = 12 <= index < 30
            if present:
                y, x = rng.uniform(10, 22, 2)
                picture += 160 * ((rows - y) ** 2 + (columns - x) ** 2 < 49)
            images.append(picture.astype(np.uint8))
            targets.append([float(present)])
    count = len(images)
    clip = np.array([f"c{i // 40}" for i in range(count)])
    return FrameSet(
        images=np.stack(images),
        targets=np.array(targets, np.float32),
        mask=np.ones((count, 1), np.bool_),
        clip=clip,
        patient=clip,
        split=np.where(np.isin(clip, ["c4", "c5"]), "validation", "train"),
        time_s=np.tile(np.arange(40) / 10, 6),
        organs=("liver",),
        geometry=HEADER.geometry,
    )


@pytest.fixture(scope="module")
def model(frames: FrameSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learned the discs: one of random weights would hang on the last bits."""
    options = TrainOptions(
        weights="none", epochs=6, samples_per_epoch=160, augment=AugmentOptions(strength=0.0), device="cpu"
    )
    result = train(frames, options)
    path = tmp_path_factory.mktemp("models") / "disc.safetensors"
    write_model(path, replace(result.header, smoothing=SmoothingOptions(kind="none")), result.tensors)
    return path


CASES = [
    pytest.param("openvino", "fp32", 1e-4, marks=needs("openvino")),
    pytest.param("openvino", "fp16", 0.02, marks=needs("openvino")),
    pytest.param("openvino", "int8", 0.05, marks=needs("openvino", "nncf")),
    pytest.param("onnx", "fp32", 1e-4, marks=needs("onnx", "onnxruntime")),
    pytest.param("onnx", "fp16", 0.02, marks=needs("onnx", "onnxruntime")),
    pytest.param("onnx", "int8", 0.05, marks=needs("onnx", "onnxruntime")),
]


@pytest.mark.parametrize(("target", "precision", "bound"), CASES)
def test_a_converted_model_answers_like_the_original(
    model: Path,
    frames: FrameSet,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    target: str,
    precision: str,
    bound: float,
) -> None:
    # A network this small and this briefly trained suffers more from int8 than those that people use.
    options = ConvertOptions(target=target, precision=precision)  # type: ignore[arg-type]
    out = tmp_path / output_of(model, options).name
    parity = convert(model, out, options, frames=frames)
    assert capsys.readouterr().out == ""  # results alone go there
    assert (parity.frames, parity.clips, parity.origin) == (80, 2, "validation")
    (organ,) = parity.organs
    assert organ.largest <= bound and organ.auroc_before > 0.99 and organ.intervals == 2
    engine = open_engine(out)
    assert read_header(out) == read_header(model) == engine.header
    assert ("int8" in engine.description) == (precision == "int8")
    scores = engine.scores(frames.images[:48])
    original = open_engine(model, engine="torch", precision="fp32").scores(frames.images[:48])
    assert np.abs(scores - original).max() <= bound
    assert np.array_equal(np.concatenate([engine.scores(frames.images[i : i + 1]) for i in range(12)]), scores[:12])
    told = json.loads(out.with_name(out.name + ".parity.json").read_text(encoding="utf-8"))
    assert told["organs"][0]["largest"] == pytest.approx(organ.largest)
    written = {path.name for path in tmp_path.iterdir()}
    assert written <= {out.name, out.with_suffix(".bin").name, out.name + ".parity.json"}
    if precision == "int8":
        assert out.with_suffix(".bin" if target == "openvino" else ".onnx").stat().st_size < 0.3 * model.stat().st_size


def test_torchscript_is_for_others(model: Path, frames: FrameSet, tmp_path: Path) -> None:
    out = tmp_path / "disc.pt"
    parity = convert(model, out, ConvertOptions(target="torchscript"), frames=frames)
    assert parity.organs[0].largest <= 1e-5
    with pytest.raises(ModelError, match="pickle"):
        open_engine(out)


def test_without_frames_the_comparison_says_so(model: Path, tmp_path: Path) -> None:
    parity = convert(model, tmp_path / "disc.pt", ConvertOptions(target="torchscript"))
    assert parity.origin == "random" and parity.clips == 0 and parity.organs[0].intervals == 0
    told = json.loads((tmp_path / "disc.pt.parity.json").read_text(encoding="utf-8"))
    assert told["organs"][0]["auroc_before"] is None


@pytest.mark.parametrize("needed", [1, 2], ids=["good at once", "with the stem spared"])
def test_int8_that_strays_is_made_again_with_the_stem_spared(
    model: Path, frames: FrameSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: int
) -> None:
    spared: list[bool] = []

    def build(path: Path, header: ModelHeader, *_: object, keep_first_layer_fp32: bool) -> None:
        path.write_text("a model")
        spared.append(keep_first_layer_fp32)

    def scored(header: ModelHeader, *_: object) -> Parity:
        before = frames.targets * 0.8 + 0.1
        after = before if len(spared) == needed else before - 0.05
        return parity_report(header, before, after, origin="validation", reference="itself")

    monkeypatch.setitem(module._BUILDERS, "onnx", build)
    monkeypatch.setattr(module, "_compare", scored)
    convert(model, tmp_path / "m.onnx", ConvertOptions(target="onnx", precision="int8"), frames=frames)
    assert spared == [False, True][:needed]


@needs("openvino")
def test_what_strays_too_far_is_not_written(
    model: Path, frames: FrameSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.network
    steps: list[str] = []
    spoil: Callable[..., object] = lambda h, t: real(h, {**t, "fc.bias": t["fc.bias"] + 1.0})  # noqa: E731
    monkeypatch.setattr(module, "network", spoil)
    with pytest.raises(ModelError, match=r"is not written: liver: scores drift by 0\.\d+ on average, more than 0.02"):
        convert(model, tmp_path / "disc.xml", ConvertOptions(), frames=frames, on_step=steps.append)
    assert list(tmp_path.iterdir()) == []
    assert len(steps) == 2  # only int8 has a second try
    generous = ConvertOptions(most_drift=0.5)
    assert convert(model, tmp_path / "disc.xml", generous, frames=frames).organs[0].mean > 0.02


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"mean": 0.03}, "drift"),
        ({"mean": float("nan")}, "drift"),
        ({"auroc_after": 0.9}, "AUROC"),
        ({"gained": 1}, "1 intervals gained"),
        ({"lost": 2}, "2 lost"),
    ],
    ids=str,
)
def test_every_kind_of_straying_counts(frames: FrameSet, change: dict[str, float], problem: str) -> None:
    scores = frames.targets * 0.8 + 0.1
    parity = parity_report(HEADER, scores, scores, origin="validation", reference="itself", targets=frames.targets,
                     mask=frames.mask, clip=frames.clip, time_s=frames.time_s)  # fmt: skip
    assert parity.problems(0.02) == []
    spoilt = replace(parity, organs=(replace(parity.organs[0], **change),))  # type: ignore[arg-type]
    (told,) = spoilt.problems(0.02)
    assert problem in told


def test_flipped_frames_and_intervals_are_counted(frames: FrameSet) -> None:
    header = replace(HEADER, smoothing=SmoothingOptions(kind="none"), intervals=(IntervalOptions(),))
    before = frames.targets * 0.8 + 0.1
    after = before.copy()
    after[12:30] = 0.1  # the first clip's presence is gone
    after[40:44] = 0.9  # and another is there that was not
    parity = parity_report(
        header, before, after, origin="validation", reference="itself", clip=frames.clip, time_s=frames.time_s
    )
    (organ,) = parity.organs
    assert (organ.flipped, organ.intervals, organ.gained, organ.lost) == (22, 6, 1, 1)
    assert organ.auroc_change == 0.0  # there were no labels


def test_a_presence_torn_in_two_is_one_gained(frames: FrameSet) -> None:
    header = replace(HEADER, smoothing=SmoothingOptions(kind="none"), intervals=(IntervalOptions(),))
    before = frames.targets * 0.8 + 0.1
    after = before.copy()
    after[19:23] = 0.1
    apart = parity_report(
        header, before, after, origin="validation", reference="itself", clip=frames.clip, time_s=frames.time_s
    )
    assert (apart.organs[0].gained, apart.organs[0].lost) == (1, 0)


def test_what_was_not_labelled_is_no_presence(frames: FrameSet) -> None:
    """Frames 18 to 23 of a presence are missing: what lies between is unknown, not bridged."""
    header = replace(HEADER, smoothing=SmoothingOptions(kind="none"), intervals=(IntervalOptions(),))
    kept = np.r_[0:18, 24:40]
    scores = frames.targets[kept] * 0.8 + 0.1
    parity = parity_report(
        header, scores, scores, origin="validation", reference="itself", clip=frames.clip[kept],
        time_s=frames.time_s[kept],
    )  # fmt: skip
    assert parity.organs[0].intervals == 2


@needs("nncf")
def test_quantising_counts_nobody(tmp_path: Path) -> None:
    """NNCF sets up Google Analytics when it is imported, unless it cannot."""
    code = (
        "from seqcls.convert.quantize import _without_telemetry\n"
        "with _without_telemetry(): import nncf\n"
        "from nncf.telemetry.wrapper import telemetry; from unittest.mock import MagicMock\n"
        "print(isinstance(telemetry, MagicMock))"
    )
    home = {**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=home, capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr
    assert not (tmp_path / "intel").exists()


def test_calibration_is_spread_over_states_and_clips(frames: FrameSet) -> None:
    rows = calibration_rows(frames, 40)
    assert len(rows) <= 40 and set(frames.split[rows]) == {"train"}
    for clip in ("c0", "c1", "c2", "c3"):
        states = frames.targets[rows[frames.clip[rows] == clip], 0]
        assert set(states) == {0.0, 1.0} and 0.4 <= states.mean() <= 0.6
    few = replace(frames, split=np.full(len(frames.split), "validation"))
    assert len(calibration_rows(few, 7)) == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "coreml"}, "choose one of openvino"),
        ({"target": "torchscript", "precision": "int8"}, "kept in fp32"),
        ({"target": "onnx", "precision": "bf16"}, "not in bf16"),
        ({"most_drift": -1.0}, "drift"),
    ],
    ids=str,
)
def test_impossible_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ConvertOptions(**options)  # type: ignore[arg-type]


def test_what_cannot_be_converted(
    model: Path, frames: FrameSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="--calibrate"):
        convert(model, tmp_path / "a.xml", ConvertOptions(precision="int8"))
    with pytest.raises(UsageError, match=re.escape("*.xml")):
        convert(model, tmp_path / "a.onnx", ConvertOptions(), frames=frames)
    with pytest.raises(ModelError, match="no model at"):
        convert(tmp_path / "none.safetensors", tmp_path / "a.xml", ConvertOptions())
    with pytest.raises(DataError, match="liver"):
        other = replace(frames, organs=("kidney",))
        convert(model, tmp_path / "a.xml", ConvertOptions(), frames=other)
    (tmp_path / "taken.bin").write_text("mine")
    with pytest.raises(OutputError, match="--overwrite"):
        convert(model, tmp_path / "taken.xml", ConvertOptions())
    assert (tmp_path / "taken.bin").read_text() == "mine"
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "seqcls.engines.openvino_graph", raising=False)
    with pytest.raises(EngineError, match="pip install openvino"):
        convert(model, tmp_path / "b.xml", ConvertOptions())


# Damaged converted models


@pytest.fixture(scope="module")
def converted(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("openvino")
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("converted")
    convert(model, folder / "m.xml", ConvertOptions())
    convert(model, folder / "m.onnx", ConvertOptions(target="onnx"))
    return folder


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def _doctype(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text('<!DOCTYPE net [<!ENTITY a "b">]>' + re.sub(r"<\?xml.*?\?>", "", text), encoding="utf-8")


def _no_header(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace("seqcls", "nobody"), encoding="utf-8")


def _other_size(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "&quot;size&quot;: 32" in text
    path.write_text(text.replace("&quot;size&quot;: 32", "&quot;size&quot;: 64"), encoding="utf-8")


def _other_weights(path: Path) -> None:
    """A sound file of the right size, but some other model's."""
    path.write_bytes(bytes(path.stat().st_size))


def _huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(300 << 20)  # a hole: takes no room on the disk


def _loop(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count('type="MaxPool"') == 1
    path.write_text(text.replace('type="MaxPool"', 'type="AvgPool"'), encoding="utf-8")


def _onnx(change: Callable[[Any], object]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        import onnx

        model = onnx.load(path)
        change(model)
        path.write_bytes(model.SerializeToString())

    return spoil


def _elsewhere(model: Any) -> None:
    """Weights that lie in a file of the attacker's choice."""
    import onnx

    tensor = model.graph.initializer[3]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def _nan(model: Any) -> None:
    tensor = next(t for t in model.graph.initializer if len(t.dims) == 4)
    tensor.raw_data = b"\xff" * len(tensor.raw_data)


def _wide(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 33


def _branch(model: Any) -> None:
    model.graph.node[5].op_type = "Expand"


def _stranger(model: Any) -> None:
    model.graph.node[5].domain = "com.example"


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("m.xml", _cut, "not whole XML"),
        ("m.xml", lambda path: path.write_bytes(b""), "not whole XML"),
        ("m.xml", _doctype, "document type"),
        ("m.xml", _no_header, "no seqcls header"),
        ("m.xml", _other_size, "instead of"),
        ("m.xml", _loop, "cannot be used|is damaged"),
        ("m.xml", _huge, "larger than"),
        ("m.xml", os.remove, "no model"),
        ("m.bin", _cut, "is cut, changed, or another model's"),
        ("m.bin", _flip, "is cut, changed, or another model's"),
        ("m.bin", _other_weights, "is cut, changed, or another model's"),
        ("m.bin", _huge, "larger than"),
        ("m.bin", os.remove, "no model file at .*m.bin"),
        ("m.onnx", _cut, "not a whole ONNX"),
        ("m.onnx", lambda path: path.write_bytes(b""), "no seqcls header"),
        ("m.onnx", os.remove, "no model"),
        ("m.onnx", _huge, "larger than"),
        ("m.onnx", _onnx(lambda model: model.ClearField("metadata_props")), "no seqcls header"),
        ("m.onnx", _onnx(_elsewhere), "lies in another file"),
        ("m.onnx", _onnx(_nan), "NaN or infinite"),
        ("m.onnx", _onnx(_wide), "are not"),
        ("m.onnx", _onnx(_branch), "the operation Expand"),
        ("m.onnx", _onnx(_stranger), "the operation"),
        ("m.onnx", _onnx(lambda model: model.graph.output.add()), "1 inputs and 2 outputs"),
    ],
)
def test_damaged_models_are_refused_in_one_line(
    converted: Path, tmp_path: Path, name: str, spoil: Callable[[Path], object], message: str
) -> None:
    for path in converted.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    spoil(tmp_path / name)
    with pytest.raises(ModelError, match=message) as told:
        open_engine(tmp_path / ("m.onnx" if name == "m.onnx" else "m.xml"))
    assert "\n" not in str(told.value) and "m." in str(told.value)


@pytest.mark.parametrize("at", range(1, 60, 7))
def test_a_header_cut_anywhere_is_refused(converted: Path, tmp_path: Path, at: int) -> None:
    """The reader of protobuf never runs past the end, whatever the lengths say."""
    whole = (converted / "m.onnx").read_bytes()
    cut = tmp_path / "m.onnx"
    for damaged in (whole[:at], whole[at:], whole[:at] + b"\xff" * 12 + whole[at + 12 :]):
        cut.write_bytes(damaged)
        with pytest.raises(ModelError):
            open_engine(cut)


def test_engine_and_precision_must_fit_the_file(converted: Path) -> None:
    with pytest.raises(UsageError, match="runs with --engine openvino only"):
        open_engine(converted / "m.xml", engine="torch")
    with pytest.raises(EngineError, match="seqcls convert MODEL --to openvino --precision int8"):
        open_engine(converted / "m.xml", precision="int8")
    with pytest.raises(ModelError, match=r"name m\.xml"):
        open_engine(converted / "m.bin")


def test_the_command(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from seqcls.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["seqcls", "convert", str(model), "--to", "torchscript", "-o", "disc.pt"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert "random pictures" in out and "liver" in out and "wrote disc.pt" in err
    assert Path("disc.pt.parity.json").is_file()
