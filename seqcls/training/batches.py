"""What the network is shown: rows drawn from the frames, and changed at random, batch by batch.

Random numbers are the batches' own, so that they may be made ahead of the training. Each batch says where these stood
after it, for a training that goes on from there.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from seqcls.datasets.dataset import FrameSet
from seqcls.models.resnet import choose_device
from seqcls.training.augment import augment
from seqcls.training.options import TrainOptions
from seqcls.training.sampler import Indices, Sampler

#: Drawn and changed by a thread of its own while the network learns from the one before.
BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchesState:
    """After ``step`` batches. sampler: the state of its NumPy generator; changes: (B,) uint8, that of the PyTorch
    generator of the augmentation."""

    step: int
    sampler: Mapping[str, Any]
    changes: Tensor


class Batch(NamedTuple):
    """images (N, S, S) float32 of 0..255; targets (N, K) float32; known (N, K) bool: what of them is labelled. after:
    where the batches stand now."""

    images: Tensor
    targets: Tensor
    known: Tensor
    after: BatchesState


def training_batches(
    frames: FrameSet, rows: Indices, options: TrainOptions, start: BatchesState | None = None
) -> Generator[Batch, None, None]:
    """All batches of a training, drawn and changed, on the device; those after ``start``."""
    device = choose_device(options.device)
    targets, mask = targets_of(frames), torch.from_numpy(frames.mask)
    sampler = Sampler(frames, rows, np.random.default_rng(options.seed), balance=options.balance)
    changes = torch.Generator(device=device).manual_seed(options.seed)
    total = options.epochs * options.steps_per_epoch(len(rows))
    if start is not None:
        sampler.random.bit_generator.state = start.sampler
        changes.set_state(start.changes)
    for step in range(0 if start is None else start.step, total):
        rows = sampler.draw(options.batch_size)
        drawn, images = torch.from_numpy(rows), torch.from_numpy(frames.images[rows])
        x, y, known = (part.to(device) for part in (images, targets[drawn], mask[drawn]))
        x = torch.nn.functional.avg_pool2d(x.float(), 2) if step < round(options.progressive * total) else x
        x, y, known = augment(x, y, known, options.augment, changes)
        random = sampler.random.bit_generator.state
        yield Batch(x, y, known, BatchesState(step=step + 1, sampler=random, changes=changes.get_state()))


def targets_of(frames: FrameSet) -> Tensor:
    """Targets with 0 where not labelled: a NaN there would survive the mask (NaN * 0)."""
    return torch.from_numpy(np.where(frames.mask, frames.targets, 0).astype(np.float32))
