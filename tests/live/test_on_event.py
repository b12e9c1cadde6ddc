"""A command that is run for each event: one at a time, in order, until it ends well."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support.events import LOST, NOON, PRESENT, no_thread_is_left, noon  # noqa: F401 - a fixture
from support.feeds import until

from seqcls.credentials import NAMES
from seqcls.errors import UsageError
from seqcls.live.notify import event_json
from seqcls.live.on_event import OnEvent, split_command
from seqcls.text.foreign_text import for_terminal
from seqcls.types import Event


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


def run_events(command: str, *events: Event, tries: int = 100, **options: Any) -> tuple[OnEvent, list[str]]:
    """After ``tries`` of them it is closed, which is one more."""
    said: list[str] = []
    slept: list[float] = []

    def pause(pause_s: float) -> None:
        slept.append(pause_s)
        if len(slept) == tries:
            outlet._ending.wait()

    outlet = OnEvent(command, notify=said.append, wall=noon, pause=pause, **options)
    for event in events:
        outlet.event(event)
    until(lambda: outlet.delivered + outlet.lost == len(events) or len(slept) == tries)
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
        "SEQCLS_ID": first[1]["id"],
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


def test_a_command_that_fails_is_run_again_and_those_after_it_wait(tmp_path: Path) -> None:
    code = SAVE + "raise SystemExit(len(open(sys.argv[1]).readlines()) < 3 and 3)"
    outlet, said = run_events(script(tmp_path, code), PRESENT, LOST)
    got = [json.loads(line)[1] for line in (tmp_path / "an answer").read_text().splitlines()]
    assert got == [json.loads(event_json(event, NOON)) for event in (PRESENT, PRESENT, PRESENT, LOST)]
    assert (outlet.delivered, outlet.lost) == (2, 0)
    assert said == [
        "on-event command ended with 3; events wait, the run goes on",
        "on-event command takes events again",
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
        outlet, said = run_events(command, PRESENT, tries=1, limit_s=0.2)
        assert said == [
            "on-event command ran longer than 0.2 s and was killed; events wait, the run goes on",
            "on-event command: 1 of 1 events were not delivered",
        ]
        return
    outlet = OnEvent(command, notify=said.append, close_s=60.0)
    for k in range(3):
        outlet.event(Event("left lobe", "present", float(k), k, k + 0.5))
    until(answer.exists)
    outlet._close_s = 0.2
    outlet.close()
    until(lambda: not any(t.name.startswith("seqcls-") for t in threading.enumerate()))
    assert outlet.delivered == 0 and outlet._child is None
    assert said == [
        "on-event command was still running at the end and was killed; events wait, the run goes on",
        "on-event command: 3 of 3 events were not delivered",
    ]
    if os.name != "nt":
        for pid in answer.read_text().split():
            until(lambda pid=pid: _gone(int(pid)))  # type: ignore[misc]


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
    outlet, said = run_events(
        script(tmp_path, code), *(Event("left lobe", "present", float(k), k, k + 0.5) for k in range(4))
    )
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
