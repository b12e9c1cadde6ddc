"""What is written holds the region at its times, and nothing of what lay around it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.screens import screen

from seqcls.deidentify import deidentify as module
from seqcls.deidentify.deidentify import DeidentifiedClip, DeidentifyOptions, deidentify_clip
from seqcls.errors import GeometryError, NoFramesError, OutputError, UsageError
from seqcls.geometry import Geometry, Region, region_mask
from seqcls.pseudonyms import Pseudonyms
from seqcls.rendering.kept_frames import ColorsAside, cut_out
from seqcls.sources import MemorySource, Source, open_source
from seqcls.types import Frame, Gap

Image = NDArray[np.uint8]
KEY = b"0123456789abcdef0123456789ABCDEF"
DRAWN = screen("convex", ("text", "logo", "clock"), width=320, height=240, frames=30)
#: Variable rate: 40, 40 and 70 ms in turn.
TIMES_S = [0.0, *itertools.accumulate([0.04, 0.04, 0.07] * 10)][:30]


def frames(images: Iterable[Image] = DRAWN.images) -> list[Frame]:
    return [Frame(k, TIMES_S[k % 30] + k // 30 * 2, 0.04, image) for k, image in enumerate(images)]


def source_of(items: Iterable[Frame]) -> Source:
    source = MemorySource(list(items))
    source.info = replace(source.info, name="Doe Jane.mp4", path="Doe Jane.mp4")
    return source


def deidentified(
    out: Path, items: Iterable[Frame] | None = None, header: Any = None, **options: Any
) -> DeidentifiedClip:
    source = source_of(frames() if items is None else items)
    return deidentify_clip(source, header, out, DeidentifyOptions(**options), Pseudonyms(KEY))


def read(path: Path) -> list[Frame]:
    with open_source(path) as source:
        items = [item for item in source if isinstance(item, Frame)]
        assert source.report().verdict == "complete"
    return items


@cache
def region() -> Region:
    return Geometry().find(DRAWN.images)


def test_the_drawn_screen_has_names_to_hide() -> None:
    outside = ~region_mask(region())
    assert max(int(image[outside].max()) for image in DRAWN.images) > 200


@pytest.mark.parametrize(("to", "suffix"), [("same", ".mp4"), ("dicom", ".dcm")])
def test_nothing_from_outside_the_region_is_in_the_file(to: str, suffix: str, tmp_path: Path) -> None:
    done = deidentified(tmp_path / "clip-1", to=to)
    assert [path.name for path in done.paths] == [f"clip-1{suffix}"] and done.frames == 30
    (found,) = done.regions
    box = np.s_[found.y0 : found.y1, found.x0 : found.x1]
    inside = region_mask(found)[box]
    # Compression in blocks of 16 pixels lets the edge of the sector ring a little; the names are white.
    far = cv2.dilate(inside.astype(np.uint8), np.ones((33, 33), np.uint8)) == 0
    assert far.any()
    for frame, drawn in zip(read(done.paths[0]), DRAWN.images, strict=True):
        image = frame.image[: inside.shape[0], : inside.shape[1]]
        assert image[far].max(initial=0) <= 2
        assert np.abs(image.astype(int) - cut_out(drawn, found)).mean() < 3
        if to == "dicom":
            assert (image == cut_out(drawn, found)).all()


@pytest.mark.parametrize("to", ["mp4", "dicom"])
def test_times_are_those_of_the_source(to: str, tmp_path: Path) -> None:
    done = deidentified(tmp_path / "clip", to=to)
    assert [frame.time_s for frame in read(done.paths[0])] == pytest.approx(TIMES_S, abs=1e-6)
    assert done.times_s == (0.0, pytest.approx(TIMES_S[-1] + 0.04))


def test_the_sheet_shows_what_stays_in_and_black_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    monkeypatch.setattr(module, "write_sheet", lambda sample, *_: kept.extend(sample.kept))
    done = deidentified(tmp_path / "clip")
    outside = ~region_mask(done.regions[0])
    assert len(kept) >= 12
    assert all(not one.frame.image[outside].any() and one.frame.image.any() for one in kept)


def test_the_sheet_is_a_picture_under_the_new_name(tmp_path: Path) -> None:
    done = deidentified(tmp_path / "clip")
    assert done.sheet == tmp_path / "clip-sheet.png"
    assert cv2.imread(str(done.sheet)).shape[1] > 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip-sheet.png", "clip.mp4"]


def test_an_mp4_says_nothing_of_its_making(tmp_path: Path) -> None:
    path = deidentified(tmp_path / "clip").paths[0]
    data = path.read_bytes()
    assert not [word for word in (b"Doe", b"x264", b"Lav", b"seqcls", b"encoder", b"comment") if word in data]
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        place = data.index(box) + 8  # behind the type, the version and the flags
        assert data[place : place + 8] == bytes(8), "times of making and changing"
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert set(container.metadata) <= {"major_brand", "minor_version", "compatible_brands"}


def noise(count: int, height: int = 120, width: int = 160) -> list[Image]:
    """No sector: a desktop, a worklist."""
    page = np.full((height, width), 230, np.uint8)
    for line in range(10, height, 12):
        cv2.putText(page, "Doe Jane 1970", (4, line), cv2.FONT_HERSHEY_PLAIN, 0.7, 0, 1)
    return [page.copy() for _ in range(count)]


def test_without_a_region_not_a_pixel_is_written(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match=r"no ultrasound region is found.*region="):
        deidentified(tmp_path / "clip", frames(noise(30)))
    assert list(tmp_path.iterdir()) == []


def test_a_region_stated_by_hand_is_taken(tmp_path: Path) -> None:
    done = deidentified(tmp_path / "clip", geometry=Geometry(region=(60, 40, 200, 180)))
    assert read(done.paths[0])[0].image.shape == (140, 140)
    with pytest.raises(GeometryError):
        deidentified(tmp_path / "other", geometry=Geometry(region=(0, 0, 4000, 100)))


def test_a_worklist_in_the_middle_is_black(tmp_path: Path) -> None:
    listed = noise(5, *DRAWN.images[0].shape)
    done = deidentified(tmp_path / "clip", frames([*DRAWN.images, *listed]))
    assert done.frames == 35 and dict(done.black) == {"not ultrasound": 5}
    images = [frame.image for frame in read(done.paths[0])]
    assert max(int(image.max()) for image in images[31:]) <= 8 and images[0].max() > 100
    assert "5 of 35 frames are black: not ultrasound" in done.warnings


def test_damaged_frames_are_black(tmp_path: Path) -> None:
    """A decoder that lost its way moves blocks about, from outside into the region too."""
    items = frames()
    items[20] = Frame(20, items[20].time_s, 0.04, items[20].image, damaged="bits are missing")
    done = deidentified(tmp_path / "clip", items, to="dicom")
    assert dict(done.black) == {"damaged: bits are missing": 1}
    assert [bool(frame.image.any()) for frame in read(done.paths[0])].count(False) == 1


def test_a_clip_without_ultrasound_in_its_region_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match=r"no frame of .* shows ultrasound"):
        deidentified(tmp_path / "clip", frames(noise(30)), geometry=Geometry(region="none"))
    with pytest.raises(NoFramesError):
        deidentified(tmp_path / "clip", [])
    assert list(tmp_path.iterdir()) == []


def test_another_size_becomes_another_file(tmp_path: Path) -> None:
    small = [cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA) for image in DRAWN.images]
    done = deidentified(tmp_path / "clip", frames([*DRAWN.images, *small]), to="dicom")
    assert [path.name for path in done.paths] == ["clip.dcm", "clip-2.dcm"]
    assert [len(read(path)) for path in done.paths] == [30, 30]
    assert "the size of the region changes: 2 files" in done.warnings


def test_colour_is_kept_where_there_is_any(tmp_path: Path) -> None:
    """A colour box in half of the frames makes all of a DICOM's frames coloured; the gray ones stay gray."""
    coloured = []
    for number, image in enumerate(DRAWN.images):
        bgr = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        if number >= 15:
            bgr[100:128, 146:174] = (bgr[100:128, 146:174] * (0.2, 0.4, 1.0)).astype(np.uint8)
        coloured.append(bgr)
    for to in ("mp4", "dicom"):
        done = deidentified(tmp_path / to, frames(coloured), to=to)
        with open_source(done.paths[0], color=True) as source:
            images = [item.image for item in source if isinstance(item, Frame)]
        (found,) = done.regions
        patch = np.s_[104 - found.y0 : 124 - found.y0, 150 - found.x0 : 170 - found.x0]
        blue, red = images[20][patch][..., 0].mean(), images[20][patch][..., 2].mean()
        assert red > 2 * blue > 0
        assert np.ptp(images[5][patch].astype(int), axis=-1).max() <= 6
    assert (images[20][patch] == coloured[20][104:124, 150:170]).all()


def test_text_inside_the_region_is_warned_of_and_recorded(tmp_path: Path) -> None:
    import pydicom

    named = [image.copy() for image in DRAWN.images]
    for image in named:
        cv2.putText(image, "DOE JANE", (125, 155), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1, cv2.LINE_AA)
    done = deidentified(tmp_path / "named", frames(named), to="dicom")
    assert any("looks like text" in warning for warning in done.warnings)
    tags = pydicom.dcmread(done.paths[0])
    assert tags.BurnedInAnnotation == "YES"
    assert [code.CodeValue for code in tags.DeidentificationMethodCodeSequence] == ["113100"]


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"mine")
    with pytest.raises(OutputError, match="overwrite=True"):
        deidentified(tmp_path / "clip")
    assert (tmp_path / "clip.mp4").read_bytes() == b"mine" and len(list(tmp_path.iterdir())) == 1
    assert deidentified(tmp_path / "clip", overwrite=True).frames == 30


def test_an_error_on_the_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_sheet", fail)
    with pytest.raises(OutputError, match="No space left"):
        deidentified(tmp_path / "clip")
    assert list(tmp_path.iterdir()) == []


def test_another_form_is_refused() -> None:
    with pytest.raises(UsageError, match="mp4 or dicom"):
        DeidentifyOptions(to="avi")  # type: ignore[arg-type]


def test_cut_out_is_gray_where_the_colours_are_alike() -> None:
    whole = Region(0, 0, 8, 6, 8, 6)
    gray = np.full((6, 8, 3), 90, np.uint8)
    gray[2, 3] = (88, 90, 100)
    assert cut_out(gray, whole).shape == (6, 8)
    gray[2, 3] = (60, 90, 120)
    assert cut_out(gray, whole).shape == (6, 8, 3)
    corner = Region(2, 1, 8, 6, 8, 6, ((2, 1), (7, 1), (2, 5)), "phased")
    cut = cut_out(np.full((6, 8), 200, np.uint8), corner)
    assert cut.shape == (5, 6) and cut[0, 0] == 200 and cut[4, 5] == 0


def test_a_menu_that_is_taken_for_ultrasound_is_refused(tmp_path: Path) -> None:
    """It stands still and holds text; a region by hand is taken at its word."""
    still = DRAWN.images[0].copy()
    cv2.putText(still, "DOE JANE", (125, 155), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1, cv2.LINE_AA)
    with pytest.raises(GeometryError, match=r"stands still and holds text.*region="):
        deidentified(tmp_path / "clip", frames([still] * 30))
    assert list(tmp_path.iterdir()) == []
    done = deidentified(tmp_path / "clip", frames([still] * 30), geometry=Geometry(region=region().box))
    assert any("looks like text" in warning for warning in done.warnings)


def test_frames_before_a_region_is_found_are_black(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of worklists, then ultrasound: the search goes on, and what came before keeps its times alone."""
    height, width = DRAWN.images[0].shape
    nowhere = Region(0, 0, width, height, width, height, kind="none", confidence=0.0)
    found = [nowhere] * 4 + [region()] * 8 + [nowhere]
    monkeypatch.setattr(module, "with_region", lambda items, *_: zip(items, found, strict=False))
    done = deidentified(tmp_path / "clip", frames()[:13], to="dicom")
    assert dict(done.black) == {"no ultrasound region": 5} and done.frames == 13
    read_back = read(done.paths[0])
    assert [bool(frame.image.any()) for frame in read_back] == [False] * 4 + [True] * 8 + [False]
    assert [frame.time_s for frame in read_back] == pytest.approx(TIMES_S[:13], abs=1e-6)


def test_colours_wait_compressed_and_come_back_as_they_were() -> None:
    random = np.random.default_rng(1)
    color = [Frame(k, 0.1 * k, 0.1, random.integers(0, 256, (20, 30, 3)).astype(np.uint8)) for k in range(3)]
    gray = Frame(3, 0.3, 0.1, np.zeros((20, 30), np.uint8))
    gap = Gap(0.4, 0.5, "lost")
    colors = ColorsAside()
    searched = list(colors.kept_of([*color, gray, gap]))
    assert [item.image.ndim for item in searched if isinstance(item, Frame)] == [2, 2, 2, 2]
    assert [image.ndim for image in colors._images.values()] == [1, 1, 3], "all but the last wait"
    for one, item in zip(color, searched, strict=False):
        assert isinstance(item, Frame) and (colors.given_back(item).image == one.image).all()
    assert colors.given_back(gray) is gray and searched[-1] is gap and not colors._images
