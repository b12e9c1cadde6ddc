"""Fewer inferences, the same intervals: measure some frames, bound the rest, measure more wherever bounds disagree.

Between two measured frames at most ``step_s`` apart, every score is assumed to lie within the range of these two,
widened on both sides by ``margin``, or by less the nearer they are. While the picture hardly changes they may be twice
as far apart. Smoothing and hysteresis are monotone, so both are run on the lower and on the upper bounds of all scores,
and frames are measured until the two agree; before that, in the same way, until it is settled which frames are unlike
training. docs/adaptive-sampling.md holds the proof and its limits. Frames whose image is that of the frame before, to
the byte, take its score.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.engines import Engine
from seqcls.errors import ModelError, UsageError
from seqcls.intervals import Hysteresis, IntervalOptions
from seqcls.novelty import LIMIT, SMOOTHING
from seqcls.preprocess import PreprocessedFrame
from seqcls.smoothing import SmoothingOptions, open_smoother, smooth_windows
from seqcls.types import TIME_TOLERANCE_S, FrameScore, Gap

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
#: Frames are looked at in blocks of so many; more give the engine fuller batches and take more memory.
BLOCK = 128
#: While the picture hardly changes, measured frames may be so many times ``step_s`` apart.
STILL_STEPS = 2
#: The picture hardly changes while its mean absolute difference, of areas of a 16th of its side, stays within this
#: share of its mean. Within 0.5 s, scores left the range of those measured by 0.2 from a share of 0.1 on in real clips,
#: of 0.2 in sweeps.
STILL = 0.08
_AREAS = (16, 16)
#: As ``SamplingOptions.margin``, of the novelty: it changes more slowly, by 0.09 in 0.25 s at most in sweeps.
NOVELTY_MARGIN = 0.1
#: The novelty has one threshold, and nothing is bridged or dropped.
_UNLIKE = IntervalOptions(onset=LIMIT, offset=LIMIT, min_present_s=0.0, min_absent_s=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingOptions:
    """Which frames the engine sees. Raises UsageError for values that cannot be right."""

    kind: Literal["every", "adaptive"] = "every"
    """``every`` one, or an ``adaptive`` choice."""
    step_s: float | None = None
    """Largest distance of measured frames while the picture changes, in seconds; None: ``shortest_s``."""
    margin: float = 0.2
    """By how much scores between two measured frames ``step_s`` apart may leave the range of these two; nearer ones by
    less, in proportion."""

    def __post_init__(self) -> None:
        if self.kind not in ("every", "adaptive"):
            raise UsageError(f"sampling must be every or adaptive, not {self.kind!r}")
        if self.step_s is not None and not (math.isfinite(self.step_s) and self.step_s >= 0):
            raise UsageError(f"sampling step_s must be 0 or more seconds, not {self.step_s}")
        if not 0 <= self.margin <= 1:
            raise UsageError(f"sampling margin must lie in 0..1, not {self.margin}")


def shortest_s(smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions]) -> float:
    """Length of the shortest stretch of scores of 1 among 0, or of 0 among 1, that intervals can show; seconds.

    A burst of length b is seen for b + w - (onset + offset) w through a mean over w, and not at all when it fills less
    than the share ``onset`` of w; a dip is the same with 1 - offset and 1 - onset. A median's threshold is one half.
    """
    shortest = math.inf
    for options in intervals:
        enter, leave = options.onset, options.offset
        if smoothing.kind == "median":
            enter = leave = 0.5
        for least_s, begin, end in (
            (options.min_present_s, enter, leave),
            (options.min_absent_s, 1 - leave, 1 - enter),
        ):
            if smoothing.kind in ("mean", "median"):
                window_s = smoothing.window_s
                least_s = max(begin * window_s, least_s - window_s + (begin + end) * window_s)
            shortest = min(shortest, least_s)
    return max(0.0, shortest)


def reach_s(smoothing: SmoothingOptions) -> tuple[float, float]:
    """How far before and after a frame others bear on its smoothed score; of the recursive ones, all but 1 %."""
    if smoothing.kind in ("mean", "median"):
        return smoothing.window_s - smoothing.look_ahead_s, smoothing.look_ahead_s
    if smoothing.kind == "exponential":
        return 5 * smoothing.time_constant_s, 0.0
    return (1.0, 0.0) if smoothing.kind == "hmm" else (0.0, 0.0)


class AdaptiveScorer:
    """One run's adaptive sampling. ``scores`` takes prepared frames and gives every one of them a score, in order.

    ``has_novelty``: the engine tells it; of a frame that it did not see it is drawn between those that it saw.
    ``uses_novelty``: frames that are unlike training will be unscored.

    ``undecided`` counts frames whose state the bounds could not settle, with nothing left to measure; 0 but for the
    recursive smoothers, which remember for ever.
    """

    def __init__(
        self,
        engine: Engine,
        smoothing: SmoothingOptions,
        intervals: Sequence[IntervalOptions],
        options: SamplingOptions,
        *,
        has_novelty: bool = False,
        uses_novelty: bool = False,
    ) -> None:
        self._score = engine.answers if has_novelty else engine.scores
        self.step_s = shortest_s(smoothing, intervals) if options.step_s is None else options.step_s
        margins = np.array([options.margin] * len(intervals) + [NOVELTY_MARGIN] * has_novelty, np.float32)
        self._buffer = _Buffer(len(intervals), margins, self.step_s)
        self._organs = _Bounds(smoothing, intervals)
        self._unlike = _Bounds(SMOOTHING, (_UNLIKE,)) if uses_novelty else None
        self.undecided = 0

    def scores(self, items: Iterable[PreprocessedFrame | Gap]) -> Iterator[FrameScore | Gap]:
        """Every item back in order, late by about a block; raises EngineError as the engine does."""
        left = iter(items)
        while block := list(islice(left, BLOCK)):
            self._buffer.extend(block)
            if len(block) == BLOCK:
                yield from self._settle(closing=False)
        yield from self._settle(closing=True)

    def _settle(self, *, closing: bool) -> Iterator[FrameScore | Gap]:
        buffer, organs, unlike = self._buffer, self._organs, self._unlike
        self._measure(buffer.coarse(closing))
        bounded_s = math.inf if closing else buffer.bounded_until_s() - 2 * TIME_TOLERANCE_S
        while True:
            low, high = buffer.bounds()  # (rows, K), or (rows, K + 1) with the novelty
            undecided: list[tuple[int, int]] = []
            wanted: set[int] = set()
            if unlike is not None and (high[:, -1] >= LIMIT).any():
                undecided, is_unlike = unlike.trial(buffer.time_s, low[:, -1:], high[:, -1:], bounded_s)
                wanted = self._narrowing(unlike, undecided, high[:, -1:] - low[:, -1:])
                low[is_unlike[:, 0], :-1] = high[is_unlike[:, 0], :-1] = np.nan
            scores = low[:, : organs.count], high[:, : organs.count]
            if not undecided:
                undecided, _ = organs.trial(buffer.time_s, *scores, bounded_s - organs.ahead_s)
                wanted = self._narrowing(organs, undecided, scores[1] - scores[0])
            if not wanted:
                break
            self._measure(sorted(wanted))
        self.undecided += len({row for row, _ in undecided})
        count = len(buffer.items) if closing else buffer.settled(bounded_s - organs.ahead_s - organs.behind_s)
        if unlike is not None:
            count = count if closing else min(count, buffer.settled(bounded_s - unlike.behind_s))
            unlike.advance(buffer.time_s, low[:, -1:], high[:, -1:], bounded_s, count)
        organs.advance(buffer.time_s, *scores, bounded_s - organs.ahead_s, count)
        yield from buffer.release(count)

    def _narrowing(self, bounds: _Bounds, undecided: Sequence[tuple[int, int]], width: Floats) -> set[int]:
        """Rows whose scores would narrow the bounds of undecided frames most: the middles of their widest gaps."""
        wanted: set[int] = set()
        for row, column in undecided:
            time_s = self._buffer.items[row].time_s
            end_s = time_s + bounds.ahead_s
            gaps = self._buffer.gaps(time_s - bounds.behind_s, end_s) or self._buffer.gaps(-math.inf, end_s)
            doubt = [float(np.nansum(width[rows, column])) for rows in gaps]
            wanted |= {rows[len(rows) // 2] for rows, own in zip(gaps, doubt, strict=True) if own >= max(doubt) / 2}
        return wanted

    def _measure(self, rows: Sequence[int]) -> None:
        if rows:
            scores = self._score(np.stack([self._buffer.image(row) for row in rows]))
            if not np.isfinite(scores).all():  # what lies between two scores has no bounds then
                raise ModelError("the model gives scores that are no numbers; use precision=fp32, or train it again")
            self._buffer.set_scores(rows, scores)


class _Bounds:
    """Smoothing and hysteresis of the lower bounds and the upper ones, side by side as 2 K organs.

    count: K. behind_s, ahead_s: see ``reach_s``. Rows are those of the buffer: time_s (rows,), low and high (rows, K),
    NaN where there is no score.
    """

    def __init__(self, smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions]) -> None:
        self.count = len(intervals)
        self.behind_s, self.ahead_s = reach_s(smoothing)
        self._smoothing = smoothing
        self._filter = open_smoother(smoothing)
        self._hysteresis = [Hysteresis(options) for options in (*intervals, *intervals)]
        # (rows, 2 K) states of the first rows, which the filter and hysteresis have behind them.
        self._taken = np.zeros((0, 2 * self.count), np.bool_)

    def trial(
        self, time_s: NDArray[np.float64], low: Floats, high: Floats, horizon_s: float
    ) -> tuple[list[tuple[int, int]], Bools]:
        """Row and organ of the first frame of every stretch up to the horizon on which the bounds disagree; and (rows,
        K) the states by the lower bounds, False where there is none. Changes nothing."""
        trial = copy.copy(self)
        trial._filter, trial._hysteresis = copy.deepcopy(self._filter), [copy.copy(each) for each in self._hysteresis]
        states = trial._states(time_s, low, high, int(np.searchsorted(time_s, horizon_s, side="right")))
        lower, differ = states[:, : self.count], states[:, : self.count] != states[:, self.count :]
        begins = differ.copy()
        begins[1:] &= ~differ[:-1]
        return [(int(row), int(column)) for row, column in zip(*np.nonzero(begins), strict=True)], lower

    def advance(self, time_s: NDArray[np.float64], low: Floats, high: Floats, horizon_s: float, released: int) -> None:
        """Take rows for good, before the first ``released`` ones are let go: up to the horizon, where windows are
        settled; those alone by a filter whose memory a better bound may still change."""
        is_recursive = self._smoothing.kind in ("exponential", "hmm")
        until = released if is_recursive else int(np.searchsorted(time_s, horizon_s, side="right"))
        self._taken = self._states(time_s, low, high, until)[released : max(until, len(self._taken))]

    def _states(self, time_s: NDArray[np.float64], low: Floats, high: Floats, until: int) -> Bools:
        """(rows, 2 K) whether the smoothed bounds count as presence, False from row ``until`` on."""
        both = np.concatenate([low, high], axis=1)
        scored = ~np.isnan(both[:, 0])
        if self._smoothing.kind in ("mean", "median"):
            both[scored] = smooth_windows(time_s[scored], both[scored], self._smoothing)
        states = np.zeros(both.shape, np.bool_)
        states[: len(self._taken)] = self._taken
        for row in range(len(self._taken), until):
            at_s, own = float(time_s[row]), both[row]
            if not scored[row]:
                for each in self._hysteresis:
                    each.mark_unknown(at_s)
                continue
            if self._smoothing.kind in ("exponential", "hmm"):
                own = self._filtered(at_s, own)
            states[row] = [each.update(score, at_s) for each, score in zip(self._hysteresis, own.tolist(), strict=True)]
        return states

    def _filtered(self, at_s: float, own: Floats) -> Floats:
        """What a filter that answers at once makes of the next row."""
        (item,) = self._filter.push(FrameScore(0, at_s, 0.0, own))
        assert isinstance(item, FrameScore) and item.scores is not None, "a score comes back"
        return item.scores


class _Buffer:
    """Items that still may be measured, in rows from 0, and what is known of each.

    margins: by how much each score between known ones ``step_s`` apart may leave their range. A score more than there
    are organs is the novelty.

    time_s: (rows,), never less than in the row before. groups: (rows,), 0 without an image, else one number for equal
    images next to each other. looks: (rows, areas), the means of the image's areas. scores: (rows, K), NaN where
    unknown; a known score is measured, or that of its group.
    """

    def __init__(self, organs: int, margins: Floats, step_s: float) -> None:
        self._organs, self._margins, self._step_s = organs, margins, step_s
        self.items: list[PreprocessedFrame | Gap] = []
        self.time_s = np.zeros(0)
        self._groups = np.zeros(0, np.int64)
        self._looks = np.zeros((0, _AREAS[0] * _AREAS[1]), np.float32)
        self._scores = np.zeros((0, len(margins)), np.float32)
        self._measured = np.zeros(0, np.bool_)

    def extend(self, items: Sequence[PreprocessedFrame | Gap]) -> None:
        """Take more items; an image that repeats the one before it takes its score."""
        groups, scores, looks = self._groups.tolist(), list(self._scores), list(self._looks)
        last = max(np.flatnonzero(self._groups).tolist(), default=-1)
        nothing = np.full(self._scores.shape[1], np.nan, np.float32)
        for row, item in enumerate(items, len(self.items)):
            self.items.append(item)
            if isinstance(item, Gap) or item.image is None:
                groups.append(0)
                scores.append(nothing)
                looks.append(np.full(_AREAS[0] * _AREAS[1], np.inf, np.float32))
                continue
            repeats = last >= 0 and np.array_equal(item.image, self.image(last))
            groups.append((groups[last] if last >= 0 else 0) + (not repeats))
            scores.append(scores[last] if repeats else nothing)
            looks.append(cv2.resize(item.image, _AREAS, interpolation=cv2.INTER_AREA).astype(np.float32).ravel())
            last = row
        self.time_s = np.maximum.accumulate([*self.time_s, *(item.time_s for item in items)])
        self._groups, self._scores = np.array(groups), np.array(scores, np.float32)
        self._looks = np.array(looks)
        self._measured = np.append(self._measured, np.zeros(len(items), np.bool_))

    def image(self, row: int) -> NDArray[np.uint8]:
        item = self.items[row]
        assert isinstance(item, PreprocessedFrame) and item.image is not None, "only scorable rows have an image"
        return item.image

    @property
    def _known(self) -> Bools:
        return np.logical_not(np.isnan(self._scores).any(axis=1))

    def coarse(self, closing: bool) -> list[int]:
        """Rows to measure so that no two neighbours among the known ones are too far apart."""
        chosen: list[int] = []
        known, rows = self._known, np.flatnonzero(self._groups).tolist()
        last = -1  # the row last known, or to be known once the chosen ones are
        for row, following in zip(rows, [*rows[1:], len(self.items)], strict=False):
            if not known[row] and (last < 0 or self._groups[row] != self._groups[last]):
                if last >= 0 and not (closing and row == rows[-1]) and self._is_near(last, following):
                    continue
                chosen.append(row)
            last = row
        return chosen

    def _is_near(self, before: int, after: int) -> bool:
        """Whether two rows next to each other among the known ones may be so far apart; ``after`` may be the end."""
        apart_s = self.time_s[min(after, len(self.items) - 1)] - self.time_s[before] - TIME_TOLERANCE_S
        if apart_s <= self._step_s or apart_s > STILL_STEPS * self._step_s:
            return bool(apart_s <= self._step_s)
        changes = np.abs(self._looks[before + 1 : after] - self._looks[before]).mean(axis=1)
        return bool(changes.max(initial=0) <= STILL * self._looks[before].mean())

    def set_scores(self, rows: Sequence[int], scores: Floats) -> None:
        """Take measured scores (N, K); equal images next to each other share them."""
        for row, own in zip(rows, scores, strict=True):
            self._measured[row] = True
            self._scores[self._groups == self._groups[row]] = own

    def bounded_until_s(self) -> float:
        """Until when every scorable row lies between known ones."""
        known, rows = self._known, np.flatnonzero(self._groups)
        if rows.size == 0 or known[rows[-1]]:
            return float(self.time_s[-1])
        return float(self.time_s[known].max(initial=-math.inf))

    def bounds(self) -> tuple[Floats, Floats]:
        """Lower and upper bounds (rows, K) of all scores, equal where known; NaN for rows that are not scorable."""
        before, after = self._neighbours()
        pair = np.stack([self._scores[before], self._scores[after]])
        apart = (self.time_s[after] - self.time_s[before]) / max(self._step_s, TIME_TOLERANCE_S)
        spread = np.minimum(apart, 1).astype(np.float32)[:, None] * self._margins
        low, high = np.clip(pair.min(axis=0) - spread, 0, 1), np.clip(pair.max(axis=0) + spread, 0, 1)
        known = np.flatnonzero(self._known)
        for one, other in zip(known[:-1].tolist(), known[1:].tolist(), strict=True):
            if other > one + 1 and not self._is_near(one, other):
                low[one + 1 : other], high[one + 1 : other] = 0, 1
        low[self._groups == 0] = high[self._groups == 0] = np.nan
        return low, high

    def gaps(self, start_s: float, end_s: float) -> list[list[int]]:
        """Stretches of neighbouring scorable rows of unknown score within [start_s, end_s]."""
        known = self._known
        within = (self.time_s >= start_s - TIME_TOLERANCE_S) & (self.time_s <= end_s + TIME_TOLERANCE_S)
        rows = np.flatnonzero(within & (self._groups > 0) & ~known)
        known_before = np.cumsum(known)[rows]
        return [rows[known_before == count].tolist() for count in np.unique(known_before)]

    def settled(self, until_s: float) -> int:
        """How many rows, up to a time, are not needed any more: the known row before an unknown one still is."""
        known, count = self._known, int(np.searchsorted(self.time_s, until_s, side="right"))
        following = np.flatnonzero(self._groups[count:])
        if following.size == 0 or known[count + following[0]]:
            return count
        return max(np.flatnonzero(known[:count]).tolist(), default=0)

    def release(self, count: int) -> Iterator[FrameScore | Gap]:
        """Give back the first rows; unknown scores are drawn in a straight line between the known ones beside them."""
        before, after = self._neighbours()
        length_s = np.maximum(self.time_s[after] - self.time_s[before], TIME_TOLERANCE_S)
        part = np.clip((self.time_s - self.time_s[before]) / length_s, 0, 1).astype(np.float32)[:, None]
        line = (1 - part) * self._scores[before] + part * self._scores[after]
        line[before == after] = self._scores[before][before == after]
        for row, item in enumerate(self.items[:count]):
            if isinstance(item, Gap):
                yield item
            else:
                own = line[row] if self._groups[row] else None
                measured = own is None or bool(self._measured[row])
                novelty = math.nan if own is None or len(own) == self._organs else float(own[-1])
                scores = None if own is None else own[: self._organs]
                yield FrameScore(item.index, item.time_s, item.duration_s, scores, item.reason, measured, novelty)
        del self.items[:count]
        self.time_s, self._groups = self.time_s[count:], self._groups[count:]
        self._looks, self._scores, self._measured = self._looks[count:], self._scores[count:], self._measured[count:]

    def _neighbours(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Per row the known row before and after it; a known one is its own. Only for rows between known ones."""
        rows, known = np.arange(len(self.items)), self._known
        before = np.maximum.accumulate(np.where(known, rows, 0))
        return before, np.minimum.accumulate(np.where(known, rows, len(rows) - 1)[::-1])[::-1]
