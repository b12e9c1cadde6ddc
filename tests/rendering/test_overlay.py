"""An overlay has the clip's size and times, and nothing from outside of the region."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.screens import screen
from support.timelines import timeline

from seqcls.errors import GeometryError, OutputError, SourceError
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, region_mask
from seqcls.rendering.overlay import write_overlay
from seqcls.sources import MemorySource, Source, open_source
from seqcls.timeline import Timeline
from seqcls.types import Frame

DRAWN = screen("convex", ("text", "logo"), frames=12)
SHAPE = DRAWN.images[0].shape


def made(images: list[np.ndarray], times_s: np.ndarray, region: str = "auto") -> tuple[Timeline, list[Frame]]:
    """A timeline of these images at these times, of a run that found its region in them."""
    plain = timeline(liver="".join("P" if 3 <= k < 9 else "." for k in range(len(images))))
    geometry = Geometry(region="none" if region == "none" else "auto")
    regions = () if region == "none" else (Geometry().find(images),)
    provenance = replace(plain.provenance, geometry=geometry, gate=GateOptions(), regions=regions)
    whole = replace(plain, scores=replace(plain.scores, time_s=times_s), provenance=provenance)
    return whole, [Frame(k, time_s, 0.1, images[k]) for k, time_s in enumerate(times_s.tolist())]


def read(path: Path) -> list[Frame]:
    with open_source(path, color=True) as source:
        return [item for item in source if isinstance(item, Frame)]


def opens(frames: list[Frame]) -> Source:
    return MemorySource(frames)


TIMES_S = np.cumsum([0, 0.04, 0.05, 0.1, 0.04, 0.05, 0.3, 0.04, 0.05, 0.1, 0.04, 0.05])


def test_size_and_times_are_the_clip_s_and_names_are_black(tmp_path: Path) -> None:
    whole, frames = made(DRAWN.images, TIMES_S)
    done: list[int] = []
    write_overlay(whole, lambda: opens(frames), tmp_path / "overlay.mp4", on_progress=done.append)
    written = read(tmp_path / "overlay.mp4")
    assert done == list(range(1, 13)) and len(written) == 12
    assert [frame.time_s for frame in written] == pytest.approx(TIMES_S.tolist(), abs=1e-5)
    assert written[0].image.shape == (*SHAPE[:2], 3)
    (region,) = whole.provenance.regions
    upper = np.zeros(SHAPE[:2], bool)
    upper[: SHAPE[0] // 2] = True  # the panel is below
    outside = upper & ~region_mask(region)
    assert max(int(image[outside].max()) for image in DRAWN.images) > 200
    for frame, image in zip(written, DRAWN.images, strict=True):
        # Compression lets the edge of the sector ring a little; the names are white.
        assert frame.image[outside].max() < 60
        inside = upper & region_mask(region)
        assert np.abs(frame.image.mean(axis=2) - image)[inside].mean() < 6


def test_names_are_shown_where_that_is_asked_for(tmp_path: Path) -> None:
    whole, frames = made(DRAWN.images, TIMES_S)
    write_overlay(whole, lambda: opens(frames), tmp_path / "overlay.mp4", shows_names=True)
    (region,) = whole.provenance.regions
    outside = ~region_mask(region)
    outside[SHAPE[0] // 2 :] = False
    assert read(tmp_path / "overlay.mp4")[0].image[outside].max() > 180


def test_colours_stay(tmp_path: Path) -> None:
    whole, frames = made(DRAWN.images, TIMES_S)
    (region,) = whole.provenance.regions
    y, x = (region.y0 + region.y1) // 3, (region.x0 + region.x1) // 2
    colored = []
    for frame in frames:
        image = np.repeat(frame.image[:, :, None], 3, axis=2)
        image[y - 8 : y + 8, x - 8 : x + 8] = (0, 0, 220)
        colored.append(replace(frame, image=image))
    write_overlay(whole, lambda: opens(colored), tmp_path / "overlay.mp4")
    assert read(tmp_path / "overlay.mp4")[4].image[y, x].tolist() == pytest.approx([0, 0, 220], abs=12)


def test_another_clip_is_refused(tmp_path: Path) -> None:
    whole, frames = made(DRAWN.images, TIMES_S)
    late = [replace(frames[0], time_s=0.01), *frames[1:]]
    longer = [*frames, Frame(12, 3.0, 0.1, DRAWN.images[0])]
    for other in (frames[:-1], late, longer):
        with pytest.raises(SourceError, match="name the clip of this run"):
            write_overlay(whole, lambda: opens(other), tmp_path / "overlay.mp4")  # noqa: B023 - called at once
    assert list(tmp_path.iterdir()) == []


def test_of_an_interrupted_run_there_is_what_was_scored(tmp_path: Path) -> None:
    whole, frames = made(DRAWN.images, TIMES_S)
    whole = replace(whole, report=replace(whole.report, verdict="interrupted"))
    more = Frame(12, 3.0, 0.1, DRAWN.images[0])
    write_overlay(whole, lambda: opens([*frames, more]), tmp_path / "overlay.mp4")
    assert len(read(tmp_path / "overlay.mp4")) == 12


def test_where_nothing_may_be_shown_there_is_none(tmp_path: Path) -> None:
    gray = [np.full((96, 128), 90, np.uint8) for _ in range(12)]
    whole, frames = made(gray, TIMES_S, region="none")
    with pytest.raises(GeometryError, match=r"nothing of .* may be shown"):
        write_overlay(whole, lambda: opens(frames), tmp_path / "overlay.mp4")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "overlay.mp4").write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        write_overlay(whole, lambda: opens(frames), tmp_path / "overlay.mp4")


def test_images_of_another_size_are_fitted_in(tmp_path: Path) -> None:
    images = [*DRAWN.images[:6], *(np.ascontiguousarray(image[:, 100:-100]) for image in DRAWN.images[6:])]
    whole, frames = made(images[:6], TIMES_S[:6])
    plain, _ = made(DRAWN.images, TIMES_S)
    whole = replace(plain, provenance=replace(whole.provenance, geometry=Geometry(region="auto")))
    frames = [Frame(k, time_s, 0.1, images[k]) for k, time_s in enumerate(TIMES_S.tolist())]
    write_overlay(whole, lambda: opens(frames), tmp_path / "overlay.mp4")
    assert {frame.image.shape for frame in read(tmp_path / "overlay.mp4")} == {(*SHAPE[:2], 3)}
