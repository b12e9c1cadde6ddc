"""Conversion: the same answers from the other library, an honest report, and nothing written that differs too much."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from support.networks import HEADER, disc_frames, fitted, needs

from seqcls.cli import main
from seqcls.cli.convert import _show as show_parity
from seqcls.convert import convert as module
from seqcls.convert.convert import ConvertOptions, convert, output_of
from seqcls.convert.parity import Parity, parity_report
from seqcls.datasets.dataset import FrameSet
from seqcls.engines import Engine, open_engine
from seqcls.errors import DataError, EngineError, ModelError, OutputError, UsageError
from seqcls.models.file import read_header, write_model


@pytest.fixture(scope="module")
def frames() -> FrameSet:
    return disc_frames()


@pytest.fixture(scope="module")
def model(frames: FrameSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "disc.safetensors"
    write_model(path, HEADER, fitted(frames.images[:80], frames.targets[:80]).tensors())
    return path


@pytest.fixture(scope="module")
def expected(model: Path, frames: FrameSet) -> NDArray[np.float32]:
    """The original's scores of the clip held out."""
    return open_engine(model, engine="torch", device="cpu", precision="fp32").scores(frames.images[200:])


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
    expected: NDArray[np.float32],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    precision: str,
    bound: float,
) -> None:
    monkeypatch.setattr("seqcls.convert.quantize.CALIBRATION_FRAMES", 12)
    options = ConvertOptions(target=target, precision=precision)  # type: ignore[arg-type]
    out = tmp_path / output_of(model, options).name
    parity = convert(model, out, options, frames=frames)
    assert capsys.readouterr().out == ""  # results alone go there
    assert (parity.frames, parity.clips, parity.origin) == (40, 1, "validation")
    (organ,) = parity.organs
    assert organ.largest <= bound and organ.auroc_before == 1 and organ.intervals == 1
    stated = "int8" if precision == "int8" else "fp32"
    engine = open_engine(out, precision=stated)
    assert engine.precision == stated and engine.description == parity.converted
    assert read_header(out) == read_header(model) == engine.header
    scores = engine.scores(frames.images[200:])
    assert np.abs(scores - expected).max() == pytest.approx(organ.largest, abs=1e-6)
    single = [engine.scores(image[None]) for image in frames.images[208:214]]  # from before the organ into it
    assert np.array_equal(np.concatenate(single), scores[8:14])
    report = json.loads(out.with_name(out.name + ".parity.json").read_text(encoding="utf-8"))
    assert report["organs"][0]["largest"] == pytest.approx(organ.largest)
    written = {path.name for path in tmp_path.iterdir()}
    assert written <= {out.name, out.with_suffix(".bin").name, out.name + ".parity.json"}
    if (target, precision) == ("openvino", "int8"):
        wrapper = pytest.importorskip("nncf.telemetry.wrapper")
        assert isinstance(wrapper.telemetry, wrapper.NNCFTelemetryStub)  # it counts nobody
    if precision == "int8":
        assert out.with_suffix(".bin" if target == "openvino" else ".onnx").stat().st_size < 0.3 * model.stat().st_size


def machine_with_bfloat16(model: object, **options: str) -> Engine:
    """``open_engine`` as on a processor whose default precision is bfloat16: there every score is higher by 0.007."""
    engine = open_engine(model, **{"precision": "fp32", **options})  # type: ignore[arg-type]
    if options.get("precision", "auto") != "auto":
        return engine

    def scores(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return engine.scores(images) + np.float32(0.007)

    return SimpleNamespace(precision="bf16", description="OpenVINO, cpu, bf16", scores=scores)  # type: ignore[return-value]


@needs("openvino")
def test_what_a_machines_default_adds_is_reported_and_not_compared(
    model: Path, frames: FrameSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "open_engine", machine_with_bfloat16)
    parity = convert(model, tmp_path / "disc.xml", ConvertOptions(max_drift=0.001), frames=frames)
    (organ,) = parity.organs
    assert organ.largest <= 1e-4 and parity.converted.endswith("cpu, fp32")
    assert (organ.default_mean, organ.default_largest) == pytest.approx((0.007, 0.007), abs=1e-6)
    assert parity.default == "OpenVINO, cpu, bf16"


@pytest.mark.parametrize("needed", [1, 2], ids=["good at once", "with the first layer in float32"])
def test_int8_that_differs_too_much_is_made_again_with_the_first_layer_in_float32(
    model: Path, frames: FrameSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: int
) -> None:
    tries: list[bool] = []

    def write(path: Path, *_: object, keep_first_layer_fp32: bool = False, quick: bool = False) -> None:
        path.write_text("a model")
        tries.append(keep_first_layer_fp32)

    def compare(*_: object) -> tuple[Parity, None]:
        before = frames.targets * 0.8 + 0.1
        after = before if len(tries) == needed else before - 0.05
        return parity_report(HEADER, before, after, origin="validation"), None

    monkeypatch.setattr(module, "_write", write)
    monkeypatch.setattr(module, "_compare", compare)
    convert(model, tmp_path / "m.onnx", ConvertOptions(target="onnx", precision="int8"), frames=frames)
    assert tries == [False, True][:needed]


@needs("openvino")
def test_what_differs_too_much_is_not_written(
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
    generous = ConvertOptions(max_drift=0.5)
    assert convert(model, tmp_path / "disc.xml", generous, frames=frames).organs[0].mean > 0.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "coreml"}, "choose openvino, or onnx"),
        ({"target": "torchscript"}, "onnx, which is the form for other programs"),
        ({"target": "onnx", "precision": "bf16"}, "not in bf16"),
        ({"max_drift": -1.0}, "drift"),
    ],
    ids=str,
)
def test_impossible_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ConvertOptions(**options)  # type: ignore[arg-type]


def test_what_cannot_be_converted(
    model: Path, frames: FrameSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="calibration: frames="):
        convert(model, tmp_path / "a.xml", ConvertOptions(precision="int8"))
    with pytest.raises(UsageError, match=re.escape("*.xml")):
        convert(model, tmp_path / "a.onnx", ConvertOptions(), frames=frames)
    with pytest.raises(ModelError, match="no model at"):
        convert(tmp_path / "none.safetensors", tmp_path / "a.xml", ConvertOptions())
    with pytest.raises(DataError, match="liver"):
        other = replace(frames, organs=("kidney",))
        convert(model, tmp_path / "a.xml", ConvertOptions(), frames=other)
    (tmp_path / "taken.bin").write_text("mine")
    with pytest.raises(OutputError, match="overwrite=True"):
        convert(model, tmp_path / "taken.xml", ConvertOptions())
    assert (tmp_path / "taken.bin").read_text() == "mine"
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "seqcls.engines.openvino_graph", raising=False)
    monkeypatch.delattr("seqcls.engines.openvino_graph", raising=False)
    with pytest.raises(EngineError, match="pip install openvino"):
        convert(model, tmp_path / "b.xml", ConvertOptions())


@needs("onnx", "onnxruntime")
def test_the_command_compares_on_random_images_where_it_has_no_frames(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["seqcls", "convert", str(model), "--to", "onnx", "-o", "disc.onnx"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert "random images" in out and "liver" in out and "wrote disc.onnx" in err
    assert "cpu, fp32; this machine runs it so by default" in out
    report = json.loads(Path("disc.onnx.parity.json").read_text(encoding="utf-8"))
    assert (report["origin"], report["clips"]) == ("random", 0)
    assert (report["organs"][0]["auroc_before"], report["organs"][0]["intervals"]) == (None, 0)


def test_the_command_says_what_the_machines_default_adds(frames: FrameSet, capsys: pytest.CaptureFixture[str]) -> None:
    scores = frames.targets * 0.8 + 0.1
    engines = ("PyTorch 2, cpu, fp32", "OpenVINO 1, cpu, fp32", "OpenVINO 1, cpu, bf16")
    shown = parity_report(
        HEADER, scores, scores, by_default=scores + 0.007, origin="validation", engines=engines, frames=frames
    )
    show_parity(shown, 0.001)
    out = " ".join(capsys.readouterr().out.split())
    assert "compared on 240 validation frames of 6 clips with PyTorch 2, cpu, fp32" in out
    assert "this machine runs it in OpenVINO 1, cpu, bf16; that adds 0.00700 on average, 0.0070 at most" in out
    assert "more than 0.001: run it with --precision fp32" in out


def test_clips_that_show_what_others_lack_are_compared_first(frames: FrameSet) -> None:
    """Of c0 and c1 without the organ, c2 with it throughout and c3 with both states, 40 frames each: c3 shows two
    states; then c0 and c2 show one seen once, worth 1/2, and c0 is the first by name; then c2 is worth 1/2, c1 1/3."""
    rows = np.flatnonzero(np.isin(frames.clip, ["c0", "c1", "c2", "c3"]))
    targets = frames.targets.copy()
    targets[:80], targets[80:120] = 0, 1
    told = replace(frames, targets=targets)
    order = [module._telling(told, rows, most) for most in (1, 40, 41, 81, 121, 1000)]
    assert order[-1] == ["c3", "c0", "c2", "c1"] and order == [order[-1][:count] for count in (1, 1, 2, 3, 4, 4)]
    _, shown, origin = module._compared(HEADER, replace(told, split=np.full(240, "train")).of_rows(rows), 41)
    assert shown is not None and np.unique(shown.clip).tolist() == ["c0", "c3"] and origin == "training"
    unlabelled = replace(frames, mask=np.zeros_like(frames.mask))
    assert module._telling(unlabelled, rows, 41) == ["c0", "c1"]
