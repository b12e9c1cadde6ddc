"""Work done ahead of its turn: a generator run by a thread of its own, through a bounded queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Generic, TypeVar

T = TypeVar("T")


class _End:
    pass


class Prefetcher(Generic[T]):
    """Runs ``items`` in a thread from now on, at most ``depth`` of them ahead; iterate once for the same items.

    What ``items`` raises is raised to whoever iterates. The thread has ended, and ``items`` is closed, once ``close``
    returns; it is to be called in any case.
    """

    def __init__(self, items: Generator[T, None, None], depth: int) -> None:
        self._items = items
        self._waiting: queue.Queue[T | BaseException | _End] = queue.Queue(depth)
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._work, name="seqcls-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        while not isinstance(item := self._waiting.get(), _End):
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        self._abandoned.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            with closing(self._items):
                if all(self._put(item) for item in self._items):
                    self._put(_End())
        except BaseException as error:  # whatever it is, it belongs to the consumer
            self._put(error)

    def _put(self, item: T | BaseException | _End) -> bool:
        while not self._abandoned.is_set():
            try:
                self._waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False
