"""Intervals as records, for programs that read tables: JSON Lines and Parquet, with the columns of intervals.csv.

Other than cells of a CSV file, numbers are numbers, what is not known is null, and names are what they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import seqcls
from seqcls.files import atomic_path, write_text
from seqcls.files.json_text import json_text
from seqcls.text.foreign_text import whole_characters
from seqcls.third_party import library
from seqcls.timeline import Timeline


def interval_records(timeline: Timeline) -> Iterator[dict[str, Any]]:
    """One for each interval: times in seconds, [start_s, end_s), frames inclusive, from 0."""
    of_clip = {
        "path": timeline.source.path,
        "verdict": timeline.report.verdict,
        "coverage": timeline.coverage,
        "warnings": list(timeline.notes),
    }
    for i in timeline.intervals:
        yield {
            "file": timeline.source.name,
            "organ": i.organ,
            "state": i.state,
            "start_s": i.start_s,
            "end_s": i.end_s,
            "start_frame": i.start_index if i.start_index >= 0 else None,
            "end_frame": i.end_index if i.end_index >= 0 else None,
            "mean_score": nothing_for_nan(i.mean_score),
            "peak_score": nothing_for_nan(i.peak_score),
            "reason": i.reason,
            **of_clip,
        }


def nothing_for_nan(score: float) -> float | None:
    return None if math.isnan(score) else score


def write_jsonl(timeline: Timeline, path: str | Path) -> None:
    """One interval per line. Raises OutputError."""
    write_text(path, "".join(f"{json_text(record, indent=None)}\n" for record in interval_records(timeline)))


def write_parquet(timeline: Timeline, path: str | Path) -> None:
    """One interval per row; needs pyarrow. Raises OutputError."""
    arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    kinds = {
        "file": arrow.string(),
        "organ": arrow.string(),
        "state": arrow.string(),
        "start_s": arrow.float64(),
        "end_s": arrow.float64(),
        "start_frame": arrow.int64(),
        "end_frame": arrow.int64(),
        "mean_score": arrow.float64(),
        "peak_score": arrow.float64(),
        "reason": arrow.string(),
        "path": arrow.string(),
        "verdict": arrow.string(),
        "coverage": arrow.float64(),
        "warnings": arrow.list_(arrow.string()),
    }
    schema = arrow.schema(kinds.items(), {"made_by": f"seqcls {seqcls.__version__}", "note": seqcls.DISCLAIMER})
    records = [{name: fit_for_arrow(value) for name, value in one.items()} for one in interval_records(timeline)]
    with atomic_path(path) as temporary:
        parquet.write_table(arrow.Table.from_pylist(records, schema), temporary)


def fit_for_arrow(value: Any) -> Any:
    """What Arrow can hold: text is UTF-8 there."""
    if isinstance(value, list):
        return [whole_characters(one) for one in value]
    return whole_characters(value) if isinstance(value, str) else value
