"""Smoothing scores over time: causal filters, each with a stated delay.

A smoother takes frames and gaps in stream order and gives the same items back in the same order, later by at most its
delay. Windows are stretches of time, never counts of frames, so that variable frame rates and lost frames do no harm.
A frame that cannot be judged passes through unjudged and takes no part in its neighbours' scores.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.types import TIME_TOLERANCE_S, FrameScore, Gap

SmoothingKind = Literal["none", "exponential", "median", "mean", "hmm"]
Item = FrameScore | Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothingOptions:
    """How scores are smoothed over time. Raises UsageError for values that cannot be right."""

    kind: SmoothingKind = "mean"
    """``none``; ``exponential`` (causal); ``median`` or ``mean`` over a window; ``hmm``: the forward filter of a
    two-state Markov chain."""
    window_s: float = 0.5
    """``median``, ``mean``: length of the window, in seconds."""
    look_ahead_s: float = 0.25
    """How much of the window lies after the frame, in seconds; half of it is centred and moves no edge."""
    time_constant_s: float = 0.2
    """``exponential``: its time constant, in seconds."""
    dwell_s: float = 2.0
    """``hmm``: how long the chain stays in a state on average, in seconds."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(SmoothingKind):
            raise UsageError(f"unknown smoothing {self.kind!r}: choose one of {', '.join(get_args(SmoothingKind))}")
        for name in ("window_s", "look_ahead_s", "time_constant_s", "dwell_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"smoothing {name} must be 0 or more seconds, not {value}")
        if self.look_ahead_s > self.window_s:
            raise UsageError(
                f"smoothing look_ahead_s ({self.look_ahead_s}) is a part of window_s ({self.window_s}): make it shorter"
            )
        if self.kind == "hmm" and self.dwell_s == 0:
            raise UsageError("smoothing dwell_s must be above 0 seconds for hmm")

    @property
    def delay_s(self) -> float:
        """By how much an answer lags behind its frame at most, beyond the distance to the next frame."""
        return self.look_ahead_s if self.kind in ("median", "mean") else 0.0


class Smoother(Protocol):
    """State of one run; ``push`` and ``finish`` give finished items in stream order."""

    def push(self, item: Item) -> Iterator[Item]: ...

    def finish(self) -> Iterator[Item]: ...


def open_smoother(options: SmoothingOptions) -> Smoother:
    """A fresh smoother for one run."""
    if options.kind == "exponential":
        return _Exponential(options.time_constant_s)
    if options.kind == "hmm":
        return _MarkovFilter(options.dwell_s)
    if options.kind == "mean":
        return _Window(options, np.mean)
    if options.kind == "median":
        return _Window(options, np.median)
    return _Unchanged()


class _Unchanged:
    def push(self, item: Item) -> Iterator[Item]:
        yield item

    def finish(self) -> Iterator[Item]:
        return iter(())


class _Exponential:
    """First-order low pass, y += (1 - exp(-dt / time_constant)) (x - y), exact for any frame distance dt.

    A gap needs no special care: the longer it is, the less the past counts.
    """

    def __init__(self, time_constant_s: float) -> None:
        self._time_constant_s = time_constant_s
        self._time_s = 0.0
        self._value: NDArray[np.float64] | None = None

    def push(self, item: Item) -> Iterator[Item]:
        if isinstance(item, Gap) or item.scores is None:
            yield item
            return
        scores = item.scores.astype(np.float64)
        if self._value is None or self._time_constant_s == 0:
            self._value = scores
        else:
            elapsed_s = max(0.0, item.time_s - self._time_s)
            self._value = self._value + -math.expm1(-elapsed_s / self._time_constant_s) * (scores - self._value)
        self._time_s = item.time_s
        yield _with_scores(item, self._value)

    def finish(self) -> Iterator[Item]:
        return iter(())


class _MarkovFilter:
    """Forward filter of a symmetric two-state continuous-time Markov chain (Rabiner 1989, 10.1109/5.18626, eq. 19-20).

    A chain that leaves a state after ``dwell_s`` on average has moved to the other after dt with probability
    (1 - exp(-2 dt / dwell_s)) / 2. The score is read as the posterior under even odds, so s / (1 - s) is the
    likelihood ratio. Neighbouring frames show nearly the same picture, hence are not independent evidence: a ratio
    counts in full only when CORRELATION_S have passed since the frame before; this also makes the result independent
    of the frame rate.
    """

    CORRELATION_S = 0.2
    #: Scores are held this far from 0 and 1: no single frame may be infinitely sure.
    MARGIN = 0.01

    def __init__(self, dwell_s: float) -> None:
        self._dwell_s = dwell_s
        self._time_s = -math.inf
        self._present: NDArray[np.float64] | None = None

    def push(self, item: Item) -> Iterator[Item]:
        if isinstance(item, Gap) or item.scores is None:
            yield item
            return
        scores = np.clip(item.scores.astype(np.float64), self.MARGIN, 1 - self.MARGIN)
        elapsed_s = max(0.0, item.time_s - self._time_s)
        if self._present is None:
            self._present = np.full_like(scores, 0.5)
        switch = -math.expm1(-2 * elapsed_s / self._dwell_s) / 2
        prior = self._present * (1 - switch) + (1 - self._present) * switch
        weight = min(1.0, elapsed_s / self.CORRELATION_S)
        evidence = prior / (1 - prior) * (scores / (1 - scores)) ** weight
        # The same margin bounds the posterior, so that a long certain stretch can still be left quickly.
        self._present = np.clip(evidence / (1 + evidence), self.MARGIN, 1 - self.MARGIN)
        self._time_s = item.time_s
        yield _with_scores(item, self._present)

    def finish(self) -> Iterator[Item]:
        return iter(())


class _Window:
    """Mean or median over [t - (window - look_ahead), t + look_ahead].

    A frame's answer is ready once a later item lies beyond its look-ahead, or at the end. Every answer is computed
    afresh from the frames in its window: a running sum would make it depend on the whole past through rounding.
    """

    def __init__(self, options: SmoothingOptions, reduce: Callable[..., NDArray[np.float64]]) -> None:
        self._ahead_s = options.look_ahead_s + TIME_TOLERANCE_S
        self._behind_s = options.window_s - options.look_ahead_s + TIME_TOLERANCE_S
        self._reduce = reduce
        self._waiting: deque[Item] = deque()
        self._known: deque[tuple[float, NDArray[np.float32]]] = deque()

    def push(self, item: Item) -> Iterator[Item]:
        now_s = item.start_s if isinstance(item, Gap) else item.time_s
        yield from self._release(now_s)
        self._waiting.append(item)
        if isinstance(item, FrameScore) and item.scores is not None:
            self._known.append((item.time_s, item.scores))
        if self._ahead_s <= TIME_TOLERANCE_S:
            yield from self._release(math.inf)

    def finish(self) -> Iterator[Item]:
        yield from self._release(math.inf)

    def _release(self, now_s: float) -> Iterator[Item]:
        while self._waiting:
            item = self._waiting[0]
            time_s = item.start_s if isinstance(item, Gap) else item.time_s
            if now_s <= time_s + self._ahead_s:
                return
            self._waiting.popleft()
            if isinstance(item, Gap) or item.scores is None:
                yield item
                continue
            while self._known and self._known[0][0] < time_s - self._behind_s:
                self._known.popleft()
            inside = [scores for known_s, scores in self._known if known_s <= time_s + self._ahead_s]
            yield _with_scores(item, self._reduce(np.stack(inside).astype(np.float64), axis=0))


def _with_scores(item: FrameScore, scores: NDArray[np.float64]) -> FrameScore:
    return FrameScore(item.index, item.time_s, item.duration_s, scores.astype(np.float32), item.reason, item.measured)
