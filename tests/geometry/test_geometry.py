"""The ultrasound region in drawn screens whose truth is known, and what the model gets of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.encoded import recorded
from support.screen_kinds import draw
from support.screens import Screen, screen, sector_of, shown, speckle

from seqcls.errors import GeometryError
from seqcls.geometry import Geometry, Layout, Region, RegionFinder
from seqcls.geometry import geometry as module
from seqcls.geometry.outline import Outline

FURNITURE = ("text", "ticks", "bar", "logo", "clock", "ecg", "cursor")
AUTO, WHOLE = Geometry(size=64), Geometry(size=64, region="none")


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
    "overlay": {"overlay": FURNITURE},
    "menu": {"overlay": (*FURNITURE, "menu")},
    "lit panel": {"overlay": ("panel", "text", "clock")},
    "lit panel with a black box": {"overlay": ("panel", "box", "text", "clock", "menu")},
    "left half dark": {"overlay": FURNITURE, "dark_side": "left"},
    "right half dark": {"overlay": ("panel", "box", "text"), "dark_side": "right"},
    "black frames first": {"overlay": FURNITURE, "black": 3},
    "nothing moves": {"overlay": ("text", "ticks", "bar", "logo"), "moving": False},
    "one frame": {"overlay": FURNITURE, "frames": 1},
    "large": {"overlay": FURNITURE, "width": 1000, "height": 750, "frames": 3},
}  # fmt: skip
#: Every shape under the commonest conditions, and one shape under every condition.
SCREENS = [*((kind, "overlay") for kind in ("linear", "trapezoid", "phased")), *(("convex", case) for case in CASES)]


@pytest.mark.parametrize(("kind", "case"), SCREENS)
def test_the_sector_is_found(kind: str, case: str) -> None:
    drawn = screen(kind, **{"frames": 12} | CASES[case])
    # A trapezoid is half the size of the others: the same two pixels of margin weigh more.
    assert_fits(drawn, AUTO.find(drawn.images), 0.94 if kind == "trapezoid" else 0.95)


@pytest.mark.parametrize(
    "kind",
    [
        "gray panels, no rim",
        "touches an edge",
        "apex below",
        "low motion on gray",
        "frame grabber",
        "two pictures",
        "empty middle",
        "wide fan, apex below",
        "inverted",
    ],
)
def test_the_sector_is_found_on_screens_of_many_kinds(kind: str) -> None:
    """scripts/region_figures.py has the figures of all kinds."""
    drawn = draw(kind, frames=6)
    region = AUTO.find(drawn.images)
    truth = np.zeros(drawn.sector.shape, np.uint8)
    cv2.fillConvexPoly(truth, cv2.convexHull(np.argwhere(drawn.sector)[:, ::-1].astype(np.int32)), 1)
    assert (shown(region) & (truth > 0)).sum() / (shown(region) | (truth > 0)).sum() >= 0.9
    assert (drawn.printed & shown(region)).sum() <= 0.01 * drawn.printed.sum() and region.confidence >= 0.5


@pytest.mark.parametrize("kind", ["cropped fan", "cropped linear", "cropped, with marks"])
def test_a_clip_already_cropped_is_the_whole_image(kind: str) -> None:
    drawn = draw(kind, frames=6)
    region = AUTO.find(drawn.images)
    assert region.box == (0, 0, region.width, region.height)


@pytest.mark.parametrize(
    ("kind", "codec", "pixels", "bits"),
    [
        ("linear", "libx264", "yuv420p", 600_000),
        ("convex", "mpeg2video", "yuv420p", 1_500_000),
        ("phased", "mjpeg", "yuvj420p", 6_000_000),
    ],
)
def test_the_sector_is_found_in_a_recording(kind: str, codec: str, pixels: str, bits: int) -> None:
    """Codecs leave ripples all around what moves and what is written."""
    drawn = screen(kind, (*FURNITURE, "menu"), dark_side="left" if codec == "libx264" else "")
    region = AUTO.find(recorded(drawn.images, codec, bits, pixels))
    assert_fits(drawn, region, 0.93)


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


# --- the finder


def test_the_finder_answers_once_24_frames_tell_something() -> None:
    drawn = screen("convex", ("text", "clock"), black=7, frames=40)
    finder, answers = RegionFinder(AUTO), []
    for image in drawn.images:
        answers.append(finder.push(image))
        if answers[-1] is not None:
            break
    assert len(answers) == 7 + RegionFinder.USABLE_FRAMES
    assert answers[-1] == AUTO.find(drawn.images[: 7 + RegionFinder.USABLE_FRAMES])


def test_the_finder_waits_out_a_menu_but_not_for_ever() -> None:
    menu = np.zeros((120, 160), np.uint8)
    cv2.putText(menu, "EXAM 7", (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 220, 1)
    drawn = screen("convex", width=160, height=120, frames=RegionFinder.USABLE_FRAMES)
    finder = RegionFinder(AUTO)
    assert all(finder.push(menu) is None for _ in range(RegionFinder.USABLE_FRAMES))
    answers = [finder.push(image) for image in drawn.images]
    assert answers[:-1] == [None] * (RegionFinder.USABLE_FRAMES - 1) and answers[-1] == AUTO.find(drawn.images)
    finder = RegionFinder(AUTO)
    answers = [finder.push(menu) for _ in range(RegionFinder.MAX_FRAMES)]
    assert answers[:-1] == [None] * (RegionFinder.MAX_FRAMES - 1) and answers[-1] == Region(
        0, 0, 160, 120, 160, 120, kind="none", confidence=0.0
    )


def test_a_stated_region_needs_no_search() -> None:
    image = np.zeros((100, 200), np.uint8)
    assert RegionFinder(WHOLE).push(image) == Region(0, 0, 200, 100, 200, 100)
    box = Geometry(region=(10, 20, 110, 90))
    assert RegionFinder(box).push(image) == Region(10, 20, 110, 90, 200, 100, kind="stated")


def test_frames_repeated_by_a_conversion_change_nothing() -> None:
    drawn = screen("phased", FURNITURE, frames=12)
    twice = [image for image in drawn.images for _ in range(2)]
    assert AUTO.find(twice) == AUTO.find(drawn.images)


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


def test_inputs_are_left_alone() -> None:
    drawn = screen("convex", ("text",), frames=3)
    before = [image.copy() for image in drawn.images]
    for image in drawn.images:
        image.flags.writeable = False
    region = AUTO.find(drawn.images)
    AUTO.apply(drawn.images[0], region)
    np.testing.assert_array_equal(drawn.images, before)


# --- from corners to a region


def region_of(
    corners: list[tuple[int, int]],
    box: tuple[int, int, int, int] | None = None,
    scale: float = 1.0,
    kind: str = "convex",
    whole: bool = False,
) -> Region:
    return module._region(Outline(np.array(corners, np.int32), kind, whole, 0.7), (scale, scale), box, (200, 100))


def test_a_region_is_a_pixel_and_a_half_wider_than_found_and_even() -> None:
    """Corners 20..60 and 10..50 become 18..62 (x), 8..52 (y) inclusive: 45 pixels, hence 46."""
    region = region_of([(20, 10), (60, 10), (60, 50), (20, 50)])
    assert region.box == (18, 8, 64, 54)
    assert set(region.polygon) == {(18, 8), (62, 8), (62, 52), (18, 52)}
    assert (region.kind, region.width, region.height, region.confidence) == ("convex", 200, 100, 0.7)


def test_a_reduced_pixel_is_several_pixels_of_the_image() -> None:
    """(20 + 0.5) * 2 - 0.5 - 3 = 37.5 and (60 + 0.5) * 2 - 0.5 + 3 = 123.5, rounded to even."""
    region = region_of([(20, 10), (60, 10), (60, 30), (20, 30)], scale=2.0)
    assert (min(x for x, _ in region.polygon), max(x for x, _ in region.polygon)) == (38, 124)
    assert (min(y for _, y in region.polygon), max(y for _, y in region.polygon)) == (18, 64)


def test_a_region_stays_in_the_image_and_in_the_box() -> None:
    region = region_of([(0, 0), (150, 0), (150, 99), (0, 99)])
    assert set(region.polygon) == {(0, 0), (152, 0), (152, 99), (0, 99)}
    assert region.box == (0, 0, 154, 100)
    region = region_of([(20, 10), (60, 10), (60, 50), (20, 50)], box=(20, 10, 61, 51))
    assert set(region.polygon) == {(20, 10), (60, 10), (60, 50), (20, 50)}
    assert region.box == (20, 10, 61, 51)  # 41 pixels, but the box ends there
    region = region_of([(20, 10), (60, 10), (60, 50), (20, 50)], box=(20, 10, 60, 50))
    assert region.box == (20, 10, 60, 50)


def test_nearly_the_whole_image_is_the_whole_image() -> None:
    """Of 199 * 99, 0.985 are 19,405.5; 199 * 98 is 19,502, 196 * 99 is 19,404 and 198 * 99 is 19,602."""
    full = Region(0, 0, 200, 100, 200, 100, confidence=0.7)
    assert region_of([(0, 0), (194, 0), (194, 99), (0, 99)]).kind == "convex"
    assert region_of([(0, 0), (196, 0), (196, 99), (0, 99)]) == full
    assert region_of([(0, 0), (199, 0), (199, 96), (0, 96)]) == full
    corners = np.array([(0, 0), (393, 0), (393, 100), (0, 100)], np.int32)  # up to column 197 and row 100
    found = Outline(corners, "convex", False, 1.0)
    assert module._region(found, (0.5, 1.0), None, (201, 101)).kind == "full"  # 0.985 * 200 * 100


def test_an_image_cut_down_to_the_ultrasound_is_the_region() -> None:
    """A fan still hides the corners beside it; of a linear picture there are none."""
    corners = [(20, 10), (60, 10), (60, 50), (20, 50)]
    fan = region_of(corners, whole=True)
    assert fan.box == (0, 0, 200, 100) and set(fan.polygon) == {(18, 8), (62, 8), (62, 52), (18, 52)}
    assert region_of(corners, whole=True, kind="linear") == Region(0, 0, 200, 100, 200, 100, confidence=0.7)
    assert region_of(corners, kind="linear").kind == "linear"


@pytest.mark.parametrize(
    ("start", "end", "limit", "expected"),
    [
        (10, 18, 1000, (10, 18)),
        (10, 19, 1000, (10, 20)),
        (9, 18, 18, (8, 18)),
        (0, 447, 1000, (0, 448)),
        (0, 449, 1000, (0, 452)),
        (0, 895, 1000, (0, 896)),
        (0, 897, 1000, (0, 904)),
        (10, 907, 910, (6, 910)),
        (0, 99, 99, (0, 99)),
    ],
)
def test_a_stretch_is_lengthened_so_that_it_can_be_halved(
    start: int, end: int, limit: int, expected: tuple[int, int]
) -> None:
    assert module._even(start, end, limit) == expected


# --- options and records


def refused(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(GeometryError) as caught:
        call(*arguments, **options)
    return str(caught.value)


def test_sizes_and_regions() -> None:
    assert (Geometry().size, Geometry().region) == (224, "auto")
    assert (Geometry(size=16).size, Geometry(size=1024).size) == (16, 1024)
    assert Geometry(region=(0, 0, 1, 1)).region == (0, 0, 1, 1)
    for size in (15, 1025):
        assert refused(Geometry, size=size) == f"the model's image size must be 16 to 1024 pixels, not {size}"
    assert refused(Geometry, region="all") == "region must be auto, none or x0,y0,x1,y1, not 'all'"


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 5, 9, 5), (-1, 0, 5, 5), (0, -1, 5, 5), (1, 2, 3), (6, 0, 5, 9)])
def test_boxes_that_cannot_be(box: tuple[int, ...]) -> None:
    shown = ",".join(str(value) for value in box)
    message = f"region {shown} is empty or negative: use x0,y0,x1,y1 with x0 < x1 and y0 < y1"
    assert refused(Geometry, region=box) == message


@pytest.mark.parametrize("geometry", [Geometry(), Geometry(size=96, region="none"), Geometry(region=(1, 2, 30, 40))])
def test_a_geometry_survives_json(geometry: Geometry) -> None:
    assert Geometry.from_dict(geometry.to_dict()) == geometry
    assert set(geometry.to_dict()) == {"size", "region"}
    assert isinstance(geometry.to_dict()["region"], (str, list))


@pytest.mark.parametrize(
    ("start", "end", "limit", "expected"),
    [
        (400, 445, 999, (400, 446)),  # 45 to a multiple of 2
        (500, 950, 999, (500, 952)),  # 450 to one of 4
        (501, 950, 999, (501, 953)),
        (501, 950, 950, (498, 950)),
        (0, 897, 999, (0, 904)),  # to one of 8
        (0, 45, 45, (0, 45)),  # no room
    ],
)
def test_a_stretch_is_lengthened_to_be_halved(start: int, end: int, limit: int, expected: tuple[int, int]) -> None:
    assert module._even(start, end, limit) == expected


def noisy(count: int, seed: int) -> list[NDArray[np.uint8]]:
    return list(np.random.default_rng(seed).integers(30, 200, (count, 48, 64), np.uint8))


def test_a_pooled_search_has_frames_of_each() -> None:
    """Of five every third, of two both; of 25 every second, as 24 are the most."""
    one, other = RegionFinder(AUTO, (0, 0, 40, 40)), RegionFinder(AUTO)
    five, two = noisy(5, 0), noisy(2, 1)
    for finder, images in ((one, five), (other, two)):
        for image in images:
            finder.add(image)
    pooled = one.pooled([other], frames=2)
    np.testing.assert_array_equal(pooled._statistics.few(9), [five[0], five[3], *two])
    assert (pooled._sized(), pooled._hint, pooled._geometry) == ((64, 48), (0, 0, 40, 40), AUTO)
    for image in noisy(23, 2):
        other.add(image)
    assert (len(other.pooled([])._statistics), len(other._statistics)) == (13, 25)


def test_what_a_person_stated_for_a_screen_is_its_region_and_what_was_found_is_only_where_it_holds() -> None:
    images = screen("convex", FURNITURE).images
    finder = RegionFinder(AUTO)
    for image in images:
        finder.add(image)
    found = finder.finish()
    assert finder.layout is not None and finder.layout.region == found and not finder.layout.stated
    moved = replace(found, x0=found.x0 + 8, polygon=(), kind="stated")
    elsewhere = Region(0, 0, 40, 40, found.width, found.height, kind="stated")
    for region, stated, expected in ((moved, False, moved), (elsewhere, False, found), (elsewhere, True, elsewhere)):
        known = replace(finder.layout, region=region, stated=stated)
        assert replace(AUTO, layouts=(known,)).find(images) == expected, (region, stated)


def test_known_layouts_survive_json() -> None:
    known = Layout(Region(0, 0, 8, 8, 32, 16), (1,) * 512)
    geometry = Geometry(layouts=(known, known))
    assert geometry.to_dict()["layouts"] == [known.to_dict()] * 2
    assert Geometry.from_dict(geometry.to_dict()) == geometry


def test_a_damaged_geometry_is_refused() -> None:
    def message(record: dict[str, Any]) -> str:
        return refused(Geometry.from_dict, record)

    assert message({}) == "not a stored geometry ('region'); make the file anew"
    assert message({"size": "x", "region": "auto"}).startswith("not a stored geometry (invalid literal")
    assert message({"size": 224, "region": [1, 2]}).startswith("not a stored geometry (not enough values")
    assert message({"size": 3, "region": "none"}).startswith("the model's image size")
    assert Geometry.from_dict({"size": "32", "region": ["1", 2, 3.0, 4]}) == Geometry(size=32, region=(1, 2, 3, 4))


def test_images_and_regions_that_do_not_fit() -> None:
    image = np.zeros((20, 30), np.uint8)
    assert refused(AUTO.crop, image, Region(0, 0, 10, 10, 40, 20)) == "a region of 40x20 is not for an image of 30x20"
    colored = np.zeros((20, 30, 3), np.uint8)
    assert refused(AUTO.crop, colored, Region(0, 0, 10, 10, 40, 20)) == "a region of 40x20 is not for an image of 30x20"
    assert refused(AUTO.crop, image, Region(0, 0, 10, 10, 30, 21)) == "a region of 30x21 is not for an image of 30x20"
    assert refused(AUTO.find, []) == "no image to find the ultrasound region in; is the clip empty?"
    finder = RegionFinder(AUTO)
    finder.push(image)
    message = "the image size changes from (30, 20) to (20, 30); start a new search"
    assert refused(finder.push, image.T) == message
    stated = Geometry(region=(0, 0, 31, 20))
    assert refused(stated.find, [image]) == "region 0,0,31,20 does not fit an image of 30x20; state it anew"


# --- hints without a search


def test_a_hint_in_the_dark_is_the_region() -> None:
    """The sector lies elsewhere, so nothing is found inside."""
    drawn = screen("convex", width=160, height=120, frames=4)
    assert AUTO.find(drawn.images, hint=(0, 90, 20, 120)) == Region(0, 90, 20, 120, 160, 120, kind="stated")


def test_a_region_ends_where_the_hint_does() -> None:
    """The box cuts off the last rows of the sector, less than a twentieth of it."""
    drawn = screen("convex", width=160, height=120, frames=4)
    whole, region = AUTO.find(drawn.images), AUTO.find(drawn.images, hint=(0, 0, 160, 106))
    assert max(y for _, y in whole.polygon) > 105 and max(y for _, y in region.polygon) == 105


@pytest.mark.parametrize(
    ("hint", "box"),
    [
        ((20, 10, 120, 90), (20, 10, 120, 90)),
        ((-5, -7, 120, 90), (0, 0, 120, 90)),
        ((20, 10, 300, 200), (20, 10, 200, 100)),
        ((184, 84, 300, 200), (184, 84, 200, 100)),  # 16 pixels of it are left
        ((185, 0, 300, 200), None),
        ((0, 85, 300, 200), None),
        ((0, 0, 15, 100), None),
        ((0, 0, 100, 15), None),
    ],
)
def test_where_nothing_is_found_the_hint_remains(
    hint: tuple[int, int, int, int], box: tuple[int, int, int, int] | None
) -> None:
    black = np.zeros((100, 200), np.uint8)
    nothing = Region(0, 0, 200, 100, 200, 100, kind="none", confidence=0.0)
    assert AUTO.find([black], hint) == (nothing if box is None else Region(*box, 200, 100, kind="stated"))
    assert WHOLE.find([black], hint) == Region(0, 0, 200, 100, 200, 100)


# --- real clips


@pytest.mark.real
def test_screens_of_one_layout_get_one_region(real_clips: Any) -> None:
    """IoU with the box that a person drew, by half the frames that a run takes; and over all clips together."""
    import json
    from functools import partial

    from seqcls.layouts import find_layouts
    from seqcls.sources import open_source
    from seqcls.types import Frame

    folder = real_clips.parent / "screens"
    if not folder.is_dir():
        pytest.skip(f"no screens at {folder}")
    described = json.loads((folder / "regions.json").read_text(encoding="utf-8"))["clips"]
    assert len(described) == 6
    for clip in described:
        with open_source(folder / clip["file"]) as source:
            finder = RegionFinder(AUTO)
            found = next(
                region for item in source if isinstance(item, Frame) and (region := finder.push(item.image)) is not None
            )
        x0, y0, x1, y1 = clip["box"]
        wide, tall = min(x1, found.x1) - max(x0, found.x0), min(y1, found.y1) - max(y0, found.y0)
        both = (x1 - x0) * (y1 - y0) + (found.x1 - found.x0) * (found.y1 - found.y0) - wide * tall
        assert wide * tall / both >= 0.97 and found.confidence >= 0.9, clip["file"]
    (layout,) = find_layouts([partial(open_source, folder / clip["file"]) for clip in described], AUTO)
    assert abs(layout.region.x0 - x0) <= 8 and abs(layout.region.y0 - y0) <= 8 and layout.region.y1 == y1


@pytest.mark.parametrize("noise", [3, 6, 12])
def test_a_worklist_from_a_frame_grabber_is_no_ultrasound(noise: int) -> None:
    """Twelve names on gray whose noise moves as speckle does: once the whole screen was taken for ultrasound."""
    page = np.full((360, 480), 60, np.uint8)
    for row in range(12):
        cv2.putText(page, f"DOE JANE {row} 1970", (16, 30 + 28 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 230, 1)
    rng = np.random.default_rng(noise)
    frames = [
        np.clip(page + rng.normal(0, noise, page.shape), 0, 255).astype(np.uint8)
        for _ in range(RegionFinder.USABLE_FRAMES)
    ]
    assert not AUTO.find(frames).is_found
    name_alone = screen("convex", width=480, height=360, frames=RegionFinder.USABLE_FRAMES).images
    for image in name_alone:
        cv2.putText(image, "DOE JANE", (200, 200), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 230, 1)
    assert AUTO.find(name_alone).kind == "convex"  # which is warned of
