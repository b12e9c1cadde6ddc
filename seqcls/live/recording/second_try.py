"""When a recording that a full disk has stopped is tried again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seqcls.errors import OutputError
from seqcls.files.disk_room import free_bytes
from seqcls.steady_clock import steady_s

#: The disk is looked at after the first of these, and each time that it failed again at once after twice as long, up to
#: the second.
AGAIN_S, LONGEST_S = 5.0, 60.0
#: There has to be room for so many seconds at the rate so far, and for so many bytes: a disk on which somebody else
#: frees and fills a little would make a part of each second.
ROOM_S, ROOM_BYTES = 60.0, 32 << 20


class SecondTry:
    """Asks now and then whether the disk under ``folder`` has room again; ``clock`` gives seconds.

    A disk may say that it has room and take nothing: a quota, a file that may not grow, a fault. Then it is asked less
    and less often.
    """

    def __init__(
        self, folder: Path, *, free_bytes: Callable[[Path], int] = free_bytes, clock: Callable[[], float] = steady_s
    ) -> None:
        self._folder, self._free_bytes, self._clock = folder, free_bytes, clock
        self._wait_s, self._look_s, self._began_s = AGAIN_S, 0.0, float("-inf")

    def stopped(self) -> None:
        """The disk took no more, now."""
        now_s = self._clock()
        self._wait_s = min(2 * self._wait_s, LONGEST_S) if now_s - self._began_s < LONGEST_S else AGAIN_S
        self._look_s = now_s + self._wait_s

    def is_due(self, bytes_per_s: Callable[[], float]) -> bool:
        """Whether to try again at this moment, what is recorded growing by so much; True begins the try."""
        if (now_s := self._clock()) < self._look_s:
            return False
        self._look_s = now_s + AGAIN_S
        try:
            free = self._free_bytes(self._folder)
        except OutputError:  # a disk that was taken away may come back
            return False
        if free < max(ROOM_BYTES, ROOM_S * bytes_per_s()):
            return False
        self._began_s = now_s
        return True
