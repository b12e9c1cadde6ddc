"""timeline.png: what a reader must know of the clip, thumbnails, a strip per organ, and the scores that led to it."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import seqcls
from seqcls.files import atomic_path
from seqcls.palette import PRESENT, UNKNOWN, VERMILION
from seqcls.pauses import long_frames, pauses
from seqcls.text.foreign_text import for_terminal
from seqcls.text.wording import count_of
from seqcls.third_party import library
from seqcls.timeline import Timeline
from seqcls.types import TIME_TOLERANCE_S, Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
LEGEND = "Blue: in view. Hatched: unknown. Line: score, none where no frame was; thresholds dotted"
#: Of a picture that shows such a stretch.
PAUSE_LEGEND = LEGEND.replace("unknown", "unknown (/), no new frame (\\)")
PAUSE = "no new frame"
MAX_POINTS = 4000
#: Organs that are drawn, the first of them; a picture of 100 took two minutes, and nobody reads one of 13,000 lines.
MAX_STRIPS = 20
#: From here on times are read in minutes, or hours; and the steps that make round ones.
LONG_S = 180.0
_STEPS_S = (30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 43_200, 86_400)
# Inches. Fixed: matplotlib's layout engine would take as long as all the rest.
_WIDTH, _ROW, _BETWEEN = 11.0, 0.95, 0.32
_TOP, _LINE, _BOTTOM, _LEFT, _RIGHT = 0.52, 0.18, 0.72, 0.42, 0.25
#: Pixels: what is narrower is drawn so wide, and what a letter takes.
_NARROWEST, _LETTER = 2, 6
#: Letters of a reason that help a reader.
_SHORTEST = 12
_PIXELS = 100 * (_WIDTH - _LEFT - _RIGHT)
#: Left of a single frame, of the time that is shown.
_MARGIN = 0.02
#: Lines about the clip, and letters in each.
_LINES, _LETTERS = 6, 165


def load_library() -> None:
    """Import what ``write_picture`` needs: a quarter of a second, which somebody may have to spare earlier."""
    library("matplotlib.backends.backend_agg")
    library("matplotlib.figure")


def write_picture(timeline: Timeline, path: str | Path) -> None:
    """Write the timeline as a PNG, 1100 pixels wide. Raises OutputError."""
    with atomic_path(path) as temporary:
        draw(timeline).savefig(temporary, format="png")


def draw(timeline: Timeline) -> Figure:
    """The timeline as a figure 11 inches wide: thumbnails, and a strip with the scores for each organ."""
    organs, lines = timeline.organs[:MAX_STRIPS], _lines_about(timeline)
    thumbnails = bool(timeline.thumbnails)
    rows = thumbnails + len(organs)
    top = _TOP + _LINE * len(lines)
    height = top + rows * _ROW + (rows - 1) * _BETWEEN + _BOTTOM
    figure: Figure = library("matplotlib.figure").Figure(figsize=(_WIDTH, height), dpi=100)
    library("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    figure.subplots_adjust(
        left=_LEFT / _WIDTH,
        right=1 - _RIGHT / _WIDTH,
        top=1 - top / height,
        bottom=_BOTTOM / height,
        hspace=_BETWEEN / _ROW,
    )
    shown = _Axis.of(timeline)
    if thumbnails:
        _draw_thumbnails(axes[0], timeline, shown)
    for column, organ in enumerate(organs):
        _draw_organ(axes[column + thumbnails], timeline, shown, column, organ)
    _label_times(axes[-1], timeline.start_s, timeline.end_s)
    axes[-1].set_xlim(shown.start_s, shown.end_s)
    _write_about(figure, height, timeline, lines)
    return figure


def _write_about(figure: Figure, height: float, timeline: Timeline, lines: Sequence[str]) -> None:
    """What was analysed, what came of reading it, and what a reader must know."""
    name, verdict = timeline.source.title, timeline.report.verdict
    figure.text(0.01, 1 - 0.08 / height, _literal(_cut(name, 90)), fontsize=11, ha="left", va="top", weight="bold")
    whole = verdict == "complete" and timeline.coverage == 1
    figure.text(
        0.99,
        1 - 0.08 / height,
        f"input {verdict}, {_percent(timeline.coverage)} scorable",
        fontsize=10,
        ha="right",
        va="top",
        color="#555555" if whole else VERMILION,
        weight="normal" if whole else "bold",
    )
    for number, line in enumerate(lines):
        place = 1 - (0.3 + _LINE * number) / height
        figure.text(0.01, place, _literal(line), fontsize=8, ha="left", va="top", color=VERMILION)
    legend = PAUSE_LEGEND if pauses(timeline.scores, timeline.report.gaps) else LEGEND
    figure.text(0.99, 0.06 / height, f"{legend}. {seqcls.DISCLAIMER}", fontsize=8, color="#555555", ha="right")


def _lines_about(timeline: Timeline) -> list[str]:
    """Why stretches are unknown, and what else a reader must know of the timeline."""
    marks, lengths_s = _marks(timeline), dict[str, float]()
    for gap in timeline.gaps:
        lengths_s[gap.reason] = lengths_s.get(gap.reason, 0.0) + gap.end_s - gap.start_s
    each = max(20, _LETTERS // max(1, len(marks)) - 16)
    why = ", ".join(
        f"{mark}) {_cut(reason or 'no reason', each)} {_duration(lengths_s[reason])}"
        for reason, mark in marks.items()
        if reason in lengths_s
    )
    more = len(timeline.organs) - MAX_STRIPS
    about = [f"unknown: {why}"] * bool(why) + [f"{count_of(more, 'more organ')} in timeline.json"] * (more > 0)
    lines = [_cut(line, _LETTERS) for line in (*about, *timeline.notes)]
    if len(lines) > _LINES:
        lines[_LINES - 1 :] = [f"and {len(lines) - _LINES + 1} more in timeline.json"]
    return lines


def _marks(timeline: Timeline) -> dict[str, str]:
    """A letter for each reason of unknown stretches, the longest first: narrow stretches have no room for more."""
    lengths_s = dict[str, float]()
    for interval in timeline.intervals:
        if interval.state == "unknown":
            lengths_s[interval.reason] = lengths_s.get(interval.reason, 0.0) + interval.duration_s
    ordered = sorted(lengths_s, key=lambda reason: -lengths_s[reason])
    return {reason: string.ascii_lowercase[at % 26] for at, reason in enumerate(ordered)}


def _fitting(why: str, mark: str, letters: float) -> str:
    """The reason, as much of it as helps, its letter, or nothing: whatever there is room for."""
    if len(why) <= letters:
        return why
    return f"{why[: int(letters) - 1]}…" if letters >= _SHORTEST else f"{mark})" if letters >= 2 else ""


def _cut(text: str, letters: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= letters else f"{text[: letters // 2]} … {text[-letters // 2 + 3 :]}"


def _percent(share: float) -> str:
    """Never 100 % of what is not all, nor 0 % of what is not nothing."""
    return f"{share:.0%}" if share in (0, 1) else f"{min(0.999, max(0.001, share)):.1%}"


@dataclass(frozen=True, slots=True)
class _Axis:
    """The time that is shown; more than none, also of a frame whose duration nobody knows."""

    start_s: float
    end_s: float
    narrowest_s: float
    """What shorter stretches are widened to."""

    @classmethod
    def of(cls, timeline: Timeline) -> _Axis:
        start_s, end_s = timeline.start_s, timeline.end_s
        if end_s <= start_s:
            return cls(start_s - 0.5, end_s + 0.5, 1.0)
        if len(timeline.scores.index) == 1:  # its dot is not to sit on the edge
            start_s -= _MARGIN * (end_s - start_s)
        return cls(start_s, end_s, (end_s - start_s) * _NARROWEST / _PIXELS)

    def widened(self, interval: Interval) -> tuple[float, float]:
        """Begin and length, as drawn."""
        length_s = max(interval.duration_s, self.narrowest_s)
        middle_s = (interval.start_s + interval.end_s) / 2
        begin_s = min(max(middle_s - length_s / 2, self.start_s), self.end_s - length_s)
        return begin_s, length_s


def _label_times(ax: Axes, start_s: float, end_s: float) -> None:
    span_s = end_s - start_s
    if span_s < LONG_S:
        ax.set_xlabel("seconds")
        return
    unit_s, unit = (3600, "hours:minutes") if span_s >= 3600 else (60, "minutes:seconds")
    days = math.ceil(span_s / (12 * _STEPS_S[-1]))
    step_s = next((step_s for step_s in _STEPS_S if span_s <= 12 * step_s), days * _STEPS_S[-1])
    ticks_s = range(math.ceil(start_s / step_s) * step_s, math.floor(end_s) + 1, step_s)
    ax.set_xticks(ticks_s, [f"{s // unit_s}:{s % unit_s * 60 // unit_s:02d}" for s in ticks_s])
    ax.set_xlabel(unit)


def _duration(seconds: float) -> str:
    if seconds < LONG_S:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _draw_thumbnails(ax: Axes, timeline: Timeline, shown: _Axis) -> None:
    """Each image once, about where its frame lies in time, as far as there is room; none where all is unknown."""
    span_s = shown.end_s - shown.start_s
    count, before = 10, None
    for slot in range(count):
        left = shown.start_s + span_s * slot / count
        middle_s = left + span_s / count / 2
        if any(gap.start_s <= middle_s < gap.end_s for gap in timeline.gaps):
            continue
        time_s, picture = min(timeline.thumbnails, key=lambda thumbnail: abs(thumbnail[0] - middle_s))
        if time_s == before:  # one image is no clip
            continue
        before = time_s
        gap = 0.02 * span_s / count
        extent = (left + gap, left + span_s / count - gap, 0, 1)
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto", interpolation="bilinear")
    ax.set_ylim(0, 1)
    ax.axis("off")


def _draw_organ(ax: Axes, timeline: Timeline, shown: _Axis, column: int, organ: str) -> None:
    scores, holes = timeline.scores, _holes(timeline)
    scored = column < len(timeline.scored_organs)  # an organ that is made of others has no scores
    for values, width, alpha in ((scores.raw, 0.6, 0.5), (scores.smooth, 1.4, 1.0)) if scored else ():
        time_s, score, alone = curve(scores.time_s, values[:, column], holes)
        ax.plot(time_s, score, color=VERMILION, lw=width, alpha=alpha)
        ax.plot(time_s[alone], score[alone], ".", color=VERMILION, ms=5 * (alpha == 1), clip_on=False, zorder=3)
    present, unknown = timeline.of(organ, "present"), timeline.of(organ, "unknown")
    _shade(ax, shown, present, (0, 1), color=PRESENT, alpha=0.25, lw=0)
    _shade(ax, shown, present, (0.9, 0.1), color=PRESENT, lw=0)
    _shade(ax, shown, unknown, (0, 1), facecolor="none", edgecolor=UNKNOWN, hatch="///", lw=0)
    without = pauses(scores, timeline.report.gaps)
    pale: dict[str, Any] = {"facecolor": (1, 1, 1, 0.6), "edgecolor": UNKNOWN, "hatch": "\\\\\\", "lw": 0}
    ax.broken_barh([(a, b - a) for a, b in without], (0, 1), transform=ax.get_xaxis_transform(), **pale)
    marks = _marks(timeline)
    for start_s, end_s, why in [
        *((i.start_s, i.end_s, i.reason) for i in unknown),
        *((*one, PAUSE) for one in without),
    ]:
        room = (end_s - start_s) * _PIXELS / _LETTER / (shown.end_s - shown.start_s) - 2
        if text := _fitting(why, marks.get(why, ""), room):
            white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            ax.text((start_s + end_s) / 2, 0.5, _literal(text), fontsize=8, ha="center", va="center", bbox=white)
    options = timeline.provenance.intervals[column : column + 1]
    for threshold in (value for one in options for value in (one.onset, one.offset)):
        ax.axhline(threshold, color="#888888", lw=0.7, ls=":")
    ax.set_title(_literal(_cut(f"{organ}: {_in_view(timeline, organ)}", _LETTERS // 2)), fontsize=10, loc="left")
    ax.set_ylim(-0.03, 1.14)
    ax.set_yticks([0, 0.5, 1] if scored else [])
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def _in_view(timeline: Timeline, organ: str) -> str:
    """How long; of a single frame its state and score."""
    own = timeline.of(organ)
    if len(timeline.scores.index) == len(own) == 1:
        [only] = own
        return f"{only.state} ({only.reason})" if only.reason else f"{only.state}, score {only.mean_score:.2f}"
    present_s = [i.duration_s for i in own if i.state == "present"]
    return f"in view for {_duration(float(np.sum(present_s)))}" if present_s else "not in view"


def _holes(timeline: Timeline) -> NDArray[np.bool_]:
    """(T,) before which frames there is a stretch without any: a gap, or much more time than usual."""
    time_s = np.maximum.accumulate(timeline.scores.time_s)
    holes = np.append(False, long_frames(timeline.scores)[:-1])
    gaps_s = [gap.start_s for gap in (*timeline.report.gaps, *timeline.gaps)]
    rows = np.searchsorted(time_s, np.array(gaps_s) - TIME_TOLERANCE_S)
    holes[rows[rows < len(time_s)]] = True
    return holes


def curve(
    time_s: Floats, values: NDArray[np.float32], holes: NDArray[np.bool_]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """A line through scores (T,), broken by NaN at holes and where a score is missing, and which points stand alone.

    Of many frames, the lowest and the highest of each few.
    """
    known = ~np.isnan(values)
    rows = np.flatnonzero(known)
    if len(rows) > MAX_POINTS:
        step = -(-2 * len(rows) // MAX_POINTS)
        blocks = np.pad(values[rows], (0, -len(rows) % step), mode="edge").reshape(-1, step)
        first = np.arange(len(blocks)) * step
        ends = np.concatenate([first + blocks.argmin(axis=1), first + blocks.argmax(axis=1)])
        rows = rows[np.unique(np.minimum(ends, len(rows) - 1))]
    piece = np.cumsum(holes | ~known)[rows]
    cuts = np.flatnonzero(np.diff(piece)) + 1
    x, y = np.insert(time_s[rows], cuts, np.nan), np.insert(values[rows].astype(np.float64), cuts, np.nan)
    edge = np.concatenate([[True], np.isnan(y), [True]])
    return x, y, edge[:-2] & edge[2:] & ~np.isnan(y)


def _shade(ax: Axes, shown: _Axis, intervals: Sequence[Interval], of_height: tuple[float, float], **look: Any) -> None:
    """In one piece, for a day has thousands, and as one where they lie on each other: a hatch is drawn for each.

    ``of_height``: where they begin and how high they are, of the axis.
    """
    spans: list[tuple[float, float]] = []
    for begin_s, length_s in map(shown.widened, intervals):
        if spans and begin_s < sum(spans[-1]):
            end_s = max(sum(spans[-1]), begin_s + length_s)
            begin_s, _ = spans.pop()
            length_s = end_s - begin_s
        spans.append((begin_s, length_s))
    ax.broken_barh(spans, of_height, transform=ax.get_xaxis_transform(), **look)


def _literal(text: str) -> str:
    """File names may hold $, which matplotlib would take for the start of a formula."""
    return for_terminal(text).replace("$", r"\$")
