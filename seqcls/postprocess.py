"""From raw scores to events and intervals, and the same again later from kept scores, without the model."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

import numpy as np

from seqcls.intervals import IntervalBuilder, IntervalOptions, intervals_from_events
from seqcls.smoothing import SmoothingOptions, open_smoother
from seqcls.types import Event, FrameScore, Gap, Interval, ScoreTable, Timeline


class PostProcess:
    """Smoothing and the state machines of one run.

    Keeps every score, 25 + 8 K bytes per frame, unless ``keep`` is False (a feed that is watched for days).
    latest: the last frame that was smoothed, late by the smoother's delay.
    """

    def __init__(
        self,
        organs: tuple[str, ...],
        smoothing: SmoothingOptions,
        intervals: Sequence[IntervalOptions],
        *,
        keep: bool = True,
    ) -> None:
        self._keep = keep
        self.latest: FrameScore | None = None
        self._organs = organs
        self._smoother = open_smoother(smoothing)
        self._builders = [IntervalBuilder(o, i) for o, i in zip(organs, intervals, strict=True)]
        self._index = array("q")
        self._times_s = array("d")
        self._raw = array("f")
        self._smooth = array("f")
        self._reasons: list[str] = []
        self._measured = array("b")

    def forget(self) -> None:
        """Keep no scores from now on, and those kept no longer."""
        self._keep = False
        for kept in (self._index, self._times_s, self._raw, self._smooth, self._reasons, self._measured):
            del kept[:]

    def push(self, item: FrameScore | Gap) -> Iterator[Event]:
        """Take a raw item, give the events that became certain."""
        if isinstance(item, FrameScore) and self._keep:
            self._index.append(item.index)
            self._times_s.extend((item.time_s, item.duration_s))
            self._raw.extend(self._row(item))
            self._reasons.append(item.reason)
            self._measured.append(item.measured)
        for ready in self._smoother.push(item):
            yield from self._build(ready)

    def close(self, end_s: float) -> Iterator[Event]:
        """End of stream."""
        for ready in self._smoother.finish():
            yield from self._build(ready)
        for builder in self._builders:
            yield from builder.close(end_s)

    def table(self) -> ScoreTable:
        """All scores so far; after ``close`` every frame has its smoothed score. Not without ``keep``."""
        assert self._keep, "this run keeps no scores"
        times_s = np.array(self._times_s, np.float64).reshape(-1, 2)
        return ScoreTable(
            organs=self._organs,
            index=np.array(self._index, np.int64),
            time_s=times_s[:, 0],
            duration_s=times_s[:, 1],
            raw=np.array(self._raw, np.float32).reshape(-1, len(self._organs)),
            smooth=np.array(self._smooth, np.float32).reshape(-1, len(self._organs)),
            reason=tuple(self._reasons),
            measured=np.array(self._measured, np.bool_),
        )

    def _build(self, item: FrameScore | Gap) -> Iterator[Event]:
        if isinstance(item, FrameScore):
            self.latest = item
            if self._keep:
                self._smooth.extend(self._row(item))
        for column, builder in enumerate(self._builders):
            if isinstance(item, Gap):
                yield from builder.gap(item)
            else:
                score = None if item.scores is None else float(item.scores[column])
                yield from builder.push(item.index, item.time_s, score, item.reason)

    def _row(self, item: FrameScore) -> list[float]:
        if item.scores is None:
            return [float("nan")] * len(self._organs)
        return [float(score) for score in item.scores]


def replay(timeline: Timeline, smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions]) -> Timeline:
    """The timeline that the same run would have given with other options; takes the raw scores that it kept."""
    process = PostProcess(timeline.organs, smoothing, intervals)
    events = [event for item in _items(timeline) for event in process.push(item)]
    events += process.close(timeline.end_s)
    scores = process.table()
    found = intervals_from_events(events, scores, timeline.end_s)
    provenance = {
        **timeline.provenance,
        "smoothing": asdict(smoothing),
        "intervals": {o: asdict(i) for o, i in zip(timeline.organs, intervals, strict=True)},
    }
    gaps = unknown_stretches(found, timeline.organs)
    return replace(timeline, intervals=found, scores=scores, gaps=gaps, provenance=provenance)


def unknown_stretches(intervals: Sequence[Interval], organs: tuple[str, ...]) -> tuple[Gap, ...]:
    """What could not be judged: the unknown intervals of the organ that has the least of them.

    Organs differ only where one is present on both sides of a short gap, which is bridged.
    """
    per_organ = [[i for i in intervals if i.organ == organ and i.state == "unknown"] for organ in organs]
    least = min(per_organ, key=lambda unknown: sum(i.duration_s for i in unknown))
    return tuple(Gap(i.start_s, i.end_s, i.reason) for i in least)


def _items(timeline: Timeline) -> Iterator[FrameScore | Gap]:
    """The run's raw items in stream order; a gap stands before the first frame that is not before its end."""
    scores = timeline.scores
    gaps = list(timeline.report.gaps)
    for row in range(len(scores.index)):
        time_s = float(scores.time_s[row])
        while gaps and gaps[0].end_s <= time_s:
            yield gaps.pop(0)
        raw = None if np.isnan(scores.raw[row]).all() else scores.raw[row]
        yield FrameScore(
            index=int(scores.index[row]),
            time_s=time_s,
            duration_s=float(scores.duration_s[row]),
            scores=raw,
            reason=scores.reason[row],
            measured=bool(scores.measured[row]),
        )
    yield from gaps
