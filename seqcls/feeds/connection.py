"""A connection to a camera, stream or probe: what it brings, and how long it may be silent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seqcls.steady_clock import steady_s
from seqcls.types import FeedState

#: Called with the state of a feed and the reason for it.
OnState = Callable[[FeedState, str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """An image as it came: (H, W) uint8 gray or (H, W, 3) uint8 BGR; its size may change from one to the next.

    ``arrival_s``: seconds by ``steady_s``. ``damaged``: why the image cannot be trusted, or "".
    ``device``: the name of the device that sent it, or "". ``device_time_s``: when, by that device's clock; 0.0 where
    it states no time.
    """

    arrival_s: float
    image: NDArray[np.uint8]
    damaged: str = ""
    device: str = ""
    device_time_s: float = 0.0


class Connection(Protocol):
    """Images as they arrive, until it ends or raises. It connects when it is iterated.

    ``close`` may be called from any thread, more than once, and makes iteration end promptly.
    """

    def __iter__(self) -> Iterator[Arrival]: ...
    def close(self) -> None: ...


#: How often a silent connection is looked at: what a look is late by is this computer's time, not the feed's.
LOOK_EVERY_S = 0.25
#: This computer stood still when it looked so much later than it meant to.
STOOD_STILL_S = 0.5


class Silence:
    """How long a connection has been silent while this computer looked.

    Time in which it did not (the process was stopped, the machine slept or was far too busy) is none of the feed's:
    what came meanwhile waits, and is to be looked at before the feed is given up. stood_still: when that was last, as
    begin and end by ``clock``.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.stood_still = (0.0, 0.0)
        self._clock = clock
        self._looked_s = self._since_s = clock()

    def look(self) -> None:
        """Now, before anything is read: what passes from here to ``wait_s`` costs the feed nothing."""
        self._looked_s = self._clock()

    def wait_s(self, limit_s: float) -> float:
        """How long to wait for something now, in seconds; 0 or less once there was nothing for ``limit_s``."""
        return min(self._since_s + limit_s - self._looked_s, LOOK_EVERY_S)

    def waited(self, wait_s: float) -> None:
        """A wait of so many seconds is over, or was cut short."""
        now_s = self._clock()
        late_s = now_s - self._looked_s - wait_s
        if late_s > STOOD_STILL_S:  # nobody knows how much of the wait passed before
            self.stood_still = (self._looked_s + wait_s, now_s)
            self._since_s += now_s - self._looked_s
        else:
            self._since_s += max(0.0, late_s)

    def end(self) -> None:
        """Something came; what the consumer took for it is over, and was no silence."""
        now_s = self._clock()
        if now_s - self._looked_s > STOOD_STILL_S:
            self.stood_still = (self._looked_s, now_s)
        self._since_s = now_s


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTiming:
    """How patient a feed is, in seconds, and by which clock."""

    stall_s: float = 2.0
    """Longest wait for a frame after the first."""
    connect_s: float = 10.0
    """Longest wait for a connection's first frame."""
    backoff_s: tuple[float, float] = (0.5, 10.0)
    """Pause before a connection is replaced, at first and at most."""
    clock: Callable[[], float] = steady_s
    """Monotonic; for tests."""
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    """``wait(event, seconds)`` waits for an event that long at most; for tests."""


DEFAULT_TIMING = FeedTiming()
