"""`seqcls run` on a feed: what a live run writes, how it goes on, what it refuses."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.commands import Seqcls, bright_clip, one_line
from support.fakes import BrightnessEngine, detector

from seqcls.cli import live
from seqcls.cli.live_displays import LastingStderr
from seqcls.engines import Engine
from seqcls.engines.lazy import LazyEngine
from seqcls.errors import EngineError
from seqcls.exports import read_run
from seqcls.files.output_lock import only_writer
from seqcls.journal import Action
from seqcls.journal.format import decode, encode
from seqcls.journal.writer import utc_now
from seqcls.live.warm_up import WARM_UPS


def test_a_clip_played_live_gives_the_clips_timeline(
    seqcls: Seqcls, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooled: list[bool] = []
    monkeypatch.setattr("seqcls.live.malloc.share_one_pool", lambda: pooled.append(True))
    bright_clip(tmp_path / "clip.mp4", [False] * 8 + [True] * 10 + [False] * 7)
    assert seqcls("run", "clip.mp4", "-m", model, "-o", "offline").code == 0
    assert not pooled
    live = seqcls("run", "clip.mp4", "-m", model, "-o", "live", "--realtime", "--keep", "every", "--clips", "--record", "live/feed.mp4")  # fmt: skip
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
    assert "dropped, because" not in live.err and "scores every frame" not in live.err
    again = seqcls("run", "clip.mp4", "-m", model, "-o", "live", "--realtime")
    assert again.code == 1 and "--overwrite" in one_line(again)
    again = seqcls("run", "clip.mp4", "-m", model, "-o", "live", "--realtime", "--clips", "--overwrite")
    assert again.code == 1 and "holds clips of an earlier run" in one_line(again)
    assert Path("live/timeline.json").exists()


def test_a_live_run_that_was_cut_off_goes_on(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    bright_clip(tmp_path / "clip.mp4", [True] * 12)
    play = ("run", "clip.mp4", "-m", model, "-o", "out", "--realtime", "--keep", "every")
    assert seqcls(*play, "--resume").code == 1  # nothing to go on with
    whole = seqcls(*play, "--sampling", "adaptive", "--record", "out/feed.mp4")
    assert whole.code == 0 and "a live run scores every frame that it takes" in whole.err
    journal = Path("out/run.journal")
    kept = journal.read_bytes().splitlines(keepends=True)[:-4]  # as a power cut may leave it
    last = decode(kept[-1].rstrip(), 1)
    pause = Action("pause", 60.0, "", utc_now().isoformat(), 0.0)  # and nobody went on
    journal.write_bytes(b"".join(kept) + encode(last.number + 1, last.at_s, pause) + b"12345678 {")
    for name in ("timeline.json", "intervals.csv", "scores.csv", "timeline.png"):
        Path("out", name).unlink()
    torn = seqcls("replay", "out")
    recorded = f"recorded {Path('out/feed.mp4')}, whose 0 is 0.00 s of the run\n"
    assert torn.code == 3 and recorded in torn.err
    again = seqcls(*play)
    assert again.code == 1 and "out holds an unfinished run: add --resume" in one_line(again)
    other = seqcls(*play, "--resume", "--onset", "0.9")
    assert other.code == 2 and "other options" in one_line(other)
    bright_clip(tmp_path / "elsewhere" / "clip.mp4", [True] * 9)
    wrong = seqcls("run", "elsewhere/clip.mp4", *play[2:], "--resume")
    assert wrong.code == 2 and "another source (clip.mp4)" in one_line(wrong)
    region = seqcls(*play, "--resume", "--region", "0,0,16,16")
    assert region.code == 2 and "another region" in one_line(region)
    done = seqcls(*play, "--resume", "--record", "out/feed.mp4")
    assert done.code == 0 and "continuing" in done.err and recorded in done.err
    assert "paused as before: nothing is scored or recorded until somebody goes on, for which this run has" in done.err
    assert not Path("out/feed-2.mp4").exists() and {i.reason for i in read_run("out").of("node", "unknown")} == {
        "not recorded", "paused",
    }  # fmt: skip
    body = json.loads(Path("out/timeline.json").read_text(encoding="utf-8"))
    assert body["frame_counts"]["received"] > 12
    assert any(gap["reason"] == "not recorded" for gap in body["report"]["gaps"])


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_takes_no_recording_is_the_last_word_and_the_exit_code(
    seqcls: Seqcls, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run, its table and its files are whole; what is missing is the video."""
    bright_clip(tmp_path / "clip.mp4", [True] * 8)
    monkeypatch.setattr("seqcls.live.recording.fragmented_video.open_new", full)
    live = seqcls("run", "clip.mp4", "-m", model, "-o", "out", "--realtime", "--keep", "every", "--record", "feed.mp4")
    assert live.code == 4 and live.err.splitlines()[-1] == one_line(live)
    assert "(No space left on device): 8 of 8 frames are not in it: free space" in one_line(live)
    assert "of 1 interval" not in live.err and "node" in live.err.partition("organ  ")[2]
    assert Path("out/timeline.json").exists() and f"wrote {Path('out')}" in live.err
    assert seqcls("replay", "out").code == 0


def test_a_disk_that_takes_no_results_costs_no_table(
    seqcls: Seqcls, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bright_clip(tmp_path / "clip.mp4", [True] * 8)
    with monkeypatch.context() as patched:
        patched.setattr("seqcls.exports.write_scores_csv", full)
        live = seqcls("run", "clip.mp4", "-m", model, "-o", "out", "--realtime", "--keep", "every")
    assert live.code == 4 and "node" in live.err.partition("organ  ")[2], live.err
    assert (
        "timeline.png not written (No space left on device): free space, and `seqcls replay 'out' -o 'out'"
        in one_line(live)
    )
    assert [path.name for path in Path("out").iterdir()] == ["run.journal"]
    again = seqcls("replay", "out", "-o", "out", "--overwrite")
    assert again.code == 0 and Path("out/timeline.json").exists() and "crash" not in again.out


def test_wrong_options_of_a_live_run(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    bright_clip(tmp_path / "clip.mp4", [True] * 5)
    run = ("run", "clip.mp4", "-m", model, "--realtime")
    assert seqcls(*run, "--keep", "some").code == 2
    assert seqcls(*run, "--duration", "-1").code == 2
    two = seqcls("run", "clip.mp4", "rtsp://user:hunter2@host", "-m", model)
    assert two.code == 2 and "not 2 (clip.mp4, rtsp://" in one_line(two) and "hunter2" not in two.err
    assert "gopher" in one_line(seqcls("run", "gopher://host/x", "-m", model))
    secret = seqcls("run", "ftp://user:hunter2@host/x?token=hunter2", "-m", model)
    assert secret.code == 2 and "hunter2" not in secret.err + secret.out
    for address in ("igtl://host:99999", "rtsp://host:99999/1", "http://host:0/1", "rtmps://host:99999/1"):
        impossible = seqcls("run", address, "-m", model, "-o", "never")
        assert impossible.code == 2 and "port from 1 to 65535" in one_line(impossible), address
    for option, address in (
        ("--mqtt", "mqtt://host:99999"),
        ("--mqtt", "mqtt://host:0"),
        ("--webhook", "http://host:0/x"),
    ):
        impossible = seqcls("run", "igtl://host", "-m", model, "-o", "never", option, address)
        assert impossible.code == 2 and "port from 1 to 65535" in one_line(impossible), address
    assert not Path("never/run.journal").exists()
    assert "asks for no password" in one_line(seqcls("run", "igtl://host", "-m", model, "--credentials", "x"))


def test_secrets_come_from_files_and_the_environment_and_are_written_nowhere(
    seqcls: Seqcls, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = Path("hook.txt")
    hook.write_text("http://127.0.0.1:1/key1\nX-Key: key2\n")
    hook.chmod(0o644)
    monkeypatch.setenv("SEQCLS_PAGE_TOKEN", "key3-0123456789abcdef")
    live = ("run", "igtl://127.0.0.1:1", "-m", model, "--duration", "0.3", "--webhook", hook)
    done = seqcls(*live, "--serve", "-o", "out")
    assert done.code == 3 and "events go to http://127.0.0.1:1\n" in done.err
    assert "/?token=$SEQCLS_PAGE_TOKEN\n" in done.err
    assert "key" not in done.err + done.out + Path("out/run.journal").read_text(encoding="ascii")
    assert ("can read the secrets in hook.txt: chmod 600" in done.err) == (os.name != "nt")
    monkeypatch.setenv("SEQCLS_PAGE_TOKEN", "key3")
    assert "16 to 200" in one_line(seqcls(*live, "--serve", "-o", "new")) and not Path("new/run.journal").exists()


@pytest.mark.parametrize("given", [["--serve"], ["--serve", "0"], ["--serve", "--duration", "0.3"]], ids=" ".join)
def test_the_page_needs_no_port(seqcls: Seqcls, model: str, given: list[str]) -> None:
    done = seqcls("run", "igtl://127.0.0.1:1", "-m", model, "-o", "out", "--duration", "0.3", *given)
    assert done.code == 3 and "open http://127.0.0.1:" in done.err
    before = seqcls("run", "--serve", "igtl://127.0.0.1:1", "-m", model, "-o", "new", "--duration", "0.3")
    assert before.code == 3 and "open http://127.0.0.1:" in before.err
    wrong = seqcls("run", "igtl://127.0.0.1:1", "-m", model, "--serve", "-1")
    assert wrong.code in (1, 2) and "-1" in wrong.err


def test_a_feed_that_never_came_is_no_success(seqcls: Seqcls, model: str) -> None:
    done = seqcls("run", "igtl://127.0.0.1:1", "-m", model, "-o", "out", "--duration", "0.3")
    assert done.code == 3 and Path("out/run.journal").is_file()
    assert done.err.splitlines()[-1].startswith("seqcls: no frame came: ")
    again = seqcls("run", "igtl://127.0.0.1:1", "-m", model, "-o", "out", "--duration", "0.3", "--resume")
    assert again.code == 3 and again.err.splitlines()[-1].startswith("seqcls: no frame came: ")


def test_a_run_without_a_frame_is_in_nobodys_way_and_one_with_frames_is_kept(
    seqcls: Seqcls, model: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bright_clip(tmp_path / "clip.mp4", [True] * 3)
    play = ("run", "clip.mp4", "-m", model, "-o", "out", "--realtime", "--keep", "every")
    assert seqcls("run", "igtl://127.0.0.1:1", *play[2:5], "out", "--duration", "0.3").code == 3
    assert seqcls(*play).code == 0, "the right source, in the folder of the wrong one"
    for name in ("timeline.json", "intervals.csv", "scores.csv", "timeline.png"):
        Path("out", name).unlink()
    before, loaded = Path("out/run.journal").read_bytes(), request.getfixturevalue("loads")
    Path("out/webhook.queue").write_text("waits")
    kept = seqcls(*play)
    assert kept.code == 1 and loaded == []
    assert "add --resume to go on with that run or --overwrite to begin anew" in one_line(kept)
    assert Path("out/run.journal").read_bytes() == before and Path("out/webhook.queue").exists()


def test_the_page_keeps_its_address_with_a_token_file(seqcls: Seqcls, model: str) -> None:
    live = ("run", "igtl://127.0.0.1:1", "-m", model, "--duration", "0.3", "--serve", "--token", "page.token")
    opened = [re.findall("open (http://.*)", seqcls(*live, "-o", name).err) for name in ("a", "b")]
    token = Path("page.token").read_text().strip()
    assert opened[0] == opened[1] and opened[0][0].endswith("/?token=$(cat page.token)") and len(token) == 32
    assert f":{20_000 + int.from_bytes(hashlib.sha256(token.encode()).digest()[:4], 'big') % 10_000}/" in opened[0][0]
    if os.name != "nt":
        assert Path("page.token").stat().st_mode & 0o777 == 0o600
        Path("page.token").chmod(0o644)
        assert "other users can read the token in page.token: chmod 600" in one_line(seqcls(*live, "-o", "c"))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--serve", "192.0.2.1:8080"], "can be reached from outside: state --token FILE and --tls FILE"),
        (["--serve", "192.0.2.1:8080", "--token", "t"], "can be reached from outside"),
        (["--serve", "0.0.0.0:8080", "--token", "t", "--tls", "x"], "every network of this machine"),
        (["--serve", "127.0.0.1:70000"], "65535"),
        (["--token", "t"], "add --serve"),
        (["--checklist", "lung=2"], "does not know 'lung=2'"),
        (["--checklist", "0"], "above 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_page_and_a_checklist_cannot_be(seqcls: Seqcls, model: str, more: list[str], why: str) -> None:
    refused = seqcls("run", "igtl://127.0.0.1:1", "-m", model, "-o", "out", *more)
    assert refused.code == 2 and why in one_line(refused) and not Path("out/run.journal").exists()


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """As ``model``, whose engine notes here when it is loaded."""
    stand_in, loaded = detector(organs=("node",)), list[str]()

    def opening() -> Engine:
        loaded.append("loaded")
        return stand_in.engine

    lazy = replace(stand_in, engine=LazyEngine(stand_in.header, opening))
    monkeypatch.setattr("seqcls.detector.load", lambda *_, **__: lazy)
    return loaded


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--checklist", "lung=2"], "does not know 'lung=2'"),
        (["--record", "x.avi"], "cannot record as x.avi"),
        (["--mqtt", "http://broker"], "--mqtt takes mqtt://HOST:PORT/TOPIC"),
        (["--webhook", "ftp://host"], "the webhook address must look like https://host/path"),
        (["--webhook", "none.txt"], "--webhook: no such file, and no address"),
        (["--on-event", "no-such-program"], "no-such-program, was not found"),
        (["--send-igtl", "70000"], "0 to 65535"),
        (["--serve", "--token", "short.token"], "16 to 200"),
        (["--serve", "--tls", "none.pem"], "none.pem cannot be used"),
        (["--duration", "0"], "--duration takes seconds above 0, not 0"),
        (["--credentials", "none"], "asks for no password"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_are_refused_before_the_model_is_loaded(
    seqcls: Seqcls, loads: list[str], more: list[str], why: str
) -> None:
    Path("short.token").write_text("short\n")
    Path("short.token").chmod(0o600)
    refused = seqcls("run", "igtl://127.0.0.1:1", "-m", "m.safetensors", "-o", "out", *more)
    assert refused.code == 2 and why in one_line(refused)
    assert loads == [] and "loading" not in refused.err and not Path("out/run.journal").exists()


def test_another_run_is_not_resumed_and_no_model_is_loaded_for_that(
    seqcls: Seqcls, model: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bright_clip(tmp_path / "clip.mp4", [True] * 3)
    play = ("run", "clip.mp4", "-m", model, "-o", "out", "--realtime", "--keep", "every")
    assert seqcls(*play).code == 0
    loaded = request.getfixturevalue("loads")
    other = seqcls(*play, "--resume", "--onset", "0.9")
    assert other.code == 2 and "was begun with other options" in one_line(other) and loaded == []
    assert seqcls(*play, "--resume").code == 0 and loaded == ["loaded"]


def test_a_start_says_what_is_going_on_and_what_is_next(seqcls: Seqcls, loads: list[str]) -> None:
    done = seqcls("run", "igtl://127.0.0.1:1", "-m", "m.safetensors", "-o", "out", "--duration", "0.3")
    said = [line for line in done.err.splitlines() if line != "starting"]
    assert said[:3] == [
        "loading the model m.safetensors (node)",
        "engine brightness",
        "opening the feed igtl://127.0.0.1:1; Ctrl-C ends the run",
    ]
    assert loads == ["loaded"] and done.code == 3


def test_a_signal_while_a_message_is_written_ends_no_run(tmp_path: Path) -> None:
    """What the handler says then is said, past the buffer that the interrupted write holds."""

    class Busy(io.StringIO):
        def write(self, text: str) -> int:
            raise RuntimeError("reentrant call inside <_io.BufferedWriter name=2>")

        def fileno(self) -> int:
            return kept.fileno()

    with (tmp_path / "stderr").open("wb") as kept:
        stderr = LastingStderr(Busy())
        assert stderr.write("stopping cleanly\n") == 17
    assert (tmp_path / "stderr").read_text() == "stopping cleanly\n"


def test_a_model_that_is_slow_to_load_is_waited_for_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "_LOOK_S", 0.001)
    monkeypatch.setattr(live, "_STILL_S", 0.0)
    stand_in, go_on = detector(organs=("node",)), threading.Event()

    def opening() -> Engine:
        assert go_on.wait(60)
        return stand_in.engine

    engine = LazyEngine(stand_in.header, opening)
    looks: list[int] = []

    def stop_at_the_third_look() -> bool:
        looks.append(1)
        return len(looks) == 3

    with pytest.raises(KeyboardInterrupt, match="while the model was loaded; no frame was watched"):
        live._wait_for_engine(engine, stop_at_the_third_look)
    assert capsys.readouterr().err.splitlines() == ["still loading the model, 0 s"] * 2
    go_on.set()
    live._wait_for_engine(engine, lambda: False)
    broken = LazyEngine(stand_in.header, lambda: (_ for _ in ()).throw(EngineError("no such device")))
    with pytest.raises(EngineError, match="no such device"):
        live._wait_for_engine(broken, lambda: False)


def test_a_run_that_is_ended_at_once_says_what_is_kept_and_how_to_go_on(
    seqcls: Seqcls, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second Ctrl-C comes while the eighth frame is scored; both pieces of advice are then followed."""
    bright_clip(tmp_path / "clip.mp4", [True] * 12)
    play = ("run", "clip.mp4", "-m", model, "-o", "out", "--realtime", "--keep", "every")
    scored = BrightnessEngine.scores

    def interrupted(self: BrightnessEngine, images: np.ndarray) -> np.ndarray:
        if len(self.batches) == WARM_UPS + 7:
            raise KeyboardInterrupt
        return scored(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(BrightnessEngine, "scores", interrupted)
        stopped = seqcls(*play)
    kept = Path("out/run.journal")
    assert stopped.code == 130 and stopped.err.splitlines()[-1] == (
        f"seqcls: interrupted; {kept} keeps every score so far: `seqcls replay 'out' -o 'out' --overwrite` makes the"
        " other files from it, or the same command with --resume goes on"
    )
    assert seqcls("replay", "out", "-o", "out", "--overwrite").code == 0 and Path("out/intervals.csv").is_file()
    assert seqcls(*play, "--resume").code == 0


COMMANDS_ON_A_RUN = [
    ["report", "out"],
    ["export", "out"],
    ["export", "out", "-o", "elsewhere.csv"],
    ["review", "out", "--no-browser"],
    ["find", "out", "node"],
    ["agree", "out", "out"],
    ["evaluate", "m.safetensors", "out"],
]


@pytest.mark.parametrize("command", COMMANDS_ON_A_RUN, ids=" ".join)
def test_what_takes_a_finished_run_gives_advice_that_works_while_it_goes_on_and_after_a_crash(
    seqcls: Seqcls, model: str, tmp_path: Path, command: list[str]
) -> None:
    bright_clip(tmp_path / "clip.mp4", [True] * 3)
    run = seqcls("run", "clip.mp4", "-m", model, "-o", "out", "--realtime", "--keep", "every")
    assert run.code == 0
    for name in ("timeline.json", "intervals.csv", "scores.csv", "timeline.png"):
        Path("out", name).unlink()
    with only_writer(Path("out"), is_folder=True):  # as the run holds it
        refused = seqcls(*command)
        assert refused.code == 1 and one_line(refused) == (
            "seqcls: out holds a journal and no timeline yet: its run still goes on; `seqcls replay 'out'` shows the"
            " timeline so far, its end writes it"
        )
        assert seqcls("replay", "out").code == 0
    crashed = seqcls(*command)
    assert crashed.code == 1 and "`seqcls replay 'out' -o 'out' --overwrite` makes it" in one_line(crashed)
    assert seqcls("replay", "out", "-o", "out", "--overwrite").code == 0
