"""One clock for everything that a live run compares: it never goes back, and goes on while the machine sleeps."""

from __future__ import annotations

import sys
import time

#: Of Linux and macOS: of the latter CLOCK_MONOTONIC counts sleep, other than elsewhere.
_CLOCK = getattr(time, {"linux": "CLOCK_BOOTTIME", "darwin": "CLOCK_MONOTONIC"}.get(sys.platform, ""), None)


def steady_s() -> float:
    """Seconds since some moment, the same for every process of the machine.

    ``time.monotonic`` stands still on Linux and macOS while the machine sleeps: that would take no time, and nothing
    would tell of it.
    """
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
