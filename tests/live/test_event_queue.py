"""Events that wait on the disk: in order, each id once, bounded in number and age, there again after a kill."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from seqcls.errors import OutputError
from seqcls.live.event_queue import EventQueue, Waiting, remove_queue, waiting_in


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def taken(queue: EventQueue) -> list[str]:
    lines = []
    while (item := queue.first()) is not None:
        lines.append(item.line)
        queue.remove(item)
    return lines


@pytest.mark.parametrize("on_disk", [False, True])
def test_first_in_first_out_and_each_id_once(on_disk: bool, tmp_path: Path) -> None:
    queue = EventQueue(tmp_path / "new" / "a.queue" if on_disk else None)
    assert not queue.continues and queue.first() is None
    assert [queue.put(identity, f"line {identity}") for identity in "cabca"] == [True, True, True, False, False]
    assert queue.waiting == 3 and taken(queue) == ["line c", "line a", "line b"]
    assert not queue.put("a", "again") and queue.waiting == queue.dropped == 0
    queue.close()


def test_what_waits_is_there_again_when_the_process_was_killed(tmp_path: Path) -> None:
    killed = EventQueue(tmp_path / "a.queue")  # and never closed
    for identity in "abc":
        killed.put(identity, identity)
    first = killed.first()
    assert first is not None
    killed.remove(first)
    again = EventQueue(tmp_path / "a.queue")
    assert again.continues and not again.put("a", "a") and again.put("d", "d")
    assert taken(again) == ["b", "c", "d"]
    killed.close()
    again.close()
    remove_queue(tmp_path / "a.queue")
    remove_queue(tmp_path / "a.queue")
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_are_dropped_beyond_a_number_and_an_age() -> None:
    clock = Clock()
    queue = EventQueue(most=3, oldest_s=60.0, now=clock)
    for identity in "abcde":
        queue.put(identity, identity)
        clock.now_s += 10  # a at 1000, e at 1040
    assert queue.dropped == 2 and queue.waiting == 3
    first = queue.first()
    assert first is not None and (first.line, first.put_s) == ("c", 1020.0)
    clock.now_s = 1080.0
    queue.put("f", "f")
    assert queue.dropped == 3
    queue.remove(first)  # it did arrive while it was being dropped
    assert queue.dropped == 2
    clock.now_s = 1095.0
    assert taken(queue) == ["e", "f"] and queue.dropped == 3  # d, of 1030
    queue.close()


def test_a_file_that_fails_is_given_up_for_memory(tmp_path: Path) -> None:
    queue = EventQueue(tmp_path / "a.queue")
    queue.put("a", "a")
    queue._file.execute("PRAGMA query_only = ON")  # as a full disk: it can be read, not written
    assert queue.put("b", "b") and queue.failed and "\n" not in queue.failed
    assert taken(queue) == ["a", "b"]
    queue.close()
    again = EventQueue(tmp_path / "a.queue")
    assert taken(again) == ["a"]  # delivered twice rather than never
    again.close()


def test_what_waits_in_memory_is_written_once_there_is_room_again_and_else_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """a to d; the file fails before c; b is delivered meanwhile."""

    def full(name: str) -> sqlite3.Connection:
        connection = sqlite3.connect(name)
        connection.execute("PRAGMA query_only = ON")
        return connection

    for room in (True, False):
        path = tmp_path / f"{room}.queue"
        queue = EventQueue(path)
        for identity in "ab":
            queue.put(identity, identity)
        assert queue.keep() == 0, "nothing failed"
        queue._file.execute("PRAGMA query_only = ON")
        for identity in "cd":
            queue.put(identity, identity)
        second = Waiting(2, 0.0, "b")
        queue.remove(second)
        if room:
            assert queue.keep() == 0 and not queue.failed
        else:
            monkeypatch.setattr("seqcls.live.event_queue._opened", full)
            assert queue.keep() == 2 and queue.failed, "a is in the file"
        queue.close()
        if room:
            again = EventQueue(path)
            assert taken(again) == ["a", "c", "d"] and not again.put("b", "b"), "b is not delivered again"
            again.close()


def test_what_waits_in_a_file_is_counted_without_making_one(tmp_path: Path) -> None:
    path = tmp_path / "a?#%20.queue"
    assert waiting_in(path) == 0 and not path.exists()
    queue = EventQueue(path)
    for identity in "abc":
        queue.put(identity, identity)
    first = queue.first()
    assert first is not None
    queue.remove(first)
    queue.close()
    assert waiting_in(path) == 2
    path.write_text("my notes " * 100)
    assert waiting_in(path) == 0


@pytest.mark.parametrize("there", ["text", "folder", "other table"])
def test_a_file_that_is_none_of_ours_is_left_alone(there: str, tmp_path: Path) -> None:
    path = tmp_path / "a.queue"
    if there == "text":
        path.write_text("my notes " * 100)
    elif there == "folder":
        path.mkdir()
    else:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE event(x)")
        other.close()
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(OutputError, match="move it away"):
        EventQueue(path)
    if there == "folder":
        with pytest.raises(OutputError, match="cannot replace"):
            remove_queue(path)
    else:
        assert path.read_bytes() == before
