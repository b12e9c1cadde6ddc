"""Timelines on a terminal: how much of a cell is present, single frames, and the last line of a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console, RenderableType
from support.timelines import drawn, timeline

from seqcls.cli import tables
from seqcls.evaluation.clip_truth import ClipTruth
from seqcls.live.snapshot import Span
from seqcls.timeline import Timeline


def shown(what: RenderableType) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(what)
    return captured.get()


@pytest.mark.parametrize(
    ("present_s", "cell"),
    [(0.001, "▁"), (0.5, "▁"), (1.9, "▂"), (3.2, "▃"), (5.0, "▄"), (7.0, "▆"), (9.3, "▇"), (9.4, "█"), (10.0, "█")],
)
def test_a_cell_is_filled_as_high_as_it_shows_presence(present_s: float, cell: str) -> None:
    """Cells of 10 s: 32 % do not look like 70 %, and nothing short is lost."""
    rest = Span("absent", 10 + present_s, None)
    assert tables.strip([Span("present", 10.0, 10 + present_s), rest], 0.0, 30.0, 3).plain == f" {cell}─"


def test_presences_of_a_cell_add_up_and_one_that_grows_fills_it() -> None:
    spans = [Span("unknown", 0.0, 1.0), Span("present", 1.0, 3.0), Span("absent", 3.0, 5.0), Span("present", 5.0, None)]
    assert tables.strip(spans, 0.0, 16.0, 2).plain == "▅█"
    assert tables.strip(spans[:1], 0.0, 16.0, 2).plain == "░ "


def test_the_truth_is_filled_alike() -> None:
    """Forty frames in twenty cells: both, one or none of two present, and one of two where the other has no label."""
    made = timeline(**{"o" * 62: "." * 40})
    codes = np.array([[1], [1], [1], [0], [0], [0], [1], [-1], [-1], [-1]] + [[0]] * 30, np.int8)
    rows = shown(tables.truth_strips(ClipTruth(made, "clip.mp4", "P1", codes), 100)).splitlines()
    assert next(row for row in rows if "truth" in row).split()[0] == "█▄─█·" + "─" * 15


def single(score: str) -> Timeline:
    made = timeline(liver=score)
    return replace(made, end_s=0.0, intervals=tuple(replace(i, end_s=0.0) for i in made.intervals))


@pytest.mark.parametrize(("score", "glyph", "row"), [("P", "█", "present 0.90"), (".", "─", "absent 0.10")])
def test_a_frame_without_duration_has_a_strip_and_a_score(score: str, glyph: str, row: str) -> None:
    strips = shown(tables.timeline_strips(single(score), 60))
    assert glyph * 20 in strips and f"0.00 s {score == 'P':4.0%}" in strips
    words = shown(tables.interval_table(single(score))).splitlines()[1].split()
    assert " ".join((words[1], words[-1])) == row


def test_the_last_line_of_a_run_says_what_a_reader_must_know() -> None:
    assert tables.run_facts({"done": 2, "failed": 1}) == ""
    counts = {"truncated": 1, "done": 3, "with warnings": 1, "partly unknown": 2, "skipped": 4, "damaged": 0}
    assert tables.run_facts(counts) == ", 1 truncated, 4 skipped, 2 partly unknown, 1 with warnings"


def alike(**strips: str) -> Timeline:
    """Whatever is unknown is so for one reason."""
    made = drawn(**strips)
    return replace(made, intervals=tuple(replace(i, reason=i.reason and "lost") for i in made.intervals))


def rows_of(made: Timeline, most: int = tables.MAX_ROWS) -> tuple[list[str], list[str]]:
    """The rows of presences, and of what is unknown, each with its head."""
    rows = shown(tables.interval_table(made, most)).splitlines()
    empty = rows.index("") if "" in rows else len(rows)
    return rows[:empty], [row for row in rows[empty + 1 :] if not row.startswith("each of")]


def test_what_is_unknown_for_all_organs_is_one_row() -> None:
    present, unknown = rows_of(alike(liver="PP??..", kidney="..??PP"))
    assert [row.split()[0] for row in present[1:]] == ["liver", "kidney"]
    assert len(unknown) == 2 and unknown[1].startswith("all organs      1") and unknown[1].split()[-1] == "lost"
    present, unknown = rows_of(alike(liver="PP??..", kidney="PPPP.."))
    assert [row.split()[0] for row in present[1:]] == ["kidney", "liver"] and unknown[1].startswith("liver ")


def test_reasons_are_short_grouped_and_counted_and_name_no_address() -> None:
    """The address stands in the title; with the device it is another text of the same feed."""
    first, second = "no image for 2 s; is the probe running?", "the server closed the connection; connect again"
    address = "igtl://host:18944"
    made = drawn(liver="P??P??P??P??P", kidney="P??P??P??P??P")
    why = iter([f"{address}: {first}", f"{address}/Image: {second}", f"{address}/Image: {first}", "not recorded"])
    by_start = {start_s: next(why) for start_s in sorted(i.start_s for i in made.of("liver", "unknown"))}
    spans = tuple(replace(i, reason=by_start[i.start_s] if i.state == "unknown" else "") for i in made.intervals)
    made = replace(made, intervals=spans, source=replace(made.source, name=address))
    _, unknown = rows_of(made)
    each_s = made.of("liver", "unknown")[0].duration_s
    assert [" ".join(row.split()[6:]) for row in unknown[1:]] == [
        "no image for 2 s",
        "the server closed the connection",
        "not recorded",
    ]
    assert [int(row.split()[2]) for row in unknown[1:]] == [2, 1, 1]
    assert [float(row.split()[5]) for row in unknown[1:]] == pytest.approx([2 * each_s, each_s, each_s], abs=0.006)
    narrow = Console(width=80)
    with narrow.capture() as captured:
        narrow.print(tables.interval_table(made))
    assert "host" not in captured.get() and len(captured.get().splitlines()) < 20


@pytest.mark.parametrize("width", [100, 60, 40, 24, 16])
def test_on_a_narrow_screen_nothing_is_cut(width: int) -> None:
    made = timeline(liver="..PPPP..??", kidney="PPP....PPP")
    console = Console(width=width)
    with console.capture() as captured:
        tables.show_timeline(console, made)
    text = captured.get()
    assert all(len(line.rstrip()) <= width for line in text.splitlines()) and "…" not in text
    flat = "".join(text.split())
    for each in (*made.of("liver", "present"), *made.of("kidney", "present"), *made.of("liver", "unknown")):
        assert tables.clock(each.start_s) in flat and tables.clock(each.end_s) in flat


def test_nothing_in_view_is_said_of_what_is_known() -> None:
    assert rows_of(alike(liver="...."))[0] == ["no organ in view"]
    assert rows_of(alike(liver="..??"))[0] == ["no organ in view, as far as it is known"]


def test_many_presences_become_one_row_for_each_organ() -> None:
    made = alike(liver="P." * 20 + "?", kidney="." * 40 + "?")
    assert len(rows_of(made, 20)[0]) == 21
    present, unknown = rows_of(made, 19)
    single_s = made.of("liver", "present")[0].duration_s
    assert len(present) == 2 and present[1].split()[:3] == ["liver", "present", "20"]
    assert [float(x) for x in present[1].split()[-2:]] == pytest.approx([single_s, 20 * single_s], abs=0.006)
    assert unknown[1].startswith("all organs      1")
    assert "each of the 22 intervals is in intervals.csv" in shown(tables.interval_table(made, 19))
