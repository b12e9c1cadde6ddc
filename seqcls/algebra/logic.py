"""Three-valued states along a clip, and the presences of one organ among those of another: see ``where``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqcls.types import State

#: By their codes: the lower one wins under `and`, the higher one under `or`.
STATES: tuple[State, ...] = ("absent", "unknown", "present")
ABSENT, UNKNOWN, PRESENT = range(3)
#: (N,) int8, the state in each of N stretches that follow each other.
Codes = NDArray[np.int8]
#: (R, 2) begin and end of runs of stretches, half-open.
Runs = NDArray[np.int64]
#: (P,) numbers of stretches or of clips.
Places = NDArray[np.int64]
#: (C,) the first stretch of each clip, where several follow each other with a stretch between that belongs to none.
Begins = NDArray[np.int64]
ONE_CLIP: Begins = np.zeros(1, np.int64)


def negated(codes: Codes) -> Codes:
    """Absent where present and present where absent."""
    return (PRESENT - codes).astype(np.int8)


def during(left: Codes, right: Codes) -> Codes:
    """The presences of the left that lie in a presence of the right.

    What is unknown beside a presence may belong to it: then it is certain only if that lies in a presence, too.
    """
    present, possible = _runs(left == PRESENT), _runs(left >= UNKNOWN)
    around = possible[np.searchsorted(possible[:, 0], present[:, 0], side="right") - 1]
    inside = _among(right != PRESENT, around) == 0
    perhaps = _among(right == ABSENT, present) == 0
    made = _chosen(left, np.where(inside, PRESENT, np.where(perhaps, UNKNOWN, ABSENT)).astype(np.int8), present)
    made[(left == UNKNOWN) & (right != ABSENT)] = UNKNOWN
    return made


def before(left: Codes, right: Codes, begins: Begins = ONE_CLIP) -> Codes:
    """The presences of the left that have ended when some presence of the right, in the same clip, begins.

    Unknown stretches beside a presence may belong to it, and any unknown stretch of the right may hold a beginning.
    """
    present, possible = _runs(left == PRESENT), _runs(left >= UNKNOWN)
    around = possible[np.searchsorted(possible[:, 0], present[:, 0], side="right") - 1]
    right_possible = _runs(right >= UNKNOWN)
    # The last beginning of the right that is certain, at its earliest; and the last that there may be.
    certain = _latest(right_possible[_among(right == PRESENT, right_possible) > 0, 0], begins)
    start = _latest(_runs(right == PRESENT)[:, 0], begins)
    unknown_end = _latest(_runs(right == UNKNOWN)[:, 1], begins, -1)
    own = _clip_of(present[:, 0], begins)
    perhaps = (start[own] >= present[:, 1]) | (unknown_end[own] > present[:, 1])
    states = np.where(certain[own] >= around[:, 1], PRESENT, np.where(perhaps, UNKNOWN, ABSENT)).astype(np.int8)
    made = _chosen(left, states, present)
    unknown = np.flatnonzero(left == UNKNOWN)
    made[unknown[unknown < np.maximum(start, unknown_end)[_clip_of(unknown, begins)]]] = UNKNOWN
    return made


def _clip_of(places: Places, begins: Begins) -> Places:
    """The number of the clip in which each stretch lies."""
    return np.asarray(np.searchsorted(begins, places, side="right") - 1, np.int64)


def _latest(places: Places, begins: Begins, inside: int = 0) -> Places:
    """(C,) the last of the places in each clip, -1 where it has none; ``inside``: what leads from a place into it."""
    found = np.full(len(begins), -1)
    np.maximum.at(found, _clip_of(places + inside, begins), places)
    return np.asarray(found, np.int64)


def _chosen(left: Codes, states: NDArray[np.int8], present: Runs) -> Codes:
    """The presences of the left, each with its state; absent elsewhere."""
    made = np.full_like(left, ABSENT)
    made[left == PRESENT] = np.repeat(states, present[:, 1] - present[:, 0])
    return made


def _runs(flags: NDArray[np.bool_]) -> Runs:
    """[begin, end) of each run of True."""
    turns = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return np.asarray(turns.reshape(-1, 2), np.int64)


def _among(flags: NDArray[np.bool_], runs: Runs) -> NDArray[np.int64]:
    """(R,) in how many stretches of each run the flag is set."""
    count = np.append(0, np.cumsum(flags))
    return np.asarray(count[runs[:, 1]] - count[runs[:, 0]])
