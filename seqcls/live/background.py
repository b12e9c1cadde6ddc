"""Work done beside the run: a thread behind a bounded queue that never makes the run wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from seqcls.bounded_queue import BoundedQueue

T = TypeVar("T")

#: Takes one line for a person; called from any thread.
Notify = Callable[[str], None]


def nothing(*_: object) -> None:
    """Does nothing: for whoever does not want to be called."""


class BackgroundWorker(Generic[T]):
    """Passes items one after another to ``work`` in a thread of its own.

    ``limit`` bounds the sum of the waiting items' weights; what does not fit is left out and counted in ``dropped``:
    the new item, or with ``newest_only`` the one that waits. ``failed`` gets what ``work`` and ``finish`` raise;
    ``finish`` runs last in the thread. ``interrupt`` is called from ``close`` when the thread takes too long, to cut
    short whatever ``work`` waits for.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[T], None],
        *,
        limit: int,
        newest_only: bool = False,
        failed: Callable[[Exception], None] = nothing,
        finish: Callable[[], None] = nothing,
        interrupt: Callable[[], None] = nothing,
    ) -> None:
        self._work, self._failed, self._finish, self._interrupt = work, failed, finish, interrupt
        self._queue: BoundedQueue[T] = BoundedQueue(limit, "drop_oldest" if newest_only else "drop_newest")
        self._refused = 0
        self._thread = threading.Thread(target=self._run, name=f"seqcls-{name}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Items that ``work`` never gets."""
        return self._refused + self._queue.dropped

    def put(self, item: T, weight: int = 1) -> bool:
        """Queue the item; False when it was left out: too much waits, or closed. One of weight 0 always fits."""
        taken = self._queue.put(item, weight)
        self._refused += not taken
        return taken

    def close(self, within_s: float) -> bool:
        """Work off what waits for half of ``within_s``, leave out the rest, then end; True when the thread has ended.

        A thread that hangs in the operating system cannot be ended; it is left behind and dies with the process.
        """
        self._queue.close()
        self._thread.join(within_s / 2)
        if self._thread.is_alive():
            self._refused += self._queue.clear()
            self._interrupt()
            self._thread.join(within_s / 2)
        return not self._thread.is_alive()

    def _run(self) -> None:
        for item in self._queue:
            try:
                self._work(item)
            except Exception as error:  # the run goes on, whatever it is
                self._failed(error)
            del item  # an idle thread holds no image
        try:
            self._finish()
        except Exception as error:
            self._failed(error)
