"""The contact sheet shows what was found, and nothing from outside."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from support.encoded import write_video
from support.screens import screen

from seqcls.errors import OutputError, SourceError
from seqcls.geometry import Geometry, Region
from seqcls.preprocess import EvenSample
from seqcls.rendering.contact_sheet import CheckedFrame, _tiles, inspect_clip
from seqcls.types import Frame

DRAWN = screen("convex", ("text", "logo", "clock"), frames=30)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    black = [np.zeros((360, 480), np.uint8)] * 4
    path = tmp_path_factory.mktemp("clips") / "scan 1.avi"
    write_video(path, [*black, *DRAWN.images], bits=8_000_000)
    return path


def test_facts(clip: Path, tmp_path: Path) -> None:
    report = inspect_clip(clip, Geometry(size=64), tmp_path / "new folder" / "sheet.png")
    assert report.frames == 34 and report.times_s == (0.0, pytest.approx(3.3))
    assert report.interval_s == pytest.approx(0.1) and report.longest_s == pytest.approx(0.1)
    assert report.report.verdict == "complete"
    assert [region.kind for region in report.regions] == ["convex"]
    assert dict(report.gate) == {"black": 4}
    facts = dict(report.facts())
    assert facts["clip"] == "scan 1.avi" and facts["image"] == "480x360"
    assert facts["decoded"] == "34 frames, 0.000 to 3.300 s"
    assert facts["scorable"] == "30 of 34 frames" and facts["unknown"] == "4 frames black"
    assert facts["pace"].startswith("10.000 frames/s") and facts["region"].startswith("convex ")
    assert report.sheet.is_file()


def test_the_sheet_hides_what_is_burnt_in(clip: Path, tmp_path: Path) -> None:
    """The first tile of an ultrasound frame: the name's place is blank, and bright with show_all."""
    sheets = {}
    for show_all in (False, True):
        report = inspect_clip(clip, Geometry(), tmp_path / f"{show_all}.png", show_all=show_all)
        sheets[show_all] = cv2.imread(str(report.sheet))
    assert sheets[False].shape == sheets[True].shape
    # 480 wide becomes 300; the tile's picture is 225 high, centred in 300, below a strip of 22. Third row, fourth column.
    x, y, scale = 3 * 304, 22 + 2 * 322 + 37, 300 / 480
    name = np.s_[y : y + round(18 * scale), x + 2 : x + round(170 * scale)]
    assert np.ptp(sheets[False][name].reshape(-1, 3), axis=0).max() <= 1
    assert sheets[True][name].max() > 120
    middle = np.s_[y + 60 : y + 160, x + 120 : x + 180]
    assert sheets[False][middle].std() > 8
    np.testing.assert_array_equal(sheets[False][middle], sheets[True][middle])


def test_the_outline_is_drawn_where_the_region_is(clip: Path, tmp_path: Path) -> None:
    report = inspect_clip(clip, Geometry(), tmp_path / "sheet.png")
    sheet = cv2.imread(str(report.sheet)).astype(int)
    region = report.regions[0]
    row = 22 + 2 * 322 + 37 + round((region.polygon[0][1]) * 300 / 480)
    green = (sheet[..., 1] - sheet[..., [0, 2]].max(axis=2)) > 60
    column = 3 * 304 + round(region.polygon[0][0] * 300 / 480)
    assert green[row - 3 : row + 4, column - 3 : column + 4].any()


def test_the_model_picture_is_on_the_sheet(clip: Path, tmp_path: Path) -> None:
    report = inspect_clip(clip, Geometry(size=300), tmp_path / "sheet.png")
    sheet = cv2.imread(str(report.sheet))
    shown = sheet[22 : 22 + 300, 4 * 304 : 4 * 304 + 300, 0]
    scores = [
        np.abs(Geometry(size=300).apply(image, report.regions[0]).astype(int) - shown).mean() for image in DRAWN.images
    ]
    assert min(scores) < 5  # as far as the codec leaves it


def test_a_short_clip(tmp_path: Path) -> None:
    write_video(tmp_path / "one.avi", DRAWN.images[:1], bits=8_000_000)
    report = inspect_clip(tmp_path / "one.avi", Geometry(), tmp_path / "sheet.png")
    assert report.frames == 1 and report.interval_s == 0.0
    assert dict(report.facts())["pace"].startswith("no clock")


def test_a_stated_region_is_taken(clip: Path, tmp_path: Path) -> None:
    report = inspect_clip(clip, Geometry(region=(100, 50, 300, 250)), tmp_path / "sheet.png")
    assert [(region.box, region.kind) for region in report.regions] == [((100, 50, 300, 250), "stated")]


@pytest.mark.parametrize("frames", [1, 12, 13, 24, 25, 100, 1000])
def test_tiles_are_spread_evenly(frames: int) -> None:
    sample, region = EvenSample[CheckedFrame](24), Region(0, 0, 2, 2, 2, 2)
    for index in range(frames):
        sample.offer(CheckedFrame(Frame(index, index / 10, 0.1, np.zeros((2, 2), np.uint8)), region, ""))
    at = [seen.frame.index for seen in _tiles(sample.kept)]
    assert len(at) == min(12, frames) and at == sorted(set(at))
    if frames > 12:
        steps = np.diff(at)
        assert at[0] == 0 and steps.max() <= 2 * steps.min() and frames - at[-1] <= steps.max()


def test_errors_are_for_people(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        inspect_clip(tmp_path / "absent.mp4", Geometry(), tmp_path / "sheet.png")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError):
        inspect_clip(clip, Geometry(), blocked / "sheet.png")


@pytest.mark.real
def test_every_real_clip_has_a_sheet(real_clips: Path, tmp_path: Path) -> None:
    for path in sorted((real_clips / "clips").iterdir()):
        if path.stat().st_size > 320_000:
            continue  # a third of them is enough here; test_geometry looks at them all
        report = inspect_clip(path, Geometry(), tmp_path / f"{path.stem}.png")
        assert report.report.verdict == "complete" and report.gate == (), path.name
        assert report.regions[0].kind in ("convex", "phased"), path.name
