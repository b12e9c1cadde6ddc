"""Is a file as long, and built, as its own container says? Found without decoding, so a cut cannot pass as an end.

Decoders take a file that stops early, or that lost a stretch in the middle, for a shorter film. Containers mostly know
better: they state the length of what follows. Only contradictions count; a container that states nothing is believed.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: Walking reads a little everywhere in the file; beyond this size that would cost more than it tells.
MOST_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class Structure:
    """``missing`` and ``broken`` are reasons or empty; ``frames`` is the number of pictures where it is certain."""

    missing: str = ""
    broken: str = ""
    frames: int | None = None


def examine(path: Path, kind: str) -> Structure:
    """Walk the container's skeleton. Never raises: a file that cannot be walked says nothing."""
    walk = _WALKS.get(kind)
    if walk is None:
        return Structure()
    try:
        if path.stat().st_size > MOST_BYTES:
            return Structure()
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return walk(data)
    except (OSError, ValueError, struct.error, IndexError):
        return Structure()


def _short(end: int, size: int) -> Structure:
    return Structure(missing=f"the file ends {end - size:,} bytes before its container does")


def _broken(position: int) -> Structure:
    return Structure(broken=f"the container's structure breaks at byte {position:,}")


def _mov(data: mmap.mmap) -> Structure:
    """ISO/IEC 14496-12: boxes of 4 bytes size, 4 bytes type."""
    size, position, seen = len(data), 0, set[bytes]()
    while position + 8 <= size:
        length, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, position + 8)
            header = 16
        if length == 0 or (kind == bytes(4) and _whole(seen)):
            return Structure()  # to the end of the file; or padding behind a whole film
        if length < header or not kind.isalnum():
            return Structure() if _whole(seen) else _broken(position)
        if position + length > size:
            return Structure() if _whole(seen) and kind not in (b"moov", b"mdat") else _short(position + length, size)
        seen.add(kind)
        position += length
    return Structure() if position == size or _whole(seen) else _short(position + 8, size)


def _whole(seen: set[bytes]) -> bool:
    """A film that is not in fragments is complete with these; what follows may be anything."""
    return {b"moov", b"mdat"} <= seen and b"moof" not in seen


_AVI_CHUNK = re.compile(rb"\d\d(?:d[bc]|wb|tx|sb|pc|iv)|ix\d\d|JUNK|LIST|idx1|rec |INFO")


def _avi(data: mmap.mmap) -> Structure:
    """RIFF: chunks of 4 bytes name, 4 bytes size, padded to even; the pictures lie in LIST movi."""
    size, position = len(data), 0
    streams = struct.unpack_from("<I", data, 56)[0] if data[24:28] == b"avih" else 100
    while position + 12 <= size and data[position : position + 4] == b"RIFF":
        (length,) = struct.unpack_from("<I", data, position + 4)
        end = position + 8 + length
        if length in (0, 0xFFFFFFFF):
            return Structure()  # a recorder that never came back to fill in the size
        if end > size:
            return _short(end, size)
        inside, in_movi = position + 12, False
        while inside + 8 <= end:
            name, length = struct.unpack_from("<4sI", data, inside)
            if name == b"LIST" and data[inside + 8 : inside + 12] in (b"movi", b"rec "):
                inside += 12
                in_movi = True
                continue
            if not all(32 <= c < 127 for c in name) or (in_movi and not _AVI_CHUNK.fullmatch(name)):
                return _broken(inside)
            if name[:2].isdigit() and int(name[:2]) >= streams:
                return _broken(inside)
            inside += 8 + length + (length & 1)
            if inside > end + 1:
                return _broken(inside - 8 - length)
        position = end + (end & 1)
    return Structure()


_EBML_TOP = frozenset(
    {0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, 0xEC, 0xBF}
)
_EBML_IN_CLUSTER = frozenset({0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0x5854, 0xEC, 0xBF})
_CLUSTER = 0x1F43B675


def _matroska(data: mmap.mmap) -> Structure:
    """RFC 8794 and 9559: elements of a variable-length id and size; all ones means unknown size."""
    size = len(data)
    _, length, position = _element(data, 0)
    position += 0 if length is None else length
    identifier, length, position = _element(data, position)
    if identifier != 0x18538067:
        return _broken(position)
    end = size if length is None else position + length
    if end > size:
        return _short(end, size)
    allowed = _EBML_TOP
    while position < end:
        start = position
        try:
            identifier, length, position = _element(data, position)
        except (IndexError, struct.error):
            return _short(start + 12, size)
        if identifier not in allowed:
            return _broken(start)
        if length is None:
            if identifier != _CLUSTER:
                return _broken(start)
            allowed = _EBML_TOP | _EBML_IN_CLUSTER  # a cluster of unknown size: its children follow, then its siblings
            continue
        position += length
        if position > end:
            return _short(position, size) if end == size else _broken(start)
    return Structure()


def _element(data: mmap.mmap, position: int) -> tuple[int, int | None, int]:
    """Id, size of the content (None when unknown), position of the content."""
    first = data[position]
    width = 9 - first.bit_length()
    if width > 4:
        return 0, None, position + 1
    identifier = int.from_bytes(data[position : position + width], "big")
    position += width
    first = data[position]
    width = 9 - first.bit_length()
    if width > 8:
        return 0, None, position + 1
    value = int.from_bytes(data[position : position + width], "big") & ((1 << 7 * width) - 1)
    return identifier, None if value == (1 << 7 * width) - 1 else value, position + width


def _program_stream(data: mmap.mmap) -> Structure:
    """ISO/IEC 13818-1 2.5: pack headers and PES packets, each with a start code and, but for packs, a length."""
    size, position = len(data), 0
    while position + 6 <= size:
        code = data[position : position + 4]
        if code[:3] != b"\x00\x00\x01":
            if not any(data[position : position + 64]):
                following = data.find(b"\x00\x00\x01\xba", position)
                if following < 0:
                    return Structure()
                position = following
                continue
            return _broken(position)
        if code[3] == 0xB9:
            return Structure()
        if code[3] == 0xBA:
            second = data[position + 4] >> 6 == 1  # MPEG-2's pack is longer than MPEG-1's
            position += 14 + (data[position + 13] & 7) if second else 12
        elif code[3] >= 0xBB:
            (length,) = struct.unpack_from(">H", data, position + 4)
            position += 6 + length
        else:
            return _broken(position)
    if position > size:
        return _short(position, size)
    return Structure() if position == size else _short(position + 6, size)  # half a start code is left


def _transport_stream(data: mmap.mmap) -> Structure:
    """ISO/IEC 13818-1 2.4: packets of 188 bytes that begin with 0x47 (192 with a time in front, as on discs)."""
    size = len(data)
    first, step = (0, 188) if data[0] == 0x47 and data[188] == 0x47 else (4, 192)
    if data[first] != 0x47:
        return _broken(0)
    marks = np.frombuffer(data, np.uint8)[first::step]
    wrong = np.flatnonzero(marks != 0x47)
    position = int(wrong[0]) * step if len(wrong) else -1
    del marks, wrong  # the map cannot be closed while a view of it lives
    if position >= 0:
        return _broken(position)
    return Structure(missing="the file ends inside a packet") if size % step else Structure()


def _gif(data: mmap.mmap) -> Structure:
    """GIF89a: header, colour table, then blocks; every picture begins with 0x2C, the file ends with 0x3B."""
    flags = data[10]
    position = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    frames, size = 0, len(data)
    while position < size:
        mark = data[position]
        if mark == 0x3B:
            return Structure(frames=frames)
        if mark == 0x21:
            position += 2
        elif mark == 0x2C:
            frames += 1
            flags = data[position + 9]
            position += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        else:
            return _broken(position)
        lengths: set[int] = set()
        while position < size and data[position]:
            length = data[position]
            following = position + 1 + length
            # Writers fill the blocks of a picture, all but the last, so unequal ones are not what was written.
            if mark == 0x2C and following < size and data[following]:
                lengths.add(length)
                if len(lengths) > 1:
                    return _broken(position)
            position = following
        position += 1
    return Structure(missing="the file ends before the mark that ends a gif", frames=None)


_WALKS: dict[str, Callable[[mmap.mmap], Structure]] = {
    "mov": _mov,
    "avi": _avi,
    "matroska": _matroska,
    "mpeg": _program_stream,
    "mpegts": _transport_stream,
    "gif": _gif,
}
