"""Draw the pictures of docs/intervals.md with the state machine that seqcls itself runs.

    python scripts/draw_docs.py    # writes docs/pictures/*.svg; tests/test_docs.py notices old ones

`house` draws the wings of the package from the table in tests/test_architecture.py; the site's build calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from seqcls.adaptive import AdaptiveScorer, SamplingOptions
from seqcls.intervals import IntervalBuilder, IntervalOptions
from seqcls.preprocess import PreprocessedFrame
from seqcls.smoothing import SmoothingOptions
from seqcls.types import Event, FrameScore

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
RATE_HZ = 20.0

# Okabe and Ito's colours, which colour-blind people tell apart (https://jfly.uni-koeln.de/color/).
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
INK, GRID, PAPER = "#222222", "#BBBBBB", "#FFFFFF"
FILL = {"present": BLUE, "absent": "#E6E6E6", "unknown": ORANGE}
TEXT = {"present": "#FFFFFF", "absent": "#444444", "unknown": "#222222"}

LEFT, WIDTH, TOP, CURVE, STRIP = 190, 560, 34, 130, 38
IN_A_ROW = 4

#: What is done with a frame, by which file or folder, and what comes out of it.
WAY = (
    ("read", "sources/ or feeds/", "frames with times; gaps"),
    ("find the region", "geometry/", "a box, or a sector"),
    ("check", "gate.py", "usable, or a reason"),
    ("cut out, scale", "preprocess.py", "(S, S) gray image"),
    ("score", "engines/", "0 to 1 per organ"),
    ("smooth", "smoothing.py", "calmer scores"),
    ("find intervals", "intervals.py", "events, intervals"),
    ("put together", "analysis.py", "a timeline"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A curve of scores, and what becomes of it under one set of options per row.

    points: (time_s, score), joined by straight lines; unknown: stretches without a usable frame, with their reason.
    """

    title: str
    points: Sequence[tuple[float, float]]
    rows: Sequence[tuple[str, IntervalOptions]]
    unknown: Sequence[tuple[float, float, str]] = ()


def options(
    onset: float = 0.6, offset: float = 0.4, min_absent_s: float = 0.0, min_present_s: float = 0.0, pad_s: float = 0.0
) -> IntervalOptions:
    return IntervalOptions(
        onset=onset, offset=offset, min_absent_s=min_absent_s, min_present_s=min_present_s, pad_s=pad_s
    )


DRAWINGS = {
    "hysteresis": Drawing(
        title="Two thresholds keep a wavering score from flickering",
        points=[
            (0, 0.1), (0.6, 0.15), (1.0, 0.7), (1.2, 0.5), (1.4, 0.68), (1.6, 0.52), (1.8, 0.66), (2.1, 0.8),
            (2.5, 0.55), (2.7, 0.7), (3.0, 0.5), (3.3, 0.2), (4.0, 0.1),
        ],
        rows=[("one threshold, 0.6", options(0.6, 0.6)), ("onset 0.6, offset 0.4", options())],
    ),
    "bridging": Drawing(
        title="Absences shorter than min_absent_s are bridged, longer ones stay",
        points=[
            (0, 0.1), (0.5, 0.1), (0.6, 0.9), (1.4, 0.9), (1.45, 0.1), (1.6, 0.1), (1.65, 0.9), (2.4, 0.9), (2.45, 0.1),
            (3.05, 0.1), (3.1, 0.9), (3.6, 0.9), (3.7, 0.1), (4.0, 0.1),
        ],
        rows=[("min_absent_s = 0", options()), ("min_absent_s = 0.3", options(min_absent_s=0.3))],
    ),
    "dropping": Drawing(
        title="Presences shorter than min_present_s are dropped, after bridging",
        points=[
            (0, 0.1), (0.5, 0.1), (0.55, 0.9), (0.65, 0.9), (0.7, 0.1), (1.5, 0.1), (1.55, 0.9), (1.7, 0.9),
            (1.75, 0.1), (1.85, 0.1), (1.9, 0.9), (2.1, 0.9), (2.15, 0.1), (3.0, 0.1), (3.05, 0.9), (3.6, 0.9),
            (3.65, 0.1), (4.0, 0.1),
        ],
        rows=[
            ("after hysteresis", options()),
            ("bridged (0.3 s)", options(min_absent_s=0.3)),
            ("and dropped (0.4 s)", options(min_absent_s=0.3, min_present_s=0.4)),
        ],
    ),
    "short": Drawing(
        title="Short presences are dropped beside absence, and kept where there is none",
        points=[(0, 0.9), (2.8, 0.9), (3.0, 0.9), (3.05, 0.1), (4.0, 0.1)],
        rows=[("min_present_s = 0", options(min_absent_s=0.2)), ("min_present_s = 0.5", options(0.6, 0.4, 0.2, 0.5))],
        unknown=[(0.3, 0.9, "black"), (1.8, 2.4, "black"), (2.7, 3.4, "black")],
    ),
    "padding": Drawing(
        title="pad_s widens what is left, but never into an unknown stretch",
        points=[
            (0, 0.1), (1.0, 0.1), (1.05, 0.9), (1.7, 0.9), (1.75, 0.1), (2.6, 0.1), (2.65, 0.9), (3.2, 0.9), (4.0, 0.9),
        ],
        rows=[("pad_s = 0", options(min_absent_s=0.2)), ("pad_s = 0.3", options(min_absent_s=0.2, pad_s=0.3))],
        unknown=[(3.2, 4.0, "frozen")],
    ),
    "gaps": Drawing(
        title="Unknown: a short one is bridged, a long one ends the presence and keeps its reason",
        points=[(0, 0.1), (0.4, 0.1), (0.5, 0.9), (4.0, 0.9)],
        rows=[("min_absent_s = 0.3", options(min_absent_s=0.3))],
        unknown=[(1.0, 1.2, "black"), (2.0, 3.0, "no contact")],
    ),
}  # fmt: skip


def pictures() -> dict[str, str]:
    """Every picture that is kept in docs/pictures, as SVG text."""
    return {name: draw(drawing) for name, drawing in DRAWINGS.items()} | {"way": way(WAY), "adaptive": adaptive()}


def states(drawing: Drawing, row: IntervalOptions) -> tuple[list[Event], float]:
    """The events of one row and the end of the stream, by the IntervalBuilder of seqcls."""
    builder, events = IntervalBuilder("organ", row), list[Event]()
    end_s = drawing.points[-1][0]
    for index in range(round(end_s * RATE_HZ)):
        time_s = index / RATE_HZ
        reason = unknown_at(drawing, time_s)
        events += builder.push(index, time_s, None if reason else score_at(drawing.points, time_s), reason)
    return events + builder.close(end_s), end_s


def unknown_at(drawing: Drawing, time_s: float) -> str:
    return next((reason for start_s, end_s, reason in drawing.unknown if start_s - 1e-9 <= time_s < end_s - 1e-9), "")


def score_at(points: Sequence[tuple[float, float]], time_s: float) -> float:
    for (a_s, a), (b_s, b) in pairwise(points):
        if a_s <= time_s <= b_s:
            return a + (b - a) * (time_s - a_s) / (b_s - a_s)
    return points[-1][1]


def draw(drawing: Drawing) -> str:
    """One picture as SVG text."""
    end_s = drawing.points[-1][0]
    bottom = TOP + CURVE
    height = bottom + len(drawing.rows) * STRIP + 46
    parts = [text(LEFT, 20, drawing.title, size=15, weight="bold")]

    def x(time_s: float) -> float:
        return round(LEFT + WIDTH * time_s / end_s, 2)

    def y(score: float) -> float:
        return round(TOP + 8 + (CURVE - 16) * (1 - score), 2)

    for label, score in (("1", 1.0), ("0", 0.0)):
        parts.append(text(LEFT - 8, y(score) + 4, label, anchor="end", fill="#555555"))
    parts.append(text(LEFT - 22, y(0.5) + 4, "score", anchor="end", fill="#555555"))
    parts.append(rect(LEFT, TOP, WIDTH, CURVE, "none", GRID))
    for name, threshold in (("onset", drawing.rows[-1][1].onset), ("offset", drawing.rows[-1][1].offset)):
        parts.append(line(LEFT, y(threshold), LEFT + WIDTH, y(threshold), VERMILION, "6 4"))
        parts.append(text(LEFT + WIDTH + 6, y(threshold) + 4, f"{name} {threshold:g}", fill=VERMILION))
    for start_s, stop_s, reason in drawing.unknown:
        parts.append(rect(x(start_s), TOP, x(stop_s) - x(start_s), CURVE, "url(#stripes)"))
        parts.append(text((x(start_s) + x(stop_s)) / 2, TOP + CURVE - 10, reason, anchor="middle"))
    for run in _runs(drawing):
        dots = " ".join(f"{x(t)},{y(s)}" for t, s in run)
        parts.append(f'<polyline points="{dots}" fill="none" stroke="{INK}" stroke-width="1.8"/>')
    for number, (label, row) in enumerate(drawing.rows):
        place = bottom + 12 + number * STRIP
        parts.append(text(LEFT - 10, place + 18, label, anchor="end"))
        parts += _strip(drawing, row, place, x)
    axis = bottom + 12 + len(drawing.rows) * STRIP
    for second in range(int(end_s) + 1):
        parts.append(text(x(second), axis + 14, f"{second} s", anchor="middle", fill="#555555"))
    return svg(LEFT + WIDTH + 100, height, parts, drawing.title)


def _runs(drawing: Drawing) -> list[list[tuple[float, float]]]:
    """The curve, cut where there is no score."""
    end_s = drawing.points[-1][0]
    runs: list[list[tuple[float, float]]] = [[]]
    for step in range(round(end_s * RATE_HZ) + 1):
        time_s = step / RATE_HZ
        if unknown_at(drawing, time_s):
            runs.append([])
        else:
            runs[-1].append((time_s, score_at(drawing.points, time_s)))
    return [run for run in runs if run]


def _strip(drawing: Drawing, row: IntervalOptions, place: int, x: Callable[[float], float]) -> list[str]:
    events, end_s = states(drawing, row)
    stops = [event.start_s for event in events[1:]] + [end_s]
    parts = []
    for event, stop_s in zip(events, stops, strict=True):
        left, width = x(event.start_s), x(stop_s) - x(event.start_s)
        parts.append(rect(left, place, width, 26, FILL[event.state], PAPER))
        word = f"{event.state}: {event.reason}" if event.reason else event.state
        if width >= 7 * len(word):
            parts.append(text(left + width / 2, place + 17, word, anchor="middle", fill=TEXT[event.state], size=12))
    return parts


class _Curve:
    """An engine whose images hold their own number; it keeps which ones it was asked for."""

    def __init__(self, scores: Sequence[float]) -> None:
        self._scores = scores
        self.header, self.description = None, "a drawn curve"

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.array([[self._scores[int(image[0, 0])]] for image in images], np.float32)


def adaptive() -> str:
    """Which frames adaptive sampling scores of a curve, and the bounds between them, as SVG text."""
    points = [(0, 0.08), (1.2, 0.1), (1.5, 0.85), (3.1, 0.9), (3.4, 0.2), (4.4, 0.12), (6, 0.08)]
    count, sampling = 120, SamplingOptions(kind="adaptive")
    times_s = [index / RATE_HZ for index in range(count)]
    curve = [score_at(points, time_s) for time_s in times_s]
    # One picture black, the next one white: nothing stands still.
    images = [np.array([[i, 255 * (i % 2)]], np.uint8) for i in range(count)]
    frames = [PreprocessedFrame(i, times_s[i], 1 / RATE_HZ, images[i], "") for i in range(count)]
    interval, smoothing = options(0.6, 0.4, 0.2, 0.3), SmoothingOptions()
    scorer = AdaptiveScorer(cast(Any, _Curve(curve)), smoothing, [interval], sampling)
    scored = [item.index for item in scorer.scores(frames) if isinstance(item, FrameScore) and item.measured]

    def place(index: float, score: float) -> str:
        return f"{60 + 660 * index / count:.1f},{40 + 180 * (1 - min(1.0, max(0.0, score))):.1f}"

    parts = [text(60, 22, f"{len(scored)} of {count} frames are scored", size=15, weight="bold")]
    for a, b in pairwise(scored):
        margin = sampling.margin * min(1.0, (times_s[b] - times_s[a]) / scorer.step_s)
        low, high = min(curve[a], curve[b]) - margin, max(curve[a], curve[b]) + margin
        if b - a > 1:
            corners = " ".join(place(*corner) for corner in ((a, low), (a, high), (b, high), (b, low)))
            parts.append(f'<polygon points="{corners}" fill="{BLUE}" fill-opacity="0.15"/>')
    for name, threshold in (("onset", interval.onset), ("offset", interval.offset)):
        y = 40 + 180 * (1 - threshold)
        parts += [line(60, y, 720, y, VERMILION, "6 4"), text(726, y + 4, f"{name} {threshold:g}", fill=VERMILION)]
    dots = " ".join(place(index, score) for index, score in enumerate(curve))
    parts.append(f'<polyline points="{dots}" fill="none" stroke="{INK}" stroke-width="1.5"/>')
    for index in scored:
        x, y = place(index, curve[index]).split(",")
        parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{BLUE}"/>')
    parts += [text(60 + 110 * second, 242, f"{second} s", anchor="middle", fill="#555555") for second in range(7)]
    return svg(820, 256, parts, "Adaptive sampling: scored frames, and the bounds between them")


def house(imports: Mapping[str, set[str]], heart: Sequence[str]) -> str:
    """The wings of the package as SVG text: each stands above all that it imports, ``heart`` in a colour of its own."""
    wings = {name: sorted(used & imports.keys()) for name, used in imports.items()}
    levels: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in levels:
            levels[name] = 1 + max((level(used) for used in wings[name]), default=-1)
        return levels[name]

    rows: list[list[str]] = []
    for number in sorted({level(name) for name in wings}, reverse=True):
        own = sorted((name for name in wings if level(name) == number), key=lambda name: (name not in heart, name))
        rows += [own[start : start + IN_A_ROW] for start in range(0, len(own), IN_A_ROW)]
    box, gap = 212, 10
    width = IN_A_ROW * (box + gap) + gap
    parts, top = [], 10
    for row in rows:
        lines = {name: _wrapped(wings[name], 30) for name in row}
        height = 32 + 15 * max(len(some) for some in lines.values())
        left = (width - len(row) * (box + gap) + gap) / 2
        for place, name in enumerate(row):
            parts += _room(left + place * (box + gap), top, box, height, name, lines[name], name in heart)
        top += height + gap
    return svg(width, top, parts, "The wings of the package, each above all that it imports")


def _room(x: float, y: float, width: float, height: float, name: str, lines: Sequence[str], blue: bool) -> list[str]:
    colour, paper = (BLUE, "#EAF3F9") if blue else ("#666666", "#F6F6F6")
    parts = [
        rect(x, y, width, height, paper, colour),
        text(x + 9, y + 20, name, weight="bold", fill=colour, size=15),
    ]
    return parts + [text(x + 9, y + 38 + 15 * row, words, fill="#444444") for row, words in enumerate(lines)]


def way(stages: Sequence[tuple[str, str, str]]) -> str:
    """One frame's way as SVG text: (what is done, where, what comes out of it), from left to right in rows."""
    box, gap, height, in_a_row = 176, 54, 56, 4
    parts = []
    for number, (done, where, result) in enumerate(stages):
        row, place = divmod(number, in_a_row)
        x, y = 10 + place * (box + gap), 10 + row * (height + 56)
        parts.append(rect(x, y, box, height, "#EAF3F9", BLUE))
        parts.append(text(x + box / 2, y + 24, done, anchor="middle", weight="bold", size=15))
        parts.append(text(x + box / 2, y + 43, where, anchor="middle", fill="#555555"))
        parts.append(text(x + box / 2, y + height + 18, result, anchor="middle", fill=GREEN))
        if number + 1 < len(stages):
            last_in_row = place + 1 == in_a_row
            parts.append(
                text(x + box + gap / 2, y + 35, "↵" if last_in_row else "→", anchor="middle", size=26, fill=BLUE)
            )
    rows = -(-len(stages) // in_a_row)
    return svg(in_a_row * (box + gap), rows * (height + 56) - 4, parts, "One frame's way through seqcls")


def _wrapped(names: Sequence[str], limit: int) -> list[str]:
    lines, words = [], ""
    for name in names or ["imports nothing of seqcls"]:
        if words and len(words) + len(name) + 2 > limit:
            lines.append(words + ",")
            words = name
        else:
            words = f"{words}, {name}" if words else name
    return [*lines, words]


def text(
    x: float, y: float, words: str, *, size: int = 13, anchor: str = "start", fill: str = INK, weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{fill}" font-weight="{weight}">'
        f"{escape(words)}</text>"
    )


def line(x0: float, y0: float, x1: float, y1: float, stroke: str, dashes: str = "none") -> str:
    return f'<line x1="{x0:g}" y1="{y0:g}" x2="{x1:g}" y2="{y1:g}" stroke="{stroke}" stroke-dasharray="{dashes}"/>'


def rect(x: float, y: float, width: float, height: float, fill: str, stroke: str = "none") -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:.2f}" height="{height:g}" fill="{fill}" stroke="{stroke}"/>'


def svg(width: float, height: float, parts: Sequence[str], title: str) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" font-family="sans-serif" role="img">\n<title>{escape(title)}</title>\n'
        f'<defs><pattern id="stripes" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="3" height="8" fill="{ORANGE}" fill-opacity="0.55"/></pattern></defs>\n'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for name, picture in pictures().items():
        (PICTURES / f"{name}.svg").write_text(picture, encoding="utf-8", newline="\n")
        print(PICTURES / f"{name}.svg")
