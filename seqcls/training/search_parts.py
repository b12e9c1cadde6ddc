"""Which patients a search leaves out in turn, and whom it never sees: whole patients, as everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.dataset import FrameSet
from seqcls.datasets.split import folds_of, grouping_of, hold_out
from seqcls.errors import DataError

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Rows of each fold, of all that is searched on, and of those held out; notes: what a person must know of them."""

    folds: tuple[Rows, ...]
    searched: Rows
    held_out: Rows
    notes: tuple[str, ...]


def divided(frames: FrameSet, folds: int, seed: int) -> Parts:
    """Who is held out from the search: the data's own validation side, else a fifth where there are enough; the others
    in so many folds. Raises DataError where no part of them can be left out."""
    rows, notes = np.arange(len(frames.clip)), list[str]()
    held = frames.split == "validation"
    if not held.any():
        unit, groups = grouping_of(frames.patient, frames.clip)
        names, message = hold_out(_shown(frames, groups), None, seed)
        held = np.isin(groups, sorted(names))
        if message:
            notes.append(
                f"too few {unit}s to hold some out from the search: the best is judged on what it was chosen by, which"
                " flatters it"
            )
    searched = rows[~held]
    _, groups = grouping_of(frames.patient[searched], frames.clip[searched])
    if folds > len(np.unique(groups)):
        notes.append(f"{folds} folds were asked for, of {len(np.unique(groups))} patients: each is left out alone")
    present = np.any(frames.mask[searched] & (frames.targets[searched] > 0.5), axis=1)
    parts = [searched[np.isin(groups, names)] for names in folds_of(groups, present, folds)]
    usable = tuple(fold for fold in parts if _tells(frames, fold) and _tells(frames, np.setdiff1d(searched, fold), all))
    if not usable:
        raise DataError(
            "no part of the patients can be left out: each needs frames that show an organ and frames that do not, and"
            " so do the others; label more, or ask for fewer folds"
        )
    if len(usable) < len(parts):
        notes.append(f"{len(parts) - len(usable)} of {len(parts)} folds show too little to be left out")
    return Parts(folds=usable, searched=searched, held_out=rows[held], notes=tuple(notes))


def _tells(frames: FrameSet, rows: Rows, needed: Callable[[Any], bool] = any) -> bool:
    """Whether the rows show both states, of any organ or of all."""
    return needed(min(counts.values()) > 0 for counts in frames.counts(rows))


def _shown(frames: FrameSet, groups: NDArray[np.str_]) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for name in np.unique(groups).tolist():
        counts = frames.counts(np.flatnonzero(groups == name))
        pairs = zip(frames.organs, counts, strict=True)
        found[name] = {(organ, state) for organ, one in pairs for state, count in one.items() if count}
    return found
