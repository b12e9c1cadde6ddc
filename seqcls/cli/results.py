"""`seqcls export` and `seqcls replay`: what can be done with a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqcls.cli import console, run, show
from seqcls.errors import OutputError, UsageError

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `seqcls run` wrote.")]


def export(
    folder: Run,
    to: Annotated[str, typer.Option("--to", help="Formats, comma-separated: csv, json, vtt, srt.")] = "vtt",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Where to. [default: RUN]")
    ] = None,
    overwrite: run.Overwrite = False,
) -> None:
    """Write a finished run's timeline in other formats."""
    from seqcls.exports import WRITERS, read_run
    from seqcls.exports import export as write

    kinds = [kind.strip().lower() for kind in to.split(",") if kind.strip()]
    unknown = [kind for kind in kinds if kind not in WRITERS]
    if unknown or not kinds:
        raise UsageError(f"cannot export to {', '.join(unknown) or 'nothing'}: choose from {', '.join(WRITERS)}")
    timeline = read_run(folder)
    folder = folder if folder.is_dir() else folder.parent
    target = folder if output is None else output
    names = {"csv": "intervals.csv"}
    paths = {kind: target / names.get(kind, f"timeline.{kind}") for kind in kinds}
    for path in paths.values():
        if path.exists() and not overwrite:
            raise OutputError(f"{path} is there already: add --overwrite, or choose another folder with -o")
    for kind, path in paths.items():
        write(timeline, path, kind)
        print(path)  # noqa: T201  # the result of this command is the path


def replay(
    folder: Run,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Write the new timeline there. [default: only show it]"),
    ] = None,
    smoothing: run.Smoothing = None,
    window: run.Window = None,
    look_ahead: run.LookAhead = None,
    time_constant: run.TimeConstant = None,
    dwell: run.Dwell = None,
    onset: run.Onset = None,
    offset: run.Offset = None,
    min_present: run.MinPresent = None,
    min_absent: run.MinAbsent = None,
    pad: run.Pad = None,
    overwrite: run.Overwrite = False,
) -> None:
    """Smooth and find intervals again, from a run's kept scores, with other options; needs no model and no clip."""
    from seqcls.exports import read_run, write_run
    from seqcls.intervals import IntervalOptions
    from seqcls.postprocess import replay as replay_run
    from seqcls.report.picture import write_picture
    from seqcls.smoothing import SmoothingOptions

    before = read_run(folder)
    if output is not None and (output / "timeline.json").exists() and not overwrite:
        raise OutputError(f"{output} already holds a run: add --overwrite, or choose another folder with -o")
    used = before.provenance
    after = replay_run(
        before,
        run.changed_smoothing(
            SmoothingOptions(**used["smoothing"]), smoothing, window, look_ahead, time_constant, dwell
        ),
        run.changed_intervals(
            [IntervalOptions(**used["intervals"][organ]) for organ in before.organs],
            onset,
            offset,
            min_present,
            min_absent,
            pad,
        ),
    )
    show.show_timeline(console.results(), after)
    if output is not None:
        write_run(after, output)
        write_picture(after, output / "timeline.png")
        console.say(f"wrote {output}")
