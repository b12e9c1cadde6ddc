"""`seqcls report` and `run --report`: one page for one run, an index for many."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.commands import Seqcls, bright_clip, one_line
from support.timelines import timeline

from seqcls.exports import write_run
from seqcls.files.output_lock import only_writer


def facts(page: Path) -> dict[str, Any]:
    """What the page says of its run, or of its clips."""
    found = re.search(r'<script type="application/json" id="[\w-]+">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert found is not None
    held: dict[str, Any] = json.loads(found[1])
    return held


def test_one_run_is_a_page(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    clip = bright_clip(tmp_path / "clips" / "clip.mp4", [15 <= i < 35 for i in range(50)])
    other = bright_clip(tmp_path / "clips" / "other.mp4", [True] * 120)
    assert seqcls("run", clip, "-m", model, "-o", "out").code == 0
    done = seqcls("report", "out")
    assert (done.code, done.out) == (0, f"{Path('out/report.html')}\n")
    bare = facts(Path("out/report.html"))
    assert bare["pictures"] == [] and bare["beside"] == "" and "--clip" in bare["remarks"][0]
    again = seqcls("report", "out")
    assert again.code == 1 and "--overwrite" in one_line(again)
    first = Path("out/report.html").read_bytes()
    assert seqcls("report", "out", "--overwrite").code == 0 and Path("out/report.html").read_bytes() == first
    wrong = seqcls("report", "out", "--clip", other, "--overwrite")
    assert wrong.code == 1 and "name the clip of this run" in one_line(wrong)
    assert Path("out/report.html").read_bytes() == first
    assert seqcls("report", "nowhere").code == 1
    Path("empty").mkdir()
    assert "seqcls run" in one_line(seqcls("report", "empty"))


def test_the_clip_beside_the_run_is_found(seqcls: Seqcls, model: str) -> None:
    bright_clip(Path("clip.mp4"), [True] * 10)
    assert seqcls("run", "clip.mp4", "-m", model, "-o", "out", "--region", "0,0,32,32", "--no-gate").code == 0
    assert seqcls("report", "out").code == 0
    held = facts(Path("out/report.html"))
    assert held["beside"] == "../clip.mp4" and len(held["pictures"]) >= 5 and held["remarks"] == []


def test_another_patient_s_clip_of_the_same_name_beside_the_run_is_not_taken(seqcls: Seqcls, model: str) -> None:
    """Of the same size, times and length; the run's own clip lies elsewhere."""
    bright_clip(Path("a/clip.mp4"), [True] * 10)
    bright_clip(Path("b/clip.mp4"), [True] * 9 + [False])
    stated = ["-m", model, "-o", "b/out", "--region", "0,0,32,32", "--no-gate", "--report"]
    assert seqcls("run", "a/clip.mp4", *stated).code == 0
    assert facts(Path("b/out/report.html"))["beside"] == "", "its player would show the other clip"
    done = seqcls("report", "b/out", "--overwrite")
    held = facts(Path("b/out/report.html"))
    assert done.code == 0 and "clip.mp4 is another file than the clip of this run" in done.err
    assert (held["pictures"], held["beside"]) == ([], "") and "not its clip" in held["remarks"][0]
    named = seqcls("report", "b/out", "--clip", "a/clip.mp4", "--overwrite")
    held = facts(Path("b/out/report.html"))
    assert named.code == 0 and len(held["pictures"]) >= 5 and held["beside"] == ""
    warned = seqcls("export", "b/out", "--clip", "b/clip.mp4", "-o", "t.csv")
    assert warned.code == 0 and "another file than the clip of this run" in warned.err
    timeline = Path("b/out/timeline.json")
    timeline.write_text(re.sub(r'"source_digest": "\w+",?', "", timeline.read_text(encoding="utf-8")), encoding="utf-8")
    old = seqcls("report", "b/out", "--overwrite")  # of a run that kept no digest, and looked for no region
    assert old.code == 0 and "--clip" in old.err and facts(Path("b/out/report.html"))["pictures"] == []


def test_a_run_of_the_library_is_shown_in_the_words_of_the_command_line(seqcls: Seqcls, tmp_path: Path) -> None:
    said = "12 frames unlike training (novelty=False scores them all the same)"
    write_run(replace(timeline(node="PP."), warnings=(said,)), tmp_path / "out")
    assert seqcls("report", "out").code == 0 and seqcls("export", "out", "--to", "vtt").code == 0
    for name in ("report.html", "timeline.vtt"):
        text = Path("out", name).read_text(encoding="utf-8")
        assert "(--no-novelty scores" in text and "novelty=False" not in text


def test_a_run_that_is_being_written_is_let_be(seqcls: Seqcls, model: str) -> None:
    bright_clip(Path("clip.mp4"), [True] * 3)
    for name in "ab":
        assert seqcls("run", "clip.mp4", "-m", model, "-o", f"runs/{name}").code == 0
    with only_writer(Path("runs/a"), is_folder=True):
        for arguments in (["report", "runs/a"], ["export", "runs/b", "-o", "runs/a/x.csv"], ["export", "runs/a"]):
            refused = seqcls(*arguments)
            assert refused.code == 1 and "another run is writing into" in one_line(refused)
        many = seqcls("report", "runs")
        assert many.code == 1 and "1 report written, 1 failed" in many.err
    assert not Path("runs/a/report.html").exists() and not Path("runs/a/x.csv").exists()
    assert Path("runs/b/report.html").is_file()


@pytest.mark.skipif(os.name == "nt", reason="names of bytes")
def test_names_that_no_disk_and_no_text_takes(seqcls: Seqcls, model: str) -> None:
    bright_clip(Path("clip.mp4"), [True] * 3)
    assert seqcls("run", "clip.mp4", "-m", model, "-o", "runs/z").code == 0
    odd = Path(os.fsdecode(b"runs/run\xff"))
    shutil.copytree("runs/z", odd)
    timeline = odd / "timeline.json"
    timeline.write_text(timeline.read_text(encoding="utf-8").replace("clip.mp4", "n" * 300 + ".mp4"), encoding="utf-8")
    assert seqcls("report", "runs").code == 0
    links = [one["link"] for one in facts(Path("runs/report.html"))["clips"]]
    assert links == ["run%FF/report.html", "z/report.html"]
    assert (odd / "report.html").is_file() and facts(Path("runs/z/report.html"))["pictures"] is not None


def test_many_runs_have_an_index_with_those_that_failed(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    for name in ("a.mp4", "b.mp4"):
        bright_clip(clips / name, [name == "a.mp4"] * 20)
    (clips / "c.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"x" * 400)
    assert seqcls("run", clips, "-m", model, "-o", "runs", "--report").code == 1
    index = facts(Path("runs/report.html"))["clips"]
    assert [(one["title"], one["link"], bool(one["failed"])) for one in index] == [
        ("a.mp4", "a/report.html", False), ("b.mp4", "b/report.html", False), ("c.mp4", "", True),
    ]  # fmt: skip
    assert index[0]["organs"]["node"]["present_s"] > 0 == index[1]["organs"]["node"]["present_s"]
    assert all(bool(one["picture"]) == Path("runs", one["title"][0], "thumbnail.jpg").is_file() for one in index)
    assert facts(Path("runs/a/report.html"))["title"] == "a.mp4"
    assert seqcls("report", "runs").code == 1  # they are there
    (Path("runs/b/scores.csv")).write_text("nothing\n", encoding="utf-8")
    done = seqcls("report", "runs", "--overwrite")
    assert done.code == 1 and "1 report written, 1 failed" in done.err
    assert [bool(one["failed"]) for one in facts(Path("runs/report.html"))["clips"]] == [False, True, True]
    assert "/" not in facts(Path("runs/report.html"))["clips"][1]["failed"]  # no folder, which may name somebody
    assert seqcls("report", "runs", "--clip", clips / "a.mp4", "--overwrite").code == 2
