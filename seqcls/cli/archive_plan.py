"""What a run of many clips finds done already, and what is to be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcls.cli import console
from seqcls.errors import SeqclsError, SourceError
from seqcls.files.without_folders import without_folders
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.archive.attempts import AttemptLog
    from seqcls.archive.manifest import Entry, Manifest, Unit
    from seqcls.archive.shard import Shard
    from seqcls.cli.run_clips import ClipRun


@dataclass(frozen=True, slots=True)
class Plan:
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


def known_by_other_names(root: Path, units: Sequence[Unit], before: Manifest | None) -> list[Unit]:
    """A clip's path is as short as tells it from the others, so more clips may make it longer; and a person may rename
    it: what was done under the old one stands for it, and nothing is done or counted twice."""
    from seqcls.archive.commit import read_commit
    from seqcls.archive.result_key import written

    known = {} if before is None else {entry.path: entry for entry in before.entries}
    asked = {unit.entry.path for unit in units}
    gone = {
        (one.content, written(one.stamp)): one
        for one in known.values()
        if one.path not in asked and not one.same_as and one.content and one.stamp
    }
    found = []
    for unit in units:
        entry, own = unit.entry, known.get(unit.entry.path)
        other = None if entry.same_as else gone.get((entry.content, written(entry.stamp)))
        if other is not None and (own is None or own.same_as):
            commit = read_commit(root / other.folder)
            if commit is not None and commit.is_whole and commit.content == entry.content:
                unit = replace(unit, entry=replace(entry, same_as=other.path))
        found.append(unit)
    return found


def holds_results_of_before(root: Path, before: Manifest | None, shard: Shard | None) -> Callable[[Entry], bool]:
    """Whether a clip has results of this run, but of something else than it holds now: these stay, and it waits.

    The results of other parts lie elsewhere: there each clip that was ever changed may be such a one.
    """
    from seqcls.archive.commit import read_commit

    if before is None:
        return lambda entry: False
    runs = before.runs

    def asked(entry: Entry) -> bool:
        commit = read_commit(root / entry.folder)
        if commit is None or commit.run not in runs or not commit.is_whole:
            return entry.rewritten and shard is not None and not shard.takes(entry.path)
        return not commit.is_of(entry.path, entry.content, entry.whole)

    return asked


def manifest_of_commits(root: Path, options: dict[str, Any]) -> Manifest | None:
    """In place of one that is lost, as if all results that are there were made with these options and without screens
    that clips share; None where there are none, or those of several runs."""
    from seqcls.archive.commit import commits_in
    from seqcls.archive.manifest import Entry, Manifest
    from seqcls.exports.run_folders import holds_many

    found = list(commits_in(root))
    if any(map(holds_many, {parent for folder, _ in found for parent in folder.parents if root in parent.parents})):
        return None  # of other runs
    entries = [
        Entry(path=one.path, folder=folder.relative_to(root).as_posix(), content=one.content, whole=one.whole)
        for folder, one in found
    ]
    return Manifest(options=options, known=(0,), entries=tuple(entries)) if entries else None


def drop_single(root: Path) -> None:
    """The run of one clip that lies where many are to be: nobody could tell its files from theirs. Raises OutputError
    where a live run left what is a person's to delete."""
    from seqcls.archive.commit import is_run
    from seqcls.cli.output_folders import drop_journal, require_no_live_clips
    from seqcls.exports import remove_run

    if is_run(root):
        require_no_live_clips(root)
        remove_run(root)
        drop_journal(root)


def sweep_folders(root: Path, entries: Sequence[Entry]) -> None:
    """What a killed run left; a folder that it was about to replace comes back."""
    from seqcls.files.temporaries import sweep

    for folder in {(root / entry.folder).parent for entry in entries}:
        sweep(folder)


def planned(
    run: ClipRun, units: Sequence[Unit], manifest: Manifest, log: AttemptLog, *, verify: bool, retry: bool
) -> Plan:
    """Results of another kind that stand in the place of a clip's cost that clip."""
    from seqcls.archive.commit import fault_of, is_run, read_commit
    from seqcls.exports import remove_run
    from seqcls.exports.run_folders import COMMIT, locked

    plan, runs = Plan([], [], set(), {}, 0, 0), manifest.runs
    done = set_aside = 0
    with console.progress("reading results", len(units), "clips") if verify else nullcontext(_silent) as advance:
        for number, unit in enumerate(units, 1):
            entry, folder = unit.entry, run.root / unit.entry.folder
            commit = read_commit(folder)
            is_there = commit is not None and commit.run in runs and commit.is_whole and not run.overwrite
            if unit.source.fault and not is_there:
                plan.changed[entry.path] = words(run, unit, SourceError(unit.source.fault))
                console.fail(unit.source.fault)
                continue
            if commit is None and (why := locked(folder)):
                plan.changed[entry.path] = why = (
                    f"{entry.folder}/ in the output cannot be read ({why}): allow it, or move that folder away"
                )
                console.fail(f"{entry.path}: {why}")
                continue
            if entry.same_as:
                if (
                    commit is not None
                    and commit.path == entry.path
                    and not commit.is_of(entry.path, entry.content, entry.whole)
                ):  # results of what it held before, which no other clip stands for
                    if run.overwrite:
                        (folder / COMMIT).unlink(missing_ok=True)
                        remove_run(folder)
                    else:
                        _note_change(plan, entry)
                continue
            if run.overwrite or commit is None:
                if not run.overwrite and is_run(folder) and not (folder / COMMIT).exists():
                    why = f"{entry.folder}/ in the output holds a run without clip.json: delete it, or add --overwrite"
                    plan.changed[entry.path] = why
                    console.fail(f"{entry.path}: {why}")
                    continue
                if folder.exists():  # what comes there meanwhile is another program's
                    plan.replaces.add(entry.path)
            elif commit.run not in runs or not commit.is_whole:
                plan.replaces.add(entry.path)
            elif not commit.is_of(entry.path, entry.content, entry.whole):
                _note_change(plan, entry)
                continue
            elif verify and (fault := fault_of(folder, commit)):
                console.warn(f"{entry.path}: {fault}; it is done again")
                plan.replaces.add(entry.path)
            else:
                done += 1
                advance(number)
                continue
            if log.is_set_aside(entry, runs) and not retry and not run.overwrite:
                set_aside += 1
                console.fail(
                    f"{entry.path}: failed twice before ({log.failed[entry.path].reason}); --retry tries it again"
                )
            else:
                (plan.last if entry.path in log.died else plan.todo).append(unit)
            advance(number)
    return replace(plan, done=done, set_aside=set_aside)


def words(run: ClipRun, unit: Unit, error: SeqclsError) -> str:
    """Of an error, for files: it names nobody, and not the clip itself, whose name stands beside it."""
    from seqcls.sources.redact import redact

    text, remote = str(error), unit.source.remote
    own = [unit.entry.path, unit.source.path, *([] if remote is None else [redact(remote.url)])]
    for name in (*own, unit.source.spec, *(one.rpartition("/")[2] for one in own)):
        if name and text.startswith(f"{name}: "):
            text = text.removeprefix(f"{name}: ")
            break
    text = without_folders(text)
    return console.in_flags(text if run.names is None else run.names.hide(text))


def _note_change(plan: Plan, entry: Entry) -> None:
    """A clip holds something else than when its results were written, which are not touched."""
    plan.changed[entry.path] = why = (
        f"has changed since its results were written: delete {entry.folder}/ in the output, or add --overwrite"
    )
    console.fail(f"{entry.path}: {why}")


def tell(plan: Plan, clips: int, same: int, shard: Shard | None) -> None:
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


def _silent(_: int) -> None:
    pass
