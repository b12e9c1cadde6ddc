"""Inspect tells what is in the clip, and shows nothing from outside the ultrasound region unless asked to."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from seqcls.errors import NoFramesError, SourceError
from seqcls.geometry import Geometry
from seqcls.inspect import inspect_clip
from seqcls.phantom import SweepOptions, write_sweep


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convex sweep with a name burnt in at the top left."""
    path = tmp_path_factory.mktemp("inspect") / "neck.mp4"
    write_sweep(path, SweepOptions(patient=4, width=320, height=240, duration_s=4.0, rate_hz=10.0, geometry="convex"))
    return path


def top_left(sheet: Path) -> float:
    """Brightness where the first cell shows the burnt-in name, below its caption."""
    image = cv2.imread(str(sheet), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return float(image[25:36, :120].max())


def test_facts_and_sheet(sweep: Path, tmp_path: Path) -> None:
    report = inspect_clip(sweep, Geometry(), tmp_path / "s.png")
    facts = dict(report.facts())
    assert facts["frames"] == "40 (declared: 40)" and facts["input"] == "complete" and facts["picture"] == "320x240"
    assert report.region.kind == "convex" and report.duration_s == pytest.approx(4.0)
    image = cv2.imread(str(tmp_path / "s.png"))
    assert image is not None and image.shape == (3 * (240 + 24), 4 * 320, 3)


def test_names_are_blank_unless_asked_for(sweep: Path, tmp_path: Path) -> None:
    inspect_clip(sweep, Geometry(), tmp_path / "s.png")
    inspect_clip(sweep, Geometry(), tmp_path / "all.png", show_all=True)
    assert top_left(tmp_path / "s.png") == 0 and top_left(tmp_path / "all.png") > 100


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        inspect_clip(tmp_path / "none.mp4", Geometry(), tmp_path / "s.png")
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises((SourceError, NoFramesError)):
        inspect_clip(tmp_path / "empty.mp4", Geometry(), tmp_path / "s.png")
    assert not (tmp_path / "s.png").exists()


@pytest.mark.real
def test_every_real_clip_can_be_inspected(real_clips: Path, tmp_path: Path) -> None:
    for path in sorted((real_clips / "clips").iterdir()):
        report = inspect_clip(path, Geometry(), tmp_path / f"{path.stem}.png")
        assert report.report.verdict == "complete", path.name
        assert report.region.x1 - report.region.x0 > 0.5 * report.region.width
        image = cv2.imread(str(tmp_path / f"{path.stem}.png"))
        assert image is not None and np.ptp(image) > 100
