"""Does an image file hold one image or several? Told from the tables in the file, without unpacking an image."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

#: TIFF 6.0, tags NewSubfileType (bits: 1 reduced in size, 4 a mask) and SubfileType (2 reduced in size).
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255


def holds_several(stream: BinaryIO, head: bytes) -> bool:
    """Whether this is a TIFF of several pages, an animated WebP or an APNG; ``head``: its first bytes."""
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        pages, whole = tiff_pages(stream, most=2)
        return len(pages) > 1 or (len(pages) == 1 and not whole)
    if head[:4] == b"RIFF":
        return head[12:16] == b"VP8X" and len(head) > 20 and head[20] & 0x02 != 0
    return head.startswith(b"\x89PNG") and _is_animated_png(stream)


def tiff_pages(stream: BinaryIO, most: int = 1_000_000) -> tuple[list[int], bool]:
    """Numbers of the pages that are no thumbnails and no masks, ``most`` of them, and whether the chain is whole.

    A page points to the next one; where a file was cut, or written over, the chain leads nowhere.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(16)
    order, big = "<" if head[:2] == b"II" else ">", b"+" in head[2:4]
    (offset,) = struct.unpack_from(order + ("Q" if big else "I"), head.ljust(16, b"\0"), 8 if big else 4)
    pages: list[int] = []
    seen: set[int] = set()
    number = 0
    while offset and len(pages) < most:
        if offset in seen or offset >= size:
            return pages, False
        seen.add(offset)
        stream.seek(offset)
        try:
            (count,) = struct.unpack(order + ("Q" if big else "H"), stream.read(8 if big else 2))
            width = 20 if big else 12
            table = stream.read(width * min(count, 4096))
            next_at = offset + (8 if big else 2) + width * count
            stream.seek(next_at)
            (offset,) = struct.unpack(order + ("Q" if big else "I"), stream.read(8 if big else 4))
        except (struct.error, OSError, OverflowError):
            return pages, False
        if not _is_aside(table, width, order):
            pages.append(number)
        number += 1
    return pages, True


def _is_aside(table: bytes, width: int, order: str) -> bool:
    """A thumbnail or a mask of another page."""
    for at in range(0, len(table) - width + 1, width):
        tag, kind = struct.unpack_from(order + "HH", table, at)
        if tag > _SUBFILE_TYPE:
            return False  # tags stand in order
        value_at = at + (12 if width == 20 else 8)
        (value,) = struct.unpack_from(order + ("H" if kind == 3 else "I"), table, value_at)
        if (tag == _NEW_SUBFILE_TYPE and value & 0b101) or (tag == _SUBFILE_TYPE and value == 2):
            return True
    return False


def _is_animated_png(stream: BinaryIO) -> bool:
    """PNG specification, third edition: acTL stands before the first IDAT and holds the number of frames."""
    at = 8
    while True:
        stream.seek(at)
        head = stream.read(12)
        if len(head) < 12 or head[4:8] in (b"IDAT", b"IEND"):
            return False
        length, frames = struct.unpack(">I4xI", head)
        if head[4:8] == b"acTL":
            return bool(frames > 1)
        at += 12 + length
