"""What `seqcls run` does with many clips: what is there already stays, what is missing is done, one clip at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcls.cli import console, tables
from seqcls.cli.report import NAME as REPORT
from seqcls.cli.results import MAX_SHOWN
from seqcls.cli.run_clips import AHEAD, ClipRun, clip_timeline, picture_timelines, started
from seqcls.cli.second_reading import FinishedClip
from seqcls.errors import OutputError, SeqclsError, SourceError, UsageError, one_line
from seqcls.files.without_folders import without_folders
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.archive.attempts import AttemptLog, Pass
    from seqcls.archive.manifest import Entry, Manifest, Unit
    from seqcls.archive.shard import Shard
    from seqcls.cli.workers import ClusterOptions
    from seqcls.detector import Analysis
    from seqcls.sources.found import Findings, FoundSource
    from seqcls.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOptions:
    """What can be asked of a run of many clips. Raises UsageError for what cannot be."""

    verify: bool = False
    """Whether results that are there are read again, and made anew where that fails."""
    retry: bool = False
    """Whether clips that failed twice before are tried again."""
    max_errors: int | None = None
    """After so many clips that fail the rest is left."""
    shard: Shard | None = None
    """Which part of the clips is done here; None for all."""
    cluster: ClusterOptions | None = None
    """Where the work is done; None for this process."""

    def __post_init__(self) -> None:
        if self.max_errors is not None and self.max_errors < 1:
            raise UsageError(f"--max-errors takes a number from 1 on, not {self.max_errors}")

    def refuse_for_one(self) -> None:
        """Raise UsageError where something was asked for that only many clips have."""
        for flag, asked in (
            ("verify", self.verify),
            ("retry", self.retry),
            ("max-errors", self.max_errors is not None),
            ("shard", self.shard is not None),
            ("workers", self.cluster is not None),
        ):
            if asked:
                raise UsageError(f"--{flag} is for several clips; leave it out, or name a folder, a pattern or @LIST")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done, and what is not."""

    todo: list[Unit]
    last: list[Unit]
    """Clips that a program was reading when it died."""
    replaces: set[str]
    """Of which clips the results that are there may be replaced."""
    changed: dict[str, str]
    """Clips that cannot be done, each with the reason."""
    done: int
    set_aside: int


def is_archive(output: Path | None, found: Findings) -> bool:
    """Whether a run is one of many clips: there are several, or the folder holds such a run already."""
    from seqcls.archive.manifest import MANIFEST

    return len(found.sources) > 1 or (output is not None and bool(found.sources) and (output / MANIFEST).is_file())


def result_options(run: ClipRun, model: Path, *, precision: str, exact: bool, each: bool | None) -> dict[str, Any]:
    """What besides the clips decides the results, by what a person calls it. The engine may be another, as for a live
    run that goes on."""
    from seqcls.journal.same_run import layouts_digest
    from seqcls.models.digest import scoring_digest

    used, header = run.detector, run.detector.header
    return {
        "model": scoring_digest(model, header),
        "organs": list(used.organs),
        "precision": precision,
        "--exact": exact,
        "smoothing": asdict(used.smoothing),
        "thresholds or durations": [asdict(one) for one in used.intervals],
        "gate": asdict(used.gate),
        "novelty": used.uses_novelty,
        "sampling": asdict(used.sampling),
        "region": [asdict(replace(header.geometry, layouts=())), layouts_digest(header.geometry)],
        "--fps": run.rate_hz,
        "--each": each,
        "--where": list(run.expressions),
        "overlay or cuts": [run.again.overlay, run.again.shows_names, run.again.cut],
        "key for names": "" if run.names is None else run.names.of("of which key"),
    }


def run_archive(run: ClipRun, found: Findings, options: dict[str, Any], asked: ArchiveOptions) -> int:
    """Do what is missing of the clips. Returns the exit code.

    ``options``: what besides the clips decides the results. Raises OutputError where another run's results are there,
    and where nothing can be written.
    """
    from seqcls.archive.attempts import AttemptLog, Driver
    from seqcls.archive.manifest import listed, with_earlier, write_manifest
    from seqcls.archive.summary import write_summary

    root = run.root
    sources = _outside_of_results(root, found)
    before = _manifest_before(run, options)
    named = sources if run.names is None else [run.names.source(each) for each in sources]
    with console.progress("looking at clips", len(sources), "clips") as advance:
        units = listed(sources, named, before, on_clip=advance)
    units = units if run.overwrite else _known_by_other_names(root, units, before)
    manifest = _empty(options) if before is None or before.differences(options) else before
    manifest = replace(manifest, entries=with_earlier(units, before))
    _sweep(root, manifest.entries)
    with closing(AttemptLog(root)) as log:
        own = [unit for unit in units if asked.shard is None or asked.shard.takes(unit.entry.path)]
        plan = _planned(run, own, manifest, log, asked)
        # Every part looks at the screens of all: else its clips would be cut out otherwise than in one run.
        shown = [*plan.todo, *plan.last] if asked.shard is None else [one for one in units if not one.entry.same_as]
        run, manifest = _with_layouts(run, shown, manifest, before)
        write_manifest(root, manifest)
        same = sum(bool(unit.entry.same_as) for unit in own)
        _tell(plan, len(own), same, asked.shard)
        work = _Work(run, manifest, plan)
        with (
            console.stops_cleanly() as should_stop,
            console.files_progress(len(plan.todo) + len(plan.last)) as progress,
        ):
            shows = len(own) <= MAX_SHOWN

            def ended(unit: Unit, error: SeqclsError | None) -> None:
                progress.one_more()
                if error is not None:
                    with progress.printing():
                        console.fail(str(error) if unit.source.remote is None else _words(run, unit, error))

            def began() -> None:  # not before: the engine is opened while the first clips are read
                with progress.printing():
                    console.notify(f"engine {run.detector.engine.description}")

            work = replace(
                work,
                should_stop=should_stop,
                began=began,
                show=partial(_show, progress.printing) if shows else _nothing,
            )
            with _passes(work, asked.cluster) as (first, second):
                driver = Driver(
                    first=first,
                    second=second,
                    log=log,
                    run=manifest.run,
                    words=partial(_words, run),
                    is_to_blame=_is_to_blame,
                    on_end=ended,
                    should_stop=should_stop,
                    max_errors=asked.max_errors,
                )
                outcome = driver.drive(plan.todo, plan.last)
            interrupted = should_stop()
        failed = {path: one.reason for path, one in log.failed.items()} | plan.changed
        left = {"not_reached": "skipped", "reason": f"not run: {outcome.failed} clips failed before (--max-errors)"}
        entries = [one for one in manifest.entries if asked.shard is None or asked.shard.takes(one.path)]
        ours = replace(manifest, entries=tuple(entries))
        shown_now = {unit.entry.path for unit in own}
        counts = write_summary(root, ours, failed, asked=shown_now, **(left if outcome.stopped_by_errors else {}))
    if run.pages is not None:
        _write_index(run, ours, failed)
    done = sum(counts[status] for status in ("done", "truncated", "damaged"))
    console.notify(f"{done} of {len(entries)} done, {counts['failed']} failed{tables.run_facts(counts)}; {root}")
    if interrupted:
        return 130
    if counts["failed"] or found.aside.unread or outcome.stopped_by_errors:
        return 1
    return 3 if counts["truncated"] or counts["damaged"] else 0


# ---- before the work


def _manifest_before(run: ClipRun, options: dict[str, Any]) -> Manifest | None:
    """Of the run that goes on; None where there is none. Raises OutputError where there is another."""
    from seqcls.archive.manifest import read_manifest
    from seqcls.archive.summary import INTERVALS, SUMMARY

    try:
        before = read_manifest(run.root)
    except OutputError:
        if not run.overwrite:
            raise
        return None
    if run.overwrite:
        return before
    if before is None:
        for name in (INTERVALS, SUMMARY, *([REPORT] * (run.pages is not None))):
            if (run.root / name).exists():
                raise OutputError(f"{run.root / name} is there already: add overwrite=True, or choose another place")
        return None
    if other := before.differences(options):
        raise OutputError(
            f"{run.root} holds results of another run (another {', '.join(other)}): add overwrite=True to make them"
            " anew, or choose another place"
        )
    return before


def _empty(options: dict[str, Any]) -> Manifest:
    from seqcls.archive.manifest import Manifest

    return Manifest(options=options)


def _outside_of_results(root: Path, found: Findings) -> list[FoundSource]:
    """Without clips that an earlier run has made: the output may lie inside of the input."""
    from seqcls.archive.commit import COMMIT

    place = root.resolve()
    committed: dict[Path, bool] = {}

    def is_result(folder: Path) -> bool:
        if folder == place or not folder.is_relative_to(place):
            return False
        if folder not in committed:
            committed[folder] = (folder / COMMIT).is_file() or is_result(folder.parent)
        return committed[folder]

    kept = []
    parents: dict[Path, Path] = {}
    for source in found.sources:
        parent = Path(source.spec).parent
        if parent not in parents:
            parents[parent] = parent.resolve()
        if not is_result(parents[parent]):
            kept.append(source)
    return kept


def _known_by_other_names(root: Path, units: Sequence[Unit], before: Manifest | None) -> list[Unit]:
    """A clip's path is as short as tells it from the others, so more clips may make it longer: what was done under the
    shorter one stands for it, and nothing is done or counted twice."""
    from seqcls.archive.commit import read_commit

    known = {} if before is None else {entry.path: entry for entry in before.entries}
    asked = {unit.entry.path for unit in units}
    gone = {(one.content, one.stamp): one for one in known.values() if one.path not in asked and not one.same_as}
    found = []
    for unit in units:
        entry, own = unit.entry, known.get(unit.entry.path)
        other = gone.get((entry.content, entry.stamp)) if entry.content and entry.stamp and not entry.same_as else None
        if other is not None and (own is None or own.same_as):
            commit = read_commit(root / other.folder)
            if commit is not None and commit.is_whole and commit.content == entry.content:
                unit = replace(unit, entry=replace(entry, same_as=other.path))
        found.append(unit)
    return found


def _sweep(root: Path, entries: Sequence[Entry]) -> None:
    """What a killed run left; a folder that it was about to replace comes back."""
    from seqcls.files.temporaries import sweep

    for folder in {(root / entry.folder).parent for entry in entries}:
        sweep(folder)


def _planned(run: ClipRun, units: Sequence[Unit], manifest: Manifest, log: AttemptLog, asked: ArchiveOptions) -> _Plan:
    """Raises OutputError where results of another kind stand in the place of a clip's."""
    from seqcls.archive.commit import fault_of, is_run, read_commit

    plan, runs = _Plan([], [], set(), {}, 0, 0), manifest.runs
    done = set_aside = 0
    with console.progress("reading results", len(units), "clips") if asked.verify else nullcontext(_nothing) as advance:
        for number, unit in enumerate(units, 1):
            entry, folder = unit.entry, run.root / unit.entry.folder
            if entry.same_as:
                continue
            commit = read_commit(folder)
            if run.overwrite:
                plan.replaces.add(entry.path)
            elif commit is None:
                if is_run(folder) and not (folder / "clip.json").exists():
                    raise OutputError(f"{folder} holds a run already: add overwrite=True, or choose another place")
                plan.replaces.add(entry.path)
            elif commit.run not in runs or not commit.is_whole:
                plan.replaces.add(entry.path)
            elif commit.content != entry.content or commit.path != entry.path:
                if entry.content:
                    plan.changed[entry.path] = why = (
                        f"has changed since its results were written: delete {entry.folder}/ in the output, or add"
                        " --overwrite"
                    )
                    console.fail(f"{entry.path}: {why}")
                else:  # it cannot be read now, but was: its results stand
                    done += 1
                continue
            elif asked.verify and (fault := fault_of(folder, commit)):
                console.warn(f"{entry.path}: {fault}; it is done again")
                plan.replaces.add(entry.path)
            else:
                done += 1
                advance(number)
                continue
            if log.is_set_aside(entry, runs) and not asked.retry and not run.overwrite:
                set_aside += 1
                console.fail(
                    f"{entry.path}: failed twice before ({log.failed[entry.path].reason}); --retry tries it again"
                )
            else:
                (plan.last if entry.path in log.died else plan.todo).append(unit)
            advance(number)
    return replace(plan, done=done, set_aside=set_aside)


def _tell(plan: _Plan, clips: int, same: int, shard: Shard | None) -> None:
    facts = (
        (plan.done, "done already"),
        (same, "that hold the same as others"),
        (plan.set_aside, "that failed before"),
        (len(plan.last), "that a program was reading when it ended"),
    )
    shown = "".join(f", {count} {what}" for count, what in facts if count)
    if shown or shard is not None:
        part = "" if shard is None else f" in part {shard}"
        console.notify(f"{count_of(clips, 'clip')}{part}: {len(plan.todo) + len(plan.last)} to do{shown}")


def _with_layouts(
    run: ClipRun, units: Sequence[Unit], manifest: Manifest, before: Manifest | None
) -> tuple[ClipRun, Manifest]:
    """With the screens that several of the clips share: those of before stay, new clips may add some."""
    from seqcls.geometry.layout import is_like
    from seqcls.layouts import find_layouts

    known = set() if before is None or not manifest.known else {entry.path for entry in before.entries}
    geometry = run.detector.header.geometry
    geometry = replace(geometry, layouts=(*geometry.layouts, *manifest.layouts))
    fresh = [unit for unit in units if unit.entry.path not in known and not unit.source.unrelated]
    if fresh or not manifest.known:
        found = find_layouts([partial(run.open, unit.source) for unit in fresh], geometry)
        found = tuple(one for one in found if not any(is_like(one, old) for old in manifest.layouts))
        manifest = manifest.with_layouts(found)
        geometry = replace(geometry, layouts=(*geometry.layouts, *found))
    detector = run.detector
    return replace(run, detector=replace(detector, header=replace(detector.header, geometry=geometry))), manifest


# ---- the work on one clip


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Work:
    """From clips to committed results."""

    run: ClipRun
    manifest: Manifest
    plan: _Plan
    should_stop: Callable[[], bool] = bool
    show: Callable[[FoundSource, list[Timeline]], None] = _nothing
    began: Callable[[], None] = _nothing
    """Called before the first clip is scored."""

    def many(self, units: Iterator[Unit]) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
        """The next clips are read while one is scored."""
        return self._each(self.run, units, AHEAD)

    def one(self, unit: Unit) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
        """A single clip, with nothing read meanwhile."""
        return self._each(self.run, iter([unit]), 0)

    def alone(self, units: Iterator[Unit]) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
        """Nothing else is read meanwhile, and by a process that is new and bounded."""
        from seqcls.sources.isolated import DecoderPool

        with closing(DecoderPool()) as pool:
            yield from self._each(replace(self.run, pool=pool), units, 0)

    def _each(
        self, run: ClipRun, units: Iterator[Unit], ahead: int
    ) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
        by_source: dict[int, Unit] = {}

        def sources() -> Iterator[FoundSource]:
            for unit in units:
                by_source[id(unit.source)] = unit
                yield unit.source

        with closing(started(run, sources(), self.should_stop, ahead)) as running:
            for number, (source, analysis) in enumerate(running):
                if number == 0 and ahead:
                    self.began()
                unit = by_source.pop(id(source))
                yield unit, self._done(run, unit, analysis)

    def _done(self, run: ClipRun, unit: Unit, analysis: Analysis | SeqclsError | None) -> SeqclsError | None:
        """The error that the clip ended with. Raises OutputError where nothing can be written."""
        from seqcls.files.output_lock import OutputBusyError

        try:
            timelines = self._commit(run, unit, analysis)
        except OutputBusyError as error:
            return error
        except OutputError:
            raise
        except SeqclsError as error:
            return error
        except Exception as error:
            what = f"{type(error).__name__}: {one_line(error)}"
            return SourceError(f"{unit.entry.path}: failed ({what}); please report this with what led to it")
        self.show(unit.source, timelines)
        return None

    def _commit(self, run: ClipRun, unit: Unit, analysis: Analysis | SeqclsError | None) -> list[Timeline]:
        from seqcls.archive.commit import commit_of, committed, seal
        from seqcls.exports import write_intervals_csv, write_pictures, write_run
        from seqcls.exports.timeline_png import write_picture

        entry, folder = unit.entry, run.root / unit.entry.folder
        is_clip = analysis is not None
        if isinstance(analysis, SeqclsError):
            raise analysis
        with committed(folder, replaces=lambda: entry.path in self.plan.replaces) as new:
            if analysis is None:
                timelines = picture_timelines(run, unit.source, self.should_stop)
                if not timelines:
                    return []
                write_pictures(timelines, new)
                write_intervals_csv(timelines, new / "intervals.csv")
            else:
                timelines = [clip_timeline(run, analysis, _nothing)]
                write_run(timelines[0], new)
                write_picture(timelines[0], new / "timeline.png")
                if run.pages is not None:
                    run.pages.write(timelines[0], folder, new)
                opens, geometry = partial(run.open, unit.source, color=True), run.detector.header.geometry
                run.again.write(FinishedClip(timelines[0], opens, geometry, new), self.should_stop)
            _require_unchanged(unit)
            done = commit_of(timelines, path=entry.path, content=entry.content, run=self.manifest.run, is_clip=is_clip)
            if self.should_stop() and (run.again or len(timelines) < max(1, len(unit.source.images) * (not is_clip))):
                done = replace(done, status="interrupted")
            seal(new, done)
        return timelines


@contextmanager
def _passes(work: _Work, cluster: ClusterOptions | None) -> Iterator[tuple[Pass, Pass]]:
    """The first and the second attempt at clips, in this process or on a cluster."""
    if cluster is None:
        yield work.many, work.alone
        return
    from seqcls.cli.workers import passes

    # What each clip needs: the lists of all clips may be long, and printing is done here.
    lean = _Work(work.run, replace(work.manifest, entries=()), replace(work.plan, todo=[], last=[]))
    with passes(cluster, lean) as both:
        yield both


def _require_unchanged(unit: Unit) -> None:
    """Raises SourceError where somebody has written to the clip since it was listed."""
    from seqcls.archive.result_key import content_digest, stamp

    if stamp(unit.source) != unit.entry.stamp and content_digest(unit.source) != unit.entry.content:
        raise SourceError(f"{unit.entry.path}: has changed while it was run; run the same command again")


def _is_to_blame(unit: Unit, error: SeqclsError) -> bool:
    """Whether a clip failed for what it holds: it is there, as it was listed."""
    from seqcls.archive.result_key import stamp
    from seqcls.files.output_lock import OutputBusyError
    from seqcls.sources.remote import NotFetchedError

    return not isinstance(error, (OutputBusyError, NotFetchedError)) and stamp(unit.source) == unit.entry.stamp


def _words(run: ClipRun, unit: Unit, error: SeqclsError) -> str:
    """Of an error, for files: it names nobody."""
    text = without_folders(str(error))
    return console.in_flags(text if run.names is None else run.names.hide(text))


def _show(printing: Callable[[], Any], source: FoundSource, timelines: list[Timeline]) -> None:
    if console.is_quiet() or not timelines:
        return
    with printing():
        if source.unrelated:
            tables.show_pictures(console.results(), source.path, timelines)
        else:
            tables.show_timeline(console.results(), timelines[0])


def _write_index(run: ClipRun, manifest: Manifest, failed: dict[str, str]) -> None:
    """Of all clips whose results are there, and those that failed."""
    from seqcls.archive.commit import read_commit

    assert run.pages is not None
    for entry in manifest.entries:
        if entry.path in failed:
            run.pages.fail(entry.path, failed[entry.path])
            continue
        commit = None if entry.same_as else read_commit(run.root / entry.folder)
        if commit is not None and commit.duration_s is not None:
            with suppress(SeqclsError):
                run.pages.add_earlier(run.root / entry.folder)
    run.pages.write_index()
