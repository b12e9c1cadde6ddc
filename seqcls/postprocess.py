"""From raw scores to events and intervals, and the same again later from kept scores, without the model."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seqcls.intervals import IntervalBuilder, IntervalOptions, intervals_from_events, one_per_organ
from seqcls.smoothing import SmoothingOptions, open_smoother
from seqcls.timeline import Timeline
from seqcls.types import TIME_TOLERANCE_S, Event, FrameScore, Gap, Interval, ScoreTable

#: How many frames, and how many scores in their windows, are smoothed at once: this bounds the memory it takes.
_ROWS = 1 << 16
_CELLS = 1 << 20


class RawScores:
    """What a run's timeline is made of: every frame as the engine scored it, 34 + 4 K bytes each, and the gaps."""

    def __init__(self, organs: tuple[str, ...]) -> None:
        self.organs = organs
        #: In stream order, each with the number of frames before it.
        self.gaps: list[tuple[int, Gap]] = []
        self._index = array("q")
        self._time_s = array("d")
        self._duration_s = array("d")
        self._scores = array("f")
        self._judged = array("b")
        self._reasons: list[str] = []
        self._measured = array("b")

    def add(self, item: FrameScore | Gap) -> None:
        """The next item."""
        if isinstance(item, Gap):
            self.gaps.append((len(self._index), item))
            return
        self._index.append(item.index)
        self._time_s.append(item.time_s)
        self._duration_s.append(item.duration_s)
        self._scores.extend(row_of(item, len(self.organs)))
        self._judged.append(item.scores is not None)
        self._reasons.append(item.reason)
        self._measured.append(item.measured)

    def add_judged(
        self,
        index: NDArray[np.int64],
        time_s: NDArray[np.float64],
        duration_s: NDArray[np.float64],
        scores: NDArray[np.float32],
    ) -> None:
        """The next N frames, all judged and measured; (N,) and (N, K)."""
        self._index.frombytes(index.tobytes())
        self._time_s.frombytes(time_s.tobytes())
        self._duration_s.frombytes(duration_s.tobytes())
        self._scores.frombytes(scores.tobytes())
        self._judged.frombytes(b"\1" * len(index))
        self._reasons.extend([""] * len(index))
        self._measured.frombytes(b"\1" * len(index))

    @property
    def judged(self) -> NDArray[np.bool_]:
        """(T,), which frames have scores."""
        return np.array(self._judged, np.bool_)

    def items(self) -> Iterator[FrameScore | Gap]:
        """Frames and gaps in stream order."""
        gaps = iter([*self.gaps, (-1, None)])
        before, gap = next(gaps)
        scores = np.array(self._scores, np.float32).reshape(-1, len(self.organs))
        for row in range(len(self._index) + 1):
            while gap is not None and before == row:
                yield gap
                before, gap = next(gaps)
            if row < len(self._index):
                yield FrameScore(
                    self._index[row],
                    self._time_s[row],
                    self._duration_s[row],
                    scores[row] if self._judged[row] else None,
                    self._reasons[row],
                    bool(self._measured[row]),
                )

    def table(self, smooth: NDArray[np.float32] | None = None) -> ScoreTable:
        """The frames so far; their smoothed scores are the raw ones where none are given."""
        raw = np.array(self._scores, np.float32).reshape(-1, len(self.organs))
        return ScoreTable(
            organs=self.organs,
            index=np.array(self._index, np.int64),
            time_s=np.array(self._time_s, np.float64),
            duration_s=np.array(self._duration_s, np.float64),
            raw=raw,
            smooth=raw if smooth is None else smooth,
            reason=tuple(self._reasons),
            measured=np.array(self._measured, np.bool_),
        )


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
        self.latest: FrameScore | None = None
        self._organs = organs
        self._smoother = open_smoother(smoothing)
        self._builders = [IntervalBuilder(o, i) for o, i in zip(organs, intervals, strict=True)]
        self._raw = RawScores(organs) if keep else None
        self._smooth = array("f")

    def forget(self) -> None:
        """Keep no scores from now on, and those kept no longer."""
        self._raw = None
        del self._smooth[:]

    def push(self, item: FrameScore | Gap) -> Iterator[Event]:
        """Take a raw item, give the events that became certain."""
        if isinstance(item, FrameScore) and self._raw is not None:
            self._raw.add(item)
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
        assert self._raw is not None, "this run keeps no scores"
        return self._raw.table(np.array(self._smooth, np.float32).reshape(-1, len(self._organs)))

    def _build(self, item: FrameScore | Gap) -> Iterator[Event]:
        if isinstance(item, FrameScore):
            self.latest = item
            if self._raw is not None:
                self._smooth.extend(row_of(item, len(self._organs)))
        for column, builder in enumerate(self._builders):
            if isinstance(item, Gap):
                yield from builder.gap(item)
            else:
                score = None if item.scores is None else float(item.scores[column])
                yield from builder.push(item.index, item.time_s, score, item.reason)


def row_of(frame: FrameScore, organs: int) -> list[float]:
    """The frame's scores, NaN where it cannot be judged."""
    return [float("nan")] * organs if frame.scores is None else frame.scores.tolist()


def post_process(
    raw: RawScores, smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions], end_s: float
) -> tuple[ScoreTable, tuple[Interval, ...]]:
    """Scores and intervals of a run that is over: what ``PostProcess`` gives frame by frame, many times quicker."""
    plain = raw.table()
    # No time runs backwards: then windows are neighbours, and frames that change no state may be left out.
    in_order = bool((np.diff(plain.time_s) >= 0).all()) and all(
        row == len(plain.time_s) or plain.time_s[row] >= gap.start_s for row, gap in raw.gaps
    )
    if smoothing.kind in ("mean", "median") and in_order:
        smooth = _windowed(plain, raw.judged, smoothing)
    elif smoothing.kind == "none":
        smooth = plain.raw
    else:
        smooth = _frame_by_frame(raw, smoothing)
    scores = replace(plain, smooth=smooth)
    events: list[Event] = []
    for column, options in enumerate(intervals):
        events += _events(scores, raw.gaps, column, options, end_s, thin=in_order)
    return scores, intervals_from_events(events, scores, end_s)


def _frame_by_frame(raw: RawScores, smoothing: SmoothingOptions) -> NDArray[np.float32]:
    smoother, smooth = open_smoother(smoothing), array("f")
    for item in raw.items():
        for ready in smoother.push(item):
            if isinstance(ready, FrameScore):
                smooth.extend(row_of(ready, len(raw.organs)))
    for ready in smoother.finish():
        if isinstance(ready, FrameScore):
            smooth.extend(row_of(ready, len(raw.organs)))
    return np.array(smooth, np.float32).reshape(-1, len(raw.organs))


def _windowed(table: ScoreTable, judged: NDArray[np.bool_], options: SmoothingOptions) -> NDArray[np.float32]:
    """Mean or median over the window of each frame, windows of one length together; see ``smoothing``."""
    rows = np.flatnonzero(judged)
    time_s, scores = table.time_s[rows], table.raw[rows]
    smooth = np.full_like(table.raw, np.nan)
    reduce = np.mean if options.kind == "mean" else np.median
    for start in range(0, len(rows), _ROWS):
        now_s = time_s[start : start + _ROWS]
        first = np.searchsorted(time_s, now_s - (options.window_s - options.look_ahead_s + TIME_TOLERANCE_S))
        last = np.searchsorted(time_s, now_s + (options.look_ahead_s + TIME_TOLERANCE_S), side="right")
        if options.look_ahead_s == 0:  # not even frames of the same time that follow
            last = np.arange(start, start + len(now_s)) + 1
        for length in np.unique(last - first).tolist():
            alike = np.flatnonzero(last - first == length)
            for some in np.array_split(alike, alike.size * length // _CELLS + 1):
                windows = scores[first[some, np.newaxis] + np.arange(length)].astype(np.float64)
                smooth[rows[start + some]] = reduce(windows, axis=1)
    return smooth


def _events(
    table: ScoreTable,
    gaps: Sequence[tuple[int, Gap]],
    column: int,
    options: IntervalOptions,
    end_s: float,
    *,
    thin: bool,
) -> list[Event]:
    """One organ's events. ``thin``: only of the frames that may change the state; they become certain later then."""
    scores = table.smooth[:, column].astype(np.float64)
    matters = np.ones(len(scores), np.bool_)
    if thin:
        level = (scores >= options.onset).astype(np.int8) - (scores < options.offset)
        matters[1:] = (level[1:] != level[:-1]) | np.isnan(scores[1:]) | np.isnan(scores[:-1])
        for row, _ in gaps:
            matters[max(0, row - 1) : row + 1] = True
    builder = IntervalBuilder(table.organs[column], options)
    events: list[Event] = []
    left = list(reversed(gaps))
    for row in np.flatnonzero(matters).tolist():
        while left and left[-1][0] <= row:
            events += builder.gap(left.pop()[1])
        events += builder.push(int(table.index[row]), float(table.time_s[row]), float(scores[row]), table.reason[row])
    while left:
        events += builder.gap(left.pop()[1])
    return events + builder.close(end_s)


def replay(
    timeline: Timeline,
    smoothing: SmoothingOptions | None = None,
    intervals: IntervalOptions | Sequence[IntervalOptions] | None = None,
) -> Timeline:
    """The timeline that the same run would have given with other options; takes the raw scores that it kept.

    Args:
        timeline: of ``Detector.analyze`` or ``read_run``; it stays as it is.
        smoothing: None for the options that it was made with.
        intervals: one for every organ, or one per organ; None for those that it was made with.

    Raises UsageError where there are not as many interval options as organs.
    """
    used = timeline.provenance
    smoothing = used.smoothing if smoothing is None else smoothing
    intervals = one_per_organ(used.intervals if intervals is None else intervals, timeline.organs)
    raw = RawScores(timeline.organs)
    for item in _items(timeline):
        raw.add(item)
    scores, found = post_process(raw, smoothing, intervals, timeline.end_s)
    provenance = replace(used, smoothing=smoothing, intervals=intervals)
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
