"""``Timeline.plot``: what timeline.png shows, as a figure of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seqcls.exports import timeline_layout as layout
from seqcls.exports.timeline_layout import TimeAxis
from seqcls.palette import PRESENT, UNKNOWN, VERMILION
from seqcls.pauses import pauses
from seqcls.text.foreign_text import for_terminal
from seqcls.third_party import library
from seqcls.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 100
#: Pixels: what a thumbnail leaves free of its place on both sides.
_APART = 2


def draw(timeline: Timeline) -> Figure:
    """The timeline as a figure 11 inches wide: thumbnails, and a strip with the scores for each organ."""
    organs, lines = timeline.organs[: layout.MAX_STRIPS], layout.lines_about(timeline)
    thumbnails = bool(timeline.thumbnails)
    rows = thumbnails + len(organs)
    # Fixed: matplotlib's layout engine would take as long as all the rest.
    width, height, top = layout.WIDTH, layout.height(rows, len(lines)), layout.TOP + layout.LINE * len(lines)
    figure: Figure = library("matplotlib.figure").Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    library("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    figure.subplots_adjust(
        left=layout.LEFT / width,
        right=1 - layout.RIGHT / width,
        top=1 - top / height,
        bottom=layout.BOTTOM / height,
        hspace=layout.BETWEEN / layout.ROW,
    )
    axis = TimeAxis.of(timeline)
    if thumbnails:
        _draw_thumbnails(axes[0], timeline, axis)
    for column, organ in enumerate(organs):
        _draw_organ(axes[column + thumbnails], timeline, axis, column, organ)
    labels, unit = layout.time_labels(timeline.start_s, timeline.end_s)
    axes[-1].set_xticks([time_s for time_s, _ in labels], [label for _, label in labels])
    axes[-1].set_xlabel(unit)
    axes[-1].set_xlim(axis.start_s, axis.end_s)
    _write_about(figure, height, timeline, lines)
    return figure


def _write_about(figure: Figure, height: int, timeline: Timeline, lines: Sequence[str]) -> None:
    """What was analysed, what came of reading it, and what a reader must know."""
    text, whole = layout.verdict(timeline)
    top: dict[str, Any] = {"y": 1 - 8 / height, "va": "top"}
    figure.text(x=0.01, s=_literal(layout.title(timeline)), fontsize=11, ha="left", weight="bold", **top)
    color, weight = ("#555555", "normal") if whole else (VERMILION, "bold")
    figure.text(x=0.99, s=text, fontsize=10, ha="right", color=color, weight=weight, **top)
    for number, line in enumerate(lines):
        place = 1 - (30 + layout.LINE * number) / height
        figure.text(0.01, place, _literal(line), fontsize=8, ha="left", va="top", color=VERMILION)
    figure.text(0.99, 6 / height, layout.legend(timeline), fontsize=8, color="#555555", ha="right")


def _draw_thumbnails(ax: Axes, timeline: Timeline, axis: TimeAxis) -> None:
    place_s = (axis.end_s - axis.start_s) / layout.MAX_THUMBNAILS
    apart_s = (axis.end_s - axis.start_s) * _APART / layout.AXIS_PIXELS
    for place, image in layout.thumbnail_places(timeline):
        left_s = axis.start_s + place * place_s
        extent = (left_s + apart_s, left_s + place_s - apart_s, 0, 1)
        ax.imshow(image, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto", interpolation="bilinear")
    ax.set_ylim(0, 1)
    ax.axis("off")


def _draw_organ(ax: Axes, timeline: Timeline, axis: TimeAxis, column: int, organ: str) -> None:
    scores, holes = timeline.scores, layout.score_holes(timeline)
    scored = column < len(timeline.scored_organs)  # an organ that is made of others has no scores
    for values, width, alpha in ((scores.raw, 0.6, 0.5), (scores.smooth, 1.4, 1.0)) if scored else ():
        time_s, score, alone = layout.curve(scores.time_s, values[:, column], holes)
        ax.plot(time_s, score, color=VERMILION, lw=width, alpha=alpha)
        ax.plot(time_s[alone], score[alone], ".", color=VERMILION, ms=5 * (alpha == 1), clip_on=False, zorder=3)
    present, unknown = (layout.stretches(axis, timeline.of(organ, state)) for state in ("present", "unknown"))
    _shade(ax, present, color=PRESENT, alpha=0.25, lw=0)
    _shade(ax, present, (1 - layout.BAR, layout.BAR), color=PRESENT, lw=0)
    _shade(ax, unknown, facecolor="none", edgecolor=UNKNOWN, hatch="///", lw=0)
    pale: dict[str, Any] = {"facecolor": (1, 1, 1, 0.6), "edgecolor": UNKNOWN, "hatch": "\\\\\\", "lw": 0}
    _shade(ax, pauses(scores, timeline.report.gaps), **pale)
    for middle_s, text in layout.reasons_shown(timeline, organ):
        white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        ax.text(middle_s, 0.5, _literal(text), fontsize=8, ha="center", va="center", bbox=white)
    for threshold in layout.thresholds(timeline, column):
        ax.axhline(threshold, color="#888888", lw=0.7, ls=":")
    ax.set_title(_literal(layout.strip_title(timeline, organ)), fontsize=10, loc="left")
    ax.set_ylim(layout.LOWEST, layout.HIGHEST)
    ax.set_yticks([0, 0.5, 1] if scored else [])
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def _shade(
    ax: Axes, spans: Sequence[tuple[float, float]], of_height: tuple[float, float] = (0, 1), **look: Any
) -> None:
    """In one piece, for a day has thousands. ``of_height``: where they begin and how high they are, of the axis."""
    bars = [(start_s, end_s - start_s) for start_s, end_s in spans]
    ax.broken_barh(bars, of_height, transform=ax.get_xaxis_transform(), **look)


def _literal(text: str) -> str:
    """File names may hold $, which matplotlib would take for the start of a formula."""
    return for_terminal(text).replace("$", r"\$")
