"""What a few frames tell about each pixel: speckle moves, overlay stands still, background is never lit."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

#: The search runs on images reduced to this longer side: an outline is then right to two pixels of a 1280 one.
SEARCH_SIDE = 640

#: Ripples of a codec, as a part of the brightest level within 8 pixels.
RIPPLE = 0.08


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Per pixel of the reduced image, (h, w) bool. ``scale``: image pixels per reduced pixel in x and in y.

    seen: unlike the background in a fifth of the frames. active: changes in a quarter of the steps between frames; so
    neither holds for what a clock, a cursor or an ECG trace merely passes over. overlay: bright and still.
    inside: where ultrasound may be at all; the others are False elsewhere.
    """

    seen: Mask
    active: Mask
    overlay: Mask
    inside: Mask
    scale: tuple[float, float]

    def within(self, box: tuple[int, int, int, int]) -> Evidence:
        """Restricted to a box of image pixels."""
        inside = np.zeros_like(self.inside)
        x0, x1 = (round(x / self.scale[0]) for x in box[::2])
        y0, y1 = (round(y / self.scale[1]) for y in box[1::2])
        inside[y0:y1, x0:x1] = True
        return Evidence(self.seen & inside, self.active & inside, self.overlay & inside, inside, self.scale)


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
        """Take one (height, width) uint8 image."""
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
        # On a lit screen a dark, still pixel is as likely a frame around the sector; one image alone cannot tell.
        unlike = cv2.subtract if len(self._frames) > 1 else cv2.absdiff
        level = np.full_like(change, background)
        lights = [unlike(frame, level) for frame in self._frames]
        steps = [cv2.absdiff(a, b) for a, b in itertools.pairwise(self._frames)] or [np.zeros_like(change)]
        # Codecs leave ripples around whatever is bright, as far as their blocks reach: there more is asked for.
        ripple = RIPPLE * cv2.dilate(_mean(lights), np.ones((17, 17), np.uint8))
        lit = _mean([light > np.maximum(ripple, 2) for light in lights])
        dim = cv2.blur(_mean([np.minimum(light, 8) for light in lights]), (3, 3))
        seen = (lit >= 0.2) | ((dim > 1.5) & (_mean(lights) > ripple))
        moves = _mean([step > 1 for step in steps])
        stirs = cv2.blur(_mean([np.minimum(step, 3) for step in steps]), (3, 3))
        active = ((moves >= 0.25) | (stirs > 0.5)) & (change > np.maximum(ripple, 1))
        peak = unlike(brightest, level)
        still = change <= 3 + 0.03 * peak
        return Evidence(seen, active, still & (peak > 24), np.ones(change.shape, bool), self.scale)


def _mean(images: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Per pixel, of at least one image."""
    total = np.zeros(images[0].shape, np.float32)
    for image in images:
        total += image
    return np.asarray(total / len(images), np.float32)


def _reduced(gray: Image, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


def _background(brightest: Image, change: Image) -> int:
    """The level that much of the image's rim shares and keeps, else 0: a rim full of tissue has no such level."""
    rim = np.ones(brightest.shape, bool)
    depth = max(2, round(0.02 * max(brightest.shape)))
    rim[depth:-depth, depth:-depth] = False
    levels = brightest[rim & (change <= 3)]
    counts = np.bincount(levels, minlength=256)
    level = int(counts.argmax())
    near = counts[max(0, level - 1) : level + 2].sum()
    return level if near >= 0.25 * rim.sum() else 0
