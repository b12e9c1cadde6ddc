"""Pictures of the region alone, few and small."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.drawn import write_clip
from support.timelines import timeline

from seqcls.errors import SourceError
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, Region, region_mask
from seqcls.report.thumbnails import (
    HEIGHT,
    MOST,
    THUMBNAIL,
    Thumbnail,
    thumbnails_of,
    thumbnails_of_clip,
    thumbnails_of_run,
    write_thumbnail,
)
from seqcls.sources import open_source
from seqcls.sources.clip_digest import clip_digest
from seqcls.sources.isolated import DecoderPool
from seqcls.types import Frame


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with closing(DecoderPool()) as made:
        yield made


def drawn(one: Thumbnail) -> np.ndarray:
    data = base64.b64decode(one.url.partition(",")[2])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)


def test_few_and_small() -> None:
    made = thumbnails_of([(float(i), np.full((300, 600), i, np.uint8)) for i in range(100)])
    assert len(made) == MOST and (made[0].time_s, made[-1].time_s) == (0.0, 99.0)
    assert drawn(made[-1]).shape == (HEIGHT, 2 * HEIGHT) and made[-1].ratio == 2.0
    assert drawn(made[-1]).mean() == pytest.approx(99, abs=1)
    assert thumbnails_of([]) == ()


def test_images_of_a_run_lose_the_borders_that_made_them_square() -> None:
    image = np.zeros((64, 64), np.uint8)
    image[16:48] = 200
    region = Region(x0=0, y0=0, x1=200, y1=100, width=200, height=100)
    run = timeline(liver="P")
    run = replace(run, thumbnails=((0.0, image),), provenance=replace(run.provenance, regions=(region,)))
    (made,) = thumbnails_of_run(run)
    assert made.ratio == 2.0 and drawn(made).min() > 190


def test_of_a_clip_only_the_region_is_shown_and_another_clip_is_refused(tmp_path: Path, pool: DecoderPool) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [True] * 20)
    run = timeline(liver="P" * 20)
    box = (20, 10, 60, 40)
    used = replace(run.provenance, geometry=Geometry(size=32, region=box), gate=GateOptions(enabled=False))
    run = replace(run, source=replace(run.source, width=96, height=80), provenance=used)  # 20 frames at 10 Hz
    done: list[int] = []
    made = thumbnails_of_clip(str(clip), run, pool, done.append)
    assert done[-1] == 20 and len(made) == 20 and drawn(made[0]).shape == (30, 40)
    shifted = replace(run.scores, time_s=run.scores.time_s + 0.05)
    known = replace(run, provenance=replace(used, source_digest="0" * 64))
    for other, why in (
        (known, "another file than the clip"),
        (replace(run, source=replace(run.source, width=90)), "images of 96x80, the run had 90x80"),
        (replace(run, scores=shifted), "frame 0 at 0.000 s, the run at 0.050 s"),
    ):
        with pytest.raises(SourceError, match=why):
            thumbnails_of_clip(str(clip), other, pool)
    same = replace(run, provenance=replace(used, source_digest=clip_digest(str(clip))))
    assert thumbnails_of_clip(str(clip), same, pool) == made


def test_a_region_that_the_run_s_file_states_shows_no_more_than_that_of_the_clip(
    tmp_path: Path, pool: DecoderPool
) -> None:
    """The file of a run says that all of the image is ultrasound; the clip itself says what is."""
    clip = write_clip(tmp_path / "clip.mp4", [True] * 20)
    with open_source(str(clip)) as source:
        images = [item.image for item in source if isinstance(item, Frame)]
    found = Geometry().find(images)
    run = timeline(liver="P" * 20)
    regions = (replace(found, x0=0, y0=0, x1=96, y1=80, polygon=()),)
    used = replace(run.provenance, geometry=Geometry(), gate=GateOptions(enabled=False), regions=regions)
    run = replace(run, source=replace(run.source, width=96, height=80), provenance=used)
    made = thumbnails_of_clip(str(clip), run, pool)
    outside = cv2.dilate(region_mask(found).astype(np.uint8), np.ones((17, 17), np.uint8)) == 0  # JPEG's blocks are 8
    assert outside.any() and made and all(drawn(one).shape == (80, 96) for one in made)
    assert max(int(drawn(one)[outside].max()) for one in made) < 8


def test_the_one_that_stands_for_a_run_is_from_the_longest_presence(tmp_path: Path) -> None:
    run = timeline(liver="PPP....PPPPP..", kidney="..............")
    pictures = thumbnails_of([(time_s, np.full((20, 30), round(100 * time_s), np.uint8)) for time_s in (0.1, 0.5, 1.0)])
    assert write_thumbnail(run, pictures, tmp_path)
    image = cv2.imread(str(tmp_path / THUMBNAIL), cv2.IMREAD_GRAYSCALE)
    assert image.shape == (20, 30) and abs(int(image[0, 0]) - 100) < 3, "from 0.7 to 1.2 s"
    assert not write_thumbnail(run, (), tmp_path) and list(tmp_path.iterdir()) == []
