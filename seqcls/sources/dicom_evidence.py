"""How the pixels of a DICOM file are to be read: the header's word, checked against the stream and its length.

A compressed stream states its own size and samples and is believed. Native data has nothing but its length and its
content. What settles a contradiction becomes a note; what cannot be settled is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.sources import dicom_content as content
from seqcls.sources.dicom_fields import stated_window, text, whole
from seqcls.sources.dicom_stream import Codec, StreamFacts

Meaning = Literal["gray", "inverted", "palette", "rgb", "ybr"]

#: Taken out of the standard, and nothing like RGB (PS3.3 C.7.6.3.1.2).
_RETIRED = ("HSV", "ARGB", "CMYK")
#: White hardly ever leaves so many of the highest bits unused.
_MANY_BITS = 4


@dataclass(frozen=True, slots=True)
class Label:
    """What the header says of the pixels; 0 and "" where it says nothing."""

    width: int
    height: int
    samples: int
    bits: int
    """Allocated for a sample; ``stored`` of them are used, the highest being number ``high``, counted from 0."""
    stored: int
    high: int
    signed: bool
    planar: bool
    photometric: str
    frames: int
    overlay: bool
    """Whether the bits that are not stored hold an overlay."""
    window: tuple[float, float] | None = None
    """The stored values that are to be black and white."""

    @property
    def color(self) -> Literal["", "rgb", "ybr"]:
        return "rgb" if self.photometric == "RGB" else "ybr" if self.photometric.startswith("YBR") else ""

    @property
    def one_sample(self) -> Meaning:
        """What a single sample means."""
        named: dict[str, Meaning] = {"MONOCHROME1": "inverted", "PALETTE COLOR": "palette"}
        return named.get(self.photometric, "gray")


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelReading:
    """How a frame's bytes become samples, and what these mean."""

    codec: Codec | Literal["native"]
    width: int
    height: int
    samples: int
    bits: int
    """Of one sample as it lies: 1, 8, 16 or 32."""
    stored: int
    """Of these, from number ``shift`` on, the bits that hold the value."""
    shift: int = 0
    signed: bool = False
    stream_signed: bool = False
    """Whether the decoder hands over signed values by itself (JPEG 2000)."""
    meaning: Meaning = "gray"
    layout: Literal["pixel", "plane", "422", "420"] = "pixel"
    """Native data only, as are the next three."""
    luma: tuple[int, int] = (0, 1)
    """Which of the four bytes of two pixels in 4:2:2 are luma; the others are Cb and Cr."""
    big: bool = False
    """Samples of 16 bits stand with the high byte first."""
    swapped: bool = False
    """Samples of 8 bits stand in words of two with the second first."""
    notes: tuple[str, ...] = ()

    @property
    def frame_bytes(self) -> int:
        """Of native data."""
        if self.layout == "420":
            return self.width * self.height + 2 * (-(-self.width // 2) * -(-self.height // 2))
        weight = 2 if self.layout == "422" else self.samples
        return -(-self.width * self.height * weight * self.bits // 8)

    @property
    def row_bytes(self) -> int:
        weight = 2 if self.layout == "422" else 1 if self.layout in ("plane", "420") else self.samples
        return self.width * weight * self.bits // 8

    def noting(self, note: str, **changes: Any) -> PixelReading:
        return replace(self, notes=(*self.notes, note), **changes)


def read_label(header: Any) -> Label:
    """The image pixel module of a pydicom data set (PS3.3 C.7.6.3), whatever is wrong with it. Raises nothing."""
    bits = whole(header, "BitsAllocated", 0)
    return Label(
        width=whole(header, "Columns", 0),
        height=whole(header, "Rows", 0),
        samples=whole(header, "SamplesPerPixel", 0),
        bits=bits,
        stored=(stored := whole(header, "BitsStored", bits)),
        high=whole(header, "HighBit", stored - 1),
        signed=whole(header, "PixelRepresentation", 0) == 1,
        planar=whole(header, "PlanarConfiguration", 0) == 1,
        photometric=text(header, "PhotometricInterpretation").upper(),
        frames=max(0, whole(header, "NumberOfFrames", 0)),
        overlay=any(tag >> 16 & 0xFF00 == 0x6000 for tag in header.keys()),  # noqa: SIM118 - not the values
        window=stated_window(header),
    )


def require_known_color(label: Label, name: str) -> None:
    """Raises SourceError for colors that are neither RGB nor YBR."""
    if label.photometric in _RETIRED and label.samples != 1:
        raise SourceError(
            f"{name}: its colors are {label.photometric}, which DICOM has retired; convert it to RGB first"
        )


def compressed_reading(
    label: Label, facts: StreamFacts, probe: Callable[[PixelReading], NDArray[Any] | None], name: str
) -> PixelReading:
    """For a compressed frame. ``probe`` decodes a frame, or gives None.

    Raises SourceError for what cannot be read.
    """
    samples = facts.samples if facts.samples else max(1, label.samples)
    bits = facts.bits if facts.bits else label.stored
    if facts.codec == "rle" and label.samples * label.bits == samples * bits:
        samples, bits = label.samples, label.bits
    if samples not in (1, 3):
        raise SourceError(
            f"{name}: has {samples} samples per pixel, which is neither gray (1) nor color (3); convert it to RGB first"
        )
    stated = facts.width > 0 and facts.height > 0
    width, height = (facts.width, facts.height) if stated else (label.width, label.height)
    reading = PixelReading(
        codec=facts.codec,
        width=width,
        height=height,
        samples=samples,
        bits=bits if facts.codec == "rle" else 8 if bits <= 8 else 16 if bits <= 16 else 32,
        stored=bits,
        signed=facts.signed,
        stream_signed=facts.signed,
        meaning=label.one_sample,
    )
    if stated and label.width and (width, height) != (label.width, label.height):
        reading = reading.noting(
            f"the header says {label.width}x{label.height}, but the frames are {width}x{height}: read as that"
        )
    if samples == 1:
        if not facts.signed and reading.codec != "jpeg" and (label.signed or reading.stored == reading.bits):
            reading = with_sign_and_bits(reading, probe(reading), label)
        if label.samples == 3 or label.color:
            reading = reading.noting(
                f"the header says {says(label)}, but the frames are gray: read as that", meaning="gray"
            )
        return reading
    if not facts.color:
        require_known_color(label, name)
    return _compressed_color(reading, label, facts, probe)


def with_sign_and_bits(reading: PixelReading, values: NDArray[Any] | None, label: Label) -> PixelReading:
    """Sign and bits in use as stated, unless ``values`` (..., W) of some frames, as they lie and without a sign, speak
    against it."""
    reading = with_bits(reading, values, label)
    if values is None:
        return replace(reading, signed=label.signed)
    shown = content.sign_of(in_use(values, reading), reading.stored)
    if label.signed and shown == "unsigned":
        return reading.noting(
            "the header says that values are signed, but the image shows that they are not: read as that"
        )
    if not label.signed and shown == "surely signed":
        return reading.noting(
            "the header says that values have no sign, but the image shows that they have one: read as that",
            signed=True,
        )
    return replace(reading, signed=label.signed)


def with_bits(reading: PixelReading, values: NDArray[Any] | None, label: Label) -> PixelReading:
    """The bits in use as stated, unless ``values`` as in ``with_sign_and_bits`` have more, or have them elsewhere."""
    size = reading.stored
    if not 0 < label.stored < size or size != reading.bits:
        return reading  # the stream knows better
    stored, spare = label.stored, size - label.stored
    shift = min(max(0, label.high + 1 - stored), spare)
    said = replace(reading, stored=stored, shift=shift)
    if values is None or label.overlay:
        return said
    greatest = int(values.max()).bit_length()
    fits_low = greatest <= stored or (label.signed and _signed_bits(values) <= stored)
    may_stand_high = greatest > stored or 0 < spare < _MANY_BITS
    fits_high = may_stand_high and _window_fits(label) and not (values & ((1 << (shift or spare)) - 1)).any()
    continues = content.continues_above(values, stored)
    if (fits_low and not shift) or (fits_high and shift and greatest <= stored + shift):
        return said
    if fits_low or (fits_high and continues):
        found = 0 if fits_low else spare
        places = f"bits {shift} to {shift + stored - 1} hold the value, but bits {found} to {found + stored - 1} do"
        return reading.noting(f"the header says that {places}: read as that", stored=stored, shift=found)
    if not shift and not continues:
        return said  # something else stands above them
    return reading.noting(f"the header says that {stored} bits are in use, but {greatest} are: read as that")


def _signed_bits(values: NDArray[Any]) -> int:
    signed = values.view(f"i{values.dtype.itemsize}")
    return max(int(signed.max()), -int(signed.min()) - 1).bit_length() + 1


def _window_fits(label: Label) -> bool:
    """Whether the window counts in values of the bits in use, and not in what these are with all bits below them."""
    return label.window is None or max(map(abs, label.window)) <= 1.5 * (1 << label.stored)


def _compressed_color(
    reading: PixelReading,
    label: Label,
    facts: StreamFacts,
    probe: Callable[[PixelReading], NDArray[Any] | None],
) -> PixelReading:
    """Three samples: the markers and the label agree, or the image itself decides, or the stronger of the two."""
    said = "rgb" if facts.color == "rgb" and label.photometric in ("YBR_ICT", "YBR_RCT") else label.color
    if facts.color and facts.color == said:
        return replace(reading, meaning=facts.color)
    image = probe(reading)
    shown = content.color_of(image >> max(0, reading.stored - 8)) if image is not None else ""
    usual: Meaning = "ybr" if facts.codec == "jpeg" else "rgb"
    meaning: Meaning = shown or facts.color or said or usual
    if meaning == said:
        return replace(reading, meaning=meaning)
    why = (
        facts.because
        if facts.color == meaning
        else "the image shows it"
        if shown
        else "as frames of this kind mostly are"
    )
    return reading.noting(
        f"the header says {says(label)}, but the frames are {called(meaning)} ({why}): read as that", meaning=meaning
    )


def in_use(values: NDArray[Any], reading: PixelReading) -> NDArray[Any]:
    """Samples without the bits that are not stored, which may hold an overlay; with the sign spread."""
    spare, size = 8 * values.dtype.itemsize - reading.stored, values.dtype.itemsize
    values = values.astype(f"u{size}", copy=False)
    if reading.shift:
        values = values >> reading.shift
    if reading.signed:
        values = values.view(f"i{size}")
        return (values << spare) >> spare if spare > 0 else values
    return values & np.array((1 << reading.stored) - 1, values.dtype) if spare > 0 else values


def says(label: Label) -> str:
    """The photometric interpretation, for a message."""
    return label.photometric if label.photometric else "nothing of its color"


def called(meaning: str) -> str:
    """As DICOM spells it."""
    return meaning.upper()
