"""scores.csv: every frame's scores, exact enough that a replay gives the same floats.

Columns: file, frame, time_s, duration_s, reason, measured (0 where the engine did not see the frame and its scores are
inferred, see adaptive.py), then per organ `<organ>` (from the model) and `<organ> smoothed`, and last path, which older
runs lack. Scores are written with 9 significant digits, times with 17: what a float32 and a float64 need to survive the
trip.
"""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import DataError, one_line
from seqcls.files import atomic_path
from seqcls.files.named_files import open_regular
from seqcls.text.foreign_text import for_csv, from_csv
from seqcls.timeline import Timeline
from seqcls.types import MAX_INDEX, MAX_TIME_S, ScoreTable, require_organs

_FIXED = ("file", "frame", "time_s", "duration_s", "reason", "measured")
#: How many are written at once.
_ROWS = 1 << 14
#: Called with the number of frames done so far.
Progress = Callable[[int], None]


def write_scores_csv(
    timeline: Timeline | Sequence[Timeline], path: str | Path, on_progress: Progress | None = None
) -> None:
    """Write one row per frame of a timeline, or of several of the same organs. Raises OutputError."""
    timelines = [timeline] if isinstance(timeline, Timeline) else timeline
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", errors="replace", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        organs = timelines[0].scores.organs
        names = chain.from_iterable((for_csv(organ), for_csv(f"{organ} smoothed")) for organ in organs)
        writer.writerow((*_FIXED, *names, "path"))
        done = 0
        for one in timelines:
            for rows in _rows(one):
                writer.writerows(rows)
                done += len(rows)
                if on_progress is not None:
                    on_progress(done)


def _rows(timeline: Timeline) -> Iterator[list[tuple[Any, ...]]]:
    scores = timeline.scores
    name, path = for_csv(timeline.source.name), for_csv(timeline.source.path)
    for start in range(0, len(scores.index), _ROWS):
        some = slice(start, start + _ROWS)
        columns = [
            _score_cells(values[some, k]) for k in range(len(scores.organs)) for values in (scores.raw, scores.smooth)
        ]
        yield list(
            zip(
                repeat(name),
                scores.index[some].tolist(),
                map(repr, scores.time_s[some].tolist()),
                map(repr, scores.duration_s[some].tolist()),
                map(for_csv, scores.reason[some]),
                scores.measured[some].astype(int).tolist(),
                *columns,
                repeat(path),
                strict=False,
            )
        )


def _score_cells(scores: NDArray[np.float32]) -> list[str]:
    return ["" if score != score else f"{score:.9g}" for score in scores.tolist()]


def read_scores_csv(path: str | Path, organs: tuple[str, ...], on_progress: Progress | None = None) -> ScoreTable:
    """Read what ``write_scores_csv`` wrote. Raises DataError for anything else, UsageError for too many organs."""
    path = Path(path)
    index, measured, times_s, values = array("q"), array("b"), array("d"), array("f")
    reasons: list[str] = []
    require_organs(organs)
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            scored = len(_FIXED) + 2 * len(organs)
            width = len(next(rows, ()))
            if width not in (scored, scored + 1):
                raise ValueError(f"{width} columns")
            for row in rows:
                if len(row) != width:
                    raise ValueError(f"{len(row)} cells in line {rows.line_num}")
                index.append(int(row[1]))
                times_s.extend((float(row[2]), float(row[3])))
                reasons.append(from_csv(row[4]) if row[4] else "")
                measured.append(int(row[5]))
                values.extend(float(cell) if cell else math.nan for cell in row[6:scored])
                if on_progress is not None and len(index) % _ROWS == 0:
                    on_progress(len(index))
    except FileNotFoundError as error:
        raise DataError(f"no scores at {path}: a run's folder holds timeline.json and scores.csv") from error
    except (OSError, ValueError, OverflowError, csv.Error) as error:
        why = one_line(error)
        raise DataError(f"{path} is not a scores.csv that seqcls wrote ({why}); run the clip again") from error
    scores = np.array(values, np.float32).reshape(-1, len(organs), 2)
    impossible = (
        ("a score outside 0..1", (scores < 0) | (scores > 1)),
        ("no time", ~(np.abs(times_s) <= MAX_TIME_S)),  # NaN, too
        ("a duration below 0", np.array(times_s[1::2]) < 0),
        ("no number of a frame", np.abs(np.array(index, np.int64)) > MAX_INDEX),
        ("frames out of order", np.diff(np.array(index, np.int64)) <= 0),
    )
    for what, wrong in impossible:
        if wrong.any():
            raise DataError(f"{path} is not a scores.csv that seqcls wrote ({what}); run the clip again")
    return ScoreTable(
        organs=organs,
        index=np.array(index, np.int64),
        time_s=np.array(times_s[::2], np.float64),
        duration_s=np.array(times_s[1::2], np.float64),
        raw=scores[:, :, 0],
        smooth=scores[:, :, 1],
        reason=tuple(reasons),
        measured=np.array(measured, np.bool_),
    )
