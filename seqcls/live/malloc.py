"""Memory that stays level for days.

The GNU C library gives every new thread one of up to eight memory pools per core and keeps what was freed in each. A
feed that reconnects for hours starts threads in all of them one after the other, and each pool grows to the most that
any thread ever needed. Measured over OpenIGTLink at 30 frames/s, a connection a minute: 13 MiB in the first hour and
still rising, 0.3 MiB an hour with one pool (the index of the recording). Waiting for the only pool is not measurable,
since frames are few and large.
"""

from __future__ import annotations

import ctypes
import sys

_M_ARENA_MAX = -8  # malloc.h


def share_one_pool() -> bool:
    """Let all threads that start from now on share the process's first pool; False where there is nothing to ask.

    For programs, before their threads start; a library has no business to decide this for its host.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries than GNU's lack it
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, 1))
