"""Images that are no clip: each scored by itself."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.fakes import detector

from seqcls.exports import write_pictures
from seqcls.intervals import IntervalOptions
from seqcls.pictures import score_pictures
from seqcls.smoothing import SmoothingOptions
from seqcls.sources import expand
from seqcls.sources.found import FoundSource

#: Gray level of the image -> its score is level / 255.
LEVELS = {"neck.png": 230, "liver.png": 25, "other.png": 128, "spine.png": 100}


@pytest.fixture
def pictures(tmp_path: Path) -> FoundSource:
    folder = tmp_path / "images"
    folder.mkdir()
    for name, level in LEVELS.items():
        cv2.imwrite(str(folder / name), np.full((32, 32), level, np.uint8))
    (source,) = expand([str(folder)]).sources
    return source


def test_each_image_has_its_own_score_and_state(pictures: FoundSource) -> None:
    """Neither smoothing nor the shortest presence of the model's options has a say."""
    options = IntervalOptions(onset=0.5, offset=0.35, min_present_s=5.0, min_absent_s=5.0, pad_s=3.0)
    model = detector(("liver",), SmoothingOptions(kind="mean", window_s=9), options)
    done: list[int] = []
    found = score_pictures(model, pictures, on_progress=done.append)
    assert [one.source.path for one in found] == ["liver.png", "neck.png", "other.png", "spine.png"]
    assert [[interval.state for interval in one.intervals] for one in found] == [
        ["absent"],
        ["present"],
        ["present"],
        ["absent"],
    ]
    assert [one.intervals[0].peak_score for one in found] == pytest.approx([25 / 255, 230 / 255, 128 / 255, 100 / 255])
    assert done == [1, 2, 3, 4]
    assert [one.source.path for one in score_pictures(model, pictures, should_stop=lambda: True)] == []


def test_an_image_that_cannot_be_read_or_is_black_is_unknown(pictures: FoundSource, tmp_path: Path) -> None:
    (tmp_path / "images" / "neck.png").write_bytes(b"no image")
    cv2.imwrite(str(tmp_path / "images" / "liver.png"), np.zeros((64, 64), np.uint8))
    found = score_pictures(detector(gate=True), pictures)
    assert [found[0].intervals[0].state, found[1].intervals[0].state] == ["unknown", "unknown"]
    assert [found[0].intervals[0].reason, found[0].report.verdict] == ["black", "complete"]
    assert found[1].intervals[1].reason == (
        "neck.png: cannot be read as an image (of no known format, or its start is damaged); remove it or mend it"
    )
    assert found[1].report.verdict == "damaged" and found[1].frame_counts.balanced
    (tmp_path / "images" / "neck.png").write_bytes(b"")
    found = score_pictures(detector(), pictures)
    assert found[1].intervals[0].reason == "neck.png: is empty (0 bytes); was the copy interrupted?"  # no folder


def test_deep_images_share_one_scale(tmp_path: Path) -> None:
    for name, level in (("a.png", 200), ("b.png", 100), ("c.png", 0)):
        cv2.imwrite(str(tmp_path / name), np.full((32, 32), level * 16, np.uint16))
    (source,) = expand([str(tmp_path)]).sources
    scores = [one.intervals[0].peak_score for one in score_pictures(detector(("liver",)), source)]
    assert scores == pytest.approx([1, 0.5, 0], abs=0.01)


def test_the_tables_name_each_file(pictures: FoundSource, tmp_path: Path) -> None:
    write_pictures(score_pictures(detector(), pictures), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["pictures.csv", "scores.csv"]
    with (tmp_path / "out" / "pictures.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[:3] == [
        ["path", "organ", "probability", "state", "reason", "warnings"],
        ["liver.png", "liver", "0.0980", "absent", "", ""],
        ["liver.png", "kidney", "0.9020", "present", "", ""],
    ]
    with (tmp_path / "out" / "scores.csv").open(encoding="utf-8", newline="") as stream:
        scores = list(csv.DictReader(stream))
    assert [row["file"] for row in scores] == sorted(LEVELS)
    assert [float(row["liver"]) for row in scores] == pytest.approx([25 / 255, 230 / 255, 128 / 255, 100 / 255])
    assert [row["liver smoothed"] for row in scores] == [row["liver"] for row in scores]
