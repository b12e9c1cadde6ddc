"""summary.csv: a row for each clip of a run, and intervals.csv over all of them, made from committed results alone."""

from __future__ import annotations

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
    rows: list[tuple[list[str], Mapping[str, float]]] = []
    counts = Counter[str]()
    folders: list[str] = []
    runs, without = manifest.runs, {**failed, **changed}
    for entry in manifest.entries:
        commit = None if entry.same_as or entry.path in without else read_commit(root / entry.folder)
        if commit is not None and commit.run in runs and commit.path == entry.path:
            row, seconds = _committed(entry, commit), commit.seconds
            organs.update(dict.fromkeys(seconds))
            folders.append(entry.folder)
            counts["partly unknown"] += commit.coverage < 1
            counts["with warnings"] += bool(commit.warnings)
        else:
            gone = asked is not None and entry.path not in asked
            left = ("skipped", _NOT_ASKED) if gone else (not_reached or "interrupted", reason)
            row, seconds = _missing(entry, without, *left), {}
            row[1] = entry.folder if entry.path in changed else ""
        rows.append((row, seconds))
        counts[row[2]] += 1
    _write_intervals(root, folders)
    heads = [*COLUMNS, *(f"{SECONDS}{organ}" for organ in organs)]
    write_csv(root / SUMMARY, [heads, *(_with_seconds(row, seconds, organs) for row, seconds in rows)])
    return counts


def _committed(entry: Entry, commit: Commit) -> list[str]:
    length = "" if commit.duration_s is None else seconds_cell(commit.duration_s)
    shown = [commit.status, commit.reason, length, score_cell(commit.coverage), "; ".join(commit.warnings)]
    return [entry.path, entry.folder, *shown]


def _missing(entry: Entry, failed: Mapping[str, str], not_reached: str, reason: str) -> list[str]:
    if entry.same_as:
        return [entry.path, "", "skipped", f"holds the same as {entry.same_as}", "", "", ""]
    if entry.path in failed:
        return [entry.path, "", "failed", failed[entry.path], "", "", ""]
    return [entry.path, "", not_reached, reason, "", "", ""]


def _with_seconds(row: list[str], seconds: Mapping[str, float], organs: Mapping[str, None]) -> list[str]:
    return [*row, *(seconds_cell(seconds[organ]) if organ in seconds else "" for organ in organs)]


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
