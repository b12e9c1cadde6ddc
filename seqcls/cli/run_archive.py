"""What `seqcls run` does with many clips: what is there already stays, what is missing is done, one clip at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcls.cli import console, tables
from seqcls.cli.archive_plan import (
    drop_single,
    holds_results_of_before,
    known_by_other_names,
    manifest_of_commits,
    planned,
    sweep_folders,
    tell,
    words,
)
from seqcls.cli.clip_work import ClipWork, nothing, passes_of
from seqcls.cli.output_folders import results_in
from seqcls.cli.report import NAME as REPORT
from seqcls.cli.results import MAX_SHOWN
from seqcls.cli.run_clips import ClipRun
from seqcls.cores import cores
from seqcls.errors import OutputError, SeqclsError, UsageError
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.archive.manifest import Manifest, Unit
    from seqcls.archive.shard import Shard
    from seqcls.cli.workers import ClusterOptions
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

    def takes(self, unit: Unit) -> bool:
        """Whether a clip is done here. What cannot be found is told by every part: on the machines of others it may be
        there, and of a folder nobody knows which clips lie in it."""
        return self.shard is None or bool(unit.source.fault) or self.shard.takes(unit.entry.path)

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


def is_archive(output: Path | None, found: Findings) -> bool:
    """Whether a run is one of many clips: there are several, or may be when the command is given again, or the folder
    holds such a run already."""
    from seqcls.exports.run_folders import MANIFEST

    several = len(found.sources) > 1 or found.may_grow
    return several or (output is not None and bool(found.sources) and (output / MANIFEST).is_file())


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
    from seqcls.engines.lazy import begin_opening

    root = run.root
    before, is_lost = _manifest_before(run, options)
    if run.overwrite:
        drop_single(root)
    named = found.sources if run.names is None else [run.names.source(each) for each in found.sources]
    with console.progress("looking at clips", len(found.sources), "clips") as advance:
        units = listed(
            found.sources,
            named,
            before,
            on_clip=advance,
            verify=asked.verify,
            has_changed=holds_results_of_before(root, None if run.overwrite else before, asked.shard),
        )
    if run.overwrite:
        units = [replace(unit, entry=replace(unit.entry, rewritten=False)) for unit in units]
    before = before if before is None or not is_lost else _remade(run, units, before)
    units = units if run.overwrite else known_by_other_names(root, units, before)
    manifest = _empty(options) if before is None or before.differences(options) else before
    part = _part_of(asked.shard, before, is_lost=is_lost)
    manifest = replace(manifest, part=part, entries=with_earlier(units, before))
    sweep_folders(root, manifest.entries)
    with closing(AttemptLog(root)) as log:
        own = [unit for unit in units if asked.takes(unit)]
        plan = planned(run, own, manifest, log, verify=asked.verify, retry=asked.retry)
        if (plan.todo or plan.last) and asked.cluster is None:
            begin_opening(run.detector.engine)
        # Every part looks at the screens of all: else its clips would be cut out otherwise than in one run.
        shown = [*plan.todo, *plan.last] if asked.shard is None else [one for one in units if not one.entry.same_as]
        run, manifest = _with_layouts(run, shown, manifest, before)
        if manifest != before:
            write_manifest(root, manifest)
        same = sum(bool(unit.entry.same_as) for unit in own)
        tell(plan, len(own), same, asked.shard)
        work = ClipWork(run, manifest, plan)
        with (
            console.stops_cleanly("the clips that are done are kept: the same command goes on") as should_stop,
            console.files_progress(len(plan.todo) + len(plan.last)) as progress,
        ):
            shows = len(own) <= MAX_SHOWN

            def ended(unit: Unit, error: SeqclsError | None) -> None:
                progress.one_more()
                if error is not None:
                    with progress.printing():
                        console.fail(
                            str(error)
                            if unit.source.remote is None
                            else f"{unit.entry.path}: {words(run, unit, error)}"
                        )

            @cache  # once, also where clips are tried again
            def began() -> None:  # not before: the engine is opened while the first clips are read
                with progress.printing():
                    console.notify(f"engine {run.detector.engine.description}")

            work = replace(
                work,
                should_stop=should_stop,
                began=began,
                show=partial(_show, progress.printing) if shows else nothing,
                printing=progress.printing,
                fetches=any(unit.source.remote is not None for unit in own),
            )
            with passes_of(work, asked.cluster) as passes:
                driver = Driver(
                    first=passes.first,
                    second=passes.second,
                    log=log,
                    run=manifest.run,
                    words=partial(words, run),
                    is_to_blame=_is_to_blame,
                    on_end=ended,
                    should_stop=should_stop,
                    max_errors=asked.max_errors,
                )
                lost = sum(bool(unit.source.fault) and unit.entry.path in plan.changed for unit in own)
                outcome = driver.drive(plan.todo, plan.last, failed=lost)
                pace = passes.pace()
            interrupted = should_stop()
        failed = {path: one.reason for path, one in log.failed.items()}
        left = {
            "not_reached": "skipped",
            "reason": f"not run: {count_of(outcome.failed, 'clip')} failed before (--max-errors)",
        }
        # A part that is done into the folder of other clips leaves their rows.
        shown_now = {unit.entry.path for unit in own}
        entries = [
            one
            for one in manifest.entries
            if not part or asked.shard is None or one.path in shown_now or asked.shard.takes(one.path)
        ]
        ours = replace(manifest, entries=tuple(entries))
        counts = write_summary(
            root,
            ours,
            failed,
            changed=plan.changed,
            asked=shown_now,
            **(left if outcome.stopped_by_errors else {}),
        )
    if run.pages is not None:
        _write_index(run, ours)
    if pace:
        console.notify(pace)
    done = sum(counts[status] for status in ("done", "truncated", "damaged"))
    console.notify(f"{done} of {len(entries)} done, {counts['failed']} failed{tables.run_facts(counts)}; {root}")
    if interrupted:
        return 130
    if counts["failed"] or outcome.stopped_by_errors:
        return 1
    return 3 if counts["truncated"] or counts["damaged"] else 0


# ---- before the work


def _manifest_before(run: ClipRun, options: dict[str, Any]) -> tuple[Manifest | None, bool]:
    """Of the run that goes on, None where there is none; and whether it is lost and still to be ``_remade``. Raises
    OutputError where there is another."""
    from seqcls.archive.manifest import read_manifest
    from seqcls.archive.summary import INTERVALS, SUMMARY
    from seqcls.exports.run_folders import holds_many

    try:
        before = read_manifest(run.root)
    except OutputError:
        if run.overwrite:
            return None, False
        if (made := manifest_of_commits(run.root, options)) is None:
            raise
        return made, True
    if run.overwrite:
        return before, False
    for inside in sorted(run.root.iterdir()) if before is None and run.root.is_dir() else ():
        if holds_many(inside):
            raise OutputError(f"{inside} holds a run of many clips, which would count twice: choose another place")
    if before is None and (made := manifest_of_commits(run.root, options)) is not None:
        return made, True
    if before is None:
        if any(path.exists() for path in results_in(run.root, watched=False)):
            raise OutputError(
                f"{run.root} holds the run of one clip, and a folder, a pattern or a list is a run of many: choose"
                " another place, or add overwrite=True to replace it"
            )
        for name in (INTERVALS, SUMMARY, *([REPORT] * (run.pages is not None))):
            if (run.root / name).exists():
                raise OutputError(f"{run.root / name} is there already: add overwrite=True, or choose another place")
        return None, False
    if other := before.differences(options):
        raise OutputError(
            f"{run.root} holds results of another run (another {', '.join(other)}): add overwrite=True to make them"
            " anew, or choose another place"
        )
    return before, False


def _remade(run: ClipRun, units: Sequence[Unit], made: Manifest) -> Manifest:
    """A manifest that was lost, and made of the clips' commits: with the screens that clips share, which are looked for
    again. Raises OutputError where results are there that are none of this run."""
    from seqcls.archive.commit import commits_in

    keys = {commit.run for _, commit in commits_in(run.root)}
    if not keys <= made.runs:
        shown = [unit for unit in units if not unit.entry.same_as]
        made = _with_layouts(run, shown, replace(made, known=()), None)[1]
    if not keys <= made.runs:
        raise OutputError(
            f"{run.root}/manifest.json is gone or torn, and results are there that were made with other options or"
            " clips: put a copy of it back, add overwrite=True to make all anew, or choose another place"
        )
    console.warn(f"manifest.json is gone or torn: made again from the results of {count_of(len(made.entries), 'clip')}")
    return made


def _part_of(shard: Shard | None, before: Manifest | None, *, is_lost: bool) -> str:
    """Whose folder it is: that of this part, or "" where clips of other parts have results here, too."""
    if shard is None or before is None:
        is_own = True
    elif is_lost:
        is_own = all(shard.takes(entry.path) for entry in before.entries)
    else:
        is_own = before.part == str(shard)
    return str(shard) if shard is not None and is_own else ""


def _empty(options: dict[str, Any]) -> Manifest:
    from seqcls.archive.manifest import Manifest

    return Manifest(options=options)


def _with_layouts(
    run: ClipRun, units: Sequence[Unit], manifest: Manifest, before: Manifest | None
) -> tuple[ClipRun, Manifest]:
    """With the screens that several of the clips share: those of before stay, new clips may add some."""
    from seqcls.geometry.layout import is_like
    from seqcls.layouts import find_layouts

    known = set() if before is None or not manifest.known else {entry.path for entry in before.entries}
    geometry = run.detector.header.geometry
    geometry = replace(geometry, layouts=(*geometry.layouts, *manifest.layouts))
    fresh = [
        unit
        for unit in units
        if unit.entry.path not in known
        and not unit.source.unrelated
        and not unit.source.fault
        and (unit.source.remote is None or unit.entry.content)  # what did not come just now holds nobody up again
    ]
    if fresh or not manifest.known:
        threads = 1 if run.pool is None else cores()  # a child each
        found = find_layouts([partial(run.open, unit.source) for unit in fresh], geometry, threads)
        found = tuple(one for one in found if not any(is_like(one, old) for old in manifest.layouts))
        manifest = manifest.with_layouts(found)
        geometry = replace(geometry, layouts=(*geometry.layouts, *found))
    detector = run.detector
    return replace(run, detector=replace(detector, header=replace(detector.header, geometry=geometry))), manifest


def _is_to_blame(unit: Unit, error: SeqclsError) -> bool:
    """Whether a clip failed for what it holds: it is there, as it was listed."""
    from seqcls.archive.result_key import stamp
    from seqcls.files.output_lock import OutputBusyError
    from seqcls.sources.remote import NotFetchedError

    return not isinstance(error, (OutputBusyError, NotFetchedError)) and stamp(unit.source) == unit.entry.stamp


def _show(printing: Callable[[], Any], source: FoundSource, timelines: list[Timeline]) -> None:
    if console.is_quiet() or not timelines:
        return
    with printing():
        if source.unrelated:
            tables.show_pictures(console.results(), source.path, timelines)
        else:
            tables.show_timeline(console.results(), timelines[0])


def _write_index(run: ClipRun, manifest: Manifest) -> None:
    """Of all clips whose results are there, and of those without, each with what summary.csv says."""
    from seqcls.archive.commit import read_commit
    from seqcls.archive.shortfall import shortfall

    assert run.pages is not None
    there = []
    for entry in manifest.entries:
        commit = read_commit(run.root / entry.folder)
        if commit is not None and commit.path == entry.path and commit.duration_s is not None:
            there.append(run.root / entry.folder)
            with suppress(SeqclsError):
                run.pages.add_earlier(there[-1])
    lacking = shortfall(run.root, there)
    for folder, why in lacking.changed.items():
        run.pages.note(folder, why)
    for one in lacking.missing:
        run.pages.fail(one.path, one.why)
    run.pages.write_index()
