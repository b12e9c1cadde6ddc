"""Text burnt into the ultrasound region: strokes that stand still while the speckle behind them moves.

Text is drawn at one place in one brightness. The darkest value that a pixel takes within two seconds is then the text's
own where there is text, and nearly black where speckle passes by. What is left of bright strokes is text if it looks
like letters: of about one height, beside each other in a row. Dark text is found in the same way, from the brightest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.types import TIME_TOLERANCE_S

Image = NDArray[np.uint8]

#: A window is looked at when it has so many images over so many seconds; images that follow sooner are passed over.
_IMAGES, _SECONDS, _STEP_S = 12, 1.2, 0.1
#: So many images are a window in any case: a clock that goes back again and again must not fill memory.
_MOST_IMAGES = 2 * _IMAGES
#: So many images tell whether anything moves.
_MIN_IMAGES = 6
#: Levels by which a stroke stands out from what is beside it, a dark one by more: gaps in tissue are dark, too.
_CONTRAST, _DARK_CONTRAST = 45, 80
#: Levels by which a stroke may flicker after compression.
_FLICKER = 40
#: Half of the lit pixels must change by so many levels, or letters cannot be told from speckle that stands still.
_MOVES = 8
_LIT = 24
#: Letters: height in pixels, and of the region's at most; width by height, of one and of several that touch.
_MIN_HEIGHT, _MAX_PART, _MAX_WIDTH, _MAX_JOINED = 5, 0.15, 1.6, 6.0
#: A row of three may be speckle that stays bright for a moment: in 2,310 windows of 38 clips it was two times, and in 5
#: images one time in 50; four it never was. Three have to stay for half a window more, or two in another window.
_MIN_LETTERS, _SURE_LETTERS, _MORE_IMAGES = 3, 4, 6
#: Rows of three, and of two, that are remembered: a run may last for days.
_MAX_DOUBTFUL, _MAX_WEAK = 50, 200
#: More would take long to be put into rows; a page of so many letters is seen to be one.
_MAX_PARTS = 500


@dataclass(frozen=True, slots=True)
class TextBox:
    """[x0, x1) x [y0, y1) in pixels of the region, seen from ``start_s`` to ``end_s``."""

    x0: int
    y0: int
    x1: int
    y1: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, order=True)
class _Part:
    """A letter, or some that touch each other."""

    x: int
    y: int
    width: int
    height: int
    letters: int

    def goes_on_with(self, other: _Part) -> bool:
        """Whether the other one comes next in a row."""
        low, high = sorted((self.height, other.height))
        near = -0.3 * high <= other.x - (self.x + self.width) <= 1.2 * high
        common = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return near and common >= 0.6 * low and high <= 1.7 * low


class BurntInText:
    """Looks at the images of one region, in their order; ``found`` and ``unsure`` hold what was seen so far.

    ``mask``: (h, w) uint8, not 0 inside the region's outline; None where that is the whole image.
    """

    def __init__(self, mask: Image | None = None) -> None:
        self.found: list[TextBox] = []
        self.unsure = True
        """Whether nothing can be said, since hardly anything moved, or there were too few images."""
        self._inside = None if mask is None else mask > 0
        self._window: list[tuple[Image, float]] = []
        self._before: list[tuple[Image, float]] = []
        self._is_doubtful = self._is_first = False  # of the window before: rows of three that may go on; none before it
        self._doubtful: deque[TextBox] = deque(maxlen=_MAX_DOUBTFUL)
        self._weak: deque[TextBox] = deque(maxlen=_MAX_WEAK)
        self._last_s = 0.0

    def add(self, image: Image, time_s: float) -> None:
        """Take an (h, w) uint8 image into account."""
        window = self._window
        if window and 0 <= time_s - self._last_s < _STEP_S - TIME_TOLERANCE_S:
            return
        window.append((image.copy(), time_s))
        self._last_s = time_s
        is_whole = len(window) >= _IMAGES and time_s - window[0][1] >= _SECONDS
        if is_whole or len(window) >= _MOST_IMAGES:
            self._judge(window)
            self._window, self._before = [], window

    def finish(self) -> None:
        """Look at what is left, together with what came before it: a few images are too little by themselves."""
        left, before, self._window, self._before = self._window, self._before, [], []
        if not before:
            self._note(self._rows(left, _MIN_LETTERS) if left else [])
            return
        if self._is_doubtful and (self._is_first or len(left) >= _MORE_IMAGES):
            self._note(self._rows([*before, *left[:_MORE_IMAGES]], _MIN_LETTERS))
        if left:
            both, lacking = [*before, *left], max(0, _IMAGES - len(left))
            self._note(self._rows(left, _SURE_LETTERS))
            self._note(self._rows(both[-len(left) - lacking :], _SURE_LETTERS))
            self._note(self._rows(both[-len(left) - lacking - _MORE_IMAGES :], _MIN_LETTERS))
        if len(left) >= _MORE_IMAGES:
            self._doubt(left, self._rows(left, _MIN_LETTERS))

    def warnings(self) -> list[str]:
        """For a person."""
        if self.found:
            first, more = self.found[0], len(self.found) - 1
            others = f" and {more} more" if more else ""
            return [
                f"what looks like text stands still inside the region, at {first.x0},{first.y0},{first.x1},{first.y1}"
                f" from {first.start_s:.1f} to {first.end_s:.1f} s{others}: look for names"
            ]
        if self.unsure:
            return ["hardly anything moves: text inside the region cannot be told from speckle, look for names"]
        return []

    def _judge(self, window: list[tuple[Image, float]]) -> None:
        """Note the rows of a whole window that are sure, and those of three that stay for longer."""
        before = self._before
        if self._is_doubtful:
            self._note(self._rows([*before, *window[:_MORE_IMAGES]], _MIN_LETTERS))
        self._is_doubtful, self._is_first = False, not before
        if rows := self._rows(window, _MIN_LETTERS):
            sure = self._rows(window, _SURE_LETTERS)
            self._note(sure)
            self._is_doubtful = len(sure) < len(rows)
        self._doubt(window, rows)
        if self._is_doubtful and before:
            self._note(self._rows([*before[-_MORE_IMAGES:], *window], _MIN_LETTERS))

    def _doubt(self, window: Sequence[tuple[Image, float]], rows: Sequence[TextBox]) -> None:
        """Note rows of three in whose place another window has two letters or more, and remember what there is."""
        weak = self._rows(window, _MIN_LETTERS - 1)
        self._note([row for row in rows if any(_touch(row, box) for box in self._weak)])
        self._note([row for row in self._doubtful if any(_touch(row, box) for box in weak)])
        self._doubtful.extend(rows)
        self._weak.extend(weak)

    def _rows(self, window: Sequence[tuple[Image, float]], least: int) -> list[TextBox]:
        """Rows of ``least`` letters or more that stand still in all of these images."""
        darkest = np.asarray(np.minimum.reduce([image for image, _ in window]), np.uint8)
        brightest = np.asarray(np.maximum.reduce([image for image, _ in window]), np.uint8)
        moved = np.asarray(cv2.absdiff(brightest, darkest), np.uint8)
        lit = brightest > _LIT if self._inside is None else (brightest > _LIT) & self._inside
        if len(window) >= _MIN_IMAGES and lit.any() and np.median(moved[lit]) >= _MOVES:
            self.unsure = False
        negative = np.asarray(cv2.bitwise_not(brightest), np.uint8)  # of it, dark letters on a light ground
        if self._inside is not None:
            negative[~self._inside] = 0
        dark = written_lines(negative, moved, _DARK_CONTRAST, least)
        lines = [*written_lines(darkest, moved, least=least), *dark]
        return [TextBox(*line, window[0][1], window[-1][1]) for line in lines]

    def _note(self, boxes: Sequence[TextBox]) -> None:
        """Add boxes, each as one with those that it touches."""
        for box in boxes:
            apart = [b for b in self.found if not _touch(b, box)]
            same = [box, *(b for b in self.found if b not in apart)]
            left, top = min(b.x0 for b in same), min(b.y0 for b in same)
            right, bottom = max(b.x1 for b in same), max(b.y1 for b in same)
            first_s, last_s = min(b.start_s for b in same), max(b.end_s for b in same)
            self.found = [*apart, TextBox(left, top, right, bottom, first_s, last_s)]


def _touch(one: TextBox, other: TextBox) -> bool:
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


def written_lines(
    darkest: Image, moved: Image, contrast: int = _CONTRAST, least: int = _MIN_LETTERS
) -> list[tuple[int, int, int, int]]:
    """Boxes x0, y0, x1, y1 of lines of ``least`` letters or more.

    darkest: (h, w) the least value of each pixel over time. moved: (h, w) its greatest value less that.
    """
    strokes = _strokes(darkest, moved, contrast)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8), connectivity=8)
    highest = max(3 * _MIN_HEIGHT, _MAX_PART * darkest.shape[0])
    parts = []
    for number, (x, y, w, h, area) in enumerate(stats[1:].tolist(), start=1):
        if _MIN_HEIGHT <= h <= highest and w <= _MAX_JOINED * h and h <= area <= 0.85 * w * h + h:
            letters = 1 if w <= _MAX_WIDTH * h else round(w / (0.7 * h))
            if letters == 1 or _crossings(labels[y : y + h, x : x + w] == number) >= 1.2 * letters:
                parts.append(_Part(x, y, w, h, letters))
    return _in_rows(parts, least)


def _crossings(part: NDArray[np.bool_]) -> float:
    """Strokes that a horizontal line meets on average: one or two a letter, one alone in a line of tissue."""
    begins = part & ~np.roll(part, 1, axis=1)
    begins[:, 0] = part[:, 0]
    return float(begins.sum() / len(part))


def _strokes(darkest: Image, moved: Image, contrast: int) -> NDArray[np.bool_]:
    """Thin, bright, and still."""
    side = 9
    kernel = np.ones((side, side), np.uint8)
    hat = cv2.morphologyEx(darkest, cv2.MORPH_TOPHAT, kernel)
    edge = cv2.dilate(hat, kernel) // 2  # half as bright as the strokes nearby is beside them, where letters touch
    found: NDArray[np.bool_] = (hat >= np.maximum(edge, contrast)) & (moved <= _FLICKER)
    return found


def _in_rows(parts: list[_Part], least: int) -> list[tuple[int, int, int, int]]:
    """Boxes of rows of ``least`` letters or more."""
    rows: list[list[_Part]] = []
    for part in sorted(parts)[:_MAX_PARTS]:
        row = next((row for row in rows if row[-1].goes_on_with(part)), None)
        if row is None:
            rows.append([part])
        else:
            row.append(part)
    return [
        (
            min(part.x for part in row),
            min(part.y for part in row),
            max(part.x + part.width for part in row),
            max(part.y + part.height for part in row),
        )
        for row in rows
        if sum(part.letters for part in row) >= least
    ]
