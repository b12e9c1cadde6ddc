"""pictures.csv: one row per image and organ, for images that are no clip and have no time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqcls.exports.csv_cells import score_cell
from seqcls.files import write_csv
from seqcls.timeline import Timeline

COLUMNS = ("path", "organ", "probability", "state", "reason", "warnings")


def write_pictures_csv(pictures: Sequence[Timeline], path: str | Path) -> None:
    """``pictures``: of one frame each, as ``score_pictures`` gives them. Raises OutputError."""
    rows: list[Sequence[str]] = [COLUMNS]
    for one in pictures:
        for interval in one.intervals:
            rows.append(
                (
                    one.source.title,
                    interval.organ,
                    score_cell(interval.peak_score),
                    interval.state,
                    interval.reason,
                    "; ".join(one.warnings),
                )
            )
    write_csv(path, rows)
