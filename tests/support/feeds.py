"""What tests of feeds share: servers that do not answer, what came, and what is left over."""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.media import read_number

from seqcls.feeds.capture import StreamTarget
from seqcls.feeds.connection import FeedTiming
from seqcls.sources import Source
from seqcls.types import Frame, Gap

DEADLINE_S = 20.0
PATIENT: dict[str, Any] = {
    "timing": FeedTiming(stall_s=DEADLINE_S, connect_s=DEADLINE_S, backoff_s=(0.01, 0.05)),
    "environ": {},
}


def ignore(*_: object) -> None:
    pass


def add(items: list[Frame | Gap], item: Frame | Gap) -> None:
    """Append; an outage that comes in parts is one gap."""
    last = items[-1] if items else None
    if isinstance(item, Gap) and isinstance(last, Gap) and last.end_s == item.start_s and last.reason == item.reason:
        items[-1] = Gap(last.start_s, item.end_s, item.reason)
    else:
        items.append(item)


def take(source: Source, frames: int) -> list[Frame | Gap]:
    """Until so many frames came, then closed."""
    items: list[Frame | Gap] = []
    for item in source:
        add(items, item)
        if sum(isinstance(i, Frame) for i in items) == frames:
            source.close()
    return items


def numbers(items: list[Frame | Gap]) -> list[int | None]:
    return [read_number(item.image) for item in items if isinstance(item, Frame)]


def threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("seqcls")}


def descriptors() -> int:
    """How many are open; where the system does not tell, always the same."""
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


def children() -> set[int]:
    """Processes that this one started and did not wait for, zombies too; where the system does not tell, none."""
    if sys.platform != "linux":
        return set()
    found = set()
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # gone meanwhile
            if int(place.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(place.parent.name))
    return found


def until(condition: Any) -> None:
    limit_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < limit_s, "it never came about"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    if threads():
        gc.collect()  # engines of earlier tests, with their threads
    others = children()  # what a whole file shares
    yield
    until(lambda: not threads() and not children() - others)


@pytest.fixture
def black_hole() -> Iterator[BlackHole]:
    with BlackHole() as hole:
        yield hole


class BlackHole:
    """Accepts and never answers."""

    def __enter__(self) -> BlackHole:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(DEADLINE_S)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._victims: list[socket.socket] = []
        return self

    def swallow(self) -> None:
        """Returns when somebody has connected and waits for an answer."""
        victim = self._socket.accept()[0]
        self._victims.append(victim)
        victim.settimeout(DEADLINE_S)
        assert victim.recv(1)

    def __exit__(self, *_: object) -> None:
        for each in (self._socket, *self._victims):
            each.close()


def stream(url: str) -> StreamTarget:
    return StreamTarget(url=url, timeout_s=DEADLINE_S)
