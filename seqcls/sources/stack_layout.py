"""What a TIFF says of its images beyond its table of pages: how many there are, of what, and at what pace.

ImageJ writes long stacks as one page with the other images behind it, and so do tifffile and MetaMorph. A hyperstack
holds several images of each time, as its channels or its depths: read one after the other these are no clip.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from seqcls.files.named_files import open_regular
from seqcls.sources.tiff_tags import (
    BITS,
    COMPRESSION,
    COUNTS,
    DESCRIPTION,
    FORMAT,
    METAMORPH_PLANES,
    OFFSETS,
    PHOTOMETRIC,
    SAMPLES,
    TiffTags,
)
from seqcls.text.wording import count_of

#: Seconds between two images that are believed.
_MIN_INTERVAL_S, _MAX_INTERVAL_S = 0.0001, 60.0
#: OME-XML: the attributes of Pixels, once for each series of images, and when a plane was taken. Each ends before the
#: next "<", so that a description made of nothing but beginnings takes no hours.
_PIXELS = re.compile(r"<(?:\w+:)?Pixels\s([^<>]{0,4096})>")
_PLANE_TIME = re.compile(r"<(?:\w+:)?Plane\s[^<>]{0,1024}?\bDeltaT=\"([0-9.eE+-]+)\"")
_SAMPLES_PER_PIXEL = re.compile(r"\bSamplesPerPixel=\"(\d{1,4})\"")
_OTHER_FILES = re.compile(r"<(?:\w+:)?UUID\s[^<>]{0,1024}?FileName=\"([^<\"]{0,1024})\"")
_UNITS_S = {"s": 1.0, "ms": 1e-3, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
#: tifffile, where it was told no more.
_SHAPE = re.compile(r"^\{\"shape\": \[([\d, ]{1,200})\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackLayout:
    """What was found written. images: how many, 0 where it is not said. interval_s: between two images, with where that
    comes from. several: what there is several of at each time, such as "3 channels"; empty for a clip. remark: on what
    was passed over."""

    images: int = 0
    interval_s: float | None = None
    origin: str = ""
    several: str = ""
    remark: str = ""


def stack_layout(stream: BinaryIO) -> StackLayout:
    """Of an open TIFF. Raises nothing: what cannot be read is taken for not written."""
    tags = TiffTags(stream)
    text = tags.text(DESCRIPTION).replace("\r", "\n")
    if text.startswith("ImageJ"):
        return _of_imagej(text)
    if "<OME" in text or re.search(r"<\w+:OME", text):
        return _of_ome(text)
    if match := _SHAPE.match(text):
        return _of_shape([int(part) for part in match[1].split(",") if part.strip()], tags)
    planes = tags.count(METAMORPH_PLANES)
    return StackLayout(images=planes if planes > 1 else 0)


def _of_imagej(text: str) -> StackLayout:
    parts = (line.partition("=") for line in text.split("\n"))
    stated = {name: value.strip() for name, _, value in parts}
    images, channels, slices, frames = (
        int(stated[name]) if re.fullmatch(r"\d{1,9}", stated.get(name, "")) else 0
        for name in ("images", "channels", "slices", "frames")
    )
    interval_s, rate_hz = _number(stated.get("finterval")), _number(stated.get("fps"))
    if _is_believed(interval_s):
        pace: tuple[float | None, str] = interval_s, "ImageJ's interval"
    elif rate_hz > 0 and _is_believed(1 / rate_hz):
        pace = 1 / rate_hz, "ImageJ's rate"
    else:
        pace = None, ""
    return StackLayout(images=images, interval_s=pace[0], origin=pace[1], several=_several(channels, slices, frames))


def _several(channels: int, depths: int, times: int) -> str:
    """A stack of many depths and one time is read as a clip: ImageJ calls the frames of a film slices, too."""
    parts = [count_of(channels, "channel")] * (channels > 1)
    parts += [count_of(depths, "depth")] * (depths > 1 and times > 1)
    return " and ".join(parts)


def _of_ome(text: str) -> StackLayout:
    series = _PIXELS.findall(text)
    if not series:
        return StackLayout()
    if len(series) > 1:
        return StackLayout(several=f"{len(series)} series of images")
    stated = dict(re.findall(r"([\w:]+)=\"([^\"]*)\"", series[0]))
    samples = max([1, *(int(number) for number in _SAMPLES_PER_PIXEL.findall(text))])
    channels, depths, times = (
        int(stated[name]) if re.fullmatch(r"\d{1,9}", stated.get(name, "")) else 1
        for name in ("SizeC", "SizeZ", "SizeT")
    )
    several = _several(max(1, channels // samples), depths, times)
    elsewhere = len(set(_OTHER_FILES.findall(text))) > 1
    interval_s = _number(stated.get("TimeIncrement")) * _UNITS_S.get(stated.get("TimeIncrementUnit", "s"), math.nan)
    origin, remark = "OME's interval", ""
    if not _is_believed(interval_s):
        interval_s, remark = _of_planes(text)
        origin = "OME's times of the planes"
    if not _is_believed(interval_s):
        return StackLayout(images=0 if elsewhere else depths * times, several=several)
    return StackLayout(
        images=0 if elsewhere else depths * times,
        interval_s=interval_s,
        origin=origin,
        several=several,
        remark=remark,
    )


def _of_planes(text: str) -> tuple[float, str]:
    """Seconds from plane to plane on average, 0 where they are not written; and a remark where they are uneven."""
    times = [_number(number) for number in _PLANE_TIME.findall(text)]
    steps = np.diff(times)
    if len(times) < 2 or not (steps > 0).all():  # NaN is not above 0 either
        return 0.0, ""
    interval_s = float(steps.mean())
    uneven = steps.max() > 1.1 * interval_s or steps.min() < 0.9 * interval_s
    remark = f"its images are {steps.min():.3g} to {steps.max():.3g} s apart: {interval_s:.3g} s is taken for all"
    return interval_s, remark * bool(uneven)


def _of_shape(shape: list[int], tags: TiffTags) -> StackLayout:
    """Of an array: times, then perhaps channels or depths, then height, width and perhaps samples."""
    samples = tags.integers(SAMPLES, 1)[0]
    page = 3 if samples > 1 and samples in (*shape[-1:], *shape[-3:-2]) else 2
    before = [number for number in shape[:-page] if number != 1]
    several = f"an array of {'x'.join(map(str, shape))}" if len(before) > 1 else ""
    return StackLayout(images=math.prod(before), several=several)


def _is_believed(interval_s: float) -> bool:
    return _MIN_INTERVAL_S <= interval_s <= _MAX_INTERVAL_S


def _number(text: str | None) -> float:
    """NaN for what is none."""
    try:
        return float(text) if text is not None else math.nan
    except ValueError:
        return math.nan


@dataclass(frozen=True, slots=True)
class RawPages:
    """Images of one size without compression, from ``offset`` on."""

    path: Path
    offset: int
    count: int
    height: int
    width: int
    dtype: str
    inverted: bool

    def read(self, number: int) -> NDArray[Any]:
        """(H, W) gray, uint8 or as it is stored."""
        size = self.height * self.width * np.dtype(self.dtype).itemsize
        with open_regular(self.path) as stream:
            stream.seek(self.offset + number * size)
            data = stream.read(size)
        stored = np.frombuffer(data, self.dtype).reshape(self.height, self.width)
        stored = stored.astype(stored.dtype.newbyteorder("="))
        stored = complement(stored) if self.inverted else stored
        return from_signed(stored) if stored.dtype == np.int8 else stored


def from_signed(stored: NDArray[Any]) -> NDArray[np.uint8]:
    """Of 8 bits with a sign, the least of which is black."""
    return np.asarray(stored.view(np.uint8) ^ np.uint8(0x80))


def complement(stored: NDArray[Any]) -> NDArray[Any]:
    """Of an image whose least value is white: the complement, of floating point the negative."""
    return np.asarray(-stored if stored.dtype.kind == "f" else ~stored)


def raw_pages(path: Path, width: int, height: int, images: int) -> RawPages | None:
    """Those behind the only page of the table, as many as the file has room for; None where they are none, or not gray
    and uncompressed."""
    with open_regular(path) as stream:
        order = "<" if stream.read(2) == b"II" else ">"
        tags = TiffTags(stream)
        kind = {(8, 1): "u1", (8, 2): "i1", (16, 1): "u2", (16, 2): "i2", (32, 3): "f4"}.get(
            (tags.integers(BITS, 1)[0], tags.integers(FORMAT, 1)[0])
        )
        offsets, counts = tags.integers(OFFSETS, 0), tags.integers(COUNTS, 0)
        compression, samples = tags.integers(COMPRESSION, 1)[0], tags.integers(SAMPLES, 1)[0]
        white_is_least = tags.integers(PHOTOMETRIC, 1)[0] == 0
    in_a_row = all(a + n == b for a, n, b in zip(offsets, counts, offsets[1:], strict=False))
    if compression != 1 or samples != 1 or kind is None or not offsets[0] or not in_a_row:
        return None
    size = width * height * int(kind[1])
    count = min(images, (path.stat().st_size - offsets[0]) // size)
    return RawPages(path, offsets[0], count, height, width, f"{order}{kind}", white_is_least) if count > 1 else None
