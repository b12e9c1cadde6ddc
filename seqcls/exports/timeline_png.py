"""timeline.png: what a reader must know of the clip, thumbnails, a strip per organ, and the scores that led to it.

Drawn by OpenCV and Pillow, which are there already: matplotlib would take longer than all of a short clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from seqcls.exports import timeline_layout as layout
from seqcls.exports.timeline_layout import BETWEEN, LEFT, LINE, ROW, TOP, WIDTH, TimeAxis
from seqcls.files import atomic_path
from seqcls.palette import PRESENT, UNKNOWN, VERMILION, bgr
from seqcls.pauses import pauses
from seqcls.text.foreign_text import for_terminal
from seqcls.timeline import Timeline

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
_BLACK, _DARK, _GRAY = "#000000", "#555555", "#888888"
#: Heights of letters in pixels.
_SMALL, _MEDIUM, _LARGE = 11.1, 13.9, 15.3
_RIGHT_END = WIDTH - layout.RIGHT
#: Pixels around a strip into which a dot on its edge reaches.
_MARGIN = 6
#: OpenCV takes places in whole numbers of a sixteenth of a pixel, and widths in whole pixels: curves are drawn so many
#: times as large.
_SHIFT, _FINER = 4, 2
#: Pixels: radius of a dot.
_DOT = 2.4
#: Pixels: from one line of a hatch to the next, along the axis, and half the width of one.
_HATCH, _HALF_LINE = 11, 0.7


def write_picture(timeline: Timeline, path: str | Path) -> None:
    """Write the timeline as a PNG, 1100 pixels wide. Raises OutputError."""
    drawn = draw(timeline)
    with atomic_path(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", drawn[:, :, ::-1])[1].tobytes())


def draw(timeline: Timeline) -> Pixels:
    """(H, 1100, 3) uint8 RGB: thumbnails, and a strip with the scores for each organ."""
    organs, lines = timeline.organs[: layout.MAX_STRIPS], layout.lines_about(timeline)
    rows = bool(timeline.thumbnails) + len(organs)
    page = _Page(layout.height(rows, len(lines)))
    _write_about(page, timeline, lines)
    y = TOP + LINE * len(lines)
    if timeline.thumbnails:
        for place, image in layout.thumbnail_places(timeline):
            left, right = (LEFT + (place + at) * layout.AXIS_PIXELS // layout.MAX_THUMBNAILS for at in (0, 1))
            shown = cv2.resize(image, (right - left - 4, ROW), interpolation=cv2.INTER_LINEAR)
            page.pixels[y : y + ROW, left + 2 : right - 2] = shown[:, :, None]
        y += ROW + BETWEEN
    labels, unit = layout.time_labels(timeline.start_s, timeline.end_s)
    for column, organ in enumerate(organs):
        strip = _Strip(page, y, TimeAxis.of(timeline))
        _draw_organ(strip, timeline, column, organ)
        strip.draw_times([time_s for time_s, _ in labels])
        y += ROW + BETWEEN
    for time_s, label in labels:
        page.write(strip.x(time_s), strip.bottom + 17, label, _SMALL, _BLACK, "ms")
    page.write((LEFT + _RIGHT_END) / 2, strip.bottom + 36, unit, _MEDIUM, _BLACK, "ms")
    return page.written()


def _write_about(page: _Page, timeline: Timeline, lines: Sequence[str]) -> None:
    """What was analysed, what came of reading it, and what a reader must know."""
    page.write(11, 20, layout.title(timeline), _LARGE, _BLACK, "ls", bold=True)
    text, whole = layout.verdict(timeline)
    page.write(WIDTH - 11, 19, text, _MEDIUM, _DARK if whole else VERMILION, "rs", bold=not whole)
    for number, line in enumerate(lines):
        page.write(11, 39 + LINE * number, line, _SMALL, VERMILION, "ls")
    page.write(WIDTH - 11, len(page.pixels) - 6, layout.legend(timeline), _SMALL, _DARK, "rs")


def _draw_organ(strip: _Strip, timeline: Timeline, column: int, organ: str) -> None:
    scores, holes = timeline.scores, layout.score_holes(timeline)
    present, unknown = (layout.stretches(strip.axis, timeline.of(organ, state)) for state in ("present", "unknown"))
    strip.shade(present, PRESENT, 0.25)
    strip.shade(present, PRESENT, 1.0, of_height=layout.BAR)
    strip.hatch(unknown, rising=True)
    still = pauses(scores, timeline.report.gaps)
    strip.shade(still, "#FFFFFF", 0.6)
    strip.hatch(still, rising=False)
    scored = column < len(timeline.scored_organs)  # an organ that is made of others has no scores
    for values, width, alpha in ((scores.raw, 1, 0.8), (scores.smooth, 3, 1.0)) if scored else ():
        strip.draw_curve(*layout.curve(scores.time_s, values[:, column], holes), width, alpha)
    for threshold in layout.thresholds(timeline, column):
        strip.draw_dotted(threshold)
    strip.draw_frame((0.0, 0.5, 1.0) if scored else ())
    for middle_s, text in layout.reasons_shown(timeline, organ):
        strip.page.write(strip.x(middle_s), strip.y(0.5), text, _SMALL, _BLACK, "mm", on_white=True)
    strip.page.write(LEFT, strip.top - 8, layout.strip_title(timeline, organ), _MEDIUM, _BLACK, "ls")


class _Page:
    """A white picture; words are written when all else is drawn."""

    def __init__(self, height: int) -> None:
        self.pixels: Pixels = np.full((height, WIDTH, 3), 255, np.uint8)
        self._words: list[tuple[tuple[float, float], str, dict[str, Any], bool]] = []

    def write(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        color: str,
        anchor: str,
        *,
        bold: bool = False,
        on_white: bool = False,
    ) -> None:
        """``anchor``: what of the text is at that place, in Pillow's words. ``on_white``: hides what is below."""
        look = {"font": _font(size, bold), "fill": color, "anchor": anchor}
        self._words.append(((x, y), for_terminal(text), look, on_white))

    def written(self) -> Pixels:
        image = Image.fromarray(self.pixels)
        pen = ImageDraw.Draw(image)
        for place, text, look, on_white in self._words:
            if on_white:
                left, top, right, bottom = pen.textbbox(place, text, look["font"], look["anchor"])
                pen.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill="white")
            pen.text(place, text, **look)
        return np.asarray(image)


class _Strip:
    """The part of the page in which one organ is drawn, from ``top`` to ``bottom``."""

    def __init__(self, page: _Page, top: int, axis: TimeAxis) -> None:
        self.page, self.top, self.bottom, self.axis = page, top, top + ROW, axis
        self._inside: Pixels = page.pixels[top : top + ROW, LEFT:_RIGHT_END]

    def x(self, time_s: float) -> float:
        return LEFT + float(self._columns_of(np.array(time_s)))

    def y(self, score: float) -> float:
        return self.top + float(self._rows_of(np.array(score)))

    def _columns_of(self, time_s: Floats) -> Floats:
        """From the strip's left, in pixels."""
        share: Floats = (time_s - self.axis.start_s) / (self.axis.end_s - self.axis.start_s)
        return share * layout.AXIS_PIXELS

    def _rows_of(self, score: Floats) -> Floats:
        """From the strip's top, in pixels."""
        share: Floats = (score - layout.LOWEST) / (layout.HIGHEST - layout.LOWEST)
        return ROW - share * ROW

    def shade(self, spans: Sequence[tuple[float, float]], color: str, alpha: float, of_height: float = 1.0) -> None:
        """``of_height``: how high they are from the upper end, of the strip."""
        weight = alpha * self._columns(spans)[None, :]
        _blend(self._inside[: round(of_height * ROW)], color, weight)

    def hatch(self, spans: Sequence[tuple[float, float]], *, rising: bool) -> None:
        rows, columns = np.arange(ROW)[:, None], np.arange(layout.AXIS_PIXELS)[None, :]
        along = (columns + rows if rising else columns - rows) % _HATCH
        apart = np.minimum(along, _HATCH - along) / np.sqrt(2)
        _blend(self._inside, UNKNOWN, np.clip(_HALF_LINE + 0.5 - apart, 0, 1) * self._columns(spans)[None, :])

    def _columns(self, spans: Sequence[tuple[float, float]]) -> Floats:
        """(W,) 1 in the columns of pixels that they take, else 0."""
        columns = np.zeros(layout.AXIS_PIXELS)
        for start_s, end_s in spans:
            first = round(self.x(start_s)) - LEFT
            columns[max(0, first) : max(first + 1, round(self.x(end_s)) - LEFT)] = 1
        return columns

    def draw_curve(self, time_s: Floats, score: Floats, alone: NDArray[np.bool_], width: int, alpha: float) -> None:
        """``width`` in finer pixels; where ``alpha`` is 1, points that stand ``alone`` are dots."""
        around = self.page.pixels[self.top - _MARGIN : self.bottom + _MARGIN, LEFT - _MARGIN : _RIGHT_END + _MARGIN]
        mask = np.zeros((_FINER * around.shape[0], _FINER * around.shape[1]), np.uint8)
        x, y = self._columns_of(time_s), self._rows_of(score)
        places = (_FINER * (np.stack([x, y], axis=1) + _MARGIN) - 0.5) * 2**_SHIFT
        pieces = np.split(places, np.flatnonzero(np.isnan(score)))
        lines = [piece[~np.isnan(piece[:, 1])].round().astype(np.int32) for piece in pieces]
        cv2.polylines(mask, [line for line in lines if len(line) > 1], False, 255, width, cv2.LINE_AA, _SHIFT)
        mask[:, : _FINER * _MARGIN] = mask[:, -_FINER * _MARGIN :] = 0
        if alpha == 1:
            for x, y in places[alone].round().astype(int).tolist():
                cv2.circle(mask, (x, y), int(_DOT * _FINER * 2**_SHIFT), 255, -1, cv2.LINE_AA, _SHIFT)
        coverage = cv2.resize(mask, around.shape[1::-1], interpolation=cv2.INTER_AREA)
        _blend(around, VERMILION, alpha / 255 * coverage)

    def draw_dotted(self, score: float) -> None:
        self._inside[round(self.y(score)) - self.top, ::3] = _rgb(_GRAY)

    def draw_frame(self, ticks: Sequence[float]) -> None:
        """Left and lower edge, and the scores that are written beside it."""
        pixels = self.page.pixels
        pixels[self.top : self.bottom + 1, LEFT] = pixels[self.bottom, LEFT:_RIGHT_END] = 0
        for score in ticks:
            y = round(self.y(score))
            pixels[y, LEFT - 5 : LEFT] = 0
            self.page.write(LEFT - 9, y, f"{score:.1f}", _SMALL, _BLACK, "rm")

    def draw_times(self, times_s: Sequence[float]) -> None:
        for time_s in times_s:
            self.page.pixels[self.bottom : self.bottom + 5, round(self.x(time_s))] = 0


def _blend(pixels: Pixels, color: str, weight: NDArray[np.floating[Any]]) -> None:
    """``weight`` of the colour, 0..1, for each pixel or column."""
    pixels[:] = np.rint(pixels + weight[:, :, None] * (np.array(_rgb(color)) - pixels.astype(np.float64)))


def _rgb(color: str) -> tuple[int, int, int]:
    blue, green, red = bgr(color)
    return red, green, blue


@cache
def _font(size: float, bold: bool) -> Any:
    """DejaVu Sans, which knows most alphabets, from where matplotlib keeps it; else the one that Pillow has."""
    found = find_spec("matplotlib")
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    try:
        return ImageFont.truetype(
            Path(str(found and found.origin)).with_name("mpl-data") / "fonts" / "ttf" / name, size
        )
    except OSError:
        return ImageFont.load_default(size)
