"""What a network makes of frames: logits, features, and how well it does on those that are labelled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcls.datasets.dataset import FrameSet
from seqcls.evaluation.metrics import auroc
from seqcls.models.resnet import GrayResNet, choose_device, choose_precision
from seqcls.training.batches import targets_of
from seqcls.training.loss import plain_loss
from seqcls.training.options import TrainOptions
from seqcls.training.sampler import Indices


def predict(
    model: GrayResNet, images: NDArray[np.uint8], options: TrainOptions, rows: Indices | None = None
) -> NDArray[np.float32]:
    """(N, K) float32 logits of (N, S, S) uint8, or of these rows of them."""
    empty = np.zeros((0, model.net.fc.out_features), np.float32)
    rows = np.arange(len(images)) if rows is None else rows
    return np.concatenate([empty, *_forwarded(model, model, images, rows, options)])


def features_of(
    model: GrayResNet, images: NDArray[np.uint8], options: TrainOptions, rows: Indices
) -> NDArray[np.float32]:
    """(len(rows), D) of these images, what ``Novelty`` takes."""
    return np.concatenate([*_forwarded(model, model.novelty_features, images, rows, options)])


def _forwarded(
    model: GrayResNet,
    function: Callable[[Tensor], Tensor],
    images: NDArray[np.uint8],
    rows: Indices,
    options: TrainOptions,
) -> Iterator[NDArray[np.float32]]:
    """What a part of the trained model makes of these rows of (N, S, S) uint8, some at a time: all of them may be more
    than fit into memory."""
    device = choose_device(options.device)
    dtype = choose_precision(options.precision, device)
    model.to(device).eval()
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for start in range(0, len(rows), 64):
            yield function(torch.from_numpy(images[rows[start : start + 64]]).to(device)).float().cpu().numpy()


class Judgement(NamedTuple):
    """Loss and AUROC of a validation; auroc: the mean over the organs for which it shows both classes, by_organ: of
    each; NaN where there is none."""

    loss: float
    auroc: float
    by_organ: tuple[float, ...]


def validate(model: GrayResNet, frames: FrameSet, rows: Indices, options: TrainOptions) -> Judgement:
    """How well the model does on these rows, of which there is one at least."""
    logits, known = predict(model, frames.images, options, rows), frames.mask[rows]
    targets = targets_of(frames)[rows]
    loss = plain_loss(torch.from_numpy(logits), targets, torch.from_numpy(known))
    areas = [auroc(frames.targets[rows, k][use], logits[use, k]) for k, use in enumerate(known.T)]
    defined = [area for area in areas if not math.isnan(area)]
    return Judgement(float(loss), float(np.mean(defined)) if defined else math.nan, tuple(areas))
