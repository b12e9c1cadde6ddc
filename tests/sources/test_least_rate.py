"""A server that sends a byte now and then is left; no clock is waited for here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from seqcls.sources.least_rate import TooSlowError, at_least

#: In a window.
LEAST = 600_000


class Never:
    """Work that goes on for ever, and a clock by which it is waited for: ``windows`` of seconds."""

    def __init__(self) -> None:
        self.windows: list[float] = []
        self.left = False

    async def work(self) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.left = True
            raise
        return "never"

    async def wait(self, tasks: set[asyncio.Task[str]], timeout: float) -> tuple[set[Any], set[Any]]:
        await asyncio.sleep(0)  # the work begins, or is told to end
        await asyncio.sleep(0)
        (task,) = tasks
        if task.done():
            return tasks, set()
        self.windows.append(timeout)
        return set(), tasks


def left(size: int, came: Callable[[], int] | None) -> list[float]:
    never = Never()
    with pytest.raises(TooSlowError, match=r"^fewer than 10 kB/s came for 60 s$"):
        asyncio.run(at_least(never.work(), size, came, never.wait))
    assert never.left, "its connection is closed"
    return never.windows


@pytest.mark.parametrize(
    ("here", "windows"),
    [
        ([0], 1),
        ([60], 1),  # a byte each second
        ([LEAST - 1], 1),
        ([LEAST, 2 * LEAST, 2 * LEAST], 3),
        ([9 * LEAST, 9 * LEAST + 59], 2),  # what came before counts for nothing
        ([LEAST * k for k in range(1, 50)] + [49 * LEAST], 50),  # for as long as it is fast enough
    ],
)
def test_in_each_window_there_must_come_enough(here: list[int], windows: int) -> None:
    counts = iter(here)
    assert left(10**12, lambda: next(counts)) == [60.0] * windows


@pytest.mark.parametrize(
    ("size", "windows"), [(0, [60.0]), (1_000_000, [60.0, 60.0, 40.0]), (1_200_000, [60.0, 60.0, 60.0])]
)
def test_what_cannot_be_counted_must_be_here_in_time(size: int, windows: list[float]) -> None:
    assert left(size, None) == windows


def test_what_comes_is_given_and_what_fails_raised() -> None:
    async def gives() -> str:
        return "bytes"

    async def fails() -> str:
        raise PermissionError("not yours")

    assert asyncio.run(at_least(gives(), 0)) == "bytes"
    with pytest.raises(PermissionError, match="not yours"):
        asyncio.run(at_least(fails(), 0))
