"""Small masks whose shapes can be counted."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.geometry.evidence import Evidence

Mask = NDArray[np.bool_]


def rect(x0: int, y0: int, x1: int, y1: int, width: int = 100, height: int = 100) -> Mask:
    """Half-open."""
    mask = np.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def first(count: int, width: int = 100, height: int = 100) -> Mask:
    """So many pixels of the last rows."""
    mask = np.zeros(height * width, bool)
    mask[len(mask) - count :] = True
    return mask.reshape(height, width)


def fan(apex: tuple[int, int] = (80, -20), near: float = 30, far: float = 130, half: float = 35) -> Mask:
    """120 rows of 160: between two radii about the apex, up to half the opening angle in degrees to either side."""
    y, x = np.mgrid[:120, :160]
    radius, angle = np.hypot(x - apex[0], y - apex[1]), np.degrees(np.arctan2(x - apex[0], y - apex[1]))
    return (radius >= near) & (radius <= far) & (np.abs(angle) <= half)


def evidence(
    active: Mask,
    seen: Mask | None = None,
    overlay: Mask | None = None,
    inside: Mask | None = None,
    panel: Mask | None = None,
    mean: NDArray[np.uint8] | None = None,
) -> Evidence:
    """What is seen is what moves, and nothing else is known, unless stated."""
    nothing = np.zeros_like(active)
    return Evidence(
        seen=active if seen is None else seen,
        active=active,
        overlay=nothing if overlay is None else overlay,
        panel=nothing if panel is None else panel,
        inside=~nothing if inside is None else inside,
        still=~active,
        mean=nothing.astype(np.uint8) if mean is None else mean,
        scale=(1.0, 1.0),
    )


def box(points: NDArray[np.int32]) -> tuple[int, ...]:
    """Corners, inclusive."""
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def square(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.int32]:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.int32)


def pixels(points: NDArray[np.int32], shape: tuple[int, ...] = (120, 160)) -> Mask:
    return cv2.fillPoly(np.zeros(shape, np.uint8), [points], 1) > 0


def trapezoid() -> Mask:
    """60 rows from row 10; x from 50 - y / 2 to 59 + y / 2, of 100 columns."""
    mask = np.zeros((80, 110), bool)
    for y in range(10, 70):
        mask[y, 50 - y // 2 : 60 + y // 2] = True
    return mask


def parted(shadow: int = 8) -> tuple[Mask, Mask]:
    """The larger and the smaller part of a fan with a shadow from column 110 on."""
    whole = fan()
    left, right = whole & rect(0, 0, 110, 120, 160, 120), whole & rect(110 + shadow, 0, 160, 120, 160, 120)
    return left, right
