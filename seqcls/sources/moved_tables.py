"""An MP4 from whose middle bytes are missing. What lies behind them is nearer to the front than it says. Mostly its
tables are, which FFmpeg does not find then: it refuses the file. Where they stand in front, it reads at wrong places.

FFmpeg is given the file with zeros in place of what is missing: then everything lies where the tables say.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

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
    """How many bytes of its images an MP4 lacks, and where in it these should have ended; (0, 0) where all are there.
    Whether they are missing in the middle, or at the end of a file whose tables stand in front, is not known yet."""
    with open_regular(path) as stream:
        data = FileBytes(stream, stream.seek(0, io.SEEK_END))
        try:
            return _displaced(data)
        except (struct.error, ValueError, IndexError):
            return 0, 0


def _displaced(data: FileBytes) -> tuple[int, int]:
    position, in_front = 0, False
    while True:
        length, kind = data.unpack(">I4s", position)
        if length == 1:
            (length,) = data.unpack(">Q", position + 8)
        if kind == b"mdat" and length >= 16:
            break
        in_front |= kind == b"moov"
        if kind not in {*_AROUND, b"moov"} or length < 8:
            return 0, 0
        position += length
    end = position + length
    if not in_front and data.read(end + 4, 4) == b"moov":
        return 0, 0
    last = len(data) if in_front else _tables(data, position + 8)
    # Nobody looks for half a clip: what is filled in can be read, and takes memory.
    return (end - last, last) if last and 0 < end - last < min(length, len(data)) else (0, 0)


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
    """What is missing in the middle of an MP4; None where nothing is, or where its codec does not show where images
    begin. Where something is missing it is read up to there."""
    try:
        count, last = missing_bytes(path)
        if not count:
            return None
        with FilledFile(path, last, count) as filled, open_container(path, "mov", None, file=filled) as container:
            stream = choose_stream(container, path)
            looks = looks_whole(stream.codec_context)
            if looks is None:
                return None
            found, is_proven = _loss(path, container.demux(stream), looks, count)
        if is_proven is None and last < path.stat().st_size:  # nothing lies behind it but the tables
            return Loss(last, last + count, count) if found is None else found
        return found if is_proven else None
    except Exception:  # FFmpeg's errors: it is damaged otherwise, too, which is told where it is opened
        return None


def _loss(
    path: Path, packets: Iterable[Any], looks: Callable[[bytes], bool], count: int
) -> tuple[Loss | None, bool | None]:
    """Where ``count`` bytes are missing, and whether packets behind lie so much nearer to the front; None where there
    are none: then the file may end early. ``packets``: from where the tables say."""
    before: int | None = None
    loss: Loss | None = None
    budget = PacketBudget(path.name, path.stat().st_size, "mov")
    for packet in packets:
        budget.take(packet.size)
        if packet.pos is None or packet.size == 0:
            continue
        if loss is None and looks(bytes(packet)):
            before = packet.pos
        elif loss is None:  # the first one behind the loss; the one before may lack its end
            loss = Loss(packet.pos if before is None else before, packet.pos + count, count)
        elif packet.pos >= loss.end:
            with open_regular(path) as stream:
                stream.seek(packet.pos - count)
                return loss, looks(stream.read(packet.size))
    return loss, None


def looks_whole(context: Any) -> Callable[[bytes], bool] | None:
    """Whether a packet of this codec begins, and where it states lengths ends, as an image does; None where nobody
    can tell."""
    if width := length_bytes(context):
        return fills(width)
    if (begin := _BEGINS.get(context.name)) is not None:
        at = 4 if context.name == "prores" else 0
        return lambda data: data.startswith(begin, at)
    return None
