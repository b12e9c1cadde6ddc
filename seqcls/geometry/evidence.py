"""What a few frames tell about each pixel: speckle moves, overlay stands still, panels are even, background is dark."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.geometry.masks import Mask
from seqcls.geometry.panels import PANEL_LEVEL, panels

Image = NDArray[np.uint8]

#: The search runs on images reduced to this longer side: an outline is then right to two pixels of a 1280 one.
SEARCH_SIDE = 640

#: Ripples of a codec, as a part of the brightest level within 8 pixels.
RIPPLE = 0.08
#: What stirs more than this is tissue, not noise.
MAX_NOISE = 4.0
#: Video of limited range shows black as 16, some scanners a little more.
MAX_BLACK = 32


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Per pixel of the reduced image, (h, w) bool. ``scale``: image pixels per reduced pixel in x and in y.

    seen: unlike the background in a fifth of the frames. active: changes in a quarter of the steps between frames; so
    neither holds for what a clock, a cursor or an ECG trace merely passes over. overlay: bright and still. panel: lit,
    still and even, with what is written on it; neither seen nor active. inside: where ultrasound may be at all; the
    others are False elsewhere. still: does not change, but for noise and what a codec leaves. mean: of the frames, as
    (h, w) uint8.
    """

    seen: Mask
    active: Mask
    overlay: Mask
    panel: Mask
    inside: Mask
    still: Mask
    mean: Image
    scale: tuple[float, float]

    def within(self, box: tuple[int, int, int, int]) -> Evidence:
        """Restricted to a box of image pixels."""
        inside = np.zeros_like(self.inside)
        x0, x1 = (round(x / self.scale[0]) for x in box[::2])
        y0, y1 = (round(y / self.scale[1]) for y in box[1::2])
        inside[y0:y1, x0:x1] = True
        return replace(
            self,
            seen=self.seen & inside,
            active=self.active & inside,
            overlay=self.overlay & inside,
            panel=self.panel & inside,
            inside=inside,
        )


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
        self.add_reduced(gray.copy() if gray.shape == self.size[::-1] else _reduced(gray, self.size))

    def add_reduced(self, small: Image) -> None:
        """Take one image that is of the search's size already."""
        if not self._frames or not np.array_equal(small, self._frames[-1]):
            self._frames.append(small)

    def few(self, count: int) -> list[Image]:
        """At most so many of the frames, evenly spread, reduced."""
        return self._frames[:: max(1, -(-len(self._frames) // count))]

    def evidence(self) -> Evidence:
        brightest, change, noise = self._changes()
        still = np.asarray(change <= 3 + 0.03 * brightest)
        mean = _mean_image(self._frames)
        black = _all(mean, _black(mean, still))
        brightest = np.asarray(cv2.subtract(brightest, black), np.uint8)
        panel = panels(np.asarray(cv2.subtract(mean, black), np.uint8), still, change)
        level = cv2.add(black, _all(mean, _background(brightest, still & ~panel)))
        lights = [cv2.subtract(frame, level) for frame in self._frames]
        steps = [cv2.subtract(step, _all(change, 3 * noise)) for step in self._steps()]
        # Codecs leave ripples around whatever is bright, as far as their blocks reach: there more is asked for.
        light = _mean(lights)
        ripple = RIPPLE * cv2.dilate(light, np.ones((17, 17), np.uint8))
        bar = np.floor(np.maximum(ripple, 2)).astype(np.uint8)
        lit = _mean([one > bar for one in lights])
        dim = cv2.blur(_mean([np.minimum(one, 8) for one in lights]), (3, 3))
        seen = (lit >= 0.2) | ((dim > 1.5) & (light > ripple))
        moves = _mean([step > 1 for step in steps])
        stirs = cv2.blur(_mean([np.minimum(step, 3) for step in steps]), (3, 3))
        active = ((moves >= 0.25) | (stirs > 0.5)) & (change > np.maximum(ripple, 1))
        overlay = still & (cv2.subtract(brightest, cv2.subtract(level, black)) > 24)
        inside = np.ones(change.shape, bool)
        return Evidence(seen & ~panel, active & ~panel, overlay, panel, inside, still, mean, self.scale)

    def _changes(self) -> tuple[Image, Image, float]:
        """Per pixel the brightest level, and how far it goes beyond the noise; the noise of all pixels.

        A frame grabber adds the same noise everywhere, black and panels included, of which every screen has some: it is
        what the quietest twentieth of the pixels shows, as a standard deviation in levels.
        """
        darkest, brightest = self._frames[0].copy(), self._frames[0].copy()
        for frame in self._frames[1:]:
            cv2.max(brightest, frame, brightest)
            cv2.min(darkest, frame, darkest)
        # The mean difference of two values is 2 / sqrt(pi) standard deviations.
        stirs, lit = _mean(self._steps())[::2, ::2], _mean(self._frames)[::2, ::2] >= 8
        quiet = float(np.percentile(stirs, 5))
        if quiet > 0.2 and lit.any():  # in black half of the noise is cut off
            quiet = max(quiet, float(np.percentile(stirs[lit], 5)))
        noise = min(MAX_NOISE, quiet * 0.886)
        change = cv2.subtract(brightest, darkest)
        return brightest, np.asarray(cv2.subtract(change, _all(change, 5 * noise)), np.uint8), noise

    def _steps(self) -> list[Image]:
        """From each frame to the next; one of nothing where there is one frame."""
        found = [np.asarray(cv2.absdiff(a, b), np.uint8) for a, b in itertools.pairwise(self._frames)]
        return found or [np.zeros_like(self._frames[0])]


def _all(like: Image, value: float) -> Image:
    return np.full_like(like, round(value))


def _mean(images: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Per pixel, of at least one image."""
    total = np.zeros(images[0].shape, np.float32)
    for image in images:
        cv2.accumulate(image.view(np.uint8), total)
    return np.asarray(total / len(images), np.float32)


def _mean_image(images: Sequence[Image]) -> Image:
    return np.asarray(np.round(_mean(images)), np.uint8)


def _reduced(gray: Image, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


def _black(mean: Image, still: Mask) -> int:
    """The level of black: above 0 in video of limited range. A screen that has less dark pixels than a twentieth, on
    gray, is one whose gray is taken for black, and nothing is lost by that."""
    black = int(np.percentile(mean[::2, ::2], 5))
    if not 2 < black <= MAX_BLACK:
        return 0
    same = still & (mean >= black - 1) & (mean <= black + 1)
    return black if same.mean() >= 0.08 else 0


def _background(brightest: Image, still: Mask) -> int:
    """The dark level that much of the image's rim shares and keeps, else 0: a rim full of tissue has no such level."""
    rim = np.ones(brightest.shape, bool)
    depth = max(2, round(0.02 * max(brightest.shape)))
    rim[depth:-depth, depth:-depth] = False
    counts = np.bincount(brightest[rim & still], minlength=256)
    level = int(counts[:PANEL_LEVEL].argmax())
    near = counts[max(0, level - 1) : level + 2].sum()
    return level if near >= 0.25 * rim.sum() else 0
