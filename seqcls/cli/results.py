"""`seqcls replay` and `seqcls export`: what can be done with a finished run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options, tables
from seqcls.cli.failures import Failures
from seqcls.cli.live_recordings import tell_recordings
from seqcls.cli.options import INTERVALS, OUTPUT
from seqcls.cli.output_folders import require_not_of_many
from seqcls.errors import DataError, UsageError
from seqcls.files.output_lock import is_being_written, only_writer
from seqcls.text.foreign_text import for_terminal
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.exports.formats import Format
    from seqcls.intervals import IntervalOptions
    from seqcls.journal import Journal
    from seqcls.pseudonyms import Pseudonyms
    from seqcls.smoothing import SmoothingOptions
    from seqcls.timeline import Provenance, Timeline
    from seqcls.timemap import TimeMap

#: Of so many runs each is shown on the terminal.
MAX_SHOWN = 20
#: Those of ``exports.formats``, which a test compares; to import that takes longer than the help may.
FORMATS = (
    "csv", "tsv", "json", "jsonl", "parquet", "wide", "vtt", "srt", "audacity", "mstcn", "otio", "edl", "fcp-xml",
    "dicom-sr", "dicom-picture",
    "boris", "boris-tsv", "elan", "label-studio", "label-studio-annotations", "cvat", "fiftyone",
)  # fmt: skip


def export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `seqcls run` wrote, or one with many.")],
    to: Annotated[
        str | None, OUTPUT("FORMATS", f"{', '.join(FORMATS)}; several are separated by commas.", "--to")
    ] = None,
    output: Annotated[
        Path | None,
        OUTPUT("FILE|DIR", "A file, whose suffix chooses the format, or a folder. Default: RUN.", "-o", "--output"),
    ] = None,
    clip: Annotated[
        Path | None,
        OUTPUT("FILE", "The clip, or its proxy, by whose name others look for it. Default: as RUN names it.", "--clip"),
    ] = None,
    timebase: Annotated[
        str | None, OUTPUT("source|proxy", "Whose times and frames; with --timemap the proxy's.", "--timebase")
    ] = None,
    timemap: Annotated[
        Path | None, OUTPUT("FILE", "The timemap.csv that `seqcls proxy` wrote beside the proxy.", "--timemap")
    ] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a finished run's timeline in other formats; without --to and -o FILE as WebVTT.

    Of a folder with several runs, each is written into its own, or into a folder of its name below -o DIR.
    """
    from seqcls.exports.formats import DEFAULT, export_places

    names = options.pseudonyms(hash_names, [] if clip is None else [clip], [folder, output])
    require_finished(folder)
    times = _time_map(timebase, timemap)
    target = output if output is not None else folder if folder.is_dir() else folder.parent
    places = export_places(target, to)
    if names is not None and clip is not None and any(kind.takes_clip for kind in places):
        raise UsageError("dicom-sr and dicom-picture take the patient from --clip; leave --clip or --hash-names out")
    there = [path.name for path in places.values() if path.name in ("intervals.csv", "timeline.json")]
    if output is None and there and not overwrite:
        raise UsageError(f"a run has {' and '.join(there)} already, which its folder holds; name another place with -o")
    runs, unread = _runs_at(folder, names)
    if runs in ([], [folder]) and not unread:
        _export(folder, target, places, clip, times, names, overwrite=overwrite)
        return
    if clip is not None or times is not None:
        raise UsageError(
            f"--clip and --timemap are for one run, such as {runs[0]}; leave them out for a folder of runs"
        )
    if target in places.values():
        raise UsageError(
            f"{target} is one file, for the {count_of(len(runs), 'run')} of a folder: name one, such as {runs[0]}, or a"
            " folder with -o, and --to"
        )
    work = []
    is_inside = target.resolve() != folder.resolve() and target.resolve().is_relative_to(folder.resolve())
    if is_inside and any(path.name == "timeline.json" for path in places.values()):
        raise UsageError(f"{target} lies in {folder}, whose runs it would double; name another folder with -o")
    if output is None or is_same_place(output, folder):
        require_named_by_nobody(folder, runs, names)
    for run in runs:
        own = target / place_of(run, folder, names)
        work.append((run, own, {kind: own / path.name for kind, path in export_places(target, to or DEFAULT).items()}))
    options.check_outputs(*(path for _, _, own in work for path in own.values()), overwrite=overwrite)
    failures = Failures()
    for run, own, inside in work:
        with failures.reported():
            _export(run, own, inside, None, None, names, overwrite=overwrite)
    failed = failures.count + unread
    console.notify(f"{count_of(len(runs) - failures.count, 'run')} exported, {failed} failed")
    tell_shortfall(folder, runs)
    if failed:
        raise typer.Exit(1)


def _export(
    folder: Path,
    target: Path,
    places: Mapping[Format, Path],
    clip: Path | None,
    times: TimeMap | None,
    names: Pseudonyms | None,
    *,
    overwrite: bool,
) -> None:
    """One run, into ``target``: a folder, or the one file of ``places``."""
    from seqcls.exports.formats import write_formats
    from seqcls.exports.timebase import of_media
    from seqcls.rendering.same_clip import is_same_file

    journal = _journal_at(folder) if folder.is_dir() else None
    stale = "" if journal is None else f"{journal} is newer than the timeline beside it: {_how_to_finish(journal)}"
    with only_writer(target, is_folder=target not in places.values()):
        options.check_outputs(*places.values(), overwrite=overwrite)
        if target not in places.values():
            require_not_of_many(target)
        if stale:
            console.warn(stale)
        run = read_run_with_progress(folder)
        if names is not None:
            names.remember_timeline(run)
        if clip is not None and times is None and is_same_file(run, clip) is False:
            console.warn(f"{clip.name} is another file than the clip of this run; the times are those of the run's")
        timeline = console.timeline_in_flags(_hashed(of_media(run, clip, times), names))
        for path in write_formats(timeline, places, clip=clip, overwrite=overwrite):
            print(for_terminal(str(path)))  # noqa: T201  # the result of this command is the path


def _time_map(timebase: str | None, path: Path | None) -> TimeMap | None:
    """The map to the proxy's times; None for the source's."""
    from seqcls.timemap import TimeMap

    if timebase == "source" and path is not None:
        raise UsageError("--timemap is for --timebase proxy; leave one of them out")
    if timebase == "proxy" and path is None:
        raise UsageError("--timebase proxy needs --timemap FILE, the timemap.csv that `seqcls proxy` wrote")
    return None if path is None else TimeMap.read(path)


def replay(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder that `seqcls run` wrote, one with many, or a journal.")
    ],
    smoothing: options.Smoothing = None,
    onset: options.Onset = None,
    offset: options.Offset = None,
    min_present: options.MinPresent = None,
    min_absent: options.MinAbsent = None,
    pad: options.Pad = None,
    novelty: Annotated[
        bool | None,
        INTERVALS(
            "",
            "Whether frames unlike the model's training are unknown. Default: as in the run.",
            "--novelty/--no-novelty",
        ),
    ] = None,
    where: options.Where = None,
    output: Annotated[Path | None, OUTPUT("DIR", "Default: it is only shown.", "-o", "--output")] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Smooth and find intervals again, from a run's scores, with other options; needs no model and no clip.

    Of a folder with several runs, each is replayed, into a folder of its name below -o DIR.
    Takes a journal too, also that of a run that crashed or still goes on. The
    exit code is 3 where the run's input was truncated or damaged, as that of `run`.
    """
    from seqcls.algebra.where import where as add_organs
    from seqcls.intervals import IntervalOptions
    from seqcls.smoothing import SmoothingOptions

    stated = {"onset": onset, "offset": offset, "min_present_s": min_present, "min_absent_s": min_absent, "pad_s": pad}

    def asked(used: Provenance) -> tuple[SmoothingOptions, tuple[IntervalOptions, ...]]:
        changed = options.changed_smoothing(used.smoothing, smoothing)
        return changed, options.changed_intervals(used.intervals, **stated)

    # What is wrong whatever the run was made with is refused before its scores are read: that of a day takes a while.
    options.changed_intervals((IntervalOptions(onset=1.0, offset=0.0),), **stated)
    if smoothing is not None and "=" not in smoothing.partition(",")[0]:
        options.changed_smoothing(SmoothingOptions(window_s=3600.0), smoothing)
    names = options.pseudonyms(hash_names, [], [folder, output])

    def replayed(place: Path, target: Path | None, *, shows: bool) -> Timeline:
        """One run again, into ``target`` where there is one."""
        journal = _journal_at(place)
        if journal is None:
            from seqcls.reprocess import replay as replay_run

            before = read_run_with_progress(place)
            timeline = replay_run(before, *asked(before.provenance), novelty)
        else:
            recorded = read_with_progress(journal)
            timeline = recorded.timeline(*asked(recorded.opening.provenance), novelty)
        timeline = console.timeline_in_flags(_hashed(add_organs(timeline, *where or ()), names))
        if shows:
            tables.show_timeline(console.results(), timeline)
            tell_recordings(timeline.provenance.videos, place if place.is_dir() else place.parent)
        if target is not None:
            write_with_progress(timeline, target)
        return timeline

    runs, unread = _runs_at(folder, names) if folder.is_dir() and _journal_at(folder) is None else ([], 0)
    with only_writer(output, is_folder=True):
        if runs in ([], [folder]) and not unread:
            if output is not None:
                require_not_of_many(output)
                options.check_outputs(output / "timeline.json", overwrite=overwrite)
            verdicts = [replayed(folder, output, shows=True).report.verdict]
            failed = 0
        else:
            if output is not None and output.resolve().is_relative_to(folder.resolve()):
                raise UsageError(f"{output} lies in {folder}, whose runs it would double; name another folder with -o")
            places = [(run, None if output is None else output / place_of(run, folder, names)) for run in runs]
            options.check_outputs(*(own / "timeline.json" for _, own in places if own is not None), overwrite=overwrite)
            failures, verdicts = Failures(), []
            for run, own in places:
                with failures.reported():
                    verdicts.append(replayed(run, own, shows=len(runs) <= MAX_SHOWN).report.verdict)
            failed = failures.count + unread
            console.notify(f"{count_of(len(runs) - failures.count, 'run')} replayed, {failed} failed")
            tell_shortfall(folder, runs)
    console.notify("nothing was written: add -o DIR to keep this timeline" if output is None else f"wrote {output}")
    if failed:
        raise typer.Exit(1)
    if any(verdict in ("truncated", "damaged") for verdict in verdicts):
        raise typer.Exit(3)


def _runs_at(folder: Path, names: Pseudonyms | None) -> tuple[list[Path], int]:
    """As ``runs_in``; what they are called is hidden from now on. And how many folders cannot be read, which is said.

    Raises DataError for a folder of many clips of which none has a timeline yet.
    """
    from seqcls.exports.run_folders import holds_many, runs_in

    unread: dict[Path, str] = {}
    runs = runs_in(folder, unread.__setitem__)
    if not runs and not unread and holds_many(folder):
        raise DataError(f"no clip of {folder} has a timeline: summary.csv there says why")
    hide_runs(names, folder, [*runs, *unread])
    tell_unread(unread, names)
    if unread and not runs:
        raise DataError(f"{folder} has no run that can be read")
    return runs, len(unread)


def tell_unread(unread: Mapping[Path, str], names: Pseudonyms | None) -> None:
    """Folders in which there may be runs, and that cannot be read, each with the reason."""
    for folder, why in unread.items():
        text = f"{folder} cannot be read: {why}"
        console.fail(text if names is None else names.hide(text))


def hide_runs(names: Pseudonyms | None, folder: Path, runs: Sequence[Path]) -> None:
    """Folders of runs are called as the clips."""
    if names is not None:
        names.remember(*(run.relative_to(folder) for run in runs if run != folder))


def place_of(run: Path, folder: Path, names: Pseudonyms | None) -> Path:
    """Where something is written of a run of many, below another folder: by its own name, which is the clip's, or
    under a pseudonym."""
    relative = run.relative_to(folder)
    return relative if names is None else Path(names.path(str(relative)))


def is_same_place(place: Path, folder: Path) -> bool:
    return place.exists() and folder.exists() and place.samefile(folder)


def require_named_by_nobody(folder: Path, runs: Sequence[Path], names: Pseudonyms | None) -> None:
    """Raise UsageError where what is written into the runs' own folders would be named by the clips after all."""
    if names is not None and any(place_of(run, folder, names) != run.relative_to(folder) for run in runs):
        raise UsageError(f"the folders in {folder} have the names of clips: name another place with -o")


def tell_shortfall(folder: Path, runs: Sequence[Path]) -> None:
    """Of a run of many clips: those of which nothing could be done, as they have no timeline."""
    from seqcls.archive.shortfall import shortfall

    if lacking := str(shortfall(folder, runs)):
        console.warn(f"besides these {lacking}: summary.csv says why")


def remedy(folder: Path) -> str:
    return f"seqcls replay '{folder}' -o '{folder}' --overwrite"


def require_finished(*places: Path) -> None:
    """Raise DataError for the folder of a live run that has not written its timeline, with what to do: one that still
    goes on has to end first."""
    from seqcls.exports.run_folders import runs_in

    for place in places:
        if place.is_dir() and (journal := _journal_at(place)) is not None and not runs_in(place):
            raise DataError(f"{place} holds a journal and no timeline yet: {_how_to_finish(journal)}")


def _how_to_finish(journal: Path) -> str:
    """What makes the timeline of a live run, or brings it up to date."""
    folder = journal.parent
    if is_being_written(folder):
        return f"its run still goes on; `seqcls replay '{folder}'` shows the timeline so far, its end writes it"
    return f"`{remedy(folder)}` makes it from the journal"


def _journal_at(path: Path) -> Path | None:
    """The journal to read, or None. A folder's own is read only where its timeline is missing, or older because the run
    was resumed."""
    from seqcls.exports.run_folders import holds_many
    from seqcls.journal import JOURNAL_NAME

    if path.is_dir():
        inside, timeline = path / JOURNAL_NAME, path / "timeline.json"
        if not inside.is_file() or holds_many(path):
            return None
        newer = not timeline.exists() or inside.stat().st_mtime_ns > timeline.stat().st_mtime_ns
        return inside if newer else None
    return path if path.is_file() and path.suffix.lower() != ".json" else None


def _hashed(timeline: Timeline, names: Pseudonyms | None) -> Timeline:
    """The timeline under pseudonyms, whose clip is not shown by its name from now on; as it is without ``names``."""
    if names is None:
        return timeline
    names.remember_timeline(timeline)
    return names.timeline(timeline)


def read_run_with_progress(folder: Path) -> Timeline:
    from seqcls.exports import read_run

    with console.progress("reading scores.csv", None) as advance:
        return read_run(folder, advance)


def write_from_journal(
    path: Path, folder: Path, expressions: Sequence[str] = (), show: Callable[[Timeline], None] = lambda timeline: None
) -> Timeline:
    """What a live run ends with: all that its folder holds, made from its journal; ``expressions`` as for ``where``.
    ``show`` gets the timeline before it is written: the disk may not take it."""
    from seqcls.algebra.where import where

    try:
        timeline = console.timeline_in_flags(where(read_with_progress(path).timeline(), *expressions))
        show(timeline)
        write_with_progress(timeline, folder)
    except KeyboardInterrupt:
        again = remedy(folder)
        raise KeyboardInterrupt(f"interrupted; {path} is complete: `{again}` writes the other files from it") from None
    return timeline


def read_with_progress(path: Path) -> Journal:
    """A journal: that of a day takes a while."""
    from seqcls.journal import read_journal

    with console.progress(f"reading {path.name}", path.stat().st_size >> 20, "MiB") as advance:
        return read_journal(path, lambda done, size: advance(done >> 20))


def write_with_progress(timeline: Timeline, folder: Path) -> None:
    """All that a run's folder holds but the journal."""
    from seqcls.exports import write_run
    from seqcls.exports.timeline_png import write_picture

    with console.progress(f"writing {folder}", len(timeline.scores.index)) as advance:
        write_run(timeline, folder, advance, overwrite=True)  # whether that is wanted was asked before
        write_picture(timeline, folder / "timeline.png")
