"""Pixels that are not square: the source stretches its images, so that later stages see what a player shows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

#: Wider or higher pixels than these come from no recorder: half-width 16:9 video has 2.9.
MAX_ASPECT = 4.0

#: A ratio this near to 1 comes of rounding, such as 1088 stored rows for 1080.
TOLERANCE = 0.01


def pixel_aspect(width: float, height: float) -> tuple[float, str]:
    """A pixel's width divided by its height as stated, 1.0 where that is square or cannot be; and a remark on a ratio
    that is ignored, empty where none is."""
    stated = math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0
    if not stated or not 1 / MAX_ASPECT <= width / height <= MAX_ASPECT:
        return 1.0, f"a pixel aspect ratio of {width:g}:{height:g} is implausible; pixels are taken as square"
    return (width / height, "") if abs(width / height - 1) > TOLERANCE else (1.0, "")


def square_size(width: int, height: int, aspect: float) -> tuple[int, int]:
    """(width, height) in square pixels: one side grows, none shrinks, as players show it."""
    return (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))


def with_square_pixels(image: NDArray[np.uint8], aspect: float) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3) uint8 stretched by bicubic interpolation; the image itself where its pixels are square."""
    height, width = image.shape[:2]
    size = square_size(width, height, aspect)
    if size == (width, height):
        return image
    import cv2  # here, because opening a source loads no library

    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
