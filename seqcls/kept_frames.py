"""A clip's frames with what of each may be kept: for every output that shows a clip again.

Read anew, a clip gives the same frames, times and regions: what it once was made into fits what it is made into now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, Region
from seqcls.keepable import keepable
from seqcls.preprocess import with_region
from seqcls.sources import Source
from seqcls.types import Frame, Gap

NO_REGION, NOT_ULTRASOUND = "no ultrasound region", "not ultrasound"


@dataclass(frozen=True, slots=True, eq=False)
class KeptFrame:
    """A frame, its region, and what of it may be kept."""

    frame: Frame
    """As the source gave it, with names outside of the region."""
    region: Region
    image: NDArray[np.uint8] | None
    """(y1 - y0, x1 - x0) uint8 gray, black outside the region's outline; None where nothing may be kept."""
    reason: str
    """Why nothing may be kept; empty where something may."""


def kept_frames(source: Source, geometry: Geometry, gate: GateOptions) -> Iterator[KeptFrame]:
    """All frames in their order. Of one that is damaged nothing is kept: a decoder that lost its way may have put into
    the region what was outside of it. Raises GeometryError where a stated region does not fit, and what reading raises.
    """
    for item in with_region(source, geometry, source.info.region):
        if isinstance(item, Gap):
            continue
        frame, region = item
        image = None if frame.damaged else keepable(frame.image, region, gate)
        reason = ""
        if image is None:
            reason = f"damaged: {frame.damaged}" if frame.damaged else NOT_ULTRASOUND if region.is_found else NO_REGION
        yield KeptFrame(frame, region, image, reason)
