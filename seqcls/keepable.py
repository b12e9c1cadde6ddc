"""What of a frame may be kept or shown: every output with pixels asks here.

Outside the ultrasound region names are burnt in, and on a menu or a worklist they stand inside it too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqcls.gate import GateOptions, is_not_ultrasound
from seqcls.geometry import Geometry, Region

Image = NDArray[np.uint8]


def keepable(image: Image, region: Region, gate: GateOptions) -> Image | None:
    """Gray (y1 - y0, x1 - x0) uint8, black outside the region's outline; None where nothing may be kept.

    Nothing may be where no region was found (``Region.is_found``; a stated one is one), and nothing of what the gate
    calls "not ultrasound". With that part of the gate switched off all images count as ultrasound: somebody asked for
    it. ``image`` is (H, W) or (H, W, 3) BGR uint8. Raises GeometryError for an image of another size than the region's.
    """
    if not region.is_found:
        return None
    if gate.enabled and gate.not_ultrasound and is_not_ultrasound(image, region):
        return None
    return Geometry().crop(image, region)
