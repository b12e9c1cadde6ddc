"""The weights that are kept: their mean over the last half of the steps, with batch norms measured on unchanged images.

Izmailov et al. 2018 (arXiv 1803.05407): a mean of weights needs its batch norms measured anew, for the statistics that
were gathered on the way are of other weights. They are measured on images as they are, drawn as in training, because
that is what the network will see: training images are changed, and their statistics with them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from seqcls.models.resnet import GrayResNet

#: On which the norms are measured: 8 % of the time that an epoch of 32 batches takes.
NORM_BATCHES = 8


class WeightAverage:
    """``model``: until the middle of the steps the network itself, from then on the mean of all it has been."""

    def __init__(self, model: GrayResNet, steps: int) -> None:
        self.model = copy.deepcopy(model).eval()
        self._first = steps // 2

    @torch.no_grad()
    def update(self, model: GrayResNet, step: int) -> None:
        """Take the weights after a step, counted from 0, into account."""
        share = 1 / (max(0, step - self._first) + 1)
        for kept, new in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, share)


@torch.no_grad()
def measure_norms(model: GrayResNet, batches: Iterable[Tensor], frozen: Iterable[nn.Module] = ()) -> None:
    """Give the batch norms the statistics of these images: batches of (N, S, S) uint8, on the model's device.

    frozen: parts whose norms stay as they are. The model is left as for scoring.
    """
    still = {norm for part in frozen for norm in part.modules()}
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d) and part not in still]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over the batches
        norm.train()
    for images in batches:
        model(images)
    model.eval()
