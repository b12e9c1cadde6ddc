"""The data set of a DICOM file up to its pixels, read by how it is written rather than by what it says of itself.

PS3.10 puts a preamble, "DICM" and a file meta group in front that names the transfer syntax. Files without one of
them, or with a transfer syntax that does not fit, are common; the elements themselves show how they are written.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from seqcls.errors import SourceError
from seqcls.files.named_files import open_regular
from seqcls.third_party import library

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
GE_BIG_ENDIAN_PIXELS = "1.2.840.113619.5.2"

#: Transfer syntax -> (implicit, little endian) of the data set; every other one is explicit and little endian.
_WRITTEN = {
    IMPLICIT: (True, True),
    GE_BIG_ENDIAN_PIXELS: (True, True),
    BIG_ENDIAN: (False, False),
}
_NAMES = {
    (True, True): "implicit VR little endian",
    (False, True): "explicit VR little endian",
    (False, False): "explicit VR big endian",
    (True, False): "implicit VR big endian",
}

_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_VRS = _LONG_VRS | frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)

_MARK = b"DICM"
#: What downloads and copies leave under the name of a DICOM file.
_KINDS = {
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"%pdf": "a PDF",
    b"pk\3\4": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
}
#: Bytes in which the first elements of a data set are looked for.
_HEAD_BYTES = 1024

#: A deflated data set is unpacked in memory, for a moment twice: so much is a cine of 500 frames of 800 x 600 pixels.
MAX_INFLATED_BYTES = 256 << 20
#: A longer value in front of the pixels (a volume, a scanner's own data) is passed over; all others together have no
#: more than so many bytes, in so many pieces, of which an element takes two or three.
MAX_VALUE_BYTES, MAX_HEADER_BYTES, MAX_READS = 16 << 20, 128 << 20, 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """What stands in front of the pixels, and where these are."""

    path: Path
    data: Any
    """The pydicom data set without the pixels."""
    syntax: str
    """UID of the transfer syntax as stated; empty where none is."""
    position: int
    """Where the element of the pixel data begins in what ``open`` gives."""
    implicit: bool
    little: bool
    notes: tuple[str, ...] = ()
    """Where the file was not read as it says."""
    inflated: bytes | None = None
    """The data set, where the file holds it deflated."""

    def open(self) -> BinaryIO:
        """The bytes in which ``position`` counts; to be closed by the caller."""
        return open_regular(self.path) if self.inflated is None else io.BytesIO(self.inflated)


def looks_like_dicom(head: bytes) -> bool:
    """Whether a file that begins so is DICOM: by its mark, or by its elements where that is missing. Raises nothing."""
    place = _begin(head)
    if head[max(0, place - 4) : place] == _MARK:
        return True
    first = head[place : place + 6]
    is_meta = first[:2] == b"\x02\0" and first[4:] in (b"UL", b"OB", b"UI")
    return is_meta or (first[:2] in (b"\x08\0", b"\0\x08") and _written(head[place:]) is not None)


def read_header(path: Path) -> Header:
    """The data set up to the pixels. Raises SourceError, or whatever pydicom raises on damaged elements."""
    library("pydicom")  # the first of all its imports
    from pydicom.filereader import read_dataset
    from pydicom.tag import BaseTag

    def behind_meta(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return tag.group != 2

    def at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return tag in (0x7FE00008, 0x7FE00009, 0x7FE00010)

    inflated, notes = None, []
    with open_regular(path) as stream:
        head = stream.read(_HEAD_BYTES)
        stream.seek(begin := _begin(head))
        if begin > 132 and head[begin - 4 : begin] == _MARK:
            notes.append(f"the file begins with {begin - 132} bytes that are no DICOM: read from behind them")
        bounded: Any = _Bounded(stream, path)
        meta = read_dataset(bounded, False, True, stop_when=behind_meta, defer_size=MAX_VALUE_BYTES)
        syntax = str(meta.get("TransferSyntaxUID") or "").strip()
        start = stream.tell()
        found = _written(stream.read(_HEAD_BYTES))
        if found is None:
            stream.seek(start)
            inflated = _inflate(stream, path, meant=syntax == DEFLATED)
            found = (False, True) if inflated is not None else None
        if found is None and not looks_like_dicom(head):
            raise SourceError(
                f"{path}: is no DICOM, whatever its name says: it holds {_content(head)}; get a fresh copy"
            )
        implicit, little = stated = _WRITTEN.get(syntax, (False, True)) if syntax else (True, True)
        if found is not None:
            implicit, little = found
        if not syntax:
            notes.append(f"the file states no transfer syntax: read as {_NAMES[implicit, little]}")
        elif (implicit, little) != stated:
            notes.append(f"the data set says {_NAMES[stated]} but is written as {_NAMES[implicit, little]}")
        elif inflated is not None and syntax != DEFLATED:
            notes.append("the data set is deflated though the transfer syntax does not say so")
        body: BinaryIO = stream if inflated is None else io.BytesIO(inflated)
        body.seek(start if inflated is None else 0)
        bounded = _Bounded(body, path)
        data = read_dataset(bounded, implicit, little, stop_when=at_pixels, defer_size=MAX_VALUE_BYTES)
        return Header(path, data, syntax, body.tell(), implicit, little, tuple(notes), inflated)


class _Bounded:
    """A stream as pydicom reads it: what a file states is no reason to ask for more than it has, nor to read for ever.

    Raises SourceError once the bounds above are exceeded.
    """

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._path = stream, path
        place = stream.tell()
        self._size = stream.seek(0, io.SEEK_END)
        stream.seek(place)
        self._left, self._reads = MAX_HEADER_BYTES, 0
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, length: int = -1) -> bytes:
        rest = max(0, self._size - self._stream.tell())
        length = rest if length < 0 else min(length, rest)  # a file makes room for all that it is asked for
        self._left, self._reads = self._left - length, self._reads + 1
        if self._left < 0 or self._reads > MAX_READS:
            raise SourceError(f"{self._path}: holds too much in front of its pixels; export it again without the rest")
        return self._stream.read(length)


def _begin(head: bytes) -> int:
    """Where the first element stands: behind the preamble and its mark, behind one of the two, or at once.

    Foreign bytes may precede the preamble.
    """
    if head[128:132] == _MARK:
        return 132
    if head[:4] == _MARK:
        return 4
    if (place := head.find(_MARK + b"\2\0")) >= 0:  # behind what a web server or a transfer put in front
        return place + 4
    if len(head) > 128 and not any(head[:128]) and any(head[128:132]):
        return 128
    return 0


def _content(head: bytes) -> str:
    """What a file is that begins so and is no DICOM, for a message."""
    if not any(head):
        return "nothing but zeros"
    for start, name in _KINDS.items():
        if head.lstrip().lower().startswith(start):
            return name
    printable = sum(32 <= byte < 127 or byte in b"\t\n\r\f" for byte in head)
    return "text" if printable > 0.8 * len(head) else "nothing that is known"


def _written(head: bytes) -> tuple[bool, bool] | None:
    """(implicit, little endian) of the elements that begin here; None where nothing like a data set does."""
    for implicit, little in _NAMES:
        if sum(1 for _ in _elements(head, implicit, little)) >= 2:
            return implicit, little
    return None


def _elements(head: bytes, implicit: bool, little: bool) -> Iterator[int]:
    """The tags of the elements that can be followed in ``head``; they rise, as PS3.5 7.1 wants it."""
    order, place, last = "<" if little else ">", 0, 0
    while place + 8 <= len(head):
        group, element = struct.unpack_from(order + "HH", head, place)
        vr, tag = head[place + 4 : place + 6], group << 16 | element
        if tag <= last or group > 0x7FE0:
            return
        if implicit:
            (length,) = struct.unpack_from(order + "I", head, place + 4)
            place += 8
        elif vr in _LONG_VRS and place + 12 <= len(head):
            (length,) = struct.unpack_from(order + "I", head, place + 8)
            place += 12
        elif vr in _VRS:
            (length,) = struct.unpack_from(order + "H", head, place + 6)
            place += 8
        else:
            return
        if length != 0xFFFFFFFF and length > 1 << 24 and group != 0x7FE0:
            return
        yield tag
        last, place = tag, place + length


def _inflate(stream: BinaryIO, path: Path, *, meant: bool) -> bytes | None:
    """The data set unpacked (PS3.5 A.5), None where it is not deflated. Raises SourceError where it ought to be."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = engine.decompress(stream.read(MAX_INFLATED_BYTES), MAX_INFLATED_BYTES)
    except zlib.error:
        if meant:
            raise SourceError(f"{path}: says that it is deflated but cannot be inflated; get a fresh copy") from None
        return None
    if engine.unconsumed_tail:
        raise SourceError(
            f"{path}: is deflated DICOM of more than {MAX_INFLATED_BYTES >> 20} MB; convert it first, for example with"
            " `dcmconv`"
        )
    return data if _written(data[:_HEAD_BYTES]) is not None else None
