"""The layout of a scanner's screen: by what stands around the ultrasound it is known again, and its region with it."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import GeometryError
from seqcls.files.json_record import Record, record_from
from seqcls.geometry.evidence import Evidence
from seqcls.geometry.masks import Mask, wider
from seqcls.geometry.region import Region, region_mask

#: Levels of a screen thinned out to (rows, COLUMNS) cells: far too coarse for text to be read.
Ground = NDArray[np.uint8]
COLUMNS = 32
#: A cell that does not stand still; no ground is as bright.
MOVING = 255
#: Cells darker than this may be the black of any screen.
LIT = 10
#: Fewer lit cells around the ultrasound tell no layout: an image cut down to the sector has none.
MIN_CELLS = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """A region, and the screen that it belongs to: clips of the same screen get the same region.

    Raises GeometryError where the parts do not fit each other.
    """

    region: Region
    """Of every clip with this screen."""
    ground: tuple[int, ...]
    """Levels of the screen's cells, row by row, 0 to 254, and MOVING."""
    stated: bool = False
    """Whether a person stated or confirmed the region: it is then used whatever a search would find."""

    def __post_init__(self) -> None:
        if len(self.ground) != COLUMNS * _rows(self.region.width, self.region.height):
            raise GeometryError(f"a layout of {len(self.ground)} cells is not for {COLUMNS} columns; remember it anew")

    @property
    def is_known_again(self) -> bool:
        """Whether enough stands around the ultrasound."""
        return int((_around(self.region) & _is_lit(_levels(self))).sum()) >= MIN_CELLS

    def to_dict(self) -> Record:
        """For JSON."""
        packed = base64.b64encode(bytes(self.ground)).decode("ascii")
        return {"region": asdict(self.region), "stated": self.stated, "ground": packed}

    @classmethod
    def from_dict(cls, record: Record) -> Layout:
        """The inverse of ``to_dict``; raises GeometryError for anything else."""
        try:
            ground = tuple(base64.b64decode(record["ground"], validate=True))
            return cls(record_from(Region, record["region"], "region"), ground, bool(record["stated"]))
        except (KeyError, TypeError, ValueError) as error:
            raise GeometryError(f"not a stored layout ({error}); remember it anew") from error


def has_screen(layout: Layout, ground: Ground, width: int, height: int) -> bool:
    """Whether a clip of this size shows the same around the ultrasound, but for names, dates and numbers.

    Of the cells that are lit in either and stand still in both three quarters must be alike, within 12 levels.
    """
    if (width, height) != (layout.region.width, layout.region.height) or not layout.is_known_again:
        return False
    own, around = _levels(layout), _around(layout.region)
    lit = around & (_is_lit(own) | _is_lit(ground))
    both = lit & (own != MOVING) & (ground != MOVING)
    alike = both & (np.abs(own.astype(int) - ground) <= 12)
    return bool(alike.sum() >= 0.75 * both.sum() and both.sum() >= 0.6 * lit.sum())


def is_like(layout: Layout, other: Layout) -> bool:
    """Whether both show the same screen."""
    return has_screen(layout, _levels(other), other.region.width, other.region.height)


def holds(layout: Layout, found: Region | None, evidence: Evidence) -> bool:
    """Whether what moves lies in the region, but for a thirtieth, and what a search finds is not quite another."""
    inside = region_mask(layout.region)
    if found is not None and found.confidence >= 0.5:
        other = region_mask(found)
        if (inside & other).sum() < 0.5 * (inside | other).sum():
            return False
    height, width = evidence.active.shape
    small = cv2.resize(inside.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    moving = cv2.blur(evidence.active.astype(np.float32), (9, 9)) >= 0.5
    return bool((moving & ~wider(small, 0.01)).sum() <= moving.sum() / 30)


def confirmed(layout: Layout, region: Region) -> Layout:
    """The same screen with the region that a person wants."""
    return replace(layout, region=replace(region, confidence=1.0), stated=True)


def _levels(layout: Layout) -> Ground:
    return np.array(layout.ground, np.uint8).reshape(-1, COLUMNS)


def _around(region: Region) -> Mask:
    """Cells of which hardly anything belongs to the region."""
    share = _thinned(region_mask(region).astype(np.uint8) * 255, _rows(region.width, region.height))
    return np.asarray(share <= 12)


def ground_of(mean: NDArray[np.uint8], still: Mask, width: int, height: int) -> Ground:
    """The cells of a screen of ``width`` x ``height`` from the mean of its frames, (h, w) uint8, and from where they
    stand still; both may be reduced."""
    rows = _rows(width, height)
    cells = np.minimum(_thinned(mean, rows), MOVING - 1)
    cells[_thinned(still.astype(np.uint8) * 255, rows) < 242] = MOVING  # more than a twentieth of it moves
    return cells


def _rows(width: int, height: int) -> int:
    """Of the screen's own size: the rounded size of a reduced image can give one row more or less."""
    return max(1, round(COLUMNS * height / width))


def _thinned(image: NDArray[np.uint8], rows: int) -> Ground:
    return np.asarray(cv2.resize(image, (COLUMNS, rows), interpolation=cv2.INTER_AREA), np.uint8)


def _is_lit(levels: Ground) -> Mask:
    return np.asarray((levels > LIT) & (levels != MOVING))
