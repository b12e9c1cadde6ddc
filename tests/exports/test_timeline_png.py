"""timeline.png: made for any name and any timeline, and its presence is where the intervals are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.timelines import timeline

from seqcls.exports import timeline_png as module
from seqcls.exports.timeline_png import PRESENT, _duration, _label_times, write_picture
from seqcls.palette import VERMILION
from seqcls.reprocess import replay
from seqcls.timeline import Timeline
from seqcls.types import MAX_TIME_S, Gap, SourceReport

BLUE, RED = (np.array([int(color[i : i + 2], 16) for i in (5, 3, 1)]) for color in (PRESENT, VERMILION))  # BGR


def drawn(made: Timeline, folder: Path) -> np.ndarray:  # type: ignore[type-arg]
    write_picture(made, folder / "t.png")
    image = cv2.imread(str(folder / "t.png"))
    assert image is not None and image.shape[1] == 1100
    return image


def test_presence_is_drawn_where_it_is(tmp_path: Path) -> None:
    image = drawn(timeline(liver="....PPPPPPPP........"), tmp_path)
    columns = np.flatnonzero((np.abs(image.astype(int) - BLUE).max(axis=2) <= 3).sum(axis=0) >= 3)
    left, right = columns.min(), columns.max()
    # [0.4, 1.2) of 2 s: the strip's length and place, as shares of the axis
    assert (right - left) / 1100 == pytest.approx(0.4, abs=0.05) and left / 1100 == pytest.approx(0.24, abs=0.05)


def columns_of(image: np.ndarray, color: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Where at least two pixels of a column have a colour."""
    return np.flatnonzero((np.abs(image.astype(int) - color).max(axis=2) <= 3).sum(axis=0) >= 2)


def test_a_frame_alone_is_seen(tmp_path: Path) -> None:
    """In an hour a presence of one frame is 0.03 pixels wide; its score is a dot."""
    made = timeline(liver="?" * 40 + "P" + "?" * 40)
    hour = replace(made, start_s=-1800.0, end_s=1800.0)
    for one, wide in ((hour, 4), (replace(made, intervals=made.intervals[1:2]), 20)):
        image = drawn(one, tmp_path)
        assert 2 <= len(columns_of(image, BLUE)) <= wide
        assert 1 <= len(columns_of(image[60:], RED)) <= 12


@pytest.mark.parametrize("score", ["P", "."])
def test_a_frame_without_duration_fills_the_picture(score: str, tmp_path: Path) -> None:
    made = timeline(liver=score)
    still = replace(made, end_s=0.0, intervals=(replace(made.intervals[0], end_s=0.0),))
    image = drawn(still, tmp_path)
    assert len(columns_of(image, BLUE)) == (pytest.approx(1031, abs=3) if score == "P" else 0)
    assert 3 <= len(columns_of(image, RED)) <= 9


def test_what_a_reader_must_know_stands_above(tmp_path: Path) -> None:
    """Six lines at most, each cut; the picture grows by 18 pixels for each."""
    made = timeline(liver="PPPP????PP", gaps=(Gap(0.4, 3.4, "lost"),))
    plain = drawn(made, tmp_path)
    assert module._lines_about(made) == ["unknown: a) lost 3.0 s, b) black 0.4 s"]
    told = replace(made, report=SourceReport("truncated", ("a\nb", "x" * 500)), warnings=tuple("cdefg"))
    lines = module._lines_about(told)
    assert lines[:2] == ["unknown: a) lost 3.0 s, b) black 0.4 s", "a b"] and len(lines[2]) == 165
    assert lines[3:] == ["c", "d", "and 3 more in timeline.json"]
    assert drawn(told, tmp_path).shape[0] - plain.shape[0] == 5 * 18


def test_shares_are_not_rounded_to_all_or_nothing() -> None:
    said = [module._percent(share) for share in (0.0, 0.0001, 0.124, 0.9999, 1.0)]
    assert said == ["0%", "0.1%", "12.4%", "99.9%", "100%"]


def test_no_line_is_drawn_where_no_frame_was() -> None:
    """A gap, a bridged one too, breaks the line, as does a missing score or a long step; a frame alone is a point."""
    made = timeline(liver="PPPP.?.", gaps=(Gap(0.2, 0.3, "lost"),))
    holes = module._holes(made)
    assert made.gaps == (Gap(0.6, 0.7, "black"),) and np.flatnonzero(holes).tolist() == [2, 5]
    x, y, alone = module.curve(made.scores.time_s, made.scores.raw[:, 0], holes)
    nan = pytest.approx(np.nan, nan_ok=True)
    assert x.tolist() == pytest.approx([0.0, 0.1, nan, 0.3, 0.4, 0.5, nan, 0.7], nan_ok=True)
    assert y.tolist() == pytest.approx([0.9, 0.9, nan, 0.9, 0.9, 0.1, nan, 0.1], nan_ok=True)
    assert np.flatnonzero(alone).tolist() == [7]
    whole = timeline(liver="PPPPP")
    for last_s, hole in ((1.3, []), (1.301, [4])):  # frames a second apart are joined, in a feed of 10 a second
        late = replace(whole, scores=replace(whole.scores, time_s=np.array([0, 0.1, 0.2, 0.3, last_s])))
        assert np.flatnonzero(module._holes(late)).tolist() == hole


def test_a_stretch_without_a_new_frame_is_pale_and_hatched(tmp_path: Path) -> None:
    whole = timeline(liver="P" * 20)
    time_s = whole.scores.time_s + 5.0 * (np.arange(20) >= 6)
    held = replay(replace(whole, scores=replace(whole.scores, time_s=time_s), end_s=7.0))
    blue, pale = columns_of(drawn(whole, tmp_path), BLUE), columns_of(drawn(held, tmp_path), BLUE)
    # of 7 s, 0.5 to 5.6 s are without: 5.1 / 7 of 1033 pixels
    assert len(blue) - len(pale) == pytest.approx(752, abs=6)
    assert any("no new frame for 5.1 s" in line for line in module._lines_about(held))


def test_the_dot_of_a_single_frame_stands_clear_of_the_edge(tmp_path: Path) -> None:
    image = drawn(timeline(liver="P"), tmp_path)
    dot = columns_of(image[60:], RED)
    assert 3 <= len(dot) <= 9 and dot.min() >= 42 + 10


def test_of_many_frames_the_extremes_are_drawn() -> None:
    """9,001 frames in blocks of 5: one high frame, one low frame, and a hole between two frames of one block."""
    values = np.full(9001, 0.5, np.float32)
    values[[4321, 8888]] = 0.9, 0.1
    holes = np.zeros(9001, np.bool_)
    holes[7] = True
    x, y, alone = module.curve(np.arange(9001.0), values, holes)
    assert len(x) < module.MAX_POINTS and not alone.any() and np.isnan(x).sum() == 1
    assert y[x == 4321].tolist() == [pytest.approx(0.9)] and y[x == 8888].tolist() == [pytest.approx(0.1)]
    assert (x[0], x[-1]) == (0.0, 9000.0)


def test_titles_say_how_long_or_of_one_frame_what() -> None:
    said = [module._in_view(timeline(liver=row), "liver") for row in ("PPPP..", "......", "P", ".", "?")]
    assert said == ["in view for 0.4 s", "not in view", "present, score 0.90", "absent, score 0.10", "unknown (black)"]


@pytest.mark.parametrize("name", ["a $x$ b.mp4", "=1+1", "ultraschall größe.mp4", "x" * 200])
def test_any_name(tmp_path: Path, name: str) -> None:
    drawn(timeline(name=name, **{"$left$ lobe": "PPPP"}), tmp_path)


def test_gaps_thumbnails_and_one_frame(tmp_path: Path) -> None:
    pictures = tuple((i / 5, np.full((16, 16), 20 * i, np.uint8)) for i in range(12))
    plain = drawn(timeline(liver="PP??..PPPP"), tmp_path)
    shown = drawn(replace(timeline(liver="PP??..PPPP", gaps=(Gap(0.5, 3, "lost"),)), thumbnails=pictures), tmp_path)
    assert shown.shape[0] > plain.shape[0]
    drawn(timeline(liver="P"), tmp_path)


@pytest.mark.parametrize(
    ("start_s", "end_s", "unit", "first", "last"),
    [
        (0.0, 60.0, "seconds", "0", "60"),
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
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    _label_times(ax, start_s, end_s)
    ax.set_xlim(start_s, end_s)
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert (ax.get_xlabel(), labels[0], labels[-1]) == (unit, first, last) and len(labels) <= 13
    place = dict(zip(labels, ax.get_xticks(), strict=True))
    assert all(start_s <= at <= end_s for at in place.values())


def test_what_lies_on_each_other_is_drawn_as_one() -> None:
    """A hatch is drawn for each: 12,000 lost frames took 25 s."""
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    many = timeline(liver="PPP???" * 100 + "." * 20_000)
    shown, unknown = module._Axis.of(many), many.of("liver", "unknown")
    module._shade(ax, shown, unknown, (0, 1))
    module._shade(ax, shown, unknown[::50], (0, 1))
    one, two = (collection.get_paths() for collection in ax.collections)
    assert (len(unknown), len(one), len(two)) == (100, 1, 2)
    assert one[0].get_extents().x0 == 0 and one[0].get_extents().x1 == pytest.approx(60, abs=3)


def test_of_many_organs_the_first_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STRIPS", 2)
    three = timeline(liver="PP..", node="..PP", vein="P...")
    two = drawn(replace(three, organs=three.organs[:2]), tmp_path)
    assert drawn(three, tmp_path).shape[0] == two.shape[0] + round(100 * module._LINE)
    assert module._lines_about(three) == ["1 more organ in timeline.json"]


def test_durations() -> None:
    said = [_duration(seconds) for seconds in (0.0, 179.94, 180.0, 3599.4, 3600.0, 42566.3)]
    assert said == ["0.0 s", "179.9 s", "3 min 0 s", "59 min 59 s", "1 h 0 min", "11 h 49 min"]


@pytest.mark.parametrize(
    ("letters", "shown"),
    [(21, "3 images missing here"), (20.9, "3 images missing he…"), (12, "3 images mi…"), (11.9, "b)"), (1.9, "")],
)
def test_a_stretch_says_as_much_of_its_reason_as_fits(letters: float, shown: str) -> None:
    assert module._fitting("3 images missing here", "b", letters) == shown


def test_long_reasons_leave_room_for_the_others() -> None:
    long = "lost " * 60
    made = timeline(liver="PP????PP????PP", gaps=(Gap(0.2, 3.2, f"first {long}"), Gap(4.0, 6.0, f"second {long}")))
    [line] = [line for line in module._lines_about(made) if line.startswith("unknown")]
    assert len(line) <= module._LETTERS and "a) first lost" in line and "b) second lost" in line and "c) black" in line
