"""Which stretches a reader should look at first: those of which the model is least certain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqcls.intervals import IntervalOptions
from seqcls.review.tracks import Track
from seqcls.timeline import Timeline
from seqcls.types import Interval

#: Scores this far around an edge show whether it is sharp, in seconds.
EDGE_S = 0.5
#: What cannot be scored is as doubtful as a score half-way to the threshold.
UNKNOWN_DOUBT = 0.5


@dataclass(frozen=True, slots=True)
class Doubt:
    """The frames [first, behind) of one organ; ``share``: 0 for certain, 1 for a guess; ``why`` in words."""

    organ: str
    first: int
    behind: int
    share: float
    why: str


class Coverage:
    """How many frames of a track a reader has settled, asked for very many stretches."""

    def __init__(self, track: Track) -> None:
        own = np.array([(s.first, s.behind) for s in track.spans if s.by == "reader"], np.int64).reshape(-1, 2)
        self._first, self._length = own[:, 0], own[:, 1] - own[:, 0]
        self._before = np.concatenate(([0], np.cumsum(self._length)))

    def covers(self, first: int, behind: int) -> bool:
        """Whether all of [first, behind) is settled."""
        return self._up_to(behind) - self._up_to(first) >= behind - first

    def _up_to(self, frame: int) -> int:
        place = int(np.searchsorted(self._first, frame))  # spans that begin before it
        if place == 0:
            return 0
        inside = min(int(self._length[place - 1]), frame - int(self._first[place - 1]))
        return int(self._before[place - 1]) + inside


def doubts(timeline: Timeline) -> list[Doubt]:
    """Of every interval of the organs that were scored, the most doubtful first."""
    found = [
        doubt
        for column, organ in enumerate(timeline.scores.organs)
        for interval in timeline.of(organ)
        for doubt in _of(timeline, column, interval)
    ]
    return sorted(found, key=lambda doubt: (-doubt.share, doubt.organ, doubt.first))


def _of(timeline: Timeline, column: int, interval: Interval) -> Iterator[Doubt]:
    index = timeline.scores.index
    if interval.start_index < 0:
        return
    first, last = (int(row) for row in np.searchsorted(index, (interval.start_index, interval.end_index)))
    if interval.state == "unknown":
        yield Doubt(interval.organ, first, last + 1, UNKNOWN_DOUBT, interval.reason or "not scored")
        return
    options = timeline.provenance.intervals[column]
    reasons = (
        (_near(timeline, column, first, last + 1, options), "scores near the threshold"),
        (_short(interval, options), "short"),
        (_blurred(timeline, column, first, options), "its beginning is not sharp"),
        (_blurred(timeline, column, last + 1, options), "its end is not sharp"),
    )
    share, why = max(reasons)
    yield Doubt(interval.organ, first, last + 1, round(share, 4), why)


def _closeness(timeline: Timeline, column: int, rows: slice, options: IntervalOptions) -> float:
    """1 where the scores lie at the threshold, 0 where they lie at the far end of the scale; mean of the scored."""
    scores = timeline.scores.smooth[rows, column]
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return UNKNOWN_DOUBT
    threshold = 0.5 * (options.onset + options.offset)
    far = np.where(scores >= threshold, max(1 - threshold, 1e-6), max(threshold, 1e-6))
    return float(np.mean(1 - np.minimum(1, np.abs(scores - threshold) / far)))


def _near(timeline: Timeline, column: int, first: int, behind: int, options: IntervalOptions) -> float:
    return _closeness(timeline, column, slice(first, behind), options)


def _short(interval: Interval, options: IntervalOptions) -> float:
    """A presence, or an absence, that would have been dropped had it been a little shorter."""
    least_s = options.min_present_s if interval.state == "present" else options.min_absent_s
    return 0.0 if least_s <= 0 else max(0.0, min(1.0, 2 - interval.duration_s / least_s)) * 0.9


def _blurred(timeline: Timeline, column: int, row: int, options: IntervalOptions) -> float:
    """Of the second around an edge, how close the scores lie to the threshold; a sharp edge has few of these."""
    time_s = timeline.scores.time_s
    if not 0 < row < len(time_s):
        return 0.0  # the clip's own end
    around = slice(*np.searchsorted(time_s, (time_s[row] - EDGE_S, time_s[row] + EDGE_S)))
    return 0.8 * _closeness(timeline, column, around, options)
