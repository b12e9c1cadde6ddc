"""A folder or a pattern of still images as a clip. Stills have no clock: state the rate with ``rate_hz``."""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError, one_line
from seqcls.files.named_files import open_regular, read_regular
from seqcls.sources.aside import Aside
from seqcls.sources.base import require_regular_file, require_sane_size
from seqcls.sources.image_pages import still_format
from seqcls.sources.levels import SAMPLE, Levels, SetLevels, levels_of
from seqcls.sources.pixel_aspect import pixel_aspect, square_size, with_square_pixels
from seqcls.sources.sniff import is_clutter, kind_by_suffix, kind_of
from seqcls.sources.stack_layout import complement, from_signed
from seqcls.sources.tiff_tags import BITS, FORMAT, PHOTOMETRIC, SAMPLES, TiffTags
from seqcls.types import MAX_PIXELS

if TYPE_CHECKING:
    import PIL.Image

#: Taken where nobody states a rate; ``info.has_clock`` is then False.
ASSUMED_RATE_HZ = 25.0
#: Of a file that is read whole: twice what MAX_PIXELS of 16 bits per colour take.
MAX_IMAGE_BYTES = 600 << 20
#: TIFF 6.0.
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
#: EXIF's tag, and its values for images that are to be turned by a quarter.
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)


def listing(folder: Path) -> list[Path]:
    """What lies in the folder, in no order. Raises SourceError when it cannot be listed."""
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise SourceError(
            f"{folder}: cannot be listed ({one_line(error)}); check the path and its permissions"
        ) from None


def images_in(folder: Path, aside: Aside) -> list[Path]:
    """The images of a folder by name, told by their bytes; what else lies there is counted in ``aside``, but for hidden
    files and what file managers leave behind. Raises SourceError when the folder cannot be listed."""
    images = []
    for path in sorted(listing(folder)):
        if path.name.startswith(".") or is_clutter(path.name) or (path.is_dir() and not kind_by_suffix(path)):
            continue
        if path.exists() and not (path.is_file() or path.is_dir()):
            aside.reasons["pipes and devices"] += 1
            continue
        try:
            kind = kind_of(path)
        except SourceError:
            kind = kind_by_suffix(path)  # it is reported when it is read
        if kind == "image":
            images.append(path)
        elif kind in ("stack", "gif"):
            aside.reasons["files of several images: label and extract them as clips"] += 1
        elif kind:
            aside.reasons["clips: label and extract them"] += 1
        else:
            aside.suffixes[path.suffix.lower()] += 1
    return images


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which "frame 2" stands before "frame 10"."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[PIL.Image.Image]:
    """The image, its header read and nothing unpacked: a small file may hold a huge one. Every error is SourceError."""
    from PIL import Image

    require_regular_file(path, path.name)
    _silence_libtiff()
    try:
        with open_regular(path) as stream, Image.open(stream) as image:
            require_sane_size(path.name, *image.size)
            _require_sane_tiles(path.name, image)
            yield image
    except SourceError:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, its bomb error; its decoders anything
        raise SourceError(
            f"{path.name}: cannot be read as an image ({what_is_wrong(error)}); {_remedy(path, error)}"
        ) from None


def _remedy(path: Path, error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        with contextlib.suppress(OSError), open_regular(path) as stream:
            if form := still_format(stream.read(256)):
                return f"it looks like {form}, which cannot be decoded here: save it as PNG or JPEG"
            if samples := _samples_of_tiff(stream):
                return f"it looks like a TIFF of {samples}, which cannot be decoded here: save it as PNG"
    return "remove it or mend it"


def _samples_of_tiff(stream: BinaryIO) -> str:
    """Such as "64-bit floating point"; empty for what is none."""
    tags = TiffTags(stream)
    if not tags.count(BITS):
        return ""
    kind = {2: " signed", 3: " floating point", 5: " complex", 6: " complex"}.get(tags.integers(FORMAT, 1)[0], "")
    count = tags.integers(SAMPLES, 1)[0]
    white = ", the least of which is white" * (tags.integers(PHOTOMETRIC, 1)[0] == 0)
    return f"{tags.integers(BITS, 1)[0]}-bit{kind} samples{white}" + f", {count} a pixel" * (count > 1)


def _require_sane_tiles(name: str, image: PIL.Image.Image) -> None:
    """A TIFF may state tiles of any size, whatever its own: libtiff unpacks whole ones."""
    tags: Any = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    width, height = tags.get(_TILE_WIDTH, 1), tags.get(_TILE_HEIGHT, 1)
    if not (isinstance(width, int) and isinstance(height, int) and width * height <= MAX_PIXELS):
        raise SourceError(f"{name}: its tiles of {width}x{height} are larger than an image can be")


def what_is_wrong(error: Exception) -> str:
    """An error of Pillow's in plain words. Its own may hold a path, or are meant for who writes a decoder."""
    from PIL import UnidentifiedImageError
    from PIL.Image import DecompressionBombError

    if isinstance(error, UnidentifiedImageError):
        return "of no known format, or its start is damaged"
    if isinstance(error, DecompressionBombError):
        return f"it states more than {MAX_PIXELS // 1_000_000} megapixels"
    if isinstance(error, SourceError) or (isinstance(error, OSError) and error.strerror):
        return one_line(error)  # in plain words already; of the operating system
    if isinstance(error, MemoryError):
        return "memory ran out"
    cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
    return "the file ends early" if cut else "its data are damaged or cut short"


@cache
def _silence_libtiff() -> None:
    """Pillow's libtiff writes what it finds in a damaged file to the error output, once for every page; Pillow raises
    an error, too. Where libtiff is built into Pillow it cannot be reached and keeps writing."""
    from PIL import _imaging

    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            set_handler = getattr(library, name)
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the header of an image says. width, height: in square pixels, as ``read_image`` gives it, turned or not.
    deep: more than 8 bits. aspect: of its pixels, see ``SourceInfo.pixel_aspect``; remark: on one that is ignored, or
    on further images in the file."""

    width: int
    height: int
    deep: bool
    aspect: float
    remark: str


def image_facts(path: Path) -> ImageFacts:
    """From the header alone. Raises SourceError for what is no image or is too large."""
    with opened(path) as image:
        aspect, remark = image_aspect(image)
        count = getattr(image, "n_frames", 1) if image.format == "MPO" else 1
        if count > 1:  # a camera's other views, a smaller copy, a map of its brightness
            remark = f"{remark}; " * bool(remark) + f"{path.name} holds {count} images, of which the first is read"
        return ImageFacts(*square_size(*image.size, aspect), _is_deep(image), aspect, remark)


def image_aspect(image: PIL.Image.Image) -> tuple[float, str]:
    """A pixel's width divided by its height, from how many there are per inch each way; see ``pixel_aspect``."""
    info = image.info
    for name in ("dpi", "jfif_density", "aspect", "resolution"):
        with contextlib.suppress(TypeError, ValueError, ZeroDivisionError):  # fractions of nothing
            across, down = (float(number) for number in info[name]) if name in info else (0.0, 0.0)
            if across > 0 and down > 0:
                return pixel_aspect(down, across)
    return 1.0, ""


def read_image(path: Path, *, color: bool | None = False, levels: SetLevels | None = None) -> NDArray[np.uint8]:
    """(H, W) gray or (H, W, 3) BGR in square pixels. Pillow, unlike OpenCV, does not fill up a file that ends early.

    ``color`` None: as the file has it. ``levels``: the scale for more than 8 bits; without it the image's own. Raises
    SourceError for what is no image, is too large or is damaged.
    """
    stored, aspect = stored_image(path, color=color is not False)
    return with_square_pixels(as_asked(stored, stored.ndim == 3 if color is None else color, levels), aspect)


def as_asked(stored: NDArray[Any], color: bool, levels: SetLevels | None = None) -> NDArray[np.uint8]:
    """Of what ``stored_image`` gives: (H, W) gray or (H, W, 3) BGR, uint8; ``levels`` as for ``read_image``."""
    import cv2

    if stored.dtype != np.uint8:
        stored = (levels_of([stored]) if levels is None else levels.find()).apply(stored)
    if color:
        return np.ascontiguousarray(np.stack([stored] * 3, axis=-1) if stored.ndim == 2 else stored[..., ::-1])
    return stored if stored.ndim == 2 else np.asarray(cv2.cvtColor(stored, cv2.COLOR_RGB2GRAY), np.uint8)


def stored_image(path: Path, *, color: bool = False) -> tuple[NDArray[Any], float]:
    """(H, W) gray or (H, W, 3) RGB; uint8 where it has 8 bits or fewer, else as it is stored; and the aspect of its
    pixels. Raises SourceError.

    ``color`` False turns colours of 8 bits to gray.
    """
    with opened(path) as image:
        if image.format == "PNG":
            image.verify()  # 0.1 ms; without it a wrong checksum passes
    with opened(path) as image:
        deep = is_deep_color(image)
        pixels, aspect = page_pixels(image, color)
    return (_deep_color(path) if deep else pixels), aspect


def page_pixels(image: PIL.Image.Image, color: bool) -> tuple[NDArray[Any], float]:
    """As ``stored_image``, of the page that is open."""
    from PIL import ImageOps

    aspect, _ = image_aspect(image)
    if image.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE:
        aspect = 1 / aspect
    turned = ImageOps.exif_transpose(image)
    tags: Any = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    if turned.mode.startswith(("I", "F")):
        return _as_tagged(np.array(turned), tags), aspect
    gray = turned.mode in ("1", "L", "LA", "La") or not color
    pixels = np.array(turned.convert("L" if gray else "RGB"), np.uint8)
    return from_signed(pixels) if tags.get(FORMAT, (1,))[0] == 2 else pixels, aspect


def _as_tagged(stored: NDArray[Any], tags: Any) -> NDArray[Any]:
    """Of a TIFF of more than 8 bits, whose tags on the sign of 32 bits and on what is white Pillow passes over."""
    bits, sign = tags.get(BITS, (1,))[0], tags.get(FORMAT, (1,))[0]
    if stored.dtype == np.int32 and bits == 32 and sign == 1:
        stored = stored.view(np.uint32)
    if tags.get(PHOTOMETRIC, 1) != 0:
        return stored
    return complement(stored) if stored.dtype.kind == "f" or sign == 2 else (1 << bits) - 1 - stored


def _is_deep(image: PIL.Image.Image) -> bool:
    return image.mode.startswith(("I", "F")) or is_deep_color(image)


def is_deep_color(image: PIL.Image.Image) -> bool:
    """16 bits per channel, of which Pillow keeps the upper 8: 12 bits stored in 16 would be all but black."""
    if image.mode.startswith(("I", "F")):
        return False
    for tile in getattr(image, "tile", ()):
        for part in tile[3] if isinstance(tile[3], tuple) else (tile[3],):
            if ";16" in str(part) or (image.format == "PPM" and isinstance(part, int) and part > 255):
                return True
    return False


def _deep_color(path: Path) -> NDArray[Any]:
    """(H, W) or (H, W, 3) RGB uint16: Pillow knows no such colours. Its check of the file has been passed."""
    import cv2

    content = read_regular(path, MAX_IMAGE_BYTES)
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise SourceError(f"{path.name}: cannot be read with 16 bits per channel; save it with 8")
    return np.ascontiguousarray(image if image.ndim == 2 else image[..., 2::-1])


def deep_sample(paths: Sequence[Path]) -> Iterator[NDArray[Any]]:
    """Those of more than 8 bits, evenly chosen where there are many; what cannot be read is left out."""
    deep = []
    for path in paths:
        with contextlib.suppress(SourceError):
            if image_facts(path).deep:
                deep.append(path)
    for path in deep[:: max(1, len(deep) // SAMPLE)]:
        with contextlib.suppress(SourceError):
            stored, _ = stored_image(path)
            if stored.dtype != np.uint8:
                yield stored


def level_details(levels: Levels) -> tuple[tuple[str, str], ...]:
    """For ``SourceInfo.details``, as the DICOM reader writes it."""
    return (("gray levels", f"least to greatest of the set, {levels.low:g} to {levels.high:g}"),)
