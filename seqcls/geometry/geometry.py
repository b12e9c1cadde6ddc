"""From an image to what the model sees: find the ultrasound region, gray, masked, cropped, letterboxed to S x S."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.burnt_in_text import written_lines
from seqcls.errors import GeometryError
from seqcls.files.json_record import Record
from seqcls.geometry.crop import crop, is_blank, letterbox, to_gray
from seqcls.geometry.evidence import Evidence, Statistics
from seqcls.geometry.layout import Layout, ground_of, has_screen, holds
from seqcls.geometry.outline import Outline, covers, cuts, outline
from seqcls.geometry.region import Region
from seqcls.types import MAX_PIXELS

#: From so many lines of letters on a region is a page of text.
PAGE_LINES = 6
#: A layout has 1 to 2 KB, and belongs to one kind of scanner's screen; so many belong to no department.
MAX_LAYOUTS = 1000
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
    layouts: tuple[Layout, ...] = ()
    """Screens whose region is known: with ``auto``, a clip that shows one of them gets its region, the first that fits.
    Those that a person stated come before what the source states, the others only where it states nothing."""

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 1024:
            raise GeometryError(f"the model's image size must be 16 to 1024 pixels, not {self.size}")
        if len(self.layouts) > MAX_LAYOUTS:
            raise GeometryError(f"{len(self.layouts):,} layouts are more than {MAX_LAYOUTS:,}; leave some out")
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
        return crop(image, region)

    def apply(self, image: Image, region: Region) -> Image:
        """(H, W) or (H, W, 3) uint8 -> (S, S) uint8: ``crop``, then scaled to fit without stretching, rest black.

        Raises GeometryError for an image of another size.
        """
        return letterbox(crop(image, region), self.size)

    def to_dict(self) -> Record:
        """For JSON."""
        region = list(self.region) if isinstance(self.region, tuple) else self.region
        known = {"layouts": [layout.to_dict() for layout in self.layouts]} if self.layouts else {}
        return {"size": self.size, "region": region, **known}

    @classmethod
    def from_dict(cls, record: Record) -> Geometry:
        """The inverse of ``to_dict``; raises GeometryError for anything else."""
        try:
            region = record["region"]
            if isinstance(region, (list, tuple)):
                x0, y0, x1, y1 = (int(value) for value in region)
                region = (x0, y0, x1, y1)
            layouts = tuple(Layout.from_dict(layout) for layout in record.get("layouts", ()))
            return cls(size=int(record["size"]), region=region, layouts=layouts)
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
        self.layout: Layout | None = None
        """The screen with the region that a search found, once it did; None before, and where none was made."""

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
        """Decide from what there is: where nothing is found the source's box, else a region of kind "none".

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
        if box is not None:
            return Region(*box, width, height, kind="stated")
        return Region(0, 0, width, height, width, height, kind="none", confidence=0.0)

    def pooled(self, others: Sequence[RegionFinder], frames: int = 24) -> RegionFinder:
        """A finder with frames of this one and of others of the same image size: at most ``frames`` of each, so that
        what stands still in all of them stands out."""
        both = RegionFinder(self._geometry, self._hint)
        both._size, both._statistics = self._size, Statistics(*self._sized())
        for finder in (self, *others):
            for image in finder._statistics.few(frames):
                both._statistics.add_reduced(image)
        return both

    def _search(self) -> Region | None:
        evidence = self._statistics.evidence()
        ground = ground_of(evidence.mean, evidence.still, *self._sized())
        known = [layout for layout in self._geometry.layouts if has_screen(layout, ground, *self._sized())]
        found = next((layout.region for layout in known if layout.stated), None)
        if found is None:
            found = self._find(evidence)
            if self._hint is None:
                found = next((layout.region for layout in known if holds(layout, found, evidence)), found)
            if found is not None and _is_page(found, evidence):
                found = None
        if found is not None:
            self.layout = Layout(found, tuple(ground.ravel().tolist()))
        return found

    def _find(self, evidence: Evidence) -> Region | None:
        whole, box = outline(evidence), self._box()
        found = whole
        if box is not None:
            found = outline(evidence.within(box))
            if found is None or whole is None:
                return None
            # Scanners have stated boxes for images of another size: one that cuts through the sector is not believed.
            if cuts(evidence.within(box).inside, whole.corners) and covers(
                whole.corners, found.corners, evidence.seen.shape
            ):
                found, box = whole, None
        return None if found is None else _region(found, evidence.scale, box, self._sized())

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


def _is_page(region: Region, evidence: Evidence) -> bool:
    """Whether lines of letters stand all over it: a worklist from a frame grabber, whose noise moves as speckle does.

    In the mean of the frames 127 clips of real scanners show one such line at most, lists of names fifteen and more.
    """
    (across, down), (x0, y0, x1, y1) = evidence.scale, region.box
    part = evidence.mean[round(y0 / down) : round(y1 / down), round(x0 / across) : round(x1 / across)]
    return len(written_lines(part.copy(), np.zeros_like(part))) >= PAGE_LINES


def _region(found: Outline, scale: tuple[float, float], box: Box | None, size: tuple[int, int]) -> Region:
    """Corners in reduced pixels -> Region of the image, a pixel and a half wider than found, at most the box."""
    x0, y0, x1, y1 = (0, 0, *size) if box is None else box
    corners = found.corners
    way = np.sign(corners - corners.mean(axis=0))
    wide = (corners + 0.5) * scale - 0.5 + way * 1.5 * np.array(scale)
    wide = np.clip(np.round(wide), (x0, y0), (x1 - 1, y1 - 1)).astype(np.int32)
    hull = cv2.convexHull(wide)[:, 0, :]
    fills = float(cv2.contourArea(hull)) >= 0.985 * (size[0] - 1) * (size[1] - 1)
    if fills or (found.whole and found.kind == "linear"):
        return Region(0, 0, *size, *size, confidence=found.confidence)
    if found.whole:
        left, right, top, bottom = 0, size[0], 0, size[1]
    else:
        left, right = _even(int(hull[:, 0].min()), int(hull[:, 0].max()) + 1, x1)
        top, bottom = _even(int(hull[:, 1].min()), int(hull[:, 1].max()) + 1, y1)
    polygon = tuple((int(x), int(y)) for x, y in hull)
    return Region(max(left, x0), max(top, y0), right, bottom, *size, polygon, found.kind, found.confidence)


def _even(start: int, end: int, limit: int) -> tuple[int, int]:
    """The stretch [start, end) lengthened, where 0 to ``limit`` allows, so that it can be halved unhurt as often as
    an image of 224 pixels asks for: to a multiple of 2, of 4 from 448 pixels on, of 8 from 896 on."""
    step = 2 if end - start < 448 else 4 if end - start < 896 else 8
    end = min(limit, end + -(end - start) % step)
    return max(0, start - -(end - start) % step), end


def _require_box(box: Box) -> None:
    if len(box) != 4 or not (0 <= box[0] < box[2] and 0 <= box[1] < box[3]):
        shown = ",".join(str(value) for value in box)
        raise GeometryError(f"region {shown} is empty or negative: use x0,y0,x1,y1 with x0 < x1 and y0 < y1")
    if (box[2] - box[0]) * (box[3] - box[1]) > MAX_PIXELS or max(box) > MAX_PIXELS:
        raise GeometryError(f"region {','.join(map(str, box))[:60]} has more pixels than any image")
