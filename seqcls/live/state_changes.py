"""Changes of each organ's state for receivers that want to know what holds now, also while the feed is away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timezone

from seqcls.live.notify import event_id, identity
from seqcls.live.snapshot import LiveView
from seqcls.types import Event, State

#: Takes the organ and one line of JSON, in ASCII; must not block.
Publish = Callable[[str, str], None]


class StateChanges:
    """Passes on every event, and what snapshots alone show: that an organ is unknown because the feed stalls.

    ``event`` and ``view`` are called by the thread of the run. ``clock``: seconds, monotonic; ``wall``: seconds since
    1970. ``latest`` is what was last passed on, by organ.
    """

    def __init__(
        self, publish: Publish, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self.latest: dict[str, str] = {}
        self._run = ""
        self._publish, self._clock, self._wall = publish, clock, wall
        self._states: dict[str, State] = {}
        self._known: dict[str, tuple[State, float]] = {}
        self._scores: dict[str, float | None] = {}
        self._shift_s: float | None = None  # from the clock to the time of the run

    def begin(self, run: str) -> None:
        """``run``: its id, from which those of the changes are made: of an event the same as for all who get it."""
        self._run = run

    def event(self, event: Event) -> None:
        """A change of state that is certain."""
        self._pass_on(
            event.organ,
            event.state,
            event.start_s,
            event.final_s,
            event.reason,
            event.index,
            event_id(event, self._run),
        )

    def view(self, view: LiveView) -> None:
        """The run as people are shown it now."""
        self._shift_s = view.now_s - self._clock()
        for organ in view.organs:
            self._scores[organ.organ] = organ.score
            if self._states.get(organ.organ) != organ.state:
                since_s = organ.since_s if view.holds else view.known_s
                what = {"organ": organ.organ, "state": organ.state, "time_s": round(view.now_s, 6)}
                known = identity(self._run, what)
                self._pass_on(organ.organ, organ.state, since_s, view.now_s, organ.reason, None, known)

    def _pass_on(
        self, organ: str, state: State, start_s: float, time_s: float, reason: str, index: int | None, identity: str
    ) -> None:
        if state != "unknown":
            self._known[organ] = state, start_s
        self._states[organ] = state
        known, known_s = self._known.get(organ, (None, None))
        score = self._scores.get(organ)
        delay_s = 0.0 if self._shift_s is None else max(0.0, self._clock() + self._shift_s - time_s)
        record = {
            "organ": organ,
            "state": state,
            "score": None if score is None or state == "unknown" else round(score, 4),
            "start_s": round(start_s, 6),
            "time_s": round(time_s, 6),
            "delay_s": round(delay_s, 6),
            "index": index,
            "reason": reason,
            "last_known": known,
            "last_known_s": None if known_s is None else round(known_s, 6),
            "wall_time": datetime.fromtimestamp(self._wall(), timezone.utc).isoformat(timespec="milliseconds"),
            "id": identity,
        }
        line = json.dumps(record, allow_nan=False)
        self.latest[organ] = line
        self._publish(organ, line)
