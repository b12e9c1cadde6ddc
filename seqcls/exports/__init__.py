"""Writing timelines in the formats that people use, and reading a finished run back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from seqcls.errors import UsageError
from seqcls.exports.intervals_csv import write_intervals_csv
from seqcls.exports.pictures_csv import write_pictures_csv
from seqcls.exports.scores_csv import Progress, write_scores_csv
from seqcls.exports.subtitles import write_srt, write_vtt
from seqcls.exports.timeline_json import read_run, write_timeline_json
from seqcls.files import require_free
from seqcls.timeline import Timeline

WRITERS: dict[str, Callable[[Timeline, Path], None]] = {
    "csv": write_intervals_csv,
    "json": write_timeline_json,
    "srt": write_srt,
    "vtt": write_vtt,
}

#: Files that are not called timeline.
_NAMES = {"csv": "intervals.csv"}

__all__ = [
    "WRITERS",
    "export",
    "export_paths",
    "read_run",
    "write_intervals_csv",
    "write_pictures",
    "write_run",
    "write_scores_csv",
    "write_srt",
    "write_timeline_json",
    "write_vtt",
]


def export(
    timeline: Timeline, folder: str | Path, formats: str | Iterable[str] = "vtt", *, overwrite: bool = False
) -> tuple[Path, ...]:
    """Write ``timeline`` into ``folder`` as intervals.csv, timeline.json, timeline.srt or timeline.vtt; their paths.

    Args:
        timeline: of ``Detector.analyze`` or ``read_run``.
        folder: where to; made where it is missing.
        formats: csv, json, srt, vtt; several in a list, or with commas between them.
        overwrite: whether files that are there already may be replaced.

    Raises UsageError for an unknown format, OutputError where a file is there already or cannot be written.
    """
    paths = export_paths(folder, formats)
    for path in paths.values():
        require_free(path, overwrite)
    for kind, path in paths.items():
        WRITERS[kind](timeline, path)
    return tuple(paths.values())


def export_paths(folder: str | Path, formats: str | Iterable[str]) -> dict[str, Path]:
    """Where ``export`` writes each format, by the keys of WRITERS. Raises UsageError for others, and for none."""
    wanted = [kind.strip().lower() for kind in (formats.split(",") if isinstance(formats, str) else formats)]
    known = [kind for kind in wanted if kind in WRITERS]
    unknown = [kind for kind in wanted if kind and kind not in WRITERS]
    if unknown or not known:
        raise UsageError(f"cannot export to {', '.join(unknown) or 'nothing'}: choose from {', '.join(WRITERS)}")
    return {kind: Path(folder) / _NAMES.get(kind, f"timeline.{kind}") for kind in known}


def write_run(
    timeline: Timeline, folder: str | Path, on_progress: Progress | None = None, *, overwrite: bool = False
) -> None:
    """Write what `seqcls run` leaves: intervals.csv, scores.csv, and last timeline.json: then the run is whole.

    Args:
        timeline: of ``Detector.analyze``, ``read_run`` or ``replay``.
        folder: where to; made where it is missing.
        on_progress: called with the number of frames written so far.
        overwrite: whether a run that is there already may be replaced.

    Raises OutputError where a run is there already or cannot be written.
    """
    folder = Path(folder)
    require_free(folder / "timeline.json", overwrite)
    write_intervals_csv(timeline, folder / "intervals.csv")
    write_scores_csv(timeline, folder / "scores.csv", on_progress)
    write_timeline_json(timeline, folder / "timeline.json")


def write_pictures(pictures: Sequence[Timeline], folder: str | Path) -> None:
    """Write what `seqcls run` leaves of single images: scores.csv, and last pictures.csv. Raises OutputError.

    ``pictures``: of one frame each, as ``score_pictures`` gives them; at least one.
    """
    folder = Path(folder)
    write_scores_csv(pictures, folder / "scores.csv")
    write_pictures_csv(pictures, folder / "pictures.csv")
