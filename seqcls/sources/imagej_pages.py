"""ImageJ's other way to write a stack: one page in the TIFF's table, and the images behind it one after the other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqcls.named_files import open_regular

if TYPE_CHECKING:
    import PIL.Image

_IMAGES = re.compile(r"^images=(\d{1,9})\s*$", re.MULTILINE)
_DESCRIPTION = 270
#: TIFF 6.0: BitsPerSample, Compression, PhotometricInterpretation, StripOffsets, SamplesPerPixel, StripByteCounts,
#: SampleFormat.
_BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS, _SAMPLES, _COUNTS, _FORMAT = 258, 259, 262, 273, 277, 279, 339


def imagej_text(image: PIL.Image.Image) -> str:
    """What ImageJ wrote down in a TIFF's description; empty for others."""
    tags: Any = getattr(image, "tag_v2", {})
    text = tags.get(_DESCRIPTION, "") if image.format == "TIFF" else ""
    return text.replace("\r", "\n") if isinstance(text, str) and text.startswith("ImageJ") else ""


def promised_images(text: str) -> int:
    """How many images ImageJ says that the file holds; 0 where it does not say."""
    match = _IMAGES.search(text)
    return int(match[1]) if match else 0


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
        return np.iinfo(stored.dtype).max - stored if self.inverted else stored


def raw_pages(image: PIL.Image.Image, path: Path, promised: int) -> RawPages | None:
    """Those behind the only page of the table, as many as the file has room for; None where they are none, or not gray
    and uncompressed."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]  # it is a TIFF
    bits, samples, form = tags.get(_BITS, (1,)), tags.get(_SAMPLES, 1), tags.get(_FORMAT, (1,))
    kind = {(8, 1): "u1", (16, 1): "u2", (32, 3): "f4"}.get((bits[0], form[0]))
    offsets, counts = tags.get(_OFFSETS, ()), tags.get(_COUNTS, ())
    in_a_row = all(a + n == b for a, n, b in zip(offsets, counts, offsets[1:], strict=False))
    inverted = tags.get(_PHOTOMETRIC, 1) == 0
    if tags.get(_COMPRESSION, 1) != 1 or samples != 1 or kind is None or not offsets or not in_a_row:
        return None
    if inverted and kind == "f4":
        return None
    with open_regular(path) as stream:
        order = "<" if stream.read(2) == b"II" else ">"
    width, height = image.size
    size = width * height * int(kind[1])
    count = min(promised, (path.stat().st_size - offsets[0]) // size)
    return RawPages(path, offsets[0], count, height, width, f"{order}{kind}", inverted) if count > 1 else None
