"""The clock of live runs counts the time in which the machine slept; and all parts of one go by it."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from seqcls.feeds.connection import FeedTiming
from seqcls.feeds.openigtlink_client import IgtlConnection
from seqcls.journal import JournalWriter, create_journal, resume
from seqcls.live.frame_queue import FrameQueue
from seqcls.live.session import LiveSession
from seqcls.steady_clock import steady_s


@pytest.mark.skipif(sys.platform != "linux", reason="the clock of Linux")
def test_it_goes_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLOCK_BOOTTIME is CLOCK_MONOTONIC and the time slept."""
    slept_s = 180.0
    monkeypatch.setattr(time, "clock_gettime", lambda clock: 50.0 + (slept_s if clock == time.CLOCK_BOOTTIME else 0.0))
    assert steady_s() == 230.0


def test_it_never_goes_back() -> None:
    times_s = [steady_s() for _ in range(1000)]
    assert times_s == sorted(times_s)


@pytest.mark.parametrize(
    "part", [FeedTiming, IgtlConnection, FrameQueue, LiveSession, JournalWriter, create_journal, resume]
)
def test_every_part_of_a_live_run_goes_by_it(part: Callable[..., Any]) -> None:
    """Times of one are compared with those of another: after a sleep two clocks would differ by it."""
    stated = inspect.signature(part).parameters
    assert stated["monotonic" if "monotonic" in stated else "clock"].default is steady_s
