"""Sinks of events besides the screen, and what they pass on; lines on stdout.

Each delivers one event after another in a thread of its own. Nothing that goes wrong there reaches the run: a person is
notified in one line, the first time and, with a count, at the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import TextIO

from seqcls.errors import is_of_the_disk
from seqcls.journal.writer import Wall, utc_now
from seqcls.live.background import BackgroundWorker, Notify, nothing
from seqcls.types import Event

#: Events that wait for a slow receiver; what comes beyond is counted as not delivered.
MAX_WAITING = 1000


class NotDeliveredError(Exception):
    """Why an event did not arrive: a sentence's end for a person, without secrets."""


def event_json(event: Event, wall_time: datetime, run: str = "") -> str:
    """One line of ASCII without a line end; ``wall_time`` (with its offset) is when the event was emitted.

    Its ``id`` is made from that of the run and from what happened when: the same whenever the same event is sent again.
    """
    wall = wall_time.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return json.dumps({**_record(event), "wall_time": wall, "id": event_id(event, run)}, allow_nan=False)


def event_id(event: Event, run: str) -> str:
    """That of ``event_json``, for whoever passes the event on in another form."""
    if event.state == "unknown":
        return unknown_id(event.organ, event.start_s, run)
    return _identity(run, _record(event))


def unknown_id(organ: str, start_s: float, run: str) -> str:
    """Of the organ being unknown from ``start_s`` on: the same for whoever says so before the event is there."""
    return _identity(run, {"organ": organ, "state": "unknown", "start_s": round(start_s, 6)})


def _identity(run: str, record: Mapping[str, object]) -> str:
    """What happened, and in which run, in 24 hex digits."""
    return hashlib.sha256(json.dumps([run, record], allow_nan=False).encode("ascii")).hexdigest()[:24]


def _record(event: Event) -> dict[str, object]:
    return {
        "organ": event.organ,
        "state": event.state,
        "start_s": round(event.start_s, 6),
        "final_s": round(event.final_s, 6),
        "index": event.index,
        "reason": event.reason,
    }


class _BackgroundSink:
    """What the sinks share: a thread behind a bounded queue, and notifying a person of failures."""

    def __init__(self, name: str, close_s: float, notify: Notify, wall: Wall) -> None:
        self.delivered = 0
        self._disk = ""  # why the disk took no more, where that is the reason
        self._name, self._close_s, self._notify, self._wall = name, close_s, notify, wall
        self._run = ""
        self._failures = 0
        self._failing = self._full = self._closed = False
        self._stopping = threading.Event()
        self._worker: BackgroundWorker[tuple[Event, datetime]] = BackgroundWorker(
            name.split()[0], self._work, limit=MAX_WAITING, failed=self._fail, finish=self._finish,
            interrupt=self._interrupt,
        )  # fmt: skip

    @property
    def lost(self) -> int:
        """Events that were not delivered."""
        return self._failures + self._worker.dropped

    @property
    def incomplete(self) -> str:
        """What is missing at the end because a disk took no more; empty where nothing is."""
        return (
            f"{self.lost} of {self.lost + self.delivered} events not on {self._name} ({self._disk})"
            if self._disk and self.lost
            else ""
        )

    def begin(self, run: str, emitted: Iterable[Event] = (), pending: Iterable[Event] = ()) -> None:
        """``run``: its id, from which those of the events are made; the others are of no use here."""
        self._run = run

    def event(self, event: Event) -> None:
        """Queue the event for delivery."""
        if not self._worker.put((event, self._wall())) and not self._full:
            self._full = True
            self._notify(f"{self._name} cannot keep up: events are left out")

    def close(self) -> None:
        """Deliver what waits, within ``close_s`` seconds at most, and end. May be called again."""
        if self._closed:
            return
        self._closed = True
        ended = self._worker.close(self._close_s)
        if not ended:
            self._failures += 1  # the event that it hangs in
            self._notify(f"{self._name} hangs and is left behind")
        if self.lost > 1 or (self.lost and not self._failures):
            self._notify(f"{self._name}: {self.lost} of {self.lost + self.delivered} events were not delivered")

    def _work(self, item: tuple[Event, datetime]) -> None:
        self._deliver(item[0], event_json(*item, self._run))
        self.delivered += 1
        if self._failing:
            self._failing = False
            self._notify(f"{self._name} takes events again")

    def _deliver(self, event: Event, line: str) -> None:
        """Raises NotDeliveredError, or anything else, when the event did not arrive."""
        raise NotImplementedError

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        if not self._failing:
            self._failing = True
            reason = str(error) if isinstance(error, NotDeliveredError) else why(error)
            self._notify(f"{self._name} {reason}; the run goes on")

    def _finish(self) -> None:
        """The last thing that the thread does."""

    def _interrupt(self) -> None:
        self._stopping.set()


class JsonLines(_BackgroundSink):
    """One line of JSON per event on ``stream`` (stdout), written at once.

    Silent once the stream is closed. Where the disk behind it is full, each event is tried, and a line of which a part
    went in is ended first.
    """

    def __init__(
        self, stream: TextIO | None = None, *, notify: Notify = nothing, wall: Wall = utc_now,
        close_s: float = 4.0,
    ) -> None:  # fmt: skip
        self._stream = sys.stdout if stream is None else stream
        self._gone, self._rest = False, b""
        self._descriptor = _descriptor_of(self._stream)
        super().__init__("stdout", close_s, notify, wall)

    def _deliver(self, event: Event, line: str) -> None:
        if self._gone:
            raise NotDeliveredError("was closed")
        try:
            self._write(line + "\n")
        except (OSError, ValueError, AttributeError) as error:  # closed on the other side, here, or never there
            self._gone = not is_of_the_disk(error)
            self._disk = "" if self._gone else why(error)
            raise NotDeliveredError(f"takes no more events ({why(error)})") from None

    def _write(self, line: str) -> None:
        if self._descriptor is None:
            self._stream.write(line)
            self._stream.flush()
            return
        # Past the stream's buffer: a reader that stopped reading would block us inside of its lock, and Python aborts
        # at exit when a thread holds that.
        torn, length = bool(self._rest), len(line)
        left = self._rest + line.encode("ascii")
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        finally:
            before = len(left) - length  # of the line before
            self._rest = b"" if before == 0 else left[:before] if before > 0 else left
            if torn and before <= 0:
                self._failures -= 1
                self.delivered += 1

    def _finish(self) -> None:
        if self._rest:
            with contextlib.suppress(OSError):
                self._write("")


def _descriptor_of(stream: TextIO) -> int | None:
    try:
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def why(error: Exception) -> str:
    """What happened, without any text that could repeat the address."""
    text = getattr(error, "strerror", None)
    return str(text) if isinstance(text, str) and text else type(error).__name__
