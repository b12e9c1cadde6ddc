"""Faults of a live run, end to end: real sockets, and for everything that ends a run the real program.

What a live run must survive, and where each fault has its tests (here where no file is named):

fault                                 tests
stall after N frames                  feeds/test_capture_worker.py, feeds/test_openigtlink.py
server killed and restarted           feeds/test_capture_worker.py, feeds/test_reconnect.py (20 times)
black-hole socket                     feeds/test_openigtlink.py, feeds/test_capture_worker.py
half header, 1 TiB body, garbage      feeds/test_openigtlink.py
bad CRC                               feeds/test_openigtlink.py, feeds/test_openigtlink_wire.py
size change                           test_the_size_of_the_picture_changes, feeds/test_capture_worker.py
120 frames/s flood                    test_a_flood_is_counted_to_the_last_frame, feeds/test_openigtlink.py
frozen feed                           test_a_feed_that_repeats_one_picture_is_unknown
kill -9 at 50 random moments          journal/test_resume.py (the journal's writer),
                                      test_killed_at_any_moment_and_gone_on_with (the whole program)
disk full                             test_a_full_disk_has_its_own_exit_code, journal/test_writer.py; of recording, clips,
                                      snapshots, waiting events, stdout and results: cli/test_live.py, recording/,
                                      test_operator.py, test_queued_sink.py, test_notify.py, each with room again later
killed while paused                   cli/test_live.py, journal/test_rebuild.py
this computer stands still or sleeps  feeds/test_reconnect.py, feeds/test_openigtlink_client.py, test_steady_clock.py
Ctrl-C once, SIGTERM, closed terminal test_one_signal_ends_the_run_in_order
Ctrl-C twice                          test_a_second_ctrl_c_ends_a_run_that_hangs
closed stdout                         test_a_closed_stdout_costs_the_events_and_not_the_run
closed stderr                         test_a_stderr_that_nobody_reads_any_more_costs_the_messages_and_not_the_run
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
from numpy.typing import NDArray
from support import browser
from support.fakes import detector
from support.feeds import PATIENT, nothing_left  # noqa: F401 - a fixture
from support.forked import Parent
from support.igtlserver import Script, image_body, packed, server
from support.journals import records_of

from seqcls.cli import main
from seqcls.cli.live_journal import begin_journal
from seqcls.cli.live_options import LiveRunOptions
from seqcls.detector import Detector
from seqcls.errors import OutputError, UsageError
from seqcls.feeds.open import open_live
from seqcls.gate import GateOptions
from seqcls.journal import NOT_RECORDED, create_journal, read_journal
from seqcls.live.options import LiveOptions
from seqcls.live.session import LiveSession
from seqcls.live.snapshot import LiveView
from seqcls.timeline import Timeline
from seqcls.types import Event, FrameCounts, FrameScore, Gap, SourceInfo

FUSE_S = 60.0
needs_signals = pytest.mark.skipif(os.name == "nt", reason="needs signals for other processes")


def speckle(level: int, seed: int, shape: tuple[int, int] = (32, 32)) -> bytes:
    rng = np.random.default_rng(seed)
    picture = np.clip(rng.normal(level, 20, shape), 0, 255).astype(np.uint8)
    return packed(b"IMAGE", image_body(picture), seconds=1000 + seed / 50)


def endless(client: socket.socket, over: threading.Event) -> None:
    """50 pictures a second: half a second bright, half a second dark."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    number = 0
    while not over.wait(0.02):
        client.sendall(speckle(230 if number // 25 % 2 == 0 else 20, number))
        number += 1


def live(script: Script, path: Path, frames: int, **changes: object) -> tuple[Timeline, FrameCounts, list[LiveView]]:
    """A session, no program, until that many frames came."""
    made = replace(detector(organs=("liver",)), **changes)  # type: ignore[arg-type]
    views: list[LiveView] = []
    arrived: list[int] = []
    with server(script) as port:
        source = open_live(f"igtl://127.0.0.1:{port}", on_state=lambda *_: None, **PATIENT)
        journal = create_journal(path, organs=made.organs, provenance=made.provenance, source=source.info)
        session = LiveSession(
            made, source, options=LiveOptions(duration_s=FUSE_S), journal=journal, on_view=views.append,
            on_frame=lambda frame: arrived.append(frame.index), should_stop=lambda: len(arrived) >= frames,
        )  # fmt: skip
        frame_counts = session.run().frame_counts
    assert frame_counts.received == len(arrived) >= frames and frame_counts.balanced
    assert not session._arrived_s and len(session._rates) < 100
    timeline = read_journal(path).timeline()
    assert (
        timeline.frame_counts == frame_counts
        and len(timeline.scores.index) == frame_counts.classified + frame_counts.rejected
    )
    return timeline, frame_counts, views


def test_a_flood_is_counted_to_the_last_frame(tmp_path: Path) -> None:
    """1,200 frames as fast as the socket takes them, into an engine that takes its time."""
    made = detector(organs=("liver",))
    scores, go = made.engine.scores, threading.Event()

    def slow(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        go.wait(0.002)
        return scores(images)

    made.engine.scores = slow  # type: ignore[method-assign]

    def flood(client: socket.socket, over: threading.Event) -> None:
        for number in range(1200):
            client.sendall(speckle(200, number))
        over.wait(FUSE_S)

    timeline, frame_counts, _ = live(flood, tmp_path / "j", 1200, engine=made.engine)
    assert frame_counts.received == 1200 and frame_counts.dropped > 0
    assert frame_counts.dropped == 1200 - len(timeline.scores.index)
    assert list(timeline.scores.index) == sorted(set(timeline.scores.index)) and timeline.scores.index[-1] == 1199


def test_a_feed_that_repeats_one_picture_is_unknown(tmp_path: Path) -> None:
    """Moving for a second, then one picture again and again, at 25/s by the sender's clock and ours."""
    freeze_s, moving = 0.4, 25

    def freezing(client: socket.socket, over: threading.Event) -> None:
        for number in range(moving + 50):
            body = speckle(230, min(number, moving))[58:]
            client.sendall(packed(b"IMAGE", body, seconds=1000 + number / 25))
            if over.wait(0.04):
                return
        over.wait(FUSE_S)

    gate = GateOptions(freeze_s=freeze_s, black=False, no_contact=False, not_ultrasound=False)
    timeline, frame_counts, views = live(freezing, tmp_path / "j", moving + 50, gate=gate)
    (last,) = [i for i in timeline.of("liver") if i.end_s == timeline.end_s]
    assert (last.state, last.reason) == ("unknown", "frozen")
    assert [i.state for i in timeline.of("liver") if i.start_index >= 0] == ["present", "unknown"]
    still_s = timeline.scores.time_s[moving]
    assert freeze_s - 0.2 <= last.start_s - still_s <= freeze_s + 1.0
    assert frame_counts.rejected == sum(reason == "frozen" for reason in timeline.scores.reason) > 10
    # A short blindness would be bridged: for ``min_absent_s`` the sign holds, without a score.
    frozen = [view.organs[0] for view in views if view.frame_counts.rejected > 15]
    assert frozen and all(organ.state == "unknown" and organ.score is None for organ in frozen)


def test_the_size_of_the_picture_changes(tmp_path: Path) -> None:
    def changing(client: socket.socket, over: threading.Event) -> None:
        for number in range(60):
            client.sendall(speckle(230, number, (32, 32) if number < 20 else (48, 64) if number < 40 else (20, 30)))
            if over.wait(0.01):
                return
        over.wait(FUSE_S)

    timeline, frame_counts, _ = live(changing, tmp_path / "j", 60)
    assert [(r.width, r.height) for r in timeline.provenance.regions] == [(32, 32), (64, 48), (30, 20)]
    assert frame_counts.received == 60 and frame_counts.rejected == 0
    assert {i.state for i in timeline.of("liver") if i.start_index >= 0} == {"present"}


@pytest.fixture(scope="module")
def parent() -> Iterator[Parent]:
    made = Parent("support.brightness_program")
    yield made
    made.close()


class Run:
    """`seqcls run` of an endless feed, in a process of its own."""

    def __init__(
        self, parent: Parent, folder: Path, port: int, *options: str, limit: int = 0, stderr: int = PIPE
    ) -> None:
        self.folder = folder
        self.journal = folder / "out" / "run.journal"
        arguments = ["run", f"igtl://127.0.0.1:{port}", "-m", "none.safetensors", "-o", str(folder / "out"), *options]
        self.process = parent.start(str(folder), str(limit), *arguments, stderr=stderr)
        self._said: list[bytes] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        if self.process.stderr is not None:
            self._said.extend(self.process.stderr)

    def has(self, path: Path, size: int) -> None:
        """Wait until the file is that large."""
        limit_s = time.monotonic() + FUSE_S
        while not path.exists() or path.stat().st_size < size:
            assert time.monotonic() < limit_s and self.process.poll() is None, self.said()
            time.sleep(0.002)

    def ends(self) -> int:
        return self.process.wait(FUSE_S)

    def said(self) -> str:
        if self.process.poll() is not None:
            self._reading.join(FUSE_S)
        return b"".join(self._said).decode()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reading.join(FUSE_S)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


Start = Callable[..., AbstractContextManager[Run]]


@pytest.fixture
def run(parent: Parent, tmp_path: Path) -> Start:
    """Starts one, of a feed of its own, or of that at ``port``."""

    @contextmanager
    def started(*options: str, limit: int = 0, stderr: int = PIPE, port: int | None = None) -> Iterator[Run]:
        with server(endless) if port is None else nullcontext(port) as used:
            made = Run(parent, tmp_path, used, *options, limit=limit, stderr=stderr)
            try:
                yield made
            finally:
                made.close()

    return started


def whole(started: Run) -> Timeline:
    """Everything that a run in order leaves; the journal closed, and no frame missing."""
    journal = read_journal(started.journal)
    assert journal.closed is not None and journal.damage.summary == "", started.said()
    timeline = journal.timeline()
    assert timeline.frame_counts.balanced and timeline.frame_counts.received >= len(timeline.scores.index) > 0
    assert timeline.frame_counts.classified + timeline.frame_counts.rejected == len(timeline.scores.index)
    written = json.loads((started.folder / "out" / "timeline.json").read_text(encoding="utf-8"))
    assert written["frame_counts"]["received"] == timeline.frame_counts.received
    for name in ("intervals.csv", "scores.csv", "timeline.png"):
        assert (started.folder / "out" / name).stat().st_size > 0
    assert "Traceback" not in started.said()
    return timeline


@needs_signals
def test_one_signal_ends_the_run_in_order(run: Start) -> None:
    with run() as started:
        started.has(started.journal, 8000)
        started.process.send_signal(signal.SIGTERM)
        assert started.ends() == 0, started.said()
        assert "stopping cleanly" in started.said()
        timeline = whole(started)
        assert started.process.stdout is not None
        told = [json.loads(line) for line in started.process.stdout.read().splitlines()]
        events = [r for r in records_of(started.journal) if isinstance(r, Event)]
        assert [(e["state"], e["index"]) for e in told] == [(e.state, e.index) for e in events]
        assert {"present"} <= {i.state for i in timeline.intervals}


@needs_signals
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_each_of_these_signals_asks_a_run_to_stop(name: str) -> None:
    """In a process of its own: native libraries that other tests have loaded have handlers and threads of theirs."""
    code = (
        "import signal\n"
        "from seqcls.cli import console\n"
        f"number = signal.{name}\n"
        "signal.signal(number, signal.default_int_handler)\n"  # whoever started these tests may have it ignored
        "with console.stops_cleanly('what is done is kept') as should_stop:\n"
        "    assert not should_stop()\n"
        "    signal.raise_signal(number)\n"
        "    assert should_stop()\n"
        "    try:\n"
        "        signal.raise_signal(number)\n"
        "    except KeyboardInterrupt as stop:\n"
        "        print(stop)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0 and done.stdout == "interrupted; what is done is kept\n", done.stderr


@needs_signals
def test_a_second_ctrl_c_ends_a_run_that_hangs(run: Start, tmp_path: Path) -> None:
    (tmp_path / "stuck").touch()
    with run() as started:
        started.has(tmp_path / "hangs", 0)
        started.process.send_signal(signal.SIGINT)
        limit_s = time.monotonic() + FUSE_S
        while "stopping cleanly" not in started.said():
            assert time.monotonic() < limit_s and started.process.poll() is None
            time.sleep(0.01)
        started.process.send_signal(signal.SIGINT)
        assert started.ends() == 130, started.said()
        assert "Traceback" not in started.said()
        journal = read_journal(started.journal)
        assert journal.closed is not None and "interrupted" in journal.closed.reasons[0]
        timeline = journal.timeline()
        assert timeline.frame_counts.balanced and timeline.frame_counts.classified == len(timeline.scores.index) > 0


@needs_signals
def test_a_closed_stdout_costs_the_events_and_not_the_run(run: Start) -> None:
    with run() as started:
        assert started.process.stdout is not None and started.process.stdout.readline()
        started.process.stdout.close()
        size = started.journal.stat().st_size
        started.has(started.journal, size + 8_000)  # events, and more than one
        started.process.send_signal(signal.SIGINT)
        assert started.ends() == 0, started.said()
        assert whole(started).frame_counts.received > 50 and "stdout" in started.said()


@needs_signals
def test_a_stderr_that_nobody_reads_any_more_costs_the_messages_and_not_the_run(run: Start) -> None:
    """A closed terminal, the end of a pipe: what happens to a run that is left alone over night."""
    reader, writer = os.pipe()
    with run(stderr=writer) as started:
        os.close(writer)
        started.has(started.journal, 4000)
        os.close(reader)
        started.has(started.journal, 14_000)  # events, and each would be told
        started.process.send_signal(signal.SIGINT)
        assert started.ends() == 0
        assert started.process.stdout is not None
        assert len(started.process.stdout.read().splitlines()) > 2, "stdout goes on"
        assert whole(started).frame_counts.received > 50


@needs_signals
@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_a_program_started_without_stdout_or_stderr_runs(closed: tuple[int, ...], tmp_path: Path) -> None:
    hand_over = (
        f"import os, sys; [os.close(n) for n in {closed}]; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    roots = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]
    with server(endless) as port:
        program = ["-m", "support.brightness_program", str(tmp_path), "0", "run", f"igtl://127.0.0.1:{port}"]
        done = subprocess.run(
            [sys.executable, "-c", hand_over, *program, "-m", "none.safetensors", "-o", str(tmp_path / "out"), "--duration", "1"],
            capture_output=True, timeout=FUSE_S,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(roots)},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert read_journal(tmp_path / "out" / "run.journal").timeline().frame_counts.received > 10
    assert bool(done.stdout) == (1 not in closed) and bool(done.stderr) == (2 not in closed)


FAILING = f'"{sys.executable}" -c "raise SystemExit(3)"'


@needs_signals
def test_a_message_is_said_once_where_there_is_no_terminal(run: Start) -> None:
    with server(*[endless] * 2) as port:
        with run("--duration", "1.5", "--on-event", FAILING, port=port) as started:
            assert started.ends() == 0, started.said()
            assert started.said().count("on-event command ended with 3") == 1
            assert started.said().count("not delivered yet in") == 1
        with run("--duration", "0.2", "--resume", port=port) as without:  # what still waits is not forgotten
            assert without.ends() == 0, without.said()
            assert without.said().count("on-event.queue not delivered: add --on-event to deliver them") == 1


def on_a_terminal(run: Start, *options: str) -> bytes:
    """What a run of a second writes to its terminal."""
    import pty

    master, slave = pty.openpty()
    with run("--duration", "1", *options, stderr=slave) as started:
        os.close(slave)
        seen = b""
        with suppress(OSError):  # the end of a terminal
            while part := os.read(master, 65536):
                seen += part
        os.close(master)
        assert started.ends() == 0
    return seen


@needs_signals
def test_a_message_outlives_the_dashboard_that_showed_it(run: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    seen = on_a_terminal(run, "--on-event", FAILING)
    _, left, after = seen.rpartition(b"\x1b[?1049l")  # the screen is given back
    assert left and after.count(b"on-event command ended with 3") == 1, after
    assert after.count(b"not delivered yet in") == 1


@needs_signals
def test_the_address_of_the_page_is_on_the_dashboard(run: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TERM", "xterm"), ("COLUMNS", "120"), ("LINES", "30")):
        monkeypatch.setenv(name, value)
    before, taken, screens = on_a_terminal(run, "--serve", "0").partition(b"\x1b[?1049h")
    address = before.partition(b"open ")[2].split()[0]
    assert taken and b"?token=" in address and address in screens.partition(b"\x1b[?1049l")[0]


@needs_signals
def test_an_open_page_comes_back_with_the_run(run: Start, chromium: browser.Browser, tmp_path: Path) -> None:
    """Killed, and gone on with under the same --token FILE: nobody does anything in the browser, and the scores from
    before the kill are there again."""
    page = ("--serve", "0", "--token", str(tmp_path / "page.token"))
    signs, known = (
        "[...document.querySelectorAll('.word')].map((sign) => sign.textContent).join()",
        ("PRESENT", "ABSENT"),
    )
    with server(*[endless] * 2) as port:
        with run(*page, port=port) as killed:
            killed.has(killed.journal, 3000)
            (address,) = re.findall(r"open (http://[^/]*/)", killed.said())
            chromium.open(f"{address}?token={(tmp_path / 'page.token').read_text().strip()}")
            chromium.until(signs, lambda shown: shown in known)
            chromium.evaluate("void (window.mine = 1)")
            killed.process.kill()
            chromium.until(signs, lambda shown: shown == "UNKNOWN")
        with run("--resume", *page, port=port) as again:
            chromium.until(signs, lambda shown: shown in known)
            assert chromium.evaluate("window.mine") == 1
            (missed,) = read_journal(again.journal).gaps[:1]
            trace = chromium.evaluate("view.organs[0].trace")
            assert trace[0][0] < 1 < len([time_s for time_s, _ in trace if time_s < missed.start_s])


@needs_signals
def test_a_terminal_that_knows_lines_alone_is_told_lines(run: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    seen = on_a_terminal(run, "--on-event", FAILING)
    assert b"\x1b" not in seen and b" feed running" in seen
    assert seen.count(b"on-event command ended with 3") == 1


@pytest.mark.parametrize(
    "mistake",
    [
        ["--webhook", "ftp://there"],
        ["--on-event", "no-such-program-anywhere"],
        ["--send-igtl", "0,video"],
        ["--mqtt", "http://there"],
        ["--record", "feed.avi"],
        ["--serve", "99999"],
    ],
)
def test_a_mistake_leaves_no_journal_in_the_way_of_the_next_try(
    mistake: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqcls.detector.load", lambda *_, **__: detector(organs=("liver",)))
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "igtl://127.0.0.1:1", "-m", "none.safetensors", "-o", "out", "--duration", "0.5", *mistake]
    monkeypatch.setattr(sys, "argv", ["seqcls", *arguments])
    monkeypatch.setattr("seqcls.cli.hide_arguments.cover_arguments", lambda *_: None)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2 and not (tmp_path / "out" / "run.journal").exists()


MODEL = Path("none.safetensors")


def test_overwriting_takes_no_journal_from_a_run_that_writes_it(tmp_path: Path) -> None:
    made = detector(organs=("liver",))
    path, info = tmp_path / "run.journal", SourceInfo(name="probe", kind="openigtlink")
    with create_journal(path, organs=made.organs, provenance=made.provenance, source=info) as running:
        with pytest.raises(OutputError, match="another run"):
            begin_journal(made, MODEL, "igtl://probe", info, path, LiveRunOptions(overwrite=True))
        running.write(Gap(0.0, 1.0, "still there"))
    with pytest.raises(OutputError, match="there already"):
        begin_journal(made, MODEL, "igtl://probe", info, path, LiveRunOptions())
    assert [r.reason for r in records_of(path) if isinstance(r, Gap)] == ["still there"]
    writer, resumed = begin_journal(made, MODEL, "igtl://probe", info, path, LiveRunOptions(overwrite=True))
    writer.close()
    assert resumed is None and not [r for r in records_of(path) if isinstance(r, Gap)]


def _trained_on(dataset_hash: str) -> Detector:
    made = detector(organs=("liver",))
    return replace(made, header=replace(made.header, dataset_hash=dataset_hash))


def test_another_model_does_not_go_on_with_a_run(tmp_path: Path) -> None:
    path, info = tmp_path / "run.journal", SourceInfo(name="probe", kind="openigtlink")
    made = _trained_on("1")
    begin_journal(made, MODEL, "igtl://probe", info, path, LiveRunOptions())[0].close()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="another model"):
        begin_journal(
            _trained_on("2"),
            MODEL,
            "igtl://probe",
            info,
            path,
            LiveRunOptions(resume=True),
        )
    assert path.read_bytes() == before
    renamed = replace(made, model="renamed.safetensors")
    writer, resumed = begin_journal(renamed, MODEL, "igtl://probe", info, path, LiveRunOptions(resume=True))
    writer.close()
    assert resumed is not None and path.stat().st_size > len(before)


@needs_signals
def test_a_full_disk_has_its_own_exit_code(run: Start) -> None:
    """The kernel refuses what goes beyond 8,000 bytes; the run watches on, says so, and ends with 4."""
    with run(limit=8_000) as started:
        started.has(started.journal, 7_500)
        assert started.process.stdout is not None
        before = started.process.stdout.readline()
        after = [started.process.stdout.readline() for _ in range(6)]  # half a second each: beyond what was written
        started.process.send_signal(signal.SIGINT)
        assert started.ends() == 4, started.said()
        (line,) = [line for line in started.said().splitlines() if line.startswith("seqcls: ")]
        assert "incomplete" in line and "free space" in line and "Traceback" not in started.said()
        assert "organ" in started.said() and "not recorded" in started.said(), "there is a table, and it tells"
    journal = read_journal(started.journal)
    assert journal.closed is not None and journal.timeline().intervals[-1].state == "unknown"
    assert journal.damage.bad_lines == journal.damage.torn_bytes == 0 and started.journal.stat().st_size <= 8_000
    last = int(journal.raw.table().index[-1])
    assert before and json.loads(after[-1])["index"] > last, "events were told that the disk did not take"


@needs_signals
def test_killed_at_any_moment_and_gone_on_with(run: Start) -> None:
    rng = random.Random(9)
    kept: list[tuple[int, float, bytes]] = []
    with server(*[endless] * 4) as port:
        for kill in range(3):
            with run(*(["--resume"] if kill else []), port=port) as started:
                size = started.journal.stat().st_size if kill else 0
                started.has(started.journal, size + rng.randrange(1500, 12_000))
                time.sleep(rng.random() * 0.02)  # anywhere between two frames
                started.process.kill()
                started.ends()
                time.sleep(0.25)  # a hole shorter than 0.2 s would be bridged
                found = frames(started.journal)
                assert found[: len(kept)] == kept and len(found) > len(kept), "no journalled record is lost"
                kept = found
        with run("--resume", "--duration", "1", port=port) as started:
            assert started.ends() == 0, started.said()
            timeline = whole(started)
    assert frames(started.journal)[: len(kept)] == kept and len(read_journal(started.journal).sessions) == 4
    assert list(timeline.scores.index) == sorted(set(timeline.scores.index))
    assert np.all(np.diff(timeline.scores.time_s) >= 0)
    gaps = [gap for gap in timeline.report.gaps if gap.reason == NOT_RECORDED]
    assert len(gaps) == 3 and all(0 < gap.end_s - gap.start_s < FUSE_S for gap in gaps)
    for gap in gaps:  # and nothing is claimed to have been seen in them
        inside = [i for i in timeline.intervals if i.start_s < gap.end_s - 1e-6 and i.end_s > gap.start_s + 1e-6]
        assert {i.state for i in inside} == {"unknown"}


def frames(journal: Path) -> list[tuple[int, float, bytes]]:
    """Every frame that is on record, to the bit."""
    return [
        (r.index, r.time_s, b"" if r.scores is None else r.scores.tobytes())
        for r in records_of(journal)
        if isinstance(r, FrameScore)
    ]
