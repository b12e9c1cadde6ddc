"""The curves of an evaluation as PNG and SVG. Matplotlib's objects, no pyplot: no global state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqcls.evaluation.curves import OrganCurves
from seqcls.files import atomic_path
from seqcls.palette import BLUE, GRAY, GREEN, ORANGE, SKY, VERMILION
from seqcls.text.foreign_text import for_terminal
from seqcls.third_party import library

#: An organ is told from another by its dashes and its mark, too.
_INKS = (BLUE, VERMILION, GREEN, ORANGE, SKY)
_DASHES = ("-", "--", "-.", ":")
_MARKS = ("o", "s", "D", "^", "v")
KINDS = ("png", "svg")


def plot_paths(folder: Path) -> tuple[Path, ...]:
    """The files that ``write_plots`` makes."""
    return tuple(folder / f"{name}.{kind}" for name in _DRAWN for kind in KINDS)


def write_plots(curves: Sequence[OrganCurves], folder: Path) -> tuple[Path, ...]:
    """Write roc, precision-recall and reliability as .png and .svg; their paths. Raises OutputError."""
    for name, draw in _DRAWN.items():
        figure = library("matplotlib.figure").Figure(figsize=(5, 5), dpi=150, layout="constrained")
        library("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
        draw(figure, curves)
        for kind in KINDS:
            # A date, and ids made by chance, would make two files of one evaluation differ.
            with (
                library("matplotlib").rc_context({"svg.hashsalt": "seqcls"}),
                atomic_path(folder / f"{name}.{kind}") as temporary,
            ):
                figure.savefig(temporary, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return plot_paths(folder)


def _draw_roc(figure: Any, curves: Sequence[OrganCurves]) -> None:
    axes = _axes(figure, "1 − specificity", "sensitivity")
    axes.plot((0, 1), (0, 1), color=GRAY, linewidth=0.8, linestyle=":")
    for number, one in enumerate(curves):
        _curve(axes, one.roc, one.organ, number, (one.point[0], one.point[1]))
    _legend(axes, "lower right", "mark: at the model's threshold")


def _draw_precision_recall(figure: Any, curves: Sequence[OrganCurves]) -> None:
    axes = _axes(figure, "sensitivity (recall)", "precision")
    for number, one in enumerate(curves):
        _curve(axes, one.pr, one.organ, number, (one.point[1], one.point[2]))
    _legend(axes, "lower left", "mark: at the model's threshold")


def _draw_reliability(figure: Any, curves: Sequence[OrganCurves]) -> None:
    """Share present by mean score; below, how many frames have such scores."""
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    _plain(upper, "", "share present")
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    upper.plot((0, 1), (0, 1), color=GRAY, linewidth=0.8, linestyle=":")
    _plain(lower, "mean score", "frames")
    lower.set_yscale("log")
    for number, one in enumerate(curves):
        here = one.reliability.count > 0
        ink, dash, mark = _INKS[number % 5], _DASHES[number % 4], _MARKS[number % 5]
        score, present = one.reliability.score[here], one.reliability.present[here]
        label = for_terminal(one.organ)
        upper.plot(
            score, present, color=ink, linestyle=dash, marker=mark, markersize=5, linewidth=1.6, label=_text(label)
        )
        lower.plot(score, one.reliability.count[here], color=ink, linestyle="none", marker=mark, markersize=4)
    _legend(upper, "upper left", "")


_DRAWN: dict[str, Callable[[Any, Sequence[OrganCurves]], None]] = {
    "roc": _draw_roc,
    "precision-recall": _draw_precision_recall,
    "reliability": _draw_reliability,
}


def _axes(figure: Any, x: str, y: str) -> Any:
    axes = figure.subplots()
    _plain(axes, x, y)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    return axes


def _plain(axes: Any, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _curve(axes: Any, points: np.ndarray[Any, Any], organ: str, number: int, point: tuple[float, float]) -> None:
    ink = _INKS[number % 5]
    if points.shape[1]:
        axes.plot(*points, color=ink, linestyle=_DASHES[number % 4], linewidth=1.6, label=_text(for_terminal(organ)))
        axes.plot(*point, color=ink, marker=_MARKS[number % 5], markersize=7, linestyle="none")


def _legend(axes: Any, place: str, note: str) -> None:
    if any(line.get_label()[0] != "_" for line in axes.get_lines()):
        axes.legend(loc=place, frameon=False, title=note or None, title_fontsize="small")
    else:
        axes.text(0.5, 0.5, "no organ shows both classes", transform=axes.transAxes, ha="center", color=GRAY)


def _text(name: str) -> str:
    """A name that begins with an underscore would be left out of the legend, and one with dollars read as a formula."""
    return name.replace("$", r"\$") if not name.startswith("_") else f" {name}".replace("$", r"\$")
