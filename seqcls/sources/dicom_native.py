"""How uncompressed pixels of a DICOM file lie: what fits their length and number, and what the image itself shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.sources import dicom_content as content
from seqcls.sources.dicom_evidence import Label, PixelReading, called, says, with_sign_and_bits

#: The data may be longer than its frames by this many bytes: padded to an even or aligned length.
_MAX_PADDING = 64

#: Bytes from the middle of the data by which row lengths are compared.
_LOOK_BYTES = 800_000


@dataclass(frozen=True, slots=True)
class Block:
    """Native pixel data: its length as stated, and a look at it."""

    length: int
    cut_short: bool
    """The file ends before the data does."""
    big_endian: bool
    in_words: bool
    """Stated as words (OW): a big endian writer then swaps the bytes of each."""
    peek: Callable[[int, int], bytes]
    """(offset, length) -> bytes of the data, fewer at its end."""

    def middle(self, frame_bytes: int) -> NDArray[np.uint8]:
        """About one frame from the middle, from a whole word on."""
        start = self.length // frame_bytes // 2 * frame_bytes
        return np.frombuffer(self.peek(start - start % 2, frame_bytes), np.uint8)


def native_reading(label: Label, block: Block, name: str) -> PixelReading:
    """The header's word where the data bears it out, else what does. Raises SourceError for what cannot be settled."""
    if label.width < 1 or label.height < 1:
        raise SourceError(f"{name}: does not say how large its image is; get a fresh copy")
    if label.bits not in (0, 1, 8, 16, 32):
        raise SourceError(f"{name}: has samples of {label.bits} bits; convert it to 8 or 16 bits first")
    reading = _by_length(_as_stated(label), label, block, name)
    middle = block.middle(reading.frame_bytes)
    if middle.size < reading.frame_bytes:
        reading = replace(reading, signed=label.signed and reading.samples == 1)
        return replace(reading, big=block.big_endian, swapped=block.big_endian and block.in_words)
    reading = _right_way_round(reading, middle)
    if reading.bits == 16:
        reading, values = _order_of_16_bits(reading, middle, block)
        return reading if reading.samples == 3 else with_sign_and_bits(reading, values, label)
    if reading.bits == 8 and reading.layout != "422":
        reading, middle = _order_of_8_bits(reading, middle, block)
        if reading.samples == 3:
            return _color(reading, label, middle)
        return with_sign_and_bits(reading, middle[: reading.frame_bytes].reshape(-1, reading.width), label)
    return replace(reading, big=block.big_endian)


def _as_stated(label: Label) -> PixelReading:
    samples = label.samples if label.samples else 3 if label.color else 1
    bits = label.bits if label.bits else 8
    packed = label.photometric == "YBR_FULL_422" and samples == 3
    return PixelReading(
        codec="native",
        width=label.width,
        height=label.height,
        samples=samples,
        bits=bits,
        stored=bits,
        meaning=(label.color or "rgb") if samples == 3 else label.one_sample,
        layout="422" if packed else "plane" if label.planar and samples == 3 else "pixel",
    )


def _by_length(stated: PixelReading, label: Label, block: Block, name: str) -> PixelReading:
    """The header's reading if the data has a length for it; else one that fits the number of frames exactly."""
    frames = max(1, label.frames)

    def exact(reading: PixelReading) -> bool:
        return 0 <= block.length - frames * reading.frame_bytes <= min(_MAX_PADDING, reading.frame_bytes - 1)

    known = stated.samples in (1, 3)
    if known and exact(stated):
        return stated
    fitting = [reading for reading in _alternatives(stated, label) if exact(reading)]
    look = np.frombuffer(block.peek(block.length // 2 // 4 * 4, _LOOK_BYTES), np.uint8)
    if known and block.length >= stated.frame_bytes and block.length % stated.frame_bytes <= 1:
        preferred = [reading for reading in fitting if _content_prefers(reading, stated, block, look)]
        return _told(preferred[0], label, frames) if preferred else stated
    if len(fitting) > 1 and label.samples != 3:
        fitting = [reading for reading in fitting if (reading.layout == "422") == content.is_422(look)]
    if fitting:
        return _told(fitting[0], label, frames)
    if not known:
        raise SourceError(f"{name}: has {stated.samples} samples per pixel; seqcls reads gray (1) and color (3)")
    if block.length >= stated.frame_bytes and (block.cut_short or content.fits_rows(look, stated.row_bytes)):
        return stated
    raise SourceError(
        f"{name}: says {says(label)} of {label.width}x{label.height}, {frames} frames, but its {block.length:,} bytes"
        " of pixel data fit no number of such images; get a fresh copy"
    )


def _alternatives(stated: PixelReading, label: Label) -> list[PixelReading]:
    """Other readings of the same size: color where it says gray and the reverse, 8 bits where it says 16."""
    gray, color = label.one_sample, label.color or "rgb"
    layout: Literal["pixel", "plane"] = "plane" if label.planar else "pixel"
    packed = replace(stated, samples=3, bits=8, stored=8, layout="422", meaning="ybr")
    made = [
        *(replace(stated, samples=1, bits=bits, stored=bits, layout="pixel", meaning=gray) for bits in (8, 16)),
        *(replace(stated, samples=3, bits=bits, stored=bits, layout=layout, meaning=color) for bits in (8, 16)),
    ]
    made.insert(0 if label.bits <= 8 else 4, packed)  # two bytes a pixel: the likelier first
    return [other for other in made if other.frame_bytes != stated.frame_bytes]


def _content_prefers(other: PixelReading, stated: PixelReading, block: Block, look: NDArray[np.uint8]) -> bool:
    """Whether the image speaks for ``other``, though the header's reading fits, with another number of frames."""
    if other.layout == "422":
        return content.is_422(look)
    if other.samples == 3 and other.bits == 8:
        frame = block.middle(other.frame_bytes)
        if content.layout_of(frame[: other.frame_bytes]) != other.layout:
            return False
        if other.row_bytes == stated.row_bytes:
            return True
    best = content.best_row_bytes(look, [other.row_bytes, stated.row_bytes])
    return best == other.row_bytes != stated.row_bytes


def _told(reading: PixelReading, label: Label, frames: int) -> PixelReading:
    kind = "4:2:2 YBR" if reading.layout == "422" else "color" if reading.samples == 3 else "gray"
    fit = f"{frames} images of {label.width}x{label.height} fill its data as {kind} of {reading.bits} bits"
    return reading.noting(f"says {says(label)} of {label.bits} bits but {fit}: read so")


def _right_way_round(reading: PixelReading, middle: NDArray[np.uint8]) -> PixelReading:
    """Rows and Columns exchanged give the same length, but then one row does not resemble the next."""
    across = replace(reading, width=reading.height, height=reading.width)
    if reading.width == reading.height or middle.size < 4 * max(reading.row_bytes, across.row_bytes):
        return reading
    best = content.best_row_bytes(middle, [reading.row_bytes, across.row_bytes])
    if best != across.row_bytes or content.fits_rows(middle, reading.row_bytes):
        return reading
    stated, found = f"{reading.width}x{reading.height}", f"{across.width}x{across.height}"
    return reading.noting(
        f"says {stated} but its rows are those of {found}: read so", width=across.width, height=across.height
    )


def _order_of_8_bits(
    reading: PixelReading, middle: NDArray[np.uint8], block: Block
) -> tuple[PixelReading, NDArray[np.uint8]]:
    """Big endian words hold two samples the other way round (PS3.5 8.1.1), unless the writer forgot to swap them."""
    if not (block.big_endian and block.in_words):
        return reading, middle
    turned = middle[: middle.size // 2 * 2].reshape(-1, 2)[:, ::-1].ravel()
    if content.neater(turned, middle, reading.width, reading.samples, reading.layout == "plane"):
        return reading.noting("says that its bytes stand in words but they stand alone: read so"), middle
    return replace(reading, swapped=True), np.concatenate([turned, middle[turned.size :]])


def _color(reading: PixelReading, label: Label, middle: NDArray[np.uint8]) -> PixelReading:
    layout = content.layout_of(middle[: reading.frame_bytes])
    by_plane, by_pixel = reading.width, 3 * reading.width
    rows = {"plane": by_plane, "pixel": by_pixel}.get(layout, 0)
    if layout and layout != reading.layout and content.best_row_bytes(middle, [by_plane, by_pixel]) == rows:
        said = "pixel" if layout == "plane" else "plane"
        reading = reading.noting(
            f"says that its color stands by {said} but it stands by {layout}: read so", layout=layout
        )
    size, pixels = (reading.height, reading.width), middle[: reading.frame_bytes]
    image = pixels.reshape(3, *size).transpose(1, 2, 0) if reading.layout == "plane" else pixels.reshape(*size, 3)
    shown = content.color_of(image)
    if not shown or shown == reading.meaning:
        return reading
    return reading.noting(f"its image shows {called(shown)} and not {says(label)}: read so", meaning=shown)


def _order_of_16_bits(
    reading: PixelReading, middle: NDArray[np.uint8], block: Block
) -> tuple[PixelReading, NDArray[Any]]:
    reading = replace(reading, big=block.big_endian)
    rows = middle[: reading.frame_bytes]
    low_first, high_first = (rows.view(kind).reshape(-1, reading.row_bytes // 2) for kind in ("<u2", ">u2"))
    now, other = (high_first, low_first) if reading.big else (low_first, high_first)
    if not content.smoother(now, other):
        return reading, now
    return reading.noting("its values of 16 bits stand in the other byte order: read so", big=not reading.big), other
