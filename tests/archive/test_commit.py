"""A clip's results appear by one rename: whole or not at all, whatever is there and wherever the program dies."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.timelines import timeline

from seqcls.archive.commit import commit_of, commits_in, committed, fault_of, read_commit, seal
from seqcls.errors import OutputError, SourceError
from seqcls.exports import write_run
from seqcls.exports.run_folders import COMMIT
from seqcls.files.output_lock import OutputBusyError, only_writer
from seqcls.files.temporaries import is_temporary, sweep
from seqcls.timeline import Timeline
from seqcls.types import Gap, SourceReport


def write(folder: Path, one: Timeline, *, replaces: bool = False, **changes: object) -> None:
    with committed(folder, replaces=lambda: replaces) as new:
        assert not folder.exists() or replaces, "nothing is there before the rename"
        write_run(one, new)
        commit = commit_of([one], path="p/a.mp4", content="c", run="r", is_clip=True)
        seal(new, replace(commit, **changes))  # type: ignore[arg-type]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_committed_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "out/a", timeline(thyroid="..PPPPP...", trachea="PPPPPPPPPP"))
    commit = read_commit(tmp_path / "out/a")
    assert commit is not None and commit.is_whole
    assert (commit.path, commit.status, commit.reason, commit.warnings) == ("p/a.mp4", "done", "", ())
    assert commit.seconds == {"thyroid": 0.5, "trachea": 1.0} and (commit.duration_s, commit.coverage) == (1.0, 1.0)
    assert sorted(commit.files) == ["intervals.csv", "scores.csv", "timeline.json"]
    assert fault_of(tmp_path / "out/a", commit) == ""
    assert names(tmp_path / "out") == ["a"], "nothing is left beside it"
    assert [folder.name for folder, _ in commits_in(tmp_path)] == ["a"]
    assert str(tmp_path) not in (tmp_path / "out/a" / COMMIT).read_text(encoding="utf-8")


@pytest.mark.parametrize("verdict", ["truncated", "damaged", "interrupted"])
def test_the_verdict_becomes_the_status_with_its_reason(verdict: str) -> None:
    report = SourceReport(verdict, ("it ends early", "and more"), 3, (Gap(0.3, 0.5, "lost"),))  # type: ignore[arg-type]
    commit = commit_of([replace(timeline(a="PPP"), report=report)], path="a", content="c", run="r", is_clip=True)
    assert (commit.status, commit.reason, commit.warnings) == (verdict, "it ends early", ("and more",))
    assert commit.is_whole == (verdict != "interrupted")


def test_an_error_inside_leaves_everything_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(SourceError), committed(tmp_path / "p/a", replaces=lambda: False) as new:
        (new / "scores.csv").write_text("half")
        raise SourceError("a bad clip")
    assert list((tmp_path / "p").iterdir()) == []
    write(tmp_path / "p/a", timeline(a="PPP"))
    with pytest.raises(SourceError), committed(tmp_path / "p/a", replaces=lambda: True):
        raise SourceError("a bad clip")
    assert read_commit(tmp_path / "p/a") is not None


def test_what_another_run_has_written_meanwhile_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    write(folder, timeline(a="PPP"))
    before = (folder / "timeline.json").read_bytes()
    with pytest.raises(OutputBusyError, match="meanwhile"):
        write(folder, timeline(a="..."))
    with pytest.raises(OutputBusyError, match="meanwhile"), committed(tmp_path / "b", replaces=lambda: False) as new:
        seal(new, commit_of([timeline(a="PPP")], path="b", content="c", run="r", is_clip=True))
        (tmp_path / "b").mkdir()
        (tmp_path / "b/timeline.json").touch()
    assert (folder / "timeline.json").read_bytes() == before and names(tmp_path) == ["a", "b"]
    (tmp_path / "c").touch()
    with pytest.raises(OutputBusyError, match="move it away"):
        write(tmp_path / "c", timeline(a="PPP"), replaces=True)


def test_a_folder_that_is_written_into_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.files.output_lock._TRY_AGAIN_S", ())
    with only_writer(tmp_path / "a", is_folder=True), pytest.raises(OutputBusyError):
        write(tmp_path / "a", timeline(a="PPP"), replaces=True)


def test_what_a_person_put_beside_the_results_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    write(folder, timeline(a="PPP"))
    (folder / "notes.txt").write_text("mine")
    (folder / "timeline.vtt").write_text("exported from what is replaced")
    write(folder, timeline(a="..."), replaces=True)
    assert names(folder) == ["clip.json", "intervals.csv", "notes.txt", "scores.csv", "timeline.json"]
    (folder / "more").mkdir()
    with pytest.raises(OutputError, match="no part of a run"):
        write(folder, timeline(a="P.P"), replaces=True)
    assert (folder / "notes.txt").read_text() == "mine" and read_commit(folder) is not None


@pytest.mark.parametrize("dies_at", [1, 2])
def test_a_program_that_dies_in_the_rename_loses_neither_the_old_nor_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """Between the two steps of replacing: the old results have been moved away, the new ones are not in their place."""
    folder = tmp_path / "a"
    write(folder, timeline(a="PPP"))
    moves = 0
    move = Path.replace

    def dying(self: Path, target: Path) -> Path:
        nonlocal moves
        if "old" in Path(target).parts or self.name == "new":
            moves += 1
            if moves == dies_at:
                os._exit(9)
        return move(self, target)

    child = os.fork()
    if not child:
        monkeypatch.setattr(Path, "replace", dying)
        write(folder, timeline(a="..."), replaces=True)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert all(is_temporary(name) or name == "a" for name in names(tmp_path))
    sweep(tmp_path)
    found = read_commit(folder)
    assert names(tmp_path) == ["a"] and found is not None and fault_of(folder, found) == ""


@pytest.mark.parametrize(
    "harm",
    [
        lambda f: (f / COMMIT).write_text("{"),
        lambda f: (f / COMMIT).write_text(json.dumps({**json.loads((f / COMMIT).read_text()), "format": 2})),
        lambda f: (f / COMMIT).write_text(json.dumps({**json.loads((f / COMMIT).read_text()), "status": "well"})),
        lambda f: (f / COMMIT).write_text(json.dumps({**json.loads((f / COMMIT).read_text()), "files": {"/etc/passwd": ""}})),
        lambda f: (f / COMMIT).write_text(json.dumps({**json.loads((f / COMMIT).read_text()), "seconds": {"a": "=1"}})),
        lambda f: (f / COMMIT).write_text(json.dumps({**json.loads((f / COMMIT).read_text()), "shown": {"cuts/../../x": ""}})),
        lambda f: (f / "scores.csv").unlink(),
    ],
)  # fmt: skip
def test_what_is_no_whole_commit_counts_for_none(tmp_path: Path, harm: object) -> None:
    write(tmp_path / "a", timeline(a="PPP"))
    harm(tmp_path / "a")  # type: ignore[operator]
    assert read_commit(tmp_path / "a") is None and list(commits_in(tmp_path)) == []


def test_a_byte_that_has_changed_is_found_by_reading_all(tmp_path: Path) -> None:
    write(tmp_path / "a", timeline(a="PPP"))
    scores = (tmp_path / "a/scores.csv").read_bytes()
    (tmp_path / "a/scores.csv").write_bytes(scores.replace(b"1", b"2", 1))
    commit = read_commit(tmp_path / "a")
    assert commit is not None and "scores.csv has changed" in fault_of(tmp_path / "a", commit)


def test_a_picture_that_is_gone_is_found_by_reading_all_alone(tmp_path: Path) -> None:
    shown = ("timeline.png", "overlay.mp4", "cuts/node-00-00-01.000.mp4")
    with committed(tmp_path / "a", replaces=lambda: False) as new:
        write_run(timeline(a="PPP"), new)
        for name in shown:
            (new / name).parent.mkdir(exist_ok=True)
            (new / name).write_bytes(name.encode())
        seal(new, commit_of([timeline(a="PPP")], path="a", content="a", run="r", is_clip=True))
    for name in shown:
        (tmp_path / "a" / name).unlink()
        commit = read_commit(tmp_path / "a")
        assert commit is not None and fault_of(tmp_path / "a", commit).startswith(f"{name} cannot be read")
        (tmp_path / "a" / name).write_bytes(name.encode())
        assert fault_of(tmp_path / "a", commit) == ""
