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
    made = timeline(**{"o" * 70: "." * 40})
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


def test_what_is_unknown_for_all_organs_is_one_row() -> None:
    made = alike(liver="PP??..", kidney="..??PP")
    rows = [row.split() for row in shown(tables.interval_table(made)).splitlines()[1:]]
    assert [(row[0], row[1]) for row in rows] == [("liver", "present"), ("all", "organs"), ("kidney", "present")]
    one = alike(liver="PP??..", kidney="PPPP..")
    assert [row.split()[0] for row in shown(tables.interval_table(one)).splitlines()[1:]] == [
        "kidney",
        "liver",
        "liver",
    ]


def test_many_rows_become_one_for_each_organ_and_reason() -> None:
    made = alike(liver="P." * 20 + "?", kidney="." * 40 + "?")
    assert len(shown(tables.interval_table(made, 21)).splitlines()) == 22
    rows = shown(tables.interval_table(made)).splitlines()
    assert len(rows) == 4 and rows[-1] == "each of the 22 intervals is in intervals.csv"
    present = next(row.split() for row in rows if "present" in row)
    single_s = made.of("liver", "present")[0].duration_s
    assert present[:3] == ["liver", "present", "20"]
    assert [float(x) for x in present[-2:]] == pytest.approx([single_s, 20 * single_s], abs=0.006)
    assert any("all organs" in row and "unknown" in row for row in rows)
