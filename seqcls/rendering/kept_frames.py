"""A clip's frames with what of each may be kept: for every output that shows a clip again.

Read anew, a clip gives the same frames, times and regions: what it once was made into fits what it is made into now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, Region, outline_mask, to_gray
from seqcls.keepable import keepable
from seqcls.preprocess import with_region
from seqcls.sources import Source
from seqcls.types import Frame, Gap

NO_REGION, NOT_ULTRASOUND = "no ultrasound region", "not ultrasound"
#: Levels by which the three colours of gray may differ after compression.
_GRAY = 16
Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class KeptFrame:
    """A frame, its region, and what of it may be kept."""

    frame: Frame
    """As the source gave it, with names outside of the region."""
    region: Region
    image: Image | None
    """(y1 - y0, x1 - x0) uint8 gray, black outside the region's outline; None where nothing may be kept."""
    shown: Image | None
    """The same in the frame's colours, (y1 - y0, x1 - x0, 3) uint8 BGR, where it has some."""
    reason: str
    """Why nothing may be kept; empty where something may."""


def kept_frames(source: Source, geometry: Geometry, gate: GateOptions) -> Iterator[KeptFrame]:
    """All frames in their order. Of one that is damaged nothing is kept: a decoder that lost its way may have put into
    the region what was outside of it. Raises GeometryError where a stated region does not fit, and what reading raises.
    """
    colors = ColorsAside()
    for item in with_region(colors.kept_of(source), geometry, source.info.region):
        if isinstance(item, Gap):
            continue
        frame, region = item
        whole = colors.given_back(frame)
        image = None if frame.damaged else keepable(frame.image, region, gate)
        reason = ""
        if image is None:
            reason = f"damaged: {frame.damaged}" if frame.damaged else NOT_ULTRASOUND if region.is_found else NO_REGION
        shown = image if image is None or whole.image.ndim == 2 else cut_out(whole.image, region)
        yield KeptFrame(whole, region, image, shown, reason)


def cut_out(image: Image, region: Region) -> Image:
    """The region's box of an (H, W) or (H, W, 3) image, 0 outside the outline; (h, w) where it has no colour."""
    box = np.ascontiguousarray(image[region.y0 : region.y1, region.x0 : region.x1])
    mask = outline_mask(region)
    if mask is not None:
        box = np.asarray(cv2.bitwise_and(box, box, mask=mask), np.uint8)
    if box.ndim == 2:
        return box
    blue, green, red = cv2.split(box)
    spread = cv2.subtract(cv2.max(cv2.max(blue, green), red), cv2.min(cv2.min(blue, green), red))
    return box if int(spread.max()) > _GRAY else to_gray(box)


def in_gray(source: Iterable[Frame | Gap]) -> Iterator[Frame | Gap]:
    """The same without colours: in them the region is sought."""
    for item in source:
        if isinstance(item, Frame) and item.image.ndim == 3:
            item = replace(item, image=to_gray(item.image))
        yield item


class ColorsAside:
    """Images in colour while their gray ones wait for the region: there may be hundreds, and these are compressed."""

    def __init__(self) -> None:
        self._images: dict[int, Image] = {}  # (H, W, 3); (N,) of a PNG where it waits

    def kept_of(self, source: Iterable[Frame | Gap]) -> Iterator[Frame | Gap]:
        """The same in gray."""
        for item in source:
            if isinstance(item, Frame) and item.image.ndim == 3:
                for index, image in self._images.items():
                    if image.ndim == 3:
                        self._images[index] = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
                self._images[item.index] = item.image
                item = replace(item, image=to_gray(item.image))
            yield item

    def given_back(self, frame: Frame) -> Frame:
        """A frame of those in the colours that it had."""
        image = self._images.pop(frame.index, None)
        if image is None:
            return frame
        if image.ndim != 3:
            image = np.asarray(cv2.imdecode(image, cv2.IMREAD_COLOR), np.uint8)
        return replace(frame, image=image)
