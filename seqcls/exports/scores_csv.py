"""scores.csv: every frame's scores, exact enough that a replay gives the same floats.

Columns: file, frame, time_s, duration_s, reason, measured (0 where the engine did not see the frame and its scores are
inferred, see adaptive.py), then per organ `<organ>` (from the model) and `<organ> smoothed`. Scores are written with 9
significant digits, times with 17: what a float32 and a float64 need to survive the trip.
"""

from __future__ import annotations

import csv
from itertools import chain
from pathlib import Path

import numpy as np

from seqcls.errors import DataError
from seqcls.exports.cells import text_cell
from seqcls.files import atomic_path
from seqcls.types import ScoreTable, Timeline

_FIXED = ("file", "frame", "time_s", "duration_s", "reason", "measured")


def write_scores_csv(timeline: Timeline, path: str | Path) -> None:
    """Write one row per frame. Raises OutputError."""
    scores = timeline.scores
    name = text_cell(timeline.source.name)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        names = chain.from_iterable((text_cell(organ), text_cell(f"{organ} smoothed")) for organ in scores.organs)
        writer.writerow((*_FIXED, *names))
        for row in range(len(scores.index)):
            pairs = chain.from_iterable(zip(scores.raw[row], scores.smooth[row], strict=True))
            writer.writerow(
                (
                    name,
                    scores.index[row],
                    repr(float(scores.time_s[row])),
                    repr(float(scores.duration_s[row])),
                    text_cell(scores.reason[row]),
                    int(scores.measured[row]),
                    *("" if np.isnan(value) else f"{value:.9g}" for value in pairs),
                )
            )


def read_scores_csv(path: str | Path, organs: tuple[str, ...]) -> ScoreTable:
    """Read what ``write_scores_csv`` wrote. Raises DataError for anything else."""
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))
        if len(rows[0]) != len(_FIXED) + 2 * len(organs):
            raise ValueError(f"{len(rows[0])} columns")
        body = rows[1:]
        values = np.array([[float(cell) if cell else np.nan for cell in row[6:]] for row in body], np.float32)
        values = values.reshape(len(body), len(organs), 2)
        return ScoreTable(
            organs=organs,
            index=np.array([int(row[1]) for row in body], np.int64),
            time_s=np.array([float(row[2]) for row in body], np.float64),
            duration_s=np.array([float(row[3]) for row in body], np.float64),
            raw=values[:, :, 0],
            smooth=values[:, :, 1],
            reason=tuple(row[4].removeprefix("'") for row in body),
            measured=np.array([int(row[5]) for row in body], np.bool_),
        )
    except FileNotFoundError as error:
        raise DataError(f"no scores at {path}: a run's folder holds timeline.json and scores.csv") from error
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"{path} is not a scores.csv that seqcls wrote ({error}); run the clip again") from error
