"""The terminal: the states in words at every size, nothing that breaks on empty or odd data."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from rich.console import Console

from seqcls.cli import dashboard
from seqcls.live.view import LiveView, OrganView, Span
from seqcls.types import Ledger, State

LIVER = OrganView(
    organ="liver",
    state="present",
    since_s=100.0,
    score=0.93,
    onset=0.5,
    offset=0.35,
    trace=tuple((60.0 + i / 10, None if 200 <= i < 300 else (0.1 if i < 400 else 0.9)) for i in range(600)),
    spans=(
        Span("absent", 0.0, 80.0),
        Span("unknown", 80.0, 90.0, "stalled"),
        Span("absent", 90.0, 100.0),
        Span("present", 100.0, None),
    ),
    presences=3,
)
VIEW = LiveView(
    source="probe",
    feed="running",
    feed_since_s=0.0,
    now_s=120.0,
    organs=(LIVER,),
    ledger=Ledger(received=10, classified=7, dropped=2, rejected=1),
    rate_hz=29.9,
    latency_ms=(20.0, 30.0, 40.0),
)


def screen(view: LiveView, width: int, height: int, *, plain: bool = False) -> list[str]:
    console = Console(width=width, height=height)
    with console.capture() as shown:
        console.print(dashboard.render(view, width, height, plain=plain))
    return shown.get().splitlines()


@pytest.mark.parametrize("size", [(60, 18), (80, 24), (120, 40), (200, 60), (40, 12)], ids=str)
@pytest.mark.parametrize("organs", [1, 2, 5])
def test_every_size_shows_every_state(size: tuple[int, int], organs: int) -> None:
    width, height = size
    view = replace(VIEW, organs=tuple(replace(LIVER, organ=f"organ {i}") for i in range(organs)))
    rows = screen(view, width, height)
    assert all(len(row) <= width for row in rows)
    if (height - 6) // organs >= 3:
        assert len(rows) <= height
    text = "\n".join(rows)
    assert all(f"organ {i}" in text for i in range(organs))
    assert text.count("PRESENT") == organs or "███ " in text  # as a word or in large letters
    assert "running" in text and "medical" in text


@pytest.mark.parametrize("state", ["present", "absent", "unknown"])
def test_large_letters_where_there_is_room(state: State) -> None:
    rows = screen(replace(VIEW, organs=(replace(LIVER, state=state),)), 80, 24, plain=True)
    first = " ".join(dashboard._LETTERS[letter][0] for letter in state.upper()).replace("█", "#")
    assert any(first in row for row in rows)
    assert all(ord(c) < 128 for row in rows for c in row if c not in "─│╭╮╰╯…")


def test_odd_data() -> None:
    empty = replace(LIVER, trace=(), spans=(), score=None, state="unknown", reason="not begun")
    nothing = (math.nan,) * 3
    long = replace(empty, organ="a very long name of an organ " * 9)
    view = replace(VIEW, organs=(empty, long) * 4, latency_ms=nothing, feed="connecting", messages=("disk full " * 30,))
    for size in ((60, 18), (120, 50), (12, 5)):
        assert screen(view, *size)
    assert screen(replace(VIEW, organs=()), 80, 24)


def test_the_strip_and_the_trace_follow_time() -> None:
    shown = dashboard.strip(LIVER.spans, 120.0, 12).plain  # ten seconds a column
    assert shown == "────────░─██"
    trace = dashboard.sparkline(LIVER, 120.0, 12).plain
    assert trace[:6] == "      " and trace[6:8] == "▁▁" and trace[8] == "?" and set(trace[10:]) <= set("▇█")


def test_lines_tell_changes_only() -> None:
    assert dashboard.lines(None, VIEW) == ["0:02:00 feed running"]
    assert dashboard.lines(VIEW, replace(VIEW, now_s=121.0)) == []
    gone = replace(LIVER, state="unknown", reason="feed stalled")
    stalled = replace(VIEW, now_s=122.0, feed="stalled", feed_reason="no frame for 2 s", organs=(gone,))
    assert dashboard.lines(VIEW, stalled) == [
        "0:02:02 feed stalled (no frame for 2 s)",
        "0:02:02 liver unknown (feed stalled)",
    ]
    later = replace(VIEW, now_s=181.0, messages=("the disk is full",))
    assert dashboard.lines(VIEW, later) == [
        "0:03:01 the disk is full",
        "0:03:01 29.9 frames/s   latency 20 / 30 / 40 ms (p50 / p95 / p99)   10 received = 7 classified + 2 dropped + 1 unknown",
    ]
