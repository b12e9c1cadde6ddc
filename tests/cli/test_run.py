"""`seqcls run` on clips: what it prints and writes, its exit codes, its one-line errors."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.clips import stills
from support.commands import TRAIN, Seqcls, Trained, bright_clip, one_line
from support.drawn import write_clip
from support.fakes import detector

from seqcls.files.output_lock import only_writer
from seqcls.models.file import write_model
from seqcls.models.untrained import random_model
from seqcls.sources.decoder_child import STALL_S, DecoderChild, Reading

#: With which 15 steps find every frame of the drawn clips; early layers that learned before save half of the work.
LEARN = ["--epochs", "8", "--batch-size", "32", "--lr", "0.002", "--weights", "early", "--set", "frozen_stages=2"]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model file, for what only a real engine refuses."""
    path = tmp_path_factory.mktemp("model") / "untrained.safetensors"
    write_model(path, *random_model(size=32))
    return path


def test_from_clips_to_timeline(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    done = seqcls("train", trained.data, "-o", "node.safetensors", *TRAIN, *LEARN)
    assert done.code == 0, done.err
    clip = write_clip(tmp_path / "unseen.mp4", [15 <= i < 35 for i in range(50)], seed=77)
    done = seqcls("run", clip, "-m", "node.safetensors", "-o", "out")
    assert done.code == 0, done.err
    assert sorted(p.name for p in Path("out").iterdir()) == [
        "intervals.csv",
        "scores.csv",
        "timeline.json",
        "timeline.png",
    ]
    with Path("out/intervals.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [r["state"] for r in rows] == ["absent", "present", "absent"]
    assert abs(float(rows[1]["start_s"]) - 1.5) <= 0.3 and abs(float(rows[1]["end_s"]) - 3.5) <= 0.3
    assert "unseen.mp4" in done.out and "█" in done.out and "50 frames = 50 classified" in done.out
    assert "wrote out" in done.err


def test_several_sources_get_a_folder_each_and_one_table(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    for length, name in enumerate("abdef", 20):
        bright_clip(tmp_path / f"clips/{name}.mp4", [True] * length)
    (tmp_path / "clips/c.mp4").write_text("no video at all")
    done = seqcls("run", "clips", "-m", model, "-o", "out")
    assert done.code == 1 and "c.mp4" in one_line(done) and "5 of 6 done, 1 failed" in done.err
    with Path("out/intervals.csv").open(encoding="utf-8", newline="") as stream:
        assert {r["file"] for r in csv.DictReader(stream)} == {f"{name}.mp4" for name in "abdef"}
    assert Path("out/a/timeline.json").is_file() and not Path("out/c").exists()


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("run {clip} -m {model} -o out", "out"),
        ("run {clip} -m {model} -o out --realtime", "out"),
        ("extract {clips} -l {labels} -o data", "data"),
        ("train {data} -o out.safetensors", "out.safetensors"),
        ("evaluate {model} {clips} -l {labels} -o out", "out"),
        ("convert {model} -o out.xml", "out.xml"),
        ("bench {clip} -m {model} -o out", "out"),
        ("demo -o out", "out"),
        ("deidentify {clip} -o out", "out"),
    ],
    ids=lambda value: value.split()[0],
)
def test_the_second_of_two_runs_into_one_place_is_refused(
    seqcls: Seqcls, trained: Trained, monkeypatch: pytest.MonkeyPatch, command: str, output: str
) -> None:
    monkeypatch.setattr("seqcls.files.output_lock._TRY_AGAIN_S", ())
    places = {**vars(trained), "clip": sorted(trained.clips.iterdir())[0]}
    with only_writer(Path(output), is_folder=output == "out"):
        done = seqcls(*(word.format(**places) for word in command.split()))
    assert done.code == 1 and f"another run is writing into {output}" in one_line(done).replace(f"{Path.cwd()}/", "")
    assert list(Path().iterdir()) == []


def test_one_of_many_clips_that_is_run_elsewhere_is_left_alone(
    seqcls: Seqcls, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqcls.files.output_lock._TRY_AGAIN_S", ())
    for length, name in enumerate("ab", 4):
        bright_clip(Path(f"clips/{name}.mp4"), [True] * length)
    with only_writer(Path("out/a"), is_folder=True):
        done = seqcls("run", "clips", "-m", model, "-o", "out")
    assert done.code == 1 and "writing into out/a" in one_line(done) and "1 of 2 done, 1 failed" in done.err
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "attempts.jsonl",
        "b",
        "intervals.csv",
        "manifest.json",
        "summary.csv",
    ]


def test_a_run_takes_the_place_of_another_with_all_its_files(seqcls: Seqcls, model: str) -> None:
    """Also of a live one, whose journal would be taken for that of the new one."""
    bright_clip(Path("old.mp4"), [True] * 4)
    bright_clip(Path("new.mp4"), [False] * 4)
    assert seqcls("run", "old.mp4", "-m", model, "-o", "out", "--realtime", "--keep", "every").code == 0
    assert seqcls("export", "out", "--to", "vtt,srt").code == 0
    Path("out/timeline.json").rename("timeline.json")
    again = seqcls("run", "new.mp4", "-m", model, "-o", "out")
    assert again.code == 1 and "run.journal is there already" in one_line(again)
    Path("timeline.json").rename("out/timeline.json")
    assert seqcls("run", "new.mp4", "-m", model, "-o", "out", "--overwrite").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "intervals.csv", "scores.csv", "timeline.json", "timeline.png",
    ]  # fmt: skip
    assert all("old.mp4" not in Path("out", name).read_text("utf-8") for name in ("intervals.csv", "scores.csv"))


def test_names_steer_nothing_and_lose_nothing(seqcls: Seqcls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names that differ in one byte that is no UTF-8, formulas, escapes, markup: all stay, and apart."""
    organs = ("=node\x1b[2J", "[bold]</b>\u202e")
    monkeypatch.setattr("seqcls.detector.load", lambda *_, **__: detector(organs=organs))
    Path("clips").mkdir()
    names = [b"h\xe4.mp4", b"h\xf6.mp4", b"=cmd|' C calc'!A0.mp4", b'[bold]x\x1b[31m\n,".mp4', "\u202egp.mp4".encode()]
    try:
        for number, name in enumerate(names, 4):
            bright_clip(Path("a.mp4"), [True] * 4 + [False] * number).rename(Path("clips", os.fsdecode(name)))
    except (OSError, UnicodeError):
        pytest.skip("no such names here")
    done = seqcls("run", "clips", "-m", "m.safetensors", "-o", "out")
    assert done.code == 0 and "5 of 5 done" in done.err
    shown = {r"h\xe4.mp4", r"h\xf6.mp4", "=cmd|' C calc'!A0.mp4", r'[bold]x\x1b[31m\n,".mp4', r"\u202egp.mp4"}
    assert all(name in done.out for name in (*shown, r"=node\x1b[2J", r"[bold]</b>\u202e"))
    assert seqcls("export", r"out/h_.mp4", "--to", "vtt,srt").code == 0
    found = set()
    for path in (path for path in Path("out").rglob("*") if path.suffix in (".csv", ".json", ".vtt", ".srt")):
        text = path.read_text(encoding="utf-8")
        assert all(letter.isprintable() for letter in text.replace("\n", ""))
        if path.suffix == ".csv":
            cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
        elif path.name == "timeline.json":
            found.add(json.loads(text)["source"]["name"])
        elif path.suffix != ".json":
            assert "</b>" not in text
    assert found == shown
    assert all(letter.isprintable() for letter in (done.out + done.err).replace("\n", ""))


def test_a_clip_that_ends_early_is_told_everywhere(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    """Exit code 3, the last line, and each row."""
    whole = bright_clip(tmp_path / "clips/a.mkv", [True] * 20).read_bytes()
    (tmp_path / "clips/b.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    done = seqcls("run", "clips", "-m", model, "-o", "out")
    assert done.code == 3 and "2 of 2 done, 0 failed, 1 truncated, 1 partly unknown" in done.err
    with Path("out/intervals.csv").open(encoding="utf-8", newline="") as stream:
        rows = {(r["path"], r["verdict"], float(r["coverage"]) < 1) for r in csv.DictReader(stream)}
    assert rows == {("a.mkv", "complete", False), ("b.mkv", "truncated", True)}


def test_the_newest_model_is_found_and_named(
    seqcls: Seqcls, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = bright_clip(tmp_path / "x.mp4", [True] * 20)
    none = seqcls("run", clip)
    assert none.code == 1 and "no model: name one with -m" in one_line(none)
    (tmp_path / "node.safetensors").write_bytes(b"")
    assert "newest model here, node.safetensors" in seqcls("run", clip).err
    monkeypatch.setenv("SEQCLS_MODEL", "other.safetensors")
    assert "$SEQCLS_MODEL: other.safetensors" in seqcls("run", clip, "--overwrite").err


def test_a_quiet_run_of_one_clip_prints_nothing(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    bright_clip(tmp_path / "x.mp4", [5 <= i < 15 for i in range(20)])
    done = seqcls("run", "x.mp4", "-m", model, "-q")
    assert (done.code, done.out, done.err) == (0, "", "") and Path("x-timeline/timeline.json").is_file()


def test_options_reach_the_run(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    bright_clip(tmp_path / "x.mp4", [5 <= i < 15 for i in range(20)])
    unknown = seqcls("run", "x.mp4", "-m", model, "--where", "node and liver")
    assert unknown.code == 2 and "no organ 'liver'" in one_line(unknown) and not Path("x-timeline").exists()
    options = (
        "--where",
        "gone = not node",
        "--smoothing",
        "hmm,dwell=3",
        "--onset",
        "0.7",
        "--min-present",
        "0.2",
        "--min-absent",
        "0.4",
    )
    assert seqcls("run", "x.mp4", "-m", model, *options).code == 0
    whole = json.loads(Path("x-timeline/timeline.json").read_text(encoding="utf-8"))
    assert whole["where"] == ["gone = not node"] and whole["intervals"][-1]["organ"] == "gone"
    body = whole["provenance"]
    assert (body["smoothing"]["kind"], body["smoothing"]["dwell_s"]) == ("hmm", 3.0)
    used = body["intervals"]["node"]
    assert (used["onset"], used["pad_s"], used["min_absent_s"], used["min_present_s"]) == (0.7, 0.0, 0.4, 0.2)


def test_decoding_apart_changes_nothing(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    bright_clip(tmp_path / "x.mkv", [5 <= i < 15 for i in range(20)])
    Path("x.mkv").write_bytes(Path("x.mkv").read_bytes()[:-300])  # with a gap and reasons
    for out, option in (("here", "--no-sandbox"), ("apart", "--sandbox")):
        assert seqcls("run", "x.mkv", "-m", model, "-o", out, option).code == 3
    for name in ("timeline.json", "intervals.csv", "scores.csv"):
        assert Path("here", name).read_bytes() == Path("apart", name).read_bytes(), name


def test_a_decoder_that_dies_costs_its_clip_alone(
    seqcls: Seqcls, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqcls.cli.run.SANDBOX_FROM", 2)
    monkeypatch.setattr("seqcls.cli.run.WORKER", "support.bad_clip_worker")
    monkeypatch.setattr("seqcls.cli.local_workers.WORKER", "support.bad_clip_worker")
    for name, length in (("a", 20), ("z", 21)):
        bright_clip(tmp_path / f"clips/{name}.mp4", [True] * length)
    order = DecoderChild.order

    def impatient(self: DecoderChild, job: Reading) -> None:
        """With the one clip that hangs alone: others may take their time on a machine that is busy."""
        self._stall_s = 0.5 if any(path.stem == "hang" for path in job.files()) else STALL_S
        order(self, job)

    monkeypatch.setattr(DecoderChild, "order", impatient)
    reasons = {
        "die": "the process that decodes it died (SIGSEGV)",
        "hang": "the process that decodes it gave no sign for 0.5 s, and was ended",
        "swell": "needs more memory than decoding may take; cut it, or scale it down",
    }
    for name in reasons:
        (tmp_path / f"clips/{name}.mp4").write_text(f"the stand-in does harm by this name: {name}")
    done = seqcls("run", "clips", "-m", model, "-o", "out")
    assert done.code == 1 and "2 of 5 done, 3 failed" in done.err and "Traceback" not in done.err
    assert done.err.count("engine brightness") == 1
    assert Path("out/z/timeline.json").is_file() and not Path("out/die").exists()
    with Path("out/summary.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["path"].removesuffix(".mp4"): row["reason"] for row in csv.DictReader(stream)}
    assert rows == {"a": "", "z": ""} | reasons
    again = seqcls("run", "clips", "-m", model, "-o", "out")
    assert again.code == 1 and again.err.count("failed twice before") == 3


def test_a_feed_has_no_sandbox_to_be_asked_for(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    bright_clip(tmp_path / "x.mp4", [True] * 20)
    done = seqcls("run", "x.mp4", "-m", model, "--realtime", "--sandbox")
    assert done.code == 2 and "--sandbox is for clips" in done.err


def test_bad_sources(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "folder").mkdir()
    for source in ("missing.mp4", "empty.mp4", "text.mp4", "folder", "*.avi"):
        done = seqcls("run", source, "-m", model, "-o", "out")
        assert done.code == 1 and source.strip("*") in one_line(done), source
        assert not Path("out").exists() or not any(Path("out").iterdir())


def test_bad_models(seqcls: Seqcls, tmp_path: Path) -> None:
    clip = bright_clip(tmp_path / "x.mp4", [True] * 5)
    (tmp_path / "text.safetensors").write_text("hello")
    for name in ("missing.safetensors", "text.safetensors"):
        done = seqcls("run", clip, "-m", name, "-o", "out")
        assert done.code == 1 and name in one_line(done)


def test_results_are_never_overwritten_unasked(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    clip = bright_clip(tmp_path / "x.mp4", [True] * 10)
    assert seqcls("run", clip, "-m", model).code == 0
    before = Path("x-timeline/timeline.json").read_bytes()
    again = seqcls("run", clip, "-m", model)
    assert again.code == 1 and one_line(again) == (
        f"seqcls: {Path('x-timeline/timeline.json')} is there already: add --overwrite, or choose another place"
    )
    assert seqcls("run", clip, "-m", model, "--overwrite").code == 0
    assert Path("x-timeline/timeline.json").read_bytes() == before


def test_an_output_that_cannot_be(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    clip = bright_clip(tmp_path / "x.mp4", [True] * 5)
    (tmp_path / "file").write_text("")
    done = seqcls("run", clip, "-m", model, "-o", "file/out")
    assert done.code == 1 and "choose another" in one_line(done)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--onset", "2"], "thresholds"),
        (["--smoothing", "magic"], "unknown smoothing 'magic'"),
        (["--region", "here"], "--region takes auto, none or"),
        (["--device", "tpu"], "tpu"),
        (["--engine", "abacus"], "--engine takes one of auto, openvino, torch, onnx, not 'abacus'"),
        (["--sampling", "some"], "--sampling takes one of every, adaptive"),
        (["--smoothing", "median,dwell=2"], "--smoothing median does not know 'dwell=2'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2(
    seqcls: Seqcls, untrained: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    """Also where a result is there already: all that is wrong with the options is named first."""
    bright_clip(tmp_path / "x.mp4", [True] * 5)
    (tmp_path / "x-timeline").mkdir()
    (tmp_path / "x-timeline/timeline.json").touch()
    done = seqcls("run", "x.mp4", "-m", untrained, *arguments)
    assert done.code == 2 and message in one_line(done)


@pytest.mark.parametrize(
    "option",
    [
        ["--serve", "0"],
        ["--show"],
        ["--record", "x.mkv"],
        ["--clips"],
        ["--webhook", "http://127.0.0.1:1/"],
        ["--on-event", "true"],
        ["--send-igtl", "0"],
        ["--duration", "3"],
        ["--keep", "every"],
        ["--credentials", "file"],
        ["--resume"],
    ],
    ids=lambda option: option[0],
)
def test_what_only_a_feed_has_is_refused_for_a_clip(
    seqcls: Seqcls, model: str, tmp_path: Path, option: list[str]
) -> None:
    bright_clip(tmp_path / "x.mp4", [True] * 5)
    done = seqcls("run", "x.mp4", "-m", model, *option)
    assert done.code == 2 and f"{option[0]} is for live runs" in one_line(done)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.mp4"]


def test_an_interrupted_run_keeps_what_was_read(
    seqcls: Seqcls, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqcls.cli import console

    asked: Counter[str] = Counter()  # by thread: the clip after this one is being read already

    @contextlib.contextmanager
    def after_thirty_frames(*_: str) -> Iterator[Callable[[], bool]]:
        def should_stop() -> bool:
            asked[str(threading.get_ident())] += 1
            return max(asked.values()) > 30

        yield should_stop

    monkeypatch.setattr(console, "stops_cleanly", after_thirty_frames)
    for length, name in ((50, "a"), (51, "b")):
        bright_clip(tmp_path / f"{name}.mp4", [True] * length)
    done = seqcls("run", "a.mp4", "b.mp4", "-m", model, "-o", "out")
    assert done.code == 130 and "interrupted before the end" in done.out
    assert "0 of 2 done, 0 failed, 2 interrupted" in done.err
    with Path("out/intervals.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    body = json.loads(Path("out/a/timeline.json").read_text(encoding="utf-8"))
    received = body.get("frame_counts", body.get("ledger"))["received"]
    assert body["report"]["verdict"] == rows[0]["verdict"] == "interrupted"
    assert 0 < received <= 31 and {r["file"] for r in rows} == {"a.mp4"}
    assert float(rows[-1]["start_s"]) == pytest.approx(received / 10) and float(rows[-1]["end_s"]) == 5.0
    assert (rows[-1]["state"], rows[-1]["reason"]) == ("unknown", "not read: interrupted")


def test_a_rate_that_a_clip_does_not_need_is_named(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    bright_clip(tmp_path / "x.mp4", [True] * 5)
    done = seqcls("run", "x.mp4", "-m", model, "--fps", "10")
    assert done.code == 0 and "x.mp4 has times of its own; --fps 10 is not used for it" in done.err
    done = seqcls("run", "nothing.mp4", "-m", model, "--fps", "0")
    assert done.code == 2 and "the rate must lie between" in one_line(done), "refused before anything is looked for"


def test_clips_of_one_name_are_told_apart(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    for patient, count in (("P01", 10), ("P02", 20)):
        bright_clip(tmp_path / patient / "clip.mp4", [True] * count)
    done = seqcls("run", "P01", "P02", "-m", model, "-o", "out")
    assert done.code == 0, done.err
    assert "P01/clip.mp4" in done.out and "P02/clip.mp4" in done.out
    for patient in ("P01", "P02"):
        body = json.loads((Path("out") / patient / "clip" / "timeline.json").read_text(encoding="utf-8"))
        assert body["source"]["path"] == f"{patient}/clip.mp4"


def test_what_is_left_aside_is_counted_and_costs_nothing(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    bright_clip(tmp_path / "clips/a.mp4", [True] * 5)
    (tmp_path / "clips/labels.csv").write_text("file,organ\n")
    (tmp_path / "clips/.DS_Store").write_bytes(b"x")
    done = seqcls("run", "clips", "-m", model, "-o", "out")
    assert done.code == 0 and "left aside: no clip and no image (1: 1 .csv)" in done.err


def test_images_that_are_no_clip_are_scored_one_by_one(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    folder = stills(tmp_path / "images", ["neck.png", "liver.png"])
    done = seqcls("run", folder, "-m", model)
    assert done.code == 0, done.err
    assert "2 images scored one by one: their names do not count up" in done.err
    assert "2 images = 2 classified" in done.out and "neck.png" in done.out
    assert sorted(p.name for p in Path("images-pictures").iterdir()) == ["pictures.csv", "scores.csv"]
    assert seqcls("run", folder, "-m", model).code == 1, "it is not overwritten"
    (folder / "neck.png").write_bytes(b"rubbish")
    done = seqcls("run", folder, "-m", model, "--overwrite")
    assert done.code == 3 and "1 that cannot be read" in done.out
    bright_clip(tmp_path / "x.mp4", [True] * 5)
    done = seqcls("run", "x.mp4", "-m", model, "--each")
    assert done.code == 2 and "--each is for images" in one_line(done)
