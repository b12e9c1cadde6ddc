"""The course of a training: learning curves as CSV, JSON and PNG. Matplotlib's objects, no pyplot: no global state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seqcls.errors import OutputError, one_line
from seqcls.files import atomic_path, write_csv
from seqcls.files.json_text import write_json
from seqcls.palette import BLUE, GRAY, GREEN, VERMILION
from seqcls.third_party import library
from seqcls.training.epoch_logs import TABLE
from seqcls.training.fold_scores import NAME as SCORES

_HISTORY = ("history.csv", "history.json", "learning-curves.png")


def write_history(history: Sequence[Any], folder: str | Path) -> tuple[Path, ...]:
    """Write ``history.csv``, ``history.json`` and ``learning-curves.png`` of ``train.Epoch`` records; their paths.

    Raises OutputError.
    """
    records = [asdict(epoch) for epoch in history]
    paths = tuple(Path(folder) / name for name in _HISTORY)
    rows = [epoch.row() for epoch in history]
    write_csv(paths[0], [*rows[:1], *(row.values() for row in rows)])  # a row iterates over its names
    write_json(paths[1], records)
    draw_history(history, paths[2])
    return paths


def remove_history(folder: str | Path, *, scores: bool) -> None:
    """Remove what an earlier training left in the folder, with the ``scores`` of its cross-validation or without: it
    is not to stand beside another model. Raises OutputError."""
    names = [*_HISTORY, TABLE, *([SCORES] if scores else [])]
    try:
        for name in names:
            (Path(folder) / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot replace {folder}: {one_line(error)}; choose another place") from error


def draw_history(history: Sequence[Any], path: str | Path) -> None:
    """Loss, validation AUROC and learning rate by epoch, one above the other, as a PNG. Raises OutputError."""
    figure = library("matplotlib.figure").Figure(figsize=(7, 7), dpi=120, layout="constrained")
    library("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    loss, area, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.4))
    epochs = [epoch.number for epoch in history]
    best = max((epoch.number for epoch in history if epoch.best), default=None)
    _curve(loss, epochs, [epoch.loss for epoch in history], BLUE, "o", "training (augmented)")
    _curve(loss, epochs, [epoch.validation_loss for epoch in history], VERMILION, "s", "validation")
    loss.set(ylabel="cross-entropy", ylim=(0, None))
    _curve(area, epochs, [epoch.auroc for epoch in history], GREEN, "D", "validation")
    area.set(ylabel="AUROC", ylim=(None, 1.01))
    if not area.get_lines():
        area.text(0.5, 0.5, "no validation shows both classes", transform=area.transAxes, ha="center", color=GRAY)
    _curve(rate, epochs, [epoch.lr for epoch in history], GRAY, "", "")
    rate.set(ylabel="learning rate", xlabel="epoch", ylim=(0, None))
    rate.xaxis.set_major_locator(library("matplotlib.ticker").MaxNLocator(integer=True))
    for axes in (loss, area, rate):
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        if best is not None:
            axes.axvline(best, color="black", linewidth=0.8, linestyle=":")
    if best is not None:
        loss.set_title(f"kept: epoch {best} (dotted)", loc="left", fontsize=10)
    if any(line.get_label()[0] != "_" for line in loss.get_lines()):
        loss.legend(frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary)


def _curve(axes: Any, x: Sequence[int], y: Sequence[float], color: str, marker: str, label: str) -> None:
    if not all(map(math.isnan, y)):
        small = 3 if len(x) > 1 else 6
        axes.plot(x, y, color=color, marker=marker or None, markersize=small, linewidth=1.6, label=label or None)
