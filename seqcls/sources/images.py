"""A folder or a pattern of still images as a clip. Stills have no clock: state the rate with ``rate_hz``."""

from __future__ import annotations

import contextlib
import glob
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.sources.base import Clip, require_regular_file, require_sane_size
from seqcls.sources.expand import NUMBERED, is_image, listing, natural
from seqcls.types import Frame, Gap, SourceInfo

if TYPE_CHECKING:
    import PIL.Image

#: Taken where nobody states a rate; ``info.has_clock`` is then False.
ASSUMED_RATE_HZ = 25.0


class ImageSequence(Clip):
    """Images in natural order (frame 2 before frame 10); each lasts ``1 / rate_hz`` seconds.

    With a pattern such as ``frame_%04d.png`` the numbers are the time axis, so a missing number is a gap. Raises
    SourceError when there is no image or the first one cannot be read.
    """

    def __init__(self, spec: Path, *, rate_hz: float | None = None, color: bool = False) -> None:
        super().__init__()
        self.name, self._color = spec.name if spec.name else str(spec), color
        self._places = _find(spec)  # [(slot on the time axis, path)]
        self._rate_hz = ASSUMED_RATE_HZ if rate_hz is None else rate_hz
        first = self._places[0][1]
        width, height = image_size(first)
        slots = self._places[-1][0] + 1
        self.info = SourceInfo(
            name=self.name,
            kind="images",
            codec=first.suffix.lstrip(".").lower(),
            width=width,
            height=height,
            declared_frames=len(self._places),
            declared_duration_s=slots / self._rate_hz,
            rate_hz=self._rate_hz,
            has_clock=rate_hz is not None,
        )
        if rate_hz is None:
            self._notes.append(
                f"images have no clock: {ASSUMED_RATE_HZ:g} per second assumed; state the rate by rate_hz=NUMBER"
            )

    def _items(self) -> Iterator[Frame | Gap]:
        period_s, expected = 1 / self._rate_hz, 0
        for slot, path in self._places:
            if slot > expected:
                reason = f"no image between {path.name} and the one before it"
                yield self._lost(expected / self._rate_hz, slot / self._rate_hz, reason)
            expected = slot + 1
            try:
                image = read_image(path, color=self._color)
            except SourceError as error:
                yield self._lost(slot / self._rate_hz, (slot + 1) / self._rate_hz, str(error))
                continue
            self._watch_size(image, path.name)
            yield Frame(self._delivered, slot / self._rate_hz, period_s, image)


def _find(spec: Path) -> list[tuple[int, Path]]:
    """Paths, each with its place on the time axis, counted from 0. Raises SourceError where there is no image."""
    if spec.is_file():
        return [(0, spec)]
    if spec.is_dir():
        found = listing(spec)
    elif NUMBERED.search(spec.name):
        return _numbered(spec)
    else:
        found = [Path(name) for name in glob.glob(str(spec))]  # noqa: PTH207 - it takes absolute patterns
    images = sorted(filter(is_image, found), key=lambda path: natural(path.name))
    if not images:
        raise SourceError(f"{spec}: no image there; seqcls reads png, jpg, bmp, tif, pgm, ppm and webp")
    return list(enumerate(images))


def _numbered(spec: Path) -> list[tuple[int, Path]]:
    """Files that fit ``name_%04d.png``, by their number counted from the lowest."""
    head, tail = (re.escape(part.replace("%%", "%")) for part in NUMBERED.split(spec.name, maxsplit=1))
    fits = re.compile(rf"{head}(\d+){tail}\Z")
    found = sorted((int(match[1]), path) for path in listing(spec.parent) if (match := fits.match(path.name)))
    if not found:
        raise SourceError(f"{spec}: no image fits this pattern; check the folder and the number's width")
    return [(number - found[0][0], path) for number, path in found]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[PIL.Image.Image]:
    """The image, its header read and nothing unpacked: a small file may hold a huge one. Every error is SourceError."""
    from PIL import Image

    require_regular_file(path)
    try:
        with Image.open(path) as image:
            require_sane_size(path.name, *image.size)
            yield image
    except SourceError:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, its bomb error; its decoders anything
        raise SourceError(
            f"{path.name}: cannot be read as an image ({type(error).__name__}); remove it or mend it"
        ) from None


def image_size(path: Path) -> tuple[int, int]:
    """Width and height from the header. Raises SourceError for what is no image or is too large."""
    with _opened(path) as image:
        return image.size


def read_image(path: Path, *, color: bool = False) -> NDArray[np.uint8]:
    """(H, W) gray or (H, W, 3) BGR. Pillow, unlike OpenCV, does not fill up a file that ends early.

    Raises SourceError for what is no image, is too large or is damaged.
    """
    from PIL import ImageOps

    with _opened(path) as opened:
        if opened.format == "PNG":
            opened.verify()  # 0.1 ms; without it a wrong checksum passes
    with _opened(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith(("I", "F")):  # 16 bits, in the upper half of which a gray level lies
            deep = np.asarray(image).astype(np.int64)
            gray = np.asarray(np.clip(deep >> 8, 0, 255), np.uint8)
            return np.stack([gray] * 3, axis=-1) if color else gray
        if color:
            return np.ascontiguousarray(np.asarray(image.convert("RGB"), np.uint8)[..., ::-1])
        return np.array(image.convert("L"), np.uint8)
