"""What a few frames tell about each pixel: speckle moves, furniture stands still, background is never lit."""

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

    seen: unlike the background in a fifth of the frames. active: changes in a quarter of the steps between frames; so
    neither holds for what a clock, a cursor or an ECG trace merely passes over. furniture: bright and still.
    """

    seen: Mask
    active: Mask
    furniture: Mask
    scale: tuple[float, float]


class Statistics:
    """The frames that a search looks at, reduced; a frame that repeats the one before tells nothing and is left out."""

    def __init__(self, width: int, height: int) -> None:
        factor = max(1.0, max(width, height) / SEARCH_SIDE)
        self.size = max(1, round(width / factor)), max(1, round(height / factor))
        self.scale = width / self.size[0], height / self.size[1]
        self._frames: list[Image] = []

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, gray: Image) -> None:
        """Take one (height, width) uint8 picture."""
        small = gray.copy() if gray.shape == self.size[::-1] else _reduced(gray, self.size)
        if not self._frames or not np.array_equal(small, self._frames[-1]):
            self._frames.append(small)

    def evidence(self) -> Evidence:
        darkest, brightest = self._frames[0].copy(), self._frames[0].copy()
        for frame in self._frames[1:]:
            cv2.max(brightest, frame, brightest)
            cv2.min(darkest, frame, darkest)
        change = cv2.subtract(brightest, darkest)
        background = _background(brightest, change)
        lit, changes = np.zeros(change.shape, np.float32), np.zeros(change.shape, np.float32)
        before = None
        for frame in self._frames:
            # Codecs leave ripples of 1 or 2 levels around whatever moves.
            cv2.accumulate(cv2.compare(cv2.absdiff(frame, _level(background, frame)), 2, cv2.CMP_GT), lit)
            if before is not None:
                cv2.accumulate(cv2.compare(cv2.absdiff(frame, before), 1, cv2.CMP_GT), changes)
            before = frame
        seen = lit >= 0.2 * 255 * len(self._frames)
        active = changes >= max(1.0, 0.25 * 255 * (len(self._frames) - 1))
        furniture = (change <= 3) & (cv2.absdiff(brightest, _level(background, brightest)) > 24)
        return Evidence(seen, active, furniture, self.scale)


def _reduced(gray: Image, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


def _level(value: int, like: Image) -> Image:
    return np.full_like(like, value)


def _background(brightest: Image, change: Image) -> int:
    """The level that much of the picture's rim shares and keeps, else 0: a rim full of tissue has no such level."""
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
