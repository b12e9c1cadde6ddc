"""Which frames a batch is made of: organs, classes and clips alike, however many frames each has."""

from __future__ import annotations

from dataclasses import dataclass
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
        clips, count = _numbered(frames.clip[rows])
        order = np.argsort(clips, kind="stable")  # once: whatever is picked of them below stays in order of the clips
        self._rows, clips = rows[order], clips[order]
        self._classes: list[_Class] = []  # present and absent of the first organ, then of the second
        for organ in range(len(frames.organs)) if balance else ():
            known, present = frames.mask[self._rows, organ], frames.targets[self._rows, organ] > 0.5
            classes = known & present, known & ~present
            if all(inside.any() for inside in classes):
                sizes = [np.bincount(clips[inside], minlength=count) for inside in classes]
                both = (sizes[0] > 0) & (sizes[1] > 0)
                natural = min(float(both[clips[inside]].mean()) for inside in classes)
                share = min(MIXED_SHARE, MAX_REPEATED * natural)
                self._classes += [
                    _Class.of(self._rows[inside], of_clip, both, share)
                    for inside, of_clip in zip(classes, sizes, strict=True)
                ]

    def draw(self, count: int) -> Indices:
        """(count,) rows; in a balanced batch the classes differ by at most one frame per organ."""
        if not self._classes:
            return self.random.choice(self._rows, count)
        # Where the organs do not get alike, chance says which is the first: else the last of many would never be drawn.
        uneven = count % len(self._classes) > 0
        first = 2 * int(self.random.integers(len(self._classes) // 2)) if uneven else 0
        chosen = np.empty(count, np.int64)
        for place, own in enumerate(self._classes[first:] + self._classes[:first]):
            places = slice(place, count, len(self._classes))
            chosen[places] = own.draw(len(range(count)[places]), self.random)
        return chosen


def grouped(rows: Indices, names: NDArray[Any]) -> list[Indices]:
    """The rows of each of the names (len(rows),), in the order of ``np.unique(names)``, their own order kept."""
    _, places, counts = np.unique(names, return_inverse=True, return_counts=True)
    return np.split(rows[np.argsort(places, kind="stable")], np.cumsum(counts)[:-1]) if len(rows) else []


def evenly(clips: NDArray[np.str_], rows: Indices, most: int) -> Indices:
    """About ``most`` of these rows, spread over the length of every clip, of each at least one. clips: of all rows."""
    parts = grouped(rows, clips[rows])
    each = max(1, most // max(1, len(parts)))
    kept = [own[np.linspace(0, len(own) - 1, min(each, len(own))).astype(int)] for own in parts]
    return np.sort(np.concatenate([rows[:0], *kept]))


@dataclass(frozen=True, slots=True, eq=False)
class _Class:
    """The frames of one state of an organ.

    rows: sorted by clip. starts, sizes: of each clip's part of them; the first ``mixed`` clips show both states.
    mixed_share: of the draws, those from such clips.
    """

    rows: Indices
    starts: Indices
    sizes: Indices
    mixed: int
    mixed_share: float

    @classmethod
    def of(cls, rows: Indices, sizes: Indices, both: NDArray[np.bool_], share: float) -> _Class:
        """rows: sorted by clip, ``sizes`` (C,) of them are of each; both (C,): which clips show both states."""
        clips = np.concatenate([np.flatnonzero(both), np.flatnonzero(~both & (sizes > 0))])
        mixed = int(both.sum())
        return cls(rows, (np.cumsum(sizes) - sizes)[clips], sizes[clips], mixed, share if mixed < len(clips) else 1.0)

    def draw(self, count: int, random: np.random.Generator) -> Indices:
        """(count,) rows: a clip, then a frame of it."""
        mixed = random.random(count) < self.mixed_share
        clip = random.integers(np.where(mixed, 0, self.mixed), np.where(mixed, self.mixed, len(self.sizes)))
        rows: Indices = self.rows[self.starts[clip] + random.integers(self.sizes[clip])]
        return rows


def _numbered(names: NDArray[np.str_]) -> tuple[Indices, int]:
    """A number for each of the different names, and how many there are; quick where equal names stand together."""
    begins = np.flatnonzero(np.append(True, names[1:] != names[:-1])[: len(names)])
    different, numbers = np.unique(names[begins], return_inverse=True)
    return np.repeat(numbers, np.diff(np.append(begins, len(names)))), len(different)


def check_classes(frames: FrameSet, rows: Indices) -> None:
    """Raise DataError unless these rows show every organ both present and absent."""
    if not len(rows):
        raise DataError("there is no frame to train on; look at the split column of frames.csv")
    for organ, counts in zip(frames.organs, frames.counts(rows), strict=True):
        for state, count in counts.items():
            if not count:
                raise DataError(f"no training frame shows {organ} {state}; label some, or leave {organ} out")
