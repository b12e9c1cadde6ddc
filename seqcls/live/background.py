"""Work done beside the run: a thread behind a bounded queue that never makes the run wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: Takes one line for a person; called from any thread.
Notify = Callable[[str], None]


def nothing(*_: object) -> None:
    """Does nothing: for whoever does not want to be called."""


class BackgroundWorker(Generic[T]):
    """Hands items in order to ``work`` in a thread of its own.

    ``most`` bounds the sum of the waiting items' weights; what does not fit is left out and counted in ``dropped``.
    ``failed`` gets what ``work`` and ``finish`` raise; ``finish`` runs last in the thread. ``interrupt`` is called from
    ``close`` when the thread takes too long, to cut short whatever ``work`` waits for.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[T], None],
        *,
        most: int,
        failed: Callable[[Exception], None],
        finish: Callable[[], None] = nothing,
        interrupt: Callable[[], None] = nothing,
    ) -> None:
        self.dropped = 0
        self._work, self._failed, self._finish, self._interrupt = work, failed, finish, interrupt
        self._most, self._weight = most, 0
        self._waiting: deque[tuple[T, int]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"seqcls-{name}", daemon=True)
        self._thread.start()

    def put(self, item: T, weight: int = 1, *, always: bool = False) -> bool:
        """Queue the item; False when it was left out: too much waits, or closed. ``always`` disregards how much waits.

        One item is taken whatever it weighs when nothing waits.
        """
        with self._changed:
            full = self._waiting and self._weight + weight > self._most and not always
            if full or self._closed:
                self.dropped += 1
                return False
            self._waiting.append((item, weight))
            self._weight += weight
            self._changed.notify()
            return True

    def close(self, within_s: float) -> bool:
        """Work off what waits for half of ``within_s``, leave out the rest, then end; True when the thread has ended.

        A thread that hangs in the operating system cannot be ended; it is left behind and dies with the process.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(within_s / 2)
        if self._thread.is_alive():
            with self._changed:
                self.dropped += len(self._waiting)
                self._waiting.clear()
            self._interrupt()
            self._thread.join(within_s / 2)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (queued := self._next()) is not None:
            try:
                self._work(queued[0])
            except Exception as error:  # the run goes on, whatever it is
                self._failed(error)
            del queued  # an idle thread holds no picture
        try:
            self._finish()
        except Exception as error:
            self._failed(error)

    def _next(self) -> tuple[T, int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            item, weight = self._waiting.popleft()
            self._weight -= weight
            return item, weight
