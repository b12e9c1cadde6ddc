"""The ultrasound region in drawn screens whose truth is known, and what the model gets of it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.screens import Screen, screen, sector_of, speckle

from seqcls.errors import GeometryError
from seqcls.geometry import Geometry, Region, RegionFinder, layout_warning, outline_mask
from seqcls.geometry.geometry import letterbox

FURNITURE = ("text", "ticks", "bar", "logo", "clock", "ecg", "cursor")
AUTO, WHOLE = Geometry(size=64), Geometry(size=64, region="none")


def shown(region: Region) -> NDArray[np.bool_]:
    """(height, width) bool: what of the picture may be seen."""
    inside = np.zeros((region.height, region.width), bool)
    mask = outline_mask(region)
    inside[region.y0 : region.y1, region.x0 : region.x1] = True if mask is None else mask > 0
    return inside


def assert_fits(drawn: Screen, region: Region, least_iou: float = 0.95) -> None:
    """Against the hull of the sector: the face of a curved probe bulges into it."""
    found = shown(region)
    truth = np.zeros(drawn.sector.shape, np.uint8)
    cv2.fillConvexPoly(truth, cv2.convexHull(np.argwhere(drawn.sector)[:, ::-1].astype(np.int32)), 1)
    iou = (found & (truth > 0)).sum() / (found | (truth > 0)).sum()
    lost = (drawn.sector & ~found).sum() / drawn.sector.sum()
    assert iou >= least_iou, f"IoU {iou:.3f}"
    assert lost <= 0.01, f"{lost:.1%} of the tissue is lost"
    assert (drawn.printed & found).sum() <= 0.0003 * found.sum(), "overlay shows"


CASES: dict[str, dict[str, Any]] = {
    "bare": {},
    "overlay": {"overlay": FURNITURE},
    "menu": {"overlay": (*FURNITURE, "menu")},
    "lit panel": {"overlay": ("panel", "text", "clock")},
    "lit panel with a black box": {"overlay": ("panel", "box", "text", "clock", "menu")},
    "left half dark": {"overlay": FURNITURE, "dark_side": "left"},
    "right half dark": {"overlay": ("panel", "box", "text"), "dark_side": "right"},
    "black frames first": {"overlay": FURNITURE, "black": 3},
    "nothing moves": {"overlay": ("text", "ticks", "bar", "logo"), "moving": False},
    "one frame": {"overlay": FURNITURE, "frames": 1},
    "large": {"overlay": FURNITURE, "width": 1000, "height": 750, "frames": 6},
}  # fmt: skip


@pytest.mark.parametrize("kind", ["linear", "trapezoid", "convex", "phased"])
@pytest.mark.parametrize("case", CASES)
def test_the_sector_is_found(kind: str, case: str) -> None:
    drawn = screen(kind, **CASES[case])
    # A trapezoid is half the size of the others: the same two pixels of margin weigh more.
    assert_fits(drawn, AUTO.find(drawn.images), 0.94 if kind == "trapezoid" else 0.95)


@pytest.mark.parametrize("kind", ["linear", "convex", "phased"])
@pytest.mark.parametrize(
    ("codec", "pixels", "bits"),
    [("libx264", "yuv420p", 600_000), ("mpeg2video", "yuv420p", 1_500_000), ("mjpeg", "yuvj420p", 6_000_000)],
)
def test_the_sector_is_found_in_a_recording(kind: str, codec: str, pixels: str, bits: int) -> None:
    """Codecs leave ripples all around what moves and what is written."""
    drawn = screen(kind, (*FURNITURE, "menu"), dark_side="left" if codec == "libx264" else "")
    region = AUTO.find(recorded(drawn.images, codec, pixels, bits))
    assert_fits(drawn, region, 0.93)


def recorded(images: list[NDArray[np.uint8]], codec: str, pixels: str, bits: int) -> list[NDArray[np.uint8]]:
    """The luma planes after a codec."""
    stored = io.BytesIO()
    with av.open(stored, "w", format="mpegts" if codec == "mpeg2video" else "matroska") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = images[0].shape
        stream.pix_fmt, stream.bit_rate = pixels, bits
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray").reformat(format=pixels)))
        container.mux(stream.encode())
    stored.seek(0)
    with av.open(stored) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("kind", "named"), [("linear", "linear"), ("convex", "convex"), ("phased", "phased"), ("full", "full")]
)
def test_the_kind_is_named(kind: str, named: str) -> None:
    assert AUTO.find(screen(kind, frames=4).images).kind == named


@pytest.mark.parametrize("moving", [True, False])
def test_a_tight_clip_loses_nothing(moving: bool) -> None:
    drawn = screen("cropped", moving=moving)
    region = AUTO.find(drawn.images)
    assert region.box == (0, 0, 480, 360)
    assert not (drawn.sector & ~shown(region)).any()


@pytest.mark.parametrize("dark_side", ["", "left"])
def test_tissue_up_to_the_rim_is_the_whole_picture(dark_side: str) -> None:
    region = AUTO.find(screen("full", dark_side=dark_side).images)
    assert region == Region(0, 0, 480, 360, 480, 360)


def test_a_tight_clip_goes_down_to_the_rim_where_the_deep_is_dark_at_first() -> None:
    drawn = screen("cropped")
    images = [image.copy() for image in drawn.images]
    for image in images:
        image[335:] = 0
    assert AUTO.find(images).y1 == 360


def test_deep_noise_behind_a_black_band_belongs_to_the_sector() -> None:
    rng = np.random.default_rng(3)
    sector = sector_of("convex", 480, 360)
    images = []
    for _ in range(24):
        level = np.where(np.arange(360)[:, None] < 150, 120, np.where(np.arange(360)[:, None] < 220, 0, 5))
        images.append((np.clip(speckle(rng, 480, 360) * level, 0, 255) * sector).astype(np.uint8))
    assert_fits(Screen(images, sector, np.zeros_like(sector)), AUTO.find(images))


def test_a_still_and_dim_panel_around_is_left_out() -> None:
    drawn = screen("convex")
    panel = np.full((360, 480), 14, np.uint8)
    panel[:12] = panel[-12:] = panel[:, :12] = panel[:, -12:] = 0
    images = [np.where(drawn.sector, image, panel) for image in drawn.images]
    assert_fits(drawn, AUTO.find(images), 0.94)


def test_two_moving_pictures_become_one_region() -> None:
    """The larger one: a second one beside it is cut off, not joined."""
    small, large = screen("linear", width=160, height=120), screen("convex", width=300, height=240)
    images = []
    for a, b in zip(small.images, large.images, strict=True):
        both = np.zeros((240, 520), np.uint8)
        both[:, :300], both[:120, 330:490] = b, a
        images.append(both)
    assert AUTO.find(images).x1 <= 310


def test_color_counts_like_gray() -> None:
    drawn = screen("convex", ("text",), frames=6)
    colored = [cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) for image in drawn.images]
    assert AUTO.find(colored) == AUTO.find(drawn.images)
    region = AUTO.find(colored)
    np.testing.assert_array_equal(AUTO.apply(colored[0], region), AUTO.apply(drawn.images[0], region))


def test_color_is_weighed_as_the_eye_does() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[..., 1] = 200  # green
    assert WHOLE.crop(image, WHOLE.find([image]))[0, 0] == 117  # 0.587 * 200


# --- hints


def test_a_hint_keeps_the_search_inside() -> None:
    left, right = screen("linear", width=240, height=240), screen("linear", width=240, height=240, seed=1)
    images = [np.hstack([a, b]) for a, b in zip(left.images, right.images, strict=True)]
    region = AUTO.find(images, hint=(240, 0, 480, 240))
    assert region.x0 >= 240
    assert_fits(
        Screen(images, np.hstack([np.zeros_like(right.sector), right.sector]), np.zeros((240, 480), bool)), region, 0.93
    )


def test_a_hint_that_cuts_through_the_sector_is_not_believed() -> None:
    """pydicom's examples_ybr_color.dcm states a box for a picture twice its size."""
    drawn = screen("convex", ("text",))
    assert AUTO.find(drawn.images, hint=(90, 40, 480, 360)) == AUTO.find(drawn.images)


def test_a_hint_beside_the_picture_is_none() -> None:
    drawn = screen("convex", frames=4)
    assert AUTO.find(drawn.images, hint=(900, 900, 1200, 1200)) == AUTO.find(drawn.images)


def test_where_nothing_is_found_the_hint_remains() -> None:
    black = np.zeros((100, 200), np.uint8)
    assert AUTO.find([black], hint=(20, 10, 120, 90)).box == (20, 10, 120, 90)
    assert AUTO.find([black]) == Region(0, 0, 200, 100, 200, 100)


# --- the finder


def test_the_finder_answers_once_24_frames_tell_something() -> None:
    drawn = screen("convex", ("text", "clock"), black=7, frames=40)
    finder, answers = RegionFinder(AUTO), []
    for image in drawn.images:
        answers.append(finder.push(image))
        if answers[-1] is not None:
            break
    assert len(answers) == 7 + RegionFinder.FRAMES
    assert answers[-1] == AUTO.find(drawn.images[: 7 + RegionFinder.FRAMES])


def test_the_finder_waits_out_a_menu_but_not_for_ever() -> None:
    menu = np.zeros((120, 160), np.uint8)
    cv2.putText(menu, "EXAM 7", (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 220, 1)
    drawn = screen("convex", width=160, height=120, frames=RegionFinder.FRAMES)
    finder = RegionFinder(AUTO)
    assert all(finder.push(menu) is None for _ in range(RegionFinder.FRAMES))
    assert [finder.push(image) for image in drawn.images][-1] == AUTO.find(drawn.images)
    finder = RegionFinder(AUTO)
    answers = [finder.push(menu) for _ in range(RegionFinder.MOST)]
    assert answers[:-1] == [None] * (RegionFinder.MOST - 1) and answers[-1] == Region(0, 0, 160, 120, 160, 120)


def test_a_stated_region_needs_no_search() -> None:
    image = np.zeros((100, 200), np.uint8)
    assert RegionFinder(WHOLE).push(image) == Region(0, 0, 200, 100, 200, 100)
    box = Geometry(region=(10, 20, 110, 90))
    assert RegionFinder(box).push(image) == Region(10, 20, 110, 90, 200, 100, kind="stated")


def test_frames_repeated_by_a_conversion_change_nothing() -> None:
    drawn = screen("phased", FURNITURE, frames=12)
    twice = [image for image in drawn.images for _ in range(2)]
    assert AUTO.find(twice) == AUTO.find(drawn.images)


def test_a_finder_takes_one_picture_size() -> None:
    finder = RegionFinder(AUTO)
    finder.push(np.zeros((10, 20), np.uint8))
    with pytest.raises(GeometryError, match="size changes"):
        finder.push(np.zeros((20, 10), np.uint8))


def test_no_picture_is_an_error() -> None:
    with pytest.raises(GeometryError, match="no picture"):
        RegionFinder(AUTO).finish()


@pytest.mark.parametrize("box", [(0, 0, 300, 50), (0, 0, 100, 101), (250, 0, 260, 50)])
def test_a_stated_region_must_fit(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(GeometryError, match="does not fit a picture of 200x100"):
        Geometry(region=box).find([np.zeros((100, 200), np.uint8)])


@pytest.mark.parametrize(
    "options",
    [{"size": 8}, {"region": (5, 5, 5, 9)}, {"region": (-1, 0, 5, 5)}, {"region": "all"}, {"region": (1, 2, 3)}],
)
def test_options_that_cannot_be_right(options: dict[str, Any]) -> None:
    with pytest.raises(GeometryError):
        Geometry(**options)


# --- what the model gets


def test_nothing_outside_the_outline_is_shown() -> None:
    drawn = screen("convex", FURNITURE)
    region = AUTO.find(drawn.images)
    blank = drawn.images[-1].copy()
    blank[~shown(region)] = 0
    np.testing.assert_array_equal(
        AUTO.crop(drawn.images[-1], region), blank[region.y0 : region.y1, region.x0 : region.x1]
    )
    np.testing.assert_array_equal(AUTO.apply(drawn.images[-1], region), AUTO.apply(blank, region))


@pytest.mark.parametrize("size", [224, 64, 333])
@pytest.mark.parametrize("box", [(3, 5, 478, 352), (0, 0, 480, 360), (100, 100, 151, 133)])
def test_a_stored_crop_gives_the_same_picture(size: int, box: tuple[int, int, int, int]) -> None:
    image = screen("phased", ("text",), frames=1).images[0]
    region = Region(*box, 480, 360, ((120, 110), (150, 132), (104, 128)), "phased")
    geometry, plain = Geometry(size=size), Geometry(size=size, region="none")
    crop = geometry.crop(image, region)
    assert crop.flags.c_contiguous and crop.shape == (box[3] - box[1], box[2] - box[0])
    np.testing.assert_array_equal(geometry.apply(image, region), plain.apply(crop, plain.find([crop])))


@pytest.mark.parametrize(
    ("height", "width"), [(100, 200), (200, 100), (64, 64), (30, 40), (501, 999), (64, 1), (700, 300)]
)
def test_the_letterbox_does_not_stretch(height: int, width: int) -> None:
    out = letterbox(np.full((height, width), 200, np.uint8), 64)
    rows, columns = np.flatnonzero(out.any(axis=1)), np.flatnonzero(out.any(axis=0))
    assert out.shape == (64, 64) and out.dtype == np.uint8
    scale = 64 / max(height, width)
    assert abs(len(rows) - height * scale) <= 1 and abs(len(columns) - width * scale) <= 1
    assert abs((rows[0] + rows[-1]) / 2 - 31.5) <= 0.5 and abs((columns[0] + columns[-1]) / 2 - 31.5) <= 0.5
    assert (out[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == 200).all()


def test_fine_patterns_do_not_alias() -> None:
    """A grating far finer than the small pixels must turn gray; INTER_LINEAR alone leaves moiré of full contrast."""
    x = np.arange(1000)
    grating = np.tile((127.5 + 127.5 * np.sin(2 * np.pi * x / 2.1)).astype(np.uint8), (1000, 1))
    direct = cv2.resize(grating, (224, 224), interpolation=cv2.INTER_LINEAR)
    assert direct.std() > 40 and letterbox(grating, 224).std() < 8


def test_close_to_area_averaging() -> None:
    image = screen("full", frames=1, width=1024, height=768).images[0]
    area = cv2.resize(image, (224, 168), interpolation=cv2.INTER_AREA)
    difference = np.abs(letterbox(image, 224)[28:196].astype(float) - area)
    assert difference.mean() < 3


def test_a_region_is_for_its_picture_size_only() -> None:
    with pytest.raises(GeometryError, match="not for a picture of 30x20"):
        AUTO.crop(np.zeros((20, 30), np.uint8), Region(0, 0, 10, 10, 40, 20))


def test_inputs_are_left_alone() -> None:
    drawn = screen("convex", ("text",), frames=3)
    before = [image.copy() for image in drawn.images]
    for image in drawn.images:
        image.flags.writeable = False
    region = AUTO.find(drawn.images)
    AUTO.apply(drawn.images[0], region)
    np.testing.assert_array_equal(drawn.images, before)


# --- records


@pytest.mark.parametrize("geometry", [Geometry(), Geometry(size=96, region="none"), Geometry(region=(1, 2, 30, 40))])
def test_a_geometry_survives_json(geometry: Geometry) -> None:
    assert Geometry.from_dict(geometry.to_dict()) == geometry
    assert isinstance(geometry.to_dict()["region"], (str, list))


def test_a_region_survives_json() -> None:
    region = Region(1, 2, 30, 40, 50, 60, ((1, 2), (29, 2), (9, 39)), "phased")
    assert Region.from_dict(region.to_dict()) == region
    assert region.to_dict()["polygon"] == [[1, 2], [29, 2], [9, 39]]


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"size": 224},
        {"size": "x", "region": "auto"},
        {"size": 224, "region": [1, 2]},
        {"size": 3, "region": "none"},
    ],
)
def test_a_damaged_geometry_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(GeometryError):
        Geometry.from_dict(record)


@pytest.mark.parametrize(
    "change", [{"x0": 30}, {"y1": 61}, {"kind": "round"}, {"polygon": ((1, 2), (3, 4))}, {"x0": -1}]
)
def test_a_region_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(GeometryError):
        replace(Region(1, 2, 30, 40, 50, 60), **change)


CONVEX = Region(0, 0, 600, 450, 800, 600, ((0, 0), (599, 0), (300, 449)), "convex")


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (CONVEX, ""),
        (Region(100, 100, 700, 500, 1024, 768, (), "convex"), ""),
        (Region(0, 0, 600, 450, 600, 450), ""),
        (Region(0, 0, 600, 450, 800, 600, (), "linear"), "linear, not convex"),
        (Region(0, 0, 800, 300, 800, 600, (), "convex"), "another shape"),
        (Region(0, 0, 160, 120, 800, 600, (), "convex"), "far smaller"),
    ],
    ids=["same", "other scanner", "whole picture", "kind", "shape", "size"],
)
def test_a_foreign_layout_is_told(region: Region, words: str) -> None:
    said = layout_warning(region, [CONVEX])
    assert said == "" if not words else words in said and "\n" not in said


def test_one_like_layout_in_training_is_enough() -> None:
    linear = Region(0, 0, 300, 400, 800, 600, (), "linear")
    assert layout_warning(linear, [CONVEX, linear]) == ""
    assert layout_warning(linear, []) == ""


# --- real clips


@pytest.mark.real
def test_real_clips_lose_no_tissue(real_clips: Any) -> None:
    """The outline of the first frames holds the tissue of the whole clip; every clip here is a fan."""
    from seqcls.sources import open_source
    from seqcls.types import Frame

    clips = sorted((real_clips / "clips").iterdir())
    assert len(clips) == 21
    for path in clips:
        with open_source(path) as source:
            images = [item.image for item in source if isinstance(item, Frame)]
            hint = source.info.region
        region = AUTO.find(images[:24], hint)
        assert region.kind in ("convex", "phased") and len(region.polygon) >= 6, path.name
        if path.suffix == ".dcm":
            assert 30 <= region.x0 <= 44 and 10 <= region.y0 <= 24 and region.x1 >= 280, region
            continue
        assert region.x1 - region.x0 >= 0.98 * region.width and region.y1 - region.y0 >= 0.98 * region.height, path.name
        mean = cv2.blur(np.mean(images[::8], axis=0, dtype=np.float32), (3, 3))
        tissue = mean > np.percentile(mean, 1) + 3
        assert (tissue & ~shown(region)).sum() <= 0.003 * tissue.sum(), path.name
