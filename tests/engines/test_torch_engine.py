"""PyTorch's engine: which batch sizes it uses, and how it records a network for a GPU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.networks import HEADER_OF_3 as HEADER
from torch import Tensor

from seqcls.engines import torch_engine
from seqcls.engines.torch_engine import FULL_BATCH, TorchEngine
from seqcls.models.resnet import GrayResNet


class Watched(TorchEngine):
    """Brightness as the score; remembers the batch sizes. Wrong in batches of 1, and at the end of batches of 4."""

    seen: list[int]

    def _forward(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen = [*getattr(self, "seen", []), len(images)]
        scores = images.mean(axis=(1, 2)).astype(np.float32)[:, None] / 255
        scores[-1] += 0.001 * (len(images) in (1, 4))
        return np.repeat(scores, len(HEADER.organs), axis=1)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_on_a_cpu_every_image_goes_alone(net: GrayResNet, images: NDArray[np.uint8], precision: str) -> None:
    engine = Watched(HEADER, net.tensors(), device="cpu", precision=precision)
    assert not hasattr(engine, "seen")  # nothing is tried at the start
    engine.scores(images[:5])
    assert engine.seen == [1] * 5


def test_batch_sizes_that_disagree_anywhere_are_not_used(net: GrayResNet, images: NDArray[np.uint8]) -> None:
    engine = Watched(HEADER, net.tensors(), device="cpu", precision="fp32")
    engine._sizes = engine._agreeing_sizes()  # as on a GPU
    assert engine._sizes == (2, 8, FULL_BATCH)
    engine.seen = []
    alone, many = engine.scores(images[:1]), engine.scores(images[:19])
    assert engine.seen == [2, 16, 8]
    assert np.array_equal(alone, many[:1])


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
    engine._sizes = (2, FULL_BATCH)  # as on a GPU
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
