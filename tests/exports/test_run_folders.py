"""Which folders hold runs."""

from __future__ import annotations

from pathlib import Path

from seqcls.exports.run_folders import runs_in


def test_runs_below_a_folder_in_order_without_what_a_killed_program_left(tmp_path: Path) -> None:
    names = ("b/2", "b-c", "b/1", "a", ".seqcls-0123456789abcdef.part.d/new")
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "timeline.json").touch()
    (tmp_path / "nothing").mkdir()
    assert [run.relative_to(tmp_path).as_posix() for run in runs_in(tmp_path)] == ["a", "b/1", "b/2", "b-c"]
    assert runs_in(tmp_path / "a") == [tmp_path / "a"] and runs_in(tmp_path / "nothing") == []
    assert runs_in(tmp_path / "gone") == []
