"""PyTorch's engine: which batch sizes it uses, and how it records a network for a GPU."""

from __future__ import annotations

from collections.abc import Callable

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


def test_where_nothing_can_be_recorded_the_network_is_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(function: object, example: object) -> None:
        raise RuntimeError("no CUDA")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuse)
    assert torch_engine.record(torch.neg, torch.ones(2)) is torch.neg
