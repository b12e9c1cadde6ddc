"""Where the frames lie in a DICOM file, found from the pixel data, so that NumberOfFrames need not be believed.

PS3.5 A.4: encapsulated pixel data is a run of items (FFFE,E000), the first being a table of offsets, often empty,
closed by (FFFE,E0DD). Native pixel data is one block of frames of equal length.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from seqcls.sources.dicom_stream import begins_frame

_UNDEFINED = 0xFFFFFFFF
_ITEM, _END, _PIXEL_DATA = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD), (0x7FE0, 0x0010)
_ITEM_BYTES = b"\xfe\xff\x00\xe0"
_LONG_VRS = (b"OB", b"OW", b"UN", b"OF", b"OD", b"OL", b"OV")

#: Enough of a fragment to know whether a frame begins there: RLE has the longest mark.
_MARK_BYTES = 64

#: The end of a JPEG or JPEG 2000 stream behind which the next one begins.
_NEXT_STREAM = re.compile(rb"\xff\xd9\0{0,3}(?=\xff\xd8\xff|\xff\x4f\xff\x51)")


#: Frames of one file, and pieces that they lie in: 2 hours at 60 a second, and 0.1 GB.
MAX_FRAMES = 500_000


class TooManyFramesError(ValueError):
    """More frames, or pieces of frames, than MAX_FRAMES."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the file."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class PixelData:
    """The value of the pixel data element."""

    start: int
    length: int
    """As stated, or up to the end of the file where it is not."""
    available: int
    """Bytes of it that the file holds."""
    in_words: bool
    """Its VR is OW."""
    in_items: bool
    """Encapsulated."""
    open_ended: bool
    """Its length is not stated: an item says where it ends."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Frames as lists of pieces; ``missing`` says why the file holds less than it should, or is empty."""

    frames: tuple[tuple[Piece, ...], ...]
    missing: str = ""


def find_pixel_data(stream: BinaryIO, position: int, *, implicit: bool, little: bool) -> PixelData | None:
    """The element that begins at ``position``; None where no pixel data does."""
    size = stream.seek(0, 2)
    stream.seek(position)
    order = "<" if little else ">"
    form = struct.Struct(order + ("HHI" if implicit else "HH2s2xI"))
    head = stream.read(form.size)
    if len(head) < form.size:
        return None
    group, element, *vr, length = form.unpack(head)
    if (group, element) != _PIXEL_DATA or not all(name in _LONG_VRS for name in vr):
        return None
    start = stream.tell()
    items = stream.read(20)
    in_items = items.startswith(_ITEM_BYTES)
    if in_items and length != _UNDEFINED:  # encapsulated all the same, if a second item follows the first
        stream.seek(start + 8 + struct.unpack_from("<I", items.ljust(8, b"\0"), 4)[0])
        in_items = stream.read(4) == _ITEM_BYTES
    open_ended = length == _UNDEFINED
    length = size - start if open_ended else int(length)
    return PixelData(start, length, min(length, size - start), [*vr, b"OW"][0] == b"OW", in_items, open_ended)


def native_frames(data: PixelData, frame_bytes: int) -> Pixels:
    """One piece for each frame of ``frame_bytes``. Raises TooManyFramesError."""
    count = data.available // frame_bytes
    _require_few(count)
    frames = tuple((Piece(data.start + k * frame_bytes, frame_bytes),) for k in range(count))
    lacking = data.length - data.available
    return Pixels(frames, f"the file ends {lacking:,} bytes early" if lacking else "")


def compressed_frames(stream: BinaryIO, data: PixelData, declared: int) -> Pixels:
    """Locate every frame without decoding it. ``declared``: the number of frames as stated, 0 where it is not.

    Raises TooManyFramesError.
    """
    size = stream.seek(0, 2)
    stream.seek(data.start)
    items, missing = _items(stream, size, size if data.open_ended else data.start + data.length)
    if not data.open_ended and data.available == data.length and stream.tell() >= data.start + data.length:
        missing = ""
    if len(items) < 2:
        return Pixels((), missing if missing else "the pixel data is empty")
    table, *fragments = items
    begins = [begins_frame(read_pieces(stream, (Piece(piece.offset, _MARK_BYTES),))) for piece in fragments]
    if len(fragments) == declared and 2 * sum(begins) > declared:
        begins = [True] * declared  # those without a mark are damaged
    elif not any(begins):
        begins = _without_marks(stream, table, fragments, max(1, declared), missing, size)
    frames: list[list[Piece]] = []
    for piece, first in zip(fragments, begins, strict=True):
        if first or not frames:
            frames.append([])
        frames[-1].append(piece)
    if len(frames) < declared:
        whole, frames = frames, []
        for frame in whole:
            frames += split_streams(stream, frame)
            _require_few(len(frames))
    return Pixels(tuple(tuple(frame) for frame in frames), missing)


def _require_few(count: int) -> None:
    if count > MAX_FRAMES:
        raise TooManyFramesError(f"it holds more than {MAX_FRAMES:,} frames or pieces of frames")


def split_streams(stream: BinaryIO, frame: list[Piece]) -> Iterator[list[Piece]]:
    """The frames of a fragment in which several lie one behind the other. Raises TooManyFramesError."""
    if len(frame) != 1:
        yield frame
        return
    (piece,) = frame
    matches = itertools.islice(_NEXT_STREAM.finditer(read_pieces(stream, frame)), MAX_FRAMES + 1)
    ends = [match.end() for match in matches]
    _require_few(len(ends))
    for start, end in zip([0, *ends], [*ends, piece.length], strict=True):
        yield [Piece(piece.offset + start, end - start)]


def read_pieces(stream: BinaryIO, pieces: Sequence[Piece]) -> bytes:
    parts = []
    for piece in pieces:
        stream.seek(piece.offset)
        parts.append(stream.read(piece.length))
    return b"".join(parts)


def _without_marks(
    stream: BinaryIO, table: Piece, fragments: list[Piece], declared: int, missing: str, size: int
) -> list[bool]:
    """Which fragments begin a frame, by the table of offsets, else by their number."""
    if len(fragments) == declared:
        return [True] * len(fragments)
    places = [piece.offset - 8 for piece in fragments]
    offsets = read_pieces(stream, (Piece(table.offset, table.length // 4 * 4),))
    starts = {places[0] + offset for (offset,) in struct.iter_unpack("<I", offsets)}
    if len(starts) > 1 and {start for start in starts if start < size} <= set(places):
        return [place in starts for place in places]
    one = declared == 1 and not missing
    return [k == 0 or not one for k in range(len(fragments))]


def _items(stream: BinaryIO, size: int, stop: int) -> tuple[list[Piece], str]:
    """All items, the offset table being the first, and why they end early. Encapsulated data is little endian."""
    items: list[Piece] = []
    while stream.tell() < stop and len(head := stream.read(8)) == 8:
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) == _END:
            return items, ""
        start = stream.tell()
        if (group, element) != _ITEM:
            return items, f"the pixel data breaks at byte {start - 8:,}"
        if start + length > size:
            return items, "the file ends inside a frame"
        items.append(Piece(start, length))
        _require_few(len(items) - 1)
        stream.seek(start + length)
    return items, "the file ends before its pixel data does"
