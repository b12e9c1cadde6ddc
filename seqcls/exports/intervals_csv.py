"""intervals.csv, and the same with tabs: one row per interval; each organ's rows cover the clip without holes.

The last columns are the same in all rows of a clip: what a reader must know of it, wherever the row ends up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqcls.exports.csv_cells import index_cell, score_cell, seconds_cell
from seqcls.files import write_csv
from seqcls.timeline import Timeline

COLUMNS = (
    "file",
    "organ",
    "state",
    "start_s",
    "end_s",
    "start_frame",
    "end_frame",
    "mean_score",
    "peak_score",
    "reason",
    "path",
    "verdict",
    "coverage",
    "warnings",
)


def write_intervals_csv(timeline: Timeline | Sequence[Timeline], path: str | Path) -> None:
    """Write one or several timelines as one table: times in seconds, [start_s, end_s), frames inclusive, from 0."""
    write_csv(path, _rows(timeline))


def write_intervals_tsv(timeline: Timeline, path: str | Path) -> None:
    """As ``write_intervals_csv``, with tabs between the cells; none holds one."""
    write_csv(path, _rows(timeline), "\t")


def _rows(timeline: Timeline | Sequence[Timeline]) -> Iterator[Sequence[str]]:
    yield COLUMNS
    for one in [timeline] if isinstance(timeline, Timeline) else timeline:
        of_clip = (
            one.source.path,
            one.report.verdict,
            score_cell(one.coverage),
            "; ".join(one.notes),
        )
        for i in one.intervals:
            yield (
                one.source.name,
                i.organ,
                i.state,
                seconds_cell(i.start_s),
                seconds_cell(i.end_s),
                index_cell(i.start_index),
                index_cell(i.end_index),
                score_cell(i.mean_score),
                score_cell(i.peak_score),
                i.reason,
                *of_clip,
            )
