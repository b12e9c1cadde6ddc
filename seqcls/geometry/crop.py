"""From an image and its region to what the model sees: gray, blanked outside the outline, cut out, scaled to S x S."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import GeometryError
from seqcls.geometry.region import Region, outline_mask

Image = NDArray[np.uint8]


def crop(image: Image, region: Region) -> Image:
    """Gray (y1 - y0, x1 - x0) uint8, contiguous, 0 outside the outline. Raises GeometryError for another size."""
    if image.shape[:2] != (region.height, region.width):
        height, width = image.shape[:2]
        raise GeometryError(f"a region of {region.width}x{region.height} is not for an image of {width}x{height}")
    gray = to_gray(image[region.y0 : region.y1, region.x0 : region.x1])
    mask = outline_mask(region)
    return np.ascontiguousarray(gray) if mask is None else np.asarray(cv2.bitwise_and(gray, mask), np.uint8)


def to_gray(image: Image) -> Image:
    """(H, W) or (H, W, 3) BGR uint8 -> (H, W) uint8 with the weights of ITU-R BT.601."""
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def letterbox(gray: Image, size: int) -> Image:
    """(H, W) uint8 -> (size, size) uint8, centred, not stretched, rest black.

    Halved by averaging 2 x 2 pixels (which cv2 has in SIMD, unlike other factors) until less than a factor of 2 is left
    for linear interpolation: as free of aliasing as INTER_AREA in one step, at several times its speed. The last row
    or column of an odd size is dropped: padding would cost more than all the rest.
    """
    reduced, (height, width) = gray, gray.shape
    while max(reduced.shape) >= 2 * size and min(reduced.shape) >= 2:
        h, w = reduced.shape[0] // 2, reduced.shape[1] // 2
        reduced = np.asarray(cv2.resize(reduced[: 2 * h, : 2 * w], (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    scale = size / max(height, width)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    out = np.zeros((size, size), np.uint8)
    y, x = (size - h) // 2, (size - w) // 2
    out[y : y + h, x : x + w] = cv2.resize(reduced, (w, h), interpolation=cv2.INTER_LINEAR)
    return out


def is_blank(gray: Image) -> bool:
    """Less than 0.2 % of the pixels above 24: black, or nothing but a mark in a corner."""
    sample = gray[::4, ::4]
    return bool(np.count_nonzero(sample > 24) < 0.002 * sample.size)
