"""Writing timelines in the formats that people use, and reading a finished run back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from seqcls.errors import OutputError, one_line
from seqcls.exports.formats import FORMATS, Format, export, export_places
from seqcls.exports.intervals_csv import write_intervals_csv
from seqcls.exports.pictures_csv import write_pictures_csv
from seqcls.exports.scores_csv import Progress, write_scores_csv
from seqcls.exports.subtitles import write_srt, write_vtt
from seqcls.exports.timeline_json import read_run, write_timeline_json
from seqcls.files import make_folder, require_free, sync_folder
from seqcls.files.temporaries import temporary_folder
from seqcls.rendering.cut_files import CUTS_NAME, remove_cuts
from seqcls.timeline import Timeline

#: What is written last: where one of them is, a run is whole.
RUN_ENDS = ("timeline.json", "pictures.csv")
#: In the order of removal: as long as an end is there, what it needs is, too.
_RUN_FILES = ("report.html", "thumbnail.jpg", "overlay.mp4", "timeline.png", *RUN_ENDS, "intervals.csv", "scores.csv")

__all__ = [
    "FORMATS",
    "RUN_ENDS",
    "Format",
    "export",
    "export_places",
    "exported_in",
    "read_run",
    "remove_run",
    "write_intervals_csv",
    "write_pictures",
    "write_run",
    "write_scores_csv",
    "write_srt",
    "write_timeline_json",
    "write_vtt",
]


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
    require_free(Path(folder) / "timeline.json", overwrite)
    with _all_at_once(Path(folder)) as scratch:
        write_intervals_csv(timeline, scratch / "intervals.csv")
        write_scores_csv(timeline, scratch / "scores.csv", on_progress)
        write_timeline_json(timeline, scratch / "timeline.json")


@contextmanager
def _all_at_once(folder: Path) -> Iterator[Path]:
    """A folder for new files; once all are written, they take the place of the run that is in ``folder``.

    A disk that fills up leaves that run as it was. Raises OutputError.
    """
    make_folder(folder)
    with temporary_folder(folder) as scratch:
        try:
            yield scratch
        except OutputError as error:
            raise OutputError(str(error).replace(str(scratch), str(folder))) from error.__cause__
        remove_run(folder)
        try:
            for path in sorted(scratch.iterdir(), key=lambda path: path.name in RUN_ENDS):
                path.replace(folder / path.name)
                sync_folder(folder)
        except OSError as error:
            raise OutputError(f"cannot write {folder}: {one_line(error)}; choose another place") from error


def remove_run(folder: Path) -> None:
    """Remove all of a run that is whole but its journal, with what was exported beside it: files of two runs are never
    left side by side, whenever the process is killed. Raises OutputError."""
    if not any((folder / name).exists() for name in RUN_ENDS):
        return
    remove_cuts(folder / CUTS_NAME)
    try:
        for path in (*exported_in(folder), *(folder / name for name in _RUN_FILES)):
            path.unlink(missing_ok=True)
            sync_folder(folder)
    except OSError as error:
        raise OutputError(f"cannot replace {folder}: {one_line(error)}; choose another place") from error


def exported_in(folder: Path) -> list[Path]:
    """What ``export`` left beside a run, without the run's own files."""
    return sorted({path for one in FORMATS for path in _exported(folder, one)} - {folder / n for n in _RUN_FILES})


def _exported(folder: Path, kind: Format) -> Iterator[Path]:
    """What ``export`` left of this format in a run's folder."""
    if kind.per_organ:
        stem, suffix = Path(kind.name_in_folder).stem, Path(kind.name_in_folder).suffix
        yield from (path for path in folder.iterdir() if path.name.startswith(f"{stem}-") and path.suffix == suffix)
    if (folder / kind.name_in_folder).exists():
        yield folder / kind.name_in_folder


def write_pictures(pictures: Sequence[Timeline], folder: str | Path, *, overwrite: bool = False) -> None:
    """Write what `seqcls run` leaves of single images: scores.csv, and last pictures.csv.

    ``pictures``: of one frame each, as ``score_pictures`` gives them; at least one. ``overwrite``: whether a run that
    is there already may be replaced. Raises OutputError where one is there, or cannot be written.
    """
    require_free(Path(folder) / "pictures.csv", overwrite)
    with _all_at_once(Path(folder)) as scratch:
        write_scores_csv(pictures, scratch / "scores.csv")
        write_pictures_csv(pictures, scratch / "pictures.csv")
