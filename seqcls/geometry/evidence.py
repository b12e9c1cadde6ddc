"""What a few frames tell about each pixel: speckle is bright or moves, furniture stands still, background does neither."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

#: The search runs on pictures reduced to this longer side: an outline is then right to two pixels of a 1280 one.
SEARCH_SIDE = 640


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Per pixel of the reduced picture, (h, w) bool. ``scale``: picture pixels per reduced pixel in x and in y.

    seen: unlike the background. active: changes from frame to frame. furniture: bright and still.
    """

    seen: Mask
    active: Mask
    furniture: Mask
    scale: tuple[float, float]


class Statistics:
    """Darkest, brightest and mean value of each pixel over the frames given so far, (h, w)."""

    def __init__(self, width: int, height: int) -> None:
        factor = max(1.0, max(width, height) / SEARCH_SIDE)
        self.size = max(1, round(width / factor)), max(1, round(height / factor))
        self.scale = width / self.size[0], height / self.size[1]
        self.frames = 0
        self._darkest: Image = np.full(self.size[::-1], 255, np.uint8)
        self._brightest: Image = np.zeros(self.size[::-1], np.uint8)
        self._sum = np.zeros(self.size[::-1], np.float32)

    def add(self, gray: Image) -> None:
        small = gray
        if gray.shape != self.size[::-1]:
            small = cv2.resize(gray, self.size, interpolation=cv2.INTER_AREA)
        cv2.max(self._brightest, small, self._brightest)
        cv2.min(self._darkest, small, self._darkest)
        cv2.accumulate(small, self._sum)
        self.frames += 1

    def evidence(self) -> Evidence:
        change = cv2.subtract(self._brightest, self._darkest)
        background = _background(self._brightest, change)
        mean = cv2.blur(cv2.absdiff(self._sum / self.frames, np.full_like(self._sum, background)), (3, 3))
        peak = cv2.absdiff(self._brightest, np.full_like(self._brightest, background))
        # Codecs leave ripples of 1 to 3 levels around whatever moves; dark tissue lies above them in the mean.
        seen = (mean > 1.5) | (peak > 8)
        active = cv2.blur(change, (3, 3)) >= 4
        return Evidence(seen, active, (change <= 3) & (peak > 24), self.scale)


def _background(brightest: Image, change: Image) -> int:
    """The level that most of the picture's rim shares and keeps, else 0: a rim full of tissue has no such level."""
    rim = np.ones(brightest.shape, bool)
    depth = max(2, round(0.02 * max(brightest.shape)))
    rim[depth:-depth, depth:-depth] = False
    levels = brightest[rim & (change <= 3)]
    if levels.size < 0.25 * rim.sum():
        return 0
    counts = np.bincount(levels, minlength=256)
    level = int(counts.argmax())
    near = counts[max(0, level - 1) : level + 2].sum()
    return level if near >= 0.25 * rim.sum() else 0
