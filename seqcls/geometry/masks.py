"""Masks of pixels: their parts, hulls and areas."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Points = NDArray[np.int32]


def components(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(h, w) labels of the connected components, 0 outside of them, and (n,) their areas, that of label 0 as 0."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = np.asarray(stats[:, cv2.CC_STAT_AREA], np.int32)
    areas[0] = 0
    return np.asarray(labels, np.int32), areas


def dense(mask: Mask) -> Mask:
    """Without text, ticks and traces: a pixel stays where at least half of its neighbourhood is set."""
    side = max(5, round(0.024 * max(mask.shape))) | 1
    around = cv2.boxFilter(
        mask.astype(np.uint8), cv2.CV_32S, (side, side), normalize=False, borderType=cv2.BORDER_REPLICATE
    )
    kept: Mask = (around > side * side // 2) & mask
    return kept


def wider(mask: Mask, part: float) -> Mask:
    """The mask grown by a part of the image's longer side."""
    side = 2 * max(1, round(part * max(mask.shape))) + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def hull(mask: Mask) -> Points:
    """(n, 2) int32 corners x, y of the convex hull of a mask that is not empty."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(cv2.convexHull(np.concatenate(contours))[:, 0, :], np.int32)


def area(corners: Points) -> float:
    """Of the pixels of a convex outline, not of their centres."""
    return float(cv2.contourArea(corners)) + 0.5 * float(cv2.arcLength(corners, True)) + 1


def drawn(corners: NDArray[np.float64] | Points, shape: tuple[int, ...]) -> Mask:
    """(h, w) bool: the filled outline, drawn to a sixteenth of a pixel."""
    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, [np.asarray(np.round(corners * 16.0), np.int32)], 1, shift=4)
    return canvas > 0


def iou(one: Mask, other: Mask) -> float:
    """Common pixels of two masks, as a part of all that either has; 0 where both are empty."""
    return float((one & other).sum() / max(1, (one | other).sum()))
