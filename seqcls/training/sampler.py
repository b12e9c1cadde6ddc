"""Which frames a batch is made of: organs, classes and clips alike, however many frames each has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.dataset import FrameSet
from seqcls.errors import DataError

Indices = NDArray[np.int64]

#: Share of each class that is drawn from clips which show both classes, where there are also clips that show one.
MIXED_SHARE = 0.5
#: But no more than so many times the share that these clips have of the frames of a class, in either class: else the
#: few frames of absence in a clip of presence would be learned by heart, and the rest of the patient with them.
MAX_REPEATED = 8.0


class Sampler:
    """Draws rows with repeats. Balanced: an organ, a class, a clip that shows it, then a frame, each alike.

    Clips that show both classes get the same share of both. Were clips of a class simply alike, a clip with presence
    among a few and absence among many would stand for presence nine times out of ten, and the network would learn to
    know the clip, not the organ: measured, it called the absent frames of its own training clips present. Where one of
    the classes has few frames in such clips, both get less (``MAX_REPEATED``): measured, half of the absence drawn from
    one second of a corrected clip cost a quarter of the accuracy on the patient's other clips.
    """

    def __init__(self, frames: FrameSet, rows: Indices, random: np.random.Generator, *, balance: bool) -> None:
        self.random = random
        self._rows = rows
        self._pools: list[list[list[list[Indices]]]] = []  # organ, class, clips of both classes or of one, clip
        self._mixed_shares: list[float] = []  # by organ
        clips = np.unique(frames.clip[rows], return_inverse=True)[1]
        for organ in range(len(frames.organs)) if balance else ():
            known, present = frames.mask[rows, organ], frames.targets[rows, organ] > 0.5
            both = np.intersect1d(clips[known & present], clips[known & ~present])
            classes = []
            for inside in (known & present, known & ~present):
                names = np.unique(clips[inside])
                kinds = [np.intersect1d(names, both), np.setdiff1d(names, both)]
                own = dict(zip(names.tolist(), grouped(rows[inside], clips[inside]), strict=True))
                classes.append([[own[name] for name in kind.tolist()] for kind in kinds if len(kind)])
            if all(classes):
                self._pools.append(classes)
                inside = np.isin(clips, both)
                natural = min(float(inside[known & of].mean()) for of in (present, ~present))
                self._mixed_shares.append(min(MIXED_SHARE, MAX_REPEATED * natural))

    def draw(self, count: int) -> Indices:
        """(count,) rows; in a balanced batch the classes differ by at most one frame per organ."""
        if not self._pools:
            return self.random.choice(self._rows, count)
        chosen = np.empty(count, np.int64)
        for place in range(count):
            organ = (place // 2) % len(self._pools)
            kinds = self._pools[organ][place % 2]
            clips = kinds[0] if len(kinds) == 1 or self.random.random() < self._mixed_shares[organ] else kinds[1]
            chosen[place] = self.random.choice(clips[self.random.integers(len(clips))])
        return chosen


def grouped(rows: Indices, names: NDArray[Any]) -> list[Indices]:
    """The rows of each of the names (len(rows),), in the order of ``np.unique(names)``, their own order kept."""
    _, places, counts = np.unique(names, return_inverse=True, return_counts=True)
    return np.split(rows[np.argsort(places, kind="stable")], np.cumsum(counts)[:-1]) if len(rows) else []


def check_classes(frames: FrameSet, rows: Indices) -> None:
    """Raise DataError unless these rows show every organ both present and absent."""
    if not len(rows):
        raise DataError("there is no frame to train on; look at the split column of frames.csv")
    for organ, counts in zip(frames.organs, frames.counts(rows), strict=True):
        for state, count in counts.items():
            if not count:
                raise DataError(f"no training frame shows {organ} {state}; label some, or leave {organ} out")
