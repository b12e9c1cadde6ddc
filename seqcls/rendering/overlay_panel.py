"""The panel of an overlay: of each organ its state, its score and the strip of the whole run, beside the ultrasound.

It stands in the widest free margin of the screen, for what lies there is black; where there is none, over the lower
part of the ultrasound, which shows through.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.frame_states import STATES, frame_states
from seqcls.palette import ABSENT, GRAY, PRESENT, UNKNOWN, bgr
from seqcls.text.foreign_text import for_image
from seqcls.timeline import Timeline
from seqcls.types import State

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]

_COLORS: dict[State, tuple[int, int, int]] = {
    "absent": bgr(ABSENT),
    "present": bgr(PRESENT),
    "unknown": bgr(UNKNOWN),
}
_WHITE, _PALE, _FRAME, _BLACK = (245, 245, 245), (190, 190, 190), bgr(GRAY), (0, 0, 0)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAP_PIXELS = 21.0  # height of this font's capitals at scale 1
#: A screen is so many capitals high: 13 pixels of 480, of which an eye at arm's length reads half as many.
_CAPS_A_SCREEN = 36
#: Capitals of fewer pixels cannot be read; then there are strips alone.
_LEAST_CAP = 7
#: Of the screen's height, what may lie over the ultrasound; of its brightness, what shines through.
_OVER, _THROUGH = 0.45, 0.3
#: Organs that are drawn; the display of more is no display.
MAX_ROWS = 20
#: So many letters of a name are written, fewer where there is no room.
_LETTERS = (16, 11, 8)
#: Where nothing fits, strips are so many pixels high at most.
_STRIP = 7


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the panel is in the screen, in pixels, and what is in it."""

    box: Box
    cap: int
    """Height of capitals; 0 where nothing is written."""
    columns: int
    stacked: bool
    """Bar and strip below the name rather than beside it."""
    word: bool
    """The state is written out."""
    number: bool
    """The score is written out."""
    letters: int
    """That are written of each name."""
    time_cap: int
    """Height of the capitals of the time, which is written above; 0 where it is not."""


def find_layout(names: Sequence[str], width: int, height: int, region: Box) -> Layout:
    """For a screen of ``width`` x ``height`` in which all ultrasound lies in ``region``."""
    x0, y0, x1, y1 = region
    margins: list[Box] = [(0, y1, width, height), (x1, 0, width, height), (0, 0, x0, height), (0, 0, width, y0)]
    lower: Box = (0, height - int(_OVER * height), width, height)
    wanted = max(_LEAST_CAP + 2, min(height, width * 3 // 4) // _CAPS_A_SCREEN)
    caps = sorted({max(_LEAST_CAP, round(wanted * share)) for share in (1, 0.85, 0.7)}, reverse=True)
    for letters, cap in itertools.product(_LETTERS[:2], caps):  # whole names before large ones
        for place in margins:
            for layout in _layouts(names, place, cap, letters):
                return layout
    for cap, letters in itertools.product(range(wanted, _LEAST_CAP - 1, -1), _LETTERS):
        found = list(_layouts(names, lower, cap, letters))
        if found:
            return max(found, key=lambda layout: layout.box[1])
    time_cap = _LEAST_CAP if width > 6 * _LEAST_CAP and height > 5 * _LEAST_CAP else 0
    strips = min(height // 2, _STRIP * len(names)) + (time_cap + 3 if time_cap else 0)
    return Layout((0, height - max(1, strips), width, height), 0, 1, True, False, False, 0, time_cap)


def _layouts(names: Sequence[str], place: Box, cap: int, letters: int) -> Iterator[Layout]:
    """Those that fit into the place, the best first; each as small as it can be, at the lower end of its place."""
    x0, y0, x1, y1 = place
    pad, count = cap // 2 + 1, len(names)
    name = _name_width(names, cap, letters)
    word, number = _text_width("unknown", cap) + cap, _text_width("0.00", cap) + cap
    for columns in (1, 2):
        wide = (x1 - x0 - 2 * pad - (columns - 1) * 2 * cap) // columns
        high = 2 * pad + 2 * cap * (1 + -(-count // columns))
        room = wide - name - 11 * cap
        if high <= y1 - y0 and room >= 0 and (columns == 1 or count > 3):
            has_number = room >= number
            has_word = room >= number + word + 8 * cap
            yield Layout((x0, y1 - high, x1, y1), cap, columns, False, has_word, has_number, letters, cap)
    wide, high = x1 - x0 - 2 * pad, 2 * pad + 2 * cap + _stacked(cap) * count
    if high <= y1 - y0 and wide >= max(name, 9 * cap):
        used = min(x1 - x0, max(name + word, 26 * cap))
        has_word = used - 2 * pad >= name + word
        yield Layout((x0, y1 - high, x0 + used, y1), cap, 1, True, has_word, used >= 16 * cap, letters, cap)


def _stacked(cap: int) -> int:
    """Pixels from organ to organ: name, bar, strip, and what is between them."""
    return 5 * cap


def _text_width(text: str, cap: int) -> int:
    return int(cv2.getTextSize(text, _FONT, cap / _CAP_PIXELS, _thickness(cap))[0][0])


def _name_width(names: Sequence[str], cap: int, letters: int) -> int:
    """Of the longest name, with the mark before and the space behind it."""
    return max(_text_width(_fitted(each, letters), cap) for each in names) + 3 * cap


def _thickness(cap: int) -> int:
    return max(1, round(cap / 10))


@dataclass(frozen=True, slots=True)
class _Row:
    """Where an organ is drawn in the panel: left end and baseline of its name, and the boxes of bar and strip."""

    x: int
    y: int
    bar: Box
    strip: Box
    word_x: int
    number_x: int
    number_y: int


class Panel:
    """Draws into the screens of one clip. ``region``: all of the clip's ultrasound, in pixels (x0, y0, x1, y1)."""

    def __init__(self, timeline: Timeline, width: int, height: int, region: Box) -> None:
        self._timeline, self._states = timeline, frame_states(timeline)
        #: Those organs come last that are made of others, and have no score and no threshold.
        self._onsets = [own.onset for own in timeline.provenance.intervals]
        names = [for_image(organ) for organ in timeline.organs[:MAX_ROWS]]
        self.layout = find_layout(names, width, height, region)
        self._names = [_fitted(name, self.layout.letters) for name in names]
        x0, y0, x1, y1 = self.layout.box
        self._fixed = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
        self._rows = list(self._places())
        for column, row in enumerate(self._rows):
            self._draw_fixed(column, row)
        self._drawn = self._fixed.any(axis=2, keepdims=True)

    def draw(self, screen: Image, row: int) -> None:
        """Into ``screen``, (H, W, 3) BGR uint8: what holds in the ``row``-th frame of the timeline."""
        x0, y0, x1, y1 = self.layout.box
        panel = np.asarray(cv2.convertScaleAbs(screen[y0:y1, x0:x1], alpha=_THROUGH), np.uint8)
        np.copyto(panel, self._fixed, where=self._drawn)
        table = self._timeline.scores
        time_s = float(table.time_s[row])
        if self.layout.time_cap:
            self._write_time(panel, time_s, int(table.index[row]))
        for column, place in enumerate(self._rows):
            score = float(table.smooth[row, column]) if column < table.smooth.shape[1] else math.nan
            onset = self._onsets[column] if column < len(self._onsets) else None
            self._draw_moving(panel, place, STATES[int(self._states[row, column])], score, time_s, onset)
        screen[y0:y1, x0:x1] = panel

    def _places(self) -> Iterator[_Row]:
        x0, y0, x1, y1 = self.layout.box
        width, height, cap, columns = x1 - x0, y1 - y0, self.layout.cap, self.layout.columns
        if not cap:
            top = self.layout.time_cap + 3 if self.layout.time_cap else 0
            pitch = max(2, (height - top) // max(1, len(self._names)))
            end = max(1, width // 4)
            for y in range(top, height - pitch + 1, pitch)[: len(self._names)]:
                yield _Row(0, y, (0, y, end, y + pitch - 1), (end + 1, y, width, y + pitch - 1), 0, 0, 0)
            return
        pad = cap // 2 + 1
        top = pad + 2 * cap
        name = _name_width(self._names, cap, self.layout.letters)
        number = _text_width("0.00", cap) + cap if self.layout.number else 0
        word = _text_width("unknown", cap) + cap if self.layout.word else 0
        each = (width - 2 * pad - (columns - 1) * 2 * cap) // columns
        per_column = -(-len(self._names) // columns)
        for at in range(len(self._names)):
            if self.layout.stacked:
                x, y = pad, top + _stacked(cap) * at
                lower = y + 2 * cap
                bar = (x, lower, width - pad - number, lower + cap)
                strip = (x, lower + cap + cap // 2, width - pad, lower + 2 * cap + cap // 4)
                yield _Row(x, y + cap, bar, strip, width - pad - word + cap, bar[2] + cap // 2, lower + cap)
            else:
                x, y = pad + at // per_column * (each + 2 * cap), top + 2 * cap * (at % per_column)
                begin, rest = x + name + word, each - name - word - number
                middle = begin + rest * 2 // 5
                strip = (middle + number + cap // 2, y, x + each, y + cap)
                yield _Row(x, y + cap, (begin, y, middle, y + cap), strip, x + name, middle + cap // 2, y + cap)

    def _draw_fixed(self, column: int, row: _Row) -> None:
        if self.layout.cap:
            _write(self._fixed, self._names[column], row.x + 3 * self.layout.cap // 2, row.y, self.layout.cap, _WHITE)
        _, y0, _, y1 = row.strip
        start_s, end_s = self._timeline.start_s, self._timeline.end_s
        for interval in self._timeline.of(self._timeline.organs[column]):
            begin, end = (self._across(row, at) for at in (interval.start_s, interval.end_s))
            # Heights besides colours: a line where it is absent, half where it is unknown.
            high = {"present": y1 - y0, "unknown": (y1 - y0 + 1) // 2, "absent": max(1, (y1 - y0) // 6)}[interval.state]
            if end_s > start_s or interval.state == "present":
                cv2.rectangle(
                    self._fixed, (begin, y1 - high), (max(begin, end - 1), y1 - 1), _COLORS[interval.state], -1
                )

    def _across(self, row: _Row, time_s: float) -> int:
        """Where in the strip a time is."""
        x0, _, x1, _ = row.strip
        start_s, length_s = self._timeline.start_s, self._timeline.end_s - self._timeline.start_s
        part = (time_s - start_s) / length_s if length_s > 0 else 0.0
        return x0 + min(x1 - x0 - 1, max(0, round(part * (x1 - x0))))

    def _draw_moving(
        self, panel: Image, row: _Row, state: State, score: float, time_s: float, onset: float | None
    ) -> None:
        cap, color = self.layout.cap, _COLORS[state]
        x0, y0, x1, y1 = row.bar
        known = bool(np.isfinite(score))
        share = min(1.0, max(0.0, score)) if known else 0.0
        if cap:
            self._draw_mark(panel, row, state)
            cv2.rectangle(panel, (x0, y0), (x1 - 1, y1 - 1), _FRAME, 1)
            if (end := x0 + 1 + round((x1 - x0 - 3) * share)) > x0 + 1:
                cv2.rectangle(panel, (x0 + 1, y0 + 1), (end, y1 - 2), color, -1)
            if onset is not None:
                at = x0 + 1 + round((x1 - x0 - 3) * onset)
                cv2.line(panel, (at, y0), (at, y1 - 1), _PALE, _thickness(cap))
            if self.layout.number:
                _write(panel, f"{score:.2f}" if known else "-", row.number_x, row.number_y, cap, _WHITE)
            if self.layout.word:
                _write(panel, state, row.word_x, row.y, cap, _WHITE if state == "present" else _PALE)
        else:
            end = x0 + round((x1 - x0) * (share if known else 1.0))
            cv2.rectangle(panel, (x0, y0), (max(x0, end - 1), y1 - 1), color, -1)
        at, (_, top, _, bottom) = self._across(row, time_s), row.strip
        thick = max(1, cap // 6)
        cv2.rectangle(panel, (at, top - cap // 5), (at + thick - 1, bottom - 1 + cap // 5), _WHITE, -1)

    def _draw_mark(self, panel: Image, row: _Row, state: State) -> None:
        """A square in front of the name: full where present, empty where absent, with a question mark where unknown."""
        cap = self.layout.cap
        first, last = (row.x, row.y - cap), (row.x + cap - 1, row.y - 1)
        if state == "absent":
            cv2.rectangle(panel, first, last, _COLORS[state], max(1, cap // 8))
            return
        cv2.rectangle(panel, first, last, _COLORS[state], -1)
        if state == "unknown":
            small = max(5, cap * 3 // 4)
            x = row.x + (cap - _text_width("?", small)) // 2
            _write(panel, "?", x, row.y - (cap - small) // 2 - 1, small, _BLACK)

    def _write_time(self, panel: Image, time_s: float, index: int) -> None:
        cap = self.layout.time_cap
        x, y = (cap // 2 + 1, cap // 2 + 1 + cap) if self.layout.cap else (1, 1 + cap)
        end_s = self._timeline.end_s
        for text in (f"{time_s:.2f} of {end_s:.2f} s   frame {index}", f"{time_s:.2f} s   #{index}", f"{time_s:.2f} s"):
            if x + _text_width(text, cap) < panel.shape[1]:
                _write(panel, text, x, y, cap, _WHITE)
                return


def _fitted(name: str, letters: int) -> str:
    """Its beginning and its end: organs of two sides differ in their last word."""
    kept = max(2, letters - 2)
    return name if len(name) <= letters else f"{name[: kept - kept // 2]}..{name[-(kept // 2) :]}"


def _write(image: Image, text: str, x: int, y: int, cap: int, color: tuple[int, int, int]) -> None:
    """Capitals ``cap`` pixels high on the baseline ``y``."""
    cv2.putText(image, text, (x, y - 1), _FONT, cap / _CAP_PIXELS, color, _thickness(cap), cv2.LINE_AA)
