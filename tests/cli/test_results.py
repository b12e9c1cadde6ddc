"""`seqcls replay` and `seqcls export`: what can be done with a finished run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.commands import Seqcls, bright_clip, one_line
from support.journals import (
    Clock,
    begin,
    frame,
    write_small,
)
from support.timelines import timeline

from seqcls.cli import results
from seqcls.errors import DataError, OutputError
from seqcls.exports import read_run, write_run
from seqcls.journal import (
    JOURNAL_NAME,
    resume,
)
from seqcls.timemap import TimeMap
from seqcls.types import Gap


def test_a_finished_run_is_replayed_and_exported(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    clip = bright_clip(tmp_path / "clip.mp4", [15 <= i < 35 for i in range(50)])
    assert seqcls("run", clip, "-m", model, "-o", "out").code == 0
    same = seqcls("replay", "out", "-o", "same")
    assert same.code == 0
    assert Path("same/intervals.csv").read_bytes() == Path("out/intervals.csv").read_bytes()
    again = seqcls("replay", "out", "-o", "same")
    assert again.code == 1 and "same" in one_line(again) and "--overwrite" in one_line(again)
    for wrong in (("--onset", "2"), ("--smoothing", "median,dwell=2")):
        assert seqcls("replay", "out", "-o", "same", *wrong).code == 2
    made = seqcls("replay", "out", "--where", "gone = not node", "--where", "both = gone and node", "-o", "made")
    assert made.code == 0 and "gone" in made.out
    assert [i.state for i in read_run("made").of("gone")] == ["present", "absent", "present"]
    assert [i.state for i in read_run("made").of("both")] == ["absent"]
    none = seqcls("replay", "out", "--onset", "1.0", "--min-present", "9")
    assert none.code == 0 and "no organ in view" in none.out and "nothing was written" in none.err
    done = seqcls("export", "out", "--to", "vtt,srt")
    assert done.code == 0 and done.out.split() == [str(Path("out/timeline.vtt")), str(Path("out/timeline.srt"))]
    assert Path("out/timeline.vtt").read_text(encoding="utf-8").startswith("WEBVTT")
    again = seqcls("export", "out", "--to", "vtt")
    assert again.code == 1 and "--overwrite" in one_line(again)
    assert seqcls("export", "out", "--to", "docx").code == 2
    assert seqcls("export", "nowhere").code == 1


def test_a_folder_of_runs_is_exported_run_by_run(seqcls: Seqcls) -> None:
    for name in ("b.mp4", "day/a.avi"):
        write_run(timeline(liver="..PPPP.."), Path("runs") / name)
    shutil.copytree("runs/b.mp4", "runs/.seqcls-0123456789abcdef.part.d")  # what a killed program left
    places = [Path("runs") / name / "timeline.vtt" for name in ("b.mp4", "day/a.avi")]
    done = seqcls("export", "runs")
    assert (done.code, done.out.split()) == (0, list(map(str, places))), done.err
    assert "2 runs exported, 0 failed" in done.err
    again = seqcls("export", "runs")
    assert again.code == 1 and "--overwrite" in one_line(again)
    Path("runs/b.mp4/timeline.json").write_text("{}", encoding="utf-8")
    rest = seqcls("export", "runs", "-o", "out", "--to", "csv,srt")
    assert rest.code == 1 and "1 run exported, 1 failed" in rest.err and "b.mp4" in rest.err
    assert rest.out.split() == [str(Path("out/day/a.avi") / name) for name in ("intervals.csv", "timeline.srt")]
    for wrong in (["-o", "all.csv"], ["--clip", "a.avi"], ["--to", "docx"]):
        assert seqcls("export", "runs", *wrong).code == 2


def test_an_export_takes_the_times_of_the_proxy(seqcls: Seqcls, tmp_path: Path) -> None:
    made = timeline(liver="..PPPP..PPPP", gaps=(Gap(0.8, 1.3, "lost"),))
    write_run(made, tmp_path / "run")
    TimeMap.of_frames(made.scores.time_s, made.end_s).write(tmp_path / "timemap.csv")
    done = seqcls("export", "run", "-o", "wide.csv", "--to", "wide", "--timebase", "proxy", "--timemap", "timemap.csv")
    assert (done.code, done.out) == (0, "wide.csv\n")
    rows = Path("wide.csv").read_text(encoding="utf-8").splitlines()
    assert [row.rpartition(",")[2] for row in rows[1:]] == ["0"] * 2 + ["1"] * 4 + ["0"] * 2 + [""] * 5 + ["1"] * 4
    Path("key").write_text("0123456789abcdef" * 4)
    Path("key").chmod(0o600)
    hashed = ("export", "run", "-o", "otio", "--to", "otio", "--timemap", "timemap.csv", "--hash-names", "key")
    assert seqcls(*hashed).code == 0 and "clip.mp4" not in Path("otio/timeline.otio").read_text(encoding="utf-8")
    for wrong, why in (
        (("--timebase", "proxy"), "needs --timemap FILE"),
        (("--timebase", "source", "--timemap", "timemap.csv"), "leave one of them out"),
        (
            ("--to", "dicom-picture", "-o", "x.dcm", "--clip", "c.dcm", "--hash-names", "key"),
            "--clip or --hash-names out",
        ),
        (("--timebase", "clip"), "takes one of source, proxy"),
    ):
        refused = seqcls("export", "run", "-o", "x.vtt", *wrong)
        assert refused.code == 2 and why in one_line(refused)


def replay(*arguments: Any) -> int:
    """`seqcls replay`; its exit code, errors raised."""
    import typer

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("replay")(results.replay)
    app.command("export")(results.export)
    try:
        return app(["replay", *map(str, arguments)], standalone_mode=False) or 0
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a live run that crashed leaves."""
    with begin(tmp_path / "live" / JOURNAL_NAME, Clock(), model="m") as writer:
        writer.write(*(frame(i, liver=0.6 if 5 <= i < 15 else 0.1) for i in range(20)))
    return tmp_path / "live"


@pytest.mark.parametrize("pick", [lambda f: f, lambda f: f / JOURNAL_NAME], ids=["folder", "file"])
def test_replay_of_a_torn_journal(
    folder: Path, pick: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(pick(folder), "-o", folder) == 3
    out = capsys.readouterr().out
    assert "without being closed" in out and "truncated" in out
    timeline = read_run(folder)
    assert [(i.start_s, i.end_s) for i in timeline.of("liver", "present")] == [(0.5, 1.5)]
    assert timeline.provenance.model == "m" and (folder / "timeline.png").stat().st_size > 1000
    # A run like any other from here on, but what it lacks stays lacking.
    assert replay(folder, "--onset", "0.7", "-o", folder / "stricter") == 3
    assert read_run(folder / "stricter").of("liver", "present") == ()
    results.export(folder, to="vtt", output=None, overwrite=False)
    assert (folder / "timeline.vtt").is_file()


def test_a_timeline_of_before_the_run_was_resumed_is_not_taken_for_the_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = folder / JOURNAL_NAME
    with pytest.raises(DataError, match="seqcls replay"):
        results.export(folder, to="vtt", output=None, overwrite=False)
    assert replay(folder, "-o", folder) == 3
    os.utime(journal, ns=(0, (folder / "timeline.json").stat().st_mtime_ns - 1))
    capsys.readouterr()
    results.export(folder, to="vtt", output=None, overwrite=False)
    assert "warning" not in capsys.readouterr().err
    resumed = resume(journal, monotonic=Clock(30.0).monotonic, wall=Clock(30.0).wall)
    resumed.writer.write(frame(20, resumed.time_s))
    resumed.writer.close()  # and crashed before it wrote its timeline
    os.utime(journal, ns=(0, (folder / "timeline.json").stat().st_mtime_ns + 1))
    assert replay(folder) == 3
    assert "21 frames" in capsys.readouterr().out
    results.export(folder, to="srt", output=None, overwrite=False)
    assert "--overwrite` makes it from the journal" in " ".join(capsys.readouterr().err.split())


def test_an_interrupted_end_says_that_nothing_is_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    whole = (folder / JOURNAL_NAME).read_bytes()
    monkeypatch.setattr("seqcls.exports.scores_csv._score_cells", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"run\.journal is complete: `seqcls replay"):
        results.write_from_journal(folder / JOURNAL_NAME, folder)
    assert capsys.readouterr().err == "" and (folder / JOURNAL_NAME).read_bytes() == whole
    assert [path.name for path in folder.iterdir()] == [JOURNAL_NAME]
    monkeypatch.undo()
    timeline = results.write_from_journal(folder / JOURNAL_NAME, folder)
    assert str(read_run(folder).intervals) == str(timeline.intervals)


@pytest.mark.parametrize("provenance", [None, 5, [], {}, {"smoothing": {"kind": "mean", "x": 1}, "intervals": {}}])
def test_a_run_that_does_not_say_its_options(provenance: Any, folder: Path) -> None:
    replay(folder, "-o", folder / "out")
    body = json.loads((folder / "out" / "timeline.json").read_text(encoding="utf-8"))
    (folder / "out" / "timeline.json").write_text(json.dumps({**body, "provenance": provenance}), encoding="utf-8")
    with pytest.raises(DataError):
        replay(folder / "out")


def test_replay_of_a_whole_journal_with_other_options(tmp_path: Path) -> None:
    small = write_small(tmp_path / "small")
    assert replay(small, "-o", tmp_path / "same") == 0
    assert read_run(tmp_path / "same").report.verdict == "complete"
    assert replay(small, "-o", tmp_path / "none", "--onset", "0.95", "--smoothing", "none") == 0
    assert read_run(tmp_path / "none").of("liver", "present") == ()
    with pytest.raises(OutputError, match="overwrite=True"):
        replay(small, "-o", tmp_path / "same")


def test_replay_of_what_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(3000))
    with pytest.raises(DataError, match="no journal that can be read"):
        replay(tmp_path / "clip.mp4")
    with pytest.raises(DataError, match="no run at"):
        replay(tmp_path / "none")


def test_a_folder_of_many_runs_is_replayed_whole(seqcls: Seqcls, model: str) -> None:
    for name, length in (("a", 8), ("p/b", 9)):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    assert seqcls("run", "clips", "-m", model, "-o", "out").code == 0
    before = Path("out/a/timeline.json").read_bytes()
    done = seqcls("replay", "out", "--onset", "0.99", "-o", "again")
    assert done.code == 0 and "2 runs replayed, 0 failed" in done.err and "wrote again" in done.err, done.err
    for name in ("a", "p/b"):
        assert "absent" in Path(f"again/{name}/intervals.csv").read_text(encoding="utf-8")
    looked = seqcls("replay", "out", "--onset", "0.99")
    assert looked.code == 0 and "2 runs replayed, 0 failed" in looked.err and "nothing was written" in looked.err
    refused = seqcls("replay", "out", "-o", "out", "--overwrite")
    assert refused.code == 2 and "name another folder" in refused.err
    for place in ("out", "out/a"):
        there = seqcls("export", place, "--to", "csv,vtt")
        assert there.code == 2 and "a run has intervals.csv already" in one_line(there)
    for arguments in (("replay", "out", "-o", "out/again"), ("export", "out", "-o", "out/json", "--to", "json")):
        refused = seqcls(*arguments)
        assert refused.code == 2 and "whose runs it would double" in one_line(refused)
    assert Path("out/a/timeline.json").read_bytes() == before
