"""The terminal: the states in words at every size, nothing that breaks on empty or odd data or steers the terminal."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

import seqcls
from seqcls.cli import big_letters as letters
from seqcls.cli import dashboard, last_minute, tables
from seqcls.live.snapshot import LiveView, OrganView, Span, Storage
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
    last_frame_s=0.0,
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


def lit(rows: list[str]) -> int:
    """How many rows hold letters made of blocks."""
    return sum(row.count("█") + row.count("▀") + row.count("▄") > 20 for row in rows)


@pytest.mark.parametrize("state", ["present", "absent", "unknown"])
@pytest.mark.parametrize("size", SIZES[1:], ids=str)
def test_two_organs_have_name_and_state_in_letters_of_one_size(state: State, size: tuple[int, int]) -> None:
    organs = tuple(replace(LIVER, organ=name, state=state, spans=(), trace=()) for name in ("thyroid", "trachea"))
    rows = screen(replace(VIEW, organs=organs), *size)
    room = range(3, size[1])
    for organ in organs:
        name, word = organ.organ.upper(), state.upper()
        sizes = [letters.large(lines, size[0] - 4, h) for h in room for lines in ([f"{name} {word}"], [name, word])]
        assert any(
            all(line.strip() in row for line, row in zip(large, rows[i:], strict=False))
            for large in sizes
            for i in range(len(rows) - len(large))
            if large
        )
    assert lit(rows) >= 6


def test_a_name_without_room_for_large_letters_stands_above_its_state() -> None:
    """And one in letters that there are none of."""
    for name in ("internal jugular vein of the neck on the left", "甲状腺"):
        rows = screen(replace(VIEW, organs=(replace(LIVER, organ=name),) * 2), 80, 24)
        large = letters.large(["PRESENT"], 76, 3)
        for i in (i for i, row in enumerate(rows) if large[0].strip() in row):
            assert any(name in row for row in rows[i - 2 : i])
        assert "\n".join(rows).count(large[0].strip()) == 2
    assert (
        letters.drawable("Schilddrüse_2") == "SCHILDDRUSE 2"
        and letters.drawable("甲状腺") == letters.drawable(" ") == ""
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_presence_that_comes_has_a_sign_of_its_own(size: tuple[int, int]) -> None:
    coming = replace(LIVER, state="absent", coming=True)
    for organs in (1, 2):
        shown = screen(replace(VIEW, organs=(coming,) * organs), *size)
        assert sum(dashboard.COMING in row for row in shown) == organs
        assert (
            sum("COMING" in row for row in screen(replace(VIEW, organs=(coming,) * organs), *size, plain=True))
            == organs
        )
    assert "ABSENT ▶" in "\n".join(screen(replace(VIEW, organs=(coming,) * 9), *SIZES[0]))
    for quiet_s, view in ((0.0, replace(VIEW, organs=(replace(coming, coming=False),))), (9.0, VIEW)):
        assert "COMING" not in "\n".join(screen(view, *size, quiet_s=quiet_s))


def test_the_name_is_not_dimmed() -> None:
    """Whatever the colour of the border that it stands in."""
    console = Console(
        width=80, height=24, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(dashboard.Screen(replace(VIEW, organs=(replace(LIVER, state="absent"),)), 80, 24), end="")
    styles = [segment.style for segment in console._record_buffer if "liver   0.93" in segment.text]
    assert [(style.bold, style.dim, style.color.name) for style in styles if style and style.color] == [
        (True, None, "default")
    ]


def test_small_and_many_is_a_line_each() -> None:
    states: list[State] = ["present", "absent", "unknown"]
    view = replace(VIEW, organs=tuple(replace(LIVER, organ=f"o{i}", state=states[i % 3]) for i in range(9)))
    rows = screen(view, 60, 18)
    for i in range(9):
        assert any(row.startswith(f"o{i} ") and states[i % 3].upper() in row for row in rows)
    crowd = screen(replace(view, organs=view.organs * 5), 60, 18)
    assert len(crowd) <= 18 and "and 30 more: enlarge the terminal" in "\n".join(crowd)


ORGANS = tuple(
    replace(LIVER, organ=organ, state=state)
    for organ, state in (("thyroid", "present"), ("trachea", "absent"), ("left kidney", "unknown"))
)


@pytest.mark.parametrize(("width", "height"), [(20, 6), (20, 3), (16, 3), (80, 5), (24, 4), (30, 8)])
@pytest.mark.parametrize("organs", [1, 2, 3])
def test_the_smallest_screens_show_every_organ_with_its_state(width: int, height: int, organs: int) -> None:
    nearly = Storage(recording=True, written_bytes=1, free_bytes=1_000_000)
    view = replace(VIEW, organs=ORGANS[:organs], messages=("disk full",), storage=nearly)
    rows = screen(view, width, height)
    assert len(rows) <= height and max(map(len, rows)) <= width
    for organ in view.organs:
        assert [row for row in rows if row[:2] == organ.organ[:2] and organ.state.upper() in row], rows


def test_20_by_6_says_what_is_wrong_besides() -> None:
    rows = screen(replace(VIEW, organs=ORGANS[:2], messages=("disk full",)), 20, 6)
    assert [row.rstrip() for row in rows] == [
        " feed running   0:0…",
        "thyroid   ● PRESENT",
        "trachea   ○ ABSENT",
        "disk full",
        "29.9 frames/s  p95 …",
        "Not a medical devic…",
    ]
    gone = replace(VIEW, feed="stalled", last_frame_s=286.0, organs=ORGANS[:2])
    rows = screen(gone, 20, 6)
    assert rows[0].startswith(" no frame for 14 s,") and "UNKNOWN" in rows[1] and "PRESENT" not in "".join(rows)


def test_below_that_it_asks_for_a_larger_window() -> None:
    assert [row.rstrip() for row in screen(replace(VIEW, organs=ORGANS), 15, 6)] == ["make the window", "larger"]
    assert screen(replace(VIEW, organs=ORGANS), 30, 1)[0].rstrip() == "make the window larger"
    few = screen(replace(VIEW, organs=ORGANS), 20, 2)
    assert "PRESENT" in few[0] and few[1].rstrip() == "and 2 more"


def test_ascii_where_the_terminal_has_no_more() -> None:
    odd = replace(LIVER, organ="Schilddrüse")
    for organs in (1, 2, 8):
        rows = screen(replace(VIEW, organs=(odd,) * organs, messages=("…" * 300,)), 80, 24, plain=True)
        assert all(row.isascii() for row in rows) and "Schilddr?se" in "\n".join(rows)
    wide = screen(replace(VIEW, organs=(replace(LIVER, organ="甲状腺"),)), 80, 24, plain=True)
    assert {len(row.rstrip()) for row in wide if row.startswith(("+", "|"))} == {80} and "??????" in "\n".join(wide)


def test_nothing_holds_without_a_running_feed_or_fresh_news() -> None:
    for view, quiet_s, told in (
        (replace(VIEW, feed="stalled", feed_reason="no frame within 2 s", last_frame_s=286.0), 0.0, "no frame for 14 s, feed stalled (no frame within 2 s)"),
        (replace(VIEW, paused=True), 0.0, "paused"),
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
    assert text.count("left") == text.count("deep") in (3, 6)  # above the state too, where its letters are large
    assert text.count("0.93") == 6


def test_why_it_is_unknown_comes_before_how_often_it_was_present() -> None:
    unknown = replace(LIVER, organ="left lobe", state="unknown", presences=27, score=None, reason="no contact")
    text = "\n".join(screen(replace(VIEW, organs=(unknown,) * 6), 120, 40))
    assert text.count("(no contact)") == 6


@pytest.mark.parametrize(
    "width, said",
    [(80, "Not a medical device."), (110, "Research software, not a medical device."), (200, seqcls.DISCLAIMER)],
)
def test_the_disclaimer_is_never_cut_to_say_something_else(width: int, said: str) -> None:
    keys = "m mark  s snapshot  p pause  b sound: off  a address"
    file = io.StringIO()
    Console(width=width, height=24, file=file).print(dashboard.Screen(VIEW, width, 24, keys=keys), end="")
    assert file.getvalue().splitlines()[-1].strip() == f"{keys}   {said}"


def test_states_have_their_shapes_beside_large_letters() -> None:
    organs = tuple(replace(LIVER, organ=state, state=state) for state in ("present", "absent", "unknown"))
    shown = "\n".join(screen(replace(VIEW, organs=organs), 120, 40))
    assert "● present" in shown and "○ absent" in shown and "? unknown" in shown


def test_why_the_feed_stalled_does_not_repeat_whose_it_is() -> None:
    stalled = replace(
        VIEW, source="igtl://scanner:1", feed="stalled", feed_reason="igtl://scanner:1: it hung up", last_frame_s=272.0
    )
    assert screen(stalled, 120, 24)[0].split("  ")[0].strip() == "no frame for 28 s, feed stalled (it hung up)"


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
        assert "0:04:35–now" in rows[7]  # in the row that is kept for messages: nothing had to make room


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
    assert last_minute.intervals(LIVER, len(whole)).plain == whole
    assert last_minute.intervals(LIVER, len(whole) - 1).plain == "… 0:01:40–0:02:10  0:04:35–now"
    assert last_minute.intervals(LIVER, 29).plain == "… 0:04:35–now"
    assert last_minute.intervals(replace(LIVER, presences=4), 99).plain == f"… {whole}"
    assert last_minute.intervals(LIVER, 99, holds=False).plain.endswith("  0:04:35–?")
    assert last_minute.intervals(replace(LIVER, presences=0, latest=()), 99).plain == "none so far"
    assert whole in "\n".join(screen(replace(VIEW, organs=(LIVER,) * 2), 80, 24))
    stalled = replace(VIEW, feed="stalled", organs=(LIVER,) * 2)
    assert "0:04:35–?" in "\n".join(screen(stalled, 80, 24))


def test_score_and_state_follow_one_axis() -> None:
    """5 seconds a cell; a short presence fills its share."""
    spans = (Span("absent", 0.0, 260.0), Span("unknown", 260.0, 270.0), Span("absent", 270.0, 280.0), Span("present", 280.0, None))  # fmt: skip
    organ = replace(LIVER, spans=spans)
    past = organ.past(300.0, 300.0)
    assert last_minute.trace(organ, past, 300.0, 12).plain == "▁▁▁▁░░▁▁▇▇▇▇"
    assert tables.strip(past, 240.0, 300.0, 12).plain == "────░░──████"
    assert last_minute.trace(organ, past, 300.0, 12, 2).plain.split("\n") == ["    ░░  ▆▆▆▆", "▂▂▂▂░░▂▂████"]
    short = replace(
        organ, spans=(Span("absent", 0.0, 290.0), Span("present", 290.0, 290.7), Span("absent", 290.7, None))
    )
    assert tables.strip(short.past(300.0, 300.0), 240.0, 300.0, 12).plain == "──────────▁─"
    assert last_minute.axis(30) == "60 s ago──── 30 s ─────────now" and last_minute.axis(5) == "──now"
    rows = screen(replace(VIEW, organs=(organ,)), 80, 24)
    ends = [len(row.rstrip(" │")) for row in rows if row.startswith(("│ score", "│ state"))]
    assert ends == [78, 78] and any("60 s ago" in row for row in rows)
    assert "60 s ago" in "\n".join(screen(replace(VIEW, organs=(organ,) * 9), 60, 18))


@pytest.mark.parametrize(("last_s", "cells"), [(272.0, 6), (240.0, 12), (300.0, 0)])
def test_what_was_missing_is_hatched_whole(last_s: float, cells: int) -> None:
    organ = replace(
        LIVER, trace=tuple((t, 0.1) for t, _ in LIVER.trace if t < last_s), spans=(Span("absent", 0.0, None),)
    )
    past = organ.past(300.0, last_s)
    for drawn in (last_minute.trace(organ, past, 300.0, 12), tables.strip(past, 240.0, 300.0, 12)):
        assert drawn.plain.endswith("░" * cells) and (cells == 12 or drawn.plain[-cells - 1] not in "░ ")
    assert organ.past(300.0, last_s)[-1].end_s in (None, 300.0)


def test_a_feed_that_never_came_is_hatched_since_watching_began() -> None:
    never = replace(LIVER, spans=(), trace=(), state="unknown", score=None)
    past = never.past(15.0, 0.0)
    assert (
        last_minute.trace(never, past, 15.0, 12).plain == tables.strip(past, -45.0, 15.0, 12).plain == " " * 9 + "░" * 3
    )
    view = replace(VIEW, feed="connecting", last_frame_s=0.0, now_s=13.0, frame_counts=FrameCounts(), organs=(never,))
    assert "no frame yet, 13 s, feed connecting" in screen(view, 80, 24)[0]


def test_recording_and_disk() -> None:
    storage = Storage(recording=True, clips=99, written_bytes=1_234_567_890, free_bytes=41_000_000_000, left_s=28_900)
    for width in (80, 120):
        rows = screen(replace(VIEW, storage=storage), width, 24)
        assert rows[1].startswith("● REC 1.2 GB  99 clips  disk 41.0 GB free, 8 h left") and "FULL" not in rows[1]
    nearly = screen(replace(VIEW, storage=replace(storage, left_s=170.0)), 80, 24)
    assert "free, 2 min left  DISK NEARLY FULL" in nearly[1].replace("170 s", "2 min")


def test_a_checklist_says_what_is_left_to_see() -> None:
    seen = replace(LIVER, wanted_s=2.0, present_s=36.5)
    left = replace(seen, organ="trachea", present_s=1.25)
    rows = "\n".join(screen(replace(VIEW, organs=(seen, left)), 120, 40))
    assert "still to see: trachea 0.8 s" in rows and "✓   3 x present, 36.50 s in all" in rows and "□   3 x" in rows
    assert "checklist complete" in "\n".join(screen(replace(VIEW, organs=(seen,)), 80, 24))


def test_letters() -> None:
    assert letters.large(["PRESENT"], 33, 3) == []
    assert len(letters.large(["UNKNOWN"], 36, 3)) == 3 and len(letters.large(["UNKNOWN"], 36, 9)) == 5
    assert letters.large(["UNKNOWN"], 36, 2) == letters.large(["LIVER", "ABSENT"], 36, 5) == []
    assert len(letters.large(["LIVER", "ABSENT"], 36, 6)) == 6
    for width, height in ((36, 3), (60, 8), (80, 7), (190, 23)):
        for plain in (False, True):
            large = letters.large(["UNKNOWN"], width, height, plain=plain)
            assert len(large) <= height and all(len(line) <= width for line in large)
    assert letters.large(["T"], 5, 5, plain=True) == ["#####", "  #  ", "  #  ", "  #  ", "  #  "]


def test_lines_tell_changes_only() -> None:
    assert dashboard.lines(None, VIEW) == ["0:05:00 feed running", "0:05:00 liver present"]
    assert dashboard.lines(VIEW, replace(VIEW, now_s=301.0)) == []
    gone = replace(LIVER, state="unknown", reason="feed stalled")
    stalled = replace(VIEW, now_s=302.0, feed="stalled", feed_reason="no frame within 2 s", organs=(gone,))
    assert dashboard.lines(VIEW, stalled) == [
        "0:05:02 feed stalled (no frame within 2 s)",
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
