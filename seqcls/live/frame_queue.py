"""Between a source that brings frames when it likes and a run that takes them when it can: a bounded queue, and a
count of every frame."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from seqcls.types import Frame, Gap

Keep = Literal["latest", "every"]


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A frame or gap, and when it arrived by the monotonic clock."""

    item: Frame | Gap
    at_s: float


class Feed:
    """Reads a source in a thread of its own.

    keep ``latest``: when more than ``most`` frames wait, the oldest of them is dropped and counted. ``every``: the
    source is made to wait instead. Gaps are never dropped. ``received`` counts the source's frames, ``dropped`` those
    thrown away; the difference was, or will be, handed over.
    """

    def __init__(
        self,
        source: Iterable[Frame | Gap],
        *,
        keep: Keep,
        most: int,
        on_frame: Callable[[Frame], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._keep = keep
        self._most = most
        self._on_frame = on_frame
        self._clock = clock
        self._waiting: deque[Arrival] = deque()
        self._frames = 0
        self._changed = threading.Condition()
        self._stopping = self._ended = False
        self._error: BaseException | None = None
        self.received = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._read, name="seqcls-feed", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> Arrival | None:
        """The next one, or None when none came in time or the feed has ended; raises what reading raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended, timeout_s)
            if self._waiting:
                arrival = self._waiting.popleft()
                self._frames -= isinstance(arrival.item, Frame)
                self._changed.notify_all()
                return arrival
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            return None

    @property
    def ended(self) -> bool:
        """Nothing waits and nothing more will come."""
        with self._changed:
            return self._ended and not self._waiting and self._error is None

    def stop(self) -> None:
        """Take no more from the source; what waits can still be taken."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, which ends once its source gives something or ends; whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _read(self) -> None:
        try:
            for item in self._source:
                if not self._put(Arrival(item, self._clock())):
                    break
        except BaseException as error:  # the run decides what becomes of it
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, arrival: Arrival) -> bool:
        is_frame = isinstance(arrival.item, Frame)
        with self._changed:
            if self._stopping:
                return False
            if is_frame and self._keep == "every":
                self._changed.wait_for(lambda: self._frames < self._most or self._stopping)
                if self._stopping:
                    return False
            self.received += is_frame
            self._frames += is_frame
            self._waiting.append(arrival)
            if self._frames > self._most:
                self._drop_oldest()
            self._changed.notify_all()
        if is_frame and self._on_frame is not None:
            self._on_frame(arrival.item)  # type: ignore[arg-type]
        return True

    def _drop_oldest(self) -> None:
        place = next(i for i, arrival in enumerate(self._waiting) if isinstance(arrival.item, Frame))
        del self._waiting[place]
        self._frames -= 1
        self.dropped += 1


def frames_of(source: Iterable[Frame | Gap], shift_index: int, shift_s: float) -> Iterator[Frame | Gap]:
    """A source whose run goes on where another ended: numbers and times moved on."""
    for item in source:
        if isinstance(item, Gap):
            yield Gap(item.start_s + shift_s, item.end_s + shift_s, item.reason)
        else:
            index, time_s = item.index + shift_index, item.time_s + shift_s
            yield Frame(index, time_s, item.duration_s, item.image, item.damaged)
