"""The terminal: the states in words at every size, nothing that breaks on empty or odd data or steers the terminal."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from seqcls.cli import big_letters as letters
from seqcls.cli import dashboard
from seqcls.live.snapshot import LiveView, OrganView, Span
from seqcls.types import FrameCounts, State

LIVER = OrganView(
    organ="liver",
    state="present",
    since_s=290.0,
    score=0.93,
    onset=0.5,
    offset=0.35,
    trace=tuple((240.0 + i / 10, None if 200 <= i < 300 else (0.1 if i < 400 else 0.9)) for i in range(600)),
    spans=(
        Span("absent", 0.0, 200.0),
        Span("unknown", 200.0, 250.0, "stalled"),
        Span("absent", 250.0, 275.0),
        Span("present", 275.0, None),
    ),
    presences=3,
    latest=(Span("present", 7.0, 12.0), Span("present", 100.0, 130.0), Span("present", 275.0, None)),
)
VIEW = LiveView(
    source="probe",
    feed="running",
    feed_since_s=0.0,
    now_s=300.0,
    organs=(LIVER,),
    frame_counts=FrameCounts(received=10, classified=7, dropped=2, rejected=1),
    rate_hz=29.9,
    latency_ms=(20.0, 30.0, 40.0),
)
SIZES = [(60, 18), (80, 24), (120, 40), (200, 60)]


def screen(view: LiveView, width: int, height: int, *, plain: bool = False, quiet_s: float = 0.0) -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii") if plain else io.StringIO()
    console = Console(width=width, height=height, record=True, file=file)
    console.print(dashboard.Screen(view, width, height, quiet_s=quiet_s), end="")
    return console.export_text(styles=False).splitlines()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("organs", [1, 2, 8])
def test_every_size_shows_every_organ_and_fits(size: tuple[int, int], organs: int) -> None:
    width, height = size
    view = replace(
        VIEW, organs=tuple(replace(LIVER, organ=f"organ {i}") for i in range(organs)), messages=("disk full",)
    )
    rows = screen(view, width, height)
    assert len(rows) <= height and all(len(row) <= width for row in rows)
    text = "\n".join(rows)
    assert all(f"organ {i}" in text for i in range(organs))
    assert "feed running" in text and "not a medical device" in text and "disk full" in text
    assert "29.9 frames/s" in text and "2 dropped" in text and "0.93" in text


@pytest.mark.parametrize("state", ["present", "absent", "unknown"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_two_organs_have_large_letters_at_every_size(state: State, size: tuple[int, int]) -> None:
    rows = screen(replace(VIEW, organs=(replace(LIVER, state=state),) * 2), *size)
    sizes = {tuple(letters.large(state.upper(), w, h)) for w in range(25, size[0], 5) for h in range(3, size[1])} - {()}
    most = max(
        sum(all(line.strip() in row for line, row in zip(large, rows[i:], strict=False)) for i in range(len(rows)))
        for large in sizes
    )
    assert most == 2


def test_small_and_many_is_a_line_each() -> None:
    states: list[State] = ["present", "absent", "unknown"]
    view = replace(VIEW, organs=tuple(replace(LIVER, organ=f"o{i}", state=states[i % 3]) for i in range(9)))
    rows = screen(view, 60, 18)
    for i in range(9):
        assert any(row.startswith(f"o{i} ") and states[i % 3].upper() in row for row in rows)
    crowd = screen(replace(view, organs=view.organs * 5), 60, 18)
    assert len(crowd) <= 18 and "and 32 more: enlarge the terminal" in "\n".join(crowd)


def test_ascii_where_the_terminal_has_no_more() -> None:
    odd = replace(LIVER, organ="Schilddrüse")
    for organs in (1, 2, 8):
        rows = screen(replace(VIEW, organs=(odd,) * organs, messages=("…" * 300,)), 80, 24, plain=True)
        assert all(row.isascii() for row in rows) and "Schilddr?se" in "\n".join(rows)
    wide = screen(replace(VIEW, organs=(replace(LIVER, organ="甲状腺"),)), 80, 24, plain=True)
    assert {len(row.rstrip()) for row in wide if row.startswith(("+", "|"))} == {80} and "??????" in "\n".join(wide)


def test_nothing_holds_without_a_running_feed_or_fresh_news() -> None:
    for view, quiet_s, told in (
        (replace(VIEW, feed="stalled", feed_reason="no frame for 2 s", feed_since_s=286.0), 0.0, "feed stalled (no frame for 2 s) for 14 s"),
        (VIEW, 7.0, "NO NEWS FROM THE RUN for 7 s"),
    ):  # fmt: skip
        small = "\n".join(screen(replace(view, organs=(LIVER,) * 9), 60, 18, quiet_s=quiet_s))
        assert told in small and "UNKNOWN" in small and "PRESENT" not in small and "0.93" not in small
    assert "PRESENT" in "\n".join(screen(replace(VIEW, organs=(LIVER,) * 9), 60, 18, quiet_s=1.0))


def test_odd_data() -> None:
    empty = replace(LIVER, trace=(), spans=(), score=None, state="unknown", reason="not begun")
    numbers = replace(LIVER, trace=((299.0, math.nan), (299.5, 7.0), (299.9, -1.0), (900.0, 0.5)), score=math.nan)
    long = replace(empty, organ="a very long name of an organ " * 9)
    nothing = (math.nan,) * 3
    view = replace(
        VIEW,
        organs=(empty, numbers, long) * 3,
        latency_ms=nothing,
        rate_hz=math.nan,
        feed="connecting",
        messages=("disk full " * 30,) * 9,
    )
    for organs in (1, 3, 9):
        for size in (*SIZES, (12, 5), (1, 1)):
            assert screen(replace(view, organs=view.organs[:organs]), *size)
            assert screen(replace(view, organs=view.organs[:organs], feed="running"), *size)
    assert screen(replace(VIEW, organs=()), 80, 24)


def test_names_do_not_steer_the_terminal() -> None:
    evil = "liver\x1b[2J\x1b]0;owned\x07\n[bold]"
    view = replace(
        VIEW, source=evil, feed_reason=evil, messages=(evil,), organs=(replace(LIVER, organ=evil, reason=evil),)
    )
    for size in SIZES:
        rows = screen(view, *size)
        assert "\x1b" not in "".join(rows) and "\x07" not in "".join(rows) and len(rows) <= size[1]
    assert any(r"liver\x1b[2J" in row for row in rows) and any("[bold]" in row for row in rows)
    assert all(line.isprintable() for line in dashboard.lines(None, view))


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40)], ids=str)
@pytest.mark.parametrize("side", ["{0} internal jugular vein of the neck", "internal jugular vein of the neck, {0}"])
def test_long_names_stay_apart_and_keep_their_score(size: tuple[int, int], side: str) -> None:
    names = [side.format(word) for word in ("left", "deep")] * 3
    view = replace(VIEW, organs=tuple(replace(LIVER, organ=name, presences=27) for name in names))
    text = "\n".join(screen(view, *size))
    assert text.count("left") == text.count("deep") == 3
    assert text.count("0.93") == 6


def test_why_it_is_unknown_comes_before_how_often_it_was_present() -> None:
    unknown = replace(LIVER, organ="left lobe", state="unknown", presences=27, score=None, reason="no contact")
    text = "\n".join(screen(replace(VIEW, organs=(unknown,) * 6), 120, 40))
    assert text.count("(no contact)") == 6


@pytest.mark.parametrize("size", [(40, 12), *SIZES], ids=str)
@pytest.mark.parametrize("organs", [1, 2, 8])
def test_the_address_of_the_page_is_whole(size: tuple[int, int], organs: int) -> None:
    address = "http://127.0.0.1:42011/?token=Drf7RpxNJTfGsyVjKpvnlhEMeWs4a4X9"
    console = Console(width=size[0], height=size[1], record=True, file=io.StringIO())
    view = replace(VIEW, organs=(LIVER,) * organs)
    console.print(dashboard.Screen(view, *size, address=address), end="")
    rows = console.export_text(styles=False).splitlines()
    assert address in "".join(row.strip() for row in rows) and len(rows) <= size[1]
    assert "page" not in "\n".join(screen(view, *size))
    if (size, organs) == ((80, 24), 2):
        assert "0:04:35–now" in rows[9]  # in the row that is kept for messages: nothing had to make room


def test_long_messages_keep_their_end() -> None:
    full = f"/data/{'a-long-folder/' * 9}run.journal is incomplete (No space left on device): free space"
    for plain in (False, True):
        (row,) = (row for row in screen(replace(VIEW, messages=(full,)), 80, 24, plain=plain) if "/data/" in row)
        assert row.endswith("(No space left on device): free space") and len(row) == 80


def test_names_are_cut_in_the_middle() -> None:
    assert dashboard.shortened("liver", 5) == "liver" and dashboard.shortened("kidney", 5) == "ki…ey"
    assert dashboard.shortened("甲状腺の右葉", 9) == "甲状…右葉"  # two cells each
    assert dashboard.shortened("kidney", 0) == "…"


@pytest.mark.parametrize("width", [40, 80, 110, 120, 140, 200])
def test_figures_of_a_day_are_shown_whole_or_not_at_all(width: int) -> None:
    day = FrameCounts(received=2_592_000, classified=2_500_000, dropped=50_000, rejected=42_000)
    (row,) = (row for row in screen(replace(VIEW, frame_counts=day), width, 24) if "frames/s" in row)
    assert "50000 dropped" in row and "…" not in row and ("42000 rejected" in row) == (width >= 140)


def test_intervals_so_far() -> None:
    whole = "0:00:07–0:00:12  0:01:40–0:02:10  0:04:35–now"
    assert dashboard.intervals(LIVER, len(whole)).plain == whole
    assert dashboard.intervals(LIVER, len(whole) - 1).plain == "… 0:01:40–0:02:10  0:04:35–now"
    assert dashboard.intervals(LIVER, 29).plain == "… 0:04:35–now"
    assert dashboard.intervals(replace(LIVER, presences=4), 99).plain == f"… {whole}"
    assert dashboard.intervals(LIVER, 99, holds=False).plain.endswith("  0:04:35–?")
    assert dashboard.intervals(replace(LIVER, presences=0, latest=()), 99).plain == "none so far"
    assert whole in "\n".join(screen(replace(VIEW, organs=(LIVER,) * 2), 80, 24))
    stalled = replace(VIEW, feed="stalled", organs=(LIVER,) * 2)
    assert "0:04:35–?" in "\n".join(screen(stalled, 80, 24))


def test_the_strip_and_the_trace_follow_time() -> None:
    assert dashboard.strip(LIVER, 300.0, 12).plain == "────────░░─█"  # 25 seconds a cell
    short = replace(
        LIVER, spans=(Span("absent", 0.0, 110.0), Span("present", 110.0, 110.5), Span("absent", 110.5, None))
    )
    assert dashboard.strip(short, 300.0, 12).plain == "────▁───────"
    assert dashboard.strip(LIVER, 300.0, 12, lost_s=50.0).plain == "────────░░░░"
    assert dashboard.strip(replace(LIVER, spans=()), 300.0, 3).plain == "   "
    trace = dashboard.trace(LIVER, 300.0, 12).plain  # 5 seconds a cell
    assert trace == "▁▁▁▁??▁▁▇▇▇▇"
    assert dashboard.trace(LIVER, 300.0, 12, lost_s=10.0).plain == "▁▁▁▁??▁▁▇▇??"
    tall = dashboard.trace(LIVER, 300.0, 12, 2).plain.split("\n")
    assert tall == ["    ??  ▆▆▆▆", "▂▂▂▂??▂▂████"]


def test_letters() -> None:
    assert letters.large("PRESENT", 33, 3) == []
    assert len(letters.large("UNKNOWN", 36, 3)) == 3 and len(letters.large("UNKNOWN", 36, 9)) == 5
    assert letters.large("UNKNOWN", 36, 2) == []
    for width, height in ((36, 3), (60, 8), (80, 7), (190, 23)):
        for plain in (False, True):
            large = letters.large("UNKNOWN", width, height, plain=plain)
            assert len(large) <= height and all(len(line) <= width for line in large)
    assert letters.large("T", 5, 5, plain=True) == ["#####", "  #  ", "  #  ", "  #  ", "  #  "]


def test_lines_tell_changes_only() -> None:
    assert dashboard.lines(None, VIEW) == ["0:05:00 feed running", "0:05:00 liver present"]
    assert dashboard.lines(VIEW, replace(VIEW, now_s=301.0)) == []
    gone = replace(LIVER, state="unknown", reason="feed stalled")
    stalled = replace(VIEW, now_s=302.0, feed="stalled", feed_reason="no frame for 2 s", organs=(gone,))
    assert dashboard.lines(VIEW, stalled) == [
        "0:05:02 feed stalled (no frame for 2 s)",
        "0:05:02 liver unknown (feed stalled)",
    ]
    assert dashboard.lines(stalled, replace(VIEW, now_s=303.0)) == ["0:05:03 feed running", "0:05:03 liver present"]
    later = replace(VIEW, now_s=361.0, messages=("the disk is full",))
    assert dashboard.lines(VIEW, later) == [
        "0:06:01 the disk is full",
        "0:06:01 29.9 frames/s   latency 20 / 30 / 40 ms (p50 / p95 / p99)   10 received = 7 classified + 2 dropped + 1 rejected",
    ]
    assert dashboard.lines(later, replace(later, now_s=362.0)) == []
    ended = replace(
        later, feed="stopped", feed_reason="end of the clip", organs=(replace(gone, reason="feed stopped"),)
    )
    assert dashboard.lines(later, ended) == ["0:06:01 feed stopped (end of the clip)"]
