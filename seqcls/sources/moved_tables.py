"""An MP4 from whose middle bytes are missing. Its tables stand at its end, nearer to the front than it says, and FFmpeg
does not find them: it refuses the file. What lies before and behind the loss is there all the same.

FFmpeg is given the file with zeros in place of what is missing: then everything lies where the tables say.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from seqcls.errors import SourceError
from seqcls.files.named_files import open_regular
from seqcls.sources.container_bytes import BLOCK_BYTES, FileBytes, Structure
from seqcls.sources.nal_units import fills, length_bytes
from seqcls.sources.packet_budget import PacketBudget
from seqcls.sources.video_open import choose_stream, open_container

#: Boxes that may stand behind the tables of a clip, or before its images.
_AROUND = frozenset({b"ftyp", b"free", b"skip", b"wide", b"uuid", b"udta", b"meta", b"mfra"})
#: How a stream begins each image, for codecs that state no lengths.
_BEGINS = {"mpeg4": b"\0\0\1", "mjpeg": b"\xff\xd8", "prores": b"icpf"}


@dataclass(frozen=True, slots=True)
class Loss:
    """Bytes that are missing. ``start``, ``end``: where they were, with what cannot be trusted around them: positions
    as the tables count. ``count``: how many they are."""

    start: int
    end: int
    count: int

    @property
    def structure(self) -> Structure:
        """What that says of the clip."""
        return Structure(f"{self.count:,} bytes are missing from its middle, behind byte {self.start:,}")

    def touches(self, packet: Any) -> bool:
        """Whether a packet may lack some of them."""
        return packet.pos is not None and packet.pos < self.end and packet.pos + packet.size > self.start


class FilledFile(io.RawIOBase):
    """A file with ``count`` zeros at ``place``. Close it in any case."""

    def __init__(self, path: Path, place: int, count: int) -> None:
        self._file: BinaryIO = open_regular(path)
        self._place, self._count = place, count
        self._size, self._at = self._file.seek(0, io.SEEK_END) + count, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        size = max(0, min(self._size - self._at, size if size >= 0 else self._size))
        behind = self._at >= self._place + self._count
        if behind or self._at < self._place:
            size = size if behind else min(size, self._place - self._at)
            self._file.seek(self._at - (self._count if behind else 0))
            data = self._file.read(size)
        else:
            data = bytes(min(size, self._place + self._count - self._at))
        self._at += len(data)
        return data

    def close(self) -> None:
        self._file.close()
        super().close()


def missing_bytes(path: Path) -> tuple[int, int]:
    """How many bytes are missing before the tables of an MP4, and where these stand; (0, 0) where that is not so."""
    with open_regular(path) as stream:
        data = FileBytes(stream, stream.seek(0, io.SEEK_END))
        try:
            return _displaced(data)
        except (struct.error, ValueError, IndexError):
            return 0, 0


def _displaced(data: FileBytes) -> tuple[int, int]:
    position = 0
    while True:
        length, kind = data.unpack(">I4s", position)
        if length == 1:
            (length,) = data.unpack(">Q", position + 8)
        if kind == b"mdat" and length >= 16:
            break
        if kind not in _AROUND or length < 8:
            return 0, 0
        position += length
    tables = _tables(data, position + 8)
    missing = position + length - tables
    # Nobody looks for half a clip: what is filled in can be read, and takes memory.
    return (missing, tables) if tables and 0 < missing < min(length, len(data)) else (0, 0)


def _tables(data: FileBytes, begin: int) -> int:
    """Where the box of tables begins that ends, with those behind it, where the file does; 0 where there is none."""
    end = len(data)
    while end > begin:
        start = max(begin, end - BLOCK_BYTES)
        block = data.read(start, end - start + 11)
        at = len(block)
        while (at := block.rfind(b"moov", 0, at)) >= 0:
            if block[at + 8 : at + 12] == b"mvhd" and _ends_with_file(data, start + at - 4):
                return start + at - 4
        end = start
    return 0


def _ends_with_file(data: FileBytes, position: int) -> bool:
    first = True
    while position + 8 <= len(data):
        length, kind = data.unpack(">I4s", position)
        if length < 8 or not (first or kind in _AROUND):
            return False
        position, first = position + length, False
    return position == len(data)


def find_loss(path: Path) -> Loss | None:
    """What is missing of an MP4 that cannot be opened; None where that is not its fault, or where its codec does not
    show where images begin. Reads it up to there.

    Raises SourceError where it cannot be opened otherwise either, or its tables lead to the same bytes again and again.
    """
    count, tables = missing_bytes(path)
    if not count:
        return None
    with FilledFile(path, tables, count) as filled, open_container(path, "mov", None, file=filled) as container:
        stream = choose_stream(container, path)
        looks = looks_whole(stream.codec_context)
        if looks is None:
            return None
        start: int | None = None
        budget = PacketBudget(path.name, path.stat().st_size, "mov")
        try:
            for packet in container.demux(stream):
                budget.take(packet.size)
                if packet.pos is None or packet.size == 0:
                    continue
                if not looks(bytes(packet)):  # the first one behind the loss; the one before may lack its end
                    return Loss(packet.pos if start is None else start, packet.pos + count, count)
                start = packet.pos
        except SourceError:
            raise
        except Exception:  # FFmpeg's errors: it is damaged otherwise, too
            return None
    return Loss(tables, tables + count, count)


def looks_whole(context: Any) -> Callable[[bytes], bool] | None:
    """Whether a packet of this codec begins, and where it states lengths ends, as an image does; None where nobody
    can tell."""
    if width := length_bytes(context):
        return fills(width)
    if (begin := _BEGINS.get(context.name)) is not None:
        at = 4 if context.name == "prores" else 0
        return lambda data: data.startswith(begin, at)
    return None
