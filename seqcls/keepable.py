"""What of a frame may be kept or shown: every output with pixels asks here.

Outside the ultrasound region names are burnt in, and on a menu or a worklist they stand inside it too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqcls.burnt_in_text import BurntInText
from seqcls.gate import GateOptions, is_not_ultrasound
from seqcls.geometry import Geometry, Region, outline_mask

Image = NDArray[np.uint8]
#: Where not all images are looked at, one in so many seconds is.
STEP_S = 0.1


def keepable(image: Image, region: Region, gate: GateOptions) -> Image | None:
    """Gray (y1 - y0, x1 - x0) uint8, black outside the region's outline; None where nothing may be kept.

    Nothing may be where no region was found (``Region.is_found``; a stated one is one), and nothing of what the gate
    calls "not ultrasound". With that part of the gate switched off all images count as ultrasound: somebody asked for
    it. ``image`` is (H, W) or (H, W, 3) BGR uint8. Raises GeometryError for an image of another size than the region's.
    """
    return Geometry().crop(image, region) if is_keepable(image, region, gate) else None


def is_keepable(image: Image, region: Region, gate: GateOptions) -> bool:
    """Whether ``keepable`` gives anything of the image, which may have been cropped by the region since."""
    refused = gate.enabled and gate.not_ultrasound and region.is_found and is_not_ultrasound(image, region)
    return region.is_found and not refused


class TextWatch:
    """Looks for text that stands still inside the region, in what is kept of a run's frames.

    ``most`` images are looked at, spread over time as ``BurntInText`` needs them: a name usually stands there from the
    beginning. None: all.
    """

    def __init__(self, most: int | None = None) -> None:
        self._left = most
        self._region: Region | None = None
        self._text = BurntInText()
        self._last_s = -np.inf

    def wants(self, time_s: float) -> bool:
        """Whether a frame of this time is to be added."""
        return self._left is None or (self._left > 0 and not 0 <= time_s - self._last_s < STEP_S)

    def add(self, image: Image, region: Region, time_s: float) -> None:
        """``image``: what ``keepable`` gave of a frame."""
        self._left = None if self._left is None else self._left - 1
        self._last_s = time_s
        if region != self._region:
            self._text.finish()
            found = self._text.found
            self._region, self._text = region, BurntInText(outline_mask(region))
            self._text.found = found  # of the region before: it was there, too
        self._text.add(image, time_s)
        if self._left == 0:  # a run may last for hours: its images are not kept
            self._text.finish()

    @property
    def found(self) -> bool:
        """Whether something was, so far."""
        return bool(self._text.found)

    def warnings(self) -> list[str]:
        """One line, or none; what was not looked at yet is now."""
        self._text.finish()
        return self._text.warnings() if self._text.found else []
