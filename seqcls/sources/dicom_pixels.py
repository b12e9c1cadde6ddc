"""The pixels of a DICOM file: where its frames lie and how they are to be read, whatever the header says of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import NoFramesError, SourceError
from seqcls.sources import dicom_content as content
from seqcls.sources.base import require_sane_size
from seqcls.sources.dicom_decode import decoder_for, fits_rle
from seqcls.sources.dicom_evidence import Label, Meaning, PixelReading, compressed_reading, read_label, says
from seqcls.sources.dicom_fields import text
from seqcls.sources.dicom_fragments import (
    Piece,
    PixelData,
    Pixels,
    TooManyFramesError,
    compressed_frames,
    find_pixel_data,
    native_frames,
    read_pieces,
    split_streams,
)
from seqcls.sources.dicom_header import GE_BIG_ENDIAN_PIXELS, Header
from seqcls.sources.dicom_levels import palette_of
from seqcls.sources.dicom_native import Block, native_reading, right_way_round
from seqcls.sources.dicom_stream import Codec, StreamFacts, codec_of_syntax, foreign_image, read_stream, rle_pixels

#: Enough of a frame for its stream's header.
_HEAD_BYTES = 1 << 20
#: Samples that are places in a palette change so many times more between neighbours than what they stand for.
_ROUGHER = 2.0


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """Frames as pieces of the file, and how each is to be read."""

    frames: tuple[tuple[Piece, ...], ...]
    missing: str
    """Why the file holds less than it should; empty where it does not."""
    label: Label
    reading: PixelReading
    codec: Codec
    """Of the frames; "" where they are not compressed."""
    called: str
    """How they are compressed, for a person."""
    start: int
    """Where the pixel data begins."""

    def read(self, stream: BinaryIO, pieces: Sequence[Piece]) -> bytes:
        """The bytes of a frame in the order in which they are meant."""
        if not self.reading.swapped:
            return read_pieces(stream, pieces)
        (piece,) = pieces
        before = (piece.offset - self.start) % 2
        whole = Piece(piece.offset - before, (before + piece.length + 1) // 2 * 2)
        words = read_pieces(stream, (whole,)).ljust(whole.length, b"\0")
        turned: bytes = np.frombuffer(words, "<u2").byteswap().tobytes()
        return turned[before : before + piece.length]


def find_pixels(header: Header, meaning: Meaning | None = None) -> StoredPixels:
    """``meaning``: of the one sample of gray images, where other files of the series have shown it.

    Raises SourceError for what holds no pixels, contradicts itself beyond remedy or cannot be decoded.
    """
    try:
        return _find_pixels(header, meaning)
    except TooManyFramesError as error:
        raise SourceError(f"{header.path}: {error}, which no cine has; get a fresh copy, or cut it") from None


def _find_pixels(header: Header, meaning: Meaning | None) -> StoredPixels:
    path, label = header.path, read_label(header.data)
    with header.open() as stream:
        data = find_pixel_data(stream, header.position, implicit=header.implicit, little=header.little)
        if data is None:
            if "Rows" not in header.data or "Columns" not in header.data:
                raise NoFramesError(
                    f"{path}: is DICOM without an image (a report or a waveform); name an image or cine"
                )
            raise SourceError(f"{path}: holds no image (the file ends before the pixel data); get a fresh copy")
        pixels, facts = _streams(stream, data, header, label)
        if facts is None:
            stored = _native(stream, data, header, label)
        elif pixels.frames:
            stored = _compressed(stream, pixels, facts, header, label, data)
        else:
            raise SourceError(f"{path}: holds no image ({pixels.missing or 'no frame in it'}); get a fresh copy")
        reading = stored.reading
        if reading.samples == 1 and reading.bits > 1 and reading.meaning != "palette":
            if meaning is not None:
                return replace(stored, reading=replace(reading, meaning=meaning))
            decode, frames = decoder_for(reading, str(path)), stored.frames
            with contextlib.suppress(Exception):  # reported when the frame is read
                samples = (decode(stored.read(stream, frames[at])) for at in (len(frames) // 2, 0, -1))
                return replace(stored, reading=_meaning_of_gray(samples, reading, header, label))
        return stored


def _streams(stream: BinaryIO, data: PixelData, header: Header, label: Label) -> tuple[Pixels, StreamFacts | None]:
    """The compressed frames and what the first says of itself; None where the pixels are not compressed."""
    stated = codec_of_syntax(header.syntax)
    if data.in_items:
        pixels = compressed_frames(stream, data, label.frames)
        first = read_pieces(stream, pixels.frames[0])[:_HEAD_BYTES] if pixels.frames else b""
        facts = read_stream(first)
        if name := foreign_image(first):
            raise SourceError(
                f"{header.path}: its frames are {name} images, which DICOM does not know; save it as JPEG"
            )
        return pixels, facts if facts.codec else replace(facts, codec=stated)
    whole = Piece(data.start, data.available)
    facts = read_stream(read_pieces(stream, (Piece(data.start, min(data.available, _HEAD_BYTES)),)))
    if facts.codec == "video" and stated == "video":  # a black corner begins like a stream, too
        return Pixels(((whole,),)), facts
    sized = facts.width > 0 and (facts.width, facts.height) == (label.width, label.height)
    if facts.codec in ("", "video") or not (stated or sized):
        return Pixels(()), None
    return Pixels(tuple(tuple(frame) for frame in split_streams(stream, [whole]))), facts


def _compressed(
    stream: BinaryIO, pixels: Pixels, facts: StreamFacts, header: Header, label: Label, data: PixelData
) -> StoredPixels:
    path, stated = str(header.path), codec_of_syntax(header.syntax)
    if stated == "video" or facts.codec == "video":
        reading = PixelReading(codec="video", width=label.width, height=label.height, samples=3, bits=8, stored=8)
        return StoredPixels(pixels.frames, pixels.missing, label, reading, "video", "video", data.start)
    if not facts.codec:
        raise SourceError(f"{path}: its pixel data is compressed in a way that is not known; convert it to JPEG first")

    def probe(reading: PixelReading) -> NDArray[Any] | None:
        with contextlib.suppress(Exception):  # reported when the frame is read
            middle = pixels.frames[len(pixels.frames) // 2]
            return decoder_for(reading, path)(read_pieces(stream, middle))
        return None

    width, height = facts.width or label.width, facts.height or label.height
    if width < 1 or height < 1:
        raise SourceError(f"{path}: does not say how large its image is; get a fresh copy")
    require_sane_size(path, width, height)
    reading = compressed_reading(label, facts, probe, path)
    if facts.codec == "rle":
        first = read_pieces(stream, pixels.frames[0])
        held = rle_pixels(first) if fits_rle(len(first), reading) else 0
        if abs(held - width * height) > 1:
            raise SourceError(
                f"{path}: the header says {width}x{height}, but a frame holds {held:,} pixels; get a fresh copy"
            )
        if reading.bits == 8 and reading.samples == 1 and (values := probe(reading)) is not None:
            reading = right_way_round(reading, values.ravel())
    if stated != facts.codec:
        name = _name(header.syntax) or "nothing of it"
        reading = reading.noting(f"the transfer syntax says {name}, but the frames are {facts.codec}: decoded as that")
    called = _name(header.syntax) if stated == facts.codec else facts.codec
    return StoredPixels(pixels.frames, pixels.missing, label, reading, facts.codec, called, data.start)


def _native(stream: BinaryIO, data: PixelData, header: Header, label: Label) -> StoredPixels:
    path, stated = str(header.path), codec_of_syntax(header.syntax)
    if label.width < 1 or label.height < 1:
        raise SourceError(f"{path}: does not say how large its image is; get a fresh copy")
    require_sane_size(path, label.width, label.height)

    def peek(offset: int, length: int) -> bytes:
        place = min(offset, data.available)
        return read_pieces(stream, (Piece(data.start + place, min(length, data.available - place)),))

    big = not header.little or header.syntax == GE_BIG_ENDIAN_PIXELS
    block = Block(data.length, data.available, big, data.in_words and not header.little, peek)
    reading = native_reading(label, block, path)
    if stated:
        reading = reading.noting(
            f"the transfer syntax says {_name(header.syntax)}, but the pixels are not compressed: read as that"
        )
    pixels = native_frames(data, reading.frame_bytes)
    if not pixels.frames:
        why = pixels.missing if pixels.missing else "its pixel data is shorter than one frame"
        raise SourceError(f"{path}: holds no image ({why}); get a fresh copy")
    called = "not compressed" if stated or not header.syntax else _name(header.syntax)
    return StoredPixels(pixels.frames, pixels.missing, label, reading, "", called, data.start)


def _meaning_of_gray(
    frames: Iterator[NDArray[Any]], reading: PixelReading, header: Header, label: Label
) -> PixelReading:
    """One sample per pixel: whether 0 is white, and whether a palette that is there is meant, by what it looks like.

    The first of the ``frames`` decides; where it is white around, so must the others be.
    """
    samples = next(frames)
    if reading.meaning == "gray" and _has_palette(header):
        colors = palette_of(header.data, little=header.little, name=header.path.name).apply(samples)
        if label.color or content.roughness(samples) > _ROUGHER * content.roughness(colors.mean(-1)):
            note = (
                f"the header says {says(label)}, but it holds a palette for one sample per pixel: read as PALETTE COLOR"
            )
            return reading.noting(note, meaning="palette")
    turned = label.window is not None and label.window[0] > label.window[1] and reading.bits > 8
    around = content.surround(-samples.astype(np.float32) if turned else samples)
    if around.startswith("white") and any(content.surround(other) != content.surround(samples) for other in frames):
        return reading  # the middle one is a flash
    if reading.meaning == "inverted" and around == "black":
        # MONOCHROME1 means that 0 is white; ultrasound is black around.
        note = "the header says MONOCHROME1, but then the image would be white around: read as MONOCHROME2"
        return reading.noting(note, meaning="gray")
    if reading.meaning == "inverted":
        return reading
    inverse = text(header.data, "PresentationLUTShape").upper() == "INVERSE"
    if around == "white":
        note = f"the header says {says(label)}, but then the image would be white around: read as MONOCHROME1"
        return reading.noting(note, meaning="inverted")
    if around == "white in part" and not inverse:
        return reading.noting(
            "the image is white around and partly black within: read as it stands; look at its frames"
        )
    if inverse and around != "black":
        return reading.noting(
            f"the header says {says(label)} and PresentationLUTShape INVERSE, and the image does not show which of them"
            " holds: not inverted; look at its frames"
        )
    return reading


def _has_palette(header: Header) -> bool:
    return "RedPaletteColorLookupTableData" in header.data


def _name(syntax: str) -> str:
    from pydicom.uid import UID

    return str(UID(syntax).name) if syntax else ""
