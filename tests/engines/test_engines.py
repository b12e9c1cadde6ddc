"""Engines: one contract for all of them; every answer is the network's; ``auto`` says what it chose and why."""

from __future__ import annotations

import builtins
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.drawn import write_clip
from support.networks import HEADER_OF_3 as HEADER
from support.networks import SIZE, needs
from support.novelties import reference

from seqcls import engines
from seqcls.engines import ENGINES, Engine, choose_engine, open_engine
from seqcls.errors import EngineError, ModelError, UsageError
from seqcls.models.file import write_model
from seqcls.models.resnet import GrayResNet

CASES = [("torch", "fp32"), ("torch", "bf16"), ("openvino", "fp32"), ("openvino", "bf16"), ("onnx", "fp32")]
#: The same, which also tells how unlike its training an image looks.
KNOWING = replace(HEADER, novelty=reference(centre=0.5, limit=1.0))
LIBRARIES = {"torch": ("torch",), "openvino": ("openvino",), "onnx": ("onnxruntime", "onnx")}
#: Largest |dp| from fp32 torch that an engine may show.
BOUND = {"fp32": 1e-4, "bf16": 0.03}


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def engine(request: pytest.FixtureRequest, net: GrayResNet) -> Iterator[Engine]:
    name, precision = request.param
    for library in LIBRARIES[name]:
        pytest.importorskip(library)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "2")  # or a machine with one processor would not try what two do
        try:
            yield open_engine((KNOWING, net.tensors()), engine=name, device="cpu", precision=precision)
        except EngineError as error:
            if "this processor has no" not in str(error):
                raise
            pytest.skip(str(error))


def test_every_engine_is_tested() -> None:
    assert {name for name, _ in CASES} == set(ENGINES)


def test_scores_are_the_networks_calibrated(engine: Engine, net: GrayResNet, images: NDArray[np.uint8]) -> None:
    scores = engine.scores(images)
    with torch.inference_mode():
        logits = net(torch.from_numpy(images)).numpy()
    slope, shift = np.array(HEADER.calibration).T
    expected = 1 / (1 + np.exp(-(slope * logits + shift)))
    assert expected.std(axis=0).min() > 0.2  # the images differ, or the next line would hold for a constant
    assert scores.dtype == np.float32
    assert engine.description.split(", ")[2] == engine.precision
    assert np.abs(scores - expected).max() <= BOUND[engine.precision], engine.description


def test_the_novelty_stands_beside_the_scores(engine: Engine, net: GrayResNet, images: NDArray[np.uint8]) -> None:
    answers = engine.answers(images)
    with torch.inference_mode():
        features = net.novelty_features(torch.from_numpy(images)).numpy()
    assert KNOWING.novelty is not None and features.shape == (len(images), 448)
    expected = KNOWING.novelty.scores(features)
    assert expected.min() > 0.2 and expected.max() < 0.98 and expected.std() > 0.01
    assert np.abs(answers[:, -1] - expected).max() <= BOUND[engine.precision]
    assert np.array_equal(answers[:, :-1], engine.scores(images))
    assert np.array_equal(np.concatenate([engine.answers(image[None]) for image in images[:5]]), answers[:5])


@pytest.mark.parametrize("name", [name for name, precision in CASES if precision == "fp32"])
def test_models_of_an_older_seqcls_measure_behind_one_stage(
    name: str, net: GrayResNet, images: NDArray[np.uint8]
) -> None:
    for library in LIBRARIES[name]:
        pytest.importorskip(library)
    older = reference(centre=0.5, limit=1.0, features=256)
    model = (replace(HEADER, novelty=older), net.tensors())
    answers = open_engine(model, engine=name, device="cpu", precision="fp32").answers(images[:3])
    with torch.inference_mode():
        expected = older.scores(net.pooled(torch.from_numpy(images[:3]), (3,)).numpy())
    assert np.abs(answers[:, -1] - expected).max() <= BOUND["fp32"]


@pytest.mark.parametrize("chunk", [1, 7])
def test_an_images_score_does_not_depend_on_the_others(engine: Engine, images: NDArray[np.uint8], chunk: int) -> None:
    whole = engine.scores(images[:18])
    parts = np.concatenate([engine.scores(images[i : min(i + chunk, 18)]) for i in range(0, 18, chunk)])
    assert np.array_equal(whole, parts)  # to the bit: live is offline


def test_nor_on_their_order(engine: Engine, images: NDArray[np.uint8]) -> None:
    order = np.random.default_rng(2).permutation(18)
    assert np.array_equal(engine.scores(images[order]), engine.scores(images[:18])[order])


def test_no_images_give_no_scores(engine: Engine) -> None:
    assert engine.scores(np.zeros((0, SIZE, SIZE), np.uint8)).shape == (0, 3)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((1, SIZE, SIZE + 1), np.uint8), ((SIZE, SIZE), np.uint8), ((1, SIZE, SIZE), np.float32)],
    ids=["another size", "no batch", "floats"],
)
def test_other_images_are_refused(engine: Engine, shape: tuple[int, ...], kind: type) -> None:
    with pytest.raises(EngineError, match=rf"takes \(N, {SIZE}, {SIZE}\) uint8"):
        engine.scores(np.zeros(shape, kind))


def test_a_view_with_strides_scores_like_a_copy(engine: Engine, images: NDArray[np.uint8]) -> None:
    assert np.array_equal(engine.scores(images[::7, ::-1]), engine.scores(images[::7, ::-1].copy()))


def test_a_file_is_opened_like_its_parts(tmp_path: Path, net: GrayResNet, images: NDArray[np.uint8]) -> None:
    write_model(tmp_path / "m.safetensors", HEADER, net.tensors())
    from_file = open_engine(tmp_path / "m.safetensors", device="cpu", precision="fp32")
    from_parts = open_engine((HEADER, net.tensors()), device="cpu", precision="fp32")
    assert from_file.header == HEADER
    assert np.array_equal(from_file.scores(images[:5]), from_parts.scores(images[:5]))
    with pytest.raises(ModelError, match="no model at"):
        open_engine(tmp_path / "other.safetensors")


def test_unknown_engines_and_absent_devices(monkeypatch: pytest.MonkeyPatch, net: GrayResNet) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="unknown engine 'tpu': choose one of auto, openvino, torch, onnx"):
        open_engine((HEADER, net.tensors()), engine="tpu")
    with pytest.raises(EngineError, match="no cuda device"):
        open_engine((HEADER, net.tensors()), engine="torch", device="cuda")


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_engines_for_processors_refuse_a_gpu(name: str, net: GrayResNet) -> None:
    pytest.importorskip(LIBRARIES[name][0])
    with pytest.raises(EngineError, match="not on cuda; use device=cpu"):
        open_engine((HEADER, net.tensors()), engine=name, device="cuda")


@pytest.mark.parametrize("name", list(ENGINES))
def test_precisions_that_cannot_be(name: str, net: GrayResNet) -> None:
    for library in LIBRARIES[name]:
        pytest.importorskip(library)
    with pytest.raises(EngineError, match=r"seqcls convert MODEL --to (openvino|onnx) --precision int8"):
        open_engine((HEADER, net.tensors()), engine=name, device="cpu", precision="int8")
    with pytest.raises(UsageError, match="unknown precision 'int4': choose one of auto, fp32, bf16, fp16, int8"):
        open_engine((HEADER, net.tensors()), engine=name, device="cpu", precision="int4")


@pytest.mark.parametrize(
    ("name", "module", "advice"),
    [
        ("torch", "seqcls.engines.torch_engine", "pip install torch torchvision"),
        ("openvino", "seqcls.engines.openvino_engine", "pip install openvino"),
        ("onnx", "seqcls.engines.onnx_engine", r"pip install 'seqcls\[onnx\]'"),
    ],
    ids=["torch", "openvino", "onnx"],
)
def test_a_missing_library_is_named(
    name: str, module: str, advice: str, monkeypatch: pytest.MonkeyPatch, net: GrayResNet
) -> None:
    real = builtins.__import__

    def without(wanted: str, *args: object, **kwargs: object) -> object:
        if wanted == module:
            raise ImportError("No module of that name")
        return real(wanted, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(EngineError, match=advice):
        open_engine((HEADER, net.tensors()), engine=name)


@pytest.mark.parametrize(
    ("device", "sight", "torch_finds", "openvino", "expected"),
    [
        ("auto", False, "cpu", True, ("openvino", "no GPU: OpenVINO is the fastest")),
        ("auto", True, "cuda", True, ("torch", "for the cuda device")),
        ("auto", True, "cpu", True, ("openvino", "PyTorch cannot use the GPU: OpenVINO is the fastest")),
        ("auto", False, "cuda", False, ("torch", "no GPU, and OpenVINO is not installed")),
        ("cpu", True, "cuda", True, ("openvino", "on the CPU: OpenVINO is the fastest")),
        ("cuda", False, "cuda", True, ("torch", "for cuda")),
    ],
    ids=["no GPU", "GPU", "driver only", "no OpenVINO", "CPU asked for", "CUDA asked for"],
)
def test_auto_says_why(
    device: str,
    sight: bool,
    torch_finds: str,
    openvino: bool,
    expected: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "_gpu_in_sight", lambda: sight)
    monkeypatch.setattr(engines, "_torch_device", lambda: torch_finds)
    monkeypatch.setattr(engines, "find_spec", lambda library: {"openvino": "found" if openvino else None}[library])
    assert choose_engine(device) == expected


def test_the_choice_is_in_the_description(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda library: None)
    monkeypatch.setitem(ENGINES, "torch", lambda *_: SimpleNamespace(description="PyTorch 2, cpu, bf16"))
    monkeypatch.setattr(engines, "require_answers", lambda *_: None)
    chosen = open_engine((HEADER, {}), device="cpu").description
    assert chosen == "PyTorch 2, cpu, bf16 (on the CPU, and OpenVINO is not installed)"
    assert open_engine((HEADER, {}), engine="torch", device="cpu").description == "PyTorch 2, cpu, bf16"


@needs("onnx", "onnxruntime")
def test_onnx_runtime_is_told_to_compute_in_the_graphs_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds for Arm may compute fp32 in bfloat16 unless told not to."""
    from seqcls.engines import onnx_engine

    told: list[str] = []

    def session(model: bytes, options: Any, providers: list[str]) -> None:
        told.append(options.get_session_config_entry("mlas.enable_gemm_fastmath_arm64_bfloat16"))

    monkeypatch.setattr(onnx_engine.onnxruntime, "InferenceSession", session)
    onnx_engine.forward_of(b"")
    assert told == ["0"]


@needs("openvino")
def test_openvino_runs_a_clip_without_torch(tmp_path: Path, net: GrayResNet) -> None:
    """From the shell: decode, score, write; torch is never imported."""
    write_model(tmp_path / "m.safetensors", HEADER, net.tensors())
    write_clip(tmp_path / "c.mp4", [True] * 8)
    code = (
        "import sys; from seqcls.cli import main\n"
        "try: main()\nexcept SystemExit as end: code = end.code\n"
        "print(sorted({'torch', 'torchvision', 'sklearn', 'onnx'} & set(sys.modules)), code)"
    )
    arguments = ["run", "c.mp4", "-m", "m.safetensors", "--device", "cpu", "-o", "out"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] in ("[] 0", "[] None"), done.stderr
    assert "OpenVINO" in done.stderr and "on the CPU: OpenVINO is the fastest" in done.stderr
    assert (tmp_path / "out" / "intervals.csv").is_file()


def test_a_model_that_looks_at_no_image_is_refused(net: GrayResNet) -> None:
    tensors = net.tensors()
    for bias, score in ((1e5, "1"), (-1e5, "0")):
        bad = {**tensors, "fc.bias": np.array([0, bias, 0], np.float32)}
        with pytest.raises(ModelError, match=f"the score of b is {score} for any image in fp32"):
            open_engine((HEADER, bad), engine="torch", device="cpu", precision="fp32")
    bad = {name: value * (1e6 if name.endswith("bn2.weight") else 1) for name, value in tensors.items()}
    with pytest.raises(ModelError, match="gives no number for any image in fp32"):
        open_engine((HEADER, bad), engine="torch", device="cpu", precision="fp32")
