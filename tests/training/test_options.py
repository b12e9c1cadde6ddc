"""Options that cannot be right are refused by name."""

from __future__ import annotations

import pytest

from seqcls.errors import UsageError
from seqcls.training.options import TrainOptions

WRONG = [
    {"epochs": 0}, {"batch_size": 1}, {"lr": 0.0}, {"lr": float("nan")}, {"warmup": 1.0}, {"progressive": -0.1},
    {"optimizer": "lion"}, {"loss": "hinge"}, {"schedule": "step"}, {"label_smoothing": 1.0},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_impossible_options_are_refused(wrong: dict) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        TrainOptions(**wrong)
