"""From a picture to what the model sees: find the ultrasound region, gray, masked, cropped, letterboxed to S x S."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import GeometryError
from seqcls.geometry.evidence import Statistics
from seqcls.geometry.region import Region, outline_mask
from seqcls.geometry.sector import outline

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How pictures become (S, S) uint8; stored in the model, used alike by extract, train and run.

    size: S, 16 to 1024. region: "auto" searches, "none" takes the whole picture, (x0, y0, x1, y1) is a half-open box in
    pixels. Raises GeometryError for values that cannot be right.
    """

    size: int = 224
    region: Literal["auto", "none"] | Box = "auto"

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 1024:
            raise GeometryError(f"the model's picture size must be 16 to 1024 pixels, not {self.size}")
        if isinstance(self.region, tuple):
            _require_box(self.region)
        elif self.region not in ("auto", "none"):
            raise GeometryError(f"region must be auto, none or x0,y0,x1,y1, not {self.region!r}")

    def find(self, images: Sequence[Image], hint: Box | None = None) -> Region:
        """The region shared by ``images``, each (H, W) or (H, W, 3) uint8 of one size.

        ``hint`` is a box stated by the source (DICOM); only inside it is searched. Raises GeometryError without images
        and for a stated region outside of the picture.
        """
        finder = RegionFinder(self, hint)
        for image in images:
            finder.add(image)
        return finder.finish()

    def crop(self, image: Image, region: Region) -> Image:
        """Gray (y1 - y0, x1 - x0) uint8, contiguous, 0 outside the outline. Raises GeometryError for another size."""
        if image.shape[:2] != (region.height, region.width):
            height, width = image.shape[:2]
            raise GeometryError(f"a region of {region.width}x{region.height} is not for a picture of {width}x{height}")
        gray = to_gray(image[region.y0 : region.y1, region.x0 : region.x1])
        mask = outline_mask(region)
        return np.ascontiguousarray(gray) if mask is None else cv2.bitwise_and(gray, mask)

    def apply(self, image: Image, region: Region) -> Image:
        """(H, W) or (H, W, 3) uint8 -> (S, S) uint8: ``crop``, then scaled to fit without stretching, rest black."""
        return letterbox(self.crop(image, region), self.size)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"size": self.size, "region": list(self.region) if isinstance(self.region, tuple) else self.region}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Geometry:
        """The inverse of ``to_dict``; raises GeometryError for anything else."""
        try:
            region = record["region"]
            box = tuple(int(value) for value in region) if isinstance(region, (list, tuple)) else region
            return cls(size=int(record["size"]), region=box)
        except (KeyError, TypeError, ValueError) as error:
            raise GeometryError(f"not a stored geometry ({error}); make the file anew") from error


class RegionFinder:
    """Finds a clip's region from its first usable frames only, so that live and offline agree.

    Push frames of one size until a Region comes back; for another picture size make a new finder. Dark frames do not
    count towards FRAMES, nor does the search end at FRAMES while nothing is found; at most MOST frames are waited for.
    """

    FRAMES = 24
    MOST = 250

    def __init__(self, geometry: Geometry, hint: Box | None = None) -> None:
        self._geometry = geometry
        self._hint = hint
        self._size: tuple[int, int] | None = None
        self._box: Box = (0, 0, 0, 0)
        self._statistics = Statistics(1, 1)
        self._pushed = 0
        self._usable = 0

    def push(self, image: Image) -> Region | None:
        """The Region as soon as it is decided, else None. Raises GeometryError when the picture size changes."""
        self.add(image)
        self._pushed += 1
        if self._geometry.region != "auto" or self._pushed >= self.MOST:
            return self.finish()
        if self._usable < self.FRAMES:
            return None
        region = self._search()
        if region is None:  # menus, a desktop: what comes next may be ultrasound
            self._restart()
        return region

    def add(self, image: Image) -> None:
        """Take a frame into account without asking for a decision."""
        size = image.shape[1], image.shape[0]
        if self._size is None:
            self._size = size
            self._box = (0, 0, *size) if self._hint is None else _clipped(self._hint, *size)
            self._restart()
        elif size != self._size:
            raise GeometryError(f"the picture size changes from {self._size} to {size}; start a new search")
        if self._geometry.region == "auto":
            x0, y0, x1, y1 = self._box
            gray = to_gray(image[y0:y1, x0:x1])
            if not is_blank(gray):
                self._statistics.add(gray)
                self._usable += 1

    def finish(self) -> Region:
        """Decide from what there is: the whole picture (or hint) where nothing is found.

        Raises GeometryError when there was no frame at all, or the stated region does not fit.
        """
        if self._size is None:
            raise GeometryError("no picture to find the ultrasound region in; is the clip empty?")
        stated = self._geometry.region
        if stated == "none":
            return Region(0, 0, *self._size, *self._size)
        if isinstance(stated, tuple):
            return Region(*stated, *self._size, kind="stated")
        found = self._search() if len(self._statistics) else None
        if found is not None:
            return found
        return Region(*self._box, *self._size, kind="full" if self._box == (0, 0, *self._size) else "stated")

    def _restart(self) -> None:
        x0, y0, x1, y1 = self._box
        self._statistics, self._usable = Statistics(x1 - x0, y1 - y0), 0

    def _search(self) -> Region | None:
        assert self._size is not None, "a search needs a picture"
        evidence = self._statistics.evidence()
        found = outline(evidence)
        if found is None:
            return None
        return _region(found[0], found[1], evidence.scale, self._box, self._size)


def to_gray(image: Image) -> Image:
    """(H, W) or (H, W, 3) BGR uint8 -> (H, W) uint8 with the weights of ITU-R BT.601."""
    if image.ndim == 2:
        return image
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def letterbox(gray: Image, size: int) -> Image:
    """(H, W) uint8 -> (size, size) uint8, centred, not stretched, rest black.

    Far larger pictures are first averaged over k x k blocks (exact, fast in cv2), then scaled by less than 2 linearly:
    as free of aliasing as INTER_AREA in one step and several times its speed.
    """
    height, width = gray.shape
    factor = max(height, width) // size
    if factor >= 2:
        down, across = -height % factor, -width % factor
        if down or across:
            gray = cv2.copyMakeBorder(gray, 0, down, 0, across, cv2.BORDER_CONSTANT, value=0)
        height, width = gray.shape
        gray = cv2.resize(gray, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    scale = size / max(height, width)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    out = np.zeros((size, size), np.uint8)
    y, x = (size - h) // 2, (size - w) // 2
    out[y : y + h, x : x + w] = cv2.resize(gray, (w, h), interpolation=cv2.INTER_LINEAR)
    return out


def is_blank(gray: Image) -> bool:
    """Less than 0.2 % of the pixels above 24: black, or nothing but a mark in a corner."""
    sample = gray[::4, ::4]
    return bool(np.count_nonzero(sample > 24) < 0.002 * sample.size)


def _region(corners: NDArray[np.int32], kind: str, scale: tuple[float, float], box: Box, size: tuple[int, int]) -> Region:
    """Corners in reduced pixels of the box -> Region of the picture, a little wider than found, at most the box."""
    x0, y0, x1, y1 = box
    middle = corners.mean(axis=0)
    way = np.sign(corners - middle)
    wide = (corners + 0.5) * scale - 0.5 + way * 1.5 * np.array(scale) + (x0, y0)
    wide = np.clip(np.round(wide), (x0, y0), (x1 - 1, y1 - 1)).astype(np.int32)
    hull = cv2.convexHull(wide)[:, 0, :]
    left, top = hull.min(axis=0)
    right, bottom = hull.max(axis=0) + 1
    polygon = tuple((int(x), int(y)) for x, y in hull)
    return Region(int(left), int(top), int(right), int(bottom), *size, polygon, kind)


def _require_box(box: Box) -> None:
    if len(box) != 4 or not (0 <= box[0] < box[2] and 0 <= box[1] < box[3]):
        shown = ",".join(str(value) for value in box)
        raise GeometryError(f"region {shown} is empty or negative: use x0,y0,x1,y1 with x0 < x1 and y0 < y1")


def _clipped(hint: Box, width: int, height: int) -> Box:
    """The part of a source's box inside the picture; a box that misses it is no hint."""
    x0, y0, x1, y1 = max(0, hint[0]), max(0, hint[1]), min(width, hint[2]), min(height, hint[3])
    return (x0, y0, x1, y1) if x1 - x0 >= 16 and y1 - y0 >= 16 else (0, 0, width, height)
