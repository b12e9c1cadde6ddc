"""From smoothed scores to present / absent / unknown: the one state machine, used live and offline alike.

Order, fixed: hysteresis; bridge stretches without presence shorter than ``min_absent_s``; drop presence shorter than
``min_present_s``; pad. Every change of state is an Event, emitted as soon as nothing that may follow can alter it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seqcls.errors import UsageError
from seqcls.types import TIME_TOLERANCE_S, Event, Gap, Interval, ScoreTable, State


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalOptions:
    """When a run of scores counts as presence. Raises UsageError for values that cannot be right."""

    onset: float = 0.5
    """Presence begins at a score >= onset ..."""
    offset: float = 0.35
    """... and lasts until a score < offset (hysteresis)."""
    min_present_s: float = 0.3
    """Presence shorter than this is dropped, in seconds."""
    min_absent_s: float = 0.2
    """Stretches without presence shorter than this inside presence are bridged, in seconds."""
    pad_s: float = 0.0
    """Widens what is left on both sides, in seconds, never into an unknown stretch."""

    def __post_init__(self) -> None:
        if not 0 <= self.offset <= self.onset <= 1:
            raise UsageError(
                f"thresholds must satisfy 0 <= offset <= onset <= 1, not offset {self.offset} and onset {self.onset}"
            )
        for name in ("min_present_s", "min_absent_s", "pad_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"{name} must be 0 or more seconds, not {value}")


def one_per_organ(
    options: IntervalOptions | Sequence[IntervalOptions], organs: Sequence[str]
) -> tuple[IntervalOptions, ...]:
    """The options of each organ; a single one serves all. Raises UsageError where their number does not fit."""
    each = (options,) * len(organs) if isinstance(options, IntervalOptions) else tuple(options)
    if len(each) != len(organs):
        raise UsageError(f"{len(organs)} organs need as many interval options, not {len(each)}")
    return each


@dataclass(frozen=True, slots=True)
class _Run:
    """A stretch of one raw state that begins at ``start_s`` and lasts until the next run, or until now."""

    state: State
    start_s: float
    index: int
    reason: str = ""


class Hysteresis:
    """Whether a score counts as presence: from ``onset`` on until below ``offset``.

    A stretch of ``min_absent_s`` without a score ends an interval, and with it what this remembers.
    """

    def __init__(self, options: IntervalOptions) -> None:
        self._options = options
        self._high = False
        self._unknown_since_s = math.inf

    def update(self, score: float, now_s: float) -> bool:
        """Whether ``score`` at ``now_s`` is presence."""
        if now_s - self._unknown_since_s >= self._options.min_absent_s - TIME_TOLERANCE_S:
            self._high = False
        self._unknown_since_s = math.inf
        if score >= self._options.onset:
            self._high = True
        elif score < self._options.offset:
            self._high = False
        return self._high

    def mark_unknown(self, now_s: float) -> None:
        """From ``now_s`` on there is no score."""
        self._unknown_since_s = min(self._unknown_since_s, now_s)


class IntervalBuilder:
    """The state machine of one organ in one run.

    Feed frames and gaps in time order; each call returns the events that became certain. Times that go backwards are
    taken as standing still. Raises nothing for any input of the right types.
    """

    def __init__(self, organ: str, options: IntervalOptions) -> None:
        self._organ = organ
        self._options = options
        self._now_s = -math.inf
        self._hysteresis = Hysteresis(options)
        self._last: _Run | None = None  # the raw run we are in
        self._settled: _Run | None = None  # the last run told to the world
        self._pending: list[_Run] = []  # raw runs after it, still open to bridging or dropping
        self._next_index = 0
        self._padding = _Padding(options.pad_s)

    def push(self, index: int, time_s: float, score: float | None, reason: str = "") -> list[Event]:
        """One frame; ``score`` is None where it cannot be judged, and ``reason`` says why."""
        self._now_s = max(self._now_s, time_s)
        self._next_index = index + 1
        events = self._settle()
        if score is None or math.isnan(score):
            self._enter("unknown", index, reason)
        else:
            self._enter("present" if self._hysteresis.update(score, self._now_s) else "absent", index)
        return self._padding.push(events + self._settle(), self._now_s, index, self._certain_s())

    def gap(self, gap: Gap) -> list[Event]:
        """A stretch without any frame."""
        self._now_s = max(self._now_s, gap.start_s)
        events = self._settle()
        self._enter("unknown", self._next_index, gap.reason)
        self._now_s = max(self._now_s, gap.end_s)
        return self._padding.push(events + self._settle(), self._now_s, self._next_index, self._certain_s())

    def close(self, end_s: float) -> list[Event]:
        """End of stream at ``end_s`` (the last frame's time plus its duration)."""
        self._now_s = max(self._now_s, end_s)
        return self._padding.close(self._settle() + self._settle(closing=True), self._now_s, self._next_index)

    @property
    def state(self) -> State:
        """What holds now, as far as it is certain."""
        return "unknown" if self._settled is None else self._settled.state

    def _enter(self, state: State, index: int, reason: str = "") -> None:
        if state == "unknown":
            self._hysteresis.mark_unknown(self._now_s)
        if self._last is None or (self._last.state, self._last.reason) != (state, reason):
            self._last = _Run(state, self._now_s, index, reason)
            self._pending.append(self._last)

    def _lasted(self, start_s: float, least_s: float) -> bool:
        return self._now_s - start_s >= least_s - TIME_TOLERANCE_S

    def _settle(self, *, closing: bool = False) -> list[Event]:
        """Move what is certain at this time from pending to settled."""
        events: list[Event] = []
        while self._pending:
            in_presence = self._settled is not None and self._settled.state == "present"
            if not in_presence and self._pending[0].state != "present":
                self._emit(events, self._pending.pop(0))
                continue
            # From here on: a presence, settled or hoped for, followed by runs that may still be bridged.
            start_s = self._settled.start_s if in_presence and self._settled else self._pending[0].start_s
            tail = self._tail()
            end_s = tail[0].start_s if tail else self._now_s
            long_enough = in_presence or end_s - start_s >= self._options.min_present_s - TIME_TOLERANCE_S
            broken = bool(tail) and (closing or self._lasted(end_s, self._options.min_absent_s))
            if long_enough:
                if not in_presence:
                    self._emit(events, self._pending[0])
                self._pending = tail
                if not broken:
                    break
                for run in tail:
                    self._emit(events, run)
                self._pending = []
            elif broken or closing:
                for run in self._pending:
                    self._emit(events, replace(run, state="absent") if run.state == "present" else run)
                self._pending = []
            else:
                break
        return events

    def _tail(self) -> list[_Run]:
        """The pending runs after the last presence: without presence, and not (yet) bridged."""
        last_present = max((i for i, run in enumerate(self._pending) if run.state == "present"), default=-1)
        return self._pending[last_present + 1 :]

    def _emit(self, events: list[Event], run: _Run) -> None:
        settled = self._settled
        if settled is None or (settled.state, settled.reason) != (run.state, run.reason):
            self._settled = run
            events.append(Event(self._organ, run.state, run.start_s, run.index, self._now_s, run.reason))

    def _certain_s(self) -> float:
        """Until when no later frame can change the state."""
        return self._pending[0].start_s if self._pending else self._now_s


class _Padding:
    """Widens presence by ``pad_s`` on both sides in a stream of final events.

    An absence loses ``pad_s`` at each side that borders on presence, and vanishes when nothing is left. It is
    therefore told only once it is certain to outlast that; unknown stretches are never touched.
    """

    def __init__(self, pad_s: float) -> None:
        self._pad_s = pad_s
        self._held: Event | None = None  # an absence not yet emitted
        self._state: State | None = None  # the state last emitted
        self._frames: deque[tuple[float, int]] = deque()

    def push(self, events: list[Event], now_s: float, index: int, certain_s: float) -> list[Event]:
        if self._pad_s == 0:
            return events
        self._frames.append((now_s, index))
        emitted = [late for event in events for late in self._take(event, now_s)]
        if self._held is not None and certain_s > self._held.start_s + 2 * self._pad_s + TIME_TOLERANCE_S:
            emitted.append(self._release(now_s))
        while self._frames[0][0] < certain_s - 4 * self._pad_s:  # no start can move further back than this
            self._frames.popleft()
        return emitted

    def close(self, events: list[Event], end_s: float, index: int) -> list[Event]:
        if self._pad_s == 0:
            return events
        self._frames.append((end_s, index))
        emitted = [late for event in events for late in self._take(event, end_s)]
        held = self._held
        if held is not None and held.start_s + self._left_s() < end_s - TIME_TOLERANCE_S:
            emitted.append(self._release(end_s))
        return emitted

    def _take(self, event: Event, now_s: float) -> list[Event]:
        """The events that this one lets be emitted; an absence is held back first."""
        emitted: list[Event] = []
        held, right_s = self._held, self._pad_s if event.state == "present" else 0.0
        if held is not None:
            if held.start_s + self._left_s() < event.start_s - right_s - TIME_TOLERANCE_S:
                emitted.append(self._release(now_s))
            else:
                self._held = None
                if event.state == "present" and self._state == "present":
                    return emitted  # the two presences have grown together
                if event.state == "present":
                    event = self._moved(event, held.start_s, now_s)
                    right_s = 0.0
        if event.state == "absent":
            self._held = event
            return emitted
        if event.state == "present" and self._state == "absent":
            event = self._moved(event, event.start_s - right_s, now_s)
        self._state = event.state
        emitted.append(event)
        return emitted

    def _left_s(self) -> float:
        return self._pad_s if self._state == "present" else 0.0

    def _release(self, now_s: float) -> Event:
        assert self._held is not None
        event = self._moved(self._held, self._held.start_s + self._left_s(), now_s)
        self._held, self._state = None, "absent"
        return event

    def _moved(self, event: Event, start_s: float, now_s: float) -> Event:
        later = (index for time_s, index in self._frames if time_s >= start_s - TIME_TOLERANCE_S)
        return replace(event, start_s=start_s, index=next(later, event.index), final_s=now_s)


def intervals_from_events(events: Iterable[Event], scores: ScoreTable, end_s: float) -> tuple[Interval, ...]:
    """Fold each organ's events into intervals that cover [first event, end_s) without holes, organ by organ.

    Mean and peak are over the smoothed scores of the judged frames inside; NaN when there is none.
    """
    intervals: list[Interval] = []
    by_organ: dict[str, list[Event]] = {organ: [] for organ in scores.organs}
    for event in events:
        by_organ[event.organ].append(event)
    for column, organ in enumerate(scores.organs):
        own = by_organ[organ]
        for event, following in zip(own, [*own[1:], None], strict=True):
            stop_s = end_s if following is None else following.start_s
            if stop_s <= event.start_s and following is not None:
                continue  # zero-length: two frames with the same time
            first, last = np.searchsorted(scores.time_s, np.array([event.start_s, stop_s]) - TIME_TOLERANCE_S)
            if following is None:
                last = len(scores.time_s)
            inside = scores.smooth[first:last, column]
            judged = inside[~np.isnan(inside)]
            intervals.append(
                Interval(
                    organ=organ,
                    state=event.state,
                    start_s=event.start_s,
                    end_s=stop_s,
                    start_index=int(scores.index[first]) if last > first else -1,
                    end_index=int(scores.index[last - 1]) if last > first else -1,
                    mean_score=float(judged.mean(dtype=np.float64)) if judged.size else math.nan,
                    peak_score=float(judged.max()) if judged.size else math.nan,
                    reason=event.reason,
                )
            )
    return tuple(intervals)
