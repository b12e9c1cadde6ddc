"""summary.csv: a row for each clip of a run, and intervals.csv over all of them, made from committed results alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from seqcls.archive.commit import Commit, read_commit
from seqcls.archive.manifest import Entry, Manifest
from seqcls.errors import OutputError, one_line
from seqcls.exports.csv_cells import score_cell, seconds_cell
from seqcls.exports.intervals_csv import COLUMNS as INTERVAL_COLUMNS
from seqcls.files import atomic_path, csv_text, write_csv

SUMMARY = "summary.csv"
INTERVALS = "intervals.csv"
COLUMNS = ("path", "folder", "status", "reason", "duration_s", "coverage", "warnings")
#: What stands before the name of an organ, so that no organ is called like another column.
SECONDS = "seconds_"
_NOT_YET = "not done yet: the same command does it"
_KEPT = "not among the clips of this run: its results are kept"
_NOT_ASKED = "not among the clips of this run, and without results of its kind"


def write_summary(
    root: Path,
    manifest: Manifest,
    failed: Mapping[str, str],
    *,
    changed: Mapping[str, str] = MappingProxyType({}),
    not_reached: str = "",
    reason: str = _NOT_YET,
    asked: Container[str] | None = None,
) -> Counter[str]:
    """Both tables, atomically; returns how many clips have each status, are "partly unknown" and "with warnings".

    ``failed``: the reasons, by the clips' paths; ``changed``: likewise, of clips whose results are there, of what they
    held before. ``not_reached``: the status of clips that have neither results nor a
    reason, interrupted by default; ``reason``: theirs. ``asked``: the paths of the clips of this run; None for all.
    Raises OutputError.
    """
    organs: dict[str, None] = {}
    rows: list[tuple[list[str], Mapping[str, float | None]]] = []
    counts = Counter[str]()
    folders: list[str] = []
    runs, without = manifest.runs, {**failed, **changed}
    same = {entry.path: entry.same_as for entry in manifest.entries if entry.same_as}
    for entry in manifest.entries:
        commit = None if entry.path in without else read_commit(root / entry.folder)
        gone = asked is not None and entry.path not in asked
        stands_for = _stands_for(entry, same)
        # Of a clip that holds the same as another, its own results of before may be there: searches answer from them.
        if commit is not None and commit.run in runs and commit.path == entry.path:
            besides = _KEPT if gone else _same(stands_for, failed) if stands_for else ""
            row, seconds = _committed(entry, commit, besides), commit.seconds
            organs.update(dict.fromkeys(seconds))
            folders.append(entry.folder)
            counts["partly unknown"] += commit.coverage < 1
            counts["with warnings"] += bool(commit.warnings)
        else:
            left = ("skipped", _NOT_ASKED) if gone else (not_reached or "interrupted", reason)
            if stands_for and stands_for not in changed:  # of what it holds now there are no results
                left = "skipped", _same(stands_for, failed)
            row, seconds = _missing(entry, without, *left), {}
            row[1] = entry.folder if entry.path in changed and os.path.lexists(root / entry.folder) else ""
        rows.append((row, seconds))
        counts[row[2]] += 1
    _write_intervals(root, folders)
    heads = [*COLUMNS, *(f"{SECONDS}{organ}" for organ in organs)]
    write_csv(root / SUMMARY, [heads, *(_with_seconds(row, seconds, organs) for row, seconds in rows)])
    return counts


def _committed(entry: Entry, commit: Commit, besides: str) -> list[str]:
    length = "" if commit.duration_s is None else seconds_cell(commit.duration_s)
    shown = [
        commit.status,
        "; ".join(filter(None, (commit.reason, besides))),
        length,
        score_cell(commit.coverage),
        "; ".join(commit.warnings),
    ]
    return [entry.path, entry.folder, *shown]


def _stands_for(entry: Entry, same: Mapping[str, str]) -> str:
    """The clip whose results stand for this one; "" for its own. One that stood for it may have another name now."""
    found, passed = entry.same_as, {entry.path}
    while found in same and found not in passed:
        passed.add(found)
        found = same[found]
    return found


def _same(stands_for: str, failed: Container[str]) -> str:
    return f"holds the same as {stands_for}{', which has failed' if stands_for in failed else ''}"


def _missing(entry: Entry, failed: Mapping[str, str], status: str, reason: str) -> list[str]:
    if entry.path in failed:
        status, reason = "failed", failed[entry.path]
    return [entry.path, "", status, reason, "", "", ""]


def _with_seconds(row: list[str], seconds: Mapping[str, float | None], organs: Mapping[str, None]) -> list[str]:
    lengths_s = (seconds.get(organ) for organ in organs)
    return [*row, *("" if length_s is None else seconds_cell(length_s) for length_s in lengths_s)]


def _write_intervals(root: Path, folders: list[str]) -> None:
    """One clip after the other: of an archive they are too many to be held."""
    with atomic_path(root / INTERVALS) as path, path.open("w", encoding="utf-8", newline="") as table:
        table.write(csv_text([INTERVAL_COLUMNS]))
        for folder in folders:
            table.writelines(_lines(root / folder / INTERVALS))


def _lines(path: Path) -> Iterator[str]:
    """Without the heads. No cell holds a line's end."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            next(lines, "")
            yield from lines
    except OSError as error:
        raise OutputError(f"cannot read {path} ({one_line(error)}); --verify makes it anew") from error
