"""What is learned from a batch: the loss over what is labelled."""

from __future__ import annotations

import torch
from torch import Tensor

from seqcls.training.options import TrainOptions


def masked_loss(logits: Tensor, targets: Tensor, known: Tensor, options: TrainOptions) -> Tensor:
    """Mean loss over the labelled entries; logits, targets (N, K) float, known (N, K) bool or share of 1."""
    smooth = targets * (1 - options.label_smoothing) + options.label_smoothing / 2
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), smooth, reduction="none")
    if options.loss == "focal":
        # 1 - p of the true class; with soft targets, the distance to them (generalised by Li et al. 2020, 2006.04388).
        loss = loss * (torch.sigmoid(logits.float()) - smooth).abs().pow(options.focal_gamma)
    weight = known.float()
    return (loss * weight).sum() / weight.sum().clamp_min(1)


def plain_loss(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """As ``masked_loss``, without focus and smoothing: what training and validation are shown by, side by side."""
    return masked_loss(logits, targets, known, _PLAIN)


_PLAIN = TrainOptions(loss="bce", label_smoothing=0.0)
