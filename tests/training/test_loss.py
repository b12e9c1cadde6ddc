"""The loss, by hand-computed values."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from seqcls.training.loss import masked_loss, plain_loss
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


def test_the_loss_that_is_shown_has_no_focus_and_no_smoothing() -> None:
    logits, targets = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [0.0]])
    expected = (math.log(2) + math.log(1 + math.exp(2))) / 2
    assert float(plain_loss(logits, targets, torch.ones(2, 1))) == pytest.approx(expected)


@pytest.mark.parametrize("loss", ["bce", "focal"])
@pytest.mark.parametrize(("logit", "target"), [(-9.0, 0.0), (0.3, 1.0), (9.0, 1.0)])
def test_an_organ_learns_nothing_from_frames_that_are_not_labelled_for_it(
    loss: str, logit: float, target: float
) -> None:
    """Frame 0 is labelled for A, frame 1 for B: (sigmoid(0) - 1) / 2 = -0.25 and (sigmoid(2) - 0) / 2 = 0.4404.

    With the focal loss of gamma 2: d/dz of (1 - p)² · -ln p at z = 0 is -0.25 · (ln 2 + 0.5), and halved.
    """
    logits = torch.tensor([[0.0, logit], [logit, 2.0]], requires_grad=True)
    targets, known = torch.tensor([[1.0, target], [target, 0.0]]), torch.tensor([[True, False], [False, True]])
    options = TrainOptions(label_smoothing=0.0, loss=loss)  # type: ignore[arg-type]
    (slope,) = torch.autograd.grad(masked_loss(logits, targets, known, options), logits)
    assert slope[0, 1] == slope[1, 0] == 0
    assert float(slope[0, 0]) == pytest.approx(-0.25 if loss == "bce" else -0.25 * (math.log(2) + 0.5) / 2, abs=1e-6)
    if loss == "bce":
        assert float(slope[1, 1]) == pytest.approx(0.440399, abs=1e-6)


def test_two_separately_labelled_sets_give_each_organ_the_slope_of_its_own_model() -> None:
    """Organ A has 2 frames, organ B 4 others: A's slopes are a third of those in a model of A alone, B's two thirds."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 2, generator=generator, requires_grad=True)
    targets = (torch.rand(6, 2, generator=generator) > 0.5).float()
    known = torch.tensor([[True, False]] * 2 + [[False, True]] * 4)
    options = TrainOptions()
    (joint,) = torch.autograd.grad(masked_loss(logits, targets, known, options), logits)
    for organ, rows, share in ((0, slice(0, 2), 1 / 3), (1, slice(2, 6), 2 / 3)):
        own = logits[rows, organ : organ + 1]
        alone = masked_loss(own, targets[rows, organ : organ + 1], known[rows, organ : organ + 1], options)
        (slope,) = torch.autograd.grad(alone, logits)
        assert torch.allclose(joint[:, organ], slope[:, organ] * share, atol=1e-7)
