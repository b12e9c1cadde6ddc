"""timeline.png: thumbnails, a strip per organ, and the scores that led to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import seqcls
from seqcls.files import atomic_path
from seqcls.palette import PRESENT, UNKNOWN, VERMILION
from seqcls.timeline import Timeline
from seqcls.types import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEGEND = "Blue: in view. Hatched: unknown. Line: score, with its thresholds dotted"
MAX_POINTS = 4000
#: From here on times are read in minutes, or hours; and the steps that make round ones.
LONG_S = 180.0
_STEPS_S = (30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 43_200, 86_400)
# Inches. Said rather than found by matplotlib's layout engine, which takes as long as all the rest.
_WIDTH, _ROW, _BETWEEN = 11.0, 0.95, 0.32
_TOP, _BOTTOM, _LEFT, _RIGHT = 0.52, 0.72, 0.42, 0.12


def load_library() -> None:
    """Import what ``write_picture`` needs: a quarter of a second, which somebody may have to spare earlier."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401


def write_picture(timeline: Timeline, path: str | Path) -> None:
    """Write the timeline as a PNG, 1100 pixels wide. Raises OutputError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    organs = timeline.organs
    thumbnails = bool(timeline.thumbnails)
    rows = thumbnails + len(organs)
    height = _TOP + rows * _ROW + (rows - 1) * _BETWEEN + _BOTTOM
    figure = Figure(figsize=(_WIDTH, height), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    figure.subplots_adjust(
        left=_LEFT / _WIDTH,
        right=1 - _RIGHT / _WIDTH,
        top=1 - _TOP / height,
        bottom=_BOTTOM / height,
        hspace=_BETWEEN / _ROW,
    )
    if thumbnails:
        _draw_thumbnails(axes[0], timeline)
    for column, organ in enumerate(organs):
        _draw_organ(axes[column + thumbnails], timeline, column, organ)
    _label_times(axes[-1], timeline.start_s, timeline.end_s)
    axes[-1].set_xlim(timeline.start_s, max(timeline.end_s, timeline.start_s + 1e-3))
    name = _literal(timeline.source.name)
    figure.text(0.01, 1 - 0.08 / height, name, fontsize=11, ha="left", va="top", weight="bold")
    figure.text(0.99, 0.06 / height, f"{LEGEND}. {seqcls.DISCLAIMER}", fontsize=8, color="#555555", ha="right")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def _label_times(ax: Axes, start_s: float, end_s: float) -> None:
    span_s = end_s - start_s
    if span_s < LONG_S:
        ax.set_xlabel("seconds")
        return
    unit_s, unit = (3600, "hours:minutes") if span_s >= 3600 else (60, "minutes:seconds")
    step_s = next((step_s for step_s in _STEPS_S if span_s <= 12 * step_s), _STEPS_S[-1])
    ticks_s = range(math.ceil(start_s / step_s) * step_s, math.floor(end_s) + 1, step_s)
    ax.set_xticks(ticks_s, [f"{s // unit_s}:{s % unit_s * 60 // unit_s:02d}" for s in ticks_s])
    ax.set_xlabel(unit)


def _duration(seconds: float) -> str:
    if seconds < LONG_S:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _draw_thumbnails(ax: Axes, timeline: Timeline) -> None:
    """Each picture stands where its frame lies in time, as far as there is room."""
    span_s = max(timeline.end_s - timeline.start_s, 1e-3)
    count = 10
    for slot in range(count):
        left = timeline.start_s + span_s * slot / count
        middle_s = left + span_s / count / 2
        _, picture = min(timeline.thumbnails, key=lambda thumbnail: abs(thumbnail[0] - middle_s))
        gap = 0.02 * span_s / count
        extent = (left + gap, left + span_s / count - gap, 0, 1)
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto", interpolation="bilinear")
    ax.set_ylim(0, 1)
    ax.axis("off")


def _draw_organ(ax: Axes, timeline: Timeline, column: int, organ: str) -> None:
    scores = timeline.scores
    step = max(1, len(scores.index) // MAX_POINTS)
    time_s = scores.time_s[::step]
    ax.plot(time_s, scores.raw[::step, column], color=VERMILION, lw=0.6, alpha=0.5)
    ax.plot(time_s, scores.smooth[::step, column], color=VERMILION, lw=1.4)
    _shade(ax, timeline.of(organ, "present"), (0, 1), color=PRESENT, alpha=0.25, lw=0)
    _shade(ax, timeline.of(organ, "present"), (0.9, 0.1), color=PRESENT, lw=0)
    _shade(ax, timeline.of(organ, "unknown"), (0, 1), facecolor="none", edgecolor=UNKNOWN, hatch="///", lw=0)
    options = timeline.provenance.intervals[column]
    for threshold in (options.onset, options.offset):
        ax.axhline(threshold, color="#888888", lw=0.7, ls=":")
    present_s = float(np.sum([i.duration_s for i in timeline.of(organ, "present")]))
    ax.set_title(_literal(f"{organ}: in view for {_duration(present_s)}"), fontsize=10, loc="left")
    ax.set_ylim(-0.03, 1.14)
    ax.set_yticks([0, 0.5, 1])
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def _shade(ax: Axes, intervals: Sequence[Interval], of_height: tuple[float, float], **look: Any) -> None:
    """In one piece, for a day has thousands. ``of_height``: where they begin and how high they are, of the axis."""
    spans = [(i.start_s, i.duration_s) for i in intervals]
    ax.broken_barh(spans, of_height, transform=ax.get_xaxis_transform(), **look)


def _literal(text: str) -> str:
    """File names may hold $, which matplotlib would take for the start of a formula."""
    return text.replace("$", r"\$")
