"""Where the ultrasound is in an image, and how it becomes what the model sees."""

from __future__ import annotations

from seqcls.geometry.crop import to_gray
from seqcls.geometry.geometry import Geometry, RegionFinder
from seqcls.geometry.layout import Layout
from seqcls.geometry.region import KINDS, Region, outline_mask, overlap, region_mask, region_warnings

__all__ = [
    "KINDS",
    "Geometry",
    "Layout",
    "Region",
    "RegionFinder",
    "outline_mask",
    "overlap",
    "region_mask",
    "region_warnings",
    "to_gray",
]
