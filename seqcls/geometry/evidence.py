"""What a few frames tell about each pixel: speckle moves, overlay stands still, panels are even, background is dark."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.geometry.masks import Mask, components

Image = NDArray[np.uint8]

#: The search runs on images reduced to this longer side: an outline is then right to two pixels of a 1280 one.
SEARCH_SIDE = 640

#: Ripples of a codec, as a part of the brightest level within 8 pixels.
RIPPLE = 0.08
#: From this level on an even area is a panel of the user interface; below it may be the black around a sector.
PANEL_LEVEL = 18
#: Smaller even areas, as a part of the image, may be a vessel or a saturated layer.
PANEL_AREA = 0.004
#: A darker panel is larger, of one level throughout, brighter than this, and comes near the rim of the image.
DIM_LEVEL, DIM_AREA = 4, 0.1
#: Beside one of these, of its level: lines drawn on panels part them.
DIM_PART = 0.02
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
        if moving[label] < 0.1 * around[label] or alike[label] < 0.5 * moving[label]:
            continue
        part = labels == label
        if alike[label] >= 0.7 * moving[label] or _straightness(part) < 0.6:
            result |= part
    return result


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
