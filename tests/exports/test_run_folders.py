"""Which folders hold runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from seqcls.exports.run_folders import locked, runs_in


def test_runs_below_a_folder_in_order_without_what_a_killed_program_left(tmp_path: Path) -> None:
    names = ("b/2", "b-c", "b/1", "a", ".seqcls-0123456789abcdef.part.d/new")
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "timeline.json").touch()
    (tmp_path / "nothing").mkdir()
    assert [run.relative_to(tmp_path).as_posix() for run in runs_in(tmp_path)] == ["a", "b/1", "b/2", "b-c"]
    assert runs_in(tmp_path / "a") == [tmp_path / "a"] and runs_in(tmp_path / "nothing") == []
    assert runs_in(tmp_path / "gone") == []


def test_folders_that_cannot_be_looked_into_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "listed", "shut"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "timeline.json").touch()
    scan, access = os.scandir, os.access

    def refusing(path: str) -> Any:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr("os.scandir", refusing)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "listed" and access(path, mode))
    told: dict[Path, str] = {}
    assert runs_in(tmp_path, told.__setitem__) == [tmp_path / "a"]
    assert told == {tmp_path / "listed": "Permission denied", tmp_path / "shut": "Permission denied"}
    assert runs_in(tmp_path / "gone", told.__setitem__) == [] and len(told) == 2
    assert locked(tmp_path / "shut") == "Permission denied"
    assert locked(tmp_path / "a") == "" == locked(tmp_path / "gone") == locked(tmp_path / "a" / "timeline.json")


def test_below_a_run_of_many_clips_only_its_clips_count(tmp_path: Path) -> None:
    """Neither the clip that was run into its folder before, nor a replay, nor another run of many inside."""
    root = tmp_path / "parts" / "1"
    for name in (".", "a", "a b/c", "replayed/a", "more/d"):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "timeline.json").touch()
    for name in ("a", "a b/c", "more/d"):
        (root / name / "clip.json").touch()
    for folder in (root, root / "more"):
        (folder / "manifest.json").write_text('{\n "format": 1,\n "clips": [\n\n]\n}\n')
    (tmp_path / "parts" / "1b").mkdir()
    (tmp_path / "parts" / "1b" / "timeline.json").touch()
    assert runs_in(root) == [root / "a", root / "a b" / "c"]
    assert runs_in(tmp_path) == [root / "a", root / "a b" / "c", tmp_path / "parts" / "1b"]
    (root / "manifest.json").write_text('{"name": "a page"}')  # of somebody else
    assert runs_in(root) == [root]
