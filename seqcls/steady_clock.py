"""One clock for everything that a live run compares: it never goes back, and goes on while the machine sleeps."""

from __future__ import annotations

import sys
import time


def steady_s() -> float:
    """Seconds since some moment, the same for every process of the machine.

    ``time.monotonic`` stands still on Linux and macOS while the machine sleeps: that would take no time, and nothing
    would tell of it.
    """
    return _now_s()


if sys.platform == "linux":

    def _now_s() -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

elif sys.platform == "darwin":

    def _now_s() -> float:
        return time.clock_gettime(time.CLOCK_MONOTONIC)  # other than elsewhere it counts sleep, too

else:
    _now_s = time.monotonic
