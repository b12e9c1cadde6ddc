"""The command line as people meet it: what it prints, what it writes, its exit codes, its one-line errors."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.drawn import labelled_folder, write_clip

from seqcls.cli import main

TRAIN = [
    "--weights",
    "none",
    "--size",
    "32",
    "--epochs",
    "4",
    "--samples-per-epoch",
    "96",
    "--batch-size",
    "16",
    "--seed",
    "1",
    "--precision",
    "fp32",  # the same on every processor
]


@dataclass
class Done:
    code: int
    out: str
    err: str


Seqcls = Callable[..., Done]


@pytest.fixture
def seqcls(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Seqcls:
    """Run a command in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEQCLS_MODEL", raising=False)
    monkeypatch.setenv("COLUMNS", "110")

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["seqcls", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@dataclass
class Trained:
    clips: Path
    labels: Path
    model: Path
    data: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Extract and train once for the module, by the commands themselves."""
    folder = tmp_path_factory.mktemp("trained")
    clips, labels = labelled_folder(folder, clips=3)
    for arguments in (
        ["extract", str(clips), "--labels", str(labels), "-o", str(folder / "data")],
        ["train", str(folder / "data"), "-o", str(folder / "node.safetensors"), *TRAIN, "--epochs", "10"],
    ):
        done = subprocess.run([sys.executable, "-m", "seqcls", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return Trained(clips, labels, folder / "node.safetensors", folder / "data")


def one_line(done: Done) -> str:
    """The error, which must be the only line on stderr that is not a message of progress."""
    assert "Traceback" not in done.err
    lines = [line for line in done.err.splitlines() if line.startswith("seqcls: ")]
    assert len(lines) == 1, done.err
    return lines[0]


# ---- the whole path ------------------------------------------------------------------------------------------------


def test_from_clips_to_timeline(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "unseen.mp4", [15 <= i < 35 for i in range(50)], seed=77)
    done = seqcls("run", clip, "-m", trained.model, "-o", "out")
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


def test_a_finished_run_is_replayed_and_exported(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "unseen.mp4", [15 <= i < 35 for i in range(50)], seed=77)
    assert seqcls("run", clip, "-m", trained.model, "-o", "out").code == 0
    same = seqcls("replay", "out", "-o", "same")
    assert same.code == 0
    assert Path("same/intervals.csv").read_bytes() == Path("out/intervals.csv").read_bytes()
    none = seqcls("replay", "out", "--onset", "1.0", "--min-present", "9")
    assert none.code == 0 and "no organ in view" in none.out
    done = seqcls("export", "out", "--to", "vtt,srt")
    assert done.code == 0 and done.out.split() == [str(Path("out/timeline.vtt")), str(Path("out/timeline.srt"))]
    assert Path("out/timeline.vtt").read_text(encoding="utf-8").startswith("WEBVTT")
    again = seqcls("export", "out", "--to", "vtt")
    assert again.code == 1 and "--overwrite" in one_line(again)
    assert seqcls("export", "out", "--to", "docx").code == 2
    assert seqcls("export", "nowhere").code == 1


def test_several_sources_get_a_folder_each_and_one_table(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    for name in "abdef":
        write_clip(tmp_path / f"clips/{name}.mp4", [True] * 20, seed=5)
    (tmp_path / "clips/c.mp4").write_text("no video at all")
    done = seqcls("run", "clips", "-m", trained.model, "-o", "out")
    assert done.code == 1 and "c.mp4" in one_line(done) and "5 of 6 done, 1 failed" in done.err
    with Path("out/intervals.csv").open(encoding="utf-8", newline="") as stream:
        assert {r["file"] for r in csv.DictReader(stream)} == {f"{name}.mp4" for name in "abdef"}
    assert Path("out/a/timeline.json").is_file() and not Path("out/c").exists()


def test_evaluate_compares_with_labels(seqcls: Seqcls, trained: Trained) -> None:
    done = seqcls(
        "evaluate", trained.model, trained.clips, "--labels", trained.labels, "-o", "eval", "--precision", "fp32"
    )
    assert done.code == 0, done.err
    assert "presences found 3 of 3" in done.out and "neck 0.mp4: frame accuracy" in done.out
    body = json.loads(Path("eval/evaluation.json").read_text(encoding="utf-8"))
    assert body["organs"][0]["frames"]["auroc"] > 0.9 and len(body["clips"]) == 3


def test_training_straight_from_clips_and_cross_validation(seqcls: Seqcls, trained: Trained) -> None:
    done = seqcls(
        "train", trained.clips, "--labels", trained.labels, "-o", "m.safetensors", *TRAIN, "--folds", "groups"
    )
    assert done.code == 0, done.err
    assert "left out P1: node AUROC" in done.out and "cross-validation by patient" in done.out
    for name in ("cross-validation.csv", "history.csv", "learning-curves.png"):
        assert (Path("m-training") / name).is_file()
    assert Path("m.safetensors").is_file()


def test_the_newest_model_is_found_and_named(
    seqcls: Seqcls, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "x.mp4", [True] * 20)
    none = seqcls("run", clip)
    assert none.code == 1 and "no model: name one with -m" in one_line(none)
    (tmp_path / "node.safetensors").write_bytes(trained.model.read_bytes())
    assert "newest model here, node.safetensors" in seqcls("run", clip).err
    monkeypatch.setenv("SEQCLS_MODEL", str(trained.model))
    assert "$SEQCLS_MODEL" in seqcls("run", clip, "--overwrite").err


# ---- what can be wrong ---------------------------------------------------------------------------------------------


def test_bad_sources(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "folder").mkdir()
    for source in ("missing.mp4", "empty.mp4", "text.mp4", "folder", "*.avi"):
        done = seqcls("run", source, "-m", trained.model, "-o", "out")
        assert done.code == 1 and source.strip("*") in one_line(done), source
        assert not Path("out").exists() or not any(Path("out").iterdir())


def test_bad_models(seqcls: Seqcls, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "x.mp4", [True] * 5)
    (tmp_path / "text.safetensors").write_text("hello")
    for model in ("missing.safetensors", "text.safetensors"):
        done = seqcls("run", clip, "-m", model, "-o", "out")
        assert done.code == 1 and model in one_line(done)


def test_a_model_for_other_organs(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    labels = tmp_path / "other.csv"
    labels.write_text("file,organ,start_s,end_s,state\nneck 0.mp4,spleen,0,1,present\n")
    done = seqcls("evaluate", trained.model, trained.clips, "--labels", labels)
    assert done.code == 1 and "the model knows node, the labels spleen" in one_line(done)


def test_results_are_never_overwritten_unasked(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "x.mp4", [True] * 10)
    assert seqcls("run", clip, "-m", trained.model).code == 0
    before = Path("x-timeline/timeline.json").read_bytes()
    again = seqcls("run", clip, "-m", trained.model)
    assert again.code == 1 and "--overwrite" in one_line(again)
    assert seqcls("run", clip, "-m", trained.model, "--overwrite").code == 0
    assert Path("x-timeline/timeline.json").read_bytes() == before
    done = seqcls("train", trained.data, "-o", trained.model)
    assert done.code == 1 and "--overwrite" in one_line(done)


def test_an_output_that_cannot_be(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "x.mp4", [True] * 5)
    (tmp_path / "file").write_text("")
    for arguments in (
        ("run", clip, "-m", trained.model, "-o", "file/out"),
        ("extract", trained.clips, "--labels", trained.labels, "-o", "file/data"),
        ("train", trained.data, "-o", "file/m.safetensors"),
    ):
        done = seqcls(*arguments)
        assert done.code == 1 and "choose another" in one_line(done), arguments


def test_bad_labels(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    head = "file,organ,start_s,end_s,state\n"
    cases = {
        "ghost.mp4,node,0,1,present\n": "ghost.mp4, which is not in",
        "neck 0.mp4,node,0,2,present\nneck 0.mp4,node,1,3,absent\n": "overlaps",
        "neck 0.mp4,node,0,2,present\n": "shows node absent",
        "neck 0.mp4,node,0,2,perhaps\n": "'perhaps'",
    }
    for rows, message in cases.items():
        (tmp_path / "l.csv").write_text(head + rows)
        done = seqcls("extract", trained.clips, "--labels", "l.csv", "-o", "data")
        assert done.code == 1 and message in one_line(done)
        assert not Path("data").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "x.mp4", "--onset", "2"], "thresholds"),
        (["run", "x.mp4", "--smoothing", "magic"], "unknown smoothing 'magic'"),
        (["run", "x.mp4", "--region", "here"], "--region takes auto, none or"),
        (["run", "x.mp4", "--device", "tpu"], "tpu"),
        (["run", "x.mp4", "--engine", "abacus"], "abacus"),
        (["train", "data", "-o", "m.pt"], "must end in .safetensors"),
        (["train", "data", "--lr", "-1"], "lr must be above 0"),
        (["train", "data", "--optimizer", "luck"], "unknown optimizer 'luck'"),
        (["train", "data", "--folds", "one"], "--folds takes 2 or more"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2(
    seqcls: Seqcls, trained: Trained, tmp_path: Path, arguments: list[str], message: str
) -> None:
    write_clip(tmp_path / "x.mp4", [True] * 5)
    if arguments[0] == "run":
        arguments = [*arguments, "-m", str(trained.model)]
    elif "--folds" in arguments:
        arguments = ["train", str(trained.data), "--weights", "none", *arguments[2:]]
    done = seqcls(*arguments)
    assert done.code == 2 and message in one_line(done)


def test_unknown_options_exit_with_2(seqcls: Seqcls) -> None:
    assert seqcls("run", "--colour").code == 2
    assert seqcls("fly").code == 2


@pytest.mark.parametrize(
    "arguments", [[], ["run", "--serve"], ["run", "x.mp4", "--"], ["--colour"], ["bench", "x.mp4"]]
)
def test_wrong_usage_repeats_no_secret(seqcls: Seqcls, arguments: list[str]) -> None:
    done = seqcls(*arguments, "rtsp://nurse:hunter2@host/1?token=hunter2")
    assert done.code in (1, 2) and "hunter2" not in done.out + done.err and "Traceback" not in done.err


def test_a_clip_or_an_address_is_no_command(seqcls: Seqcls, tmp_path: Path) -> None:
    write_clip(tmp_path / "x.mp4", [True] * 5)
    assert "seqcls run x.mp4" in seqcls("x.mp4").err
    assert "seqcls run rtsp://***@host/1" in seqcls("rtsp://nurse:hunter2@host/1").err


@pytest.mark.parametrize(
    "option",
    [
        ["--serve", "0"],
        ["--show"],
        ["--record", "x.mkv"],
        ["--clips"],
        ["--whole"],
        ["--webhook", "http://127.0.0.1:1/"],
        ["--on-event", "true"],
        ["--duration", "3"],
        ["--keep", "every"],
        ["--credentials", "file"],
        ["--resume"],
    ],
    ids=lambda option: option[0],
)
def test_what_only_a_feed_has_is_refused_for_a_clip(
    seqcls: Seqcls, trained: Trained, tmp_path: Path, option: list[str]
) -> None:
    write_clip(tmp_path / "x.mp4", [True] * 5)
    done = seqcls("run", "x.mp4", "-m", trained.model, *option)
    assert done.code == 2 and f"{option[0]} is for live runs" in one_line(done)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.mp4"]


def test_ctrl_c_says_so(seqcls: Seqcls, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a command that does not end in order by itself, too."""

    def ctrl_c(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seqcls.cli.results._journal_at", ctrl_c)
    Path("out").mkdir()
    done = seqcls("export", "out", "--to", "vtt")
    assert (done.code, done.err) == (130, "seqcls: interrupted\n")


def test_an_interrupted_run_keeps_what_was_read(
    seqcls: Seqcls, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqcls.cli import console

    asked: Counter[str] = Counter()  # by thread: the clip after this one is being read already

    @contextlib.contextmanager
    def after_thirty_frames() -> Iterator[Callable[[], bool]]:
        def should_stop() -> bool:
            asked[str(threading.get_ident())] += 1
            return max(asked.values()) > 30

        yield should_stop

    monkeypatch.setattr(console, "ends_in_order", after_thirty_frames)
    for name in "ab":
        write_clip(tmp_path / f"{name}.mp4", [True] * 50)
    done = seqcls("run", "a.mp4", "b.mp4", "-m", trained.model, "-o", "out")
    assert done.code == 130 and "interrupted before the end" in done.out
    with Path("out/intervals.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    received = json.loads(Path("out/a/timeline.json").read_text(encoding="utf-8"))["frame_counts"]["received"]
    assert 0 < received <= 31 and {r["file"] for r in rows} == {"a.mp4"}
    assert float(rows[-1]["end_s"]) == pytest.approx(received / 10)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for child processes")
def test_ctrl_c_ends_a_training_in_order(trained: Trained, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "seqcls",
        "train",
        str(trained.data),
        "-o",
        str(tmp_path / "m.safetensors"),
        *TRAIN,
    ]
    command[command.index("--epochs") + 1] = "100000"
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip().startswith("2/"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 130, rest
    assert "stopping in order" in rest and (tmp_path / "m.safetensors").is_file() and "Traceback" not in rest


# Live


def test_a_clip_played_live_gives_the_clips_timeline(
    seqcls: Seqcls, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooled: list[bool] = []
    monkeypatch.setattr("seqcls.live.malloc.share_one_pool", lambda: pooled.append(True))
    write_clip(tmp_path / "clip.mp4", [False] * 8 + [True] * 10 + [False] * 7)
    assert seqcls("run", "clip.mp4", "-m", trained.model, "-o", "offline").code == 0
    assert not pooled
    live = seqcls("run", "clip.mp4", "-m", trained.model, "-o", "live", "--realtime", "--keep", "every", "--clips", "--record", "live/feed.mp4")  # fmt: skip
    assert live.code == 0 and pooled
    assert Path("live/intervals.csv").read_bytes() == Path("offline/intervals.csv").read_bytes()
    assert Path("live/scores.csv").read_bytes() == Path("offline/scores.csv").read_bytes()
    events = [json.loads(line) for line in live.out.splitlines()]
    assert {"absent", "present"} <= {event["state"] for event in events}
    assert "feed running" in live.err and "latency from arrival" in live.err
    assert len(list(Path("live/clips").glob("*.mp4"))) == 1 and Path("live/feed.mp4").stat().st_size > 1000
    recorded = f"recorded {Path('live/feed.mp4')}, whose 0 is 0.00 s of the run"
    assert recorded in live.err and f"1 clip of presences in {Path('live/clips')}\n" in live.err
    assert seqcls("replay", "live/run.journal").code == 0
    again = seqcls("run", "clip.mp4", "-m", trained.model, "-o", "live", "--realtime")
    assert again.code == 1 and "--overwrite" in one_line(again)


def test_a_live_run_that_was_cut_off_goes_on(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", [True] * 12)
    play = ("run", "clip.mp4", "-m", trained.model, "-o", "out", "--realtime", "--keep", "every")
    assert seqcls(*play, "--resume").code == 1  # nothing to go on with
    assert seqcls(*play).code == 0
    journal = Path("out/run.journal")
    kept = journal.read_bytes().splitlines(keepends=True)[:-4]  # as a power cut may leave it
    journal.write_bytes(b"".join(kept) + b"12345678 {")
    for name in ("timeline.json", "intervals.csv", "scores.csv", "timeline.png"):
        Path("out", name).unlink()
    torn = seqcls("replay", "out")
    assert torn.code == 3
    other = seqcls(*play, "--resume", "--onset", "0.9")
    assert other.code == 2 and "other options" in one_line(other)
    done = seqcls(*play, "--resume")
    assert done.code == 0 and "going on with" in done.err
    body = json.loads(Path("out/timeline.json").read_text(encoding="utf-8"))
    assert body["frame_counts"]["received"] > 12
    assert any(gap["reason"] == "not recorded" for gap in body["report"]["gaps"])


def test_wrong_live_wishes(seqcls: Seqcls, trained: Trained, tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", [True] * 5)
    run = ("run", "clip.mp4", "-m", trained.model, "--realtime")
    assert seqcls(*run, "--keep", "some").code == 2
    assert seqcls(*run, "--duration", "-1").code == 2
    two = seqcls("run", "clip.mp4", "rtsp://user:hunter2@host", "-m", trained.model, "--live")
    assert two.code == 2 and "not 2 (clip.mp4, rtsp://" in one_line(two) and "hunter2" not in two.err
    assert "gopher" in one_line(seqcls("run", "gopher://host/x", "-m", trained.model))
    secret = seqcls("run", "ftp://user:hunter2@host/x?token=hunter2", "-m", trained.model)
    assert secret.code == 1 and "hunter2" not in secret.err + secret.out
    assert "asks for no password" in one_line(seqcls("run", "igtl://host", "-m", trained.model, "--credentials", "x"))


@pytest.mark.parametrize("given", [["--serve"], ["--serve", "0"], ["--serve", "--duration", "0.3"]], ids=" ".join)
def test_the_page_needs_no_port(seqcls: Seqcls, trained: Trained, given: list[str]) -> None:
    done = seqcls("run", "igtl://127.0.0.1:1", "-m", trained.model, "-o", "out", "--duration", "0.3", *given)
    assert done.code == 3 and "open http://127.0.0.1:" in done.err
    before = seqcls("run", "--serve", "igtl://127.0.0.1:1", "-m", trained.model, "-o", "new", "--duration", "0.3")
    assert before.code == 3 and "open http://127.0.0.1:" in before.err
    wrong = seqcls("run", "igtl://127.0.0.1:1", "-m", trained.model, "--serve", "-1")
    assert wrong.code in (1, 2) and "-1" in wrong.err


def test_a_feed_that_never_came_is_no_success(seqcls: Seqcls, trained: Trained) -> None:
    done = seqcls("run", "igtl://127.0.0.1:1", "-m", trained.model, "-o", "out", "--duration", "0.3")
    assert done.code == 3 and "no frame came" in done.err and Path("out/run.journal").is_file()
