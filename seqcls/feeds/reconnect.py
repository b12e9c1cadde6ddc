"""A feed that breaks and is mended: connections come and go, the stream of frames and gaps goes on."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.sources.base import OneWay
from seqcls.sources.redact import redact
from seqcls.types import FeedState, Frame, Gap, SourceInfo, SourceReport

#: After this long without a break, the next break is the first again.
HEALTHY_S = 10.0

#: Frames between the connection's thread and the consumer; when as many wait, the connection is made to wait.
MAX_WAITING = 16

FIRST_DURATION_S = 1 / 30
_DISTANCES = 15
_SHORTEST_S = 0.001  # frames that come in one burst still last a while each
_GAPS_KEPT = 1000
_LONGEST_REASON, _LONGEST_LAST_WORD = 200, 1000
_JOIN_S = 1.0

#: time.monotonic() at arrival, the picture of a ``Frame``, and, only where it cannot be trusted, why.
Arrival: TypeAlias = "tuple[float, NDArray[np.uint8]] | tuple[float, NDArray[np.uint8], str]"


class FinalError(SourceError):
    """What a connection raises when another try would fail in the same way, or do harm."""


class Connection(Protocol):
    """Frames as they arrive, until it ends or raises.

    ``close`` may be called from any thread, more than once, and makes iteration end promptly.
    """

    def __iter__(self) -> Iterator[Arrival]: ...
    def close(self) -> None: ...


class ReconnectingSource(OneWay):
    """A Source over one connection after another, made by ``connect``, which must not block.

    A connection that raises, ends, brings its first frame not within ``connect_s`` or none for ``stall_s`` is replaced,
    after ``backoff_s[0]`` seconds, doubled with every break up to ``backoff_s[1]``, and anew after 10 s without one.
    Frame times are seconds from the start of the iteration by ``clock``; a break is a Gap from the end of the last
    frame to the first frame after it. ``ends``: a connection that ends by itself ends the iteration. A FinalError ends
    it too, and is raised from it, as long as no frame has come: what once worked is tried again.

    ``on_state(state, reason)`` is called in the iterating thread; names and reasons hold no credentials.
    ``wait(event, seconds)`` waits for an event that long at most.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Connection],
        *,
        kind: Literal["camera", "stream", "openigtlink", "frames"],
        on_state: Callable[[FeedState, str], None],
        stall_s: float = 2.0,
        connect_s: float = 10.0,
        backoff_s: tuple[float, float] = (0.5, 10.0),
        ends: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        super().__init__()
        self.name = redact(name)
        self.info = SourceInfo(name=self.name, kind=kind)
        self._connect, self._on_state, self._ends = connect, on_state, ends
        self._stall_s, self._connect_s, self._backoff_s = stall_s, connect_s, backoff_s
        self._clock, self._wait = clock, wait
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._reader: _Reader | None = None
        self._delay_s = backoff_s[0]
        self._began_s = 0.0
        self._last: Frame | None = None
        self._since_s: float | None = None  # arrival of the connection's first frame
        self._distances: deque[float] = deque(maxlen=_DISTANCES)
        self._broken = ""
        self._delivered = self._breaks = 0
        self._gaps: deque[Gap] = deque(maxlen=_GAPS_KEPT)
        self._missing_s = 0.0
        self._finished = False

    def _items(self) -> Iterator[Frame | Gap]:
        self._began_s = self._clock()
        self._on_state("connecting", "")
        try:
            while (reader := self._open()) is not None:
                yield from self._follow(reader)
                if self._closed:
                    return
                if self._ends and reader.ended_well:
                    self._finished = True
                    return
                if reader.final and self._last is None:
                    raise FinalError(reader.problem)
                self._broke(reader.problem)
                yield from self._outage()
                reader.stop()
                self._on_state("retrying", reader.problem)
                self._pause()
        finally:
            if self._reader is not None:
                self._reader.stop()
            self._on_state("stopped", "")

    def _open(self) -> _Reader | None:
        """The next connection, or None when closed meanwhile."""
        with self._lock:
            if self._closed:
                return None
            self._since_s = None
            self._reader = _Reader(self._connect, self._wake, self._clock)
            return self._reader

    def _follow(self, reader: _Reader) -> Iterator[Frame | Gap]:
        """Everything that this connection brings; ``reader.problem`` then says why it was left."""
        while True:
            self._wake.clear()
            if self._closed:
                return
            arrival, over = reader.take()
            if arrival is not None:
                yield from self._take(*arrival)
                continue
            if over:
                return
            limit_s = self._connect_s if self._since_s is None else self._stall_s
            left_s = reader.last_s + limit_s - self._clock()
            if left_s > 0:
                self._wait(self._wake, left_s)
            elif reader.abandon(f"no frame for {limit_s:g} s"):
                return

    def _take(self, arrival_s: float, image: NDArray[np.uint8], damaged: str = "") -> Iterator[Frame | Gap]:
        last = self._last
        time_s = max(arrival_s - self._began_s, 0.0 if last is None else last.time_s)
        if self._since_s is None:
            self._since_s = arrival_s
            if self._broken:
                yield from self._gap(self._known_until_s(), time_s)
            self._on_state("running", "")
        elif last is not None:
            self._distances.append(time_s - last.time_s)
        if arrival_s - self._since_s >= HEALTHY_S:
            self._delay_s = self._backoff_s[0]
        duration_s = max(statistics.median(self._distances), _SHORTEST_S) if self._distances else FIRST_DURATION_S
        self._last = Frame(self._delivered, time_s, duration_s, image, damaged)
        self._delivered += 1
        yield self._last

    def _outage(self) -> Iterator[Gap]:
        """What is missing so far, told at once: whoever listens must not believe for hours what was true before."""
        if self._last is not None:
            yield from self._missing(self._known_until_s(), self._clock() - self._began_s)

    def _gap(self, start_s: float, end_s: float) -> Iterator[Gap]:
        yield from self._missing(start_s, end_s)
        self._broken = ""

    def _missing(self, start_s: float, end_s: float) -> Iterator[Gap]:
        if end_s <= start_s:
            return
        self._missing_s += end_s - start_s
        last = self._gaps[-1] if self._gaps else None
        if last is not None and last.end_s == start_s and last.reason == self._broken:
            self._gaps[-1] = Gap(last.start_s, end_s, last.reason)  # one outage, told in parts
        else:
            self._gaps.append(Gap(start_s, end_s, self._broken))
        yield Gap(start_s, end_s, self._broken)

    def _known_until_s(self) -> float:
        """The end of the last frame, or of what is told to be missing after it."""
        frame_s = 0.0 if self._last is None else self._last.time_s + self._last.duration_s
        return max(frame_s, self._gaps[-1].end_s) if self._gaps else frame_s

    def _broke(self, problem: str) -> None:
        if not self._broken:
            self._broken = problem  # what comes after it, until frames come again, only follows from it
            self._breaks += 1
        self._on_state("stalled", problem)

    def _pause(self) -> None:
        until_s = self._clock() + self._delay_s
        self._delay_s = min(2 * self._delay_s, self._backoff_s[1])
        while not self._closed and (left_s := until_s - self._clock()) > 0:
            self._wake.clear()
            if not self._closed:
                self._wait(self._wake, left_s)

    def report(self) -> SourceReport:
        reasons = [] if self._finished else ["a feed has no end; this is when watching stopped"]
        if self._breaks:
            times = "once" if self._breaks == 1 else f"{self._breaks} times"
            reasons.append(f"interrupted {times}, {self._missing_s:.1f} s in all")
        verdict: Literal["complete", "unknown"] = "complete" if self._finished and not self._breaks else "unknown"
        return SourceReport(verdict, tuple(reasons), self._delivered, tuple(self._gaps))

    def close(self) -> None:
        """End the iteration, also from another thread."""
        with self._lock:
            super().close()
            reader = self._reader
        self._wake.set()
        if reader is not None:
            reader.stop()


class _Reader:
    """One connection, read in a thread of its own, because reading may block for as long as it likes."""

    def __init__(self, connect: Callable[[], Connection], wake: threading.Event, clock: Callable[[], float]) -> None:
        self._connect, self._wake, self._clock = connect, wake, clock
        self._waiting: deque[Arrival] = deque()
        self._changed = threading.Condition()
        self._connection: Connection | None = None
        self._stopping = self._over = False
        self.last_s = clock()
        self.problem = ""
        self.ended_well = self.final = False
        self._thread = threading.Thread(target=self._run, name="seqcls-connection", daemon=True)
        self._thread.start()

    def take(self) -> tuple[Arrival | None, bool]:
        """The next frame or None, and whether nothing more will come."""
        with self._changed:
            if not self._waiting:
                return None, self._over
            self._changed.notify_all()
            return self._waiting.popleft(), False

    def abandon(self, problem: str) -> bool:
        """Take nothing more from it; False when something came meanwhile."""
        with self._changed:
            if self._waiting or self._over:
                return False
            self._stopping, self.problem = True, problem
            return True

    def stop(self) -> None:
        """Close the connection and wait a moment for the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            connection = self._connection
        if connection is not None:
            _close(connection)
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            connection = self._connect()
            with self._changed:
                self._connection = connection
                late = self._stopping
            if late:
                _close(connection)
            else:
                self._read(connection)
            self._end("the connection ended", well=True)
        except FinalError as error:
            self._end(_one_line(error, most=_LONGEST_LAST_WORD), well=False, final=True)
        except Exception as error:  # whatever it is, the feed has to come back
            self._end(_one_line(error), well=False)

    def _read(self, connection: Connection) -> None:
        with closing(iter(connection)) as items:  # type: ignore[type-var]  # generators, all of them
            for arrival in items:
                if not self._put(arrival):
                    return

    def _put(self, arrival: Arrival) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < MAX_WAITING or self._stopping)
            if self._stopping:
                return False
            self._waiting.append(arrival)
            self.last_s = self._clock()
        self._wake.set()
        return True

    def _end(self, problem: str, *, well: bool, final: bool = False) -> None:
        with self._changed:
            if not self._stopping:
                self.problem, self.ended_well, self.final = problem, well, final
            self._over = True
        self._wake.set()


def _close(connection: Connection) -> None:
    with suppress(Exception):  # it is given up in any case
        connection.close()


def _one_line(error: Exception, most: int = _LONGEST_REASON) -> str:
    text = " ".join(redact(str(error)).split())[:most]
    return text if text else type(error).__name__
