"""cross-validation.csv: each labelled frame's scores by the fold that did not see it, beside its labels."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import DataError, UsageError, one_line
from seqcls.files import nfc, write_csv
from seqcls.files.named_files import read_regular
from seqcls.text.foreign_text import from_csv
from seqcls.text.wording import names_of
from seqcls.types import MAX_TIME_S, require_organs

NAME = "cross-validation.csv"
FIXED = ("clip", "patient", "fold", "time_s")
#: What stands behind an organ's name in the head of the column with its labels.
LABEL = " label"
#: 2 million frames of a few organs.
MAX_BYTES = 400 << 20
#: Characters of a clip's or a patient's name; and of the longest one, as often as there are rows: each takes 4 bytes.
MAX_NAME, MAX_NAMES = 1000, 200_000_000
_CODES = {"1": 1, "0": 0, "": -1}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoldScores:
    """Of N frames and K organs: clip, patient (N,) str; fold (N,) int64, from 1, 0 for none; time_s (N,) float64, NaN
    where not known; scores (N, K) float32, NaN where there is none; labels (N, K) int8, 1, 0, or -1 for none."""

    organs: tuple[str, ...]
    clip: NDArray[np.str_]
    patient: NDArray[np.str_]
    fold: NDArray[np.int64]
    time_s: NDArray[np.float64]
    scores: NDArray[np.float32]
    labels: NDArray[np.int8]

    @property
    def clips(self) -> tuple[str, ...]:
        return tuple(np.unique(self.clip).tolist())

    def of_clip(self, name: str) -> FoldScores:
        """One clip's frames in the order of time. Raises DataError where it is not there, or is not the only one."""
        wanted = nfc(name)
        found = [clip for clip in self.clips if clip == wanted]
        found = found or [clip for clip in self.clips if _last(clip) == _last(wanted)]
        if len(found) != 1:
            known = names_of(found or self.clips)
            what = "stands for several clips" if found else "is no clip of the cross-validation"
            raise DataError(f"{name} {what}: name one of {known}")
        rows = np.flatnonzero(self.clip == found[0])
        return self._rows(rows[np.argsort(self.time_s[rows], kind="stable")])

    def _rows(self, rows: NDArray[np.int64]) -> FoldScores:
        return FoldScores(
            organs=self.organs,
            clip=self.clip[rows],
            patient=self.patient[rows],
            fold=self.fold[rows],
            time_s=self.time_s[rows],
            scores=self.scores[rows],
            labels=self.labels[rows],
        )


def write_fold_scores(table: FoldScores, folder: Path) -> Path:
    """Write cross-validation.csv. Raises OutputError."""
    path = folder / NAME
    head = (*FIXED, *table.organs, *(f"{organ}{LABEL}" for organ in table.organs))
    columns = zip(table.clip, table.patient, table.fold, table.time_s, table.scores, table.labels, strict=True)
    rows = (
        (
            clip,
            patient,
            fold or "",
            *_cells([time_s]),
            *_cells(scores),
            *(label if label >= 0 else "" for label in labels),
        )
        for clip, patient, fold, time_s, scores, labels in columns
    )
    write_csv(path, (head, *rows))
    return path


def read_fold_scores(path: str | Path) -> FoldScores:
    """Raises DataError for anything but what ``write_fold_scores`` wrote."""
    path = Path(path)
    try:
        text = read_regular(path, MAX_BYTES).decode("utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""))
        head = [from_csv(name) for name in next(rows, [])]
        organs = tuple(name for name in head[len(FIXED) :] if f"{name}{LABEL}" in head)
        if head != [*FIXED, *organs, *(f"{organ}{LABEL}" for organ in organs)] or len({*organs}) < max(1, len(organs)):
            raise ValueError("its columns are others")
        require_organs(organs)
        found = [row for row in rows if row]
        if any(len(row) != len(head) for row in found) or not found:
            raise ValueError("a row has too few or too many cells" if found else "it holds no frame")
        _require_short([row[0] for row in found])
        _require_short([row[1] for row in found])
        behind = len(FIXED) + len(organs)
        table = FoldScores(
            organs=organs,
            clip=np.array([nfc(from_csv(row[0])) for row in found]),
            patient=np.array([nfc(from_csv(row[1])) for row in found]),
            fold=np.array([int(row[2] or 0) for row in found], np.int64),
            time_s=np.array([_number(row[3]) for row in found], np.float64),
            scores=np.array([[_number(cell) for cell in row[len(FIXED) : behind]] for row in found], np.float32),
            labels=np.array([[_CODES[cell] for cell in row[behind:]] for row in found], np.int8),
        )
        if np.any(np.abs(table.time_s) > MAX_TIME_S) or np.any((table.scores < 0) | (table.scores > 1)):
            raise ValueError("a time or a score is out of bounds")
        if np.any(table.fold < 0):
            raise ValueError("a fold has a number below 0")
        return table
    except FileNotFoundError:
        raise DataError(
            f"no cross-validation at {path}: train with `--folds groups`, which keeps it there; of a model that tune,"
            " merge or convert made, name the trained one that it was made from"
        ) from None
    except (OSError, ValueError, KeyError, OverflowError, csv.Error, UsageError) as error:
        raise DataError(
            f"{path} is not what a cross-validation of this seqcls wrote ({one_line(error)}); train with --folds again"
        ) from error


def _cells(numbers: Sequence[float] | NDArray[np.float32]) -> list[str]:
    return ["" if math.isnan(number) else f"{number:.9g}" for number in numbers]


def _number(cell: str) -> float:
    number = float(cell) if cell else math.nan
    if cell and not math.isfinite(number):
        raise ValueError(f"{cell[:20]!r} is no number")
    return number


def _require_short(names: Sequence[str]) -> None:
    """An array takes the room of its longest name in every row."""
    longest = max(map(len, names))
    if longest > MAX_NAME or longest * len(names) > MAX_NAMES:
        raise ValueError(f"a name has {longest:,} characters")


def _last(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name
