"""What a run of many clips has not given: clips without a timeline, and clips that have changed since theirs.

Searches and reports read timelines alone; without this they would answer as if there were no other clips.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqcls.archive.attempts import AttemptLog
from seqcls.archive.commit import read_commit
from seqcls.archive.manifest import read_plain
from seqcls.archive.shard import Shard
from seqcls.archive.summary import SUMMARY
from seqcls.errors import OutputError, UsageError
from seqcls.exports.run_folders import holds_many, locked
from seqcls.files.named_files import open_regular
from seqcls.text.foreign_text import for_terminal, from_csv
from seqcls.text.wording import count_of

#: What ``write_summary`` calls clips without results.
_WITHOUT = ("failed", "interrupted", "skipped")
_NOT_YET = ("interrupted", "not done yet: the same command does it")
_GONE = ("interrupted", "its results are not there any more: the same command makes them")


@dataclass(frozen=True, slots=True)
class Missing:
    """A clip without a timeline. ``path``: as the run names it. ``status``, ``reason``: as in summary.csv."""

    path: str
    status: str
    reason: str

    @property
    def why(self) -> str:
        """In words."""
        return self.reason if self.status == "failed" else f"{self.status}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Shortfall:
    """missing: in the order of the manifest. changed: the folders of clips that hold something else than when their
    results were written, each with what summary.csv says of it."""

    missing: tuple[Missing, ...] = ()
    changed: Mapping[Path, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """In words; empty where nothing is missing."""
        said = []
        if self.missing:
            counts = Counter("not done" if one.status != "failed" else "failed" for one in self.missing)
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items()))
            said.append(f"{count_of(len(self.missing), 'clip')} without a timeline ({kinds})")
        if self.changed:
            said.append(f"{count_of(len(self.changed), 'clip')} changed since the results were written")
        return "; ".join(said)


NOTHING_LACKS = Shortfall()


def shortfall(place: Path, runs: Sequence[Path]) -> Shortfall:
    """Of the run of many clips at a place, or of those around ``runs``, which are all timelines below it.

    Of a manifest that cannot be read nothing is known.
    """
    missing: list[Missing] = []
    changed: dict[Path, str] = {}
    places = {_spelt(run) for run in runs}
    for root in _roots(place, runs):
        with suppress(OutputError):
            for entry, status, reason in _left(root, places):
                folder = root / str(entry.get("folder"))
                if status == "changed":
                    changed[folder] = reason
                else:
                    missing.append(Missing(str(entry["path"]), status, reason))
    return Shortfall(tuple(missing), changed)


def _roots(place: Path, runs: Sequence[Path]) -> list[Path]:
    """The folders of runs of many clips: ``place``, or else those right in it and those around its runs."""
    if not place.is_dir() or holds_many(place):
        return [place] if place.is_dir() else []
    around = {parent for run in runs for parent in run.parents if parent.is_relative_to(place) and parent != place}
    with suppress(OSError):
        around |= {path for path in set(place.iterdir()).difference(runs) if path.is_dir()}
    found: list[Path] = []
    for folder in sorted(around, key=lambda path: path.parts):
        if not (found and folder.is_relative_to(found[-1])) and holds_many(folder):
            found.append(folder)
    return found


def _left(root: Path, runs: Collection[str]) -> Iterator[tuple[Mapping[str, Any], str, str]]:
    """Entries of the manifest, each with its status and reason. Raises OutputError."""
    body = read_plain(root)
    if body is None:
        return
    said, takes, base = _said(root), _part(body), _spelt(root)
    failed = AttemptLog(root).failed  # which is read only, so it need not be closed
    for entry in body["clips"]:
        path, place = str(entry["path"]), f"{base}/{entry['folder']}"  # as text: a path for each takes thrice as long
        status, reason = said.get(for_terminal(path), ("", ""))
        if place in runs or os.path.isfile(f"{place}/pictures.csv"):  # noqa: PTH113
            commit = read_commit(Path(place)) if status == "failed" else None
            if commit is not None and not commit.is_of(
                path, str(entry.get("content", "")), str(entry.get("whole", ""))
            ):
                yield entry, "changed", reason
        elif entry.get("same_as") or not takes(path) or locked(Path(place)):
            continue  # of a folder that cannot be read whoever looks for runs says so
        elif path in failed:
            yield entry, "failed", failed[path].reason
        elif status in _WITHOUT:
            yield entry, status, reason
        else:
            yield entry, *(_GONE if status else _NOT_YET)


def _spelt(folder: Path) -> str:
    return str(folder).replace(os.sep, "/")


def _said(root: Path) -> dict[str, tuple[str, str]]:
    """Status and reason by the path, as its cell of summary.csv has it."""
    with suppress(OSError, ValueError, KeyError, TypeError, csv.Error), open_regular(root / SUMMARY) as file:
        rows = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
        return {from_csv(row["path"]): (row["status"], from_csv(row["reason"])) for row in rows}
    return {}


def _part(body: Mapping[str, Any]) -> Callable[[str], bool]:
    """Whether a clip of this path is done in this folder."""
    try:
        return Shard.parse(str(body["part"])).takes if body.get("part") else lambda path: True
    except UsageError:
        return lambda path: True
