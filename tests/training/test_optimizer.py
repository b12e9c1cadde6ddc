"""The learning rate's course, and which weights are decayed."""

from __future__ import annotations

import pytest
from support.tiny_network import build

from seqcls.training.optimizer import lr_factor, open_optimizer
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
