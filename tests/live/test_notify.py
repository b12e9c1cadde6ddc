"""Events on stdout, to a web address, to a command: delivered in order, and whatever fails there never reaches the run."""

from __future__ import annotations

import http.server
import io
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from seqcls.credentials import NAMES
from seqcls.errors import UsageError
from seqcls.live.notify import JsonLines, OnEvent, Webhook, event_json, split_command
from seqcls.text.foreign_text import for_terminal
from seqcls.types import Event

NOON = datetime(2026, 3, 1, 13, 0, 0, 123456, timezone(timedelta(hours=1)))
PRESENT = Event("left lobe", "present", 1.2000000000000002, 30, 1.6)
LOST = Event("left lobe", "unknown", 2.4, 60, 2.4, 'no "contact"\n£')


def noon() -> datetime:
    return NOON


@pytest.fixture(autouse=True)
def no_thread_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("seqcls-")] == []


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_event_is_one_line_of_ascii() -> None:
    assert json.loads(event_json(PRESENT, NOON)) == {
        "organ": "left lobe",
        "state": "present",
        "start_s": 1.2,
        "final_s": 1.6,
        "index": 30,
        "reason": "",
        "wall_time": "2026-03-01T12:00:00.123+00:00",
    }
    line = event_json(LOST, NOON)
    assert line.isascii() and "\n" not in line and json.loads(line)["reason"] == LOST.reason


def test_lines_are_written_at_once_and_in_order() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading) as lines:
        outlet = JsonLines(stream, wall=noon)
        for event in (PRESENT, LOST):
            outlet.event(event)
            assert lines.readline() == event_json(event, NOON) + "\n"  # without anybody flushing
        outlet.close()
        outlet.close()
    assert (outlet.delivered, outlet.lost) == (2, 0)


def test_lines_go_to_a_stream_without_a_descriptor(capsys: pytest.CaptureFixture[str]) -> None:
    text = io.StringIO()
    for outlet in (JsonLines(text, wall=noon), JsonLines(wall=noon)):
        outlet.event(PRESENT)
        outlet.close()
    assert text.getvalue() == capsys.readouterr().out == event_json(PRESENT, NOON) + "\n"


def test_a_closed_reader_is_told_once_and_the_run_goes_on() -> None:
    reading, writing = os.pipe()
    said: list[str] = []
    with os.fdopen(writing, "w") as stream:
        outlet = JsonLines(stream, notify=said.append)
        os.close(reading)
        for _ in range(5):
            outlet.event(PRESENT)
        outlet.close()
    assert len(said) == 2 and "takes no more events" in said[0]
    assert said[1] == "stdout: 5 of 5 events were not delivered"


def test_a_stdout_that_is_closed_or_absent_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", None)
    for outlet in (JsonLines(closed, notify=said.append), JsonLines(notify=said.append)):
        outlet.event(PRESENT)
        outlet.close()
    assert len(said) == 2 and all("takes no more events" in line for line in said)


@pytest.mark.skipif(os.name == "nt", reason="a pipe of Windows cannot be filled like this")
def test_a_reader_that_stops_reading_does_not_hold_the_run_or_the_exit() -> None:
    """Nobody reads: the outlet is left behind, and the process still ends in order."""
    code = """
import sys
from seqcls.live.notify import JsonLines
from seqcls.types import Event
outlet = JsonLines(notify=lambda line: print(line, file=sys.stderr), close_s=0.2)
for k in range(900):
    outlet.event(Event("thyroid", "present", k, k, k, "x" * 300))
outlet.close()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.wait(60) == 0
        told = child.stderr.read().decode()
    assert "stdout hangs and is left behind" in told and "of 900 events were not delivered" in told
    assert "Fatal" not in told


def test_more_events_than_may_wait_are_counted() -> None:
    go = threading.Event()

    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            go.wait()
            return super().write(text)

    said: list[str] = []
    outlet = JsonLines(Slow(), notify=said.append)
    for _ in range(1101):
        outlet.event(PRESENT)
    assert 99 <= outlet.lost <= 101 and said == ["stdout cannot keep up: events are left out"]
    go.set()
    _wait_for(lambda: outlet.delivered + outlet.lost == 1101)
    outlet.close()


class Server(http.server.ThreadingHTTPServer):
    """Answers with ``answers`` in turn, the last one for ever; None hangs until the end."""

    def __init__(self, *answers: int | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> Server:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.headers.append(dict(self.headers))
        self.server.paths.append(self.path)
        answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if answer is None:
            self.server.ended.wait()
            return
        self.send_response(answer)
        if 300 <= answer < 400:
            self.send_header("Location", f"file://{Path(__file__).resolve()}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def post(
    server: Server, *events: Event, path: str = "/private", **options: Any
) -> tuple[Webhook, list[str], list[float]]:
    said: list[str] = []
    slept: list[float] = []
    url = f"http://doctor:s%20cret@127.0.0.1:{server.port}{path}"
    options = {"timeout_s": 30.0, "sleep": slept.append, **options}
    outlet = Webhook(url, notify=said.append, wall=noon, **options)
    for event in events:
        outlet.event(event)
    _wait_for(lambda: outlet.delivered + outlet.lost == len(events))
    outlet.close()
    assert not any(secret in line for line in said for secret in ("doctor", "s%20cret", "s cret", "token", "private"))
    return outlet, said, slept


def test_a_webhook_gets_events_as_json_in_order() -> None:
    with Server(200) as server:
        outlet, said, slept = post(server, PRESENT, LOST, path="/private?token=a+bü")
    assert server.bodies == [json.loads(event_json(event, NOON)) for event in (PRESENT, LOST)]
    assert server.headers[0]["Content-Type"] == "application/json"
    assert server.headers[0]["Authorization"] == "Basic ZG9jdG9yOnMgY3JldA=="
    assert server.headers[0]["Host"] == f"127.0.0.1:{server.port}"
    assert server.paths[0] == "/private?token=a+b%C3%BC"
    assert (outlet.delivered, outlet.lost, said, slept) == (2, 0, [], [])


def test_a_webhook_sends_its_headers() -> None:
    with Server(200) as server:
        post(server, PRESENT, headers=[("authorization", "Bearer x"), ("X-Key", "y")])
    assert server.headers[0]["Authorization"] == "Bearer x" and server.headers[0]["X-Key"] == "y"


def test_a_webhook_tries_again_after_a_pause() -> None:
    with Server(500, 429, 204) as server:
        outlet, said, slept = post(server, PRESENT)
    assert len(server.bodies) == 3 and (outlet.delivered, said, slept) == (1, [], [0.5, 2.0])


@pytest.mark.parametrize(
    ("answer", "tries", "why"),
    [
        (503, 3, "answers 503"),
        (404, 1, "answers 404"),
        (302, 1, "answers 302, a redirect"),
        (307, 1, "answers 307, a redirect"),
    ],
)
def test_a_webhook_that_refuses_is_told_once_and_counted(answer: int, tries: int, why: str) -> None:
    with Server(answer) as server:
        outlet, said, _ = post(server, PRESENT, LOST)
    assert len(server.bodies) == 2 * tries  # a redirect is followed nowhere
    assert (outlet.delivered, outlet.lost) == (0, 2)
    assert len(said) == 2 and why in said[0] and "the run goes on" in said[0] and "2 of 2 events" in said[1]


def test_a_webhook_that_hangs_is_given_up() -> None:
    with Server(None) as server:
        outlet, said, _ = post(server, PRESENT, timeout_s=0.1)
    assert len(server.bodies) == 3 and outlet.lost == 1
    assert said == [
        f"webhook http://127.0.0.1:{server.port} cannot be reached: no answer within 0.1 s; the run goes on"
    ]


def test_a_webhook_that_nobody_serves_is_told() -> None:
    with Server(200) as server:
        pass
    outlet, said, slept = post(server, PRESENT)
    assert outlet.lost == 1 and slept == [0.5, 2.0]
    assert len(said) == 1 and "cannot be reached: " in said[0] and "URLError" not in said[0]


def test_closing_a_webhook_cuts_pauses_short_and_leaves_nothing() -> None:
    said: list[str] = []
    with Server(500) as server:
        outlet = Webhook(f"http://127.0.0.1:{server.port}/", notify=said.append, timeout_s=0.2)
        for _ in range(30):
            outlet.event(PRESENT)
        outlet.close()  # its pauses alone would take 75 s
        assert outlet.lost == 30 and outlet.delivered == 0
    assert said[-1].endswith("30 of 30 events were not delivered")


def test_a_webhook_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(200) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
        monkeypatch.setenv("no_proxy", "")
        outlet = Webhook("http://receiver.invalid/x", timeout_s=30)
        outlet.event(PRESENT)
        _wait_for(lambda: outlet.delivered + outlet.lost == 1)
        outlet.close()
    assert server.paths == ["http://receiver.invalid/x"] and outlet.delivered == 1


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://u:secret@host/",
        "host/secret",
        "http://",
        "http://u:secret@/x",
        "http://u:secret@host:99999/",
        "http://u:secret@host:port/",
        "http://host/a secret",
        "http://host/secret\r\nX: y",
        "http://[secret/",
        "http://" + "x" * 70 + "secret.com/",
    ],
)
def test_addresses_that_cannot_be_right(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Webhook(url)
    shown = "".join(traceback.format_exception(None, caught.value, caught.value.__traceback__))
    assert "secret" not in shown and "\n" not in str(caught.value)


def script(folder: Path, code: str) -> str:
    """A command with spaces in the program's path and in an argument."""
    path = folder / "a script.py"
    path.write_text(code, encoding="utf-8")
    return f'"{sys.executable}" "{path}" "{folder / "an answer"}" plain'


SAVE = """
import json, os, sys
told = {k: v for k, v in os.environ.items() if k.startswith("SEQCLS_") and k != "SEQCLS_REAL_CLIPS"}
print("noise", file=sys.stdout); print("noise", file=sys.stderr)
with open(sys.argv[1], "a") as stream:
    stream.write(json.dumps([sys.argv[2:], json.loads(sys.stdin.read()), told]) + "\\n")
"""


def run_events(command: str, *events: Event, **options: Any) -> tuple[OnEvent, list[str]]:
    said: list[str] = []
    outlet = OnEvent(command, notify=said.append, wall=noon, **options)
    for event in events:
        outlet.event(event)
    _wait_for(lambda: outlet.delivered + outlet.lost == len(events))
    outlet.close()
    return outlet, said


def test_a_command_gets_the_event_on_stdin_and_in_its_environment_without_secrets(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "secret")
        monkeypatch.setenv(f"{name}_FILE", "secret")
    outlet, said = run_events(script(tmp_path, SAVE), PRESENT, LOST)
    first, second = (json.loads(line) for line in (tmp_path / "an answer").read_text().splitlines())
    assert first[0] == ["plain"] and first[1] == json.loads(event_json(PRESENT, NOON))
    assert first[2] == {
        "SEQCLS_ORGAN": "left lobe",
        "SEQCLS_STATE": "present",
        "SEQCLS_START_S": "1.200000",
        "SEQCLS_FINAL_S": "1.600000",
        "SEQCLS_REASON": "",
    }
    assert second[1]["reason"] == LOST.reason and second[2]["SEQCLS_REASON"] == for_terminal(LOST.reason)
    assert (outlet.delivered, outlet.lost, said) == (2, 0, []) and capfd.readouterr() == ("", "")


def test_no_shell_sees_what_an_event_says(tmp_path: Path) -> None:
    nasty = Event("$(touch pwned); `x` & | > %PATH%\0", "present", 0.0, 0, 0.0)
    outlet, _ = run_events(script(tmp_path, SAVE), nasty)
    (line,) = (tmp_path / "an answer").read_text().splitlines()
    assert json.loads(line)[2]["SEQCLS_ORGAN"] == "$(touch pwned); `x` & | > %PATH%\\x00" and outlet.delivered == 1


def test_a_command_that_does_not_read_its_stdin_is_fine(tmp_path: Path) -> None:
    outlet, said = run_events(script(tmp_path, "import os; os.close(0)"), PRESENT, LOST)
    assert (outlet.delivered, said) == (2, [])


def test_a_command_that_fails_is_told_once_and_counted(tmp_path: Path) -> None:
    outlet, said = run_events(script(tmp_path, "raise SystemExit(3)"), PRESENT, LOST, PRESENT)
    assert (outlet.delivered, outlet.lost) == (0, 3)
    assert said == [
        "on-event command ended with 3; the run goes on",
        "on-event command: 3 of 3 events were not delivered",
    ]


HANG = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1] + ".part", "w") as stream:
    stream.write(f"{os.getpid()} {child.pid}")
os.replace(sys.argv[1] + ".part", sys.argv[1])
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["limit", "close"])
def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path, how: str) -> None:
    said: list[str] = []
    answer = tmp_path / "an answer"
    command = script(tmp_path, HANG)
    if how == "limit":
        command = script(tmp_path, "import time; time.sleep(600)")
        outlet = OnEvent(command, notify=said.append, limit_s=0.2)
        outlet.event(PRESENT)
        _wait_for(lambda: outlet.lost == 1)
        outlet.close()
        assert said == ["on-event command ran longer than 0.2 s and was killed; the run goes on"]
        return
    outlet = OnEvent(command, notify=said.append, close_s=60.0)
    for _ in range(3):
        outlet.event(PRESENT)
    _wait_for(answer.exists)
    outlet._close_s = 0.2
    outlet.close()
    _wait_for(lambda: not any(t.name.startswith("seqcls-") for t in threading.enumerate()))
    assert outlet.lost == 3 and outlet._child is None
    assert said[0] == "on-event command was still running at the end and was killed; the run goes on"
    if os.name != "nt":
        for pid in answer.read_text().split():
            _wait_for(lambda pid=pid: _gone(int(pid)))  # type: ignore[misc]


def _gone(pid: int) -> bool:
    """Ended; a grandchild may stay as a zombie where nobody collects it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_one_child_at_a_time(tmp_path: Path) -> None:
    code = """
import os, sys
mark = sys.argv[1] + ".lock"
os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
sys.stdin.read()
os.unlink(mark)
"""
    outlet, said = run_events(script(tmp_path, code), *[PRESENT] * 4)
    assert (outlet.delivered, said) == (4, [])


@pytest.mark.parametrize("command", ["", "   ", '""', '"a b', "no-such-program-anywhere --x"])
def test_commands_that_cannot_be_run(command: str) -> None:
    with pytest.raises(UsageError):
        OnEvent(command)


@pytest.mark.parametrize(
    ("command", "posix", "words"),
    [
        ("notify 'a b' c\\ d", True, ["notify", "a b", "c d"]),
        (
            '"C:\\Program Files\\x.exe" --to C:\\new "a b"',
            False,
            ["C:\\Program Files\\x.exe", "--to", "C:\\new", "a b"],
        ),
        ("x 'it' \"", False, None),
        ('x "', True, None),
    ],
)
def test_how_commands_are_split(command: str, posix: bool, words: list[str] | None) -> None:
    if words is None:
        with pytest.raises(UsageError, match="quotation mark"):
            split_command(command, posix=posix)
    else:
        assert split_command(command, posix=posix) == words
