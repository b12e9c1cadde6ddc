"""Work done ahead of its turn: a generator run by a thread of its own, through a bounded queue."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Generic, TypeVar

from seqcls.bounded_queue import BoundedQueue

T = TypeVar("T")


class Prefetcher(Generic[T]):
    """Runs ``items`` in a thread from now on, at most ``depth`` of them ahead; iterate once for the same items.

    What ``items`` raises is raised to whoever iterates. The thread has ended, and ``items`` is closed, once ``close``
    returns; it is to be called in any case.
    """

    def __init__(self, items: Generator[T, None, None], depth: int) -> None:
        self._items = items
        self._queue: BoundedQueue[T] = BoundedQueue(depth, "wait")
        self._thread = threading.Thread(target=self._work, name="seqcls-prefetch", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return iter(self._queue)

    def close(self) -> None:
        self._queue.close()
        self._thread.join()

    def _work(self) -> None:
        problem: BaseException | None = None
        try:
            with closing(self._items):
                for item in self._items:
                    if not self._queue.put(item):
                        break
        except BaseException as error:  # whatever it is, it belongs to the consumer
            problem = error
        self._queue.close(problem)
