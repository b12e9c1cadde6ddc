"""Is a file as long, and built, as its own container says? Found without decoding, so a cut cannot pass as an end.

Decoders take a file that stops early, or that lost a stretch in the middle, for a shorter clip. Containers mostly know
better: they state the length of what follows. Only contradictions count; a container that states nothing is believed.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from seqcls.sources.packet_counters import PacketCounters

#: Walking reads a little everywhere in the file; beyond this size that would cost more than it is worth.
MAX_BYTES = 4 << 30
_BLOCK_BYTES = 1 << 14


@dataclass(frozen=True, slots=True)
class Structure:
    """``flaw`` says what is wrong, or is empty; ``frames`` is the number of frames where it is certain."""

    flaw: str = ""
    truncated: bool = False
    frames: int | None = None


def examine(path: Path, kind: str) -> Structure:
    """Walk the container's skeleton. Never raises: a file that cannot be walked gives an empty ``Structure``."""
    with contextlib.suppress(OSError, ValueError, struct.error, IndexError):
        size = path.stat().st_size
        if kind in _WALKS and size <= MAX_BYTES:
            with path.open("rb", buffering=_BLOCK_BYTES) as stream:
                return _WALKS[kind](_Bytes(stream, size))
    return Structure()


class _Bytes:
    """A buffered file as a sequence of bytes. A memory map would count the whole file as resident memory."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._size = stream, size

    def __len__(self) -> int:
        return self._size

    def read(self, start: int, length: int) -> bytes:
        """As many of these bytes as there are."""
        self._stream.seek(start)
        return self._stream.read(length)

    def __getitem__(self, position: int) -> int:
        return self.read(position, 1)[0]


def _unpack(form: str, data: _Bytes, position: int) -> tuple[Any, ...]:
    return struct.unpack(form, data.read(position, struct.calcsize(form)))


def _short(end: int, size: int) -> Structure:
    return Structure(f"the file ends {end - size:,} bytes before its container does", truncated=True)


def _broken(position: int) -> Structure:
    return Structure(f"the container's structure breaks at byte {position:,}")


def _mov(data: _Bytes) -> Structure:
    """ISO/IEC 14496-12: boxes of 4 bytes size, 4 bytes type."""
    size, position, seen = len(data), 0, set[bytes]()
    while position + 8 <= size:
        length, kind = _unpack(">I4s", data, position)
        header = 8
        if length == 1:
            (length,) = _unpack(">Q", data, position + 8)
            header = 16
        if length == 0 or (kind == bytes(4) and _whole(seen)):
            return Structure()  # to the end of the file; or padding behind a whole clip
        if length < header or not kind.isalnum():
            return Structure() if _whole(seen) else _broken(position)
        if position + length > size:
            return Structure() if _whole(seen) and kind not in (b"moov", b"mdat") else _short(position + length, size)
        seen.add(kind)
        position += length
    return Structure() if position == size or _whole(seen) else _short(position + 8, size)


def _whole(seen: set[bytes]) -> bool:
    """A clip that is not in fragments is complete with these; what follows may be anything."""
    return {b"moov", b"mdat"} <= seen and b"moof" not in seen


_AVI_CHUNK = re.compile(rb"\d\d(?:d[bc]|wb|tx|sb|pc|iv)|ix\d\d|JUNK|LIST|idx1|rec |INFO")


def _avi(data: _Bytes) -> Structure:
    """RIFF: chunks of 4 bytes name, 4 bytes size, padded to even; the frames lie in LIST movi."""
    size, position = len(data), 0
    streams = _unpack("<I", data, 56)[0] if data.read(24, 4) == b"avih" else 100
    while position + 12 <= size and data.read(position, 4) == b"RIFF":
        (length,) = _unpack("<I", data, position + 4)
        end = position + 8 + length
        if length in (0, 0xFFFFFFFF):
            return Structure()  # a recorder that never came back to fill in the size
        if end > size + 8:  # some writers count the 8 bytes of the head itself
            return _short(end, size)
        inside, movi_end, end = position + 12, 0, min(end, size)
        while inside + 8 <= end:
            name, length = _unpack("<4sI", data, inside)
            if name == b"LIST" and data.read(inside + 8, 4) in (b"movi", b"rec "):
                movi_end = max(movi_end, inside + 8 + length)
                inside += 12
                continue
            if name == b"idx1":
                movi_end = 0  # the index ends the frames, also where their list states too great a length
            if not all(32 <= c < 127 for c in name):
                return _broken(inside)
            if inside < movi_end and not (_AVI_CHUNK.fullmatch(name) and _stream_number(name) < streams):
                return _broken(inside)
            chunk_end = inside + 8 + length
            if chunk_end > size:
                return _short(chunk_end, size) if end == size else _broken(inside)
            if chunk_end > end + 1:
                return _broken(inside)
            inside = chunk_end + (length & 1)
        position = end + (end & 1)
    return Structure()


def _stream_number(name: bytes) -> int:
    """The stream that an AVI chunk belongs to, 0 for others."""
    return int(name[:2]) if name[:2].isdigit() else 0


_EBML_TOP = frozenset(
    {0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, 0xEC, 0xBF}
)
_EBML_IN_CLUSTER = frozenset({0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0x5854, 0xEC, 0xBF})
_CLUSTER = 0x1F43B675


def _matroska(data: _Bytes) -> Structure:
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


def _element(data: _Bytes, position: int) -> tuple[int, int | None, int]:
    """Id, size of the content (None when unknown), position of the content."""
    width = 9 - data[position].bit_length()
    if width > 4:
        return 0, None, position + 1
    identifier = int.from_bytes(data.read(position, width), "big")
    position += width
    width = 9 - data[position].bit_length()
    if width > 8:
        return 0, None, position + 1
    unknown = (1 << 7 * width) - 1
    length = int.from_bytes(data.read(position, width), "big") & unknown
    return identifier, None if length == unknown else length, position + width


_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")


def _asf(data: _Bytes) -> Structure:
    """Objects of 16 bytes identifier and 8 bytes size: a header, the data, indexes."""
    size, position, kind = len(data), 0, b""
    while kind != _ASF_DATA and position + 24 <= size:
        kind = data.read(position, 16)
        (length,) = _unpack("<Q", data, position + 16)
        if length < 24:
            return Structure() if kind == _ASF_DATA else _broken(position)  # a recorder that never filled in the size
        position += length
    return _short(position, size) if position > size else Structure()


def _program_stream(data: _Bytes) -> Structure:
    """ISO/IEC 13818-1 2.5: pack headers and PES packets, each with a start code and, but for packs, a length."""
    size, position = len(data), 0
    while position + 6 <= size:
        code = data.read(position, 4)
        if code[:3] != b"\x00\x00\x01":
            if not any(data.read(position, 64)):
                following = _after_zeros(data, position)
                if following == size:
                    return Structure()
                position = following - 2  # a start code itself begins with two zeros
                continue
            return _broken(position)
        if code[3] == 0xB9:
            return Structure()
        if code[3] == 0xBA:
            second = data[position + 4] >> 6 == 1  # MPEG-2's pack is longer than MPEG-1's
            position += 14 + (data[position + 13] & 7) if second else 12
        elif code[3] >= 0xBB:
            (length,) = _unpack(">H", data, position + 4)
            position += 6 + length
        else:
            return _broken(position)
    if position > size:
        return _short(position, size)
    return Structure() if position == size else _short(position + 6, size)  # half a start code is left


def _transport_stream(data: _Bytes) -> Structure:
    """ISO/IEC 13818-1 2.4: packets of 188 bytes that begin with 0x47 (192 with a time in front, as on discs)."""
    size = len(data)
    first, step = (0, 188) if data[0] == 0x47 and data[188] == 0x47 else (4, 192)
    counters = PacketCounters()
    for position in range(0, size - step + 1, step * 1024):
        block = data.read(position, step * 1024)
        marks = block[first::step]
        wrong = len(marks) - len(marks.lstrip(b"\x47"))
        if wrong < len(marks):
            position += wrong * step
            return Structure() if _after_zeros(data, position) == size else _broken(position)
        counters.add(block, first, step)
    if size % step:
        return Structure("the file ends inside a packet", truncated=True)
    return Structure(counters.flaw)


def _after_zeros(data: _Bytes, position: int) -> int:
    """The first place from here on that is not zero: files are padded so."""
    while block := data.read(position, _BLOCK_BYTES):
        rest = block.lstrip(b"\x00")
        position += len(block) - len(rest)
        if rest:
            break
    return position


def _gif(data: _Bytes) -> Structure:
    """GIF89a: header, colour table, then blocks; every image begins with 0x2C, the file ends with 0x3B."""
    position = 13 + _gif_table(data[10])
    frames, size = 0, len(data)
    while position < size:
        mark = data[position]
        if mark == 0x3B:
            return Structure(frames=frames)
        if mark == 0x21:
            position += 2
        elif mark == 0x2C:
            frames += 1
            position += 11 + _gif_table(data[position + 9])
        else:
            return _broken(position)
        lengths: set[int] = set()
        while position < size and data[position]:
            length = data[position]
            following = position + 1 + length
            # Writers fill the blocks of an image, all but the last, so unequal ones are not what was written.
            if mark == 0x2C and following < size and data[following]:
                lengths.add(length)
                if len(lengths) > 1:
                    return _broken(position)
            position = following
        position += 1
    return Structure("the file ends before the mark that ends a gif", truncated=True)


def _gif_table(flags: int) -> int:
    """Length in bytes of the colour table that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


_WALKS: dict[str, Callable[[_Bytes], Structure]] = {
    "mov": _mov,
    "avi": _avi,
    "matroska": _matroska,
    "mpeg": _program_stream,
    "mpegts": _transport_stream,
    "gif": _gif,
    "asf": _asf,
}
