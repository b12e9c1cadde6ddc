"""Between a source that brings frames when it likes and a run that takes them when it can: a bounded queue, and a
count of every frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Literal

from seqcls.bounded_queue import BoundedQueue
from seqcls.live.background import nothing
from seqcls.types import Frame, Gap

Keep = Literal["latest", "every"]


class FrameQueue(BoundedQueue[tuple[float, Frame | Gap]]):
    """Reads a source in a thread of its own; ``get`` gives its frames and gaps, each after its time of arrival.

    keep ``latest``: when more than ``limit`` frames wait, the oldest of them is dropped and counted. ``every``: the
    source is made to wait instead. Gaps are never dropped. ``received`` counts the source's frames, ``dropped`` those
    that ``get`` never returns. After ``close`` no more is taken from the source.
    """

    def __init__(
        self,
        source: Iterable[Frame | Gap],
        *,
        keep: Keep,
        limit: int,
        on_frame: Callable[[Frame], None] = nothing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(limit, "wait" if keep == "every" else "drop_oldest")
        self._source, self._on_frame, self._clock = source, on_frame, clock
        self.received = 0
        self._thread = self.fill(self._arrivals(), "frames", weight=lambda arrival: int(isinstance(arrival[1], Frame)))

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, which ends once its source gives something or ends; whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _arrivals(self) -> Generator[tuple[float, Frame | Gap], None, None]:
        for item in self._source:
            yield self._clock(), item
            if isinstance(item, Frame):  # and taken
                self.received += 1
                self._on_frame(item)


def shifted(source: Iterable[Frame | Gap], shift_index: int, shift_s: float) -> Iterator[Frame | Gap]:
    """The items of a source whose run continues where another ended: indices and times moved on."""
    for item in source:
        if isinstance(item, Gap):
            yield Gap(item.start_s + shift_s, item.end_s + shift_s, item.reason)
        else:
            index, time_s = item.index + shift_index, item.time_s + shift_s
            yield Frame(index, time_s, item.duration_s, item.image, item.damaged)
