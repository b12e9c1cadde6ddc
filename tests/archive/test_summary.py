"""summary.csv and the common intervals.csv come from committed results, and from what has failed."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from support.timelines import timeline

from seqcls.archive.commit import commit_of, committed, seal
from seqcls.archive.manifest import Entry, Manifest
from seqcls.archive.summary import SUMMARY, write_summary
from seqcls.exports import write_run
from seqcls.types import SourceReport


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_what_is_unknown_throughout_is_not_nought_seconds_in_view(tmp_path: Path) -> None:
    drawn = {"a": "?????", "b": "??...", "c": "....."}
    manifest = Manifest(options={}, entries=tuple(Entry(path=name, folder=name, content=name) for name in drawn))
    for name, strip in drawn.items():
        with committed(tmp_path / name, replaces=lambda: False) as new:
            made = timeline(name, thyroid=strip)
            write_run(made, new)
            seal(new, commit_of([made], path=name, content=name, run=manifest.run, is_clip=True))
    write_summary(tmp_path, manifest, {})
    assert [row["seconds_thyroid"] for row in rows(tmp_path / SUMMARY)] == ["", "0.000000", "0.000000"]


def test_a_row_for_each_clip_with_its_status(tmp_path: Path) -> None:
    entries = [Entry(path=f"p/{name}.mp4", folder=f"p/{name}", content=name) for name in "abcde"]
    entries.append(Entry(path="=cmd|x", folder="f", content="a", same_as="p/a.mp4"))
    manifest = Manifest(options={"model": "m"}, entries=tuple(entries))
    whole, cut = timeline("a.mp4", thyroid="..PPP"), timeline("b.mp4", node="P?P?P")
    cut = replace(cut, report=SourceReport("truncated", ("it ends early",), 5), warnings=("look, twice",))
    for one, entry, run in (
        (whole, entries[0], manifest.run),
        (cut, entries[1], manifest.run),
        (whole, entries[3], "x"),
    ):
        with committed(tmp_path / entry.folder, replaces=lambda: False) as new:
            write_run(one, new)
            seal(new, commit_of([one], path=entry.path, content=entry.content, run=run, is_clip=True))
    counts = write_summary(tmp_path, manifest, {"p/c.mp4": "no video"})
    assert counts == {
        "done": 1,
        "truncated": 1,
        "failed": 1,
        "interrupted": 2,
        "skipped": 1,
        "partly unknown": 1,
        "with warnings": 1,
    }
    table = rows(tmp_path / SUMMARY)
    assert list(table[0]) == ["path", "folder", "status", "reason", "duration_s", "coverage", "warnings", "seconds_thyroid", "seconds_node"]  # fmt: skip
    assert list(table[0].values()) == ["p/a.mp4", "p/a", "done", "", "0.500000", "1.0000", "", "0.300000", ""]
    assert list(table[1].values()) == ["p/b.mp4", "p/b", "truncated", "it ends early", "0.500000", "0.6000", "look, twice", "", "0.500000"]  # fmt: skip
    assert [(row["status"], row["reason"]) for row in table[2:4]] == [
        ("failed", "no video"),
        ("interrupted", "not done yet: the same command does it"),
    ], "results of another model are not of this run"
    assert table[5]["path"] == "'=cmd|x" and table[5]["reason"] == "holds the same as p/a.mp4"
    assert [row["file"] for row in rows(tmp_path / "intervals.csv")] == ["a.mp4"] * 2 + ["b.mp4"] * 1
    counts = write_summary(tmp_path, manifest, {}, not_reached="skipped", reason="too many errors")
    assert counts["skipped"] == 4


def test_rows_name_the_clip_that_has_the_results_and_clips_that_are_gone(tmp_path: Path) -> None:
    entries = (
        Entry(path="old.mp4", folder="old", content="a"),
        Entry(path="new.mp4", folder="new", content="a", same_as="old.mp4"),
        Entry(path="copy.mp4", folder="copy", content="a", same_as="new.mp4"),
    )
    manifest = Manifest(options={}, entries=entries)
    with committed(tmp_path / "old", replaces=lambda: False) as new:
        made = timeline("old.mp4", node="PP")
        write_run(made, new)
        seal(new, commit_of([made], path="old.mp4", content="a", run=manifest.run, is_clip=True))
    write_summary(tmp_path, manifest, {}, asked={"new.mp4", "copy.mp4"})
    assert [(row["status"], row["reason"]) for row in rows(tmp_path / SUMMARY)] == [
        ("done", "not among the clips of this run: its results are kept"),
        ("skipped", "holds the same as old.mp4"),
        ("skipped", "holds the same as old.mp4"),
    ]


def test_a_row_says_where_nobody_has_the_results_of_what_it_holds(tmp_path: Path) -> None:
    entries = (
        Entry(path="a.mp4", folder="a", content="a"),
        Entry(path="b.mp4", folder="b", content="a", same_as="a.mp4"),
        Entry(path="gone.mp4", folder="gone", content="y", same_as="y.mp4"),
        Entry(path="y.mp4", folder="y", content="y"),
    )
    asked = {"a.mp4", "b.mp4", "y.mp4"}
    failed, changed = {"a.mp4": "no video"}, {"y.mp4": "has changed"}
    write_summary(tmp_path, Manifest(options={}, entries=entries), failed, changed=changed, asked=asked)
    assert [(row["status"], row["reason"]) for row in rows(tmp_path / SUMMARY)] == [
        ("failed", "no video"),
        ("skipped", "holds the same as a.mp4, which has failed"),
        ("skipped", "not among the clips of this run, and without results of its kind"),
        ("failed", "has changed"),
    ]
