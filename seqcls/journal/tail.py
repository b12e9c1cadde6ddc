"""How much of a run's end decides its state: a day of scores need not be gone through again for the last minute."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from seqcls.intervals import Hysteresis, IntervalOptions
from seqcls.smoothing import SmoothingOptions, open_smoother
from seqcls.types import TIME_TOLERANCE_S, FrameScore, Gap

#: What a recursive filter remembers has faded by exp(-FADED): far beyond what float64 can tell.
FADED = 60.0


def settled_at(
    items: Iterable[FrameScore | Gap], smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions]
) -> float | None:
    """From when on post-processing that begins with these items does what it would do after any others before them.

    Events that become certain later than this stream time, and the state at the end, are those of the whole run. None
    where what came before still matters: scores between the thresholds all the time, states that change too fast.
    """
    smoother = open_smoother(smoothing)
    organs = [_Organ(options) for options in intervals]
    settling = _Settling(smoothing)
    any_frame = False
    for item in items:
        settling.see(item)
        for ready in smoother.push(item):
            if any_frame and all(organ.settled_s < math.inf for organ in organs):
                return max(organ.settled_s for organ in organs)
            any_frame |= isinstance(ready, FrameScore)  # gaps are given the number of the frame before
            right = settling.right(ready)
            for column, organ in enumerate(organs):
                organ.take(ready, column, right)
    return None


def memory_s(smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions]) -> float:
    """What ``settled_at`` needs at least of frames that can be judged, in seconds."""
    return _fading_s(smoothing) + smoothing.delay_s + max(_constant_s(options) for options in intervals)


def _fading_s(smoothing: SmoothingOptions) -> float:
    if smoothing.kind == "exponential":
        return FADED * smoothing.time_constant_s
    if smoothing.kind == "hmm":
        # Mixing the two states draws any two beliefs together by exp(-2 dt / dwell) in the logarithm of their odds;
        # evidence moves both alike and the margins only nearer (Birkhoff's contraction).
        return FADED / 2 * smoothing.dwell_s
    return smoothing.window_s + 2 * TIME_TOLERANCE_S if smoothing.kind in ("mean", "median") else 0.0


def _constant_s(options: IntervalOptions) -> float:
    """How long a state must hold until nothing is pending, hidden behind it or held back by the padding."""
    return max(options.min_present_s, options.min_absent_s) + 4 * options.pad_s + 0.1


class _Settling:
    """From when on a smoother that began with the first item says what any other would say."""

    def __init__(self, smoothing: SmoothingOptions) -> None:
        self._fading_s = _fading_s(smoothing)
        # A recursive filter begins with the first score, a window with the first item.
        self._recursive = smoothing.kind in ("exponential", "hmm")
        self._began_s = math.inf
        self._right = False

    def see(self, item: FrameScore | Gap) -> None:
        if self._began_s == math.inf and (not self._recursive or _judged(item)):
            self._began_s = item.start_s if isinstance(item, Gap) else item.time_s

    def right(self, ready: FrameScore | Gap) -> bool:
        if not self._right and (not self._recursive or _judged(ready)):
            now_s = ready.start_s if isinstance(ready, Gap) else ready.time_s
            self._right = now_s >= self._began_s + self._fading_s
        return self._right


class _Organ:
    """Waits for a state that is certain whatever came before, and that holds for long enough."""

    def __init__(self, options: IntervalOptions) -> None:
        self._options = options
        # Before the first score: either not present, or present until the score says otherwise.
        self._either = (Hysteresis(options), Hysteresis(options))
        self._either[1].update(1.0, -math.inf)
        self._constant_s = _constant_s(options)
        self._now_s = -math.inf
        self._state: tuple[str, str] | None = None
        self._since_s = math.inf
        self.settled_s = math.inf

    def take(self, item: FrameScore | Gap, column: int, right: bool) -> None:
        start_s, end_s = (item.start_s, item.end_s) if isinstance(item, Gap) else (item.time_s, item.time_s)
        # Only once the next item is later: frames may share a time.
        if right and self._now_s - self._since_s >= self._constant_s and start_s > self._now_s:
            self.settled_s = min(self.settled_s, self._now_s)
        self._now_s = max(self._now_s, start_s)
        state = self._judge(item, column, right)
        if state is None or state != self._state:
            self._state, self._since_s = state, math.inf if state is None else self._now_s
        self._now_s = max(self._now_s, end_s)

    def _judge(self, item: FrameScore | Gap, column: int, right: bool) -> tuple[str, str] | None:
        score = math.nan if isinstance(item, Gap) or item.scores is None else float(item.scores[column])
        if math.isnan(score):
            if right:
                for hysteresis in self._either:
                    hysteresis.mark_unknown(self._now_s)
            return ("unknown", item.reason)
        if not right:
            return None
        low, high = (hysteresis.update(score, self._now_s) for hysteresis in self._either)
        return ("present" if low else "absent", "") if low == high else None


def _judged(item: FrameScore | Gap) -> bool:
    return isinstance(item, FrameScore) and item.scores is not None
