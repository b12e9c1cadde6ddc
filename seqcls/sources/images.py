"""A folder or a pattern of still images as a clip. Stills have no clock: say the rate with ``--fps``."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.sources.base import OneWay, require_regular_file, require_sane_size
from seqcls.sources.expand import is_image, natural
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

#: Taken where nobody states a rate; ``info.has_clock`` is then False.
ASSUMED_RATE_HZ = 25.0

_NUMBER = re.compile(r"%(0\d+)?d")


class ImageSequence(OneWay):
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
        width, height = _size(first)
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
        self._assumed = rate_hz is None
        self._alarms: list[str] = []
        self._gaps: list[Gap] = []
        self._delivered = 0
        self._ended = False

    def _items(self) -> Iterator[Frame | Gap]:
        period_s, expected, size = 1 / self._rate_hz, 0, ()
        for slot, path in self._places:
            if slot > expected:
                yield self._gap(expected, slot, f"no image between {path.name} and the one before it")
            expected = slot + 1
            try:
                image = _read(path, self._color)
            except SourceError as error:
                yield self._gap(slot, slot + 1, str(error))
                continue
            if size and image.shape != size:
                self._alarms.append(f"the picture size changes at {path.name}")
            size = image.shape
            yield Frame(self._delivered, slot / self._rate_hz, period_s, image)
            self._delivered += 1
        self._ended = True

    def _gap(self, start: int, end: int, reason: str) -> Gap:
        self._gaps.append(Gap(start / self._rate_hz, end / self._rate_hz, reason))
        return self._gaps[-1]

    def report(self) -> SourceReport:
        reasons = [*self._alarms, *(gap.reason for gap in self._gaps)]
        bad = bool(reasons)
        if self._assumed:
            reasons.append(f"images have no clock: {ASSUMED_RATE_HZ:g} per second assumed; state the rate with --fps")
        if not self._ended:
            reasons.append("not read to the end")
        verdict = "damaged" if bad else "complete" if self._ended else "unknown"
        return SourceReport(verdict, tuple(reasons), self._delivered, tuple(self._gaps))  # type: ignore[arg-type]


def _find(spec: Path) -> list[tuple[int, Path]]:
    if spec.is_dir():
        return _in_order([path for path in spec.iterdir() if is_image(path)], spec)
    if spec.is_file():
        return [(0, spec)]
    if _NUMBER.search(spec.name):
        return _numbered(spec)
    names = glob.glob(str(spec))  # noqa: PTH207 - it takes absolute patterns
    return _in_order([Path(name) for name in names if is_image(Path(name))], spec)


def _in_order(paths: Sequence[Path], spec: Path) -> list[tuple[int, Path]]:
    if not paths:
        raise SourceError(f"{spec}: no image there; seqcls reads png, jpg, bmp, tif, pgm, ppm and webp")
    return list(enumerate(sorted(paths, key=lambda path: natural(path.name))))


def _numbered(spec: Path) -> list[tuple[int, Path]]:
    """Files that fit ``name_%04d.png``, by their number counted from the lowest."""
    head, tail = _NUMBER.split(spec.name, maxsplit=1)[0], spec.name[_NUMBER.search(spec.name).end() :]  # type: ignore[union-attr]
    fits = re.compile(re.escape(head.replace("%%", "%")) + r"(\d+)" + re.escape(tail.replace("%%", "%")) + r"\Z")
    folder = spec.parent
    found = [(int(match[1]), path) for path in _listing(folder) if (match := fits.match(path.name))]
    if not found:
        raise SourceError(f"{spec}: no image fits this pattern; check the folder and the number's width")
    found.sort()
    lowest = found[0][0]
    return [(number - lowest, path) for number, path in found]


def _listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed ({error.strerror}); check the path") from None


def _size(path: Path) -> tuple[int, int]:
    """Width and height from the header alone, so that a small file of a huge image is never unpacked."""
    from PIL import Image

    require_regular_file(path)
    try:
        with Image.open(path) as opened:
            width, height = opened.size
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, its bomb error
        raise SourceError(
            f"{path}: is no image that can be read ({type(error).__name__}); remove it or mend it"
        ) from None
    require_sane_size(path.name, width, height)
    return width, height


def _read(path: Path, color: bool) -> NDArray[np.uint8]:
    """(H, W) gray or (H, W, 3) BGR. Pillow, unlike OpenCV, does not fill up a file that ends early."""
    from PIL import Image, ImageOps

    _size(path)
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith(("I", "F")):  # 16 bits, in the upper half of which a gray level lies
                deep = np.asarray(image).astype(np.int64)
                gray = np.asarray(np.clip(deep >> 8, 0, 255), np.uint8)
                return np.stack([gray, gray, gray], axis=-1) if color else gray
            if color:
                return np.ascontiguousarray(np.asarray(image.convert("RGB"), np.uint8)[..., ::-1])
            return np.array(image.convert("L"), np.uint8)
    except Exception as error:  # as in _size, and whatever the decoders raise on damage
        raise SourceError(f"{path.name}: cannot be decoded ({type(error).__name__})") from None
