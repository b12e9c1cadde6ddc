"""Smoothing scores over time: causal filters, each with a stated delay.

A smoother takes frames and gaps in stream order and gives the same items back in the same order, later by at most its
delay. Windows are stretches of time, never counts of frames, so that variable frame rates and lost frames do no harm.
An unscored frame passes through as it is and takes no part in its neighbours' scores.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.types import TIME_TOLERANCE_S, FrameScore, Gap, require_seconds

SmoothingKind = Literal["none", "exponential", "median", "mean", "hmm"]
Item = FrameScore | Gap
Floats = NDArray[np.float64]

#: How many scores ``smooth_windows`` gathers at once: this bounds the memory it takes.
_CELLS = 1 << 20


_USES: dict[SmoothingKind, tuple[str, ...]] = {
    "none": (),
    "exponential": ("time_constant_s",),
    "median": ("window_s", "look_ahead_s"),
    "mean": ("window_s", "look_ahead_s"),
    "hmm": ("dwell_s",),
}


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
            require_seconds(getattr(self, name), f"smoothing {name}")
        if self.look_ahead_s > self.window_s:
            raise UsageError(
                f"smoothing look_ahead_s ({self.look_ahead_s}) is a part of window_s ({self.window_s}): make it shorter"
            )
        if self.kind == "hmm" and self.dwell_s == 0:
            raise UsageError("smoothing dwell_s must be above 0 seconds for hmm")

    @property
    def uses(self) -> tuple[str, ...]:
        """The fields that this kind of smoothing depends on, without ``kind``."""
        return _USES[self.kind]

    @property
    def delay_s(self) -> float:
        """By how much a smoothed score lags behind its frame at most, beyond the distance to the next frame."""
        return self.look_ahead_s if self.kind in ("median", "mean") else 0.0


class Smoother:
    """State of one run; ``push`` and ``finish`` give finished items in stream order. This one changes nothing."""

    def push(self, item: Item) -> Iterator[Item]:
        """Take the next item."""
        yield item

    def finish(self) -> Iterator[Item]:
        """End of stream: what still waited."""
        return iter(())


def open_smoother(options: SmoothingOptions) -> Smoother:
    """A fresh smoother for one run."""
    if options.kind == "exponential":
        return _Exponential(options.time_constant_s)
    if options.kind == "hmm":
        return _MarkovFilter(options.dwell_s)
    if options.kind in ("mean", "median"):
        return _Window(options)
    return Smoother()


class _Recursive(Smoother):
    """A filter that answers at once, from a frame's scores and what it remembers of those before."""

    def push(self, item: Item) -> Iterator[Item]:
        if isinstance(item, FrameScore) and item.scores is not None:
            item = _with_scores(item, self._filter(item.time_s, item.scores.astype(np.float64)))
        yield item

    def _filter(self, time_s: float, scores: Floats) -> Floats:
        raise NotImplementedError


class _Exponential(_Recursive):
    """First-order low pass, y += (1 - exp(-dt / time_constant)) (x - y), exact for any frame distance dt.

    A gap needs no special care: the longer it is, the less the past counts.
    """

    def __init__(self, time_constant_s: float) -> None:
        self._time_constant_s = time_constant_s
        self._before: tuple[float, Floats] | None = None

    def _filter(self, time_s: float, scores: Floats) -> Floats:
        if self._before is not None and self._time_constant_s > 0:
            before_s, value = self._before
            elapsed_s = max(0.0, time_s - before_s)
            scores = value + -math.expm1(-elapsed_s / self._time_constant_s) * (scores - value)
        self._before = time_s, scores
        return scores


class _MarkovFilter(_Recursive):
    """Forward filter of a symmetric two-state continuous-time Markov chain (Rabiner 1989, 10.1109/5.18626, eq. 19-20).

    A chain that leaves a state after ``dwell_s`` on average has moved to the other after dt with probability
    (1 - exp(-2 dt / dwell_s)) / 2. The score is read as the posterior under even odds, so s / (1 - s) is the
    likelihood ratio. Neighbouring frames show nearly the same image, hence are not independent evidence: a ratio
    counts in full only when CORRELATION_S have passed since the frame before; this also makes the result independent
    of the frame rate.
    """

    CORRELATION_S = 0.2
    #: Scores are held this far from 0 and 1: no single frame may be infinitely sure.
    MARGIN = 0.01

    def __init__(self, dwell_s: float) -> None:
        self._dwell_s = dwell_s
        self._time_s = -math.inf
        self._present: Floats | float = 0.5

    def _filter(self, time_s: float, scores: Floats) -> Floats:
        scores = np.clip(scores, self.MARGIN, 1 - self.MARGIN)
        elapsed_s = max(0.0, time_s - self._time_s)
        switch = -math.expm1(-2 * elapsed_s / self._dwell_s) / 2
        prior = self._present * (1 - switch) + (1 - self._present) * switch
        weight = min(1.0, elapsed_s / self.CORRELATION_S)
        evidence = prior / (1 - prior) * (scores / (1 - scores)) ** weight
        # The same margin bounds the posterior, so that a long certain stretch can still be left quickly.
        present: Floats = np.clip(evidence / (1 + evidence), self.MARGIN, 1 - self.MARGIN)
        self._present, self._time_s = present, time_s
        return present


class _Window(Smoother):
    """Mean or median over [t - (window - look_ahead), t + look_ahead].

    A frame is finished once a later item lies beyond its look-ahead, or at the end. Every value is computed afresh from
    the frames in its window: a running sum would make it depend on the whole past through rounding.
    """

    def __init__(self, options: SmoothingOptions) -> None:
        self._options = options
        self._behind_s, self._ahead_s = _reach(options)
        self._waiting: deque[Item] = deque()
        self._known: deque[tuple[float, NDArray[np.float32]]] = deque()

    def push(self, item: Item) -> Iterator[Item]:
        yield from self._release(item.time_s)
        self._waiting.append(item)
        if isinstance(item, FrameScore) and item.scores is not None:
            self._known.append((item.time_s, item.scores))
        if isinstance(item, Gap):  # no frame lies in it: it is told at once, not with the next frame
            yield from self._release(item.end_s)
        if self._options.look_ahead_s == 0:  # it waits for nothing, not even for frames of the same time
            yield from self._release(math.inf)

    def finish(self) -> Iterator[Item]:
        return self._release(math.inf)

    def _release(self, now_s: float) -> Iterator[Item]:
        while self._waiting and now_s > self._waiting[0].time_s + self._ahead_s:
            item = self._waiting.popleft()
            if isinstance(item, FrameScore) and item.scores is not None:
                while self._known[0][0] < item.time_s - self._behind_s:
                    self._known.popleft()
                inside = [scores for time_s, scores in self._known if time_s <= item.time_s + self._ahead_s]
                item = _with_scores(item, _reduced(np.stack(inside), self._options, axis=0))
            yield item


def smooth_windows(
    time_s: NDArray[np.float64], scores: NDArray[np.float32], options: SmoothingOptions
) -> NDArray[np.float32]:
    """Mean or median of many frames at once, (N,) and (N, K) to (N, K): the bits that ``_Window`` gives one by one.

    Times must not run backwards: then a window is a stretch of rows, and windows of one length are reduced together.
    """
    behind_s, ahead_s = _reach(options)
    first = np.searchsorted(time_s, time_s - behind_s)
    last = np.searchsorted(time_s, time_s + ahead_s, side="right")
    if options.look_ahead_s == 0:
        last = np.arange(len(time_s)) + 1
    smooth = np.empty_like(scores)
    for length in np.unique(last - first).tolist():
        alike = np.flatnonzero(last - first == length)
        for rows in np.array_split(alike, alike.size * length // _CELLS + 1):
            smooth[rows] = _reduced(scores[first[rows, np.newaxis] + np.arange(length)], options, axis=1)
    return smooth


def _reach(options: SmoothingOptions) -> tuple[float, float]:
    """How far a window reaches before and after its frame, ends included."""
    behind_s = options.window_s - options.look_ahead_s
    return behind_s + TIME_TOLERANCE_S, options.look_ahead_s + TIME_TOLERANCE_S


def _reduced(scores: NDArray[np.float32], options: SmoothingOptions, axis: int) -> Floats:
    reduce = np.mean if options.kind == "mean" else np.median
    reduced: Floats = reduce(scores.astype(np.float64), axis=axis)
    return reduced


def _with_scores(item: FrameScore, scores: Floats) -> FrameScore:
    return replace(item, scores=scores.astype(np.float32))
