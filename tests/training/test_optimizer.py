"""The learning rate's course, which weights are decayed, and gradients that are too long."""

from __future__ import annotations

import pytest
import torch
from support.tiny_network import build

from seqcls.training.optimizer import clip_gradients, lr_factor, open_optimizer, quick_convolutions
from seqcls.training.options import TrainOptions


def test_the_rate_rises_then_falls() -> None:
    options = TrainOptions(warmup=0.1)
    factors = [lr_factor(step, 100, options) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[10] == 1.0
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] < 0.001


def test_a_constant_rate_stays_after_the_warm_up() -> None:
    options = TrainOptions(warmup=0.02, schedule="constant")
    assert [lr_factor(step, 100, options) for step in (0, 1, 2, 50, 99)] == [0.5, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_norms_and_biases_are_not_decayed(name: str) -> None:
    options = TrainOptions(optimizer=name, weight_decay=0.1, lr=0.01)  # type: ignore[arg-type]
    model = build(2)[0]
    optimizer = open_optimizer(model, options)
    decayed, others = optimizer.param_groups
    assert (decayed["weight_decay"], others["weight_decay"], decayed["lr"]) == (0.1, 0.0, 0.01)
    assert [tuple(value.shape) for value in decayed["params"]] == [(16, 1, 5, 5), (2, 32)]
    assert [tuple(value.shape) for value in others["params"]] == [(16,), (16,), (2,)]
    assert type(optimizer).__name__.lower() == name


@pytest.mark.parametrize("limit", [1e-3, 1e3], ids=["too long", "short"])
def test_a_gradient_is_shortened_as_pytorch_does_it(limit: float) -> None:
    first, second = (build(1)[0] for _ in range(2))
    for model in (first, second):
        model(torch.arange(2 * 16 * 16.0).view(2, 16, 16)).sum().backward()
    first.net.fc.bias.grad = second.net.fc.bias.grad = None  # of a part that is frozen
    before = [value.grad.clone() for value in first.parameters() if value.grad is not None]
    clip_gradients(first, limit)
    torch.nn.utils.clip_grad_norm_(second.parameters(), limit)
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(one.grad, other.grad) for one, other in pairs if one.grad is not None)
    after = [value.grad for value in first.parameters() if value.grad is not None]
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True)) == (limit > 1)


def test_the_search_for_quick_convolutions_ends_with_the_training() -> None:
    before = torch.backends.cudnn.benchmark
    with pytest.raises(KeyError), quick_convolutions():
        assert torch.backends.cudnn.benchmark
        raise KeyError
    assert torch.backends.cudnn.benchmark == before
