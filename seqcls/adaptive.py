"""Fewer inferences, the same intervals: measure some frames, bound the rest, measure more wherever bounds disagree.

Between two measured frames at most ``step_s`` apart, every score is assumed to lie within the range of these two,
widened by ``margin`` on both sides. Smoothing and hysteresis are monotone, so both are run on the lower and on the
upper bounds of all scores, and frames are measured until the two agree. docs/adaptive-sampling.md holds the proof and
its limits. Frames whose image is that of the frame before, to the byte, take its score.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.engines import Engine
from seqcls.errors import ModelError, UsageError
from seqcls.intervals import Hysteresis, IntervalOptions
from seqcls.preprocess import PreprocessedFrame
from seqcls.smoothing import SmoothingOptions, open_smoother
from seqcls.types import TIME_TOLERANCE_S, FrameScore, Gap

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
#: Frames are looked at in blocks of so many; more give the engine fuller batches and take more memory.
BLOCK = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingOptions:
    """Which frames the engine sees. Raises UsageError for values that cannot be right."""

    kind: Literal["every", "adaptive"] = "every"
    """``every`` one, or an ``adaptive`` choice."""
    step_s: float | None = None
    """Largest distance of measured frames, in seconds; None: ``shortest_s``."""
    margin: float = 0.2
    """By how much scores between two measured frames may leave the range of these two."""

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

    ``has_novelty``: the engine tells it, and of a frame that it did not see it is drawn between those that it saw.

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
    ) -> None:
        self._score = engine.answers if has_novelty else engine.scores
        self._margin = options.margin
        self.step_s = shortest_s(smoothing, intervals) if options.step_s is None else options.step_s
        self._behind_s, self._ahead_s = reach_s(smoothing)
        self._bounds = _Bounds(smoothing, intervals)
        self._buffer = _Buffer(len(intervals), has_novelty=has_novelty)
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
        buffer = self._buffer
        self._measure(buffer.coarse(self.step_s, closing))
        horizon_s = math.inf if closing else buffer.bounded_until_s() - self._ahead_s - 2 * TIME_TOLERANCE_S
        while True:
            low, high = buffer.bounds(self._margin, self.step_s)
            undecided = self._bounds.undecided(buffer.items, low, high, horizon_s, closing)
            wanted = {chosen for row, column in undecided for chosen in self._choose(row, (high - low)[:, column])}
            if not wanted:
                self.undecided += len({row for row, _ in undecided})
                break
            self._measure(sorted(wanted))
        count = len(buffer.items) if closing else buffer.settled(horizon_s - self._behind_s)
        self._bounds.advance(buffer.items[:count], low[:count], high[:count])
        yield from buffer.release(count)

    def _choose(self, row: int, width: Floats) -> Iterator[int]:
        """Rows whose scores would narrow the bounds of an undecided frame most: the middles of its widest gaps."""
        time_s = self._buffer.items[row].time_s
        end_s = time_s + self._ahead_s
        gaps = self._buffer.gaps(time_s - self._behind_s, end_s) or self._buffer.gaps(-math.inf, end_s)
        doubt = [float(width[rows].sum()) for rows in gaps]
        for rows, own in zip(gaps, doubt, strict=True):
            if own >= max(doubt) / 2:
                yield rows[len(rows) // 2]

    def _measure(self, rows: Sequence[int]) -> None:
        if rows:
            scores = self._score(np.stack([self._buffer.image(row) for row in rows]))
            if not np.isfinite(scores).all():  # what lies between two scores has no bounds then
                raise ModelError("the model gives scores that are no numbers; use precision=fp32, or train it again")
            self._buffer.set_scores(rows, scores)


class _Bounds:
    """Smoothing and hysteresis of the lower bounds and the upper ones, side by side as 2 K organs."""

    def __init__(self, smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions]) -> None:
        self._organs = len(intervals)
        self._smoother = open_smoother(smoothing)
        self._hysteresis = [Hysteresis(options) for options in (*intervals, *intervals)]

    def advance(self, items: Sequence[PreprocessedFrame | Gap], low: Floats, high: Floats) -> None:
        """Take items for good."""
        for smoothed in self._push(items, low, high):
            self._states(smoothed)

    def undecided(
        self, items: Sequence[PreprocessedFrame | Gap], low: Floats, high: Floats, horizon_s: float, closing: bool
    ) -> list[tuple[int, int]]:
        """Row and organ of the first frame of every stretch up to the horizon on which the bounds disagree."""
        trial = copy.deepcopy(self)
        rows = {item.index: row for row, item in enumerate(items) if isinstance(item, PreprocessedFrame)}
        found: list[tuple[int, int]] = []
        apart = np.zeros(self._organs, np.bool_)
        for smoothed in trial._push(items, low, high, closing=closing):
            if smoothed.time_s > horizon_s:
                break
            states = trial._states(smoothed)
            if states is None or isinstance(smoothed, Gap):
                continue
            differ = states[: self._organs] != states[self._organs :]
            if smoothed.index in rows:  # else it was released in an earlier block, settled
                found += [(rows[smoothed.index], int(column)) for column in np.flatnonzero(differ & ~apart)]
            apart = differ
        return found

    def _push(
        self, items: Sequence[PreprocessedFrame | Gap], low: Floats, high: Floats, *, closing: bool = False
    ) -> Iterator[FrameScore | Gap]:
        both = np.concatenate([low, high], axis=1)
        for row, item in enumerate(items):
            if isinstance(item, PreprocessedFrame):
                own = None if item.image is None else both[row]
                yield from self._smoother.push(FrameScore(item.index, item.time_s, item.duration_s, own))
            else:
                yield from self._smoother.push(item)
        if closing:
            yield from self._smoother.finish()

    def _states(self, smoothed: FrameScore | Gap) -> Bools | None:
        """(2 K,) whether the smoothed bounds count as presence; None where there is no score."""
        if isinstance(smoothed, Gap) or smoothed.scores is None:
            for hysteresis in self._hysteresis:
                hysteresis.mark_unknown(smoothed.time_s)
            return None
        pairs = zip(self._hysteresis, smoothed.scores, strict=True)
        return np.array([hysteresis.update(float(score), smoothed.time_s) for hysteresis, score in pairs])


class _Buffer:
    """Items that still may be measured, in rows from 0, and what is known of each.

    time_s: (rows,), never less than in the row before. groups: (rows,), 0 without an image, else one number for equal
    images next to each other. scores: (rows, K), NaN where unknown; a known score is measured, or that of its group. A
    last column is the novelty, where there is one; nothing is measured for its sake.
    """

    def __init__(self, organs: int, *, has_novelty: bool = False) -> None:
        self._organs = organs
        self.items: list[PreprocessedFrame | Gap] = []
        self._time_s = np.zeros(0)
        self._groups = np.zeros(0, np.int64)
        self._scores = np.zeros((0, organs + has_novelty), np.float32)
        self._measured = np.zeros(0, np.bool_)

    def extend(self, items: Sequence[PreprocessedFrame | Gap]) -> None:
        """Take more items; an image that repeats the one before it takes its score."""
        groups, scores = self._groups.tolist(), list(self._scores)
        last = max(np.flatnonzero(self._groups).tolist(), default=-1)
        nothing = np.full(self._scores.shape[1], np.nan, np.float32)
        for row, item in enumerate(items, len(self.items)):
            self.items.append(item)
            if isinstance(item, Gap) or item.image is None:
                groups.append(0)
                scores.append(nothing)
                continue
            repeats = last >= 0 and np.array_equal(item.image, self.image(last))
            groups.append((groups[last] if last >= 0 else 0) + (not repeats))
            scores.append(scores[last] if repeats else nothing)
            last = row
        self._time_s = np.maximum.accumulate([*self._time_s, *(item.time_s for item in items)])
        self._groups, self._scores = np.array(groups), np.array(scores, np.float32)
        self._measured = np.append(self._measured, np.zeros(len(items), np.bool_))

    def image(self, row: int) -> NDArray[np.uint8]:
        item = self.items[row]
        assert isinstance(item, PreprocessedFrame) and item.image is not None, "only scorable rows have an image"
        return item.image

    @property
    def _known(self) -> Bools:
        return np.logical_not(np.isnan(self._scores).any(axis=1))

    def coarse(self, step_s: float, closing: bool) -> list[int]:
        """Rows to measure so that no two neighbours among the known ones lie more than ``step_s`` apart."""
        chosen: list[int] = []
        known, rows = self._known, np.flatnonzero(self._groups)
        # What follows the last one, if anything does, is no frame to measure.
        next_s = np.append(self._time_s[rows[1:]], np.inf if closing else self._time_s[-1])
        known_s, covered = -math.inf, 0  # of the row last known, or to be known once the chosen ones are
        for row, follows_s in zip(rows.tolist(), next_s.tolist(), strict=False):
            if not known[row] and self._groups[row] != covered:
                if follows_s - known_s <= step_s + TIME_TOLERANCE_S:
                    continue
                chosen.append(row)
            known_s, covered = self._time_s[row], self._groups[row]
        return chosen

    def set_scores(self, rows: Sequence[int], scores: Floats) -> None:
        """Take measured scores (N, K); equal images next to each other share them."""
        for row, own in zip(rows, scores, strict=True):
            self._measured[row] = True
            self._scores[self._groups == self._groups[row]] = own

    def bounded_until_s(self) -> float:
        """Until when every scorable row lies between known ones."""
        known, rows = self._known, np.flatnonzero(self._groups)
        if rows.size == 0 or known[rows[-1]]:
            return float(self._time_s[-1])
        return float(self._time_s[known].max(initial=-math.inf))

    def bounds(self, margin: float, step_s: float) -> tuple[Floats, Floats]:
        """Lower and upper bounds (rows, K) of all scores, equal where known; NaN for rows that are not scorable."""
        before, after = self._neighbours()
        pair = np.stack([self._scores[before], self._scores[after]])
        far = self._time_s[after] - self._time_s[before] > step_s + TIME_TOLERANCE_S
        spread = np.where(before != after, np.float32(margin), np.float32(0))[:, None]
        low = np.where(far[:, None], np.float32(0), np.clip(pair.min(axis=0) - spread, 0, 1))
        high = np.where(far[:, None], np.float32(1), np.clip(pair.max(axis=0) + spread, 0, 1))
        low[self._groups == 0] = high[self._groups == 0] = np.nan
        return low[:, : self._organs], high[:, : self._organs]

    def gaps(self, start_s: float, end_s: float) -> list[list[int]]:
        """Stretches of neighbouring scorable rows of unknown score within [start_s, end_s]."""
        known = self._known
        within = (self._time_s >= start_s - TIME_TOLERANCE_S) & (self._time_s <= end_s + TIME_TOLERANCE_S)
        rows = np.flatnonzero(within & (self._groups > 0) & ~known)
        known_before = np.cumsum(known)[rows]
        return [rows[known_before == count].tolist() for count in np.unique(known_before)]

    def settled(self, until_s: float) -> int:
        """How many rows, up to a time, are not needed any more: the known row before an unknown one still is."""
        known, count = self._known, int(np.searchsorted(self._time_s, until_s, side="right"))
        following = np.flatnonzero(self._groups[count:])
        if following.size == 0 or known[count + following[0]]:
            return count
        return max(np.flatnonzero(known[:count]).tolist(), default=0)

    def release(self, count: int) -> Iterator[FrameScore | Gap]:
        """Give back the first rows; unknown scores are drawn in a straight line between the known ones beside them."""
        before, after = self._neighbours()
        length_s = np.maximum(self._time_s[after] - self._time_s[before], TIME_TOLERANCE_S)
        part = np.clip((self._time_s - self._time_s[before]) / length_s, 0, 1).astype(np.float32)[:, None]
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
        self._time_s, self._groups = self._time_s[count:], self._groups[count:]
        self._scores, self._measured = self._scores[count:], self._measured[count:]

    def _neighbours(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Per row the known row before and after it; a known one is its own. Only for rows between known ones."""
        rows, known = np.arange(len(self.items)), self._known
        before = np.maximum.accumulate(np.where(known, rows, 0))
        return before, np.minimum.accumulate(np.where(known, rows, len(rows) - 1)[::-1])[::-1]
