"""Changes of each organ's state for receivers that want to know what holds now, also while the feed is away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone

from seqcls.live.notify import event_id, unknown_id
from seqcls.live.snapshot import LiveView, OrganView
from seqcls.types import Event, State

#: Takes the organ and one line of JSON, in ASCII; must not block.
Publish = Callable[[str, str], None]


class StateChanges:
    """Passes on every event, and what snapshots alone show: that an organ is unknown because the feed stalls.

    An outage is told once, with one start and id, by whichever shows it first: the snapshot at once, or the event once
    it is certain. It is told again, with the same start and id, only where another reason is known by then, or where an
    event of before it came in between.

    ``event`` and ``view`` are called by the thread of the run; an event is passed on with the snapshot that follows it,
    which has its score. ``wall``: seconds since 1970. ``latest`` is what was last passed on, by organ.
    """

    def __init__(self, publish: Publish, *, wall: Callable[[], float] = time.time) -> None:
        self.latest: dict[str, str] = {}
        self._run = ""
        self._publish, self._wall = publish, wall
        self._events: list[Event] = []  # that wait for their snapshot
        self._now_s = 0.0
        self._told: dict[str, tuple[State, str, str]] = {}  # the state, its id and reason that were passed on last
        self._known: dict[str, tuple[State, float, str]] = {}  # the last known state, its start and id
        self._scores: dict[str, float] = {}

    def begin(self, run: str, emitted: Iterable[Event] = ()) -> None:
        """``run``: its id, from which those of the changes are made: of an event the same as for all who get it.
        ``emitted``: the events of a resumed run so far."""
        self._run = run
        for event in emitted:
            self._know(event)

    def event(self, event: Event) -> None:
        """A change of state that is certain."""
        self._events.append(event)

    def view(self, view: LiveView) -> None:
        """The run as people are shown it now."""
        self._now_s = view.now_s
        self._scores |= {organ.organ: organ.score for organ in view.organs if organ.score is not None}
        events, self._events = self._events, []
        for event in events:
            self._know(event)
            self._pass_on(event, event_id(event, self._run), event.index)
        for organ in view.organs:
            if organ.score is None:
                self._scores.pop(organ.organ, None)  # that of before an outage is none of now
            told, *_ = self._told.get(organ.organ, (None,))
            if told != organ.state:
                event, identity = self._shown(organ, view)
                if event.state != "unknown":
                    self._known[event.organ] = event.state, event.start_s, identity
                self._pass_on(event, identity, None)

    def end(self) -> None:
        """Nobody watches any more: what receivers hold is unknown, also where the run could not say so itself."""
        for organ, (state, *_) in list(self._told.items()):
            if state != "unknown":
                event = Event(organ, "unknown", self._now_s, 0, self._now_s, "feed stopped")
                self._pass_on(event, unknown_id(organ, self._now_s, self._run), None)

    def _shown(self, organ: OrganView, view: LiveView) -> tuple[Event, str]:
        """What the snapshot shows of the organ, as an event would tell it, and its id."""
        reason = organ.reason
        if organ.state == "unknown" and not view.paused and view.feed_reason:
            reason = view.feed_reason  # as the event will have it
        event = Event(organ.organ, organ.state, organ.since_s, 0, max(view.now_s, organ.since_s), reason)
        if organ.state == "unknown":
            return event, unknown_id(organ.organ, organ.since_s, self._run)
        state, start_s, identity = self._known.get(organ.organ, (None, 0.0, ""))
        holds_again = (state, start_s) == (organ.state, organ.since_s)  # an outage that was bridged
        return event, identity if holds_again else event_id(event, self._run)

    def _know(self, event: Event) -> None:
        if event.state != "unknown":
            self._known[event.organ] = event.state, event.start_s, event_id(event, self._run)

    def _pass_on(self, event: Event, identity: str, index: int | None) -> None:
        organ, state = event.organ, event.state
        if self._told.get(organ) == (told := (state, identity, event.reason)):
            return
        self._told[organ] = told
        known, known_s, _ = self._known.get(organ, (None, None, ""))
        score = self._scores.get(organ)
        record = {
            "organ": organ,
            "state": state,
            "score": None if score is None or state == "unknown" else round(score, 4),
            "start_s": round(event.start_s, 6),
            "time_s": round(event.final_s, 6),
            "delay_s": round(max(0.0, self._now_s - event.final_s), 6),
            "index": index,
            "reason": event.reason,
            "last_known": known,
            "last_known_s": None if known_s is None else round(known_s, 6),
            "wall_time": datetime.fromtimestamp(self._wall(), timezone.utc).isoformat(timespec="milliseconds"),
            "id": identity,
        }
        line = json.dumps(record, allow_nan=False)
        self.latest[organ] = line
        self._publish(organ, line)
