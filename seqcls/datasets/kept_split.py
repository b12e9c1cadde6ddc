"""Frames on the sides of a split that was kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqcls.datasets.split_file import Labelled, Split, read_split
from seqcls.errors import DataError

if TYPE_CHECKING:
    from seqcls.datasets.dataset import FrameSet


def with_split(frames: FrameSet, split: Split) -> FrameSet:
    """The frames on the sides of a kept split, whatever folder they lie in. Raises DataError where it is of others."""
    names, place = np.unique(split.groups_of(frames.patient, frames.clip), return_inverse=True)
    split.require_match(names.tolist())
    sides = np.array([split.sides[str(name)] for name in names])
    known = tuple(
        tuple(zip(np.array(frames.organs)[mask].tolist(), (target[mask] > 0.5).tolist(), strict=True))
        for mask, target in zip(frames.mask, frames.targets, strict=True)
    )
    message = split.changes(Labelled(frames.patient, frames.clip, known))
    messages = (*frames.messages, *[message] * bool(message))
    return replace(frames, split=sides[place], kept_split=split, messages=messages)


def with_split_beside(frames: FrameSet, path: Path) -> FrameSet:
    """The frames that ``extract`` cut by a kept split, with that split, where it still says what frames.csv says."""
    try:
        found = with_split(frames, read_split(path))
    except DataError as error:
        return replace(frames, messages=(*frames.messages, f"the split beside the frames is left out: {error}"))
    if not np.array_equal(found.split, frames.split):
        changed = f"frames.csv has other sides than {path.name} beside it; it is as frames.csv says, and no kept split"
        return replace(frames, messages=(*frames.messages, changed))
    return found
