"""What a compressed frame says of itself: its size, its samples, and what they mean.

The stream was written by the encoder, the DICOM header often by another program: where the two differ, the stream is
right. Markers: ITU-T T.81 Annex B (JPEG), T.87 (JPEG-LS), T.800 Annex A and I (JPEG 2000); PS3.5 Annex G (RLE).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Codec = Literal["", "jpeg", "lossless jpeg", "jpeg-ls", "jpeg 2000", "rle", "jpeg xl", "video"]

#: A stream that states more is damaged: DICOM holds sides in 16 bits.
MAX_SIDE = 65535

_VIDEO = (b"\0\0\x01\xb3", b"\0\0\x01\xba", b"\0\0\0\x01")
_JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL ")
_JP2 = b"\0\0\0\x0cjP  "
_J2K = b"\xff\x4f\xff\x51"

_FOREIGN = {b"\x89PNG\r\n": "PNG", b"GIF8": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF"}

_SOF, _LOSSLESS, _NO_SOF = range(0xC0, 0xD0), (0xC3, 0xCB), (0xC4, 0xC8, 0xCC)
_SOF_LS, _SOS, _EOI, _APP0, _APP14 = 0xF7, 0xDA, 0xD9, 0xE0, 0xEE

#: Last numbers of the transfer syntaxes 1.2.840.10008.1.2.4.* (PS3.6 Annex A).
_JPEG_SYNTAXES: dict[Codec, frozenset[int]] = {
    "jpeg": frozenset({50, 51, 52, 53, 54, 55, 56, 59, 60, 61, 62, 63, 64}),
    "lossless jpeg": frozenset({57, 58, 65, 66, 70}),
    "jpeg-ls": frozenset({80, 81}),
    "jpeg 2000": frozenset({90, 91, 92, 93, 201, 202, 203}),
    "video": frozenset(range(100, 109)),
    "jpeg xl": frozenset({110, 111, 112}),
}


def codec_of_syntax(uid: str) -> Codec:
    """What a transfer syntax says that the pixels are compressed with; "" for none and for those not known."""
    if uid == "1.2.840.10008.1.2.5":
        return "rle"
    head, _, rest = uid.partition("1.2.840.10008.1.2.4.")
    last = rest.split(".")[0]
    number = int(last) if not head and last.isdecimal() else 0
    return next((codec for codec, numbers in _JPEG_SYNTAXES.items() if number in numbers), "")


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """One frame's stream; 0 and "" where it does not say."""

    codec: Codec = ""
    width: int = 0
    height: int = 0
    samples: int = 0
    bits: int = 0
    """Of one sample."""
    signed: bool = False
    color: Literal["", "rgb", "ybr"] = ""
    """Of three samples as the decoder hands them over, where the stream leaves no doubt."""
    because: str = ""
    """What says so."""


def read_stream(data: bytes) -> StreamFacts:
    """Facts of the stream that begins here; a codec of "" where it is none of those known. Raises nothing."""
    try:
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data.startswith((_J2K, _JP2)):
            return _jpeg_2000(data)
        if data.startswith(_JPEG_XL):
            return StreamFacts("jpeg xl")
        if data.startswith(_VIDEO) or data[4:8] == b"ftyp":
            return StreamFacts("video")
        if segments := rle_segments(data):
            samples = 3 if segments % 3 == 0 else 1
            return StreamFacts("rle", samples=samples, bits=8 * segments // samples)
    except (struct.error, IndexError):  # it ends inside its header
        pass
    return StreamFacts()


def foreign_image(data: bytes) -> str:
    """The name of an image format that frames of DICOM cannot have, though some writers put such files into its items;
    "" where the stream that begins here is none of them."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    return next((name for mark, name in _FOREIGN.items() if data.startswith(mark)), "")


def begins_frame(head: bytes) -> bool:
    """Whether a fragment that begins so begins a frame, by the mark of its stream (64 bytes suffice)."""
    return head.startswith((b"\xff\xd8\xff", _J2K, _JP2)) or rle_segments(head) > 0


def rle_segments(data: bytes) -> int:
    """Number of segments by an RLE header, which begins every RLE frame; 0 where this is none."""
    if len(data) < 64:
        return 0
    count, *offsets = struct.unpack_from("<16I", data)
    used, unused = offsets[:count], offsets[count:]
    fits = 1 <= count <= 15 and used[0] == 64 and used == sorted(set(used)) and not any(unused)
    return count if fits else 0


def rle_pixels(data: bytes, segment: int = 0) -> int:
    """How many values a segment of an RLE frame, counted from 0, unpacks to (PS3.5 G.3)."""
    offsets = (*struct.unpack_from("<16I", data)[1:], 0)
    first, second = offsets[segment : segment + 2]
    packed, place, count = data[first : second if second else len(data)], 0, 0
    while place < len(packed):
        run = packed[place]
        if run < 128:
            count += run + 1 if place + run + 1 < len(packed) else 0  # not one byte that pads the segment
            place += run + 2
        else:
            count += 257 - run if run > 128 else 0
            place += 2 if run > 128 else 1
    return count


def code_stream(data: bytes) -> bytes:
    """JPEG 2000 without the boxes of a JP2 file, which a decoder would heed and DICOM does not allow."""
    return data[max(0, data.find(_J2K)) :] if data.startswith(_JP2) else data


def with_color(data: bytes, transform: int) -> bytes:
    """A JPEG whose decoder converts YCbCr to RGB (``transform`` 1) or hands over the samples as they are (0)."""
    parts, place = [b"\xff\xd8\xff\xee\0\x0eAdobe\0\x64\0\0\0\0", bytes([transform])], 2
    for marker, start, end in _segments(data):
        if marker in (_APP0, _APP14):
            parts.append(data[place:start])
            place = end
    return b"".join([*parts, data[place:]])


#: Bytes that fill, and markers without a body.
_FILL = re.compile(rb"(?:\xff(?=\xff)|\xff[\x01\xd0-\xd8])+")


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, begin and end of each segment up to the scan; what precedes a marker is its fill bytes."""
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            return
        if (fill := _FILL.match(data, place)) is not None:
            place = fill.end()
            continue
        marker = data[place + 1]
        (length,) = struct.unpack_from(">H", data, place + 2)
        yield marker, place, place + 2 + length
        if marker in (_SOS, _EOI):
            return
        place += 2 + length


def _jpeg(data: bytes) -> StreamFacts:
    codec: Codec = "jpeg"
    bits = height = width = 0
    components: list[tuple[int, int]] = []  # id, sampling factors
    adobe, jfif = -1, False
    for marker, start, end in _segments(data):
        body = data[start + 4 : end]
        if marker == _APP0 and body.startswith(b"JFIF\0"):
            jfif = True
        elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        elif (marker in _SOF and marker not in _NO_SOF) or marker == _SOF_LS:
            bits, height, width, count = struct.unpack_from(">BHHB", body)
            components = [(body[6 + 3 * k], body[7 + 3 * k]) for k in range(count)]
            codec = "jpeg-ls" if marker == _SOF_LS else "lossless jpeg" if marker in _LOSSLESS else "jpeg"
    color: Literal["", "rgb", "ybr"] = ""
    because = ""
    names, samplings = [name for name, _ in components], {sampling for _, sampling in components}
    if len(components) == 3:
        if codec == "lossless jpeg" and bits == 9:  # FFmpeg's own way to write 8 bits with a reversible transform
            bits, color, because = 8, "rgb", "they have a reversible color transform"
        elif len(samplings) > 1:
            color, because = "ybr", "their chroma is subsampled"
        elif adobe in (0, 1):
            color, because = ("rgb", "ybr")[adobe], f"by their Adobe marker, transform {adobe}"
        elif names == [*b"RGB"]:
            color, because = "rgb", "their components are named R, G, B"
        elif jfif and codec == "jpeg":
            color, because = "ybr", "by their JFIF marker"
    return StreamFacts(codec, width, height, len(components), bits, color=color, because=because)


def _jpeg_2000(data: bytes) -> StreamFacts:
    boxes, stream = (data, code_stream(data)) if data.startswith(_JP2) else (b"", data)
    xsize, ysize, x0, y0 = struct.unpack_from(">4I", stream, 8)
    count, depth = struct.unpack_from(">HB", stream, 40)
    color: Literal["", "rgb", "ybr"] = ""
    because = ""
    if count == 3:
        if _has_component_transform(stream):
            color, because = "rgb", "they have a component transform"
        elif (place := boxes.find(b"colr\x01")) > 0:
            (space,) = struct.unpack_from(">I", boxes, place + 7)
            if space in (16, 18):
                color, because = ("rgb", "their box says sRGB") if space == 16 else ("ybr", "their box says sYCC")
    width, height = xsize - x0, ysize - y0
    if max(width, height) > MAX_SIDE:
        return StreamFacts("jpeg 2000")
    return StreamFacts("jpeg 2000", width, height, count, (depth & 0x7F) + 1, depth > 0x7F, color, because)


def _has_component_transform(stream: bytes) -> bool:
    """By the COD marker; the decoder then hands over RGB."""
    place = 2
    while place + 4 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, place)
        if marker == 0xFF52:
            return stream[place + 8] != 0
        if marker in (0xFF90, 0xFF93):  # the first tile-part begins
            return False
        place += 2 + length
    return False
