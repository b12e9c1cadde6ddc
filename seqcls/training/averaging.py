"""The weights that are kept: their mean over the last half of the steps, with batch norms between two statistics.

Izmailov et al. 2018 (arXiv 1803.05407) measure the batch norms of a mean of weights anew, for the statistics that were
gathered on the way are of other weights, here of changed images as well. Statistics of images as they are fit what the
network will see, but now and then they fit the patients of the training too closely. Half of each is better than the
one in long trainings and than the other in short ones (docs/small-data.md); so it is between two domains in Schneider
et al. 2020 (arXiv 2006.16971).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from seqcls.models.resnet import GrayResNet

#: On which the norms are measured: 8 % of the time that an epoch of 32 batches takes.
NORM_BATCHES = 8


class WeightAverage:
    """``model``: until the middle of the steps the network itself, from then on the mean of all it has been."""

    def __init__(self, model: GrayResNet, steps: int) -> None:
        self._first = steps // 2
        self._mean = copy.deepcopy(model).eval()
        self._kept = _floats(self._mean)
        self._newer: GrayResNet | None = None  # whose weights as they are now would be the mean

    @property
    @torch.no_grad()
    def model(self) -> GrayResNet:
        if self._newer is not None:
            torch._foreach_copy_(self._kept, _floats(self._newer))
            self._newer = None
        return self._mean

    @torch.no_grad()
    def update(self, model: GrayResNet, step: int) -> None:
        """Take the weights after a step, counted from 0, into account. Until the next step they may be asked for."""
        if step <= self._first:
            self._newer = model  # copied when somebody asks
        if step == self._first:
            _ = self.model
        elif step > self._first:
            torch._foreach_lerp_(self._kept, _floats(model), 1 / (step - self._first + 1))


def _floats(model: GrayResNet) -> list[Tensor]:
    """Weights and running statistics, without what counts batches."""
    return [value for value in (*model.parameters(), *model.buffers()) if value.is_floating_point()]


@torch.no_grad()
def with_norms(model: GrayResNet, batches: Iterable[Tensor], frozen: Sequence[str] = ()) -> GrayResNet:
    """A copy whose batch norms have the mean of their statistics and those of these images: batches of (N, S, S) uint8,
    on the model's device.

    frozen: names of parts of the network whose norms stay as they are. The copy is made for scoring.
    """
    model = copy.deepcopy(model).eval()
    parts = [part for name, part in model.net.named_children() if name not in frozen]
    norms = [norm for part in parts for norm in part.modules() if isinstance(norm, nn.BatchNorm2d)]
    before = [(copy.deepcopy(norm.running_mean), copy.deepcopy(norm.running_var)) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over the batches
        norm.train()
    for images in batches:
        model(images)
    for norm, (mean, var) in zip(norms, before, strict=True):
        assert norm.running_mean is not None and norm.running_var is not None and mean is not None and var is not None
        norm.running_mean.lerp_(mean, 0.5)
        norm.running_var.lerp_(var, 0.5)
    return model.eval()
