"""Events on stdout: written in order, and whatever fails there never reaches the run."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from support.events import LOST, NOON, PRESENT, no_thread_is_left, noon  # noqa: F401 - a fixture
from support.feeds import until

from seqcls.live.notify import JsonLines, event_json


def test_an_event_is_one_line_of_ascii() -> None:
    assert json.loads(event_json(PRESENT, NOON)) == {
        "organ": "left lobe",
        "state": "present",
        "start_s": 1.2,
        "final_s": 1.6,
        "index": 30,
        "reason": "",
        "wall_time": "2026-03-01T12:00:00.123+00:00",
        "id": sha256(
            b'["", {"organ": "left lobe", "state": "present", "start_s": 1.2, "final_s": 1.6, "index": 30, "reason": ""}]'
        ).hexdigest()[:24],
    }
    ids = {
        json.loads(event_json(event, wall, run))["id"]
        for event in (PRESENT, LOST)
        for run in "ab"
        for wall in (NOON, NOON + timedelta(1))
    }
    assert len(ids) == 4  # whenever it is sent again
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


def test_a_full_disk_behind_stdout_is_what_the_end_says() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for stream, said in ((Full(), "2 of 2 events not on stdout (No space left on device)"), (io.StringIO(), "")):
        outlet = JsonLines(stream)
        for _ in range(2):
            outlet.event(PRESENT)
        outlet.close()
        assert outlet.incomplete == said


@pytest.mark.parametrize("again", [True, False])
def test_a_line_that_a_full_disk_cut_is_ended_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Of five events the first goes in, of the second 10 bytes, of the third and the fourth none; then there is room,
    for the fifth as well, or only at the end."""
    room, said, write = [0], list[str](), os.write
    events = [replace(PRESENT, index=k) for k in range(5)]
    lines = [event_json(event, NOON) + "\n" for event in events]

    def limited(descriptor: int, data: bytes) -> int:
        if descriptor != out.fileno():
            return write(descriptor, data)
        fits = data[: room[0]]
        if not fits:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room[0] -= len(fits)
        return write(descriptor, fits)

    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr("seqcls.live.notify.os.write", limited)
        room[0] = len(lines[0]) + 10
        outlet = JsonLines(out, notify=said.append, wall=noon)
        for event in events[:4]:
            outlet.event(event)
        until(lambda: outlet.delivered + outlet.lost == 4)
        room[0] = 10_000
        if again:
            outlet.event(events[4])
        outlet.close()
    whole = [0, 1, 4] if again else [0, 1]
    assert (tmp_path / "out").read_text() == "".join(lines[k] for k in whole)
    assert (outlet.delivered, outlet.lost) == (len(whole), 2)
    full = "No space left on device"
    told = ["stdout takes events again"] if again else []
    assert said[:-1] == [f"stdout takes no more events ({full}); the run goes on", *told]
    assert said[-1] == f"stdout: 2 of {len(whole) + 2} events were not delivered"
    assert outlet.incomplete == f"2 of {len(whole) + 2} events not on stdout ({full})"


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
    until(lambda: outlet.delivered + outlet.lost == 1101)
    outlet.close()
