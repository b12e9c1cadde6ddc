"""The tags of a TIFF's first page, read without an image decoder."""

from __future__ import annotations

import struct
from typing import BinaryIO

MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: TIFF 6.0.
BITS, COMPRESSION, PHOTOMETRIC, DESCRIPTION, OFFSETS, SAMPLES = 258, 259, 262, 270, 273, 277
COUNTS, FORMAT = 279, 339
#: MetaMorph's table of planes, which has one entry for each of the images behind the only page.
METAMORPH_PLANES = 33629
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
#: Of a value. The description of an OME-TIFF grows with its planes; what is asked of it stands in front.
_MOST_BYTES = 4 << 20


class TiffTags:
    """Of the first page; without any for what is no TIFF, or is damaged there. Raises nothing."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._places: dict[int, tuple[int, int, int]] = {}
        stream.seek(0)
        head = stream.read(16)
        self._order, big = "<" if head[:2] == b"II" else ">", b"+" in head[2:4]
        if head[:4] not in MARKS or len(head) < 16:
            return
        (offset,) = struct.unpack_from(self._order + ("Q" if big else "I"), head, 8 if big else 4)
        try:
            stream.seek(offset)
            (count,) = struct.unpack(self._order + ("Q" if big else "H"), stream.read(8 if big else 2))
            start, width = stream.tell(), 20 if big else 12
            table = stream.read(width * min(count, 4096))
        except (struct.error, OSError, OverflowError):
            return
        for at in range(0, len(table) - width + 1, width):
            tag, kind, number = struct.unpack_from(self._order + ("HHQ" if big else "HHI"), table, at)
            size = number * _WIDTHS.get(kind, 1)
            inline = 8 if big else 4
            place = start + at + width - inline
            if size > inline:
                (place,) = struct.unpack_from(self._order + ("Q" if big else "I"), table, at + width - inline)
            self._places.setdefault(tag, (kind, number, place))

    def count(self, tag: int) -> int:
        """How many values the tag has; 0 where it is not there."""
        return self._places.get(tag, (0, 0, 0))[1]

    def integers(self, tag: int, default: int) -> tuple[int, ...]:
        """Its values, of many the first; ``default`` alone where the tag is not there or holds no integers."""
        kind, count, place = self._places.get(tag, (0, 0, 0))
        if kind not in _INTEGERS:
            return (default,)
        size = struct.calcsize(_INTEGERS[kind])
        data = self._bytes(place, min(count * size, _MOST_BYTES))
        number = len(data) // size
        return struct.unpack(f"{self._order}{number}{_INTEGERS[kind]}", data[: number * size]) or (default,)

    def text(self, tag: int) -> str:
        """Its beginning, up to the first zero; empty where the tag is not there."""
        kind, count, place = self._places.get(tag, (0, 0, 0))
        data = self._bytes(place, min(count, _MOST_BYTES)) if kind in (1, 2, 7) else b""
        return data.partition(b"\0")[0].decode("utf-8", "replace")

    def _bytes(self, place: int, size: int) -> bytes:
        try:
            self._stream.seek(place)
            return self._stream.read(size)
        except (OSError, OverflowError, ValueError):
            return b""
