"""What a search found, as files: trials.csv, study.json and study.png."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from seqcls.files import atomic_path, write_csv
from seqcls.files.json_text import write_json
from seqcls.palette import BLUE, GRAY, GREEN, VERMILION
from seqcls.third_party import library
from seqcls.training.options import TrainOptions
from seqcls.training.search import SearchResult
from seqcls.training.search_space import NAMES, Parameter, command_of, record_of
from seqcls.training.study import Trial

#: The study itself, by Optuna.
DATABASE = "study.db"
FILES = ("trials.csv", "study.json", "study.png")


def write_search(
    result: SearchResult, space: Mapping[str, Parameter], options: TrainOptions, folder: Path
) -> tuple[Path, ...]:
    """Write the three files; their paths. Raises OutputError."""
    paths = tuple(folder / name for name in FILES)
    heads = ("trial", "state", "auroc", *NAMES, "seconds", "reason")
    rows = [(one.number, one.state, one.auroc, *_values(one), one.seconds, one.reason) for one in result.trials]
    write_csv(paths[0], [heads, *rows])
    compared = result.comparison
    record = {
        "best": asdict(result.best),
        "command": command_of(result.best.values, options),
        "defaults": result.defaults,
        "importance": result.importance,
        "comparison": None
        if compared is None
        else {**asdict(compared), "gain": compared.gain, "spread": compared.spread, "verdict": compared.verdict},
        "notes": list(result.notes),
        "space": record_of(space),
        "trials": len(result.trials),
    }
    write_json(paths[1], record)
    draw_search(result, paths[2])
    return paths


def draw_search(result: SearchResult, path: Path) -> None:
    """AUROC by trial, with the best so far; beside it what mattered. As a PNG. Raises OutputError."""
    figure = library("matplotlib.figure").Figure(figsize=(10, 4), dpi=120, layout="constrained")
    library("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    course, shares = figure.subplots(1, 2, width_ratios=(3, 2))
    done = [one for one in result.trials if one.state == "complete"]
    best_so_far, highest = [], -math.inf
    for one in done:
        highest = max(highest, one.auroc)
        best_so_far.append(highest)
    numbers = [one.number for one in done]
    course.plot(numbers, best_so_far, color=GREEN, drawstyle="steps-post", label="best so far")
    course.plot(numbers, [one.auroc for one in done], "o", color=BLUE, markersize=4, label="complete")
    lowest = min(one.auroc for one in done)
    given_up = [one.number for one in result.trials if one.state != "complete"]
    if given_up:
        course.plot(given_up, [lowest] * len(given_up), "x", color=VERMILION, label="given up (no AUROC)")
    course.set(xlabel="trial", ylabel="AUROC, mean of the folds")
    course.legend(frameon=False)
    names = list(result.importance)[::-1]
    shares.barh(names, [result.importance[name] for name in names], color=BLUE)
    shares.set(xlabel="share of the differences in AUROC", xlim=(0, 1))
    if not names:
        shares.text(0.5, 0.5, "too few trials", transform=shares.transAxes, ha="center", color=GRAY)
        shares.set_yticks([])
    for axes in (course, shares):
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def _values(trial: Trial) -> tuple[object, ...]:
    return tuple(trial.values.get(name, "") for name in NAMES)
