"""What the network is shown: rows drawn from the frames, and changed at random, batch by batch.

Random numbers are the batches' own, so that they may be made ahead of the training.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from torch import Tensor

from seqcls.datasets.dataset import FrameSet
from seqcls.models.resnet import choose_device
from seqcls.training.augment import augment
from seqcls.training.options import TrainOptions
from seqcls.training.sampler import Indices, Sampler

#: (N, S, S) float32 images of 0..255, (N, K) targets, (N, K) what of them is labelled.
Batch = tuple[Tensor, Tensor, Tensor]
#: Drawn and changed by a thread of its own while the network learns from the one before.
BATCHES_AHEAD = 2


def training_batches(frames: FrameSet, rows: Indices, options: TrainOptions) -> Generator[Batch, None, None]:
    """All batches of a training, drawn and changed, on the device."""
    device = choose_device(options.device)
    images, targets, mask = torch.from_numpy(frames.images), targets_of(frames), torch.from_numpy(frames.mask)
    sampler = Sampler(frames, rows, np.random.default_rng(options.seed), balance=options.balance)
    changes = torch.Generator(device=device).manual_seed(options.seed)
    total = options.epochs * options.steps_per_epoch(len(rows))
    for step in range(total):
        drawn = torch.from_numpy(sampler.draw(options.batch_size))
        x, y, known = (part[drawn].to(device) for part in (images, targets, mask))
        x = torch.nn.functional.avg_pool2d(x.float(), 2) if step < round(options.progressive * total) else x
        yield augment(x, y, known, options.augment, changes)


def targets_of(frames: FrameSet) -> Tensor:
    """Targets with 0 where not labelled: a NaN there would survive the mask (NaN * 0)."""
    return torch.from_numpy(np.where(frames.mask, frames.targets, 0).astype(np.float32))
