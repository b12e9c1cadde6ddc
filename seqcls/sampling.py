"""Which frames a batch is made of: organs, classes and clips alike, however many frames each has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqcls.dataset import FrameSet
from seqcls.errors import DataError

Indices = NDArray[np.int64]


class Sampler:
    """Draws rows with repeats. Balanced: an organ, a class, a clip that shows it, then a frame, each alike."""

    def __init__(self, frames: FrameSet, rows: Indices, random: np.random.Generator, *, balance: bool) -> None:
        self.random = random
        self._rows = rows
        self._pools: list[list[list[Indices]]] = []  # organ, class, clip
        clips = np.unique(frames.clip[rows], return_inverse=True)[1]
        for organ in range(len(frames.organs)) if balance else ():
            known, present = frames.mask[rows, organ], frames.targets[rows, organ] > 0.5
            classes = []
            for inside in (known & present, known & ~present):
                classes.append([rows[inside & (clips == clip)] for clip in np.unique(clips[inside])])
            if all(classes):
                self._pools.append(classes)

    def draw(self, count: int) -> Indices:
        """(count,) rows; in a balanced batch the classes differ by at most one frame per organ."""
        if not self._pools:
            return self.random.choice(self._rows, count)
        chosen = np.empty(count, np.int64)
        for place in range(count):
            classes = self._pools[(place // 2) % len(self._pools)]
            clips = classes[place % 2]
            chosen[place] = self.random.choice(clips[self.random.integers(len(clips))])
        return chosen


def check_classes(frames: FrameSet, rows: Indices) -> None:
    """Raise DataError unless these rows show every organ both present and absent."""
    if not len(rows):
        raise DataError("there is no frame to train on; look at the split column of frames.csv")
    for column, organ in enumerate(frames.organs):
        known = frames.targets[rows, column][frames.mask[rows, column]] > 0.5
        for label, count in (("present", int(known.sum())), ("absent", int((~known).sum()))):
            if not count:
                raise DataError(f"no training frame shows {organ} {label}; label some, or leave {organ} out")
