"""A sink of events whose receiver may be away: they wait on the disk, and arrive in order once it is back."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterable
from datetime import datetime

from seqcls.journal.writer import Wall
from seqcls.live.background import BackgroundWorker, Notify
from seqcls.live.event_queue import EventQueue
from seqcls.live.notify import MAX_WAITING, NotDeliveredError, event_id, event_json, why
from seqcls.steady_clock import steady_s
from seqcls.text.wording import count_of
from seqcls.types import Event

#: Seconds until what did not arrive, or did not go into the file, is tried again; the last one holds for all further
#: tries.
PAUSES_S = (0.5, 2.0, 8.0, 30.0)


class RefusedError(NotDeliveredError):
    """The receiver is there and will never take this event: it is not tried again."""


class QueuedSink:
    """Delivers one event after another, each at least once: it is tried until it arrives, those after it wait.

    Every event has an id, the same for each try. They wait in ``queue``; where its file fails, in memory until that can
    be written again, which is tried as often as an event. One thread writes into it, another delivers:
    neither a slow disk nor a slow receiver holds up the run. ``pause`` waits so many seconds between tries.
    """

    def __init__(
        self, name: str, close_s: float, notify: Notify, wall: Wall, queue: EventQueue | None,
        pause: Callable[[float], object] | None = None,
    ) -> None:  # fmt: skip
        self.delivered = self.refused = 0
        #: At the end: what is missing because the disk took no more; empty where nothing is.
        self.incomplete = ""
        self._name, self._close_s, self._notify, self._wall = name, close_s, notify, wall
        self._queue = EventQueue() if queue is None else queue
        self._run = ""
        self._full = self._closed = False
        self._notified: set[str] = set()
        self._file_tries, self._file_s = 0, 0.0  # of the file that failed, and when it is tried again
        self._ending, self._stopping, self._more = threading.Event(), threading.Event(), threading.Event()
        self._pause = self._ending.wait if pause is None else pause
        word = name.split()[0]
        self._storing: BackgroundWorker[tuple[Event, datetime]] = BackgroundWorker(
            f"{word}-queue", self._store, limit=MAX_WAITING, failed=self._not_stored
        )
        self._delivering = threading.Thread(target=self._deliver_all, name=f"seqcls-{word}", daemon=True)
        self._delivering.start()

    @property
    def lost(self) -> int:
        """Events that were refused or dropped."""
        return self.refused + self._queue.dropped + self._storing.dropped

    def begin(self, run: str, emitted: Iterable[Event] = (), pending: Iterable[Event] = ()) -> None:
        """``run``: its id, from which those of the events are made. ``emitted``: the events of a resumed run so far;
        what of them a kill kept from the queue is put into it now. ``pending``: those that the run will begin with.

        Both in the order of their starts: what is certain only now, a stretch that a full disk left unrecorded, may
        have begun before what was told then. What began before the newest that the queue has taken is left out: for
        its receiver time never goes back."""
        self._run = run
        if not self._queue.continues:
            return
        earlier, later = list(emitted), list(pending)
        newest: dict[str, float] = {}
        for event in earlier:
            if self._queue.has(event_id(event, run)):
                newest[event.organ] = max(event.start_s, newest.get(event.organ, -math.inf))
        for event in sorted([*earlier, *later], key=lambda event: event.start_s):
            if event in later and event.start_s < newest.get(event.organ, -math.inf):
                self._queue.skip(event_id(event, run))
            else:
                self._store((event, self._wall()))

    def event(self, event: Event) -> None:
        """Queue the event for delivery."""
        if not self._storing.put((event, self._wall())) and not self._full:
            self._full = True
            self._notify(f"{self._name}: its queue cannot be written fast enough: events are left out")

    def close(self) -> None:
        """Deliver what waits, within ``close_s`` seconds at most, and end. May be called again."""
        if self._closed:
            return
        self._closed = True
        stored = self._storing.close(self._close_s / 2)
        self._ending.set()
        self._more.set()
        self._delivering.join(self._close_s / 2)
        if self._delivering.is_alive():
            self._stopping.set()
            self._interrupt()
            self._delivering.join(self._close_s / 2)
        if self._delivering.is_alive() or not stored:
            self._notify(f"{self._name} hangs and is left behind")
        self._conclude()
        if not self._delivering.is_alive():
            self._queue.close()

    def _conclude(self) -> None:
        waiting, path, lacking = self._queue.waiting, self._queue.path, self._queue.keep()
        if waiting and path is not None and not self._queue.failed:
            self._notify(f"{self._name}: {count_of(waiting, 'event')} not delivered yet in {path}: --resume goes on")
            waiting = 0
        if waiting and path is not None:
            self.incomplete = (
                f"{self._name}: {count_of(waiting, 'event')} not delivered, {lacking} of them not kept in {path}"
                f" ({self._queue.failed}); --resume delivers what it and the journal have"
            )
        if missing := waiting + self.lost:
            self._notify(f"{self._name}: {missing} of {missing + self.delivered} events were not delivered")

    def _store(self, item: tuple[Event, datetime]) -> None:
        line = event_json(*item, self._run)
        self._queue.put(json.loads(line)["id"], line)
        self._more.set()

    def _not_stored(self, error: Exception) -> None:
        self.refused += 1
        self._once(f"{self._name}: an event could not be queued ({why(error)}); the run goes on")

    def _once(self, message: str) -> None:
        if message not in self._notified:
            self._notified.add(message)
            self._notify(message)

    def _deliver_all(self) -> None:
        tries = 0
        while not self._stopping.is_set():
            self._more.clear()
            wait_s = self._mend()
            item = self._queue.first()
            if self._queue.dropped:
                self._once(f"{self._name} is away for too long: the oldest events are dropped")
            if item is None:
                if self._ending.is_set():
                    return
                self._more.wait(wait_s)
                continue
            try:
                self._deliver(item.line)
            except RefusedError as error:
                self.refused += 1
                self._queue.remove(item)
                self._once(f"{self._name} {error}: that event is left out; the run goes on")
            except Exception as error:  # the run goes on, whatever it is
                if not tries:
                    reason = str(error) if isinstance(error, NotDeliveredError) else why(error)
                    self._notify(f"{self._name} {reason}; events wait, the run goes on")
                if self._ending.is_set():
                    return
                self._pause(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
                tries += 1
            else:
                self._queue.remove(item)
                self.delivered += 1
                if tries:
                    self._notify(f"{self._name} takes events again")
                tries = 0

    def _mend(self) -> float | None:
        """Seconds until the file that failed is to be tried again, once that is done where it is time; None while there
        is none."""
        now_s = steady_s()
        if not self._queue.failed:
            self._file_tries = 0
            return None
        if not self._file_tries:
            self._notify(f"{self._name}: events wait in memory alone, their file failed: {self._queue.failed}")
        elif now_s < self._file_s:
            return self._file_s - now_s
        else:
            self._queue.keep()
            if not self._queue.failed:
                self._file_tries = 0
                self._notify(f"{self._name}: events wait in their file again")
                return None
        pause_s = PAUSES_S[min(self._file_tries, len(PAUSES_S) - 1)]
        self._file_tries, self._file_s = self._file_tries + 1, now_s + pause_s
        return pause_s

    def _deliver(self, line: str) -> None:
        """Raises RefusedError for what is not to be tried again, and anything else where it is."""
        raise NotImplementedError

    def _interrupt(self) -> None:
        """Cut short what ``_deliver`` waits for; from another thread."""
