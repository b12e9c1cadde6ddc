"""From smoothed scores to present / absent / unknown: the one state machine, used live and offline alike.

Order, fixed: hysteresis; bridge stretches without presence shorter than ``min_absent_s``; drop presence shorter than
``min_present_s`` beside absence; pad. Every change of state is an Event, emitted as soon as nothing that may follow can
alter it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from numbers import Real

import numpy as np

from seqcls.errors import UsageError
from seqcls.types import TIME_TOLERANCE_S, Event, Gap, Interval, ScoreTable, State, require_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalOptions:
    """When a run of scores counts as presence. Raises UsageError for values that cannot be right."""

    onset: float = 0.5
    """Presence begins at a score >= onset ..."""
    offset: float = 0.35
    """... and lasts until a score < offset (hysteresis)."""
    min_present_s: float = 0.3
    """Presence shorter than this is dropped, in seconds, where absence was seen before or after it."""
    min_absent_s: float = 0.2
    """Stretches without presence shorter than this inside presence are bridged, in seconds."""
    pad_s: float = 0.0
    """Widens what is left on both sides, in seconds, never into an unknown stretch."""

    def __post_init__(self) -> None:
        numbers = isinstance(self.onset, Real) and isinstance(self.offset, Real)
        if not (numbers and 0 <= self.offset <= self.onset <= 1):
            raise UsageError(
                f"thresholds must satisfy 0 <= offset <= onset <= 1, not offset {self.offset} and onset {self.onset}"
            )
        for name in ("min_present_s", "min_absent_s", "pad_s"):
            require_seconds(getattr(self, name), name)


def one_per_organ(
    options: IntervalOptions | Sequence[IntervalOptions], organs: Sequence[str]
) -> tuple[IntervalOptions, ...]:
    """The options of each organ; a single one serves all. Raises UsageError where their number does not fit."""
    each = (options,) * len(organs) if isinstance(options, IntervalOptions) else tuple(options)
    if len(each) != len(organs):
        raise UsageError(f"{len(organs)} organs need as many interval options, not {len(each)}")
    if not all(isinstance(one, IntervalOptions) for one in each):
        raise UsageError(f"intervals takes IntervalOptions, one for all organs or one for each, not {options!r}")
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
        self._settled: _Run | None = None  # the last run that was emitted
        self._pending: list[_Run] = []  # raw runs after it, still open to bridging or dropping
        # Presences too short, and the unknown stretches behind them, until something is seen again: as they will be if
        # that is presence, and if it is absence.
        self._kept: list[_Run] = []
        self._dropped: list[_Run] = []
        self._seen: State = "unknown"  # the last state emitted that was not unknown
        self._next_index = 0
        self._padding = _Padding(options.pad_s)

    def push(self, index: int, time_s: float, score: float | None, reason: str = "") -> list[Event]:
        """One frame; ``score`` is None or NaN where it is unscored, and ``reason`` says why."""
        events = self._advance(time_s)
        self._next_index = index + 1
        if score is None or math.isnan(score):
            self._enter("unknown", index, reason)
        else:
            self._enter("present" if self._hysteresis.update(score, self._now_s) else "absent", index)
        return self._padding.push(events + self._settle(), self._now_s, index, self._certain_s())

    def gap(self, gap: Gap) -> list[Event]:
        """A stretch without any frame."""
        events = self._advance(gap.start_s)
        self._enter("unknown", self._next_index, gap.reason)
        events += self._advance(gap.end_s)
        return self._padding.push(events, self._now_s, self._next_index, self._certain_s())

    def close(self, end_s: float) -> list[Event]:
        """End of stream at ``end_s`` (the last frame's time plus its duration)."""
        events = self._advance(end_s) + self._settle(closing=True)
        return self._padding.push(events, self._now_s, self._next_index, self._now_s, closing=True)

    @property
    def state(self) -> State:
        """What holds now, as far as it is certain."""
        return "unknown" if self._settled is None else self._settled.state

    @property
    def coming(self) -> bool:
        """Whether the scores show a presence now that is not certain yet."""
        return self.state != "present" and self._last is not None and self._last.state == "present"

    def _advance(self, time_s: float) -> list[Event]:
        self._now_s = max(self._now_s, time_s)
        return self._settle()

    def _enter(self, state: State, index: int, reason: str = "") -> None:
        if state == "unknown":
            self._hysteresis.mark_unknown(self._now_s)
        if self._last is None or (self._last.state, self._last.reason) != (state, reason):
            self._last = _Run(state, self._now_s, index, reason)
            self._pending.append(self._last)

    def _settle(self, *, closing: bool = False) -> list[Event]:
        """Move what is certain at this time from pending to settled."""
        events: list[Event] = []
        while self._pending:
            in_presence = self.state == "present"
            if not in_presence and self._pending[0].state != "present":
                self._take(events, self._pending.pop(0))
                continue
            # From here on: a presence, settled or hoped for, followed by runs that may still be bridged.
            tail = self._tail()
            end_s = tail[0].start_s if tail else self._now_s
            broken = bool(tail) and (closing or _lasted(end_s, self._now_s, self._options.min_absent_s))
            if in_presence or _lasted(self._pending[0].start_s, end_s, self._options.min_present_s):
                if not in_presence:
                    self._take(events, self._pending[0])
                self._pending = tail
                if not broken:
                    break
            elif broken or closing:
                tail = self._too_short(tail)
            else:
                break
            for run in tail:
                self._take(events, run)
            self._pending = []
        if closing:
            self._decide(events, self._kept)
        return events

    def _too_short(self, tail: list[_Run]) -> list[_Run]:
        """The pending runs with their presence dropped; none where only what is seen next tells whether it is.

        A presence is short only beside absence: before it, or behind it, however long nothing is known in between.
        """
        dropped = [replace(run, state="absent") if run.state == "present" else run for run in self._pending]
        if self._seen == "absent" or any(run.state == "absent" for run in tail):
            return dropped
        self._kept += [self._pending[0], *tail]
        self._dropped += dropped
        return []

    def _take(self, events: list[Event], run: _Run) -> None:
        """A run that will stay as it is: presence keeps those presences that waited for it, absence drops them."""
        if run.state == "unknown" and self._kept:
            self._kept.append(run)
            self._dropped.append(run)
            return
        self._decide(events, self._kept if run.state == "present" else self._dropped)
        self._emit(events, run)

    def _decide(self, events: list[Event], runs: list[_Run]) -> None:
        for run in runs:
            self._emit(events, run)
        self._kept, self._dropped = [], []

    def _tail(self) -> list[_Run]:
        """The pending runs after the last presence: without presence, and not (yet) bridged."""
        last_present = max((i for i, run in enumerate(self._pending) if run.state == "present"), default=-1)
        return self._pending[last_present + 1 :]

    def _emit(self, events: list[Event], run: _Run) -> None:
        settled = self._settled
        self._seen = self._seen if run.state == "unknown" else run.state
        if settled is None or (settled.state, settled.reason) != (run.state, run.reason):
            self._settled = run
            events.append(Event(self._organ, run.state, run.start_s, run.index, self._now_s, run.reason))

    def _certain_s(self) -> float:
        """Until when no later frame can change a state that padding moves: presences that wait lie beside unknown."""
        return self._pending[0].start_s if self._pending else self._now_s


def _lasted(start_s: float, end_s: float, least_s: float) -> bool:
    return end_s - start_s >= least_s - TIME_TOLERANCE_S


class _Padding:
    """Widens presence by ``pad_s`` on both sides in a stream of final events.

    An absence loses ``pad_s`` at each side that borders on presence, and vanishes when nothing is left. It is therefore
    emitted only once it is certain to outlast that; unknown stretches are never touched.
    """

    def __init__(self, pad_s: float) -> None:
        self._pad_s = pad_s
        self._held: Event | None = None  # an absence not yet emitted
        self._state: State | None = None  # the state last emitted
        self._frames: deque[tuple[float, int]] = deque()

    def push(
        self, events: list[Event], now_s: float, index: int, certain_s: float, *, closing: bool = False
    ) -> list[Event]:
        """Take final events, give those that can be emitted; ``certain_s``: no begin before it will be moved."""
        if self._pad_s == 0:
            return events
        self._frames.append((now_s, index))
        emitted = [late for event in events for late in self._take(event, now_s)]
        if self._held is not None and self._outlasts(self._held, certain_s, closing):
            emitted.append(self._release(self._held, now_s))
        while self._frames[0][0] < certain_s - 4 * self._pad_s:  # no start can move further back than this
            self._frames.popleft()
        return emitted

    def _outlasts(self, held: Event, certain_s: float, closing: bool) -> bool:
        """Whether something is left of an absence that lasts at least until ``certain_s``."""
        if closing:  # an absence is all that a clip without duration shows
            return self._state is None or held.start_s + self._left_s() < certain_s - TIME_TOLERANCE_S
        return certain_s > held.start_s + 2 * self._pad_s + TIME_TOLERANCE_S

    def _take(self, event: Event, now_s: float) -> list[Event]:
        """The events that this one lets be emitted; an absence is held back first."""
        emitted: list[Event] = []
        held, right_s = self._held, self._pad_s if event.state == "present" else 0.0
        if held is not None:
            if held.start_s + self._left_s() < event.start_s - right_s - TIME_TOLERANCE_S:
                emitted.append(self._release(held, now_s))
            else:
                self._held = None
                if event.state == "present" and self._state == "present":
                    return emitted  # the two presences have grown together
                if event.state == "present" or self._state is None:
                    event = self._moved(event, held.start_s, now_s)
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

    def _release(self, held: Event, now_s: float) -> Event:
        event = self._moved(held, held.start_s + self._left_s(), now_s)
        self._held, self._state = None, "absent"
        return event

    def _moved(self, event: Event, start_s: float, now_s: float) -> Event:
        if start_s == event.start_s:
            return replace(event, final_s=now_s)
        later = (index for time_s, index in self._frames if time_s >= start_s - TIME_TOLERANCE_S)
        return replace(event, start_s=start_s, index=next(later, event.index), final_s=now_s)


def intervals_from_events(events: Iterable[Event], scores: ScoreTable, end_s: float) -> tuple[Interval, ...]:
    """Fold each organ's events into intervals that cover [first event, end_s) without holes, organ by organ.

    Mean and peak are over the smoothed scores of the scorable frames inside; NaN when there is none.
    """
    intervals: list[Interval] = []
    by_organ: dict[str, list[Event]] = {organ: [] for organ in scores.organs}
    for event in events:
        by_organ[event.organ].append(event)
    times_s = np.maximum.accumulate(scores.time_s)  # times that go backwards stand still, as in the builder
    for column, own in enumerate(by_organ.values()):
        for event, following in zip_longest(own, own[1:]):
            stop_s = end_s if following is None else following.start_s
            if stop_s <= event.start_s and following is not None:
                continue  # zero-length: two frames with the same time
            first, last = np.searchsorted(times_s, np.array([event.start_s, stop_s]) - TIME_TOLERANCE_S)
            if following is None:
                last = len(times_s)
            inside = scores.smooth[first:last, column]
            scored = inside[~np.isnan(inside)]
            intervals.append(
                Interval(
                    organ=event.organ,
                    state=event.state,
                    start_s=event.start_s,
                    end_s=stop_s,
                    start_index=int(scores.index[first]) if last > first else -1,
                    end_index=int(scores.index[last - 1]) if last > first else -1,
                    mean_score=float(scored.mean(dtype=np.float64)) if scored.size else math.nan,
                    peak_score=float(scored.max()) if scored.size else math.nan,
                    reason=event.reason,
                )
            )
    return tuple(intervals)
