"""Where the ultrasound is in an image, and how it becomes what the model sees."""

from __future__ import annotations

from seqcls.geometry.geometry import Geometry, RegionFinder, to_gray
from seqcls.geometry.region import KINDS, Record, Region, layout_warning, outline_mask

__all__ = ["KINDS", "Geometry", "Record", "Region", "RegionFinder", "layout_warning", "outline_mask", "to_gray"]
