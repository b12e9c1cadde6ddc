"""Where the frames lie in a DICOM file, found from the pixel data, so that NumberOfFrames need not be believed.

PS3.5 A.4: encapsulated pixel data is a run of items (FFFE,E000), the first being a table of offsets, often empty,
closed by (FFFE,E0DD). Native pixel data is one block of frames of equal length.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from seqcls.errors import SourceError

_UNDEFINED = 0xFFFFFFFF
_ITEM, _END, _PIXEL_DATA = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD), (0x7FE0, 0x0010)
_LONG_VRS = (b"OB", b"OW", b"UN", b"OF", b"OD", b"OL", b"OV")

#: Starts of a JPEG, JPEG-LS or JPEG 2000 code stream: a fragment that begins so begins a frame.
_CODE_STREAMS = (b"\xff\xd8", b"\xff\x4f", b"\x00\x00\x00\x0c")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the file."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Pixels:
    """Frames as lists of pieces; ``missing`` says why the file holds less than it should, or is empty."""

    frames: tuple[tuple[Piece, ...], ...]
    missing: str = ""


def read_header(path: Path) -> tuple[Any, int]:
    """The data set up to the pixels, and where these begin. Raises SourceError, or whatever pydicom raises."""
    from pydicom import dcmread

    with path.open("rb") as stream:
        header = dcmread(stream, stop_before_pixels=True, force=True)
        position = stream.tell()
    uid = header.file_meta.TransferSyntaxUID
    if "Rows" not in header or "Columns" not in header:
        raise SourceError(f"{path}: is DICOM without an image (a report or a waveform); name an image or cine file")
    if str(uid) == "1.2.840.10008.1.2.1.99":
        raise SourceError(f"{path}: is deflated DICOM; convert it first, for example with `dcmconv +te`")
    return header, position


def find_frames(path: Path, header: Any, position: int) -> Pixels:
    """Locate every frame without reading it."""
    with path.open("rb") as stream:
        size = path.stat().st_size
        stream.seek(position)
        length = _pixel_length(stream, *header.original_encoding)
        if length is None:
            return Pixels((), "the file ends before the pixel data")
        start = stream.tell()
        if length == _UNDEFINED:
            return _encapsulated(stream, size, int(header.get("NumberOfFrames", 1) or 1))
    return _native(header, start, min(length, size - start), length)


def read_pieces(stream: BinaryIO, pieces: Sequence[Piece]) -> bytes:
    parts = []
    for piece in pieces:
        stream.seek(piece.offset)
        parts.append(stream.read(piece.length))
    return b"".join(parts)


def _pixel_length(stream: BinaryIO, implicit: bool, little: bool) -> int | None:
    """The length that the pixel data states, None where it does not begin here."""
    order = "<" if little else ">"
    form = struct.Struct(order + ("HHI" if implicit else "HH2s2xI"))
    head = stream.read(form.size)
    if len(head) < form.size:
        return None
    group, element, *vr, length = form.unpack(head)
    return int(length) if (group, element) == _PIXEL_DATA and all(name in _LONG_VRS for name in vr) else None


def _native(header: Any, start: int, available: int, declared: int) -> Pixels:
    samples, bits = int(header.get("SamplesPerPixel", 1)), int(header.get("BitsAllocated", 8))
    per_pixel = 2 if header.get("PhotometricInterpretation") == "YBR_FULL_422" else samples
    length = int(header.Rows) * int(header.Columns) * per_pixel * bits // 8
    if length < 1:
        return Pixels((), "the image has no size")
    frames = tuple((Piece(start + k * length, length),) for k in range(available // length))
    return Pixels(frames, f"the file ends {declared - available:,} bytes early" if available < declared else "")


def _encapsulated(stream: BinaryIO, size: int, declared: int) -> Pixels:
    items, missing = _items(stream, size)
    if len(items) < 2:
        return Pixels((), missing if missing else "the pixel data is empty")
    table, *fragments = items
    if len(fragments) == declared:
        return Pixels(tuple((piece,) for piece in fragments), missing)
    begins = [read_pieces(stream, (Piece(piece.offset, 4),)).startswith(_CODE_STREAMS) for piece in fragments]
    if declared == 1 and not missing and sum(begins) <= 1:
        return Pixels((tuple(fragments),), missing)
    places = [piece.offset - 8 for piece in fragments]
    offsets = read_pieces(stream, (Piece(table.offset, table.length // 4 * 4),))
    starts = {places[0] + offset for (offset,) in struct.iter_unpack("<I", offsets)}
    if len(starts) > 1 and {start for start in starts if start < size} <= set(places):
        begins = [place in starts for place in places]
    elif not any(begins):
        begins = [True] * len(fragments)  # RLE has no mark, and PS3.5 allows it one fragment per frame only
    frames: list[list[Piece]] = []
    for piece, first in zip(fragments, begins, strict=True):
        if first or not frames:
            frames.append([])
        frames[-1].append(piece)
    return Pixels(tuple(tuple(frame) for frame in frames), missing)


def _items(stream: BinaryIO, size: int) -> tuple[list[Piece], str]:
    """All items, the offset table being the first, and why they end early. Encapsulated data is little endian."""
    items: list[Piece] = []
    while len(head := stream.read(8)) == 8:
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) == _END:
            return items, ""
        start = stream.tell()
        if (group, element) != _ITEM:
            return items, f"the pixel data breaks at byte {start - 8:,}"
        if start + length > size:
            return items, "the file ends inside a frame"
        items.append(Piece(start, length))
        stream.seek(start + length)
    return items, "the file ends before its pixel data does"
