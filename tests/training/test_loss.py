"""The loss, by hand-computed values."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from seqcls.training.loss import masked_loss
from seqcls.training.options import TrainOptions


def test_the_loss_looks_at_labelled_entries_only() -> None:
    logits = torch.tensor([[0.0, 5.0], [2.0, -3.0]])
    targets, known = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[True, False], [True, False]])
    plain = TrainOptions(label_smoothing=0.0)
    expected = (math.log(2) + math.log(1 + math.exp(2))) / 2
    assert float(masked_loss(logits, targets, known, plain)) == pytest.approx(expected)
    assert float(masked_loss(logits, targets, torch.zeros_like(known), plain)) == 0.0
    focal = replace(plain, loss="focal", focal_gamma=2.0)
    weighted = (math.log(2) * 0.25 + math.log(1 + math.exp(2)) * (1 / (1 + math.exp(-2))) ** 2) / 2
    assert float(masked_loss(logits, targets, known, focal)) == pytest.approx(weighted)
    smoothed = replace(plain, label_smoothing=0.2)  # targets 0.9 and 0.1
    by_hand = (math.log(2) + 0.9 * math.log(1 + math.exp(2)) + 0.1 * math.log(1 + math.exp(-2))) / 2
    assert float(masked_loss(logits, targets, known, smoothed)) == pytest.approx(by_hand)
