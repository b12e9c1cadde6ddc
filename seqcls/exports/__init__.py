"""Writing timelines in the formats that people use, and reading a finished run back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seqcls.errors import UsageError
from seqcls.exports.intervals_csv import write_intervals_csv
from seqcls.exports.scores_csv import Progress, write_scores_csv
from seqcls.exports.subtitles import write_srt, write_vtt
from seqcls.exports.timeline_json import read_run, write_timeline_json
from seqcls.timeline import Timeline

WRITERS: dict[str, Callable[[Timeline, Path], None]] = {
    "csv": write_intervals_csv,
    "json": write_timeline_json,
    "srt": write_srt,
    "vtt": write_vtt,
}

__all__ = [
    "WRITERS",
    "export",
    "read_run",
    "write_intervals_csv",
    "write_run",
    "write_scores_csv",
    "write_srt",
    "write_timeline_json",
    "write_vtt",
]


def export(timeline: Timeline, path: str | Path, kind: str = "") -> None:
    """Write ``timeline`` to ``path``; ``kind`` is a key of WRITERS, by default the path's suffix.

    Raises UsageError for an unknown kind, OutputError where the file cannot be written.
    """
    path = Path(path)
    kind = kind.lower() if kind else path.suffix.lower().lstrip(".")
    if kind not in WRITERS:
        raise UsageError(f"cannot export to {kind!r}: choose one of {', '.join(WRITERS)}")
    WRITERS[kind](timeline, path)


def write_run(timeline: Timeline, folder: str | Path, on_progress: Progress | None = None) -> None:
    """Write what `seqcls run` leaves: intervals.csv, scores.csv, and last timeline.json: then the run is whole."""
    folder = Path(folder)
    write_intervals_csv(timeline, folder / "intervals.csv")
    write_scores_csv(timeline, folder / "scores.csv", on_progress)
    write_timeline_json(timeline, folder / "timeline.json")
