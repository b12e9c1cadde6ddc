"""From an image to what the model sees: find the ultrasound region, gray, masked, cropped, letterboxed to S x S."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import GeometryError
from seqcls.geometry.evidence import Statistics
from seqcls.geometry.region import Record, Region, outline_mask
from seqcls.geometry.sector import covers, cuts, outline

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How images become (S, S) uint8; stored in the model, used alike by extract, train and run.

    Raises GeometryError for values that cannot be right.
    """

    size: int = 224
    """S, 16 to 1024 pixels."""
    region: Literal["auto", "none"] | Box = "auto"
    """``auto`` searches, ``none`` takes the whole image, (x0, y0, x1, y1) is a half-open box in pixels."""

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 1024:
            raise GeometryError(f"the model's image size must be 16 to 1024 pixels, not {self.size}")
        if isinstance(self.region, tuple):
            _require_box(self.region)
        elif self.region not in ("auto", "none"):
            raise GeometryError(f"region must be auto, none or x0,y0,x1,y1, not {self.region!r}")

    def find(self, images: Sequence[Image], hint: Box | None = None) -> Region:
        """The region shared by ``images``, each (H, W) or (H, W, 3) uint8 of one size.

        ``hint`` is a box stated by the source (DICOM); only inside it is searched. Raises GeometryError without images
        and for a stated region outside of the image.
        """
        finder = RegionFinder(self, hint)
        for image in images:
            finder.add(image)
        return finder.finish()

    def crop(self, image: Image, region: Region) -> Image:
        """Gray (y1 - y0, x1 - x0) uint8, contiguous, 0 outside the outline. Raises GeometryError for another size."""
        if image.shape[:2] != (region.height, region.width):
            height, width = image.shape[:2]
            raise GeometryError(f"a region of {region.width}x{region.height} is not for an image of {width}x{height}")
        gray = to_gray(image[region.y0 : region.y1, region.x0 : region.x1])
        mask = outline_mask(region)
        return np.ascontiguousarray(gray) if mask is None else np.asarray(cv2.bitwise_and(gray, mask), np.uint8)

    def apply(self, image: Image, region: Region) -> Image:
        """(H, W) or (H, W, 3) uint8 -> (S, S) uint8: ``crop``, then scaled to fit without stretching, rest black.

        Raises GeometryError for an image of another size.
        """
        return letterbox(self.crop(image, region), self.size)

    def to_dict(self) -> Record:
        """For JSON."""
        return {"size": self.size, "region": list(self.region) if isinstance(self.region, tuple) else self.region}

    @classmethod
    def from_dict(cls, record: Record) -> Geometry:
        """The inverse of ``to_dict``; raises GeometryError for anything else."""
        try:
            region = record["region"]
            if isinstance(region, (list, tuple)):
                x0, y0, x1, y1 = (int(value) for value in region)
                region = (x0, y0, x1, y1)
            return cls(size=int(record["size"]), region=region)
        except (KeyError, TypeError, ValueError) as error:
            raise GeometryError(f"not a stored geometry ({error}); make the file anew") from error


class RegionFinder:
    """Finds a clip's region from its first usable frames only, so that live and offline agree.

    Push frames of one size until a Region comes back; for another image size make a new finder. The search begins once
    there are USABLE_FRAMES that are not dark. While it finds nothing, it is repeated on the next ones, up to MAX_FRAMES
    pushes in all.
    """

    USABLE_FRAMES = 24
    MAX_FRAMES = 250

    def __init__(self, geometry: Geometry, hint: Box | None = None) -> None:
        self._geometry = geometry
        self._hint = hint
        self._size: tuple[int, int] | None = None
        self._statistics = Statistics(1, 1)
        self._pushed = 0
        self._usable = 0

    def push(self, image: Image) -> Region | None:
        """The Region as soon as it is decided, else None. Raises GeometryError when the image size changes."""
        self.add(image)
        self._pushed += 1
        if self._geometry.region != "auto" or self._pushed >= self.MAX_FRAMES:
            return self.finish()
        if self._usable < self.USABLE_FRAMES:
            return None
        region = self._search()
        if region is None:  # menus, a desktop: what comes next may be ultrasound
            self._statistics, self._usable = Statistics(*self._sized()), 0
        return region

    def add(self, image: Image) -> None:
        """Take a frame into account without asking for a decision."""
        size = image.shape[1], image.shape[0]
        if self._size is None:
            self._size, self._statistics = size, Statistics(*size)
        elif size != self._size:
            raise GeometryError(f"the image size changes from {self._size} to {size}; start a new search")
        if self._geometry.region == "auto":
            gray = to_gray(image)
            if not is_blank(gray):
                self._statistics.add(gray)
                self._usable += 1

    def finish(self) -> Region:
        """Decide from what there is: the source's box, else the whole image, where nothing is found.

        Raises GeometryError when there was no frame at all, or the stated region does not fit.
        """
        width, height = self._sized()
        stated = self._geometry.region
        if stated == "none":
            return Region(0, 0, width, height, width, height)
        if isinstance(stated, tuple):
            return Region(*stated, width, height, kind="stated")
        found = self._search() if len(self._statistics) else None
        if found is not None:
            return found
        box = self._box()
        return Region(0, 0, width, height, width, height) if box is None else Region(*box, width, height, kind="stated")

    def _search(self) -> Region | None:
        evidence = self._statistics.evidence()
        whole, box = outline(evidence), self._box()
        found = whole
        if box is not None:
            found = outline(evidence.within(box))
            if found is None or whole is None:
                return None
            # Scanners have stated boxes for images of another size: one that cuts through the sector is not believed.
            if cuts(evidence.within(box).inside, whole[0]) and covers(whole[0], found[0], evidence.seen.shape):
                found, box = whole, None
        return None if found is None else _region(*found, evidence.scale, box, self._sized())

    def _sized(self) -> tuple[int, int]:
        if self._size is None:
            raise GeometryError("no image to find the ultrasound region in; is the clip empty?")
        return self._size

    def _box(self) -> Box | None:
        """The part of the source's box inside the image; one that misses it is no hint."""
        if self._hint is None:
            return None
        width, height = self._sized()
        x0, y0 = max(0, self._hint[0]), max(0, self._hint[1])
        x1, y1 = min(width, self._hint[2]), min(height, self._hint[3])
        return (x0, y0, x1, y1) if x1 - x0 >= 16 and y1 - y0 >= 16 else None


def to_gray(image: Image) -> Image:
    """(H, W) or (H, W, 3) BGR uint8 -> (H, W) uint8 with the weights of ITU-R BT.601."""
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def letterbox(gray: Image, size: int) -> Image:
    """(H, W) uint8 -> (size, size) uint8, centred, not stretched, rest black.

    Halved by averaging 2 x 2 pixels (which cv2 has in SIMD, unlike other factors) until less than a factor of 2 is left
    for linear interpolation: as free of aliasing as INTER_AREA in one step, at several times its speed. The last row
    or column of an odd size is dropped: padding would cost more than all the rest.
    """
    reduced, (height, width) = gray, gray.shape
    while max(reduced.shape) >= 2 * size and min(reduced.shape) >= 2:
        h, w = reduced.shape[0] // 2, reduced.shape[1] // 2
        reduced = np.asarray(cv2.resize(reduced[: 2 * h, : 2 * w], (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    scale = size / max(height, width)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    out = np.zeros((size, size), np.uint8)
    y, x = (size - h) // 2, (size - w) // 2
    out[y : y + h, x : x + w] = cv2.resize(reduced, (w, h), interpolation=cv2.INTER_LINEAR)
    return out


def is_blank(gray: Image) -> bool:
    """Less than 0.2 % of the pixels above 24: black, or nothing but a mark in a corner."""
    sample = gray[::4, ::4]
    return bool(np.count_nonzero(sample > 24) < 0.002 * sample.size)


def _region(
    corners: NDArray[np.int32], kind: str, scale: tuple[float, float], box: Box | None, size: tuple[int, int]
) -> Region:
    """Corners in reduced pixels -> Region of the image, a pixel and a half wider than found, at most the box."""
    x0, y0, x1, y1 = (0, 0, *size) if box is None else box
    way = np.sign(corners - corners.mean(axis=0))
    wide = (corners + 0.5) * scale - 0.5 + way * 1.5 * np.array(scale)
    wide = np.clip(np.round(wide), (x0, y0), (x1 - 1, y1 - 1)).astype(np.int32)
    hull = cv2.convexHull(wide)[:, 0, :]
    if cv2.contourArea(hull) >= 0.985 * (size[0] - 1) * (size[1] - 1):
        return Region(0, 0, *size, *size, kind="full")
    (left, top), (right, bottom) = hull.min(axis=0), hull.max(axis=0) + 1
    left, right = _in_eights(int(left), int(right), size[0])
    top, bottom = _in_eights(int(top), int(bottom), size[1])
    return Region(left, top, right, bottom, *size, tuple((int(x), int(y)) for x, y in hull), kind)


def _in_eights(start: int, end: int, limit: int) -> tuple[int, int]:
    """The stretch [start, end) lengthened to a multiple of 8, where 0 to ``limit`` allows: it can be halved unhurt."""
    end = min(limit, end + -(end - start) % 8)
    return max(0, start - -(end - start) % 8), end


def _require_box(box: Box) -> None:
    if len(box) != 4 or not (0 <= box[0] < box[2] and 0 <= box[1] < box[3]):
        shown = ",".join(str(value) for value in box)
        raise GeometryError(f"region {shown} is empty or negative: use x0,y0,x1,y1 with x0 < x1 and y0 < y1")
