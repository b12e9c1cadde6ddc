"""What the pictures of a timeline show, whatever draws them: words, times, curves and stretches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.exports import timeline_layout as layout
from seqcls.types import MAX_TIME_S, Gap


def test_shares_are_not_rounded_to_all_or_nothing() -> None:
    said = [layout.percent(share) for share in (0.0, 0.0001, 0.124, 0.9999, 1.0)]
    assert said == ["0%", "0.1%", "12.4%", "99.9%", "100%"]


def test_no_line_is_drawn_where_no_frame_was() -> None:
    """A gap, a bridged one too, breaks the line, as does a missing score or a long step; a frame alone is a point."""
    made = timeline(liver="PPPP.?.", gaps=(Gap(0.2, 0.3, "lost"),))
    holes = layout.score_holes(made)
    assert made.gaps == (Gap(0.6, 0.7, "black"),) and np.flatnonzero(holes).tolist() == [2, 5]
    x, y, alone = layout.curve(made.scores.time_s, made.scores.raw[:, 0], holes)
    nan = pytest.approx(np.nan, nan_ok=True)
    assert x.tolist() == pytest.approx([0.0, 0.1, nan, 0.3, 0.4, 0.5, nan, 0.7], nan_ok=True)
    assert y.tolist() == pytest.approx([0.9, 0.9, nan, 0.9, 0.9, 0.1, nan, 0.1], nan_ok=True)
    assert np.flatnonzero(alone).tolist() == [7]
    whole = timeline(liver="PPPPP")
    for last_s, hole in ((1.3, []), (1.301, [4])):  # frames a second apart are joined, in a feed of 10 a second
        late = replace(whole, scores=replace(whole.scores, time_s=np.array([0, 0.1, 0.2, 0.3, last_s])))
        assert np.flatnonzero(layout.score_holes(late)).tolist() == hole


def test_of_many_frames_the_extremes_are_drawn() -> None:
    """9,001 frames in blocks of 5: one high frame, one low frame, and a hole between two frames of one block."""
    values = np.full(9001, 0.5, np.float32)
    values[[4321, 8888]] = 0.9, 0.1
    holes = np.zeros(9001, np.bool_)
    holes[7] = True
    x, y, alone = layout.curve(np.arange(9001.0), values, holes)
    assert len(x) < layout.MAX_POINTS and not alone.any() and np.isnan(x).sum() == 1
    assert y[x == 4321].tolist() == [pytest.approx(0.9)] and y[x == 8888].tolist() == [pytest.approx(0.1)]
    assert (x[0], x[-1]) == (0.0, 9000.0)


def test_titles_say_how_long_or_of_one_frame_what() -> None:
    said = [layout.in_view(timeline(liver=row), "liver") for row in ("PPPP..", "......", "P", ".", "?")]
    assert said == ["in view for 0.4 s", "not in view", "present, score 0.90", "absent, score 0.10", "unknown (black)"]


@pytest.mark.parametrize(
    ("start_s", "end_s", "unit", "first", "last"),
    [
        (0.0, 60.0, "seconds", "0", "60"),
        (0.0, 18.8, "seconds", "0.0", "17.5"),
        (0.0, 0.1, "seconds", "0.00", "0.10"),
        (7.03, 7.29, "seconds", "7.05", "7.25"),
        (3.0, 3.0, "seconds", "3.00", "3.00"),
        (0.0, 200.5, "minutes:seconds", "0:00", "3:00"),
        (70.0, 1870.0, "minutes:seconds", "5:00", "30:00"),
        (0.0, 3600.0, "hours:minutes", "0:00", "1:00"),
        (0.0, 87000.0, "hours:minutes", "0:00", "24:00"),
        (0.0, MAX_TIME_S, "hours:minutes", "0:00", "1018776:00"),  # 12 steps of 3,859 days
    ],
)
def test_long_runs_are_read_in_minutes_and_hours(
    start_s: float, end_s: float, unit: str, first: str, last: str
) -> None:
    labels, stated = layout.time_labels(start_s, end_s)
    assert (stated, labels[0][1], labels[-1][1]) == (unit, first, last) and len(labels) <= 13
    assert all(start_s <= time_s <= end_s for time_s, _ in labels)


def test_what_lies_on_each_other_is_drawn_as_one() -> None:
    """A hatch is drawn for each: 12,000 lost frames took 25 s."""
    many = timeline(liver="PPP???" * 100 + "." * 20_000)
    axis, unknown = layout.TimeAxis.of(many), many.of("liver", "unknown")
    one, two = layout.stretches(axis, unknown), layout.stretches(axis, unknown[::50])
    assert (len(unknown), len(one), len(two)) == (100, 1, 2)
    assert one[0] == (0, pytest.approx(60, abs=3))


def test_durations() -> None:
    said = [layout.duration(seconds) for seconds in (0.0, 179.94, 180.0, 3599.4, 3600.0, 42566.3)]
    assert said == ["0.0 s", "179.9 s", "3 min 0 s", "59 min 59 s", "1 h 0 min", "11 h 49 min"]


@pytest.mark.parametrize(
    ("letters", "shown"),
    [(21, "3 images missing here"), (20.9, "3 images missing he…"), (12, "3 images mi…"), (11.9, "b)"), (1.9, "")],
)
def test_a_stretch_says_as_much_of_its_reason_as_fits(letters: float, shown: str) -> None:
    assert layout.fitting("3 images missing here", "b", letters) == shown


def test_long_reasons_leave_room_for_the_others() -> None:
    long = "lost " * 60
    made = timeline(liver="PP????PP????PP", gaps=(Gap(0.2, 3.2, f"first {long}"), Gap(4.0, 6.0, f"second {long}")))
    [line] = [line for line in layout.lines_about(made) if line.startswith("unknown")]
    assert len(line) <= layout.LETTERS and "a) first lost" in line and "b) second lost" in line and "c) black" in line
