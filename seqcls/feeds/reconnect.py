"""A feed that breaks and comes back: one connection replaces another, the stream of frames and gaps goes on."""

from __future__ import annotations

import statistics
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from typing import Literal

from seqcls.bounded_queue import BoundedQueue
from seqcls.errors import FinalError, SourceError, one_line
from seqcls.feeds.connection import DEFAULT_TIMING, STOOD_STILL_S, Arrival, Connection, FeedTiming, OnState, Silence
from seqcls.feeds.sender_clock import SenderClock
from seqcls.files.without_folders import without_folders
from seqcls.sources.base import OneWay
from seqcls.sources.redact import redact
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

#: After this long without a break, the next break is the first again.
HEALTHY_S = 10.0

#: Frames between the connection's thread and the consumer; when as many wait, the connection is made to wait.
MAX_WAITING = 16

#: Reason of a hole that was not the feed's.
STOOD_STILL = "this computer stood still, or was too busy to look"

#: Reason of images that waited while nobody looked: they come in a burst behind the hole, in which they were seen.
HELD_BACK = "held back in the gap before it"

#: Images that follow each other in less than this share of the usual distance come in a burst.
_BURST = 0.5

FIRST_DURATION_S = 1 / 30
_DISTANCES = 15
_MIN_DURATION_S = 0.001  # frames that come in one burst still last a while each
_GAPS_KEPT = 1000
_MAX_REASON = 1000  # characters
_JOIN_S = 1.0


class ReconnectingSource(OneWay):
    """A Source over one connection after another, made by ``connect``, which must not block.

    A connection that raises, ends, or is silent for longer than ``timing`` allows is replaced, after a pause that is
    doubled with every break and short again after 10 s without one. Time in which this computer stood still (the
    process was stopped, the machine slept or was far too busy) is no silence of the feed: the connection is kept, and
    the Gap says whose pause it was. Frame times are seconds from the start of the
    iteration, by the device's clock where it states times and can be relied on (see ``SenderClock``), else those of
    arrival. A break is a Gap from the end of the last frame to the first frame after it. What waited while nobody
    looked comes in a burst behind the gap, with times that are none of its own, and is damaged: HELD_BACK. A
    FinalError ends the iteration, and is raised from it, as long as no frame has come: what once worked is tried again.

    ``on_state(state, reason)`` is called in the iterating thread; names and reasons hold no credentials.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Connection],
        *,
        kind: Literal["camera", "stream", "openigtlink"],
        on_state: OnState,
        timing: FeedTiming = DEFAULT_TIMING,
    ) -> None:
        super().__init__()
        self.name = redact(name)
        self.info = SourceInfo(name=self.name, kind=kind)
        self._connect, self._on_state, self._timing, self._clock = connect, on_state, timing, timing.clock
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._reader: _Reader | None = None
        self._sender = SenderClock()
        self._delay_s = timing.backoff_s[0]
        self._began_s = 0.0
        self._last: Frame | None = None
        self._since_s: float | None = None  # time of the connection's first frame
        self._distances: deque[float] = deque(maxlen=_DISTANCES)
        self._burst_s: float | None = None  # the usual distance, as long as what comes is of a burst behind a hole
        self._broken = ""
        self._silence = Silence(self._clock)
        self._delivered = self._breaks = 0
        self._gaps: deque[Gap] = deque(maxlen=_GAPS_KEPT)
        self._missing_s = 0.0

    def _items(self) -> Iterator[Frame | Gap]:
        self._began_s = self._clock()
        self._on_state("connecting", "")
        try:
            while (reader := self._open()) is not None:
                error = yield from self._follow(reader)
                if error is None:
                    return
                problem = _reason(error)
                if isinstance(error, FinalError) and self._last is None:
                    raise FinalError(problem)
                problem = self._broke(problem)
                if self._last is not None:  # what is missing so far, at once: nobody must go on believing what was true
                    yield from self._missing(self._clock() - self._began_s)
                reader.stop()
                self._on_state("retrying", problem)
                self._pause()
        finally:
            if self._broken and self._last is not None:  # ended in an outage, which lasts until now
                known_s = max(self._last.time_s + self._last.duration_s, self._gaps[-1].end_s if self._gaps else 0.0)
                self._missing_s += max(0.0, self._clock() - self._began_s - known_s)
            if self._reader is not None:
                self._reader.stop()
            self._on_state("stopped", "")

    def _open(self) -> _Reader | None:
        """The next connection, or None when closed meanwhile."""
        with self._lock:
            if self._closed:
                return None
            self._since_s, self._sender = None, SenderClock()
            self._reader = _Reader(self._connect, self._wake)
            return self._reader

    def _follow(self, reader: _Reader) -> Generator[Frame | Gap, None, Exception | None]:
        """Everything that this connection brings; returns why it was left, None when the feed is closed."""
        silence = self._silence = Silence(self._clock)
        while True:
            self._wake.clear()
            if self._closed:
                return None
            silence.look()
            try:
                arrival = reader.arrivals.get(0.0)
            except Exception as error:  # whatever it is, the feed has to come back
                return None if self._closed else error
            if arrival is not None:
                yield from self._take(arrival)
                silence.end()
                continue
            limit_s = self._timing.connect_s if self._since_s is None else self._timing.stall_s
            wait_s = silence.wait_s(limit_s)
            if wait_s <= 0:
                return SourceError(f"no frame within {limit_s:g} s")
            self._timing.wait(self._wake, wait_s)
            silence.waited(wait_s)

    def _take(self, arrival: Arrival) -> Iterator[Frame | Gap]:
        last, came_s = self._last, self._sender.time_s(arrival.arrival_s, arrival.device_time_s)
        time_s = max(came_s - self._began_s, 0.0 if last is None else last.time_s)
        if self._since_s is None:
            self._since_s, self._burst_s = came_s, None
            if self._broken:
                yield from self._missing(time_s)
                self._broken = ""
            self._on_state("running", "")
        elif last is not None:
            apart_s = time_s - last.time_s
            own = apart_s > STOOD_STILL_S and self._stood_still(last.time_s + self._began_s, came_s)
            if own or apart_s > self._timing.stall_s:  # nobody looked, or it would have been told before
                self._broken = STOOD_STILL if own else f"no frame within {self._timing.stall_s:g} s"
                self._breaks += 1
                yield from self._missing(time_s)
                self._broken = ""
                self._burst_s = self._usual_s
            elif self._burst_s is not None and apart_s >= _BURST * self._burst_s:
                self._burst_s = None
            if self._burst_s is None:
                self._distances.append(apart_s)
        if came_s - self._since_s >= HEALTHY_S:
            self._delay_s = self._timing.backoff_s[0]
        damaged = HELD_BACK if self._burst_s is not None else arrival.damaged
        self._last = Frame(self._delivered, time_s, self._usual_s, arrival.image, damaged)
        self._delivered += 1
        yield self._last

    @property
    def _usual_s(self) -> float:
        """From one frame to the next, lately."""
        return max(statistics.median(self._distances), _MIN_DURATION_S) if self._distances else FIRST_DURATION_S

    def _stood_still(self, start_s: float, end_s: float) -> bool:
        """Whether this computer did for the greater part of that time, by the clock."""
        still_s = min(end_s, self._silence.stood_still[1]) - max(start_s, self._silence.stood_still[0])
        return still_s > (end_s - start_s) / 2

    def _missing(self, end_s: float) -> Iterator[Gap]:
        """From the end of the last frame, or of the gap after it."""
        start_s = 0.0 if self._last is None else self._last.time_s + self._last.duration_s
        last = self._gaps[-1] if self._gaps else None
        if last is not None:
            start_s = max(start_s, last.end_s)
        if end_s <= start_s:
            return
        self._missing_s += end_s - start_s
        if last is not None and last.end_s == start_s and last.reason == self._broken:
            self._gaps[-1] = Gap(last.start_s, end_s, last.reason)  # one outage in parts
        else:
            self._gaps.append(Gap(start_s, end_s, self._broken))
        yield Gap(start_s, end_s, self._broken)

    def _broke(self, problem: str) -> str:
        """What it is said to be: a connection that a sleep of this computer has cost is not the feed's fault."""
        if not self._broken:
            if self._last is not None and self._stood_still(self._last.time_s + self._began_s, self._clock()):
                problem = STOOD_STILL
            self._broken = problem  # what comes after it, until frames come again, only follows from it
            self._breaks += 1
        self._on_state("stalled", problem)
        return problem

    def _pause(self) -> None:
        until_s = self._clock() + self._delay_s
        self._delay_s = min(2 * self._delay_s, self._timing.backoff_s[1])
        while not self._closed and (left_s := until_s - self._clock()) > 0:
            self._wake.clear()
            if not self._closed:
                self._timing.wait(self._wake, left_s)

    def report(self) -> SourceReport:
        reasons = ["a feed has no end; this is when watching stopped"]
        if self._last is None:
            waiting = "the source was asked, and sent nothing yet; is it the right address, and does it send images?"
            reasons = [f"no frame came: {self._broken or waiting}"]
        elif self._breaks:
            times = "once" if self._breaks == 1 else f"{self._breaks} times"
            reasons.append(f"interrupted {times}, {self._missing_s:.2f} s in all")
        return SourceReport("unknown", tuple(reasons), self._delivered, tuple(self._gaps))

    def close(self) -> None:
        """End the iteration, also from another thread."""
        with self._lock:
            super().close()
            reader = self._reader
        self._wake.set()
        if reader is not None:
            reader.stop()


class _Reader:
    """One connection, read in a thread of its own, because reading may block for as long as it likes.

    ``arrivals`` ends by raising why no more come.
    """

    def __init__(self, connect: Callable[[], Connection], wake: threading.Event) -> None:
        self.arrivals: BoundedQueue[Arrival] = BoundedQueue(MAX_WAITING, "wait")
        self._connect, self._wake = connect, wake
        self._stopped = False
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="seqcls-connection", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more from the connection, close it and wait a moment for the thread."""
        self.arrivals.close()
        with self._lock:
            self._stopped, connection = True, self._connection
        if connection is not None:
            _close(connection)
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        error: Exception = SourceError("the connection ended")
        try:
            connection = self._connect()
            with self._lock:
                self._connection, late = connection, self._stopped
            if late:
                _close(connection)
            else:
                self._read(connection)
        except Exception as caught:
            error = caught
        self.arrivals.close(error)
        self._wake.set()

    def _read(self, connection: Connection) -> None:
        with closing(iter(connection)) as arrivals:  # type: ignore[type-var]  # generators, all of them
            for arrival in arrivals:
                if not self.arrivals.put(arrival):
                    return
                self._wake.set()


def _close(connection: Connection) -> None:
    with suppress(Exception):  # it is given up in any case
        connection.close()


def _reason(error: Exception) -> str:
    """Redacted before it is cut: half an address does not show what is secret in it."""
    return redact(without_folders(one_line(error, max_chars=10 * _MAX_REASON)))[:_MAX_REASON]
