"""A connection to a camera, stream or probe: what it brings, and how long it may be silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seqcls.types import FeedState

#: Called with the state of a feed and the reason for it.
OnState = Callable[[FeedState, str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """An image as it came: (H, W) uint8 gray or (H, W, 3) uint8 BGR; its size may change from one to the next.

    ``arrival_s``: seconds by this machine's monotonic clock. ``damaged``: why the image cannot be trusted, or "".
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTiming:
    """How patient a feed is, in seconds, and by which clock."""

    stall_s: float = 2.0
    """Longest wait for a frame after the first."""
    connect_s: float = 10.0
    """Longest wait for a connection's first frame."""
    backoff_s: tuple[float, float] = (0.5, 10.0)
    """Pause before a connection is replaced, at first and at most."""
    clock: Callable[[], float] = time.monotonic
    """Monotonic; for tests."""
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    """``wait(event, seconds)`` waits for an event that long at most; for tests."""


DEFAULT_TIMING = FeedTiming()
