"""Events, and when they are emitted, for whoever receives them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from seqcls.types import Event

NOON = datetime(2026, 3, 1, 13, 0, 0, 123456, timezone(timedelta(hours=1)))
PRESENT = Event("left lobe", "present", 1.2000000000000002, 30, 1.6)
LOST = Event("left lobe", "unknown", 2.4, 60, 2.4, 'no "contact"\n£')


def noon() -> datetime:
    return NOON


@pytest.fixture(autouse=True)
def no_thread_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Imported by a file of tests, it holds for each of them: no proxy of this machine, and every thread ends."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("seqcls-")] == []
