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
    inside: where ultrasound may be at all; the others are False elsewhere.
    """

    seen: Mask
    active: Mask
    furniture: Mask
    inside: Mask
    scale: tuple[float, float]

    def within(self, box: tuple[int, int, int, int]) -> Evidence:
        """Restricted to a box of picture pixels."""
        inside = np.zeros_like(self.inside)
        x0, x1 = (round(x / self.scale[0]) for x in box[::2])
        y0, y1 = (round(y / self.scale[1]) for y in box[1::2])
        inside[y0:y1, x0:x1] = True
        return Evidence(self.seen & inside, self.active & inside, self.furniture & inside, inside, self.scale)


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
        level, before = np.full_like(change, background), self._frames[0]
        lit, dim, moves, stirs = (np.zeros(change.shape, np.float32) for _ in range(4))
        for frame in self._frames:
            light, step = unlike(frame, level), cv2.absdiff(frame, before)
            lit += light > 2
            dim += np.minimum(light, 8)
            moves += step > 1
            stirs += np.minimum(step, 3)
            before = frame
        frames, steps = len(self._frames), max(1, len(self._frames) - 1)
        peak = unlike(brightest, level)
        # Deep noise is 1 to 6 levels bright, too little for single pixels; codec ripples are 1 or 2 in few frames.
        seen = (lit >= 0.2 * frames) | ((cv2.blur(dim, (3, 3)) > 1.5 * frames) & (peak >= 2))
        active = (moves >= 0.25 * steps) | ((cv2.blur(stirs, (3, 3)) > 0.5 * steps) & (change >= 2))
        return Evidence(seen, active, (change <= 3) & (peak > 24), np.ones(change.shape, bool), self.scale)


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
