"""timeline.png: made for any name and any timeline, and its presence is where the intervals are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.timelines import timeline

from seqcls.exports import timeline_layout as layout
from seqcls.exports.timeline_png import write_picture
from seqcls.palette import PRESENT, VERMILION
from seqcls.reprocess import replay
from seqcls.timeline import Timeline
from seqcls.types import Gap, SourceReport

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
    assert layout.lines_about(made) == ["unknown: a) lost 3.0 s, b) black 0.4 s"]
    told = replace(made, report=SourceReport("truncated", ("a\nb", "x" * 500)), warnings=tuple("cdefg"))
    lines = layout.lines_about(told)
    assert lines[:2] == ["unknown: a) lost 3.0 s, b) black 0.4 s", "a b"] and len(lines[2]) == 165
    assert lines[3:] == ["c", "d", "and 3 more in timeline.json"]
    assert drawn(told, tmp_path).shape[0] - plain.shape[0] == 5 * 18


def test_a_stretch_without_a_new_frame_is_pale_and_hatched(tmp_path: Path) -> None:
    whole = timeline(liver="P" * 20)
    time_s = whole.scores.time_s + 5.0 * (np.arange(20) >= 6)
    held = replay(replace(whole, scores=replace(whole.scores, time_s=time_s), end_s=7.0))
    blue, pale = columns_of(drawn(whole, tmp_path), BLUE), columns_of(drawn(held, tmp_path), BLUE)
    # of 7 s, 0.5 to 5.6 s are without: 5.1 / 7 of 1033 pixels
    assert len(blue) - len(pale) == pytest.approx(752, abs=6)
    assert any("no new frame for 5.1 s" in line for line in layout.lines_about(held))


def test_the_dot_of_a_single_frame_stands_clear_of_the_edge(tmp_path: Path) -> None:
    image = drawn(timeline(liver="P"), tmp_path)
    dot = columns_of(image[60:], RED)
    assert 3 <= len(dot) <= 9 and dot.min() >= 42 + 10


@pytest.mark.parametrize("name", ["a $x$ b.mp4", "=1+1", "ultraschall größe.mp4", "x" * 200])
def test_any_name(tmp_path: Path, name: str) -> None:
    drawn(timeline(name=name, **{"$left$ lobe": "PPPP"}), tmp_path)


def test_gaps_thumbnails_and_one_frame(tmp_path: Path) -> None:
    pictures = tuple((i / 5, np.full((16, 16), 20 * i, np.uint8)) for i in range(12))
    plain = drawn(timeline(liver="PP??..PPPP"), tmp_path)
    shown = drawn(replace(timeline(liver="PP??..PPPP", gaps=(Gap(0.5, 3, "lost"),)), thumbnails=pictures), tmp_path)
    assert shown.shape[0] > plain.shape[0]
    drawn(timeline(liver="P"), tmp_path)


def test_of_many_organs_the_first_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_STRIPS", 2)
    three = timeline(liver="PP..", node="..PP", vein="P...")
    two = drawn(replace(three, organs=three.organs[:2]), tmp_path)
    assert drawn(three, tmp_path).shape[0] == two.shape[0] + layout.LINE
    assert layout.lines_about(three) == ["1 more organ in timeline.json"]


def test_a_figure_shows_the_same(tmp_path: Path) -> None:
    """What `Timeline.plot` gives has strips where timeline.png has them."""
    made = timeline(name="a $x$ b.mp4", liver="..PPPP??", node="PP......")
    image, canvas = drawn(made, tmp_path), made.plot().canvas
    canvas.draw()  # type: ignore[no-untyped-call]
    figure = np.asarray(canvas.buffer_rgba())[:, :, 2::-1]  # type: ignore[attr-defined]
    assert figure.shape == image.shape
    one, other = columns_of(image, BLUE), columns_of(figure, BLUE)
    assert abs(one.min() - other.min()) <= 1 and abs(one.max() - other.max()) <= 1
