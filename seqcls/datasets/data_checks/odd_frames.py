"""Frames to set aside before training, each with its reason: nothing is deleted, they are left out and listed.

All rules lean towards keeping a frame. What is an outlier is decided only where there are MIN_FRAMES frames, and only
for what hardly any other frame is.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.dataset import FrameSet
from seqcls.datasets.frame_facts import BLACK, MIN_LIT
from seqcls.datasets.image_rows import blocks

#: Fewer frames tell nothing of what is usual.
MIN_FRAMES = 20
#: At most this share of all frames is an outlier in size, or in colour.
MAX_SHARE = 0.02
#: Share of coloured pixels from which an image is coloured, and up to which it is gray.
COLOURED, GRAY = 0.1, 0.02
#: So many robust deviations of the logarithm of the mean gray level are odd; the deviation counts as 0.1 at least, so
#: that an image must be 2.2 times as bright, or as dark, as usual for images of its size.
MAX_DEVIATIONS, LEAST_DEVIATION = 8.0, 0.1
#: Fewer gray levels of spread are no image.
FLAT = 2.0


@dataclass(frozen=True, slots=True)
class SetAside:
    """``row`` of the frame set, -1 for an image that could not be read; ``odd``: it could be trained on, if wanted."""

    name: str
    reason: str
    row: int
    odd: bool


def odd_frames(frames: FrameSet) -> tuple[SetAside, ...]:
    """In the order of the frames, unreadable images last; of a frame the first reason."""
    facts = frames.facts
    found: dict[int, tuple[str, bool]] = {}

    def note(rows: NDArray[np.bool_], reason: str, *, odd: bool = True) -> None:
        for row in np.flatnonzero(rows).tolist():
            found.setdefault(row, (reason, odd))

    lit, level, spread = _levels(frames)
    note(lit < MIN_LIT, "blank: hardly anything is above black", odd=False)
    note(spread < FLAT, "blank: one gray level", odd=False)
    if facts is not None:
        note(~facts.ultrasound, "not ultrasound: a menu, text, a photograph or a screenshot")
        note(
            ~facts.found & _rare_sizes(facts.width, facts.height), "odd size: the only such, without ultrasound region"
        )
        note(_rare_colours(facts.colour), "odd colour: nearly all others are gray")
    usual = np.ones(len(level), bool)
    usual[list(found)] = False
    sizes = np.zeros(len(level), np.int64) if facts is None else facts.width * 100_000 + facts.height
    deviation = _deviations(level, sizes, usual)
    note(deviation > MAX_DEVIATIONS, "odd brightness: far brighter than usual")
    note(deviation < -MAX_DEVIATIONS, "odd brightness: far darker than usual")
    aside = [SetAside(name_of(frames, row), *found[row][:1], row, found[row][1]) for row in sorted(found)]
    unreadable = () if facts is None else facts.unreadable
    return (
        *aside,
        *(SetAside(name, "cannot be read: damaged, cut short or no image", -1, False) for name in unreadable),
    )


def name_of(frames: FrameSet, row: int) -> str:
    """The file of a frame, or its clip and its place there."""
    if frames.facts is not None:
        return str(frames.facts.name[row])
    return f"{frames.clip[row]}, frame {int(np.flatnonzero(frames.clip == frames.clip[row]).searchsorted(row))}"


def _levels(frames: FrameSet) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of each image: the share of lit pixels, the mean level of these, and how far they spread."""
    count = len(frames.images)
    lit, level, spread = np.zeros(count), np.zeros(count), np.full(count, np.inf)
    for at, image in enumerate(itertools.chain.from_iterable(blocks(frames.images))):
        shown = image[image > BLACK]
        lit[at] = len(shown) / image.size
        if len(shown):
            level[at], spread[at] = shown.mean(), shown.std()
    return lit, level, spread


def _rare_sizes(width: NDArray[np.int64], height: NDArray[np.int64]) -> NDArray[np.bool_]:
    """A single image of its size among many."""
    _, place, counts = np.unique(np.stack([width, height]), axis=1, return_inverse=True, return_counts=True)
    return np.asarray((counts[place.ravel()] == 1) & (len(width) >= MIN_FRAMES))


def _rare_colours(colour: NDArray[np.float64]) -> NDArray[np.bool_]:
    coloured = colour >= COLOURED
    few = coloured.mean() <= MAX_SHARE or coloured.sum() == 1
    usual = len(colour) >= MIN_FRAMES and few and (colour <= GRAY).mean() >= 0.9
    return coloured if usual else np.zeros(len(colour), bool)


def _deviations(level: NDArray[np.float64], sizes: NDArray[np.int64], usual: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) how many robust deviations (1.4826 times the median absolute one) from the median of its size."""
    out = np.zeros(len(level))
    for size in np.unique(sizes):
        own = np.flatnonzero((sizes == size) & usual)
        if len(own) < MIN_FRAMES:
            continue
        values = np.log(np.maximum(level[own], 1.0))
        middle = np.median(values)
        out[own] = (values - middle) / max(LEAST_DEVIATION, 1.4826 * float(np.median(np.abs(values - middle))))
    return out
