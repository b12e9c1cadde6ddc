"""Work done ahead of its turn: a generator run by a thread of its own, through a bounded queue."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from seqcls.bounded_queue import BoundedQueue

T = TypeVar("T")


@contextmanager
def prefetched(items: Generator[T, None, None], depth: int) -> Iterator[Iterator[T]]:
    """The same items, made by a thread from now on, at most ``depth`` of them ahead.

    What ``items`` raises is raised to whoever iterates. The thread has ended, and ``items`` is closed, at the end of
    the ``with`` block.
    """
    queue: BoundedQueue[T] = BoundedQueue(depth, "wait")
    thread = queue.fill(items, "prefetch")
    try:
        yield iter(queue)
    finally:
        queue.close()
        thread.join()
