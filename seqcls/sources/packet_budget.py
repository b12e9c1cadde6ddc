"""How many packets a file can hold: one whose tables lead back to the same bytes would be read for days."""

from __future__ import annotations

from seqcls.errors import SourceError

#: A packet takes a byte of its file at least: so much does an MP4 of samples of one size, or a laced Matroska, spend on
#: the smallest. Empty packets, which FFmpeg gives at the end of each stream, are allowed for besides.
EMPTY_PACKETS = 1000
#: Their bytes are bytes of the file. An edit list may show a stretch a few times; more than this is no clip.
MAX_TIMES, MORE_BYTES = 10, 64 << 20
#: Packets in Matroska may be packed, and are larger than what they take in the file. It lists no places, so nothing in
#: it can be read twice.
_PACKED = "matroska"


class PacketBudget:
    """What may still come of a file of ``size`` bytes. ``name``: for messages."""

    def __init__(self, name: str, size: int, demuxer: str) -> None:
        self._name, self._size = name, size
        self._packets = size + EMPTY_PACKETS
        self._bytes = None if demuxer == _PACKED else MAX_TIMES * size + MORE_BYTES

    def take(self, length: int) -> None:
        """Another packet of so many bytes, of any stream. Raises SourceError where that cannot be."""
        self._packets -= 1
        if self._bytes is not None:
            self._bytes -= length
        if self._packets < 0 or (self._bytes is not None and self._bytes < 0):
            raise SourceError(
                f"{self._name}: gives more than its {self._size:,} bytes can hold, as its tables lead to the same"
                " places again and again; get a fresh copy"
            )
