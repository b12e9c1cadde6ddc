"""What the network is shown: rows drawn from the frames, and changed at random, batch by batch.

Random numbers are the batches' own; each batch says where these stood after it, for a training that goes on from there.
Batches are made between the steps, not by a thread of their own: on a CPU the network takes all cores, so nothing is
gained beside it, and a GPU works off what it was told while the program goes on.
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
from seqcls.training.process_group import Processes
from seqcls.training.sampler import Indices, Sampler

#: Of a GPU's free memory, what the frames may take; the network and its steps need the rest.
MEMORY_SHARE = 0.5
#: Frames sent to it at a time.
_SENT = 4096


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
    frames: FrameSet,
    rows: Indices,
    options: TrainOptions,
    start: BatchesState | None = None,
    processes: Processes | None = None,
) -> Generator[Batch, None, None]:
    """All batches of a training, drawn and changed, on the device; those after ``start``.

    processes: all of them draw the same batches, and each takes and changes its own part of every one.
    """
    processes = Processes() if processes is None else processes
    part = processes.part_of(options.batch_size)
    device = choose_device(options.device)
    held = DeviceFrames(frames, device, whole=fits(frames, device))
    sampler = Sampler(frames, rows, np.random.default_rng(options.seed), balance=options.balance)
    changes = torch.Generator(device=device).manual_seed(processes.seed(options.seed))
    total = options.epochs * options.steps_per_epoch(len(rows))
    if start is not None:
        sampler.random.bit_generator.state = start.sampler
        changes.set_state(start.changes)
    for step in range(0 if start is None else start.step, total):
        x, y, known = held.take(sampler.draw(options.batch_size)[part])
        x = torch.nn.functional.avg_pool2d(x.float(), 2) if step < round(options.progressive * total) else x
        x, y, known = augment(x, y, known, options.augment, changes)
        random = sampler.random.bit_generator.state
        yield Batch(x, y, known, BatchesState(step=step + 1, sampler=random, changes=changes.get_state()))


class DeviceFrames:
    """Frames from which batches are taken on the device. whole: all images lie there; else those of a batch are sent
    when it is drawn. Targets always lie there."""

    def __init__(self, frames: FrameSet, device: torch.device, *, whole: bool) -> None:
        self._device = device
        self._targets, self._known = targets_of(frames).to(device), torch.from_numpy(frames.mask).to(device)
        self._frames = frames
        self._images: Tensor | None = None
        if whole:
            self._images = torch.empty(frames.images.shape, dtype=torch.uint8, device=device)
            for start in range(0, len(frames.images), _SENT):
                rows = np.arange(start, min(start + _SENT, len(frames.images)))
                self._images[start : start + _SENT] = torch.from_numpy(frames.images[rows])

    def take(self, rows: Indices) -> tuple[Tensor, Tensor, Tensor]:
        """(N, S, S) uint8 images of these rows, (N, K) float32 targets, (N, K) bool what of them is labelled."""
        places = self._sent(torch.from_numpy(rows))
        whole = self._images
        images = self._sent(torch.from_numpy(self._frames.images[rows])) if whole is None else whole[places]
        return images, self._targets[places], self._known[places]

    def _sent(self, values: Tensor) -> Tensor:
        # From pinned memory a GPU fetches by itself; of other memory the program would wait for all steps before.
        if self._device.type == "cuda":
            return values.pin_memory().to(self._device, non_blocking=True)
        return values.to(self._device)


def fits(frames: FrameSet, device: torch.device) -> bool:
    """Whether all images may lie on the device. Ordinary memory, from where a CPU takes them, is no such place."""
    return device.type == "cuda" and frames.images.nbytes < MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]


def targets_of(frames: FrameSet) -> Tensor:
    """Targets with 0 where not labelled: a NaN there would survive the mask (NaN * 0)."""
    return torch.from_numpy(np.where(frames.mask, frames.targets, 0).astype(np.float32))
