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
        # On a lit screen a dark, still pixel is as likely a frame around the sector; one picture alone cannot tell.
        unlike = cv2.subtract if len(self._frames) > 1 else cv2.absdiff
        level, change_before = np.full_like(change, background), self._frames[0]
        lit, dim, moves, stirs = (np.zeros(change.shape, np.float32) for _ in range(4))
        for frame in self._frames:
            light, step = unlike(frame, level), cv2.absdiff(frame, change_before)
            cv2.accumulate(cv2.compare(light, 2, cv2.CMP_GT), lit)
            cv2.accumulate(cv2.min(light, 8), dim)
            cv2.accumulate(cv2.compare(step, 1, cv2.CMP_GT), moves)
            cv2.accumulate(cv2.min(step, 3), stirs)
            change_before = frame
        frames, steps = len(self._frames), max(1, len(self._frames) - 1)
        peak = unlike(brightest, level)
        # Deep noise is 1 to 6 levels bright, too little for single pixels; codec ripples are 1 or 2 in few frames.
        seen = (lit >= 0.2 * 255 * frames) | ((cv2.blur(dim, (3, 3)) > 1.5 * frames) & (peak >= 2))
        active = (moves >= 0.25 * 255 * steps) | ((cv2.blur(stirs, (3, 3)) > 0.5 * steps) & (change >= 2))
        return Evidence(seen, active, (change <= 3) & (peak > 24), self.scale)


def _reduced(gray: Image, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


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
