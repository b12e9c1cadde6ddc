"""What an organ's intervals state of each frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqcls.timeline import Timeline
from seqcls.types import State

PRESENT, ABSENT, UNKNOWN = 1, 0, -1
#: What each stands for.
STATES: dict[int, State] = {PRESENT: "present", ABSENT: "absent", UNKNOWN: "unknown"}
_CODES = {state: code for code, state in STATES.items()}


def frame_states(timeline: Timeline, index: NDArray[np.int64] | None = None) -> NDArray[np.int8]:
    """(T, K) PRESENT, ABSENT or UNKNOWN of each frame and organ, as its intervals are: after smoothing, bridging
    and dropping, not by the frame's own score.

    ``index``: (T,) numbers of frames in order; default: those that were decoded.
    """
    index = timeline.scores.index if index is None else index
    states = np.full((len(index), len(timeline.organs)), UNKNOWN, np.int8)
    columns = {organ: column for column, organ in enumerate(timeline.organs)}
    inside = [i for i in timeline.intervals if i.start_index >= 0]
    first = np.searchsorted(index, [i.start_index for i in inside], "left")
    last = np.searchsorted(index, [i.end_index for i in inside], "right")
    for interval, start, end in zip(inside, first.tolist(), last.tolist(), strict=True):
        states[start:end, columns[interval.organ]] = _CODES[interval.state]
    return states
