"""Where the ultrasound is in an image, and what of it may be shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import GeometryError
from seqcls.types import MAX_PIXELS

Image = NDArray[np.uint8]

#: What ``Region.kind`` may say. full: the whole image. stated: a box that somebody gave, its shape unknown. none: no
#: ultrasound was found; the box is the whole image, of which nothing may be kept or shown.
KINDS = ("linear", "convex", "phased", "full", "stated", "none")
NOT_FOUND = (
    "no ultrasound region was found in part of the input: there the whole image is scored, and nothing of it is shown"
    " or kept; state the region with --region x0,y0,x1,y1, or none for the whole image"
)
#: Corners of an outline, which has one a row at most.
MAX_CORNERS = 10_000
#: A region whose confidence is lower is warned of.
UNSURE = 0.5


@dataclass(frozen=True, slots=True)
class Region:
    """A half-open box [x0, x1) x [y0, y1) in an image of ``width`` x ``height`` pixels.

    Raises GeometryError for a box that is empty or leaves the image.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    width: int
    height: int
    polygon: tuple[tuple[int, int], ...] = ()
    """Outline of the sector in pixels of the image, inclusive and inside the box; () is the whole box. What lies
    outside it (names are burnt in there) is never shown."""
    kind: str = "full"
    """One of KINDS."""
    confidence: float = 1.0
    """How sure the search is of it, 0 to 1; a box that somebody stated is sure. Below UNSURE a warning is given."""

    def __post_init__(self) -> None:
        if not (0 <= self.x0 < self.x1 <= self.width and 0 <= self.y0 < self.y1 <= self.height):
            box = f"{self.x0},{self.y0},{self.x1},{self.y1}"
            raise GeometryError(f"region {box} does not fit an image of {self.width}x{self.height}; state it anew")
        if self.kind not in KINDS:
            raise GeometryError(f"region of unknown kind {self.kind!r}; known: {', '.join(KINDS)}")
        if self.width * self.height > MAX_PIXELS:
            raise GeometryError(
                f"a region in an image of {self.width}x{self.height} is of no clip: it has more than"
                f" {MAX_PIXELS // 1_000_000} megapixels"
            )
        if self.polygon and not 3 <= len(self.polygon) <= MAX_CORNERS:
            raise GeometryError(f"a region's outline needs 3 to {MAX_CORNERS:,} corners, not {len(self.polygon):,}")
        if not all(0 <= x <= self.width and 0 <= y <= self.height for x, y in self.polygon):
            raise GeometryError("a region's outline leaves its image; state the region anew")
        if not 0 <= self.confidence <= 1:
            raise GeometryError(f"a region's confidence is 0 to 1, not {self.confidence}")

    @property
    def is_found(self) -> bool:
        """Whether something is known of where the ultrasound is."""
        return self.kind != "none"

    @property
    def box(self) -> tuple[int, int, int, int]:
        return self.x0, self.y0, self.x1, self.y1


@lru_cache(maxsize=64)
def outline_mask(region: Region) -> Image | None:
    """(y1 - y0, x1 - x0) uint8, 255 inside the outline; None when that is the whole box. Do not write into it."""
    if not region.polygon:
        return None
    mask = np.zeros((region.y1 - region.y0, region.x1 - region.x0), np.uint8)
    cv2.fillPoly(mask, [np.array(region.polygon, np.int32) - (region.x0, region.y0)], 255)
    mask.flags.writeable = False
    return None if mask.all() else mask


def region_mask(region: Region) -> NDArray[np.bool_]:
    """(height, width) bool: where of the image the ultrasound is shown."""
    inside = np.zeros((region.height, region.width), bool)
    mask = outline_mask(region)
    inside[region.y0 : region.y1, region.x0 : region.x1] = True if mask is None else mask > 0
    return inside


def overlap(one: Region, other: Region) -> float:
    """Area shown by both regions of one image size, as a share of what either shows: 0 to 1."""
    shown, also = region_mask(one), region_mask(other)
    return float((shown & also).sum() / (shown | also).sum())


def region_warnings(regions: Iterable[Region], trained: Sequence[Region]) -> tuple[str, ...]:
    """What a reader must know of a run's regions; ``trained``: those of the clips that the model was trained on."""
    found = [line for region in regions for line in (_uncertain(region), layout_warning(region, trained)) if line]
    return tuple(dict.fromkeys(found))


def _uncertain(region: Region) -> str:
    if not region.is_found:
        return NOT_FOUND
    if region.confidence >= UNSURE:
        return ""
    box = ",".join(map(str, region.box))
    return (
        f"the ultrasound region is uncertain: {region.kind} {box} of {region.width}x{region.height}, confidence"
        f" {region.confidence:.2f}; look at it with inspect, and state it with --region if it is wrong"
    )


def layout_warning(region: Region, trained: Sequence[Region]) -> str:
    """One line when the region looks unlike every region that a model was trained on, else "".

    Alike is: the same kind (full and stated match any), an aspect ratio within a factor of 1.5, and at least a third of
    the trained height and width in pixels. Nothing known of the training is no reason to warn.
    """
    faults = [_unlike(region, other) for other in trained]
    if not faults or "" in faults:
        return ""
    shown = f"{region.kind} {region.x1 - region.x0}x{region.y1 - region.y0}"
    kinds = ", ".join(sorted({other.kind for other in trained}))
    return f"the clip's region ({shown}) is unlike the training clips ({kinds}): {faults[0]}; check it with inspect"


def _unlike(region: Region, other: Region) -> str:
    anything = ("full", "stated", "none")
    if region.kind != other.kind and region.kind not in anything and other.kind not in anything:
        return f"{region.kind}, not {other.kind}"
    size = region.x1 - region.x0, region.y1 - region.y0
    trained = other.x1 - other.x0, other.y1 - other.y0
    ratio = (size[0] / size[1]) / (trained[0] / trained[1])
    if not 1 / 1.5 <= ratio <= 1.5:
        return f"another shape, {size[0]}x{size[1]} against {trained[0]}x{trained[1]}"
    if 3 * size[0] < trained[0] or 3 * size[1] < trained[1]:
        return f"far smaller, {size[0]}x{size[1]} against {trained[0]}x{trained[1]}"
    return ""
