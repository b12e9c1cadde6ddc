"""What options give on scored clips, and the search for better ones: the inside of ``operating_point.tune``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import DataError, UsageError
from seqcls.evaluation.clip_truth import IGNORE, PRESENT
from seqcls.evaluation.interval_metrics import (
    ClipIntervals,
    Span,
    event_f1_and_shares,
    interval_metrics,
    spans_of,
)
from seqcls.intervals import IntervalOptions
from seqcls.models.operating_curve import OperatingPoint
from seqcls.postprocess import certain_after_s
from seqcls.reprocess import post_process, present_spans
from seqcls.smoothing import SmoothingOptions
from seqcls.training.scored_clips import ScoredClip
from seqcls.types import TIME_TOLERANCE_S, require_seconds

Scores = NDArray[np.float32]
#: With fewer labelled presences, or clips that show one, an organ keeps its options: each event would count too much.
MIN_EVENTS, MIN_CLIPS = 5, 2
#: What is tried: onsets, ratios of offset and onset, durations in seconds.
ONSETS = tuple(round(0.05 * n, 2) for n in range(1, 20))
RATIOS = (0.4, 0.7, 0.9)
DURATIONS_S = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)
SMOOTHINGS = (
    SmoothingOptions(kind="none"),
    *(SmoothingOptions(kind="exponential", time_constant_s=seconds) for seconds in (0.1, 0.2, 0.4)),
    *(SmoothingOptions(kind="hmm", dwell_s=seconds) for seconds in (0.5, 2.0)),
    *(
        SmoothingOptions(kind=kind, window_s=window_s, look_ahead_s=ahead_s)
        for kind in ("mean", "median")
        for window_s, ahead_s in ((0.25, 0), (0.25, 0.125), (0.5, 0), (0.5, 0.125), (0.5, 0.25), (1, 0.25), (1, 0.5))
    ),
)  # fmt: skip
#: Besides the smoothing that one starts with, so many are searched through; thresholds alone tell which.
SEARCHED = 2
#: The delays and the onsets of the curve that is kept; the stated delay is one more.
CURVE_DELAYS_S, CURVE_ONSETS = (0.0, 0.25), tuple(round(0.1 * n, 1) for n in range(1, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOptions:
    """What is wanted. Raises UsageError for values that cannot be right."""

    max_delay_s: float = certain_after_s(SmoothingOptions(), IntervalOptions())
    """How late a change of state may be certain, in seconds; the default is that of the options without tuning."""
    sensitivity: float | None = None
    """The share of labelled presence that must be found; then the most specific is best. None: the best event F1."""

    def __post_init__(self) -> None:
        require_seconds(self.max_delay_s, "max_delay_s")
        if self.sensitivity is not None and not 0 < self.sensitivity <= 1:
            raise UsageError(f"sensitivity must lie above 0 and be at most 1, not {self.sensitivity}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What options give for one organ, over the clips; ``delay_s`` is how late a change becomes certain at most."""

    event_f1: float
    sensitivity: float
    specificity: float
    delay_s: float


def shortened(
    smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions], max_delay_s: float
) -> tuple[SmoothingOptions, tuple[IntervalOptions, ...]]:
    """These options as far as they fit into the delay: look-ahead, padding and durations, in this order."""
    if smoothing.delay_s > max_delay_s:
        smoothing = replace(smoothing, look_ahead_s=max_delay_s)
    room_s = round(max_delay_s - smoothing.delay_s, 6)
    short = []
    for one in intervals:
        pad_s = min(one.pad_s, room_s / 2)
        left_s = max(0.0, round(room_s - 2 * pad_s, 6))
        short.append(
            replace(
                one,
                pad_s=pad_s,
                min_present_s=min(one.min_present_s, left_s),
                min_absent_s=min(one.min_absent_s, left_s),
            )
        )
    return smoothing, tuple(short)


class Subject:
    """One organ in all clips: what is labelled of it."""

    def __init__(self, clips: Sequence[ScoredClip], column: int, organ: str) -> None:
        self.organ, self.column = organ, column
        self._labels = [_labels(clip, column) for clip in clips]
        self.events = interval_metrics(self._labels).presences
        showing = sum(bool(label.truth) for label in self._labels)
        absent = any((clip.codes[:, column] == 0).any() for clip in clips)
        self.is_enough = self.events >= MIN_EVENTS and showing >= MIN_CLIPS and absent

    def figures(self, spans: Iterable[tuple[Span, ...]], delay_s: float) -> Figures:
        found = [replace(label, prediction=own) for label, own in zip(self._labels, spans, strict=True)]
        f1, sensitivity, specificity = event_f1_and_shares(found)
        return Figures(event_f1=f1, sensitivity=sensitivity, specificity=specificity, delay_s=round(delay_s, 6))


def _labels(clip: ScoredClip, column: int) -> ClipIntervals:
    codes, time_s = clip.codes[:, column], clip.raw.table().time_s
    return ClipIntervals(
        truth=spans_of(codes == PRESENT, time_s, clip.end_s),
        prediction=(),
        ignore=(*spans_of(codes == IGNORE, time_s, clip.end_s), *clip.missing),
        start_s=clip.start_s,
        end_s=clip.end_s,
    )


class Search:
    """Tries options on the clips; remembers what was smoothed and what was tried."""

    def __init__(self, clips: Sequence[ScoredClip], subjects: dict[int, Subject], options: TuneOptions) -> None:
        self._clips, self._subjects, self._options = clips, subjects, options
        self._tables = [clip.raw.table() for clip in clips]
        self._smooth: dict[SmoothingOptions, list[Scores]] = {}
        self._tried: dict[tuple[int, SmoothingOptions, IntervalOptions], Figures] = {}

    def measure(self, k: int, smoothing: SmoothingOptions, intervals: IntervalOptions) -> Figures:
        known = self._tried.get((k, smoothing, intervals))
        if known is None:
            columns = [smooth[:, k] for smooth in self._smoothed(smoothing)]
            spans = (
                present_spans(table, clip.raw.gaps, column, intervals, clip.end_s)
                for table, clip, column in zip(self._tables, self._clips, columns, strict=True)
            )
            known = self._subjects[k].figures(spans, certain_after_s(smoothing, intervals))
            self._tried[k, smoothing, intervals] = known
        return known

    def figures(self, smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions]) -> tuple[Figures | None, ...]:
        return tuple(
            self.measure(k, smoothing, one) if k in self._subjects else None for k, one in enumerate(intervals)
        )

    def key(self, figures: Figures) -> tuple[float, ...]:
        """What is better is greater; the last entry is for want of other differences, of thresholds and durations."""
        target = self._options.sensitivity
        if target is None:
            return figures.event_f1, round((figures.sensitivity + figures.specificity) / 2, 2)
        if figures.sensitivity < target - TIME_TOLERANCE_S:
            return 0.0, figures.sensitivity, 0.0
        return 1.0, figures.specificity, figures.event_f1

    def total(self, smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions]) -> tuple[float, ...]:
        keys = [self.key(one) for one in self.figures(smoothing, intervals) if one is not None]
        return tuple(round(float(sum(column)), 9) for column in zip(*keys, strict=True))

    def promising(
        self, start: tuple[SmoothingOptions, tuple[IntervalOptions, ...]], max_delay_s: float
    ) -> list[SmoothingOptions]:
        """The smoothing that one starts with, and those that do best with the same thresholds and durations."""

        def glance(smoothing: SmoothingOptions) -> tuple[float, ...]:
            return self.total(*shortened(smoothing, start[1], max_delay_s))

        others = [one for one in SMOOTHINGS if one.delay_s <= max_delay_s + TIME_TOLERANCE_S and one != start[0]]
        return [start[0], *sorted(others, key=glance, reverse=True)[:SEARCHED]]

    def descend(self, k: int, smoothing: SmoothingOptions, intervals: IntervalOptions) -> IntervalOptions:
        """One organ's options, one coordinate after the other, until none gets better."""
        room_s = self._options.max_delay_s - smoothing.delay_s - 2 * intervals.pad_s
        durations_s = sorted(
            {0.0, *(d for d in DURATIONS_S if d <= room_s + TIME_TOLERANCE_S), max(0.0, round(room_s, 3))}
        )
        durations_s = [seconds for seconds in durations_s if seconds <= room_s + TIME_TOLERANCE_S]
        for _ in range(2):
            before = intervals
            intervals = self._best(k, smoothing, self._thresholds(k, smoothing, intervals), intervals)
            for name in ("min_present_s", "min_absent_s"):
                tried = [replace(intervals, **{name: seconds}) for seconds in durations_s]
                intervals = self._best(k, smoothing, tried, intervals)
            if intervals == before:
                break
        return intervals

    def _best(
        self, k: int, smoothing: SmoothingOptions, tried: Iterable[IntervalOptions], now: IntervalOptions
    ) -> IntervalOptions:
        """The best of these, or the present one where none is better."""
        return max((now, *tried), key=lambda one: self.key(self.measure(k, smoothing, one)))

    def _thresholds(self, k: int, smoothing: SmoothingOptions, now: IntervalOptions) -> Iterator[IntervalOptions]:
        """The middle of the widest run of onsets that are as good as the best of them, for the present ratio of offset
        and onset and for one threshold alone; and other ratios for the present onset."""
        for start in dict.fromkeys((now, _with_ratio(now, 1.0))):
            tried = [_with_onset(start, onset) for onset in ONSETS]
            keys = [self.key(self.measure(k, smoothing, one))[:-1] for one in tried]
            best = max(keys)
            edges = np.flatnonzero(np.diff([False, *(key == best for key in keys), False])).reshape(-1, 2)
            first, after = map(int, edges[np.argmax(edges[:, 1] - edges[:, 0])])
            yield tried[(first + after - 1) // 2]
        yield from (_with_ratio(now, ratio) for ratio in RATIOS)

    def require(self, k: int, figures: Figures | None) -> None:
        """Raise DataError where the sensitivity that was asked for is not reached."""
        target = self._options.sensitivity
        if target is not None and figures is not None and figures.sensitivity < target - TIME_TOLERANCE_S:
            raise DataError(
                f"on these clips {self._subjects[k].organ} is found for {figures.sensitivity:.3f} of its time at most"
                f" within {self._options.max_delay_s:g} s, less than the sensitivity of {target:g} asked for; allow"
                " more delay, or ask for less"
            )

    def curve(self, smoothing: SmoothingOptions, intervals: tuple[IntervalOptions, ...]) -> tuple[OperatingPoint, ...]:
        """Of each organ, what other onsets give within this delay, and within shorter ones with the best smoothing."""
        limit_s, points = self._options.max_delay_s, []
        for delay_s in sorted({*(d for d in CURVE_DELAYS_S if d < limit_s - TIME_TOLERANCE_S), limit_s}):
            start = smoothing, intervals
            if delay_s < limit_s:
                start = shortened(smoothing, intervals, delay_s)
                options = max(
                    (shortened(one, start[1], delay_s) for one in self.promising(start, delay_s)),
                    key=lambda one: self.total(*one),
                )
            else:
                options = start
            points += list(self._points(*options))
        return tuple(points)

    def _points(self, smoothing: SmoothingOptions, intervals: tuple[IntervalOptions, ...]) -> Iterator[OperatingPoint]:
        for k, subject in self._subjects.items():
            for onset in sorted({*CURVE_ONSETS, intervals[k].onset}):
                figures = self.measure(k, smoothing, _with_onset(intervals[k], onset))
                yield OperatingPoint(
                    organ=subject.organ,
                    delay_s=figures.delay_s,
                    onset=onset,
                    sensitivity=round(figures.sensitivity, 4),
                    specificity=round(figures.specificity, 4),
                    event_f1=round(figures.event_f1, 4),
                )

    def _smoothed(self, smoothing: SmoothingOptions) -> list[Scores]:
        if smoothing not in self._smooth:
            self._smooth[smoothing] = [
                post_process(clip.raw, smoothing, [IntervalOptions()] * len(clip.raw.organs), clip.end_s)[0].smooth
                for clip in self._clips
            ]
        return self._smooth[smoothing]


def _with_onset(intervals: IntervalOptions, onset: float) -> IntervalOptions:
    """The offset stays the same part of the onset."""
    ratio = intervals.offset / intervals.onset if intervals.onset else 1.0
    return replace(intervals, onset=onset, offset=min(onset, round(ratio * onset, 3)))


def _with_ratio(intervals: IntervalOptions, ratio: float) -> IntervalOptions:
    return replace(intervals, offset=min(intervals.onset, round(ratio * intervals.onset, 3)))
