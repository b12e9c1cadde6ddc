"""The index of an archive: what its rows hold, and that it is up to date, whole, and the same bytes for the same runs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.timelines import timeline

from seqcls.algebra.where import where
from seqcls.archive import index as module
from seqcls.archive.index import CLIPS, INDEX, archive_index
from seqcls.errors import DataError, OutputError
from seqcls.exports import write_run
from seqcls.types import SourceReport

pytest.importorskip("duckdb")
parquet = pytest.importorskip("pyarrow.parquet")
RUN = timeline(thyroid="..PPPP..??", trachea="PPPP......")


def write(folder: Path, name: str, run: Any = RUN, *, age_s: float = 100.0) -> None:
    """A run below ``folder`` that looks as if it had been there for so long."""
    write_run(replace(run, source=replace(run.source, name="a.mp4", path=f"{name}.mp4")), folder / name, overwrite=True)
    path = folder / name / "timeline.json"
    time_ns = path.stat().st_mtime_ns - int(age_s * 1e9)
    os.utime(path, ns=(time_ns, time_ns))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which runs were read; a file's own time alone says when it came."""
    runs: list[str] = []
    original, results = module.read_run_facts, module._results

    def counted(folder: Path) -> Any:
        runs.append(folder.name)
        return original(folder)

    def as_written(folder: Path, unread: Any) -> Any:
        stated = {
            run: one.folder.joinpath("timeline.json").stat().st_mtime_ns for run, one in results(folder, unread).items()
        }
        return {run: replace(one, changed_ns=stated[run]) for run, one in results(folder, unread).items()}

    monkeypatch.setattr(module, "read_run_facts", counted)
    monkeypatch.setattr(module, "_results", as_written)
    return runs


def test_rows_by_hand(tmp_path: Path) -> None:
    details = (("scanner", "EPIQ"),)
    odd = replace(
        where(RUN, "both = thyroid and trachea"),
        source=replace(RUN.source, details=details, width=800, height=600, path="b/\x1b=1+1.mp4"),
        report=SourceReport("complete", ("cut\udc80",), 10),
    )
    write_run(odd, tmp_path / "b" / "x")
    write(tmp_path, "a")
    made = archive_index(tmp_path)
    clips, rows = made.clips.to_pylist(), made.intervals.to_pylist()
    assert [one["run"] for one in clips] == ["a", "b/x"] and made.not_kept == "" and made.unread == ()
    one = clips[1]
    assert (one["path"], one["verdict"], one["scanner"], one["width"], one["height"], one["frames"]) == (
        "b/\\x1b=1+1.mp4", "complete", "EPIQ", 800, 600, 10,
    )  # fmt: skip
    assert one["coverage"] == pytest.approx(0.8) and one["organs"] == ["thyroid", "trachea", "both"]
    assert one["reasons"] == ["cut\\x80"] and one["timeline_bytes"] == (tmp_path / "b/x/timeline.json").stat().st_size
    own = [row for row in rows if row["clip"] == 1 and row["organ"] == "both"]
    assert [(row["state"], row["start_s"], row["end_s"]) for row in own][1] == ("present", 0.2, 0.4)
    assert own[1]["mean_score"] is None and rows[0]["run"] == "a" and len(rows) == 7 + 11
    for name, table in ((CLIPS, made.clips), (INDEX, made.intervals)):
        kept = parquet.read_table(tmp_path / name)
        assert kept.equals(table) and b"not a medical device" in kept.schema.metadata[b"note"]
        assert str(tmp_path).encode() not in (tmp_path / name).read_bytes()


def test_only_what_is_new_is_read_and_the_bytes_are_those_of_one_go(tmp_path: Path, read: list[str]) -> None:
    for name in ("c", "a"):
        write(tmp_path, name)
    archive_index(tmp_path)
    assert sorted(read) == ["a", "c"]
    read.clear()
    before = (tmp_path / CLIPS).stat().st_mtime_ns
    archive_index(tmp_path)
    assert read == [] and (tmp_path / CLIPS).stat().st_mtime_ns == before
    write(tmp_path, "b")
    write(tmp_path, "c", timeline(thyroid="PPPPPPPPPP", trachea=".........."), age_s=0)
    made = archive_index(tmp_path)
    assert read == ["b", "c"] and made.clips["run"].to_pylist() == ["a", "b", "c"]
    bytes_of = {name: (tmp_path / name).read_bytes() for name in (CLIPS, INDEX)}
    for name in (CLIPS, INDEX):
        (tmp_path / name).unlink()
    archive_index(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in (CLIPS, INDEX)} == bytes_of
    (tmp_path / "b" / "timeline.json").unlink()
    assert archive_index(tmp_path).clips["run"].to_pylist() == ["a", "c"], "what is gone is not found any more"


def test_files_that_do_not_belong_together_are_made_anew(tmp_path: Path, read: list[str]) -> None:
    write(tmp_path, "a")
    archive_index(tmp_path)
    older = (tmp_path / INDEX).read_bytes()
    write(tmp_path, "b")
    whole = archive_index(tmp_path)
    for spoilt in (older, b"PAR1", b"", None):
        read.clear()
        (tmp_path / INDEX).unlink()
        if spoilt is None:
            (tmp_path / INDEX).mkdir()  # as a pipe would be, which must not be waited for
        else:
            (tmp_path / INDEX).write_bytes(spoilt)
        made = archive_index(tmp_path)
        assert made.intervals.equals(whole.intervals) and sorted(read) == ["a", "b"]
        assert bool(made.not_kept) == (spoilt is None)


def test_a_run_that_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path, "a")
    write(tmp_path, "b")
    (tmp_path / "b" / "timeline.json").write_text("{}")
    made = archive_index(tmp_path)
    assert made.clips["run"].to_pylist() == ["a"]
    assert [run for run, _ in made.unread] == ["b"] and "format None" in made.unread[0][1]


def test_an_index_that_cannot_be_kept_is_made_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a")
    assert archive_index(tmp_path, keep=False).clips.num_rows == 1 and not (tmp_path / CLIPS).exists()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    made = archive_index(tmp_path)
    assert made.clips.num_rows == 1 and "No space left" in made.not_kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_nothing_to_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no run in"):
        archive_index(tmp_path)
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "duckdb" else object())
    with pytest.raises(OutputError, match=r"duckdb must be there: pip install 'seqcls\[archive\]'"):
        archive_index(tmp_path)


def test_the_index_of_the_parts_of_a_run_is_that_of_the_run_but_for_the_part(tmp_path: Path) -> None:
    for name, part in (("a", 2), ("p/b", 1), ("p/c", 2)):
        write(tmp_path / "one", name)
        write(tmp_path / f"parts/{part}", name)
    one, parts = (archive_index(tmp_path / place) for place in ("one", "parts"))
    assert parts.clips["run"].to_pylist() == ["1/p/b", "2/a", "2/p/c"]
    for table, of_parts in ((one.clips, parts.clips), (one.intervals, parts.intervals)):
        rows, others = ([{**row, "clip": 0} for row in each.to_pylist()] for each in (table, of_parts))
        others = [{**row, "run": row["run"].partition("/")[2]} for row in others]
        assert sorted(rows, key=repr) == sorted(others, key=repr) and rows
