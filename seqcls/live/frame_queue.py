"""Between a source that brings frames when it likes and a run that takes them when it can: a bounded queue, and a
count of every frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from seqcls.bounded_queue import BoundedQueue
from seqcls.types import Frame, Gap

Keep = Literal["latest", "every"]


class FrameQueue:
    """Reads a source in a thread of its own.

    keep ``latest``: when more than ``limit`` frames wait, the oldest of them is dropped and counted. ``every``: the
    source is made to wait instead. Gaps are never dropped. ``received`` counts the source's frames, ``dropped`` those
    that ``take`` never returns.
    """

    def __init__(
        self,
        source: Iterable[Frame | Gap],
        *,
        keep: Keep,
        limit: int,
        on_frame: Callable[[Frame], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._on_frame, self._clock = source, on_frame, clock
        self._queue: BoundedQueue[tuple[float, Frame | Gap]] = BoundedQueue(
            limit, "wait" if keep == "every" else "drop_oldest"
        )
        self.received = 0
        self._thread = threading.Thread(target=self._read, name="seqcls-frames", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        return self._queue.dropped

    def take(self, timeout_s: float) -> tuple[float, Frame | Gap] | None:
        """The next frame or gap after its time of arrival (by ``clock``), or None when none came in time or the source
        has ended. Raises what reading raised."""
        return self._queue.get(timeout_s)

    @property
    def ended(self) -> bool:
        """Nothing waits and nothing more will come."""
        return self._queue.ended

    def stop(self) -> None:
        """Take no more from the source; what waits can still be taken."""
        self._queue.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, which ends once its source gives something or ends; whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _read(self) -> None:
        problem: BaseException | None = None
        try:
            for item in self._source:
                is_frame = isinstance(item, Frame)
                if not self._queue.put((self._clock(), item), weight=int(is_frame)):
                    break
                self.received += is_frame
                if isinstance(item, Frame) and self._on_frame is not None:
                    self._on_frame(item)
        except BaseException as error:  # the run decides what becomes of it
            problem = error
        self._queue.close(problem)


def shifted(source: Iterable[Frame | Gap], shift_index: int, shift_s: float) -> Iterator[Frame | Gap]:
    """The items of a source whose run continues where another ended: indices and times moved on."""
    for item in source:
        if isinstance(item, Gap):
            yield Gap(item.start_s + shift_s, item.end_s + shift_s, item.reason)
        else:
            index, time_s = item.index + shift_index, item.time_s + shift_s
            yield Frame(index, time_s, item.duration_s, item.image, item.damaged)
