"""Engines: one contract for all of them; torch's answer is the network's."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seqcls.engines import ENGINES, Engine, open_engine
from seqcls.engines.torch_engine import FULL_BATCH, TorchEngine
from seqcls.errors import EngineError, ModelError, UsageError
from seqcls.geometry import Geometry
from seqcls.model import GrayResNet, build
from seqcls.modelfile import ModelHeader, write_model

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


@pytest.fixture(scope="module", params=[(e, p) for e in ENGINES for p in ("fp32", "bf16")], ids="-".join)
def engine(request: pytest.FixtureRequest, net: GrayResNet) -> Engine:
    name, precision = request.param
    return open_engine((HEADER, net.tensors()), engine=name, device="cpu", precision=precision)


def test_scores_are_the_networks_calibrated(engine: Engine, net: GrayResNet, images: NDArray[np.uint8]) -> None:
    scores = engine.scores(images)
    with torch.inference_mode():
        logits = net(torch.from_numpy(images)).numpy()
    slope, shift = np.array(HEADER.calibration).T
    expected = 1 / (1 + np.exp(-(slope * logits + shift)))
    assert expected.std(axis=0).min() > 0.1  # the pictures differ, or the next line would hold for a constant
    assert scores.dtype == np.float32
    assert scores == pytest.approx(expected, abs=1e-4 if "fp32" in engine.description else 0.1)


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
    with pytest.raises(UsageError, match="unknown engine 'tpu': choose one of auto, torch"):
        open_engine((HEADER, net.tensors()), engine="tpu")
    with pytest.raises(EngineError, match="no cuda device"):
        open_engine((HEADER, net.tensors()), engine="torch", device="cuda")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, net: GrayResNet) -> None:
    real = builtins.__import__

    def without_torch(name: str, *args: object, **kwargs: object) -> object:
        if name == "seqcls.engines.torch_engine":
            raise ImportError("No module named 'torch'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    with pytest.raises(EngineError, match="pip install torch torchvision"):
        open_engine((HEADER, net.tensors()), engine="torch")
