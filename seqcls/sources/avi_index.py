"""An AVI has no times: which image a packet holds, by the file's index instead of a count of what could be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqcls.sources.container import read_image_numbers


class AviIndex:
    """FFmpeg counts the images of an AVI, and leaves out of the count what it has passed over; ``count`` puts it right.

    is_behind_a_loss: images were passed over before the last packet, and the decoder may still hold one of before.
    """

    def __init__(self, path: Path, stream: int) -> None:
        self._path, self._stream = path, stream
        self._numbers: dict[int, int] | None = None  # by where images lie; None: not read yet
        self._first: int | None = None  # what FFmpeg counts from
        self._last_listed = self._ahead = 0
        self.is_behind_a_loss = False

    def count(self, packet: Any, place: int) -> set[int]:
        """Set the packet's times; it is the one at ``place`` of those read, from 0. The times, in ticks, of frames that
        cannot be trusted because of it."""
        self.is_behind_a_loss = False
        if self._numbers is None:
            self._numbers = read_image_numbers(self._path, self._stream)
            self._last_listed = max(self._numbers, default=0)
        if packet.dts is None or packet.pos is None:
            return set()
        number = self._numbers.get(packet.pos)
        if number is None:  # within what is listed bytes are missing before it
            is_moved = self._first is not None and packet.pos < self._last_listed
            return {packet.dts if packet.pts is None else packet.pts} if is_moved else set()
        if self._first is None:
            self._first = packet.dts - number if number == place else 0
        ahead = number + self._first - packet.dts
        if ahead and packet.pts is not None:
            packet.pts += ahead
        packet.dts += ahead
        self.is_behind_a_loss = ahead > self._ahead
        if not self.is_behind_a_loss:
            return set()
        self._ahead = ahead
        return {packet.dts, packet.dts if packet.pts is None else packet.pts}
