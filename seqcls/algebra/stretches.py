"""The states of all organs over common stretches of a clip, from its timeline and back to intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.algebra.logic import ABSENT, ONE_CLIP, STATES, UNKNOWN, Begins, Codes, Places
from seqcls.timeline import Timeline
from seqcls.types import TIME_TOLERANCE_S, Interval

_NOWHERE = np.zeros(0, np.int64)
#: Where the stretch itself is known of every organ.
_UNDECIDED = "undecided: another stretch is unknown"


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """The states of an expression, and the organs that it names."""

    codes: Codes
    organs: tuple[str, ...]


def edges_of(times_s: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The times in order, each once, and of those nearer to each other than TIME_TOLERANCE_S the first."""
    edges_s = np.unique(np.asarray(times_s, np.float64))
    return np.asarray(edges_s[np.append(True, np.diff(edges_s) > TIME_TOLERANCE_S)], np.float64)


class Stretches:
    """All organs' states over common stretches, [edges_s[k], edges_s[k + 1]).

    codes: (N,) of each organ. reasons: (N,) int, places in ``words`` of why it is unknown; 0 where it is not.
    begins: the first stretch of each clip, where these are of several clips; between: stretches that belong to none.
    """

    def __init__(self, edges_s: NDArray[np.float64], begins: Begins = ONE_CLIP, between: Places = _NOWHERE) -> None:
        self.edges_s, self.begins, self.between = edges_s, begins, between
        self.codes: dict[str, Codes] = {}
        self.reasons: dict[str, NDArray[np.int64]] = {}
        self.words = {"": 0}

    @classmethod
    def of(cls, timeline: Timeline) -> Stretches:
        """Edges nearer to each other than TIME_TOLERANCE_S are one: the same frame's, padded or not."""
        edges_s = edges_of([timeline.start_s, timeline.end_s, *(i.start_s for i in timeline.intervals)])
        if edges_s[-1] < timeline.end_s or len(edges_s) < 2:  # a clip without duration is one stretch all the same
            edges_s = np.append(edges_s, timeline.end_s)
        found = cls(edges_s)
        own: dict[str, list[Interval]] = {organ: [] for organ in timeline.organs}
        for interval in timeline.intervals:
            own[interval.organ].append(interval)
        for organ, intervals in own.items():
            rows = found.rows_at(np.array([i.start_s for i in intervals]))
            found.codes[organ] = np.array([STATES.index(i.state) for i in intervals], np.int8)[rows]
            found.reasons[organ] = np.array([found._place(i.reason) for i in intervals], np.int64)[rows]
        return found

    def rows_at(self, starts_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """(N,) which of an organ's intervals, (R,) by their starts in order, holds each stretch."""
        # Of intervals without length the last one holds, as in a timeline of one frame.
        rows = np.searchsorted(starts_s, self.edges_s[:-1] + TIME_TOLERANCE_S, side="right") - 1
        return np.asarray(np.maximum(rows, 0), np.int64)

    def inside(self, codes: Codes) -> Codes:
        """The same, and absent between clips."""
        codes[self.between] = ABSENT
        return codes

    def _place(self, words: str) -> int:
        return self.words.setdefault(words, len(self.words))

    def add(self, name: str, made: Made, timeline: Timeline) -> list[Interval]:
        """Take in a new organ. Equal neighbours become one of its intervals, which are returned."""
        index, times_s = timeline.scores.index, np.maximum.accumulate(timeline.scores.time_s)
        self.codes[name], self.reasons[name] = made.codes, self._why(made)
        words, count = list(self.words), len(made.codes)
        turns = np.diff(made.codes).astype(bool) | np.diff(self.reasons[name]).astype(bool)
        begins = np.append(0, np.flatnonzero(turns) + 1)
        ends = np.append(begins[1:], count)
        edges_s = self.edges_s[np.stack([begins, ends])]
        edges_s[1, -1] = timeline.end_s
        first, last = np.searchsorted(times_s, edges_s - TIME_TOLERANCE_S)
        last[-1] = len(times_s)
        return [
            Interval(
                organ=name,
                state=STATES[made.codes[begin]],
                start_s=start_s,
                end_s=end_s,
                start_index=int(index[a]) if b > a else -1,
                end_index=int(index[b - 1]) if b > a else -1,
                mean_score=math.nan,
                peak_score=math.nan,
                reason=words[self.reasons[name][begin]],
            )
            for begin, start_s, end_s, a, b in zip(begins, *edges_s.tolist(), first, last, strict=True)
        ]

    def _why(self, made: Made) -> NDArray[np.int64]:
        """Why the answer is unknown, stretch by stretch: the reasons of the organs that it is made of."""
        why, unknown = np.zeros(len(made.codes), np.int64), made.codes == UNKNOWN
        if not unknown.any():
            return why
        together = np.stack([self.reasons[organ][unknown] for organ in made.organs], axis=1)
        different, place = np.unique(together, axis=0, return_inverse=True)
        words = list(self.words)
        joined = ["; ".join(dict.fromkeys(words[one] for one in row if one)) for row in different.tolist()]
        why[unknown] = np.array([self._place(one or _UNDECIDED) for one in joined])[place.reshape(-1)]
        return why
