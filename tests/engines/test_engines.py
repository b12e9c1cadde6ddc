"""Engines: one contract for all of them; every answer is the network's; ``auto`` says what it chose and why."""

from __future__ import annotations

import builtins
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.drawn import write_clip
from torch import Tensor

from seqcls import engines
from seqcls.engines import ENGINES, Engine, choose_engine, open_engine, torch_engine
from seqcls.engines.base import LIVE_AFTER, PerImageEngine
from seqcls.engines.torch_engine import FULL_BATCH, TorchEngine
from seqcls.errors import EngineError, ModelError, UsageError
from seqcls.geometry import Geometry
from seqcls.models.file import ModelHeader, write_model
from seqcls.models.resnet import GrayResNet, build

SIZE = 32
HEADER = ModelHeader(
    organs=("a", "b", "c"), geometry=Geometry(size=SIZE), calibration=((1.5, 0.3), (0.7, -0.2), (1.0, 0.0))
)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """Noise, each picture of its own brightness: noise alone is all one to a network."""
    rng = np.random.default_rng(1)
    return (rng.random((66, SIZE, SIZE)) * rng.integers(20, 256, (66, 1, 1))).astype(np.uint8)


@pytest.fixture(scope="module")
def net(images: NDArray[np.uint8]) -> GrayResNet:
    """Random weights, with batch norms that do something and logits spread about 0."""
    net, _ = build(3, seed=1)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        for name, value in net.net.state_dict().items():
            if "bn" in name and value.is_floating_point():
                value.uniform_(0.5, 1.5)
        net.eval()
        logits = net(torch.from_numpy(images))
        net.net.fc.weight.div_(logits.std(dim=0)[:, None])
        net.net.fc.bias.copy_(-net.features(torch.from_numpy(images)).mean(dim=0) @ net.net.fc.weight.T)
    return net


CASES = [("torch", "fp32"), ("torch", "bf16"), ("openvino", "fp32"), ("openvino", "bf16"), ("onnx", "fp32")]
LIBRARIES = {"torch": ("torch",), "openvino": ("openvino",), "onnx": ("onnxruntime", "onnx")}
#: Largest |dp| from fp32 torch that an engine may show, on a trained network. Random weights tell pictures apart by
#: differences that are small beside what they are differences of, and cost half precision more.
BOUND = {"fp32": 1e-4, "bf16": 0.03}
BOUND_RANDOM = {"fp32": 1e-4, "bf16": 0.1}


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def engine(request: pytest.FixtureRequest, net: GrayResNet) -> Iterator[Engine]:
    name, precision = request.param
    for library in LIBRARIES[name]:
        pytest.importorskip(library)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "2")  # or a machine with one processor would not try what two do
        try:
            yield open_engine((HEADER, net.tensors()), engine=name, device="cpu", precision=precision)
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
    assert expected.std(axis=0).min() > 0.1  # the pictures differ, or the next line would hold for a constant
    assert scores.dtype == np.float32
    precision = engine.description.split(", ")[2]
    assert np.abs(scores - expected).max() <= BOUND_RANDOM[precision], engine.description


@pytest.fixture(scope="module")
def trained(images: NDArray[np.uint8]) -> GrayResNet:
    """Has learnt which half of a picture is brighter, which third, and whether it is bright at all."""
    half = SIZE // 2
    pictures = images.astype(np.float32)
    pictures[::2, :, :half] /= 3
    pictures[::3, half:] /= 4
    targets = np.stack([np.arange(66) % 2 == 0, np.arange(66) % 3 == 0, pictures.mean(axis=(1, 2)) > 45], axis=1)
    inputs, wanted = torch.from_numpy(pictures), torch.from_numpy(targets.astype(np.float32))
    net, _ = build(3, seed=2)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    net.train()
    for _ in range(16):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(inputs), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    return net


@pytest.mark.parametrize(("name", "precision"), CASES, ids=map("-".join, CASES))
def test_engines_agree_on_a_trained_network(
    name: str, precision: str, trained: GrayResNet, images: NDArray[np.uint8]
) -> None:
    for library in LIBRARIES[name]:
        pytest.importorskip(library)
    model = (HEADER, trained.tensors())
    with torch.inference_mode():
        expected = HEADER.probabilities(trained(torch.from_numpy(images)).numpy())
    assert expected.std(axis=0).max() > 0.15
    try:
        scores = open_engine(model, engine=name, device="cpu", precision=precision).scores(images)
    except EngineError as error:
        pytest.skip(str(error))
    assert np.abs(scores - expected).max() <= BOUND[precision]


@pytest.mark.parametrize("chunk", [1, 2, 7, 64])
def test_a_frames_score_does_not_depend_on_its_mates(engine: Engine, images: NDArray[np.uint8], chunk: int) -> None:
    whole = engine.scores(images)
    parts = np.concatenate([engine.scores(images[i : i + chunk]) for i in range(0, len(images), chunk)])
    assert np.array_equal(whole, parts)  # to the bit: live is offline


def test_nor_on_their_order(engine: Engine, images: NDArray[np.uint8]) -> None:
    order = np.random.default_rng(2).permutation(len(images))
    assert np.array_equal(engine.scores(images[order]), engine.scores(images)[order])


def test_no_pictures_give_no_scores(engine: Engine) -> None:
    assert engine.scores(np.zeros((0, SIZE, SIZE), np.uint8)).shape == (0, 3)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((1, SIZE, SIZE + 1), np.uint8), ((SIZE, SIZE), np.uint8), ((1, SIZE, SIZE), np.float32)],
    ids=["another size", "no batch", "floats"],
)
def test_other_pictures_are_refused(engine: Engine, shape: tuple[int, ...], kind: type) -> None:
    with pytest.raises(EngineError, match=rf"takes \(N, {SIZE}, {SIZE}\) uint8"):
        engine.scores(np.zeros(shape, kind))


def test_a_view_with_strides_scores_like_a_copy(engine: Engine, images: NDArray[np.uint8]) -> None:
    assert np.array_equal(engine.scores(images[::7, ::-1]), engine.scores(images[::7, ::-1].copy()))


def test_batch_sizes_that_disagree_are_not_used(net: GrayResNet, images: NDArray[np.uint8]) -> None:
    class Wavering(TorchEngine):
        def _forward(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            return super()._forward(images) + np.float32(0.001 * (len(images) < 4))

    engine = Wavering(HEADER, net.tensors(), device="cpu", precision="fp32")
    assert engine.scores(images[:1]) == pytest.approx(engine.scores(images)[:1], abs=1e-7)
    careless = Wavering(HEADER, net.tensors(), device="cpu", precision="fp32", consistent=False)
    assert careless.scores(images[:1]) != pytest.approx(engine.scores(images)[:1], abs=1e-5)
    assert FULL_BATCH > 4


def test_recorded_networks_give_every_call_its_own_result(
    net: GrayResNet, images: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CUDA graph has one input and one output for all calls; the stand-in has too."""
    recorded: list[int] = []

    def record(function: Callable[[Tensor], Tensor], example: Tensor) -> Callable[[Tensor], Tensor]:
        recorded.append(len(example))
        given, result = example.clone(), function(example).clone()

        def replay(batch: Tensor) -> Tensor:
            result.copy_(function(given.copy_(batch)))
            return result

        return replay

    engine = TorchEngine(HEADER, net.tensors(), device="cpu", precision="fp32")
    expected = engine.scores(images)
    monkeypatch.setattr(torch_engine, "record", record)
    engine._record = True
    assert np.array_equal(engine.scores(images), expected)
    assert np.array_equal(engine.scores(images[:16]), expected[:16])
    assert recorded.count(FULL_BATCH) == 1 and len(recorded) == len(set(recorded))


def test_a_recording_is_fed_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """With stand-ins for CUDA's streams and graphs: replaying runs what was recorded, on what was put in."""
    seen: list[tuple[Tensor, Tensor]] = []

    def double(batch: Tensor) -> Tensor:
        seen.append((batch, batch * 2))
        return seen[-1][1]

    class Graph:
        def replay(self) -> None:
            given, result = seen[-1]
            result.copy_(given * 2)

    stream = MagicMock()
    for name, stand_in in (("Stream", stream), ("current_stream", stream), ("CUDAGraph", Graph)):
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch.cuda, "stream", lambda side: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: nullcontext())
    replay = torch_engine.record(double, torch.ones(2))
    calls = len(seen)
    assert calls > 1  # warmed up before it was recorded
    assert replay(torch.tensor([3.0, 4.0])).tolist() == [6.0, 8.0]
    assert replay(torch.tensor([1.0, 0.0])).tolist() == [2.0, 0.0]
    assert len(seen) == calls


def test_where_nothing_can_be_recorded_the_network_is_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("no CUDA")

    monkeypatch.setattr(torch.cuda, "Stream", refuse)
    assert torch_engine.record(torch.neg, torch.ones(2)) is torch.neg


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
def test_engines_for_processors_say_so(name: str, net: GrayResNet) -> None:
    pytest.importorskip(LIBRARIES[name][0])
    with pytest.raises(EngineError, match="not on cuda; use --device cpu"):
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
    ("device", "sight", "torch_finds", "installed", "expected"),
    [
        ("auto", "", "cpu", {"openvino", "torch"}, ("openvino", "no GPU: OpenVINO is the fastest")),
        ("auto", "GPU driver", "cuda", {"openvino", "torch"}, ("torch", "for the cuda device")),
        ("auto", "GPU driver", "cpu", {"openvino"}, ("openvino", "PyTorch cannot use the GPU driver: OpenVINO is")),
        ("auto", "", "cuda", {"torch"}, ("torch", "no GPU, and OpenVINO is not installed")),
        ("cpu", "GPU driver", "cuda", {"openvino", "torch"}, ("openvino", "on the CPU: OpenVINO is the fastest")),
        ("cuda", "", "cuda", {"openvino", "torch"}, ("torch", "for cuda")),
        ("cpu", "", "cpu", {"onnxruntime"}, ("onnx", "on the CPU, and neither OpenVINO nor PyTorch is installed")),
    ],
    ids=["no GPU", "GPU", "driver only", "no OpenVINO", "CPU asked for", "CUDA asked for", "ONNX Runtime alone"],
)
def test_auto_says_why(
    device: str,
    sight: str,
    torch_finds: str,
    installed: set[str],
    expected: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "_gpu_in_sight", lambda: sight)
    monkeypatch.setattr(engines, "_torch_device", lambda: torch_finds)
    monkeypatch.setattr(engines, "_installed", lambda library: library in installed)
    name, why = choose_engine(device)
    assert name == expected[0]
    assert why.startswith(expected[1])


def test_auto_needs_one_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_installed", lambda library: False)
    with pytest.raises(EngineError, match="no inference library"):
        choose_engine("cpu")


def test_the_choice_is_in_the_description(monkeypatch: pytest.MonkeyPatch, net: GrayResNet) -> None:
    monkeypatch.setattr(engines, "_installed", lambda library: library == "torch")
    chosen = open_engine((HEADER, net.tensors()), device="cpu").description
    assert chosen.startswith("PyTorch") and chosen.endswith("(on the CPU, and OpenVINO is not installed)")
    assert "(" not in open_engine((HEADER, net.tensors()), engine="torch", device="cpu").description


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="needs OpenVINO")
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


class Counting(PerImageEngine):
    """Answers with each picture's mean, plus ``error`` where a single one is spread; notes how it was asked."""

    def __init__(self, error: float = 0.0) -> None:
        self.asked: list[str] = []

        def means(images: NDArray[np.uint8]) -> NDArray[np.float32]:
            self.asked.append("stream")
            return np.repeat(images.mean(axis=(1, 2), dtype=np.float64)[:, None] / 100 - 1, 3, axis=1)

        def spread(images: NDArray[np.uint8]) -> NDArray[np.float32]:
            self.asked.append("spread")
            return np.repeat(images.mean(axis=(1, 2), dtype=np.float64)[:, None] / 100 - 1 + error, 3, axis=1)

        super().__init__(HEADER, "Counting", streamed=means, spread=lambda: spread)


@pytest.mark.parametrize(
    ("processors", "error", "expected"),
    [("2", 0.0, "spread"), ("1", 0.0, "stream"), ("2", 1e-6, "stream")],
    ids=["agrees", "one processor", "differs in the last bits"],
)
def test_single_pictures_are_spread_once_that_is_the_same(
    processors: str, error: float, expected: str, images: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", processors)
    engine = Counting(error)
    for picture in images[: LIVE_AFTER - 1]:
        engine.scores(picture[None])
    assert set(engine.asked) == {"stream"}  # a clip's last few do not pay for a second network
    engine.scores(images[:1])
    single = engine.scores(images[:1])
    assert engine.asked[-1] == expected
    assert np.array_equal(single, engine.scores(images[:4])[:1])
    assert engine.asked[-1] == "stream"


def test_a_library_that_fails_is_told_in_one_line(images: NDArray[np.uint8]) -> None:
    def broken(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise RuntimeError("out of\n  memory")

    engine = PerImageEngine(HEADER, "Library", streamed=broken, spread=lambda: broken)
    with pytest.raises(EngineError, match=r"Library failed \(out of memory\); try --engine torch"):
        engine.scores(images[:2])
