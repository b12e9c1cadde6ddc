"""What is not scorable gets its reason, by the stated numbers, and nothing else does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.screens import screen

from seqcls.errors import UsageError
from seqcls.gate import REASONS, Gate, GateOptions, is_not_ultrasound
from seqcls.geometry import Geometry, Region

Image = NDArray[np.uint8]
DRAWN = screen("convex", ("text", "ticks", "clock"), frames=40)
REGION = Geometry().find(DRAWN.images[:24])


def run(images: list[Image], rate_hz: float = 25.0, region: Region = REGION, **options: Any) -> list[str]:
    gate = Gate(GateOptions(**options))
    return [gate.check(image, region, index / rate_hz) for index, image in enumerate(images)]


def with_clock(image: Image, index: int) -> Image:
    """A clock outside, and an ECG that crosses the region's lowest rows, go on."""
    shown = image.copy()
    shown[:20, 350:] = 0
    cv2.putText(shown, f"10:41:{index:03d}", (360, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 220, 1)
    cv2.line(shown, (11 * index % 400, 318), (11 * index % 400 + 30, 300), 220, 1)
    return shown


@pytest.mark.parametrize("kind", ["linear", "convex", "phased", "cropped", "full"])
@pytest.mark.parametrize("dark_side", ["", "left"])
def test_ultrasound_passes(kind: str, dark_side: str) -> None:
    drawn = screen(kind, ("text", "clock"), dark_side=dark_side, frames=8)
    assert set(run(drawn.images, rate_hz=4, region=Geometry().find(drawn.images))) == {""}


def test_a_dark_scan_passes() -> None:
    dark = [(image // 4).astype(np.uint8) for image in DRAWN.images]
    assert set(run(dark)) == {""}


# --- thresholds, pixel by pixel: a region of 64 rows and 96 columns is looked at as it is, 6,144 pixels

SMALL = Region(0, 0, 96, 64, 96, 64)


def only(look_for: str, *images: Image, region: Region = SMALL) -> str:
    """What is found in the last of some images, one a second, when nothing else is looked for."""
    options = {name: name == look_for for name in ("black", "frozen", "no_contact", "not_ultrasound")}
    gate = Gate(GateOptions(**options))
    return [gate.check(image, region, float(second)) for second, image in enumerate(images)][-1]


def dots(*counts_and_levels: tuple[int, int], rows: slice = slice(0, 64)) -> Image:
    """An image of 64 rows and 96 columns: so many pixels of each level from the left of ``rows`` on, the rest 0."""
    image = np.zeros((64, 96), np.uint8)
    part = np.concatenate([np.full(count, level, np.uint8) for count, level in counts_and_levels])
    inside = image[rows].reshape(-1)
    inside[: len(part)] = part
    return image


@pytest.mark.parametrize(
    ("image", "black"),
    [
        (dots((30, 255)), True),  # 0.5 % of 6,144 pixels are 30.72
        (dots((31, 25)), False),
        (dots((31, 24)), True),  # so dark is noise
        (dots((6144, 24)), True),
    ],
    ids=["30 lit", "31 lit", "31 of noise", "noise all over"],
)
def test_black_is_less_than_half_a_percent_above_noise(image: Image, black: bool) -> None:
    assert only("black", image) == ("black" if black else "")


@pytest.mark.parametrize(("lit", "reason"), [(30, "black"), (31, "")])
def test_a_region_may_lie_anywhere_in_the_image(lit: int, reason: str) -> None:
    image = np.full((120, 200), 255, np.uint8)
    image[20:84, 40:136] = dots((lit, 255))
    assert only("black", image, region=Region(40, 20, 136, 84, 200, 120)) == reason


@pytest.mark.parametrize(
    ("first", "second", "frozen"),
    [
        (dots((1000, 100)), dots((50, 107), (950, 100)), True),  # a twentieth of 1,000 lit pixels
        (dots((1000, 100)), dots((51, 107), (949, 100)), False),
        (dots((1000, 100)), dots((51, 106), (949, 100)), True),  # codecs change by so much
        (dots((100, 100), (1000, 16)), dots((6, 107), (94, 100), (1000, 16)), False),  # what is dark doesn't count
        (dots((100, 100), (1000, 17)), dots((6, 107), (94, 100), (1000, 17)), True),
        (dots((100, 100)), dots((100, 100), (6, 40)), False),  # lit in either: 6 of 106
        (dots((100, 100), (6, 40)), dots((100, 100)), False),
        (dots((100, 100), (20, 40)), dots((94, 100), (6, 93), (20, 40)), True),  # 6 of 120
    ],
    ids=["a twentieth", "more", "less change", "beside dark", "beside lit", "appears", "vanishes", "beside others"],
)
def test_frozen_is_no_change_in_a_twentieth_of_what_is_lit(first: Image, second: Image, frozen: bool) -> None:
    assert only("frozen", first, second) == ("frozen" if frozen else "")


FACE, REST, UPPER, MIDDLE = slice(0, 6), slice(6, 13), slice(13, 22), slice(22, 38)  # 0, 10, 20, 35, 60 % of 64 rows


@pytest.mark.parametrize(
    ("marks", "air"),
    [
        ([(FACE, 29, 51)], True),  # 5 % of 576 pixels are 28.8
        ([(FACE, 28, 255)], False),
        ([(FACE, 29, 50)], False),
        ([(FACE, 29, 51), (REST, 672, 255), (slice(38, 64), 2496, 255)], True),
        ([(FACE, 29, 51), (UPPER, 69, 255)], True),  # 8 % of 864 pixels are 69.12
        ([(FACE, 29, 51), (UPPER, 70, 31)], False),
        ([(FACE, 29, 51), (UPPER, 864, 30)], True),
        ([(FACE, 29, 51), (MIDDLE, 6, 255)], True),  # 0.4 % of 1,536 pixels are 6.144
        ([(FACE, 29, 51), (MIDDLE, 7, 31)], False),
        ([(FACE, 29, 51), (MIDDLE, 1536, 30)], True),
        ([(REST, 672, 255)], False),
    ],
    ids=str,
)
def test_air_is_a_bright_face_and_nothing_below(marks: list[tuple[slice, int, int]], air: bool) -> None:
    image = np.zeros((64, 96), np.uint8)
    for rows, count, level in marks:
        image |= dots((count, level), rows=rows)
    assert only("no_contact", image) == ("no contact" if air else "")


def test_the_zones_of_air_are_parts_of_the_outline() -> None:
    """An outline from row 24 to row 224 of a box that begins at row 4; every third row and second column is looked at.

    In rows looked at, y = 4 + 3 r: the outline from 6.67 on, 66.67 long; face 7 to 13, upper zone 20 to 30, middle zone
    30 to 47.
    """
    outline = ((20, 24), (211, 24), (211, 224), (20, 224))
    region = Region(20, 4, 212, 244, 300, 300, outline, "convex")
    for first, last, air in ((24, 44, True), (25, 26, True), (40, 41, True), (43, 64, False), (4, 24, False)):
        image = np.zeros((300, 300), np.uint8)
        image[first:last] = 255
        assert only("no_contact", image, region=region) == ("no contact" if air else ""), first
    for row, air in ((19, True), (20, False), (29, False), (30, False), (46, False), (47, True)):
        image = np.zeros((300, 300), np.uint8)
        image[24:44], image[4 + 3 * row, 20:180] = 255, 255
        assert only("no_contact", image, region=region) == ("no contact" if air else ""), row


def stripes(low: int = 40, high: int = 60) -> Image:
    """Columns of two levels in turn: nothing flat, nothing hard."""
    return np.tile(np.array([low, high], np.uint8), (64, 48))


@pytest.mark.parametrize(
    ("full_rows", "columns", "levels", "flat"),
    [
        (25, 66, (50, 50), True),  # 25 rows of 96 and a run of 66, whose last 8 stand too near its end: 2,458
        (25, 65, (50, 50), False),  # 2,457; 40 % of 6,144 pixels are 2,457.6
        (25, 66, (50, 52), True),
        (25, 66, (50, 53), False),
        (25, 66, (17, 17), True),
        (25, 66, (16, 16), False),
        (64, 0, (17, 16), False),  # half of it lit: 3,072, but for the runs' ends
    ],
)
def test_flat_is_two_levels_over_17_pixels_in_40_percent(
    full_rows: int, columns: int, levels: tuple[int, int], flat: bool
) -> None:
    image, even = stripes(), stripes(*levels)
    image[:full_rows] = even[:full_rows]
    if columns:
        image[full_rows, :columns] = even[full_rows, :columns]
    half_lit = levels == (17, 16)
    assert only("not_ultrasound", image) == ("not ultrasound" if flat or half_lit else "")


def test_a_run_of_17_pixels_is_flat_in_its_middle_only() -> None:
    """2,457 flat pixels, and the one that a run of 17 adds."""
    for length, flat in ((16, False), (17, True)):
        image = stripes()
        image[:25] = 50
        image[25, :65] = 50
        image[40, 40 : 40 + length] = 80
        assert only("not_ultrasound", image) == ("not ultrasound" if flat else "")


def spots(count: int, level: int, last_column: bool = False) -> Image:
    """Single bright pixels on black, each with a step up and a step down; one in the last column has but one."""
    image = np.zeros((64, 96), np.uint8)
    image[2 : 2 + 2 * count : 2, 50] = level
    image[60, 95] = level if last_column else 0
    return image


@pytest.mark.parametrize(
    ("image", "written"),
    [
        (spots(6, 91), False),  # 12 steps; 0.2 % of 64 x 95 pixels are 12.16
        (spots(6, 91, last_column=True), True),
        (spots(20, 90), False),
        (spots(7, 91) + dots((200, 90), rows=slice(50, 55)), True),  # those 200 are not bright
        (spots(7, 91) + dots((200, 91), rows=slice(50, 55)), False),
    ],
    ids=["12 steps", "13 steps", "lower steps", "beside gray", "beside bright"],
)
def test_writing_is_steps_of_90_levels(image: Image, written: bool) -> None:
    assert only("not_ultrasound", image) == ("not ultrasound" if written else "")


#: 100 rows of 100 columns, looked at as they are too: of them every share is a whole number of pixels.
HUNDRED = Region(0, 0, 100, 100, 100, 100)


def hundred(*marks: tuple[int, int, int]) -> Image:
    """100 x 100 pixels: from a row on, so many pixels of a level."""
    image = np.zeros((100, 100), np.uint8)
    for row, count, level in marks:
        image[row:].reshape(-1)[:count] = level
    return image


def test_a_share_itself_is_not_yet_more_and_no_longer_less() -> None:
    """10,000 pixels; in the face 1,000, at 20 to 35 % of the depth 1,500, at 35 to 60 % of it 2,500."""
    assert [only("black", hundred((0, n, 255)), region=HUNDRED) for n in (49, 50)] == ["black", ""]
    for count, air in ((50, ""), (51, "no contact")):
        assert only("no_contact", hundred((0, count, 51)), region=HUNDRED) == air
    for row, count in ((20, 120), (35, 10)):
        for less, air in ((1, "no contact"), (0, "")):
            assert only("no_contact", hundred((0, 51, 51), (row, count - less, 31)), region=HUNDRED) == air
    for flat_rows, found in ((40, ""), (41, "not ultrasound")):
        image = np.tile(np.array([40, 60], np.uint8), (100, 50))
        image[:flat_rows] = 50
        assert only("not_ultrasound", image, region=HUNDRED) == found
    for green, found in ((6000, ""), (6001, "not ultrasound")):
        image = np.repeat(np.tile(np.array([40, 60], np.uint8), (100, 50))[:, :, None], 3, axis=2)
        image[..., 1].reshape(-1)[:green] += 81
        assert only("not_ultrasound", image, region=HUNDRED) == found
    # 100 rows of 100 steps from pixel to pixel, of which 0.2 % are 20.
    for spots_of_two, last, found in ((10, 0, ""), (10, 200, "not ultrasound")):
        image = np.zeros((100, 101), np.uint8)
        image[2 : 2 + 2 * spots_of_two : 2, 50], image[60, 100] = 200, last
        assert only("not_ultrasound", image, region=Region(0, 0, 101, 100, 101, 100)) == found


@pytest.mark.parametrize(("runs", "written"), [([10] * 20, False), ([10] * 19 + [9], True)])
def test_writing_has_steps_beside_a_fifth_of_the_bright_pixels(runs: list[int], written: bool) -> None:
    """Runs of 10 bright pixels have two steps each."""
    image = np.zeros((64, 96), np.uint8)
    for row, length in enumerate(runs):
        image[2 * row, 40 : 40 + length] = 200
    assert only("not_ultrasound", image) == ("not ultrasound" if written else "")


@pytest.mark.parametrize(
    ("count", "spread", "colourful"), [(3687, 81, True), (3686, 81, False), (3687, 80, False)]
)  # 60 % of 6,144 pixels are 3,686.4
def test_colourful_is_80_levels_between_channels_in_60_percent(count: int, spread: int, colourful: bool) -> None:
    image = np.repeat(stripes()[:, :, None], 3, axis=2)
    image[..., 1].reshape(-1)[:count] = (stripes() + np.uint8(spread)).reshape(-1)[:count]
    assert only("not_ultrasound", image) == ("not ultrasound" if colourful else "")


def test_the_channels_of_a_pixel_are_compared_with_each_other() -> None:
    """Gray throughout, though it goes from 0 to 140."""
    image = np.repeat(stripes(120, 140)[:, :, None], 3, axis=2)
    image[:10] = 0
    assert only("not_ultrasound", image) == ""


def box(height: int, width: int, level: int) -> Image:
    image = np.zeros((64, 96), np.uint8)
    image[4 : 4 + height, 10 : 10 + width] = level
    return image


@pytest.mark.parametrize(
    ("image", "dialog"),
    [
        (box(17, 47, 150), True),  # 15 x 41 of its pixels are 3 rows and 7 columns of one gray: 615 of 6,144
        (box(20, 40, 150), False),  # 18 x 34: 612
        (box(17, 47, 56), True),
        (box(17, 47, 55), False),
        (box(17, 47, 247), True),
        (box(17, 47, 248), False),
    ],
)
def test_a_dialog_is_one_gray_over_a_tenth(image: Image, dialog: bool) -> None:
    assert only("not_ultrasound", image) == ("not ultrasound" if dialog else "")


@pytest.mark.parametrize("level", [30, 255])
@pytest.mark.parametrize(("strokes", "dialog"), [(30, False), (31, True)])
def test_a_dark_or_white_dialog_has_strokes_on_it(level: int, strokes: int, dialog: bool) -> None:
    """Each has two steps of more than 50 levels: 60 of 6,080 pairs of neighbours are no 1 %, 62 are."""
    image = np.zeros((64, 96), np.uint8)
    image[:16] = level
    image[1, 4 : 4 + 2 * strokes : 2] = level - 60 if level > 60 else level + 60
    assert only("not_ultrasound", image) == ("not ultrasound" if dialog else "")


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_a_dialog_with_a_name_over_ultrasound_is_found(noise: float) -> None:
    rng = np.random.default_rng(1)
    image = DRAWN.images[0].astype(np.float64)
    (x0, y0, x1, y1), gray = REGION.box, 150
    left, top, right, bottom = x0 + (x1 - x0) // 4, y0 + (y1 - y0) // 3, x1 - (x1 - x0) // 4, y0 + 2 * (y1 - y0) // 3
    image[top:bottom, left:right] = gray
    cv2.putText(image, "DOE JANE 1970", (left + 4, top + 24), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0, 1)
    shown = np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
    assert run([shown])[0] == "not ultrasound"
    assert run([np.clip(DRAWN.images[0] + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)]) == [""]


def test_colours_outside_the_outline_do_not_count() -> None:
    region = Region(0, 0, 96, 64, 96, 64, ((48, 0), (95, 0), (95, 63), (48, 63)), "linear")
    for column, found in ((0, ""), (48, "not ultrasound")):
        image = np.repeat(stripes()[:, :, None], 3, axis=2)
        image[:, column : column + 48, 2] += 100
        assert only("not_ultrasound", image, region=region) == found


def test_channels_are_blue_green_red() -> None:
    """Blue of 180 is a gray of 21, as dark as noise; red of 180 one of 54."""
    for channel, found in ((0, "black"), (1, ""), (2, "")):
        image = np.zeros((64, 96, 3), np.uint8)
        image[..., channel] = 180
        assert only("black", image) == found


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 1), (300, 1), (1, 5), (2, 2)])
@pytest.mark.parametrize("level", [9, 200])
def test_an_image_of_a_pixel_or_a_column_is_looked_at(height: int, width: int, level: int) -> None:
    region = Region(0, 0, width, height, width, height)
    assert is_not_ultrasound(np.full((height, width), level, np.uint8), region) is (width > 1 and level > 90)


def test_a_large_region_is_looked_at_in_steps() -> None:
    """640 x 480: every 7th row of 480 and every 6th column of 640; what lies between is not seen."""
    region = Region(0, 0, 640, 480, 640, 480)
    for rows, columns, found in ((7, 6, ""), (6, 6, ""), (7, 5, "")):
        image = np.zeros((480, 640), np.uint8)
        image[::rows, ::columns] = 255
        assert only("black", image, region=region) == found
    between = np.full((480, 640), 255, np.uint8)
    between[::7, ::6] = 0
    assert only("black", between, region=region) == "black"


def test_reasons_are_looked_for_in_their_order() -> None:
    gate = Gate(GateOptions(freeze_s=1.0))
    assert [gate.check(dots((6144, 10)), SMALL, t) for t in (0.0, 2.0)] == ["black", "black"]
    assert REASONS == ("black", "not ultrasound", "no contact", "frozen")
    both = np.zeros((64, 96), np.uint8)
    both[FACE] = 200
    both[0:4:2, ::2] = 0  # hard strokes in the face
    assert Gate(GateOptions()).check(both, SMALL, 0.0) == "not ultrasound"
    assert only("no_contact", both) == "no contact"
    air_that_stands_still = dots((576, 60), rows=FACE)
    assert [gate.check(air_that_stands_still, SMALL, t) for t in (3.0, 5.0)] == ["no contact", "no contact"]


# --- frozen


def test_a_freeze_is_found_from_the_stated_time_on_though_a_clock_ticks() -> None:
    live, last = DRAWN.images[:10], DRAWN.images[9]
    found = run([*live, *(with_clock(last, n) for n in range(1, 60))])
    # The last live frame is the first of the still stretch: 25 frames later it has lasted 1 s.
    assert found == [""] * (9 + 25) + ["frozen"] * 35


def test_a_freeze_ends_with_the_first_new_image() -> None:
    still = [DRAWN.images[0]] * 30
    assert run([*still, *DRAWN.images[1:4]])[-4:] == ["frozen", "", "", ""]


@pytest.mark.parametrize("times", [2, 3, 12])
def test_frames_repeated_by_a_conversion_pass(times: int) -> None:
    """A cine of 2 to 12 images a second in a file of 25."""
    assert set(run([image for image in DRAWN.images[:10] for _ in range(times)])) == {""}


def test_a_freeze_is_measured_in_seconds() -> None:
    still = [DRAWN.images[0]] * 12
    assert set(run(still, rate_hz=25)) == {""}
    assert "frozen" in run(still, rate_hz=5)
    assert run(still, rate_hz=25, freeze_s=0.2)[:7] == [""] * 5 + ["frozen"] * 2


def test_codec_ripples_do_not_thaw_a_frozen_image() -> None:
    """A key frame codes the same image anew: small differences all over."""
    rng = np.random.default_rng(0)
    still = DRAWN.images[0]
    again = [np.clip(still + rng.normal(0, 1.5, still.shape), 0, 255).astype(np.uint8) for _ in range(30)]
    assert run(again)[-1] == "frozen"


def test_frames_are_compared_with_the_first_of_a_still_stretch() -> None:
    """4 % of what is lit changes at one end, then 4 % at the other; the second frame has the time of the first."""
    gate = Gate(GateOptions(no_contact=False, not_ultrasound=False))
    frames = (0.0, dots((1000, 100))), (0.0, dots((40, 107), (960, 100))), (1.0, dots((960, 100), (40, 107)))
    assert [gate.check(image, SMALL, time_s) for time_s, image in frames] == ["", "", "frozen"]


def test_time_that_jumps_back_starts_anew() -> None:
    gate = Gate(GateOptions())
    assert gate.check(DRAWN.images[0], REGION, 100.0) == ""
    assert gate.check(DRAWN.images[0], REGION, 0.0) == ""
    assert gate.check(DRAWN.images[0], REGION, 0.9) == ""
    assert gate.check(DRAWN.images[0], REGION, 1.0) == "frozen"


# --- black, air, other images


def test_black_is_found_whatever_is_printed_outside() -> None:
    black = np.random.default_rng(0).integers(0, 6, (360, 480), dtype=np.uint8)
    cv2.putText(black, "MUSTER", (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
    assert run([black]) == ["black"]


def test_black_is_found_whatever_is_printed_in_the_corners_of_the_box() -> None:
    black = np.zeros((360, 480), np.uint8)
    cv2.putText(black, "ID 12345", (REGION.x0, REGION.y0 + 30), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 2)
    assert run([black]) == ["black"]


def air(noise: int, depth: int = 40) -> Image:
    """Bands that die out with depth below the probe's face, and noise."""
    y = np.arange(360)[:, None] - 24
    bands = 190 * np.exp(-y / (0.4 * depth)) * (1 + np.cos(y / 2.5)) / 2 * (y >= 0) * (y < depth)
    dark = np.random.default_rng(1).rayleigh(noise / 3, (360, 480))
    return np.clip((bands + dark) * DRAWN.sector, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [0, 6, 15])
def test_air_is_found(noise: int) -> None:
    assert run([air(noise)]) == ["no contact"]


def test_one_piece_of_tissue_in_the_depth_is_contact() -> None:
    """The edge of the probe still touches: a tenth of the width shows tissue."""
    image = air(6)
    image[60:280, 150:185] = DRAWN.images[0][60:280, 150:185]
    assert run([image]) == [""]


def test_tissue_under_the_skin_only_is_contact() -> None:
    """Lung: the pleura at a quarter of the depth, and nothing below."""
    image = air(6)
    image[95:120, 150:220] = DRAWN.images[0][95:120, 150:220]
    assert run([image]) == [""]


def test_a_streak_behind_bone_is_contact() -> None:
    image = air(6)
    image[130:230, 236:244] = 80
    assert run([image]) == [""]


def test_echoes_deep_down_only_are_contact() -> None:
    """A full bladder below the skin: dark, then bright behind."""
    image = air(6)
    image[170:] = np.maximum(image[170:], DRAWN.images[0][170:])
    assert run([image]) == [""]


def desktop() -> Image:
    page = np.full((360, 480), 200, np.uint8)
    page[30:200, 40:300] = 240
    for row in range(8):
        cv2.putText(page, "C:/exams/2024 settings", (50, 60 + 16 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 20, 1)
    return page


def bars() -> Image:
    return np.repeat(np.linspace(235, 16, 8).astype(np.uint8), 60)[None, :].repeat(360, axis=0)


def menu() -> Image:
    page = np.full((360, 480), 45, np.uint8)
    for row in range(6):
        page[40 + 50 * row : 75 + 50 * row, 60:420] = 90
        cv2.putText(page, "Preset abdomen", (80, 65 + 50 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 230, 1)
    return page


def listing() -> Image:
    page = np.zeros((360, 480), np.uint8)
    for row in range(22):
        cv2.putText(
            page, f"{row} patient list 19{row} abcdefghijkl", (10, 14 + 16 * row), cv2.FONT_HERSHEY_PLAIN, 1.0, 255, 1
        )
    return page


@pytest.mark.parametrize(
    "draw",
    [desktop, bars, menu, listing, lambda: np.full((360, 480), 128, np.uint8)],
    ids=["desktop", "bars", "menu", "text on black", "gray"],
)
def test_other_images_are_found(draw: Callable[[], Image]) -> None:
    assert run([draw()]) == ["not ultrasound"]


def test_a_colour_photograph_is_found_and_colour_doppler_is_not() -> None:
    rng = np.random.default_rng(0)
    photo = cv2.GaussianBlur(rng.integers(0, 256, (360, 480, 3), dtype=np.uint8), (0, 0), 3)
    photo[..., 2] = np.clip(photo[..., 2].astype(int) + 90, 0, 255)
    photo[..., 0] = photo[..., 0] // 2
    doppler = cv2.cvtColor(DRAWN.images[0], cv2.COLOR_GRAY2BGR)
    doppler[100:220, 180:300, 2] = 255
    assert run([photo]) == ["not ultrasound"]
    assert run([doppler]) == [""]


# --- options


def test_switched_off_everything_passes() -> None:
    images = [np.zeros((360, 480), np.uint8), desktop(), air(0), *[DRAWN.images[0]] * 40]
    assert set(run(images, enabled=False)) == {""}
    assert set(run(images)) >= set(REASONS)


@pytest.mark.parametrize(
    ("name", "image"),
    [("black", np.zeros((360, 480), np.uint8)), ("not_ultrasound", bars()), ("no_contact", air(0))],
)
def test_each_reason_can_be_switched_off(name: str, image: Image) -> None:
    assert run([image]) == [name.replace("_", " ")]
    assert run([image], **{name: False}) == [""]


def test_frozen_can_be_switched_off() -> None:
    assert set(run([DRAWN.images[0]] * 40, frozen=False)) == {""}


@pytest.mark.parametrize("freeze_s", [0.0, 0.19, -1.0, float("nan"), 3600.5, 1e9])
def test_freeze_time_must_make_sense(freeze_s: float) -> None:
    with pytest.raises(UsageError) as error:
        GateOptions(freeze_s=freeze_s)
    assert str(error.value) == f"freeze_s must be 0.2 to 3600 seconds, not {freeze_s:g}"


def test_freeze_time_at_its_limits() -> None:
    assert [GateOptions(freeze_s=seconds).freeze_s for seconds in (0.2, 3600)] == [0.2, 3600]
    assert GateOptions().freeze_s == 1.0


def test_small_images_can_be_checked() -> None:
    tiny = np.random.default_rng(0).integers(60, 120, (5, 7), dtype=np.uint8)
    assert run([tiny], region=Region(0, 0, 7, 5, 7, 5)) == [""]


def test_the_region_may_change_within_a_run() -> None:
    gate = Gate(GateOptions())
    other = screen("linear", width=320, height=240, frames=4)
    for image, region in ((DRAWN.images[0], REGION), (other.images[0], Geometry().find(other.images))):
        assert gate.check(image, region, 0.0) == ""


# --- phantom and real clips


def test_phantom_sweeps_lose_contact_only_where_they_do() -> None:
    from seqcls.phantom import SweepOptions, sweep

    found: Counter[tuple[bool, str]] = Counter()
    frames = list(sweep(SweepOptions(patient=7, duration_s=12.0, rate_hz=1)))
    region = Geometry().find([frame.image for frame in frames])
    gate = Gate(GateOptions())
    found.update((frame.contact, gate.check(frame.image, region, frame.time_s)) for frame in frames)
    in_contact = sum(count for (contact, _), count in found.items() if contact)
    assert found[True, ""] == in_contact
    assert found[False, "no contact"] >= 0.5 * sum(count for (contact, _), count in found.items() if not contact) > 0
