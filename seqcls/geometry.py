"""STAND-IN by the lead until the real module is here; overwrite me."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import GeometryError

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Region:
    x0: int
    y0: int
    x1: int
    y1: int
    width: int
    height: int
    polygon: tuple[tuple[int, int], ...] = ()
    kind: str = "full"


@lru_cache(maxsize=64)
def _mask(region: Region) -> Image | None:
    if not region.polygon:
        return None
    mask = np.zeros((region.y1 - region.y0, region.x1 - region.x0), np.uint8)
    points = np.array(region.polygon, np.int32) - (region.x0, region.y0)
    return cv2.fillPoly(mask, [points], 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    size: int = 224
    region: Literal["auto", "none"] | tuple[int, int, int, int] = "auto"

    def find(self, images: Sequence[Image], hint: tuple[int, int, int, int] | None = None) -> Region:
        if not images:
            raise GeometryError("no picture to find the ultrasound region in; is the clip empty?")
        height, width = images[0].shape[:2]
        if self.region == "none":
            return Region(0, 0, width, height, width, height)
        if self.region != "auto":
            return Region(*self.region, width, height, kind="stated")
        stack = np.stack([_gray(i) for i in images])
        top = stack.max(axis=0)
        seen = (top > 12).astype(np.uint8)
        seen = cv2.morphologyEx(seen, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        seen = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        count, label, stats, _ = cv2.connectedComponentsWithStats(seen)
        if count < 2:
            return Region(0, 0, width, height, width, height)
        best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        if stats[best, cv2.CC_STAT_AREA] < 0.05 * width * height:
            return Region(0, 0, width, height, width, height)
        contours, _ = cv2.findContours((label == best).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        hull = cv2.convexHull(np.concatenate(contours))[:, 0, :]
        x, y, w, h = cv2.boundingRect(hull)
        return Region(x, y, x + w, y + h, width, height, tuple((int(a), int(b)) for a, b in hull), "convex")

    def crop(self, image: Image, region: Region) -> Image:
        gray = _gray(image)[region.y0 : region.y1, region.x0 : region.x1]
        mask = _mask(region)
        return np.ascontiguousarray(gray) if mask is None else cv2.bitwise_and(gray, mask)

    def apply(self, image: Image, region: Region) -> Image:
        crop = self.crop(image, region)
        height, width = crop.shape
        scale = self.size / max(height, width)
        w, h = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(crop, (w, h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        out = np.zeros((self.size, self.size), np.uint8)
        y, x = (self.size - h) // 2, (self.size - w) // 2
        out[y : y + h, x : x + w] = small
        return out

    def to_dict(self) -> dict[str, Any]:
        return {"size": self.size, "region": list(self.region) if isinstance(self.region, tuple) else self.region}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Geometry:
        region = d["region"]
        return cls(size=d["size"], region=tuple(region) if isinstance(region, list) else region)


def _gray(image: Image) -> Image:
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


class RegionFinder:
    FRAMES = 24

    def __init__(self, geometry: Geometry, hint: tuple[int, int, int, int] | None = None) -> None:
        self._geometry, self._hint = geometry, hint
        self._images: list[Image] = []

    def push(self, image: Image) -> Region | None:
        self._images.append(image)
        if len(self._images) >= self.FRAMES or self._geometry.region != "auto":
            return self._geometry.find(self._images, self._hint)
        return None

    def finish(self) -> Region:
        return self._geometry.find(self._images, self._hint)
