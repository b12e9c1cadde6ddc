"""What a server sends is bounded by a least rate: one that sends a byte now and then would be listened to for ever."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

#: Fewer bytes per second, over a window of so many seconds, are no transfer: 600 kB in a minute. A hundred clips that
#: are fetched at a time still fit into 8 Mbit/s.
LEAST_BYTES_PER_S, WINDOW_S = 10_000, 60.0
#: To close its connection.
_LEAVE_S = 5.0
_T = TypeVar("_T")


class TooSlowError(OSError):
    """Too little came, for too long."""


async def at_least(
    work: Coroutine[Any, Any, _T], size: int, came: Callable[[], int] | None = None, wait: Any = None
) -> _T:
    """What ``work`` gives, which brings ``size`` bytes.

    ``came``: how many of them are here, asked after each window; None where nobody knows before all are: then all of
    them must come at the least rate, one window more allowed for. ``wait``: ``asyncio.wait`` where it is None. Raises
    TooSlowError, and has ``work`` cancelled then.
    """
    import asyncio  # it brings the whole of ssl, and every clip would pay for it

    wait = asyncio.wait if wait is None else wait
    task = asyncio.ensure_future(work)
    before, left_s = 0, WINDOW_S + size / LEAST_BYTES_PER_S
    try:
        while True:
            done, _ = await wait({task}, timeout=WINDOW_S if came is not None else min(WINDOW_S, left_s))
            if done:
                return task.result()
            left_s -= WINDOW_S
            here = before if came is None else came()
            if left_s <= 0 if came is None else here - before < LEAST_BYTES_PER_S * WINDOW_S:
                raise TooSlowError(f"fewer than {LEAST_BYTES_PER_S // 1000} kB/s came for {WINDOW_S:g} s")
            before = here
    finally:
        if not task.done():
            task.cancel()
            await wait({task}, timeout=_LEAVE_S)
            if task.done() and not task.cancelled():
                task.exception()  # else asyncio prints that nobody has looked at it
