"""Panels of a user interface and what is written on them, on small drawings whose answers can be counted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from seqcls.geometry import panels as module

Image = NDArray[np.uint8]


def panel(mean: Image, still: NDArray[np.bool_] | None = None, change: Image | None = None) -> NDArray[np.bool_]:
    return module.panels(
        mean,
        np.ones(mean.shape, bool) if still is None else still,
        np.zeros_like(mean) if change is None else change,
    )


def textured(level: int = 60, width: int = 200, height: int = 100) -> Image:
    """Stripes of two pixels, five levels apart, in both directions: not even along any line."""
    y, x = np.mgrid[:height, :width]
    return (level + 5 * ((x // 2 + y // 2) % 2)).astype(np.uint8)


def even(level: int, x0: int, x1: int, y0: int = 0) -> Image:
    """A stripe of one level on a texture, from row ``y0`` on to as many rows above the end."""
    image = textured()
    image[y0 : 100 - y0, x0:x1] = level
    return image


@pytest.mark.parametrize(
    ("level", "y0", "found"),
    [(18, 0, True), (17, 8, False), (255, 9, True), (255, 10, False)],  # 10 rows are near
)
def test_a_panel_is_lit_and_even_and_near_the_rim(level: int, y0: int, found: bool) -> None:
    mask = panel(even(level, 60, 120, y0))
    assert mask[50, 90] == found and not mask[50, 20] and not mask[50, 160]
    assert not panel(textured()).any()


def test_a_panel_stands_still() -> None:
    moving = np.ones((100, 200), bool)
    moving[:, 60:120] = False
    assert not panel(even(60, 60, 120), moving).any()


def test_a_panel_may_be_shaded_along_one_direction() -> None:
    """Three levels a pixel from top to bottom: even along each row."""
    image = even(0, 60, 120)
    image[:, 60:120] = np.clip(20 + 3 * np.arange(100), 0, 255)[:, None]
    assert panel(image)[5:70, 75:105].all()
    assert panel(np.ascontiguousarray(image.T))[75:105, 5:70].all()


def test_a_small_even_area_is_no_panel() -> None:
    """At least 0.4 % of the image: 80 of 20,000 pixels, of which the outer two do not count as even."""
    for side, found in ((12, False), (13, True)):  # 64 and 81
        image = textured()
        image[4 : 4 + side, 60 : 60 + side] = 200
        assert panel(image).any() == found


def test_what_is_written_on_a_panel_belongs_to_it() -> None:
    """Gaps up to the window of 5 pixels are closed, and a flickering ground between letters counts as panel."""
    image = even(60, 40, 160)
    image[50, 60:140] = 220
    assert panel(image)[50, 70:130].all()
    change = moving_beside(image, 40, 160)
    change[40:60, 60:140], image[40:60:8, 60:140] = 12, 220
    still = change < 3
    assert panel(image, still, change)[45:55, 70:130].all()
    change[40:60, 60:140] = 13  # the letters alone, which flicker more, are too few
    assert not panel(image, still, change)[45:47, 70:130].any()


def moving_beside(image: Image, x0: int, x1: int) -> Image:
    """(100, 200): how much each pixel changes; all columns but those of a panel do, and are brighter by 60."""
    change = np.full(image.shape, 40, np.uint8)
    change[:, x0:x1] = 0
    image[:, :x0] += 60
    image[:, x1:] += 60
    return change


def test_a_panel_is_near_the_rim_of_what_is_lit() -> None:
    """Black bars do not count: here of 20 rows above and below, and of 30 columns."""
    image = even(60, 60, 120, 20)
    image[:20], image[-20:], image[:, :30], image[:, -30:] = 0, 0, 0, 0
    assert panel(image)[50, 90]
    inner = textured()
    inner[32:68, 60:120] = 60
    inner[:20], inner[-20:], inner[:, :30], inner[:, -30:] = 0, 0, 0, 0
    assert not panel(inner).any()
    assert not panel(np.zeros((100, 200), np.uint8)).any()


@pytest.mark.parametrize(
    ("level", "rows", "edge", "found"),
    [
        (4, 40, 0, True),
        (3, 40, 0, False),
        (10, 27, 0, True),
        (10, 20, 0, False),  # less than a tenth of the image
        (10, 40, 7, True),  # its even part begins at row 9 of 10, a twentieth of 200
        (10, 40, 8, False),
    ],
)
def test_a_nearly_black_panel_is_large_and_near_the_rim(level: int, rows: int, edge: int, found: bool) -> None:
    """100 columns of 200, ``rows`` of 100; even pixels lack two at each side."""
    image = textured()
    image[edge : edge + rows, 50:150] = level
    assert panel(image)[edge + rows // 2, 100] == found


def test_a_nearly_black_panel_has_one_level() -> None:
    """Noise deep in the body is as dark and even, but drifts."""
    image = textured()
    image[:50, 50:150] = (5 + np.arange(100) // 10)[None]
    assert not panel(image)[:50].any()


@pytest.mark.parametrize(
    ("down", "across", "checked", "even"),
    [(0, 0, 3, True), (0, 0, 4, False), (2, 2, 0, True), (2, 3, 0, False)],
)
def test_a_panel_differs_by_three_levels_around_a_pixel_or_by_two_along_a_line(
    down: int, across: int, checked: int, even: bool
) -> None:
    """A ramp down the rows, stripes across them, or a chequerboard; and the same turned by a quarter."""
    y, x = np.mgrid[:60, :80]
    image = (60 + down * y + across * (x % 2) + checked * ((x + y) % 2)).astype(np.uint8)
    for turned in (image, np.ascontiguousarray(image.T)):
        found = module.panels(turned, np.ones(turned.shape, bool), np.zeros_like(turned))
        assert (found.mean() > 0.9) if even else not found.any()


@pytest.mark.parametrize(
    ("levels", "found"),
    [((10, 11, 12), False), ((10, 9, 8), False), ((10, 11, 11), True), ((10, 9, 9), True)],
)
def test_a_nearly_black_panel_is_nineteen_twentieths_of_three_levels(levels: tuple[int, ...], found: bool) -> None:
    """Sixty, thirty and ten columns of each."""
    image = textured()
    image[:50, 50:150] = np.repeat(np.array(levels, np.uint8), (60, 30, 10))[None]
    assert panel(image)[25, 80] == found


def test_every_nearly_black_panel_is_found() -> None:
    image = textured()
    image[:, :60], image[:, 140:] = 10, 12
    mask = panel(image)
    assert mask[50, 30] and mask[50, 170] and not mask[50, 100]


def test_what_is_lit_without_the_black_bars() -> None:
    """Lit is level 18, in more than a fiftieth of a row or column: in one of 50 pixels it is not."""
    image = np.zeros((50, 100), np.uint8)
    image[5:30, 10:60] = 18
    image[3, 20] = image[40, 70] = 18
    assert module.lit_part(image) == (slice(5, 30), slice(10, 60))
    assert module.lit_part(np.full((50, 100), 17, np.uint8)) == (slice(0, 50), slice(0, 100))


def test_the_rim_of_a_small_image_is_one_pixel() -> None:
    """A twentieth of 20."""
    labels = np.zeros((20, 20), np.int32)
    labels[0, 5], labels[1, 8], labels[18, 9], labels[9, 19] = 1, 2, 3, 4
    assert module._near_rim(labels, 5, slice(0, 20), slice(0, 20)).tolist() == [False, True, False, False, True]


@pytest.mark.parametrize(
    ("first", "width", "level", "found"),
    [(32, 6, 10, True), (32, 5, 10, False), (32, 8, 12, False), (22, 6, 10, True), (21, 6, 10, False)],
)
def test_a_part_of_a_nearly_black_panel(first: int, width: int, level: int, found: bool) -> None:
    """Of 20,000 pixels a panel of level 10 has 2,000, and a part of the same level 400: two columns are at an edge."""
    image = even(10, 0, first)
    image[:, 200 - width :] = level
    assert panel(image)[:, 150:].any() == found


@pytest.mark.parametrize(("width", "height", "found"), [(14, 12, True), (14, 11, False)])
def test_a_panel_has_a_two_hundred_and_fiftieth_of_the_image(width: int, height: int, found: bool) -> None:
    """80 of 20,000 pixels, or 70, without the outer two at each side."""
    image = textured()
    image[4 : 4 + height, 60 : 60 + width] = 200
    assert panel(image).any() == found


@pytest.mark.parametrize(("level", "ground", "found"), [(60, 64, True), (60, 65, False), (18, 18, True)])
def test_between_letters_a_panel_has_its_level_but_for_four(level: int, ground: int, found: bool) -> None:
    image = even(level, 40, 160)
    change = moving_beside(image, 40, 160)
    change[40:60, 60:140], image[40:60, 60:140] = 12, ground
    assert panel(image, change < 3, change)[49:51, 70:130].all() == found


def test_each_panel_has_a_level_of_its_own_between_letters() -> None:
    image, change = textured(160), np.zeros((100, 200), np.uint8)
    image[:, :80], image[:, 120:], change[:, 80:120] = 60, 120, 40
    change[40:60, 20:60] = change[40:60, 140:180] = 12
    found = panel(image, change < 3, change)
    assert found[49:51, 25:55].all() and found[49:51, 145:175].all()


@pytest.mark.parametrize(("rows", "closed"), [(6, True), (7, False)])
def test_letters_have_the_level_of_their_panel_within_four_pixels_above_and_below(rows: int, closed: bool) -> None:
    """Writing that is nowhere even, between even rows; of 7 rows only the middle one has it on both sides."""
    image = even(60, 40, 160)
    y, x = np.mgrid[:rows, :80]
    image[50 : 50 + rows, 60:140] = 150 + 70 * ((x + y) % 2)
    assert panel(image)[50 + rows // 2, 70:130].all() == closed


def test_a_nearly_black_panel_differs_by_one_level_around_a_pixel() -> None:
    image = textured()
    image[:50, 50:150] = np.tile(np.array((10, 9, 10, 11), np.uint8), 25)[None]
    assert not panel(image)[:50].any()


@pytest.mark.parametrize(("last", "found"), [(7, True), (8, False)])
def test_a_nearly_black_panel_of_exactly_nineteen_twentieths(last: int, found: bool) -> None:
    """104 columns of three levels, of which the outer two do not count: 5 of 100 are of the third, or 6."""
    image = textured()
    image[:50, 48:152] = np.repeat(np.array((10, 11, 12), np.uint8), (60, 44 - last, last))[None]
    assert panel(image)[25, 80] == found


@pytest.mark.parametrize(("edge", "found"), [(7, True), (8, False)])
def test_a_nearly_black_panel_is_near_the_left_rim(edge: int, found: bool) -> None:
    image = textured()
    image[25:75, edge : edge + 60] = 10
    assert panel(image)[50, edge + 30] == found


def test_a_nearly_black_panel_at_the_end_of_a_tall_image() -> None:
    image = np.ascontiguousarray(textured().T)
    image[140:, 20:80] = 10
    assert panel(image)[170, 50]


def test_parts_of_a_nearly_black_panel_are_found_wherever_they_lie() -> None:
    """The part is left of the panel, and a larger area that is no panel comes before both."""
    image = textured()
    image[:, :6], image[:, 170:] = 10, 10
    image[:50, 40:140] = (5 + np.arange(100) // 10)[None]
    found = panel(image)
    assert found[50, 3] and found[50, 185] and not found[:50, 60:120].any()


@pytest.mark.parametrize(("level", "letter"), [(60, 200), (200, 60)])
def test_letters_are_brighter_or_darker_than_their_panel(level: int, letter: int) -> None:
    """Strokes two pixels apart, which flicker: they belong to the panel, and what stands on one side of it does not."""
    image = even(level, 40, 160) if level == 60 else np.where(even(60, 40, 160) == 60, level, 100).astype(np.uint8)
    change = moving_beside(image, 40, 160)
    image[30:70, 50:70:3] = letter
    change[30:70, 48:72] = 12
    change[30:70, 50:70:3] = 30
    image[30:70, 160:170] = letter
    found = panel(image, change < 3, change)
    assert found[32:68, 50:70].all() and not found[32:68, 163:168].any()


@pytest.mark.parametrize(("step", "found"), [(8, False), (9, True)])
def test_an_even_area_that_what_moves_fades_into_is_no_panel(step: int, found: bool) -> None:
    """Depth without an echo: the tissue beside it differs by 8 levels at most. A panel ends in a larger step."""
    image, change = np.full((100, 200), 60, np.uint8), np.zeros((100, 200), np.uint8)
    image[:, :40], image[:, 160:], change[:, :40], change[:, 160:] = 60 + step, 60 + step, 40, 40
    assert panel(image, change < 3, change)[:, 45:155].any() == found


def test_a_panel_has_straight_edges() -> None:
    """Of 40 + 40 pixels of a rectangle's edge all lie on two columns; of a slanting edge hardly any do."""
    box, slanting = np.zeros((40, 100), bool), np.zeros((40, 100), bool)
    box[:, 30:60] = True
    for row in range(40):
        slanting[row, 30 + row : 80] = True
    assert module._straightness(box) == 1.0
    assert module._straightness(slanting) == pytest.approx(40 / 119)  # the right side; 40 and 39 are steps of the left
    assert module._straightness(np.ones((40, 100), bool)) == 0


def test_the_ground_of_a_screen_is_a_panel_whatever_fades_into_it() -> None:
    """It comes near three corners of the image."""
    image, change = np.full((100, 200), 60, np.uint8), np.zeros((100, 200), np.uint8)
    image[:90, 40:190], change[:90, 40:190] = 64, 40
    assert panel(image, change < 3, change)[95, 100]
    image[10:, :40], change[10:, :40] = 64, 40  # then of two, and one by one
    image[80:, :], change[80:, :] = 64, 40
    assert not panel(image, change < 3, change)[95, 100]
