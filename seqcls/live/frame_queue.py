"""Between a source that brings frames when it likes and a run that takes them when it can: a bounded queue, a count of
every frame, and gaps where what was dropped would have told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from seqcls.bounded_queue import BoundedQueue
from seqcls.live.background import nothing
from seqcls.pauses import LONG_S
from seqcls.steady_clock import steady_s
from seqcls.types import TIME_TOLERANCE_S, Frame, FrameCounts, Gap

Keep = Literal["latest", "every"]
#: Reason of stretches in which no frame was scored, although frames came.
DROPPED = "dropped: this computer is too slow"


@dataclass(slots=True)
class _Dropped:
    """Frames one behind the other that were dropped, all with the same reason; ``before``: so many gaps waited."""

    start_s: float
    next_index: int
    reason: str
    before: int


def _scorable(frame: Frame) -> str:
    return ""


class FrameQueue(BoundedQueue[tuple[float, Frame | Gap]]):
    """Reads a source in a thread of its own; ``get`` gives its frames and gaps, each after its time of arrival.

    keep ``latest``: when more than ``limit`` frames wait, the oldest of them is dropped and counted. ``every``: the
    source is made to wait instead. Gaps are never dropped. ``received`` counts the source's frames, ``dropped`` those
    that ``get`` never returns. After ``close`` no more is taken from the source. last_end_s: when the last frame ended.
    shift_s: from the clock to the time of the frames, by the one that was taken from the source with the least delay:
    on a busy machine others wait there. Both are None before the first.

    Dropped frames become gaps where a state that is taken from the frame before them would be wrong: those of which
    ``check`` says why they are not scorable ("" where they are), as they would be unknown had they been taken; and all
    of a stretch longer than ``LONG_S``. ``check`` is called in the reading thread, and takes little time.
    """

    def __init__(
        self,
        source: Iterable[Frame | Gap],
        *,
        keep: Keep,
        limit: int,
        on_frame: Callable[[Frame], None] = nothing,
        check: Callable[[Frame], str] = _scorable,
        clock: Callable[[], float] = steady_s,
    ) -> None:
        super().__init__(limit, "wait" if keep == "every" else "drop_oldest")
        self._usual_limit = limit
        self._source, self._on_frame, self._check, self._clock = source, on_frame, check, clock
        self.received = 0
        self.last_arrival_s: float | None = None
        self.last_end_s: float | None = None
        self.shift_s: float | None = None
        self._lost: deque[_Dropped] = deque()
        self._next: deque[tuple[float, Frame | Gap]] = deque()
        self._thread = self.fill(self._arrivals(), "frames", weight=lambda arrival: int(isinstance(arrival[1], Frame)))

    def get(self, timeout_s: float | None = None) -> tuple[float, Frame | Gap] | None:
        """The next frame or gap; None when none came in time, or when the source has ended."""
        with self._changed:  # nothing is dropped between an item and the gaps before it
            if not self._next:
                arrival = super().get(timeout_s)
                if arrival is None:
                    return None
                self._next += [(arrival[0], gap) for gap in self._gaps_until(arrival[1].time_s)]
                self._next.append(arrival)
            return self._next.popleft()

    def allow(self, more: int) -> None:
        """Let so many frames more than ``limit`` wait from now on. Fewer than before: what is too much by then is
        dropped when the next one comes."""
        with self._changed:
            self._limit = self._usual_limit + more
            self._changed.notify_all()

    def on_dropped(self, item: tuple[float, Frame | Gap], before: int) -> None:
        """Remember where a dropped frame stood."""
        frame = item[1]
        assert isinstance(frame, Frame), "gaps weigh nothing"
        reason, last = self._check(frame), self._lost[-1] if self._lost else None
        if last is not None and (last.next_index, last.reason, last.before) == (frame.index, reason, before):
            last.next_index += 1
        else:
            self._lost.append(_Dropped(frame.time_s, frame.index + 1, reason, before))

    def _gaps_until(self, time_s: float) -> list[Gap]:
        """What is unknown before the item of this time; everything dropped before it is known by now."""
        lost: list[_Dropped] = []
        while self._lost and self._lost[0].start_s <= time_s:
            lost.append(self._lost.popleft())
        if not lost:
            return []
        ends_s = [*(one.start_s for one in lost[1:]), time_s]
        all_of_it = time_s - lost[0].start_s > LONG_S + TIME_TOLERANCE_S
        return [
            Gap(one.start_s, end_s, one.reason if one.reason else DROPPED)
            for one, end_s in zip(lost, ends_s, strict=True)
            if (one.reason or all_of_it) and end_s > one.start_s
        ]

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, which ends once its source gives something or ends; whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _arrivals(self) -> Generator[tuple[float, Frame | Gap], None, None]:
        for item in self._source:
            arrival_s = self._clock()
            if isinstance(item, Frame):
                self.last_arrival_s, self.last_end_s = arrival_s, item.time_s + item.duration_s
                shift_s = item.time_s - arrival_s
                self.shift_s = shift_s if self.shift_s is None else max(self.shift_s, shift_s)
            yield arrival_s, item
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


def drop_warnings(counts: FrameCounts, problem: str) -> tuple[str, ...]:
    """What a person should know of dropped frames; after a problem some were dropped for another reason."""
    if problem or not counts.dropped:
        return ()
    return (
        f"{counts.dropped} of {counts.received} frames were dropped, because this computer could not keep up;"
        " keep=every lets the source wait",
    )
