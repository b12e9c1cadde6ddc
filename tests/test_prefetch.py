"""Work done ahead of its turn: the same items, the same error, and no thread left."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from seqcls.prefetch import prefetched


def test_the_items_in_order_and_no_more_ahead_than_the_depth() -> None:
    made: list[int] = []

    def items() -> Generator[int, None, None]:
        for number in range(20):
            made.append(number)
            yield number

    with prefetched(items(), 3) as ahead:
        for expected, number in enumerate(ahead):
            assert number == expected
            assert len(made) <= expected + 5  # taken, 3 waiting, and the one that waits for room
    assert made == list(range(20))


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Generator[int, None, None]:
        yield from range(3)
        raise ValueError("broken")

    seen: list[int] = []
    with prefetched(items(), 8) as ahead, pytest.raises(ValueError, match="broken"):
        for number in ahead:
            seen.append(number)
    assert seen == [0, 1, 2]


def test_leaving_early_closes_the_generator_and_ends_the_thread() -> None:
    closed = threading.Event()

    def endless() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    with prefetched(endless(), 2) as ahead:
        assert next(ahead) == 1
    assert closed.is_set()
    assert not any(thread.name == "seqcls-prefetch" for thread in threading.enumerate())
