"""PyTorch's engine: which batch sizes it uses, and how it records a network for a GPU."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.networks import HEADER_OF_3 as HEADER
from support.networks import fitted, patterns
from torch import Tensor

from seqcls.engines import torch_engine
from seqcls.engines.torch_engine import FULL_BATCH, TorchEngine
from seqcls.models.resnet import GrayResNet


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return patterns()[0]


@pytest.fixture(scope="module")
def net() -> GrayResNet:
    return fitted(*patterns())


def test_batch_sizes_that_disagree_are_not_used(net: GrayResNet, images: NDArray[np.uint8]) -> None:
    class Wavering(TorchEngine):
        def _forward(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            return super()._forward(images) + np.float32(0.001 * (len(images) < 4))

    engine = Wavering(HEADER, net.tensors(), device="cpu", precision="fp32")
    assert engine.scores(images[:1]) == pytest.approx(engine.scores(images[:16])[:1], abs=1e-7)
    engine._sizes = (1, FULL_BATCH)  # as if nobody had looked
    assert engine.scores(images[:1]) != pytest.approx(engine.scores(images[:16])[:1], abs=1e-5)


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
    images = images[:18]
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
