"""Items handed from one thread to another: a bounded queue whose two ends may stop at any time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

WhenFull = Literal["wait", "drop_oldest", "drop_newest"]


class BoundedQueue(Generic[T]):
    """First in, first out; ``limit`` bounds the sum of the weights of the items that wait.

    when_full: "wait" lets ``put`` wait until there is room, "drop_oldest" makes room, "drop_newest" refuses the item.
    An item without weight always has room and is never dropped, and one item is taken whatever it weighs when nothing
    else of weight waits. ``dropped`` counts the items that were taken and then dropped to make room.

    Every method may be called from any thread. No item may be None.
    """

    def __init__(self, limit: int, when_full: WhenFull) -> None:
        self.dropped = 0
        self._limit, self._when_full = limit, when_full
        self._waiting: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._changed = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None

    def put(self, item: T, weight: int = 1) -> bool:
        """Whether the item was taken: it is not when there is no room and "drop_newest", or once closed."""
        with self._changed:
            if self._when_full == "wait":
                self._changed.wait_for(lambda: self._closed or self._has_room(weight))
            if self._closed or (self._when_full == "drop_newest" and not self._has_room(weight)):
                return False
            while not self._has_room(weight):
                self._drop_oldest()
            self._waiting.append((item, weight))
            self._weight += weight
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float | None = None) -> T | None:
        """The next item; None when none came in time, or when the queue is closed and empty.

        Raises what ``close`` was given, once, after the last item.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout_s)
            if self._waiting:
                item, weight = self._waiting.popleft()
                self._weight -= weight
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
            if error is not None:
                raise error
            return None

    def fill(
        self, items: Generator[T, None, None], name: str, weight: Callable[[T], int] = lambda item: 1
    ) -> threading.Thread:
        """Put ``items`` from a thread of its own; the thread.

        It ends after the last item, with what making them raises, which is for whoever takes them, or with the first
        that is not taken. Then ``items`` and the queue are closed.
        """

        def work() -> None:
            problem: BaseException | None = None
            try:
                with closing(items):
                    for item in items:
                        if not self.put(item, weight(item)):
                            break
            except BaseException as error:
                problem = error
            self.close(problem)

        thread = threading.Thread(target=work, name=f"seqcls-{name}", daemon=True)
        thread.start()
        return thread

    def __iter__(self) -> Iterator[T]:
        """The items until the queue is closed and empty; raises what ``close`` was given."""
        while (item := self.get()) is not None:
            yield item
            del item  # while the next one is awaited, this one is not kept alive

    def close(self, error: BaseException | None = None) -> None:
        """Take no more items; those that wait can still be had. ``error`` is for whoever takes them."""
        with self._changed:
            self._closed = True
            self._error = self._error if error is None else error
            self._changed.notify_all()

    def clear(self) -> int:
        """Drop all that waits; how many items that were."""
        with self._changed:
            count = len(self._waiting)
            self._waiting.clear()
            self._weight = 0
            self._changed.notify_all()
            return count

    @property
    def ended(self) -> bool:
        """Nothing waits, nothing will be taken any more, and no error is left to be raised."""
        with self._changed:
            return self._closed and not self._waiting and self._error is None

    def _has_room(self, weight: int) -> bool:
        return weight == 0 or self._weight == 0 or self._weight + weight <= self._limit

    def on_dropped(self, item: T, before: int) -> None:
        """Called with each item that was dropped to make room, in the thread that puts, which holds the queue's lock;
        so many items, without weight, wait before it."""

    def _drop_oldest(self) -> None:
        place = next(i for i, (_, weight) in enumerate(self._waiting) if weight)
        item, weight = self._waiting[place]
        self._weight -= weight
        del self._waiting[place]
        self.dropped += 1
        self.on_dropped(item, place)
