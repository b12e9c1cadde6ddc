"""What every real clip must show, of sources, region and gate alike: each is decoded once for all of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.clips import read
from support.screens import shown

from seqcls.gate import Gate, GateOptions
from seqcls.geometry import Geometry, Region
from seqcls.sources import open_source

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Seen:
    """Of one clip. mean: (height, width) float32, of every eighth frame. reasons: of the gate, and how often."""

    path: Path
    times_s: list[float]
    verdict: str
    region: Region
    mean: NDArray[np.float32]
    reasons: Counter[str]


@pytest.fixture(scope="module")
def clips(real_clips: Path) -> list[Seen]:
    return [look_at(path) for path in sorted((real_clips / "clips").iterdir())]


def look_at(path: Path) -> Seen:
    frames, _, report = read(path)
    with open_source(path) as source:
        hint = source.info.region
    images = [frame.image for frame in frames]
    region = Geometry().find(images[:24], hint)
    gate = Gate(GateOptions())
    return Seen(
        path=path,
        times_s=[frame.time_s for frame in frames],
        verdict=report.verdict,
        region=region,
        mean=np.mean(images[::8], axis=0, dtype=np.float32),
        reasons=Counter(gate.check(frame.image, region, frame.time_s) for frame in frames),
    )


def test_they_are_whole(clips: list[Seen]) -> None:
    assert len(clips) == 21 and sum(len(clip.times_s) for clip in clips) == 4824
    for clip in clips:
        assert len(clip.times_s) > 20 and clip.times_s[0] == 0.0 and clip.verdict == "complete", clip.path.name


def test_the_region_loses_no_tissue(clips: list[Seen]) -> None:
    """The outline of the first frames holds the tissue of the whole clip; every clip here is a fan."""
    for clip in clips:
        region, name = clip.region, clip.path.name
        assert region.kind in ("convex", "phased") and len(region.polygon) >= 6, name
        if clip.path.suffix == ".dcm":
            assert 30 <= region.x0 <= 44 and 10 <= region.y0 <= 24 and region.x1 >= 280, region
            continue
        assert region.x1 - region.x0 >= 0.98 * region.width and region.y1 - region.y0 >= 0.98 * region.height, name
        mean = cv2.blur(clip.mean, (3, 3))
        tissue = mean > np.percentile(mean, 1) + 3
        assert (tissue & ~shown(region)).sum() <= 0.003 * tissue.sum(), name


def test_the_gate_loses_less_than_half_a_percent(clips: list[Seen]) -> None:
    lost = {clip.path.name: clip.reasons for clip in clips if set(clip.reasons) != {""}}
    assert not lost, lost  # measured: none; the target is 0.5 %
