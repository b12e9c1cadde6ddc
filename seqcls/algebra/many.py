"""An expression over many clips at once: they are laid behind each other on one axis of time, a second apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.algebra.expression import Tree, evaluated
from seqcls.algebra.logic import PRESENT, UNKNOWN, Codes, Places
from seqcls.algebra.stretches import Stretches, edges_of

#: Between two clips, and of a clip without duration: on the axis it must have a stretch.
_APART_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """start_s, end_s: (C,) of each clip. Of the intervals of all, (R,) each: clip, its number; organ, a place in
    ``organs``; code, its state; begin_s, on the clip's own clock. Those of one organ in one clip are in order."""

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    organs: Sequence[str]
    clip: Places
    organ: Places
    code: Codes
    begin_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class InView:
    """(C,) each: how long what an expression gives is present and unknown, and whether it is so at any time, also in a
    clip without duration."""

    present_s: NDArray[np.float64]
    unknown_s: NDArray[np.float64]
    present: NDArray[np.bool_]
    unknown: NDArray[np.bool_]


def in_view(clips: Clips, trees: Sequence[Tree]) -> list[InView]:
    """What each expression gives in every clip; an organ of which a clip has no intervals is unknown in it."""
    lengths_s = clips.end_s - clips.start_s
    shown_s = np.where(lengths_s > 0, lengths_s, _APART_S)
    offsets_s = np.append(0.0, np.cumsum(shown_s + _APART_S))[:-1]
    grid, owners = _grid(clips, offsets_s, shown_s)
    weights_s = np.diff(grid.edges_s) * (lengths_s > 0)[owners]
    weights_s[grid.between] = 0.0
    found = []
    for tree in trees:
        codes = evaluated(tree, grid).codes
        present, unknown = (_sums(owners, codes == code, weights_s, len(lengths_s)) for code in (PRESENT, UNKNOWN))
        found.append(InView(present[0], unknown[0], present[1], unknown[1]))
    return found


def _sums(
    owners: Places, chosen: NDArray[np.bool_], weights_s: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(C,) each: the chosen stretches' lengths in every clip, and whether there is any."""
    lengths_s = np.bincount(owners[chosen], weights_s[chosen], minlength=count)
    return np.asarray(lengths_s, np.float64), np.bincount(owners[chosen], minlength=count) > 0


def _grid(clips: Clips, offsets_s: NDArray[np.float64], shown_s: NDArray[np.float64]) -> tuple[Stretches, Places]:
    """All organs' states over stretches of that axis, and (N,) which clip each belongs to, or lies behind."""
    at_s = clips.begin_s - clips.start_s[clips.clip] + offsets_s[clips.clip]
    ends_s = offsets_s + shown_s
    edges_s = edges_of(np.concatenate([offsets_s, ends_s, at_s, ends_s[-1:] + _APART_S]))
    middles_s = (edges_s[:-1] + edges_s[1:]) / 2
    owners = np.asarray(np.searchsorted(offsets_s, middles_s) - 1, np.int64)
    begins = np.searchsorted(owners, np.arange(len(offsets_s)))
    grid = Stretches(edges_s, np.asarray(begins, np.int64), np.flatnonzero(middles_s > ends_s[owners]))
    for place, organ in enumerate(clips.organs):
        own = clips.organ == place
        lacks = np.ones(len(offsets_s), np.bool_)
        lacks[clips.clip[own]] = False
        starts_s = np.concatenate([at_s[own], offsets_s[lacks]])
        states = np.concatenate([clips.code[own], np.full(np.count_nonzero(lacks), UNKNOWN, np.int8)])
        order = np.argsort(starts_s, kind="stable")
        grid.codes[organ] = grid.inside(states[order][grid.rows_at(starts_s[order])])
    return grid, owners
