"""`seqcls export` and `seqcls replay`: what can be done with a finished run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options
from seqcls.cli import tables as show
from seqcls.errors import DataError, OutputError

if TYPE_CHECKING:
    from seqcls.intervals import IntervalOptions
    from seqcls.journal import Journal, Recorded
    from seqcls.smoothing import SmoothingOptions
    from seqcls.timeline import Timeline

    #: Makes the timeline again, with options changed from those that were used.
    Again = Callable[
        [
            Callable[[SmoothingOptions], SmoothingOptions],
            Callable[[Sequence[IntervalOptions]], tuple[IntervalOptions, ...]],
        ],
        Timeline,
    ]

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `seqcls run` wrote.")]


def export(
    folder: Run,
    to: Annotated[str, typer.Option("--to", help="Formats, comma-separated: csv, json, vtt, srt.")] = "vtt",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Where to. [default: RUN]")
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a finished run's timeline in other formats."""
    from seqcls.exports import export as write
    from seqcls.exports import formats_of, read_run

    kinds = formats_of(to)
    journal = _journal_at(folder) if folder.is_dir() else None
    if journal is not None:
        news = f"{journal} is newer than the timeline beside it: `{_remedy(folder)}` brings that up to date"
        if not (folder / "timeline.json").exists():
            raise DataError(news)
        console.warn(news)
    with console.progress("reading scores.csv", None) as advance:
        timeline = read_run(folder, advance)
    folder = folder if folder.is_dir() else folder.parent
    for path in write(timeline, folder if output is None else output, kinds, overwrite=overwrite):
        print(path)  # noqa: T201  # the result of this command is the path


def replay(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `seqcls run` wrote, or a journal.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Write the new timeline there. [default: only show it]"),
    ] = None,
    smoothing: options.Smoothing = None,
    window: options.Window = None,
    look_ahead: options.LookAhead = None,
    time_constant: options.TimeConstant = None,
    dwell: options.Dwell = None,
    onset: options.Onset = None,
    offset: options.Offset = None,
    min_present: options.MinPresent = None,
    min_absent: options.MinAbsent = None,
    pad: options.Pad = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Smooth and find intervals again, from a run's kept scores, with other options; needs no model and no clip.

    Takes a journal too, also that of a run that crashed or still goes on (exit code 3).
    """
    if output is not None and (output / "timeline.json").exists() and not overwrite:
        raise OutputError(f"{output} already holds a run: add --overwrite, or choose another folder with -o")
    journal = _journal_at(folder)
    again = _from_folder(folder) if journal is None else _from_journal(journal)
    after = again(
        lambda used: options.changed_smoothing(used, smoothing, window, look_ahead, time_constant, dwell),
        lambda used: options.changed_intervals(used, onset, offset, min_present, min_absent, pad),
    )
    _show_and_write(after, output)
    if journal is not None and after.report.verdict in ("truncated", "damaged"):
        raise typer.Exit(3)


def _remedy(folder: Path) -> str:
    return f"seqcls replay '{folder}' -o '{folder}' --overwrite"


def _journal_at(path: Path) -> Path | None:
    """The journal that is meant; a folder's own counts only where the run did not get to write its timeline: there is
    none, or one that is older, of before the run was resumed."""
    from seqcls.journal import JOURNAL_NAME

    if path.is_dir():
        inside, timeline = path / JOURNAL_NAME, path / "timeline.json"
        if not inside.is_file():
            return None
        newer = not timeline.exists() or inside.stat().st_mtime_ns > timeline.stat().st_mtime_ns
        return inside if newer else None
    return path if path.is_file() and path.suffix.lower() != ".json" else None


def _from_folder(folder: Path) -> Again:
    from seqcls.exports import read_run
    from seqcls.postprocess import replay as replay_run

    with console.progress("reading scores.csv", None) as advance:
        before = read_run(folder, advance)
    used = before.provenance
    return lambda smoother, finder: replay_run(before, smoother(used.smoothing), finder(used.intervals))


def _from_journal(path: Path) -> Again:
    journal, recorded = read_with_progress(path)
    used = journal.opening.provenance
    return lambda smoother, finder: recorded.timeline(journal, smoother(used.smoothing), finder(used.intervals))


def write_from_journal(path: Path, folder: Path) -> Timeline:
    """What a live run ends with: all that its folder holds, made from its journal."""
    try:
        journal, recorded = read_with_progress(path)
        timeline = recorded.timeline(journal)
        write_with_progress(timeline, folder)
    except KeyboardInterrupt:
        console.say(f"nothing is lost: {path} is whole, and `{_remedy(folder)}` makes the rest from it")
        raise
    return timeline


def read_with_progress(path: Path) -> tuple[Journal, Recorded]:
    """A journal: that of a day takes a while."""
    from seqcls.journal import read_recorded

    with console.progress(f"reading {path.name}", path.stat().st_size >> 20, "MiB") as advance:
        return read_recorded(path, lambda done, size: advance(done >> 20))


def write_with_progress(timeline: Timeline, folder: Path) -> None:
    """All that a run's folder holds but the journal."""
    from seqcls.exports import write_run
    from seqcls.exports.timeline_png import write_picture

    with console.progress(f"writing {folder}", len(timeline.scores.index)) as advance:
        write_run(timeline, folder, advance)
        write_picture(timeline, folder / "timeline.png")


def _show_and_write(timeline: Timeline, output: Path | None) -> None:
    show.show_timeline(console.results(), timeline)
    if output is not None:
        write_with_progress(timeline, output)
        console.say(f"wrote {output}")
