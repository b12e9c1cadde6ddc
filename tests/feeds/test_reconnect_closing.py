"""Closing a feed, whatever it waits for, and whatever waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from support.feeds import DEADLINE_S, nothing_left  # noqa: F401 - a fixture

from seqcls.errors import SourceError
from seqcls.feeds.connection import Arrival, Connection, FeedTiming
from seqcls.feeds.reconnect import MAX_WAITING, ReconnectingSource
from seqcls.types import Frame


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


class Blocked:
    """Blocks for ever in ``where`` until closed."""

    def __init__(self, frames: int = 0) -> None:
        self.frames = frames
        self.reached, self._closed = threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[Arrival]:
        for number in range(self.frames):
            yield Arrival(time.monotonic(), np.full((8, 8), number % 256, np.uint8))
        self.reached.set()
        self._closed.wait(DEADLINE_S)

    def close(self) -> None:
        self._closed.set()


def test_closing_ends_a_blocked_iteration() -> None:
    states: list[str] = []
    connection = Blocked()
    source = ReconnectingSource(
        "probe", lambda: connection, kind="stream", on_state=lambda state, _: states.append(state)
    )
    consumer = in_thread(lambda: list(source))
    assert connection.reached.wait(DEADLINE_S)
    source.close()
    consumer.join(DEADLINE_S)
    assert not consumer.is_alive() and states == ["connecting", "stopped"]
    source.close()
    with pytest.raises(SourceError, match="closed"):
        iter(source)


def test_closing_ends_the_pause_between_two_tries() -> None:
    retrying = threading.Event()

    def refuse() -> Connection:
        raise SourceError("no")

    source = ReconnectingSource(
        "probe",
        refuse,
        kind="stream",
        on_state=lambda state, _: retrying.set() if state == "retrying" else None,
        timing=FeedTiming(backoff_s=(1000.0, 1000.0)),
    )
    consumer = in_thread(lambda: list(source))
    assert retrying.wait(DEADLINE_S)
    source.close()
    consumer.join(DEADLINE_S)
    assert not consumer.is_alive()


def test_a_slow_consumer_makes_the_connection_wait_and_loses_nothing() -> None:
    sent = 5 * MAX_WAITING
    connection = Blocked(frames=sent)
    source = ReconnectingSource("probe", lambda: connection, kind="stream", on_state=lambda *_: None)
    numbers = []
    for item in source:
        assert isinstance(item, Frame)
        numbers.append(int(item.image[0, 0]))
        if len(numbers) == 1:
            assert not connection.reached.wait(0.05)  # the thread waits with the rest
        if len(numbers) == sent:
            break
    source.close()
    assert numbers == list(range(sent))


def test_leaving_the_iteration_early_leaves_no_thread_behind() -> None:
    connection = Blocked(frames=3)
    source = ReconnectingSource("probe", lambda: connection, kind="stream", on_state=lambda *_: None)
    items = iter(source)
    assert isinstance(next(items), Frame)
    source.close()  # the generator is not run again; the fixture looks for the thread


def test_a_connection_made_too_late_is_closed() -> None:
    connecting, go_on = threading.Event(), threading.Event()
    connection = Blocked()

    def connect() -> Connection:
        connecting.set()
        go_on.wait(DEADLINE_S)
        return connection

    source = ReconnectingSource("probe", connect, kind="stream", on_state=lambda *_: None)
    consumer = in_thread(lambda: list(source))
    assert connecting.wait(DEADLINE_S)
    source.close()
    go_on.set()
    consumer.join(DEADLINE_S)
    assert not consumer.is_alive() and connection._closed.wait(DEADLINE_S) and not connection.reached.is_set()


def test_the_name_shows_no_credentials() -> None:
    source = ReconnectingSource("rtsp://me:secret@probe/1?key=secret", Blocked, kind="stream", on_state=lambda *_: None)
    assert source.info.name == "rtsp://***@probe/1?key=***" and "secret" not in repr(vars(source))
