"""What waits for a receiver that is away arrives in order, also when the run was killed meanwhile."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

from seqcls.live import event_queue
from seqcls.live.event_queue import EventQueue, waiting_in
from seqcls.live.queued_sink import QueuedSink
from seqcls.types import Event, State

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def event(k: int) -> Event:
    return Event("liver", "present", float(k), k, k + 0.5)


class Receiver(QueuedSink):
    """Takes events while it is ``there``; ``asked`` is set by each try."""

    def __init__(self, queue: EventQueue, said: list[str], there: bool) -> None:
        self.there, self.got, self.asked = there, [], threading.Event()  # type: ignore[var-annotated]
        super().__init__("receiver", 60.0, said.append, lambda: NOON, queue, lambda pause_s: self._ending.wait())

    def _deliver(self, line: str) -> None:
        self.asked.set()
        if not self.there:
            raise OSError(111, "Connection refused")
        self.got.append((json.loads(line)["index"], json.loads(line)["id"]))


class Away(QueuedSink):
    """Takes nothing, and is asked all the time."""

    def __init__(self, queue: EventQueue, notify: Callable[[str], None]) -> None:
        super().__init__("receiver", 60.0, notify, lambda: NOON, queue, lambda pause_s: self._ending.wait(0.001))

    def _deliver(self, line: str) -> None:
        raise OSError(111, "Connection refused")


def test_a_kill_loses_no_event_and_changes_no_id(tmp_path: Path) -> None:
    path, said = tmp_path / "a.queue", list[str]()
    first = Receiver(EventQueue(path), said, there=False)
    first.begin("run1", [event(9)])  # a run without a queue file before it has nothing to make good
    for k in range(3):
        first.event(event(k))
    assert first.asked.wait(60)
    first.close()
    assert said == [
        "receiver Connection refused; events wait, the run goes on",
        f"receiver: 3 events not delivered yet in {path}: --resume goes on",
    ]
    said.clear()
    second = Receiver(EventQueue(path), said, there=True)
    second.begin("run1", [event(k) for k in range(5)])  # 3 and 4 are in the journal alone
    second.event(event(5))
    second.close()
    assert [k for k, _ in second.got] == [0, 1, 2, 3, 4, 5] and len({one for _, one in second.got}) == 6
    assert (second.delivered, second.lost, said) == (6, 0, [])
    third = Receiver(EventQueue(path), said, there=True)
    third.begin("run1", [event(k) for k in range(6)])
    third.close()
    assert third.got == []


@pytest.mark.parametrize("delivered", [False, True])
def test_what_becomes_certain_only_now_is_told_in_order(delivered: bool, tmp_path: Path) -> None:
    """The disk was full from 6 to 11 s: what was told of 11 and 17 s is in the journal, what is unknown between becomes
    certain with --resume. A receiver that has had the event of 17 s is not told of 6 s afterwards."""

    def change(state: State, start_s: float, organ: str = "liver") -> Event:
        return Event(organ, state, start_s, round(25 * start_s), start_s + 0.5)

    first_s, told = change("present", 2.0), [change("present", 11.4), change("absent", 17.0)]
    pending = [
        change("unknown", 6.0),
        change("unknown", 6.0, "spleen"),
        change("present", 11.6),
        change("unknown", 20.0),
    ]
    first = Receiver(EventQueue(tmp_path / "a.queue"), [], there=delivered)
    first.begin("run1")
    for event in [first_s, *(told if delivered else ())]:
        first.event(event)
    assert first.asked.wait(60)
    first.close()
    second = Receiver(EventQueue(tmp_path / "a.queue"), [], there=True)
    second.begin("run1", [first_s, *told], pending)
    for event in pending:  # as the run does
        second.event(event)
    second.close()
    got = [index for index, _ in second.got]
    assert got == ([150, 500] if delivered else [50, 150, 150, 285, 290, 425, 500])


def test_events_that_wait_in_memory_alone_because_the_disk_is_full_are_not_kept(tmp_path: Path) -> None:
    for there in (False, True):
        queue, said = EventQueue(tmp_path / f"{there}.queue"), list[str]()
        with queue._file:
            queue._file.execute("PRAGMA max_page_count = 1")  # as a disk without room
        sink = Receiver(queue, said, there=there)
        sink.event(Event("liver", "unknown", 0.0, 0, 0.0, "x" * 100_000))
        assert sink.asked.wait(60)
        path = tmp_path / f"{there}.queue"
        path.unlink()
        path.mkdir()  # it cannot be written at the end either
        sink.close()
        lost = (
            f"receiver: 1 event not delivered, 1 of them not kept in {path} (database or disk is full); --resume delivers"
            " what it and the journal have"
        )
        assert sink.incomplete == ("" if there else lost) and sink.delivered == there


def test_events_that_waited_while_the_disk_was_full_are_kept_once_it_is_not(tmp_path: Path) -> None:
    path, said = tmp_path / "a.queue", list[str]()
    queue = EventQueue(path)
    with queue._file:
        queue._file.execute("PRAGMA max_page_count = 1")
    sink = Receiver(queue, said, there=False)
    sink.event(Event("liver", "unknown", 0.0, 0, 0.0, "x" * 100_000))
    assert sink.asked.wait(60)
    sink.close()
    assert sink.incomplete == "" and waiting_in(path) == 1
    assert said[-1] == f"receiver: 1 event not delivered yet in {path}: --resume goes on"


def test_a_file_that_a_full_disk_did_not_take_is_tried_again_during_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its receiver is away all the time, and the first try of the file finds no room either: what waits is safe from a
    kill long before the end, and no further event is needed for that."""
    monkeypatch.setattr("seqcls.live.queued_sink.PAUSES_S", (0.0, 0.001))
    path, said, kept = tmp_path / "a.queue", list[str](), threading.Event()
    queue, opened, tries = EventQueue(path), event_queue._opened, []

    def notify(message: str) -> None:
        said.append(message)
        if message.endswith("again"):
            kept.set()

    def small(name: str) -> sqlite3.Connection:
        file = opened(name)
        if name == str(path):
            tries.append(name)
            if len(tries) < 3:
                file.execute("PRAGMA query_only = ON")
        return file

    monkeypatch.setattr(event_queue, "_opened", small)
    queue._file.execute("PRAGMA query_only = ON")  # as a disk without room: it can be read, not written
    with closing(Away(queue, notify)) as sink:
        sink.event(event(1))
        assert kept.wait(60) and waiting_in(path) == 1 and len(tries) == 3
    assert sorted(said[:3]) == [
        "receiver Connection refused; events wait, the run goes on",
        "receiver: events wait in memory alone, their file failed: attempt to write a readonly database",
        "receiver: events wait in their file again",
    ]
    assert waiting_in(path) == 1 and sink.incomplete == ""


def test_what_is_dropped_is_counted_at_the_end() -> None:
    said: list[str] = []
    sink = Receiver(EventQueue(most=2), said, there=False)
    for k in range(5):
        sink.event(event(k))
    assert sink.asked.wait(60)
    sink._storing.close(60)
    sink.there = True
    sink.close()
    assert sink.delivered == 2 and sink.lost == 3 and [k for k, _ in sink.got] == [3, 4]
    assert "receiver is away for too long: the oldest events are dropped" in said
    assert said[-1] == "receiver: 3 of 5 events were not delivered"
