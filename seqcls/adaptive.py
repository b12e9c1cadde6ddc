"""Fewer inferences, the same intervals: measure some frames, bound the rest, measure more wherever bounds disagree.

The assumption. Between two measured frames at most ``step_s`` apart, every score lies within the range of these two
scores, widened by ``margin`` on both sides.

What follows from it. Every smoother, and the hysteresis after it, is monotone: higher scores never give less presence.
So both are run twice, on the lower and on the upper bounds of all scores. Where the two agree on a frame, its true
scores agree with them, whatever they are. Where they do not, frames are measured in the middle of the widest gaps near
by, until the two agree everywhere. What comes after the hysteresis (bridging, dropping, padding) sees only its answers:
the intervals are those of measuring every frame. Scores that vary more than assumed between two measured frames can
hide there; a larger ``margin`` or a smaller ``step_s`` is the remedy, and ``every`` the certainty.

By default ``step_s`` is the length of the shortest stretch of presence or absence that could be reported
(``shortest_s``), so that none falls between two measured frames. Frames whose picture is that of the frame before, to
the byte, take its score.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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

    While a burst of length b passes a mean's window w, presence begins once it fills the share ``onset`` of it, for
    which it must be long enough, and ends once it fills less than ``offset``: b + w - (onset + offset) w later. A dip
    is the same with the rest of both; a median has its threshold at one half. The other smoothers answer at once.
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

    ``undecided`` counts frames whose state the bounds could not settle, with nothing left to measure; 0 but for the
    recursive smoothers, which remember for ever.
    """

    def __init__(
        self,
        engine: Engine,
        smoothing: SmoothingOptions,
        intervals: Sequence[IntervalOptions],
        options: SamplingOptions,
    ) -> None:
        self._engine = engine
        self._organs = len(intervals)
        self._margin = options.margin
        self.step_s = shortest_s(smoothing, intervals) if options.step_s is None else options.step_s
        self._behind_s, self._ahead_s = reach_s(smoothing)
        self._bounds = _Bounds(smoothing, intervals)
        self._buffer = _Buffer(self._organs)
        self._new = 0
        self.undecided = 0

    def scores(self, items: Iterable[PreprocessedFrame | Gap]) -> Iterator[FrameScore | Gap]:
        """Every item back in order, late by about a block; raises EngineError as the engine does."""
        for item in items:
            self._buffer.add(item)
            self._new += 1
            if self._new >= BLOCK:
                self._new = 0
                yield from self._settle(closing=False)
        yield from self._settle(closing=True)

    def _settle(self, *, closing: bool) -> Iterator[FrameScore | Gap]:
        buffer = self._buffer
        self._measure(buffer.coarse(self.step_s, closing))
        horizon_s = math.inf if closing else buffer.bounded_until_s() - self._ahead_s - 2 * TIME_TOLERANCE_S
        while True:
            low, high = buffer.bounds(self._margin, self.step_s)
            disputes = self._bounds.disputes(buffer.items, low, high, horizon_s, closing)
            wanted = {row for dispute in disputes for row in self._choose(dispute, high - low)}
            if not wanted:
                self.undecided += len({dispute.row for dispute in disputes})
                break
            self._measure(sorted(wanted))
        count = len(buffer.items) if closing else buffer.settled(horizon_s - self._behind_s)
        self._bounds.advance(buffer.items[:count], low[:count], high[:count])
        yield from buffer.release(count)

    def _choose(self, dispute: _Dispute, width: Floats) -> Iterator[int]:
        """Rows whose scores would narrow the bounds of a disputed frame most: the middles of its widest gaps."""
        end_s = dispute.time_s + self._ahead_s
        gaps = self._buffer.gaps(dispute.time_s - self._behind_s, end_s) or self._buffer.gaps(-math.inf, end_s)
        doubt = [float(width[rows, dispute.column].sum()) for rows in gaps]
        for rows, own in zip(gaps, doubt, strict=True):
            if own >= max(doubt) / 2:
                yield rows[len(rows) // 2]

    def _measure(self, rows: Sequence[int]) -> None:
        if rows:
            scores = self._engine.scores(np.stack([self._buffer.image(row) for row in rows]))
            if not np.isfinite(scores).all():  # what lies between two scores has no bounds then
                raise ModelError("the model gives scores that are no numbers; use --precision fp32, or train it again")
            self._buffer.set_scores(rows, scores)


@dataclass(frozen=True, slots=True)
class _Dispute:
    """Lower and upper bounds give the frame in ``row`` another state for the organ in ``column``."""

    row: int
    column: int
    time_s: float


class _Bounds:
    """Smoothing and hysteresis of the lower bounds and the upper ones, side by side as 2 K organs."""

    def __init__(self, smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions]) -> None:
        self._organs = len(intervals)
        self._smoother = open_smoother(smoothing)
        self._hysteresis = [Hysteresis(options) for options in (*intervals, *intervals)]

    def advance(self, items: Sequence[PreprocessedFrame | Gap], low: Floats, high: Floats) -> None:
        """Take items for good."""
        for answer in self._push(items, low, high):
            self._states(answer)

    def disputes(
        self, items: Sequence[PreprocessedFrame | Gap], low: Floats, high: Floats, horizon_s: float, closing: bool
    ) -> list[_Dispute]:
        """The first frame of every stretch up to the horizon on which the bounds disagree, per organ."""
        trial = copy.deepcopy(self)
        rows = {item.index: row for row, item in enumerate(items) if isinstance(item, PreprocessedFrame)}
        found: list[_Dispute] = []
        apart = np.zeros(self._organs, np.bool_)
        for answer in trial._push(items, low, high, closing=closing):
            now_s = answer.start_s if isinstance(answer, Gap) else answer.time_s
            if now_s > horizon_s:
                break
            states = trial._states(answer)
            if states is None or isinstance(answer, Gap):
                continue
            differ = states[: self._organs] != states[self._organs :]
            if answer.index in rows:  # else it was given back in an earlier block, settled
                found += [_Dispute(rows[answer.index], int(k), now_s) for k in np.flatnonzero(differ & ~apart)]
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

    def _states(self, answer: FrameScore | Gap) -> Bools | None:
        """(2 K,) whether the smoothed bounds count as presence; None where there is no score."""
        if isinstance(answer, Gap) or answer.scores is None:
            now_s = answer.start_s if isinstance(answer, Gap) else answer.time_s
            for hysteresis in self._hysteresis:
                hysteresis.mark_unknown(now_s)
            return None
        pairs = zip(self._hysteresis, answer.scores, strict=True)
        return np.array([hysteresis.update(float(score), answer.time_s) for hysteresis, score in pairs])


class _Buffer:
    """Items that still may be measured, in rows from 0; knows which scores are known.

    ``judged`` rows are those of frames with a picture. A known score is measured, or that of an equal picture.
    """

    def __init__(self, organs: int) -> None:
        self._organs = organs
        self.items: list[PreprocessedFrame | Gap] = []
        self._times_s: list[float] = []
        self._scores: list[Floats | None] = []
        self._measured: list[bool] = []
        self._repeats: list[bool] = []  # the picture is that of the judged row before
        self._judged: list[int] = []

    def add(self, item: PreprocessedFrame | Gap) -> None:
        row, scores, repeats = len(self.items), None, False
        if isinstance(item, PreprocessedFrame) and item.image is not None:
            if self._judged:
                before = self._judged[-1]
                repeats = np.array_equal(item.image, self.image(before))
                scores = self._scores[before] if repeats else None
            self._judged.append(row)
        time_s = item.start_s if isinstance(item, Gap) else item.time_s
        self.items.append(item)
        self._times_s.append(max(time_s, self._times_s[-1]) if self._times_s else time_s)
        self._scores.append(scores)
        self._measured.append(False)
        self._repeats.append(repeats)

    def image(self, row: int) -> NDArray[np.uint8]:
        item = self.items[row]
        assert isinstance(item, PreprocessedFrame) and item.image is not None, "only judged rows have a picture"
        return item.image

    def coarse(self, step_s: float, closing: bool) -> list[int]:
        """Rows to measure so that no two neighbours among the known ones lie more than ``step_s`` apart."""
        chosen: list[int] = []
        known_s, covered = -math.inf, -1  # the row last known, or to be known once the chosen ones are
        for position, row in enumerate(self._judged):
            follows = self._repeats[row] and self._judged[position - 1] == covered
            if follows or self._scores[row] is not None:
                known_s, covered = self._times_s[row], row
                continue
            if position + 1 < len(self._judged):
                next_s = self._times_s[self._judged[position + 1]]
            else:  # what follows, if anything does, is no frame to measure
                next_s = math.inf if closing else self._times_s[-1]
            if next_s - known_s > step_s + TIME_TOLERANCE_S:
                chosen.append(row)
                known_s, covered = self._times_s[row], row
        return chosen

    def set_scores(self, rows: Sequence[int], scores: Floats) -> None:
        """Take measured scores (N, K); equal pictures next to each other share them."""
        places = {row: position for position, row in enumerate(self._judged)}
        for row, own in zip(rows, scores, strict=True):
            self._measured[row] = True
            self._scores[row] = own
            for later in self._judged[places[row] + 1 :]:
                if not self._repeats[later]:
                    break
                self._scores[later] = own
            first = places[row]
            while first > 0 and self._repeats[self._judged[first]]:
                first -= 1
                self._scores[self._judged[first]] = own

    def bounded_until_s(self) -> float:
        """Until when every judged row lies between known ones."""
        last = next((row for row in reversed(self._judged) if self._scores[row] is not None), None)
        if not self._judged or last == self._judged[-1]:
            return self._times_s[-1] if self._times_s else -math.inf
        return -math.inf if last is None else self._times_s[last]

    def bounds(self, margin: float, step_s: float) -> tuple[Floats, Floats]:
        """Lower and upper bounds (rows, K) of all scores, equal where known; NaN for rows that are not judged."""
        low = np.full((len(self.items), self._organs), np.nan, np.float32)
        high = low.copy()
        if self._judged:
            judged, scores, before, after = self._neighbours()
            pair = np.stack([scores[before], scores[after]])
            times_s = np.array(self._times_s)[judged]
            far = (times_s[after] - times_s[before] > step_s + TIME_TOLERANCE_S) | (before > after)
            unknown = before != after
            spread = np.where(unknown, np.float32(margin), np.float32(0))[:, None]
            low[judged] = np.where((unknown & far)[:, None], 0, np.clip(pair.min(axis=0) - spread, 0, 1))
            high[judged] = np.where((unknown & far)[:, None], 1, np.clip(pair.max(axis=0) + spread, 0, 1))
        return low, high

    def gaps(self, start_s: float, end_s: float) -> list[list[int]]:
        """Stretches of neighbouring judged rows of unknown score within [start_s, end_s], each in full length there."""
        found: list[list[int]] = [[]]
        for row in self._judged:
            if self._scores[row] is not None:
                found.append([])
            elif start_s - TIME_TOLERANCE_S <= self._times_s[row] <= end_s + TIME_TOLERANCE_S:
                found[-1].append(row)
        return [rows for rows in found if rows]

    def settled(self, until_s: float) -> int:
        """How many rows, up to a time, are not needed any more: the known row before an unknown one still is."""
        count = int(np.searchsorted(self._times_s, until_s, side="right"))
        following = next((row for row in self._judged if row >= count), None)
        if following is None or self._scores[following] is not None:
            return count
        return max((row for row in self._judged if row < count and self._scores[row] is not None), default=0)

    def release(self, count: int) -> Iterator[FrameScore | Gap]:
        """Give back the first rows; unknown scores are drawn in a straight line between the known ones beside them."""
        drawn: dict[int, Floats] = {}
        if self._judged:
            judged, scores, before, after = self._neighbours()
            times_s = np.array(self._times_s)[judged]
            length_s = np.maximum(times_s[after] - times_s[before], TIME_TOLERANCE_S)
            part = np.clip((times_s - times_s[before]) / length_s, 0, 1).astype(np.float32)[:, None]
            line = np.where(
                (before == after)[:, None], scores[before], (1 - part) * scores[before] + part * scores[after]
            )
            drawn = dict(zip(self._judged, line.astype(np.float32), strict=True))
        for row, item in enumerate(self.items[:count]):
            if isinstance(item, Gap):
                yield item
            else:
                measured = self._measured[row] or item.image is None
                yield FrameScore(item.index, item.time_s, item.duration_s, drawn.get(row), item.reason, measured)
        for rows in (self.items, self._times_s, self._scores, self._measured, self._repeats):
            del rows[:count]
        self._judged = [row - count for row in self._judged if row >= count]
        if self._judged:
            self._repeats[self._judged[0]] = False

    def _neighbours(self) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64], NDArray[np.int64]]:
        """Judged rows (J,), their scores (J, K), and per judged row the positions of the known ones before and after.

        Known rows are their own neighbours. Where one side has none, the other side's stands in, and before > after.
        """
        judged = np.array(self._judged)
        known = np.array([self._scores[row] is not None for row in self._judged])
        nothing = np.zeros(self._organs, np.float32)
        kept = [self._scores[row] for row in self._judged]
        scores = np.stack([nothing if own is None else own for own in kept])
        places = np.arange(len(judged))
        before = np.maximum.accumulate(np.where(known, places, -1))
        after = np.minimum.accumulate(np.where(known, places, len(judged))[::-1])[::-1]
        return judged, scores, np.where(before < 0, after, before), np.where(after == len(judged), before, after)
