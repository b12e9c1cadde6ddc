"""scores.csv: every frame's scores, exact enough that a replay gives the same floats.

Columns: file, frame, time_s, duration_s, reason, measured (0 where the engine did not see the frame and its scores are
inferred, see adaptive.py), then per organ `<organ>` (from the model) and `<organ> smoothed`, path, which older runs
lack, and novelty, if the model tells it. Scores are written with 9 significant digits, times with 17: what a float32
and a float64 need to survive the trip.
"""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
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
#: How many rows are written, or read, at once.
_ROWS = 1 << 12
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
        has_novelty = any(one.scores.novelty is not None for one in timelines)
        writer.writerow((*_FIXED, *names, "path", *(["novelty"] if has_novelty else [])))
        done = 0
        for one in timelines:
            for rows in _rows(one, has_novelty=has_novelty):
                writer.writerows(rows)
                done += len(rows)
                if on_progress is not None:
                    on_progress(done)


def _rows(timeline: Timeline, *, has_novelty: bool) -> Iterator[list[tuple[Any, ...]]]:
    scores = timeline.scores
    name, path = for_csv(timeline.source.name), for_csv(timeline.source.path)
    novelty = np.full(len(scores.index), np.nan, np.float32) if scores.novelty is None else scores.novelty
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
                *([_score_cells(novelty[some])] if has_novelty else []),
                strict=False,
            )
        )


def _score_cells(scores: NDArray[np.float32]) -> list[str]:
    return ["" if score != score else f"{score:.9g}" for score in scores.tolist()]


def read_scores_csv(path: str | Path, organs: tuple[str, ...], on_progress: Progress | None = None) -> ScoreTable:
    """Read what ``write_scores_csv`` wrote. Raises DataError for anything else, UsageError for too many organs."""
    path = Path(path)
    require_organs(organs)
    index, measured, time_s, duration_s = array("q"), array("b"), array("d"), array("d")
    scores = [(array("f"), array("f")) for _ in organs]  # raw and smooth
    novelty = array("f")
    reasons: list[str] = []
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8", newline="") as stream:
            scored = len(_FIXED) + 2 * len(organs)
            width = len(next(csv.reader(stream), ()))
            if width not in (scored, scored + 1, scored + 2):
                raise ValueError(f"{width} columns")
            for _, frames, starts_s, durations_s, texts, seen, *cells in _columns(stream, width):
                index.extend(map(int, frames))
                time_s.extend(map(float, starts_s))
                duration_s.extend(map(float, durations_s))
                reasons.extend(map(from_csv, texts) if any(texts) else texts)
                measured.extend(map(int, seen))
                for column, values in zip(chain.from_iterable(scores), cells, strict=False):
                    column.extend(map(_score, values) if "" in values else map(float, values))
                if width == scored + 2:
                    novelty.extend(map(_score, cells[-1]))
                if on_progress is not None and len(frames) == _ROWS:
                    on_progress(len(index))
    except FileNotFoundError as error:
        raise DataError(f"no scores at {path}: a run's folder holds timeline.json and scores.csv") from error
    except (OSError, ValueError, OverflowError, csv.Error) as error:
        why = one_line(error)
        raise DataError(f"{path} is not a scores.csv that seqcls wrote ({why}); run the clip again") from error
    table = ScoreTable(
        organs=organs,
        index=np.array(index, np.int64),
        time_s=np.array(time_s, np.float64),
        duration_s=np.array(duration_s, np.float64),
        raw=np.array([raw for raw, _ in scores], np.float32).T.copy(),
        smooth=np.array([smooth for _, smooth in scores], np.float32).T.copy(),
        reason=tuple(reasons),
        measured=np.array(measured, np.bool_),
        novelty=np.array(novelty, np.float32) if width == scored + 2 else None,
    )
    impossible: tuple[tuple[str, Any], ...] = (
        ("a score outside 0..1", [(some < 0) | (some > 1) for some in (table.raw, table.smooth)]),
        ("a novelty outside 0..1", [] if table.novelty is None else (table.novelty < 0) | (table.novelty > 1)),
        ("no time", ~(np.abs([table.time_s, table.duration_s]) <= MAX_TIME_S)),  # NaN, too
        ("a duration below 0", table.duration_s < 0),
        ("no number of a frame", np.abs(table.index) > MAX_INDEX),
        ("frames out of order", np.diff(table.index) <= 0),
    )
    for what, wrong in impossible:
        if np.any(wrong):
            raise DataError(f"{path} is not a scores.csv that seqcls wrote ({what}); run the clip again")
    return table


def _columns(stream: Iterable[str], width: int) -> Iterator[Sequence[Sequence[str]]]:
    """The cells of some rows at a time, column by column. Raises ValueError for a row with other than ``width`` cells.

    Text without quotes is cut at its commas in one go, which takes half the time of ``csv`` and gives the same.
    """
    done = 1  # lines, with that of the names
    lines = iter(stream)
    while some := list(islice(lines, _ROWS)):
        text = "".join(some)
        cells = text.replace("\n", ",\n,").split(",")
        ends = cells[width :: width + 1]
        if '"' in text or "\r" in text or not len(some) == len(ends) == ends.count("\n") == text.count("\n"):
            rows = csv.reader(chain(some, lines))
            while some_rows := list(islice(_of_width(rows, width, done), _ROWS)):
                yield tuple(zip(*some_rows, strict=True))
            return
        del cells[-1]
        yield [cells[column :: width + 1] for column in range(width)]
        done += len(some)


def _of_width(rows: Any, width: int, before: int) -> Iterator[list[str]]:
    for row in rows:
        if len(row) != width:
            raise ValueError(f"{len(row)} cells in line {before + rows.line_num}")
        yield row


def _score(cell: str) -> float:
    return float(cell) if cell else math.nan
