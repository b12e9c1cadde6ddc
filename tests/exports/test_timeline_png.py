"""timeline.png: made for any name and any timeline, and its presence is where the intervals are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.timelines import timeline

from seqcls.exports.timeline_png import PRESENT, _duration, _label_times, write_picture
from seqcls.timeline import Timeline
from seqcls.types import Gap

BLUE = np.array([int(PRESENT[i : i + 2], 16) for i in (5, 3, 1)])  # BGR


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


def test_durations() -> None:
    said = [_duration(seconds) for seconds in (0.0, 179.94, 180.0, 3599.4, 3600.0, 42566.3)]
    assert said == ["0.0 s", "179.9 s", "3 min 0 s", "59 min 59 s", "1 h 0 min", "11 h 49 min"]
