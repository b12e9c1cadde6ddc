"""What is marked in tools that know no states: each presence, each unknown stretch, and organs that are never in view;
and the edges of these in whole milliseconds, so that every frame keeps its state.

What no mark of an organ covers is absent: an organ that is nowhere present nor unknown gets one mark over the whole
clip, which says so. Nothing else tells it from an organ that nobody looked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.exports.steady_rate import steady_rate
from seqcls.text.organ_marks import organ_mark
from seqcls.timeline import Timeline
from seqcls.types import TIME_TOLERANCE_S, Interval


@dataclass(frozen=True, slots=True)
class Mark:
    """One stretch of one organ as a tool shows it."""

    text: str
    """See ``organ_mark``."""
    interval: Interval


def marks(timeline: Timeline) -> tuple[Mark, ...]:
    """All marks of the timeline in order of time."""
    found = []
    for organ in timeline.organs:
        own = [i for i in timeline.of(organ) if i.state != "absent"]
        found += [Mark(organ_mark(organ, i.state), i) for i in own or [whole_clip(timeline, organ)]]
    return tuple(sorted(found, key=lambda mark: (mark.interval.start_s, mark.interval.end_s)))


def whole_clip(timeline: Timeline, organ: str) -> Interval:
    """The absence of an organ that is never in view, from the first frame to the last."""
    index = timeline.scores.index
    first, last = (int(index[0]), int(index[-1])) if len(index) else (-1, -1)
    return Interval(organ, "absent", timeline.start_s, timeline.end_s, first, last, math.nan, math.nan)


def frame_count(timeline: Timeline) -> int:
    """Of the clip, as tools number its frames: up to the last one that was decoded."""
    index = timeline.scores.index
    return int(index.max()) + 1 if len(index) else 0


def stated_rate(timeline: Timeline) -> float:
    """Frames per second for tools that need one: the clip's own where it is steady, else the mean."""
    steady, span_s = steady_rate(timeline), timeline.end_s - timeline.start_s
    mean_hz = len(timeline.scores.index) / span_s if span_s > 0 else 0.0
    return round(mean_hz if steady is None else float(steady), 6)


def began(timeline: Timeline) -> str:
    """When the run began, in ISO 8601, for formats that must state a date; 1970 where nobody kept it."""
    return timeline.provenance.began or "1970-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True, eq=False)
class MillisecondEdges:
    """The edges of a timeline's intervals in whole milliseconds, as ELAN, BORIS, WebVTT and SRT keep them.

    Rounded to the nearest, the edge at the frame of 16.667 ms would fall behind that frame. An edge lies behind the
    last frame before it and not behind the first one after it, wherever that is possible.
    """

    timeline: Timeline
    time_s: NDArray[np.float64] = field(init=False, repr=False)
    """(T,) when each frame is shown, never going backwards."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_s", np.maximum.accumulate(self.timeline.scores.time_s))

    def of(self, interval: Interval) -> tuple[int, int]:
        """Begin and end in ms, equal only where no frame lies inside. Raises UsageError for frames that milliseconds
        cannot tell apart."""
        index, time_s = self.timeline.scores.index, self.time_s
        if interval.start_index >= 0:
            first, behind = np.searchsorted(index, [interval.start_index, interval.end_index + 1])
        else:
            first, behind = np.searchsorted(time_s, np.array([interval.start_s, interval.end_s]) - TIME_TOLERANCE_S)
        start_ms = self._between(int(first), interval.start_s)
        return start_ms, self._between(int(behind), interval.end_s)

    def _between(self, row: int, edge_s: float) -> int:
        """The millisecond next to the edge that parts the frames before ``row`` from that frame and what follows."""
        time_s = self.time_s
        least, most = 0, math.inf
        if row > 0:
            least = math.floor((time_s[row - 1] + 1.1 * TIME_TOLERANCE_S) * 1000) + 1
        if row < len(time_s):
            most = math.floor((time_s[row] + 0.9 * TIME_TOLERANCE_S) * 1000)
        if least > most:
            raise UsageError(
                f"whole milliseconds do not tell the frames at {time_s[row]:.6f} s and before it apart: export to csv"
            )
        return int(min(max(round(edge_s * 1000), least), most))
