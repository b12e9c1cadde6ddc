"""The loss and mixup, by hand-computed values."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from seqcls.training.loss import masked_loss, mixup
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


def test_mixup_counts_only_what_both_know() -> None:
    x = torch.arange(4.0).view(4, 1, 1).expand(4, 2, 2)
    y, known = torch.tensor([[0.0], [1.0], [0.0], [1.0]]), torch.tensor([[True], [True], [True], [False]])
    mixed, targets, both = mixup(x, y, known, 0.5, np.random.default_rng(0))
    assert not torch.equal(mixed, x)
    assert int(both.sum()) < int(known.sum())
    share = float(np.random.default_rng(0).beta(0.5, 0.5))
    assert 0 < share < 1
    assert set(np.round(targets.flatten().tolist(), 4)) <= set(np.round([0, share, 1 - share, 1], 4))
    assert mixup(x, y, known, 0.0, np.random.default_rng(0))[0] is x
