"""What is seen of each frame while it is read and is not in its letterboxed image any more, for the data checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqcls.gate import GateOptions, is_not_ultrasound
from seqcls.geometry import Region
from seqcls.keepable import is_keepable

#: Gray level that 0.5 % of the pixels exceed in all but black images, as in the gate.
BLACK, MIN_LIT = 24, 0.005
#: Channels so many levels apart are a colour; tinted gray maps lie below.
_COLOURED = 60
#: About so many pixels each way are looked at for colours.
_GRID = 64


ClipsKnown = Literal["stated", "read from names", "unknown"]


class Seen(NamedTuple):
    """Of one whole image. colour: share of the region's pixels that are coloured. ultrasound: False for what the gate
    calls "not ultrasound". found: whether an ultrasound region was. lit: ``lit_share`` of what is trained on."""

    width: int
    height: int
    colour: float = 0.0
    ultrasound: bool = True
    found: bool = True
    lit: float = 1.0


def look_at(image: NDArray[np.uint8], region: Region) -> Seen:
    """``image`` (H, W) or (H, W, 3) BGR uint8, of the size that ``region`` was found in."""
    height, width = image.shape[:2]
    found = region.is_found
    ultrasound = is_keepable(image, region, GateOptions()) if found else not is_not_ultrasound(image, region)
    return Seen(width, height, _colour(image, region), ultrasound, found)


def lit_share(image: NDArray[np.uint8]) -> float:
    """Share of the pixels of (S, S) that are above black; below MIN_LIT it shows hardly anything."""
    return np.count_nonzero(image > BLACK) / image.size


def _colour(image: NDArray[np.uint8], region: Region) -> float:
    if image.ndim == 2:
        return 0.0
    step_y, step_x = (max(1, length // _GRID) for length in (region.y1 - region.y0, region.x1 - region.x0))
    thin = image[region.y0 : region.y1 : step_y, region.x0 : region.x1 : step_x]
    return float((thin.max(axis=2) - thin.min(axis=2) > _COLOURED).mean())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameFacts:
    """Of N frames.

    name (N,) str: the file below the folder, or the clip and the frame in it. width, height (N,) int64: of the whole
    image in pixels. colour (N,) float64, ultrasound, found (N,) bool: see ``Seen``. clips: how it is known which
    clip a frame is of. unreadable: names of images that cannot be read and are not among the N.
    """

    name: NDArray[np.str_]
    width: NDArray[np.int64]
    height: NDArray[np.int64]
    colour: NDArray[np.float64]
    ultrasound: NDArray[np.bool_]
    found: NDArray[np.bool_]
    clips: ClipsKnown = "stated"
    unreadable: tuple[str, ...] = ()

    @property
    def shown(self) -> NDArray[np.bool_]:
        """(N,) whether something of the frame may be shown: what ``keepable`` says of it."""
        return self.found & self.ultrasound

    def of_rows(self, rows: NDArray[np.int64]) -> FrameFacts:
        """Of these frames only."""
        columns = ("name", "width", "height", "colour", "ultrasound", "found")
        return replace(self, **{column: getattr(self, column)[rows] for column in columns})


def facts_of(
    names: Sequence[str], seen: Sequence[Seen], *, clips: ClipsKnown = "stated", unreadable: Sequence[str] = ()
) -> FrameFacts:
    """Of frames in their order."""
    width, height, colour, ultrasound, found, _ = zip(*seen, strict=True) if seen else ((),) * 6
    return FrameFacts(
        name=np.array(names, np.str_),
        width=np.array(width, np.int64),
        height=np.array(height, np.int64),
        colour=np.array(colour, np.float64),
        ultrasound=np.array(ultrasound, bool),
        found=np.array(found, bool),
        clips=clips,
        unreadable=tuple(unreadable),
    )
