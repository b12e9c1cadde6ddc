"""Panels of a scanner's user interface: lit, still and even, together with what is written on them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.geometry.masks import Mask, components

Image = NDArray[np.uint8]

#: From this level on an even area is a panel of the user interface; below it may be the black around a sector.
PANEL_LEVEL = 18
#: Smaller even areas, as a part of the image, may be a vessel or a saturated layer.
PANEL_AREA = 0.004
#: A darker panel is larger, of one level throughout, brighter than this, and comes near the rim of the image.
DIM_LEVEL, DIM_AREA = 4, 0.1
#: Beside one of these, of its level: lines drawn on panels part them.
DIM_PART = 0.02


def panels(mean: Image, still: Mask, change: Image) -> Mask:
    """Where a screen is lit, still and even, along a row or a column at least, and what is written on that."""
    even = (_spread(mean, 5, 5) <= 3) | (_spread(mean, 15, 1) <= 2) | (_spread(mean, 1, 15) <= 2)
    labels, areas = components(still & even & (mean >= PANEL_LEVEL))
    areas[~_near_rim(labels, len(areas), *lit_part(mean))] = 0
    large = (areas >= PANEL_AREA * mean.size)[labels] | _dim_panels(mean, still)
    large &= ~_fading(large, mean, still)
    if not large.any():
        return large
    # Between the letters the panel has its level still, though a codec lets it flicker there.
    wide = 2 * round(0.05 * max(mean.shape)) + 1
    known = cv2.blur(large.astype(np.float32), (wide, wide))
    level = cv2.blur(np.where(large, mean, 0).astype(np.float32), (wide, wide)) / np.maximum(known, 1e-6)
    flicker = np.where(level < PANEL_LEVEL, 16, 24 + np.abs(mean - level) / 2)
    letters = (known > 0.01) & (change <= flicker) & _strokes(mean, level)
    alike = (known > 0.01) & (change <= 12) & (np.abs(mean - level) <= 4)
    alike &= (level >= PANEL_LEVEL) | (cv2.dilate(letters.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)
    alike |= letters
    side = 2 * round(0.0125 * max(mean.shape)) + 1
    between = alike & (cv2.blur((alike | large).astype(np.float32), (side, side)) >= 0.35)
    window = np.ones((side, side), np.uint8)
    return cv2.morphologyEx((large | between).astype(np.uint8), cv2.MORPH_CLOSE, window) > 0


def _dim_panels(mean: Image, still: Mask) -> Mask:
    """Panels that are nearly black; noise deep in the body is as dark, but never of one level."""
    dark = (mean >= DIM_LEVEL) & (mean < PANEL_LEVEL)
    labels, areas = components(still & dark & (_spread(mean, 5, 5) <= 1))
    rim = np.flatnonzero(_near_rim(labels, len(areas), slice(0, mean.shape[0]), slice(0, mean.shape[1])))
    found, known = np.zeros_like(still), set[int]()
    for label in sorted(rim[areas[rim] >= DIM_PART * mean.size], key=lambda label: -areas[label]):
        part = labels == label
        counts = np.bincount(mean[part], minlength=PANEL_LEVEL + 1)
        common = int(counts.argmax())
        if counts[max(0, common - 1) : common + 2].sum() < 0.95 * areas[label]:
            continue
        if areas[label] >= DIM_AREA * mean.size or common in known:
            found |= part
            known.add(common)
    return found


def _strokes(mean: Image, level: NDArray[Any]) -> Mask:
    """What is brighter or darker than the panel and has the panel's level within 4 pixels on both sides: left and
    right, or above and below. A picture beside a panel has it on one side."""
    found = np.zeros(mean.shape, bool)
    for image, ground in ((mean, level), (255 - mean, 255 - level)):
        sides = [
            np.abs(cv2.erode(image, np.ones(shape, np.uint8), anchor=anchor) - ground) <= 8
            for shape, anchor in (((1, 5), (4, 0)), ((1, 5), (0, 0)), ((5, 1), (0, 4)), ((5, 1), (0, 0)))
        ]
        found |= (image - ground > 20) & ((sides[0] & sides[1]) | (sides[2] & sides[3]))
    return found


def _fading(parts: Mask, mean: Image, still: Mask) -> Mask:
    """Those even areas that what moves beside them fades into: deep tissue without an echo. A panel ends in a step, and
    most of its edges are straight."""
    if not parts.any():
        return parts
    labels, areas = components(parts)
    found = np.flatnonzero(areas >= PANEL_AREA * mean.size)
    far = cv2.dilate(labels.astype(np.float32), np.ones((13, 13), np.uint8))
    ring = (far > 0) & (cv2.dilate(parts.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0)
    beside = ring & ~still
    if not len(found) or not beside.any():
        return np.zeros_like(parts)
    known = cv2.blur(parts.astype(np.float32), (31, 31))
    level = cv2.blur(np.where(parts, mean, 0).astype(np.float32), (31, 31)) / np.maximum(known, 1e-6)
    owner = far.astype(np.int32)
    around = np.bincount(owner[ring], minlength=len(areas))
    moving = np.bincount(owner[beside], minlength=len(areas))
    alike = np.bincount(owner[beside & (np.abs(mean - level) <= 8)], minlength=len(areas))
    result = np.zeros_like(parts)
    for label in found:
        if moving[label] < 0.1 * around[label] or alike[label] < 0.6 * moving[label]:
            continue
        part = labels == label
        if _corners(part) >= 3:  # the ground of a screen, whatever the picture in it is like
            continue
        if alike[label] >= 0.7 * moving[label] or _straightness(part) < 0.5:
            result |= part
    return result


def _corners(part: Mask) -> int:
    """How many corners of the image it comes near."""
    tall, wide = (max(1, round(0.05 * length)) for length in part.shape)
    return sum(
        bool(part[y, x].any()) for y in (slice(tall), slice(-tall, None)) for x in (slice(wide), slice(-wide, None))
    )


def _straightness(part: Mask) -> float:
    """How much of the outline lies on rows and columns that a long edge follows, 0 to 1; the image's rim is no edge."""
    edges = (part[:, 1:] ^ part[:, :-1]).sum(axis=0), (part[1:] ^ part[:-1]).sum(axis=1)
    straight = sum(
        int(line[np.convolve(line, [1, 1, 1], "same") >= 0.12 * length].sum())
        for line, length in zip(edges, part.shape, strict=True)
    )
    return float(straight / max(1, edges[0].sum() + edges[1].sum()))


def lit_part(mean: Image) -> tuple[slice, slice]:
    """Rows and columns of a screen without the black bars around it; all where none is lit."""
    lit = mean >= PANEL_LEVEL
    found = []
    for axis in (1, 0):
        lines = np.flatnonzero(lit.mean(axis=axis) > 0.02)
        found.append(slice(int(lines[0]), int(lines[-1]) + 1) if len(lines) else slice(0, mean.shape[1 - axis]))
    return found[0], found[1]


def _near_rim(labels: NDArray[np.int32], count: int, rows: slice, columns: slice) -> Mask:
    """Which of ``count`` components come near the rim of a part of the image: within a twentieth of the longer side.

    Panels do; what is even inside the ultrasound is a vessel, or what a codec has smoothed.
    """
    part = labels[rows, columns]
    inner = max(1, round(0.05 * max(labels.shape)))
    near = np.zeros(count, bool)
    for strip in (part[:inner], part[-inner:], part[:, :inner], part[:, -inner:]):
        near[np.unique(strip)] = True
    near[0] = False
    return near


def _spread(image: Image, width: int, height: int) -> Image:
    """Brightest less darkest level around each pixel."""
    window = np.ones((height, width), np.uint8)
    return np.asarray(cv2.subtract(cv2.dilate(image, window), cv2.erode(image, window)), np.uint8)
