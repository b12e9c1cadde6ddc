"""From raw scores to events and intervals, and the same again later from kept scores, without the model."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from seqcls.intervals import IntervalBuilder, IntervalOptions, intervals_from_events, one_per_organ
from seqcls.smoothing import Smoother, SmoothingOptions, open_smoother, smooth_windows
from seqcls.timeline import Timeline
from seqcls.types import TIME_TOLERANCE_S, Event, FrameScore, Gap, Interval, ScoreTable


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
        self._scored = array("b")
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
        self._scored.append(item.scores is not None)
        self._reasons.append(item.reason)
        self._measured.append(item.measured)

    def add_scored(
        self,
        index: NDArray[np.int64],
        time_s: NDArray[np.float64],
        duration_s: NDArray[np.float64],
        scores: NDArray[np.float32],
    ) -> None:
        """The next N frames, all scored and measured; (N,) and (N, K)."""
        self._index.frombytes(index.tobytes())
        self._time_s.frombytes(time_s.tobytes())
        self._duration_s.frombytes(duration_s.tobytes())
        self._scores.frombytes(scores.tobytes())
        self._scored.frombytes(b"\1" * len(index))
        self._reasons.extend([""] * len(index))
        self._measured.frombytes(b"\1" * len(index))

    @property
    def scored(self) -> NDArray[np.bool_]:
        """(T,), which frames have scores."""
        return np.array(self._scored, np.bool_)

    def __len__(self) -> int:
        """How many items there are, frames and gaps."""
        return len(self._index) + len(self.gaps)

    def items(self, first_row: int = 0) -> Iterator[FrameScore | Gap]:
        """Frames and gaps in stream order, from a frame (and the gaps before it) on."""
        gaps = [(before, gap) for before, gap in self.gaps if before >= first_row]
        scores = _matrix(self._scores, len(self.organs))
        for row in range(first_row, len(self._index) + 1):
            while gaps and gaps[0][0] == row:
                yield gaps.pop(0)[1]
            if row < len(self._index):
                yield FrameScore(
                    self._index[row],
                    self._time_s[row],
                    self._duration_s[row],
                    scores[row] if self._scored[row] else None,
                    self._reasons[row],
                    bool(self._measured[row]),
                )

    def table(self, smooth: NDArray[np.float32] | None = None) -> ScoreTable:
        """The frames so far; their smoothed scores are the raw ones where none are given."""
        raw = _matrix(self._scores, len(self.organs))
        return ScoreTable(
            organs=self.organs,
            index=np.array(self._index),
            time_s=np.array(self._time_s),
            duration_s=np.array(self._duration_s),
            raw=raw,
            smooth=raw if smooth is None else smooth,
            reason=tuple(self._reasons),
            measured=np.array(self._measured, np.bool_),
        )


class PostProcess:
    """Smoothing and the state machines of one run.

    Keeps every score, 34 + 8 K bytes per frame, unless ``keep`` is False (a feed that is watched for days).
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
        self.smoother = open_smoother(smoothing)
        self.builders = [IntervalBuilder(o, i) for o, i in zip(organs, intervals, strict=True)]
        self._raw = RawScores(organs) if keep else None
        self._smooth = array("f")

    def push(self, item: FrameScore | Gap) -> Iterator[Event]:
        """Take a raw item, give the events that became certain."""
        if isinstance(item, FrameScore) and self._raw is not None:
            self._raw.add(item)
        for ready in self.smoother.push(item):
            yield from self._build(ready)

    def close(self, end_s: float) -> Iterator[Event]:
        """End of stream."""
        for ready in self.smoother.finish():
            yield from self._build(ready)
        for builder in self.builders:
            yield from builder.close(end_s)

    def table(self) -> ScoreTable:
        """All scores so far; after ``close`` every frame has its smoothed score. Not without ``keep``."""
        assert self._raw is not None, "this run keeps no scores"
        return self._raw.table(_matrix(self._smooth, len(self._organs)))

    def _build(self, item: FrameScore | Gap) -> Iterator[Event]:
        if isinstance(item, FrameScore):
            self.latest = item
            if self._raw is not None:
                self._smooth.extend(row_of(item, len(self._organs)))
        for column, builder in enumerate(self.builders):
            if isinstance(item, Gap):
                yield from builder.gap(item)
            else:
                score = None if item.scores is None else float(item.scores[column])
                yield from builder.push(item.index, item.time_s, score, item.reason)


def row_of(frame: FrameScore, organs: int) -> list[float]:
    """The frame's scores, NaN where it is unscored."""
    return [float("nan")] * organs if frame.scores is None else frame.scores.tolist()


def _matrix(scores: array[float], organs: int) -> NDArray[np.float32]:
    """(T, K) of T rows one after the other."""
    return np.array(scores).reshape(-1, organs)


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
        smooth = _windowed(plain, raw.scored, smoothing)
    elif smoothing.kind == "none":
        smooth = plain.raw
    else:
        smooth = _frame_by_frame(raw, open_smoother(smoothing))
    scores = replace(plain, smooth=smooth)
    events: list[Event] = []
    for column, options in enumerate(intervals):
        builder = IntervalBuilder(raw.organs[column], options)
        events += (event for _, event in _events(builder, scores, raw.gaps, column, options, thin=in_order))
        events += builder.close(end_s)
    return scores, intervals_from_events(events, scores, end_s)


def catch_up(
    raw: RawScores, smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions]
) -> tuple[PostProcess, list[tuple[int, Event]]]:
    """A ``PostProcess`` that has taken every item, and the events it gave, each with the number of the item that let it
    be emitted, from 0: the same as one by one, many times quicker. It keeps no scores."""
    process = PostProcess(raw.organs, smoothing, intervals, keep=False)
    plain = raw.table()
    gap_rows = np.array([row for row, _ in raw.gaps], np.int64)
    rows = np.arange(len(plain.index))
    frames_at, gaps_at = rows + np.searchsorted(gap_rows, rows, side="right"), gap_rows + np.arange(len(gap_rows))
    start_s = np.empty(len(raw))
    start_s[frames_at], start_s[gaps_at] = plain.time_s, [gap.start_s for _, gap in raw.gaps]
    if len(start_s) == 0 or (np.diff(start_s) < 0).any():
        return process, [(number, event) for number, item in enumerate(raw.items()) for event in process.push(item)]
    # The number of the item with which the smoother gives each item back; the last ones still wait for theirs.
    released_at = np.arange(len(raw))
    if smoothing.delay_s > 0:
        released_at = np.searchsorted(start_s, start_s + (smoothing.look_ahead_s + TIME_TOLERANCE_S), side="right")
    released = int(np.searchsorted(released_at, len(raw)))
    if smoothing.kind in ("mean", "median"):
        smooth = _windowed(plain, raw.scored, smoothing)
        since_s = start_s[min(released, len(raw) - 1)] - smoothing.window_s - 2 * TIME_TOLERANCE_S
        for item in raw.items(int(np.searchsorted(frames_at, np.searchsorted(start_s, since_s)))):
            for _ in process.smoother.push(item):
                pass
    else:  # nothing waits for later frames
        smooth = plain.raw if smoothing.kind == "none" else _frame_by_frame(raw, process.smoother)
    end = int(np.searchsorted(frames_at, released))
    gaps = raw.gaps[: int(np.searchsorted(gaps_at, released))]
    table = ScoreTable(
        plain.organs, plain.index[:end], plain.time_s[:end], plain.duration_s[:end], plain.raw[:end], smooth[:end],
        plain.reason[:end], plain.measured[:end],
    )  # fmt: skip
    found = [
        (int(released_at[place]), place, event)
        for column, builder in enumerate(process.builders)
        for place, event in _events(builder, table, gaps, column, intervals[column], thin=True)
    ]
    found.sort(key=lambda one: one[:2])
    if end:
        process.latest = FrameScore(
            int(table.index[-1]), float(table.time_s[-1]), float(table.duration_s[-1]),
            table.smooth[-1] if raw.scored[end - 1] else None, table.reason[-1], bool(table.measured[-1]),
        )  # fmt: skip
    return process, [(number, event) for number, _, event in found]


def _frame_by_frame(raw: RawScores, smoother: Smoother) -> NDArray[np.float32]:
    smooth = array("f")
    ready = (answer for item in raw.items() for answer in smoother.push(item))
    for answer in chain(ready, smoother.finish()):
        if isinstance(answer, FrameScore):
            smooth.extend(row_of(answer, len(raw.organs)))
    return _matrix(smooth, len(raw.organs))


def _windowed(table: ScoreTable, scored: NDArray[np.bool_], options: SmoothingOptions) -> NDArray[np.float32]:
    smooth = np.full_like(table.raw, np.nan)
    smooth[scored] = smooth_windows(table.time_s[scored], table.raw[scored], options)
    return smooth


def _events(
    builder: IntervalBuilder,
    table: ScoreTable,
    gaps: Sequence[tuple[int, Gap]],
    column: int,
    options: IntervalOptions,
    *,
    thin: bool,
) -> Iterator[tuple[int, Event]]:
    """One organ's events, each after the place of its item among all of them; ``thin``: only frames that matter are
    looked at, for a table in order of time."""
    scores = table.smooth[:, column].astype(np.float64)
    rows = _rows_that_matter(scores, table.time_s, gaps, options) if thin else np.arange(len(scores))
    taken = 0
    for row in [*rows.tolist(), len(scores)]:
        while taken < len(gaps) and gaps[taken][0] <= row:
            before, gap = gaps[taken]
            yield from ((before + taken, event) for event in builder.gap(gap))
            taken += 1
        if row < len(scores):
            frame = int(table.index[row]), float(table.time_s[row]), float(scores[row]), table.reason[row]
            yield from ((row + taken, event) for event in builder.push(*frame))


def _rows_that_matter(
    scores: NDArray[np.float64], time_s: NDArray[np.float64], gaps: Sequence[tuple[int, Gap]], options: IntervalOptions
) -> NDArray[np.int64]:
    """The frames that an ``IntervalBuilder`` must see to emit the same events.

    These are where the score crosses a threshold or is missing, those beside gaps, and those after which so much time
    has passed that something becomes certain, or a padded interval begins. No frame in between changes anything.
    """
    level = (scores >= options.onset).astype(np.int8) - (scores < options.offset)
    matters = np.ones(len(scores), np.bool_)
    matters[1:] = (level[1:] != level[:-1]) | np.isnan(scores[1:]) | np.isnan(scores[:-1])
    now_s = time_s.copy()  # as the builder sees it: after a gap, not before the gap's end
    for row, gap in gaps:
        matters[max(0, row - 1) : row + 1] = True
        if row < len(now_s):
            now_s[row] = max(now_s[row], gap.end_s)
    now_s = np.maximum.accumulate(now_s)
    turns_s = np.concatenate([now_s[matters], [t for _, gap in gaps for t in (gap.start_s, gap.end_s)]])
    near = np.zeros(len(scores) + 1)
    pad_s = options.pad_s
    for after_s in {0.0, options.min_present_s, options.min_absent_s, pad_s, 2 * pad_s, -pad_s}:
        first = np.searchsorted(now_s, turns_s + (after_s - 2 * TIME_TOLERANCE_S))
        last = np.searchsorted(now_s, turns_s + (after_s + 2 * TIME_TOLERANCE_S), side="right")
        np.add.at(near, first, 1)
        np.add.at(near, np.minimum(last + 1, len(scores)), -1)
    matters = near.cumsum()[:-1] > 0
    if pad_s > 0 and len(now_s):  # a presence that has yet to come may be padded until there
        matters |= now_s >= now_s[-1] - 4 * pad_s - TIME_TOLERANCE_S
    matters[-1:] = True
    return np.flatnonzero(matters)


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
    """What could not be scored: the unknown intervals of the organ that has the least of them.

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
