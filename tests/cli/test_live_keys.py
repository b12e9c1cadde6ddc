"""Keys on a real terminal: read one at a time, and the terminal is as it was afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from seqcls.cli.live_displays import Keys
from seqcls.cli.live_keys import pressed

CHILD = """
import fcntl, os, sys, termios, threading
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
read = os.read
def reported(*of):
    data = read(*of)
    print(repr(data), flush=True)
    return data
from seqcls.cli.live_keys import pressed
before, keys, done = termios.tcgetattr(0), [], threading.Event()
def on_key(key):
    keys.append(key)
    len(keys) == 3 and done.set()
os.read = reported
with pressed(on_key) as readable:
    print("ready", readable, termios.tcgetattr(0)[3] & termios.ICANON, flush=True)
    done.wait(60)
print("".join(keys), termios.tcgetattr(0) == before, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals")
def test_keys_come_one_at_a_time_and_arrows_not_at_all() -> None:
    import pty

    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=slave, stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as child:  # fmt: skip
        os.close(slave)
        assert child.stdout is not None and child.stdout.readline() == "ready True 0\n"
        for key in (b"m", b"\x1b[A", b"s", b"p"):
            os.write(master, key)
            assert child.stdout.readline() == f"{key!r}\n"
        assert child.stdout.readline() == "msp True\n"
    os.close(master)


def test_where_stdin_is_no_terminal_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pressed(lambda key: None) as readable:
        assert not readable


def test_what_each_key_does() -> None:
    acts: list[str] = []
    keys = Keys(acts.append, code="https://192.0.2.1:8443/?token=x")
    for key in "mspxa":
        keys.press(key)
    assert acts == ["mark", "snapshot", "pause"] and keys.code_is_shown
    view: Any = SimpleNamespace(organs=[SimpleNamespace(state="absent")], paused=True)
    assert not keys.rang(view) and keys.shown(view) == "m mark  s snapshot  p go on  b sound: off  a address"
    keys.press("b")
    assert not keys.rang(view)
    view.organs[0].state = "present"
    assert keys.rang(view) and not keys.rang(view)
    silent = Keys(acts.append)
    silent.press("a")
    assert not silent.code_is_shown and "address" not in silent.shown(view)
