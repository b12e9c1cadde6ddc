"""`seqcls run` on many clips: the same command again does what is missing, and nothing twice."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.clips import stills
from support.commands import Seqcls, bright_clip, one_line

from seqcls.engines import Engine
from seqcls.geometry import Layout, Region


def rows(folder: str = "out") -> dict[str, tuple[str, str]]:
    with Path(folder, "summary.csv").open(encoding="utf-8", newline="") as stream:
        return {row["path"]: (row["status"], row["reason"]) for row in csv.DictReader(stream)}


#: What summary.csv says of clips that are not asked for.
KEPT = "not among the clips of this run: its results are kept"


def pages(folder: str = "out") -> list[str]:
    """The clips that the index of a run has, those that have failed too."""
    index = re.search(r'id="clips-data">(.*?)</script>', Path(folder, "report.html").read_text(encoding="utf-8"))
    assert index is not None
    return sorted(one["title"] for one in json.loads(index[1])["clips"])


def intervals_of(folder: str) -> list[str]:
    """The clips of intervals.csv."""
    with Path(folder, "intervals.csv").open(encoding="utf-8", newline="") as stream:
        return sorted({row["file"] for row in csv.DictReader(stream)})


def contents(folder: Path) -> dict[str, bytes]:
    """What the results are, without the manifest, which holds the times of the clips' files."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "manifest.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a folder without any permission is for who may not do everything."""

    def refusing(name: str) -> None:
        asks = getattr(os, name)

        def ask(path=".", *of, **more):  # type: ignore[no-untyped-def]
            if isinstance(path, (str, os.PathLike)):
                full = Path.cwd() / path
                if folder in full.parents or (full == folder and name == "scandir"):
                    raise PermissionError(13, "Permission denied", os.fspath(path))
            return asks(path, *of, **more)

        monkeypatch.setattr(f"os.{name}", ask)

    for name in ("scandir", "stat", "open"):
        refusing(name)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The clips that are opened to be run, without those that are looked into for screens."""
    from seqcls.cli import run_clips
    from seqcls.sources import open_found

    opened: list[str] = []

    def opening(source, **options):  # type: ignore[no-untyped-def]
        opened.append(source.path)
        return open_found(source, **options)

    monkeypatch.setattr("seqcls.sources.open_found", opening)
    monkeypatch.setattr("seqcls.layouts.find_layouts", lambda *_: ())
    monkeypatch.setattr(run_clips, "AHEAD", 0)
    return opened


def test_the_same_command_again_does_what_is_missing_and_nothing_twice(
    seqcls: Seqcls, model: str, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sources.clip_digest", "archive.result_key"):  # these clips are small
        monkeypatch.setattr(f"seqcls.{module}.LOOKED_AT", 100)
    begun: list[Engine] = []
    monkeypatch.setattr("seqcls.engines.lazy.begin_opening", begun.append)
    for length, name in enumerate(("a", "b", "p/c"), 4):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    Path("clips/p/d.mp4").write_bytes(Path("clips/a.mp4").read_bytes())
    command = ("run", "clips", "-m", model, "-o", "out")
    done = seqcls(*command)
    assert done.code == 0 and "3 of 4 done, 0 failed, 1 skipped" in done.err, done.err
    assert sorted(read) == ["a.mp4", "b.mp4", "p/c.mp4"]
    assert rows()["p/d.mp4"] == ("skipped", "holds the same as a.mp4")
    whole = contents(Path("out"))

    read.clear()
    begun.clear()
    written = Path("out/manifest.json").stat().st_ino
    assert seqcls(*command).code == 0 and read == [] and contents(Path("out")) == whole
    assert begun == [] and Path("out/manifest.json").stat().st_ino == written, "a look costs little"
    (Path("out/b/scores.csv")).unlink()
    assert seqcls(*command).code == 0 and read == ["b.mp4"] and contents(Path("out")) == whole

    read.clear()
    Path("out/a/scores.csv").write_bytes(whole["a/scores.csv"].replace(b"0.", b"1.", 1))
    done = seqcls(*command, "--quiet")
    assert (done.code, done.out, done.err, read) == (0, "", "", []), "nobody looks inside unless asked"
    done = seqcls(*command, "--verify")
    assert "a.mp4: scores.csv has changed since it was written; it is done again" in done.err
    assert read == ["a.mp4"] and contents(Path("out")) == whole

    read.clear()
    bright_clip(Path("clips/e.mp4"), [False] * 7)
    assert seqcls(*command).code == 0 and read == ["e.mp4"]
    assert {name: data for name, data in contents(Path("out")).items() if "/" in name and name[:2] != "e/"} == {
        name: data for name, data in whole.items() if "/" in name
    }

    clip, was = Path("clips/b.mp4"), Path("clips/b.mp4").read_bytes()
    times = clip.stat().st_atime_ns, clip.stat().st_mtime_ns
    for data, code in ((bytearray(was), 1), (was, 0)):
        if code:
            data[len(data) // 2] ^= 1  # neither the size nor the time says so
        clip.write_bytes(data)
        os.utime(clip, ns=times)
        done = seqcls(*command)
        assert done.code == code and rows()["b.mp4"][0] == ("failed" if code else "done"), done.err
    assert read == ["e.mp4"]

    other = seqcls(*command, "--onset", "0.7")
    assert other.code == 1 and one_line(other) == (
        "seqcls: out holds results of another run (another thresholds or durations): add --overwrite to make them anew,"
        " or choose another place"
    )
    bright_clip(Path("clips/b.mp4"), [True, False] * 5)
    changed = seqcls(*command)
    assert changed.code == 1 and rows()["b.mp4"][0] == "failed" and "delete b/ in the output" in one_line(changed)
    read.clear()
    assert "results of another run (another --exact)" in seqcls(*command, "--exact").err
    assert seqcls(*command, "--overwrite").code == 0 and sorted(set(read)) == ["a.mp4", "b.mp4", "e.mp4", "p/c.mp4"]


def test_a_clip_that_failed_twice_is_left_until_somebody_asks(
    seqcls: Seqcls, model: str, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqcls.sources.isolated.DecoderPool.open", lambda self, *a, **b: opened_here(*a, **b))
    from seqcls import sources

    def opened_here(source, *, images=(), **more):  # type: ignore[no-untyped-def]
        return sources.open_found(source, **more)

    for name, length in (("a", 4), ("c", 5)):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    Path("clips/b.mp4").write_text("no video at all")
    command = ("run", "clips", "-m", model, "-o", "out")
    done = seqcls(*command)
    assert done.code == 1 and read == ["a.mp4", "b.mp4", "c.mp4", "b.mp4"] and "2 of 3 done, 1 failed" in done.err
    reason = rows()["b.mp4"][1]
    assert rows()["b.mp4"][0] == "failed" and "b.mp4" not in reason and str(Path.cwd()) not in reason
    assert reason.startswith("cannot be opened"), "its name stands beside it"
    read.clear()
    again = seqcls(*command)
    assert again.code == 1 and read == [] and f"failed twice before ({reason}); --retry" in one_line(again)
    assert seqcls(*command, "--retry").code == 1 and read == ["b.mp4"] * 2
    bright_clip(Path("clips/b.mp4"), [True] * 6)
    assert seqcls(*command).code == 0 and not Path("out/attempts.jsonl").exists()


def test_too_many_errors_and_what_only_many_clips_have(seqcls: Seqcls, model: str) -> None:
    bright_clip(Path("x.mp4"), [True] * 4)
    Path("list").write_text("none.mp4\nx.mp4\n")
    done = seqcls("run", "@list", "-m", model, "-o", "out", "--max-errors", "1")
    assert done.code == 1 and rows() == {
        "none.mp4": ("failed", "no such file or folder; check the name"),
        "x.mp4": ("skipped", "not run: 1 clip failed before (--max-errors)"),
    }
    done = seqcls("run", "@list", "-m", model, "-o", "out")
    assert done.code == 1 and "failed twice before" not in done.err, "it may be there next time"
    assert rows()["x.mp4"][0] == "done"
    Path("z.mp4").write_text("no video at all")
    bright_clip(Path("y.mp4"), [True] * 5)
    Path("list").write_text("z.mp4\ny.mp4\nx.mp4\n")
    done = seqcls("run", "@list", "-m", model, "-o", "out", "--max-errors", "1")
    assert done.code == 1 and [status for status, _ in rows().values()] == ["failed", "skipped", "done"]
    assert rows()["y.mp4"][1] == "not run: 1 clip failed before (--max-errors)"
    for option in (["--verify"], ["--retry"], ["--max-errors", "3"], ["--shard", "1/2"]):
        done = seqcls("run", "x.mp4", "-m", model, *option)
        assert done.code == 2 and f"{option[0]} is for several clips" in one_line(done)
    done = seqcls("run", "x.mp4", "-m", model, "--max-errors", "0")
    assert done.code == 2 and "--max-errors takes a number from 1 on" in one_line(done)


def test_the_output_may_lie_in_the_input(seqcls: Seqcls, model: str, read: list[str]) -> None:
    for name, length in (("a", 4), ("b", 5)):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    command = ("run", "clips", "-m", model, "-o", "clips")
    assert seqcls(*command).code == 0
    bright_clip(Path("clips/a/cuts/node-00-00-00.000.mp4"), [True] * 8)
    read.clear()
    assert seqcls(*command).code == 0 and read == [] and os.path.exists("clips/summary.csv")  # noqa: PTH110
    stills(Path("clips/b/mine"), ["f1.png", "f2.png"])
    assert seqcls(*command).code == 0 and read == ["b/mine"], "what a person puts there is an input"


def test_a_folder_of_one_clip_is_a_run_of_many_to_which_clips_can_be_added(
    seqcls: Seqcls, model: str, read: list[str]
) -> None:
    bright_clip(Path("clips/a.mp4"), [True] * 4)
    command = ("run", "clips", "-m", model, "-o", "out")
    assert seqcls(*command).code == 0 and rows() == {"a.mp4": ("done", "")}
    again = seqcls(*command)
    assert again.code == 0 and "1 of 1 done" in again.err and read == ["a.mp4"]
    bright_clip(Path("clips/b.mp4"), [True] * 5)
    assert seqcls(*command).code == 0 and read == ["a.mp4", "b.mp4"] and sorted(rows()) == ["a.mp4", "b.mp4"]
    assert seqcls("run", "clips/a.mp4", "-m", model, "-o", "alone").code == 0
    assert Path("alone/timeline.json").is_file(), "a clip that is named is a run by itself"
    refused = seqcls("run", "clips", "-m", model, "-o", "alone")
    assert refused.code == 1 and sorted(path.name for path in Path("alone").iterdir() if path.is_dir()) == []
    assert one_line(refused) == (
        "seqcls: alone holds the run of one clip, and a folder, a pattern or a list is a run of many: choose another"
        " place, or add --overwrite to replace it"
    )
    assert seqcls(*command[:5], "alone", "--overwrite").code == 0 and sorted(rows("alone")) == ["a.mp4", "b.mp4"]
    assert not Path("alone/timeline.json").exists()
    Path("out/b/timeline.json").unlink()
    one_file = seqcls("export", "out", "-o", "x.vtt")
    assert one_file.code == 2 and "for the 1 run of a folder: name one, such as out/a, or a folder" in one_line(
        one_file
    )


def test_parts_on_several_machines_are_together_one_run(seqcls: Seqcls, model: str, read: list[str]) -> None:
    for length, name in enumerate(("a", "b", "c", "p/d", "p/e"), 4):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    Path("clips/p/f.mp4").write_bytes(Path("clips/a.mp4").read_bytes())
    assert seqcls("run", "clips", "-m", model, "-o", "out").code == 0
    whole, whole_rows = contents(Path("out")), rows()
    read.clear()
    parts: dict[str, bytes] = {}
    part_rows: dict[str, tuple[str, str]] = {}
    for part in ("1/2", "2/2"):
        command = ("run", "clips", "-m", model, "-o", f"parts/{part[0]}", "--shard", part)
        done = seqcls(*command)
        assert done.code == 0 and f"in part {part}" in done.err
        ours = rows(command[5])
        assert 0 < len(ours) < 6 and not part_rows.keys() & ours.keys()
        part_rows |= ours
        parts |= {name: data for name, data in contents(Path(command[5])).items() if "/" in name}
        assert seqcls(*command).code == 0
    assert sorted(read) == ["a.mp4", "b.mp4", "c.mp4", "p/d.mp4", "p/e.mp4"], "each once"
    assert parts == {name: data for name, data in whole.items() if "/" in name} and part_rows == whole_rows
    first = contents(Path("parts/1")).keys()
    for into, lost in (("out", False), ("out", True), ("parts/1", False)):  # of a whole run, and of another part
        if lost:
            Path(into, "manifest.json").unlink()
        assert seqcls("run", "clips", "-m", model, "-o", into, "--shard", "2/2").code == 0
        after = rows(into)
        assert {path for path, (status, _) in after.items() if status != "skipped"} == {
            f"{name.removesuffix('/clip.json')}.mp4" for name in contents(Path(into)) if name.endswith("/clip.json")
        }
        assert {reason for path, (_, reason) in after.items() if path in ours or after[path][0] == "skipped"} <= {
            "", "holds the same as a.mp4", "not among the clips of this run, and without results of its kind",
        }  # fmt: skip
        assert json.loads(Path(into, "manifest.json").read_bytes()).get("part", "") == ""
    assert first < contents(Path("parts/1")).keys() and len(rows("parts/1")) == 6
    assert seqcls("run", "clips", "-m", model, "-o", "out").code == 0 and rows() == whole_rows
    wrong = seqcls("run", "clips", "-m", model, "-o", "out", "--shard", "3/2")
    assert wrong.code == 2 and "--shard 3/2: the part is from 1 to the number of parts" in one_line(wrong)


def test_a_changed_clip_of_another_part_stands_for_none_here(seqcls: Seqcls, model: str, read: list[str]) -> None:
    from seqcls.archive.shard import Shard

    ours, theirs = (
        [f"{name}.mp4" for name in "abcdefgh" if Shard.parse(f"{part}/2").takes(f"{name}.mp4")] for part in "12"
    )
    old, new = theirs[0], ours[-1]
    bright_clip(Path("clips", old), [True] * 4)
    bright_clip(Path("clips", ours[0]), [True] * 5)
    run = ("run", "clips", "-m", model)
    parts = [(*run, "-o", f"parts/{part}", "--shard", f"{part}/2") for part in "12"]
    assert [seqcls(*part).code for part in parts] == [0, 0]
    bright_clip(Path("clips", old), [True] * 6)
    Path("clips", new).write_bytes(Path("clips", old).read_bytes())
    assert seqcls(*parts[0]).code == 0 and rows("parts/1") == {ours[0]: ("done", ""), new: ("done", "")}
    shutil.rmtree(Path("parts/1", new.removesuffix(".mp4")))  # as if that run had not come so far
    read.clear()
    assert seqcls(*parts[0]).code == 0 and read == [new]
    assert seqcls(*parts[1]).code == 1 and "has changed since" in rows("parts/2")[old][1]
    assert [seqcls(*part, "--overwrite").code for part in parts] == [0, 0]
    assert rows("parts/1")[new] == ("done", "") and rows("parts/2")[old] == ("skipped", f"holds the same as {new}")


def test_what_is_not_found_costs_itself_alone_and_each_part_says_so(
    seqcls: Seqcls, model: str, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for length, name in enumerate(("a", "b", "p/c", "p/deep/d"), 4):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    gone, nothing = (
        "no such file or folder; check the name",
        "nothing fits this pattern; check the folder and the suffix",
    )
    named = ("clips/a.mp4", "gone.mp4", "none/*.mp4", "clips/b.mp4")
    done = seqcls("run", *named, "-m", model, "-o", "named")
    assert done.code == 1 and "2 of 4 done, 2 failed" in done.err and f"seqcls: gone.mp4: {gone}\n" in done.err
    assert rows("named") == {
        "a.mp4": ("done", ""), "gone.mp4": ("failed", gone), "*.mp4": ("failed", nothing), "b.mp4": ("done", ""),
    }  # fmt: skip
    done = seqcls("run", "gone.mp4", "none.mp4", "-m", model, "-o", "none")
    assert done.code == 1 and one_line(done) == f"seqcls: gone.mp4: {gone} (and 1 more like it)"
    assert not Path("none").exists(), "nothing at all can be done"

    with monkeypatch.context() as locked:
        lock(Path("clips/p").resolve(), locked)
        why = "cannot be listed (Permission denied); check its permissions"
        done = seqcls("run", "clips", "-m", model, "-o", "out")
        assert done.code == 1 and one_line(done) == f"seqcls: clips/p: {why}" and "2 of 3 done, 1 failed" in done.err
        assert rows() == {"a.mp4": ("done", ""), "b.mp4": ("done", ""), "p": ("failed", why)}
        for part in ("1/2", "2/2"):  # nobody knows which clips lie there
            assert seqcls("run", "clips", "-m", model, "-o", f"parts/{part[0]}", "--shard", part).code == 1
            assert rows(f"parts/{part[0]}")["p"] == ("failed", why)
    read.clear()
    assert seqcls("run", "clips", "-m", model, "-o", "out").code == 0 and read == ["p/c.mp4", "p/deep/d.mp4"]
    assert list(rows()) == ["a.mp4", "b.mp4", "p/c.mp4", "p/deep/d.mp4"] and Path("out/p/c/clip.json").is_file()
    Path("clips/b.mp4").unlink()
    assert seqcls("run", "clips/a.mp4", "clips/b.mp4", "-m", model, "-o", "named").code == 0, "its results are there"


def test_more_clips_may_lengthen_the_names_of_those_before(seqcls: Seqcls, model: str, read: list[str]) -> None:
    """They are not run again, nor counted twice."""
    for length, name in enumerate(("p1/a", "p2/b", "p3/a"), 4):
        bright_clip(Path(f"{name}.mp4"), [True] * length)
    Path("list.txt").write_text("p1/a.mp4\np2/b.mp4\n", encoding="utf-8")
    command = ("run", "@list.txt", "-m", model, "-o", "out")
    assert seqcls(*command).code == 0 and sorted(rows()) == ["a.mp4", "b.mp4"]
    read.clear()
    Path("list.txt").write_text("p1/a.mp4\np2/b.mp4\np3/a.mp4\n", encoding="utf-8")
    for again in (False, True):
        assert seqcls(*command).code == 0
        assert {path: status for path, (status, _) in rows().items()} == {
            "p1/a.mp4": "skipped", "b.mp4": "done", "p3/a.mp4": "done", "a.mp4": "done",
        }, again  # fmt: skip
        assert read == ["p3/a.mp4"]
    Path("list.txt").write_text("p2/b.mp4\np3/a.mp4\n", encoding="utf-8")
    assert seqcls("run", "@list.txt", "-m", model, "-o", "out", "--overwrite", "--where", "x = not node").code == 0
    gone = ("skipped", "not among the clips of this run, and without results of its kind")
    assert rows()["p1/a.mp4"][0] == "skipped" and gone in rows().values(), rows()


def test_a_clip_that_was_run_into_the_folder_before_is_no_answer_for_all(
    seqcls: Seqcls, model: str, read: list[str]
) -> None:
    for length, name in enumerate("abc", 4):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    assert seqcls("run", "clips/a.mp4", "-m", model, "-o", "out", "--report").code == 0
    refused = seqcls("run", "clips", "-m", model, "-o", "out")
    assert refused.code == 1 and "out holds the run of one clip" in one_line(refused)
    assert seqcls("run", "clips", "-m", model, "-o", "out", "--overwrite", "--quiet").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "a", "b", "c", "intervals.csv", "manifest.json", "summary.csv",
    ]  # fmt: skip
    Path("out/timeline.json").write_bytes(Path("out/a/timeline.json").read_bytes())  # as an older version left it
    assert "3 runs replayed" in seqcls("replay", "out").err
    assert "3 runs exported" in seqcls("export", "out", "-o", "subtitles").err
    assert "3 reports written" in seqcls("report", "out").err
    for command in (("replay", "out/a", "-o", "out"), ("export", "out/a", "-o", "out")):
        refused = seqcls(*command)
        assert refused.code == 1 and "out holds the results of many clips" in one_line(refused)


def test_a_clip_that_becomes_a_copy_of_another_leaves_no_old_results_unsaid(
    seqcls: Seqcls, model: str, read: list[str]
) -> None:
    bright_clip(Path("clips/a.mp4"), [True] * 4)
    bright_clip(Path("clips/b.mp4"), [True] * 6)
    command = ("run", "clips", "-m", model, "-o", "out")
    assert seqcls(*command).code == 0
    Path("clips/b.mp4").write_bytes(Path("clips/a.mp4").read_bytes())
    changed = seqcls(*command)
    assert changed.code == 1 and "b.mp4: has changed since its results were written" in one_line(changed)
    assert rows()["b.mp4"][0] == "failed" and "1 clip changed since" in seqcls("export", "out").err
    Path("clips/b.mp4").unlink()
    assert seqcls(*command, "--report").code == 0
    assert "2 runs exported, 0 failed\n" in seqcls("export", "out", "--overwrite").err
    assert rows() == {"a.mp4": ("done", ""), "b.mp4": ("done", KEPT)}, "as searches answer from them"
    assert pages() == ["a.mp4", "b.mp4"] and intervals_of("out") == ["a.mp4", "b.mp4"]
    Path("clips/b.mp4").write_bytes(Path("clips/a.mp4").read_bytes())
    assert seqcls(*command, "--report").code == 1 and pages() == ["a.mp4", "b.mp4"], "its page is not hidden"
    again = seqcls(*command, "--overwrite")
    assert again.code == 0 and rows()["b.mp4"] == ("skipped", "holds the same as a.mp4")
    assert not Path("out/b/clip.json").exists() and not Path("out/b/timeline.json").exists()


def test_a_changed_clip_stands_for_no_other(seqcls: Seqcls, model: str, read: list[str]) -> None:
    """Its folder has the results of something else, and nobody else's would ever be made."""
    bright_clip(Path("clips/y.mp4"), [True] * 4)
    command = ("run", "clips", "-m", model, "-o", "out")
    assert seqcls(*command).code == 0
    bright_clip(Path("clips/y.mp4"), [True] * 6)
    assert seqcls(*command).code == 1 and rows()["y.mp4"][0] == "failed"
    for name in ("zz", "a0"):  # one behind, one before it
        Path(f"clips/{name}.mp4").write_bytes(Path("clips/y.mp4").read_bytes())
    read.clear()
    for _ in range(2):
        assert seqcls(*command).code == 1 and read == ["a0.mp4"]
        assert rows().pop("y.mp4")[1].startswith("has changed since")
        assert {path: row for path, row in rows().items() if path != "y.mp4"} == {
            "a0.mp4": ("done", ""), "zz.mp4": ("skipped", "holds the same as a0.mp4"),
        }  # fmt: skip
    shutil.rmtree("out/y")
    for _ in range(2):
        assert seqcls(*command).code == 0 and read == ["a0.mp4"]
        assert rows()["y.mp4"] == ("skipped", "holds the same as a0.mp4") == rows()["zz.mp4"]


def test_results_of_a_clip_that_holds_the_same_as_another_are_counted(
    seqcls: Seqcls, model: str, read: list[str]
) -> None:
    """Both were done, each while the other was not asked for."""
    bright_clip(Path("b/clips/b.mp4"), [True] * 4)
    bright_clip(Path("a/clips/a.mp4"), [False] * 4)
    Path("a/clips/a.mp4").write_bytes(Path("b/clips/b.mp4").read_bytes())
    os.utime("a/clips/a.mp4", ns=(0, 0))  # else it would be taken for a new name of the other
    for clips in ("a", "b"):
        assert seqcls("run", f"{clips}/clips", "-m", model, "-o", "out").code == 0
    assert rows() == {"b.mp4": ("done", ""), "a.mp4": ("done", KEPT)}
    Path("b/clips/a.mp4").hardlink_to("a/clips/a.mp4")
    assert seqcls("run", "b/clips", "-m", model, "-o", "out").code == 0 and read == ["a.mp4", "b.mp4"]
    assert rows() == {"a.mp4": ("done", ""), "b.mp4": ("done", "holds the same as a.mp4")}
    assert intervals_of("out") == ["a.mp4", "b.mp4"]


def test_what_has_no_timeline_is_told_by_all_that_read_timelines(
    seqcls: Seqcls, model: str, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for length, name in enumerate(("a", "b", "=c"), 4):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    Path("clips/d.mp4").write_text("no video at all")
    Path("clips/e.mp4").write_text("no video either")
    command = ("run", "clips", "-m", model, "-o", "out")
    assert seqcls(*command, "--report").code == 1
    bright_clip(Path("clips/b.mp4"), [True, False] * 5)
    bright_clip(Path("clips/f.mp4"), [True] * 9)
    assert seqcls(*command, "--max-errors", "1", "--retry").code == 1
    with Path("out/summary.csv").open(encoding="utf-8", newline="") as stream:
        (changed,) = (row for row in csv.DictReader(stream) if row["path"] == "b.mp4")
    assert (changed["status"], changed["folder"]) == ("failed", "b") and "has changed since" in changed["reason"]
    shutil.rmtree("out/=c" if Path("out/=c").exists() else "out/_c")
    lacking = "4 clips without a timeline (2 failed, 2 not done); 1 clip changed since the results were written"
    done = seqcls("report", "out", "--overwrite")
    assert done.code == 0 and f"2 reports written, 0 failed; besides {lacking}" in done.err, done.err
    index = re.search(r'id="clips-data">(.*?)</script>', Path("out/report.html").read_text(encoding="utf-8"))
    assert index is not None
    listed = {one["title"]: (one["failed"], one.get("note", "")) for one in json.loads(index[1])["clips"]}
    assert listed["a.mp4"] == ("", "") and "has changed since" in listed["b.mp4"][1]
    assert listed["d.mp4"][0].startswith("cannot be opened") and listed["f.mp4"][0].startswith(
        "skipped: not run: 1 clip failed before"
    )
    assert listed["=c.mp4"][0] == "interrupted: its results are not there any more: the same command makes them"
    for command in (("replay", "out"), ("export", "out")):
        done = seqcls(*command)
        assert done.code == 0 and f"besides these {lacking}: summary.csv" in done.err
    if find_spec("duckdb") and find_spec("pyarrow"):
        assert f"2 of 2 clips; besides {lacking}" in seqcls("find", "out", "node").err
    Path("out/summary.csv").unlink()  # as a program that was killed leaves it
    assert "2 failed, 2 not done" in seqcls("report", "out", "--overwrite").err


def test_results_that_cannot_be_read_cost_their_clip_and_are_named_by_all(
    seqcls: Seqcls, model: str, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for length, name in enumerate(("a", "p/b"), 4):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    command = ("run", "clips", "-m", model, "-o", "out")
    assert seqcls(*command).code == 0
    bright_clip(Path("clips/c.mp4"), [True] * 6)
    lock(Path("out/p/b").resolve(), monkeypatch)
    read.clear()
    done = seqcls(*command)
    why = "p/b/ in the output cannot be read (Permission denied): allow it, or move that folder away"
    assert done.code == 1 and one_line(done) == f"seqcls: p/b.mp4: {why}" and read == ["c.mp4"], done.err
    assert rows() == {"a.mp4": ("done", ""), "c.mp4": ("done", ""), "p/b.mp4": ("failed", why)}
    for again in (("report", "out"), ("export", "out"), ("replay", "out")):
        done = seqcls(*again)
        assert done.code == 1 and one_line(done) == "seqcls: out/p/b cannot be read: Permission denied", done.err
        assert ("2 reports written, 1 failed\n" in done.err) == (again[0] == "report") and "besides" not in done.err
    assert pages() == ["a.mp4", "c.mp4", "p/b"]
    compared = seqcls("agree", "out", "out")
    assert compared.code == 1 and "out/p/b cannot be read: Permission denied" in compared.err
    if find_spec("duckdb") and find_spec("pyarrow"):
        for _ in range(2):
            done = seqcls("find", "out", "node")
            assert done.code == 1 and "left out: p/b: Permission denied" in done.err and "2 of 2 clips\n" in done.err


def test_a_renamed_clip_is_not_done_again(seqcls: Seqcls, model: str, read: list[str]) -> None:
    for length, name in enumerate("ab", 4):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    command = ("run", "clips", "-m", model, "-o", "out")
    assert seqcls(*command).code == 0
    read.clear()
    Path("clips/a.mp4").rename("clips/c.mp4")
    for _ in range(2):
        assert seqcls(*command).code == 0 and read == []
        assert rows() == {
            "b.mp4": ("done", ""),
            "c.mp4": ("skipped", "holds the same as a.mp4"),
            "a.mp4": ("done", KEPT),
        }
    assert "2 runs replayed" in seqcls("replay", "out").err


def test_what_is_lost_beside_whole_results_costs_as_little_as_can_be(
    seqcls: Seqcls, model: str, read: list[str]
) -> None:
    for length, name in enumerate("ab", 4):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    command = ("run", "clips", "-m", model, "-o", "out")
    assert seqcls(*command).code == 0
    whole, manifest = contents(Path("out")), Path("out/manifest.json")
    held = manifest.read_bytes()
    read.clear()
    for torn in (b"", held[: len(held) // 2], None):
        manifest.unlink() if torn is None else manifest.write_bytes(torn)
        done = seqcls(*command)
        assert done.code == 0 and "made again from the results of 2 clips" in done.err, done.err
        assert read == [] and contents(Path("out")) == whole and json.loads(manifest.read_bytes())["known"] == [0]
    manifest.unlink()
    other = seqcls(*command, "--onset", "0.7")
    assert other.code == 1 and "were made with other options" in one_line(other) and contents(Path("out")) == whole
    assert seqcls(*command).code == 0
    Path("out/a/clip.json").unlink()
    done = seqcls(*command)
    assert done.code == 1 and "a/ in the output holds a run without clip.json" in one_line(done)
    assert rows()["b.mp4"] == ("done", "") and rows()["a.mp4"][0] == "failed"


def test_screens_that_only_a_lost_manifest_knew_are_found_again(
    seqcls: Seqcls, model: str, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for length, name in enumerate("ab", 4):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    shared = Layout(Region(0, 0, 640, 480, 640, 480), (200,) * 32 * 24)
    monkeypatch.setattr("seqcls.layouts.find_layouts", lambda opens, *_: (shared,) if len(opens) == 2 else ())
    command = ("run", "clips", "-m", model, "-o", "out")
    assert seqcls(*command).code == 0
    held = json.loads(Path("out/manifest.json").read_bytes())
    read.clear()
    Path("out/manifest.json").unlink()
    done = seqcls(*command)
    assert done.code == 0 and "made again from the results of 2 clips" in done.err and read == []
    now = json.loads(Path("out/manifest.json").read_bytes())
    assert all(now[name] == held[name] for name in ("layouts", "known", "options")) and now["known"] == [1]
    Path("out/manifest.json").unlink()
    Path("clips/b.mp4").unlink()  # without it, the screen is not known to be shared
    done = seqcls(*command)
    assert done.code == 1 and "put a copy of it back" in one_line(done)


def test_a_run_around_the_parts_of_another_is_refused(seqcls: Seqcls, model: str, read: list[str]) -> None:
    for length, name in enumerate("ab", 4):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    command = ("run", "clips", "-m", model, "-o")
    assert seqcls(*command, "out/1").code == 0
    refused = seqcls(*command, "out")
    assert refused.code == 1 and "holds a run of many clips, which would count twice" in one_line(refused)
