"""The queue between two threads: what is kept, what is dropped, and that neither end waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from seqcls.bounded_queue import BoundedQueue, WhenFull

DEADLINE_S = 20.0


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("when_full", "taken", "kept", "dropped"),
    [
        ("drop_oldest", [True] * 5, [2, 3, 4], 2),
        ("drop_newest", [True, True, True, False, False], [0, 1, 2], 0),
    ],
)
def test_a_full_queue(when_full: WhenFull, taken: list[bool], kept: list[int], dropped: int) -> None:
    queue = BoundedQueue[int](3, when_full)
    assert [queue.put(number) for number in range(5)] == taken
    queue.close()
    assert list(queue) == kept and queue.dropped == dropped and queue.ended


@pytest.mark.parametrize(
    ("when_full", "puts", "kept"),
    [
        ("drop_newest", [("a", 6), ("b", 4), ("c", 1)], ["a", "b"]),  # 6 + 4 + 1 > 10
        ("drop_newest", [("a", 99), ("b", 1)], ["a"]),  # one item is taken whatever it weighs
        ("drop_newest", [("a", 10), ("b", 0), ("c", 0)], ["a", "b", "c"]),  # without weight there is always room
        ("drop_oldest", [("a", 6), ("b", 0), ("c", 4), ("d", 5)], ["b", "c", "d"]),
        ("drop_oldest", [("a", 1), ("b", 0), ("c", 99)], ["b", "c"]),
        ("wait", [("a", 10), ("b", 0), ("c", 0)], ["a", "b", "c"]),
    ],
    ids=["sum", "heavy", "weightless", "oldest", "heavy after weightless", "wait"],
)
def test_weights(when_full: WhenFull, puts: list[tuple[str, int]], kept: list[str]) -> None:
    queue = BoundedQueue[str](10, when_full)
    for item, weight in puts:
        queue.put(item, weight)
    queue.close()
    assert list(queue) == kept


def test_putting_waits_for_room_and_loses_nothing() -> None:
    queue = BoundedQueue[int](2, "wait")
    put: list[int] = []

    def produce() -> None:
        for number in range(100):
            assert queue.put(number)
            put.append(number)
        queue.close()

    producer = in_thread(produce)
    for expected in range(100):
        assert queue.get(DEADLINE_S) == expected
        assert len(put) <= expected + 4  # what was taken, what waits, and the one between
    producer.join(DEADLINE_S)
    assert not producer.is_alive() and queue.get() is None and queue.dropped == 0


def test_room_comes_back_with_what_is_taken_or_cleared() -> None:
    queue = BoundedQueue[int](2, "drop_newest")
    assert queue.put(1) and queue.put(2) and not queue.put(3)
    assert queue.get() == 1 and queue.put(4) and not queue.put(5)
    assert queue.clear() == 2 and queue.put(6) and queue.get() == 6


def test_closing_lets_a_producer_go_that_waits_for_room() -> None:
    queue = BoundedQueue[int](1, "wait")
    assert queue.put(1)
    answers: list[bool] = []
    producer = in_thread(lambda: answers.append(queue.put(2)))
    queue.close()
    producer.join(DEADLINE_S)
    assert answers == [False] and not queue.put(3)
    assert queue.get() == 1 and queue.get() is None  # what waits can still be had


def test_closing_lets_a_consumer_go_that_waits_for_an_item() -> None:
    queue = BoundedQueue[int](1, "wait")
    answers: list[list[int]] = []
    consumer = in_thread(lambda: answers.append(list(queue)))
    queue.close()
    consumer.join(DEADLINE_S)
    assert answers == [[]]


def test_nothing_in_time_is_none() -> None:
    queue = BoundedQueue[int](1, "wait")
    assert queue.get(0.0) is None and queue.get(0.001) is None and not queue.ended


def test_an_error_comes_after_the_items_and_once() -> None:
    queue = BoundedQueue[int](3, "wait")
    queue.put(1)
    queue.close(ValueError("broken"))
    queue.close()  # a second close changes nothing
    assert queue.get() == 1 and not queue.ended
    with pytest.raises(ValueError, match="broken"):
        queue.get()
    assert queue.get() is None and queue.ended
