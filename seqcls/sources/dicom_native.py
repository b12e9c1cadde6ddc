"""How uncompressed pixels of a DICOM file lie: what fits their length and number, and what the image itself shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.sources import dicom_content as content
from seqcls.sources.dicom_evidence import (
    Label,
    PixelReading,
    called,
    in_use,
    require_known_color,
    says,
    with_bits,
    with_sign_and_bits,
)
from seqcls.text.wording import count_of

#: The data may be longer than its frames by this many bytes: padded to an even or aligned length.
_MAX_PADDING = 64

#: Values change so many times more between neighbours, by the range in use, where their bytes stand in the wrong order.
#: On 27 clips it was 1.6 to 30 times, and 0.8 to 1.2 times where both orders show the image.
_ROUGHER = 1.4

#: Bytes from the middle of the data by which row lengths are compared.
_LOOK_BYTES = 400_000


@dataclass(frozen=True, slots=True)
class Block:
    """Native pixel data: its length as stated, and a way to look at it."""

    length: int
    available: int
    """Bytes of it that the file holds."""
    big_endian: bool
    in_words: bool
    """Stated as words (OW): a big endian writer then swaps the bytes of each."""
    peek: Callable[[int, int], bytes]
    """(offset, length) -> bytes of the data, fewer at its end."""

    def middle(self, frame_bytes: int) -> NDArray[np.uint8]:
        """About one frame from the middle, from a whole word on."""
        start = self.available // frame_bytes // 2 * frame_bytes
        return np.frombuffer(self.peek(start - start % 2, frame_bytes), np.uint8)


def native_reading(label: Label, block: Block, name: str) -> PixelReading:
    """The header's word where the data bears it out, else what does. Raises SourceError for what cannot be settled."""
    if label.width < 1 or label.height < 1:
        raise SourceError(f"{name}: does not say how large its image is; get a fresh copy")
    if label.bits not in (0, 1, 8, 16, 32):
        raise SourceError(f"{name}: has samples of {label.bits} bits; convert it to 8 or 16 bits first")
    require_known_color(label, name)
    if label.bits == 1 and _bits_run_on(label, block.length):
        raise SourceError(
            f"{name}: has frames of {label.width}x{label.height} single bits, of which some begin within a"
            " byte; convert it to 8 bits first"
        )
    reading = _by_length(_as_stated(label), label, block, name)
    middle = block.middle(reading.frame_bytes)
    if reading.layout in ("420", "422"):
        reading = _subsampled(reading, middle[: reading.frame_bytes], name)
    if middle.size < reading.frame_bytes:
        reading = replace(reading, signed=label.signed and reading.samples == 1)
        return replace(reading, big=block.big_endian, swapped=block.big_endian and block.in_words)
    if reading.bits == 16:
        reading, values = _order_of_16_bits(right_way_round(reading, middle), label, middle, block)
        if reading.samples == 3:
            return with_bits(reading, values, label)
        return with_sign_and_bits(reading, _of_some_frames(reading, values, block), label)
    if reading.bits == 8 and reading.layout not in ("420", "422"):
        reading, middle = _order_of_8_bits(reading, middle, block)
        if reading.samples == 3:
            reading = right_way_round(_color(reading, label, middle), middle)
            return with_bits(reading, middle, label)
        if label.color and not reading.notes:
            reading = reading.noting(f"the header says {says(label)} and one sample per pixel: read as gray")
        reading = right_way_round(reading, middle)
        values = middle[: reading.frame_bytes].reshape(-1, reading.width)
        return with_sign_and_bits(reading, _of_some_frames(reading, values, block), label)
    return right_way_round(replace(reading, big=block.big_endian), middle)


def _subsampled(reading: PixelReading, frame: NDArray[np.uint8], name: str) -> PixelReading:
    """4:2:2 and 4:2:0 as they lie. The standard names one order for 4:2:2 (Y Y Cb Cr) and none for 4:2:0."""
    if reading.layout == "422":
        luma = content.luma_of_422(frame)
        if luma is None or luma == reading.luma:
            return reading
        order = "Cb Y Cr Y" if luma == (1, 3) else "Y Cb Y Cr"
        return reading.noting(f"4:2:2 stands as {order} and not as Y Y Cb Cr: read as that", luma=luma)
    pixels = reading.width * reading.height
    if not content.is_420(frame, pixels, reading.width):
        raise SourceError(
            f"{name}: is YBR_PARTIAL_420 that is not compressed, and its bytes do not lie in planes of Y, Cb and Cr;"
            " convert it to RGB first"
        )
    gray = (np.abs(frame[pixels:].astype(np.int16) - 128) <= 2).mean() > 0.99
    note = "how color lies in 4:2:0 is not stated: read as planes of Y, Cb and Cr; look at its frames"
    return reading if gray else reading.noting(note)


def _bits_run_on(label: Label, length: int) -> bool:
    """Whether frames of single bits follow each other without filling up the last byte of each (PS3.5 8.1.1)."""
    pixels, frames = label.width * label.height * max(1, label.samples), max(1, label.frames)
    if pixels % 8 == 0 or frames == 1:
        return False
    run_on = -(-pixels * frames // 8)
    return length < frames * -(-pixels // 8) or length <= run_on + run_on % 2


def _as_stated(label: Label) -> PixelReading:
    samples = label.samples if label.samples else 3 if label.color else 1
    bits = label.bits if label.bits else 8
    packed = label.photometric == "YBR_FULL_422" and samples == 3
    quartered = label.photometric == "YBR_PARTIAL_420" and samples == 3
    return PixelReading(
        codec="native",
        width=label.width,
        height=label.height,
        samples=samples,
        bits=bits,
        stored=bits,
        meaning=(label.color or "rgb") if samples == 3 else label.one_sample,
        layout="420" if quartered else "422" if packed else "plane" if label.planar and samples == 3 else "pixel",
    )


def _by_length(stated: PixelReading, label: Label, block: Block, name: str) -> PixelReading:
    """The header's reading if the data has a length for it; else one that fits the number of frames exactly."""
    frames = max(1, label.frames)

    def exact(reading: PixelReading) -> bool:
        return 0 <= block.length - frames * reading.frame_bytes <= min(_MAX_PADDING, reading.frame_bytes - 1)

    def whole_number(reading: PixelReading) -> bool:
        return block.length >= reading.frame_bytes and block.length % reading.frame_bytes <= 1

    known = stated.samples in (1, 3)
    if stated.layout == "420" and not exact(stated) and any(map(exact, _alternatives(stated, label))):
        stated = replace(stated, layout="pixel")
    if known and exact(stated):
        return stated
    look = np.frombuffer(block.peek(block.available // 2 // 4 * 4, _LOOK_BYTES), np.uint8)
    others = _alternatives(stated, label)
    fitting = [other for other in others if exact(other)]
    possible = fitting if fitting else [other for other in others if whole_number(other)]
    preferred = [other for other in possible if _content_prefers(other, stated, block, look)]
    if known and whole_number(stated):
        rows = content.best_row_bytes(look, [stated.row_bytes, *(other.row_bytes for other in fitting)])
        if not preferred and rows != stated.row_bytes and content.luma_of_422(look) is None:
            # The content does not tell: then the number of frames and of samples outweigh the name.
            preferred = [other for other in fitting if (other.samples, other.bits) == (label.samples, label.bits)]
        return _told(preferred[0], label, block) if preferred else stated
    if len(fitting) > 1 and label.samples != 3:
        fitting = [other for other in fitting if (other.layout == "422") == (content.luma_of_422(look) is not None)]
    if fitting or preferred:
        return _told((fitting or preferred)[0], label, block)
    if not known:
        raise SourceError(
            f"{name}: has {stated.samples} samples per pixel, which is neither gray (1) nor color (3); convert it to"
            " RGB first"
        )
    spare = block.length - frames * stated.frame_bytes
    if 0 <= spare <= stated.frame_bytes // 20 and content.fits_rows(look, stated.row_bytes):
        return stated  # padded more than is usual
    for other in _other_sizes(stated, label, block):
        if content.fits_rows(look, other.row_bytes, surely=True):
            return other
    shorter = stated.frame_bytes <= block.length < frames * stated.frame_bytes
    if block.available < block.length or (shorter and content.fits_rows(look, stated.row_bytes)):
        return stated
    raise SourceError(
        f"{name}: the header says {count_of(frames, 'frame')} of {label.width}x{label.height} in {says(label)}, but the"
        f" pixel data of {block.length:,} bytes has no length for any such image; get a fresh copy"
    )


def _alternatives(stated: PixelReading, label: Label) -> list[PixelReading]:
    """Other readings of the same size: color where it says gray and the reverse, 8 bits where it says 16."""
    gray, color = label.one_sample, label.color or "rgb"
    layouts: list[Literal["pixel", "plane"]] = ["plane", "pixel"] if label.planar else ["pixel", "plane"]
    packed = replace(stated, samples=3, bits=8, stored=8, layout="422", meaning="ybr")
    made = [
        *(replace(stated, samples=1, bits=bits, stored=bits, layout="pixel", meaning=gray) for bits in (8, 16)),
        *(
            replace(stated, samples=3, bits=bits, stored=bits, layout=layout, meaning=color)
            for bits in (8, 16)
            for layout in layouts
        ),
    ]
    made.insert(0 if label.bits <= 8 else 4, packed)  # two bytes a pixel: the likelier first
    made.append(replace(packed, layout="420"))
    return [other for other in made if other.frame_bytes != stated.frame_bytes]


def _other_sizes(stated: PixelReading, label: Label, block: Block) -> Iterator[PixelReading]:
    """With the columns, else the rows, that fill the data exactly."""
    said, frames = f"{stated.width}x{stated.height}", max(1, label.frames)
    columns, rest = divmod(block.length, frames * stated.row_bytes // stated.width * stated.height)
    if rest <= 1 and columns > 1:
        yield replace(stated, width=columns).noting(
            f"the header says {said}, but the data is {columns} wide: read as that"
        )
    rows, rest = divmod(block.length, frames * (stated.frame_bytes // stated.height))
    if rest <= 1 and rows > 1:
        yield replace(stated, height=rows).noting(f"the header says {said}, but the data is {rows} high: read as that")


def _content_prefers(other: PixelReading, stated: PixelReading, block: Block, look: NDArray[np.uint8]) -> bool:
    """Whether the image speaks for ``other``, though the header's reading fits, with another number of frames."""
    if other.layout == "420":
        frame = block.middle(other.frame_bytes)[: other.frame_bytes]
        return content.is_420(frame, other.width * other.height, other.width)
    if other.layout == "422":
        return content.luma_of_422(look) is not None
    if other.samples == 3 and other.bits == 8:
        frame = block.middle(other.frame_bytes)[: other.frame_bytes]
        # Three gray frames look like the planes of a tinted one.
        layout = content.layout_of(frame, other.width, tinted=other.row_bytes != stated.row_bytes)
        if layout != other.layout:
            return False
        if other.row_bytes == stated.row_bytes:
            return True
    return content.best_row_bytes(look, [other.row_bytes, stated.row_bytes]) == other.row_bytes != stated.row_bytes


def _told(reading: PixelReading, label: Label, block: Block) -> PixelReading:
    kind = (
        f"4:2:{reading.layout[2]} YBR"
        if reading.layout in ("420", "422")
        else "color"
        if reading.samples == 3
        else "gray"
    )
    count = block.length // reading.frame_bytes
    size = f"{label.width}x{label.height}"
    return reading.noting(
        f"the header says {says(label)} of {label.bits} bits, but the data has the length of {count} times {size}"
        f" in {kind} of {reading.bits} bits: read as that"
    )


def right_way_round(reading: PixelReading, middle: NDArray[np.uint8]) -> PixelReading:
    """Rows and Columns exchanged give the same length, but then one row does not resemble the next."""
    across = replace(reading, width=reading.height, height=reading.width)
    if reading.width == reading.height or middle.size < 4 * max(reading.row_bytes, across.row_bytes):
        return reading
    change = content.row_change(middle, reading.row_bytes)
    if change < 1.6 * content.row_change(middle, across.row_bytes) + 1:
        return reading
    stated, found = f"{reading.width}x{reading.height}", f"{across.width}x{across.height}"
    return reading.noting(
        f"the header says {stated}, but the rows are those of {found}: read as that",
        width=across.width,
        height=across.height,
    )


def _order_of_8_bits(
    reading: PixelReading, middle: NDArray[np.uint8], block: Block
) -> tuple[PixelReading, NDArray[np.uint8]]:
    """Big endian words hold two samples the other way round (PS3.5 8.1.1), unless the writer forgot to swap them."""
    if not block.big_endian:
        return reading, middle
    turned = middle[: middle.size // 2 * 2].reshape(-1, 2)[:, ::-1].ravel()
    turned = np.concatenate([turned, middle[turned.size :]])
    stated, other = (turned, middle) if block.in_words else (middle, turned)
    if not content.neater(stated, other, reading.width, reading.samples, reading.layout == "plane"):
        return replace(reading, swapped=block.in_words), stated
    found, stated_as = ("single bytes", "words") if block.in_words else ("words", "single bytes")
    note = f"the header says that samples stand in {stated_as}, but they stand in {found}: read as that"
    return reading.noting(note, swapped=not block.in_words), other


def _color(reading: PixelReading, label: Label, middle: NDArray[np.uint8]) -> PixelReading:
    frame = middle[: reading.frame_bytes]
    layout = content.layout_of(frame, reading.width)
    other: Literal["pixel", "plane"] = "pixel" if reading.layout == "plane" else "plane"
    if layout == other:
        note = f"the header says that color stands by {reading.layout}, but it stands by {layout}: read as that"
        reading = reading.noting(note, layout=layout)
    shown = content.color_of(_laid(reading, frame))
    if not layout and content.has_detail(frame, reading.width):
        if shown != content.color_of(_laid(replace(reading, layout=other), frame)):
            shown = ""  # what it shows hangs on a layout that is not sure
        said = f"the image does not show whether color stands by pixel or by plane: read by {reading.layout}"
        note = f"{said}, as the header says; look at its frames"
        reading = reading if reading.notes else reading.noting(note)
        return replace(reading, meaning=shown) if shown else reading
    if not shown or shown == reading.meaning:
        return reading
    if reading.notes:
        return replace(reading, meaning=shown)  # that it is color at all was settled against the header
    return reading.noting(
        f"the header says {says(label)}, but the image shows {called(shown)}: read as that", meaning=shown
    )


def _laid(reading: PixelReading, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One frame of color, (H, W, 3)."""
    size = (reading.height, reading.width)
    return frame.reshape(3, *size).transpose(1, 2, 0) if reading.layout == "plane" else frame.reshape(*size, 3)


def _order_of_16_bits(
    reading: PixelReading, label: Label, middle: NDArray[np.uint8], block: Block
) -> tuple[PixelReading, NDArray[Any]]:
    """The stated order of the bytes unless the image is plainly smoother in the other one, and (..., W) in that order.

    Where values have 8 bits, in the high byte or in the low one, both orders show the image: then a window tells.
    """
    reading = replace(reading, big=block.big_endian)
    rows = middle[: reading.frame_bytes]
    low_first, high_first = (_in_rows(rows.view(kind).astype(np.uint16), reading) for kind in ("<u2", ">u2"))
    now, other = (high_first, low_first) if reading.big else (low_first, high_first)

    def rough(values: NDArray[Any]) -> float:
        plain = content.roughness(values)
        if not label.signed:
            return plain
        stored = label.stored if 0 < label.stored < 16 else 16
        return min(plain, content.roughness(in_use(values, replace(reading, stored=stored, signed=True))))

    if not rough(now) > _ROUGHER * rough(other) + 1e-9 and not _shown_by_window_alone(now, other, label):
        return reading, now
    return reading.noting(
        "the bytes of each value stand in the other order than the header says: read as that", big=not reading.big
    ), other


def _of_some_frames(reading: PixelReading, middle: NDArray[Any], block: Block) -> NDArray[Any]:
    """Rows of up to three frames, of which ``middle`` holds one: a dark one does not show how many bits are in use."""
    rows, size = [middle], reading.frame_bytes
    for start in (0, (block.available // size - 1) * size):
        data = np.frombuffer(block.peek(start, size), np.uint8)
        if data.size == size and start % 2 == 0:
            kind = "u1" if reading.bits == 8 else ">u2" if reading.big else "<u2"
            rows.append(data.view(kind).reshape(-1, reading.width).astype(middle.dtype))
    return np.concatenate(rows)


def _in_rows(values: NDArray[Any], reading: PixelReading) -> NDArray[Any]:
    """Values of one frame, of which neighbours in the last two axes are neighbours in the image."""
    by_pixel = reading.samples == 3 and reading.layout == "pixel"
    size = (reading.height, reading.width, 3) if by_pixel else (-1, reading.width)
    rows: NDArray[Any] = values.reshape(size)
    return rows.transpose(2, 0, 1) if by_pixel else rows


def _shown_by_window_alone(now: NDArray[Any], other: NDArray[Any], label: Label) -> bool:
    """Whether one order gives values of a byte that the window turns black, and the other an image."""
    if label.window is None or label.signed or int(now.max()) > 255:
        return False
    low, high = sorted(label.window)
    black, clear = (
        bool(((values - low) < 0.02 * (high - low)).all()) for values in (now.astype(float), other.astype(float))
    )
    return black and not clear
