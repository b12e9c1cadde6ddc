"""From masks of evidence to an outline: each step on a small drawing whose answer can be counted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from seqcls.geometry import sector as module
from seqcls.geometry.evidence import Evidence
from seqcls.geometry.sector import Side, covers, cuts, outline

Mask = NDArray[np.bool_]


def rect(x0: int, y0: int, x1: int, y1: int, width: int = 100, height: int = 100) -> Mask:
    """Half-open."""
    mask = np.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def first(count: int, width: int = 100, height: int = 100) -> Mask:
    """So many pixels of the last rows."""
    mask = np.zeros(height * width, bool)
    mask[len(mask) - count :] = True
    return mask.reshape(height, width)


def fan(apex: tuple[int, int] = (80, -20), near: float = 30, far: float = 130, half: float = 35) -> Mask:
    """120 rows of 160: between two radii about the apex, up to half the opening angle in degrees to either side."""
    y, x = np.mgrid[:120, :160]
    radius, angle = np.hypot(x - apex[0], y - apex[1]), np.degrees(np.arctan2(x - apex[0], y - apex[1]))
    return (radius >= near) & (radius <= far) & (np.abs(angle) <= half)


def evidence(
    active: Mask, seen: Mask | None = None, overlay: Mask | None = None, inside: Mask | None = None
) -> Evidence:
    nothing = np.zeros_like(active)
    return Evidence(
        active if seen is None else seen,
        active,
        nothing if overlay is None else overlay,
        ~nothing if inside is None else inside,
        (1.0, 1.0),
    )


def box(points: NDArray[np.int32]) -> tuple[int, ...]:
    """Corners, inclusive."""
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def square(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.int32]:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.int32)


def pixels(points: NDArray[np.int32], shape: tuple[int, ...] = (120, 160)) -> Mask:
    return cv2.fillPoly(np.zeros(shape, np.uint8), [points], 1) > 0


# --- the whole way


def test_a_line_of_a_side() -> None:
    assert Side(30.0, -0.5, 9).at(10) == 25.0


@pytest.mark.parametrize(
    ("mask", "kind", "corners"),
    [
        (fan(), "convex", (6, 6, 154, 109)),
        (fan(apex=(80, 5), near=2, far=105, half=40), "phased", (13, 7, 147, 110)),
        (rect(30, 10, 120, 100, 160, 120), "linear", (30, 10, 119, 99)),
    ],
    ids=["convex", "phased", "linear"],
)
def test_the_outline_is_that_of_the_drawing(mask: Mask, kind: str, corners: tuple[int, ...]) -> None:
    found = outline(evidence(mask))
    assert found is not None and found[1] == kind
    assert found[0].dtype == np.int32
    assert box(found[0]) == pytest.approx(corners, abs=1)
    hull = pixels(module._hull(mask))
    assert (pixels(found[0]) & hull).sum() / (pixels(found[0]) | hull).sum() > 0.98


def test_what_has_no_sides_is_outlined_by_its_hull() -> None:
    mask = trapezoid()[::-1]
    found = outline(evidence(mask))
    assert found is not None and found[1] == "convex"
    np.testing.assert_array_equal(found[0], module._hull(module._dense(mask)))


def test_nothing_has_no_outline() -> None:
    assert outline(evidence(np.zeros((120, 160), bool))) is None


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_half_in_the_dark_mirrors_the_other(side: str) -> None:
    """Below the face of the probe one half has no echo; the outline is that of the whole fan."""
    mask = fan()
    mask[24:, :80] &= side == "right"
    mask[24:, 80:] &= side == "left"
    found = outline(evidence(mask))
    assert found is not None and found[1] == "convex"
    assert box(found[0]) == pytest.approx((6, 6, 154, 109), abs=3)


def test_an_outline_does_not_reach_over_print() -> None:
    """The same, but something is printed in the dark half: then only what has echoes counts."""
    mask = fan()
    mask[24:, 80:] = False
    print_ = rect(100, 40, 120, 60, 160, 120)
    found = outline(evidence(mask, overlay=print_))
    assert found is not None and box(found[0]) == box(module._hull(module._tissue(evidence(mask))))  # type: ignore[arg-type]
    lit = rect(60, 40, 75, 60, 160, 120)  # where there are echoes, it does not matter
    found = outline(evidence(mask, overlay=lit))
    assert found is not None and box(found[0])[2] > 150
    few = rect(100, 40, 106, 46, 160, 120)  # 36 of 19,200 pixels: less than 0.2 %
    found = outline(evidence(mask, overlay=few))
    assert found is not None and box(found[0])[2] > 150
    just = rect(105, 50, 111, 56, 150, 120)  # of 18,000 pixels just as much
    found = outline(evidence(mask[:, :150], overlay=just))
    assert found is not None and box(found[0])[2] == 149


def test_deep_noise_below_a_dark_band_belongs_to_it() -> None:
    mask = fan()
    mask[60:80] = False
    found = outline(evidence(mask))
    assert found is not None and box(found[0]) == pytest.approx((6, 6, 154, 109), abs=2)


def test_an_image_cut_down_to_the_sector_is_ultrasound_to_the_last_row() -> None:
    mask = fan(near=24, far=160, half=36)
    mask[112:] = False
    found = outline(evidence(mask))
    assert found is not None and box(found[0])[3] == 119
    found = outline(evidence(mask, overlay=rect(0, 0, 10, 1, 160, 120)))  # a line of print beside it
    assert found is not None and box(found[0])[3] < 115


def test_only_what_lies_inside_the_box_is_outlined() -> None:
    inside = rect(0, 0, 100, 120, 160, 120)
    found = outline(evidence(fan() & inside, inside=inside))
    assert found is not None and box(found[0])[2] <= 100


@pytest.mark.parametrize(("rows", "right"), [(4, 119), (20, 122)])
def test_tissue_beyond_the_shape_counts_where_it_is_enough(rows: int, right: int) -> None:
    """A bump of 3 columns, of which 2 lie more than a pixel beyond the side; 0.2 % of the tissue are 14 pixels."""
    bump = rect(120, 50, 123, 50 + rows, 160, 120)
    found = outline(evidence(rect(30, 20, 120, 100, 160, 120) | bump))
    assert found is not None and box(found[0]) == (30, 20, right, 99) and found[1] == "linear"


def test_a_bump_of_a_twentieth_of_the_width_is_tissue() -> None:
    mask = rect(30, 20, 120, 100, 160, 120) | rect(60, 10, 70, 20, 160, 120)
    found = outline(evidence(mask))
    assert found is not None and box(found[0])[1] <= 13
    plain = outline(evidence(rect(30, 20, 120, 100, 160, 120)))
    assert plain is not None and box(plain[0])[1] == 20


# --- boxes and outlines against each other


@pytest.mark.parametrize(("count", "cut"), [(39, False), (40, True), (95, True), (96, False)])
def test_a_box_cuts_through_an_outline(count: int, cut: bool) -> None:
    """An outline of 100 pixels, of which the box holds ``count``."""
    assert cuts(first(count, 10, 10), square(0, 0, 9, 9)) is cut


@pytest.mark.parametrize(("count", "covered"), [(79, False), (80, True)])
def test_an_outline_covers_another_but_for_a_fifth(count: int, covered: bool) -> None:
    """A part of 10 x 10 pixels, ``count`` of them within the whole: rows of 10, and the rest of the next row."""
    whole = np.array([(0, 0), (9, 0), (9, 6), (count - 71, 7), (0, 7)], np.int32)
    drawn = module._drawn(whole, (20, 20))
    assert drawn.sum() == count
    assert covers(whole, square(0, 0, 9, 9), (20, 20)) is covered


# --- components


def test_components_have_labels_and_areas() -> None:
    labels, areas = module._components(rect(0, 0, 3, 2) | rect(50, 50, 54, 54))
    assert sorted(areas.tolist()) == [0, 6, 16] and areas[0] == 0
    assert areas[labels[0, 0]] == 6 and areas[labels[50, 50]] == 16 and labels[99, 0] == 0


def test_large_components_are_a_five_hundredth_of_the_image() -> None:
    large, small = rect(0, 0, 5, 4), rect(50, 50, 69, 51)  # 20 and 19 of 10,000 pixels
    np.testing.assert_array_equal(module._large(large | small), large)
    assert module._large(small) is None


@pytest.mark.parametrize(("height", "moving_wins"), [(14, False), (16, True)])
def test_what_moves_counts_four_times(height: int, moving_wins: bool) -> None:
    """600 still pixels against 140 or 160 that move."""
    still, moving = rect(0, 0, 30, 20, 60, 60), rect(40, 40, 50, 40 + height, 60, 60)
    found = module._main(still | moving, moving)
    np.testing.assert_array_equal(found, moving if moving_wins else still)


def test_what_moves_outside_of_the_mask_does_not_count() -> None:
    mask = rect(0, 0, 30, 20, 60, 60)
    np.testing.assert_array_equal(module._main(mask, rect(30, 20, 60, 60, 60, 60)), mask)


def test_a_component_of_less_than_four_percent_is_no_ultrasound() -> None:
    nothing = np.zeros((100, 100), bool)
    assert module._main(rect(10, 10, 30, 30), nothing) is not None  # 400 of 10,000 pixels
    assert module._main(rect(10, 10, 30, 29), nothing) is None
    assert module._main(nothing, nothing) is None


def test_the_density_window_follows_the_longer_side() -> None:
    """Stripes stay where they fill half of a window of max(5, 0.024 * side) pixels, rounded and made odd."""

    def stays(thickness: int, side: int) -> bool:
        mask = np.zeros((40, side), bool)
        mask[10 : 10 + thickness] = True
        dense = module._dense(mask)
        assert not (dense & ~mask).any()
        return bool(dense.any())

    assert [stays(2, 100), stays(3, 100)] == [False, True]  # 5
    assert [stays(3, 280), stays(4, 280)] == [False, True]  # 6.72 -> 7
    assert [stays(4, 340), stays(5, 340)] == [False, True]  # 8.16 -> 8 -> 9


def test_density_at_the_rim_takes_the_rim_for_continued() -> None:
    assert module._dense(rect(0, 0, 100, 1)).sum() == 100  # rows -2, -1 and 0 of five
    assert module._dense(rect(0, 50, 100, 51)).sum() == 0


def test_a_hole_stays_a_hole() -> None:
    mask = rect(10, 10, 40, 40)
    mask[20, 20] = False
    assert not module._dense(mask)[20, 20] and module._dense(mask)[20, 21]


# --- the tissue


def seen_tissue(moving: Mask, overlay: Mask | None = None) -> bool:
    """Whether all that is seen, 40 x 40 pixels, is taken for tissue, or else what moves alone."""
    seen = rect(20, 20, 60, 60)
    found = module._tissue(evidence(moving, seen=seen, overlay=overlay))
    assert found is not None
    whole = np.array_equal(found, module._dense(seen))
    assert whole or np.array_equal(found, module._dense(moving))
    return whole


@pytest.mark.parametrize(("width", "whole"), [(29, False), (30, True)])
def test_what_is_seen_may_be_a_third_larger_than_what_moves(width: int, whole: bool) -> None:
    assert seen_tissue(rect(20, 20, 20 + width, 60)) is whole


def test_without_movement_what_is_seen_is_tissue() -> None:
    assert seen_tissue(np.zeros((100, 100), bool))
    assert seen_tissue(rect(30, 30, 49, 50))  # moves on less than 4 % of the image


@pytest.mark.parametrize(("count", "whole"), [(15, True), (16, False)])
def test_print_around_what_moves_is_no_tissue(count: int, whole: bool) -> None:
    """1,588 pixels are dense; more than a hundredth of them printed more than 2 pixels away is too much."""
    moving = rect(20, 20, 55, 60)
    far = np.zeros((100, 100), bool)
    far[30 : 30 + count, 57] = True  # the hull ends at column 54, widened at 56
    assert seen_tissue(moving, far) is whole
    near = np.zeros((100, 100), bool)
    near[22:58, 56] = True
    assert seen_tissue(moving, near)


def test_nothing_seen_is_no_tissue() -> None:
    assert module._tissue(evidence(np.zeros((100, 100), bool))) is None


# --- an image cut down to the sector


@pytest.mark.parametrize(
    ("corners", "cropped"),
    [
        ((3, 3, 97, 89), True),
        ((4, 3, 97, 89), False),
        ((3, 4, 97, 89), False),
        ((3, 3, 95, 89), False),
        ((3, 3, 97, 88), False),
    ],
    ids=["narrow", "left", "top", "right", "bottom"],
)
def test_a_rim_of_three_percent_and_ten_below(corners: tuple[int, int, int, int], cropped: bool) -> None:
    """3 of 100 pixels at the left, the top and the right, 10 at the bottom."""
    nothing = np.zeros((100, 100), bool)
    assert module._is_cropped(square(*corners), evidence(nothing)) is cropped


def test_print_or_a_box_says_that_it_is_not_cut_down() -> None:
    hull, nothing = square(3, 3, 97, 89), np.zeros((100, 100), bool)
    assert module._is_cropped(hull, evidence(nothing, overlay=rect(0, 95, 2, 96)))  # 2 of 10,000
    assert not module._is_cropped(hull, evidence(nothing, overlay=rect(0, 95, 3, 96)))
    assert not module._is_cropped(hull, evidence(nothing, seen=rect(0, 94, 100, 100)))
    assert module._is_cropped(hull, evidence(nothing, overlay=rect(2, 2, 99, 91)))  # within, and a pixel around it
    inside = ~nothing
    inside[0, 0] = False
    assert not module._is_cropped(hull, evidence(nothing, inside=inside))


# --- drawing


def test_a_hull_of_pixels_and_its_area() -> None:
    hull = module._hull(rect(10, 20, 15, 24) | rect(12, 24, 13, 26))
    assert {tuple(point) for point in hull.tolist()} == {(10, 20), (14, 20), (14, 23), (12, 25), (10, 23)}
    assert hull.dtype == np.int32
    assert module._area(module._hull(rect(10, 20, 20, 27))) == pytest.approx(70)
    two = module._hull(rect(0, 0, 2, 2) | rect(50, 50, 52, 52))
    assert box(two) == (0, 0, 51, 51)


def test_drawing_to_a_sixteenth_of_a_pixel() -> None:
    assert np.array_equal(module._drawn(square(2, 3, 5, 6), (10, 10)), rect(2, 3, 6, 7, 10, 10))
    half = np.array([(2.5, 3), (5.5, 3), (5.5, 6), (2.5, 6)])
    assert module._drawn(half, (10, 10)).sum() == 16
    slanted = module._drawn(np.array([(0.0, 0.0), (8.0, 0.0), (8.0, 4.0)]), (10, 10))
    assert slanted[2].tolist() == [False] * 4 + [True] * 5 + [False]


@pytest.mark.parametrize(("part", "side"), [(0.001, 3), (0.02, 5), (0.03, 7), (0.034, 7), (0.036, 9)])
def test_a_mask_grows_by_a_part_of_the_longer_side(part: float, side: int) -> None:
    """Of 100 pixels, to every side: a pixel becomes a square."""
    grown = module._wider(rect(50, 40, 51, 41, 100, 80), part)
    assert grown.sum() == side**2 and grown[40 - side // 2, 50 + side // 2]


# --- straight sides


def line(edge: NDArray[np.float64], usable: Mask | None = None, blur: float = 3.0) -> Side | None:
    rows = np.arange(len(edge))
    return module._line(rows, edge.astype(np.intp), np.ones(len(edge), bool) if usable is None else usable, blur)


def test_a_line_through_an_edge() -> None:
    found = line(np.round(60 - 0.5 * np.arange(80)))
    assert found is not None and found.support == 80
    assert (found.offset, found.slope) == (pytest.approx(60, abs=0.5), pytest.approx(-0.5, abs=0.01))


def test_rows_that_do_not_start_at_zero() -> None:
    rows = np.arange(100, 160)
    found = module._line(rows, (200 - rows).astype(np.intp), np.ones(60, bool), 3.0)
    assert found is not None and (found.offset, found.slope, found.support) == pytest.approx((200, -1, 60))


@pytest.mark.parametrize(("count", "found"), [(11, False), (12, True)])
def test_a_line_takes_12_rows(count: int, found: bool) -> None:
    assert (line(30.0 - np.arange(count)) is not None) is found
    usable = np.arange(40) < count
    assert (line(60.0 - np.arange(40), usable) is not None) is found


@pytest.mark.parametrize(
    ("slope", "found"),
    [(0.0, True), (0.05, True), (0.2, False), (-3.0, True), (-3.9, True), (-4.0, False), (-4.5, False)],
)
def test_a_side_widens_with_depth_but_not_flat(slope: float, found: bool) -> None:
    """20 rows every 20 pixels, so that the slopes are exact."""
    rows = np.arange(20) * 20
    side = module._line(rows, (2000 + np.round(slope * rows)).astype(np.intp), np.ones(20, bool), 3.0)
    assert (side is not None) is found
    if side is not None:
        assert (side.offset, side.slope) == (pytest.approx(2000, abs=0.1), pytest.approx(slope, abs=1e-6))


def test_a_line_cuts_hardly_anything_off() -> None:
    """A row beyond the line by more than the blur outweighs 30 on it: with two such rows of 60, another line is best."""
    edge = 50 - np.arange(60.0)
    edge[20] -= 4
    assert (found := line(edge)) is not None and found.support == 59
    edge[40] -= 4
    assert (found := line(edge)) is not None and found.support == 26
    assert (found := line(edge, blur=4.0)) is not None and found.support == 58


def test_a_line_through_two_rows_is_none() -> None:
    """The line of 30 rows cuts one off, which outweighs it; the one through that row and the first has no other."""
    edge = 60 - np.arange(31.0)
    edge[15] -= 40
    assert line(edge) is None


def test_a_row_within_two_pixels_supports_the_line() -> None:
    edge = 80 - np.arange(60.0)
    edge[10], edge[20], edge[30] = edge[10] + 2, edge[20] - 2, edge[30] + 3
    found = line(edge)
    assert found is not None and found.support == 59
    edge = 80 - np.arange(60.0)
    edge[30] += 3  # takes no part in the fit
    assert (found := line(edge)) is not None
    assert (found.offset, found.slope, found.support) == (pytest.approx(80), pytest.approx(-1), 59)
    usable = np.ones(60, bool)
    usable[40] = False
    assert (found := line(edge, usable)) is not None and found.support == 58


def sides(mask: Mask) -> tuple[float, ...]:
    """Offset, slope, support of both."""
    found = module._sides(mask)
    assert found is not None
    return (*_numbers(found[0]), *_numbers(found[1]))


def _numbers(side: Side) -> tuple[float, float, int]:
    return side.offset, side.slope, side.support


def trapezoid() -> Mask:
    """60 rows from row 10; x from 50 - y / 2 to 59 + y / 2, of 100 columns."""
    mask = np.zeros((80, 110), bool)
    for y in range(10, 70):
        mask[y, 50 - y // 2 : 60 + y // 2] = True
    return mask


def test_both_sides_are_lines() -> None:
    assert sides(trapezoid()) == pytest.approx((50.25, -0.5, 60, 58.75, 0.5, 60), abs=0.1)
    assert sides(rect(20, 10, 70, 70)) == pytest.approx((20, 0, 60, 69, 0, 60), abs=0.1)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_side_in_the_dark_is_the_mirror_of_the_other(mirrored: bool) -> None:
    """Of the right side only the upright edge of the face is lit, 14 rows of 60: it is told by the left one.

    The face's first 5 rows reach from column 43 to 69, the first one farthest; so the offsets add up to 112.
    """
    mask = trapezoid()
    mask[10:24, 55:68], mask[10:24, 68:], mask[24:, 55:] = True, False, False
    mask[10, 68:70] = True
    mask = mask[:, ::-1] if mirrored else mask
    left, right = module._sides(mask)  # type: ignore[misc]
    dark, lit = (left, right) if mirrored else (right, left)
    assert (lit.support, dark.support) == (60, 0)
    assert dark.slope == -lit.slope and abs(lit.slope) == pytest.approx(0.5, abs=0.01)
    assert left.offset + right.offset == pytest.approx(2 * 109 - 112 if mirrored else 112)


def test_a_sector_up_to_the_rim_has_the_rim_for_a_side() -> None:
    assert sides(rect(0, 10, 100, 70)) == pytest.approx((0, 0, 0, 99, 0, 0))
    assert sides(rect(1, 10, 99, 70)) == pytest.approx((0, 0, 0, 99, 0, 0))
    assert sides(rect(2, 10, 98, 70)) == pytest.approx((2, 0, 60, 97, 0, 60), abs=0.1)
    half = sides(rect(0, 10, 60, 70))
    assert half == pytest.approx((0, 0, 0, 59, 0, 60), abs=0.1)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ((20, -0.5, 10), (69, 0.5, 10), ((20, -0.5, 10), (69, 0.5, 10))),  # alike: support does not matter
        ((20, -0.5, 18), (69, 0.2, 30), ((20, -0.5, 18), (69, 0.2, 30))),  # both firm: 0.3 of 60 rows are 18
        ((20, -0.5, 18), (69, 0.2, 17), ((20, -0.5, 18), (69, 0.5, 0))),  # one firm: the face is 20 to 69
        ((20, -0.1, 10), (69, 0.2, 10), None),
        ((20, -0.1, 10), (69, 0.4, 18), ((20, -0.4, 0), (69, 0.4, 18))),
    ],
)
def test_of_two_sides_that_differ_the_firm_one_counts(
    left: tuple[float, float, int], right: tuple[float, float, int], expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines of offset, slope and support through the edges of 60 rows; of the right one its mirror is found."""
    found = iter((Side(*left), Side(99 - right[0], -right[1], right[2])))
    monkeypatch.setattr(module, "_line", lambda *_: next(found))
    sides = module._sides(rect(20, 10, 70, 70))
    assert (sides and tuple(_numbers(side) for side in sides)) == expected


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_face_reaches_the_rim_itself(mirrored: bool) -> None:
    """A side along the rim is none where the face, a twelfth of the rows, begins two pixels away from it."""
    for rows, away, found in ((60, 2, False), (60, 1, True), (20, 2, False)):
        mask = rect(0, 10, 60, 10 + rows)
        mask[10 : 10 + rows // 12, :away] = False
        mask = mask[:, ::-1] if mirrored else mask
        assert (module._sides(mask) is not None) is found, (rows, away)


def test_a_single_side_is_not_enough() -> None:
    mask = np.zeros((80, 110), bool)
    for y in range(10, 70):
        mask[y, 20 + y // 2 : 90] = True
    assert module._sides(mask) is None and module._sides(mask[:, ::-1]) is None


@pytest.mark.parametrize(("width", "step", "kept"), [(100, 3, True), (100, 4, False), (400, 6, True), (400, 7, False)])
def test_the_blur_of_a_codec_is_three_pixels_or_more_in_a_large_image(width: int, step: int, kept: bool) -> None:
    """Three rows that lie beyond a side by more outweigh the others; 0.015 * 400 is 6."""
    mask = rect(20, 10, 70, 70, width, 100)
    for row in (30, 35, 40):
        mask[row, 20 - step : 20] = True
    found = module._sides(mask)
    assert (found is not None and found[0].support == 57) is kept


def test_what_narrows_with_depth_has_no_sides() -> None:
    assert module._sides(trapezoid()[::-1]) is None


# --- fragments


def test_what_moves_between_the_sides_is_added() -> None:
    tissue, below, beside = rect(30, 10, 70, 50), rect(40, 70, 60, 80), rect(80, 70, 95, 80)
    left, right = Side(30, 0, 40), Side(69, 0, 40)
    found = module._with_fragments(tissue, evidence(tissue | below | beside), left, right)
    np.testing.assert_array_equal(found, tissue | module._dense(below))


@pytest.mark.parametrize(("shift", "added"), [(0, True), (7, True), (8, False)])
def test_a_fragment_lies_between_the_sides_but_for_a_fifth(shift: int, added: bool) -> None:
    """20 columns wide, and 3 pixels beyond a side are still between."""
    tissue = rect(30, 10, 70, 50)
    for fragment in (rect(50 + shift, 70, 70 + shift, 90), rect(30 - shift, 70, 50 - shift, 90)):
        found = module._with_fragments(tissue, evidence(fragment), Side(30, 0, 40), Side(69, 0, 40))
        assert bool((found & ~tissue).any()) is added


def test_a_fragment_is_large() -> None:
    tissue = rect(30, 10, 70, 50)
    for size, added in ((5, False), (6, True)):  # 13 and 24 dense pixels of 10,000
        found = module._with_fragments(
            tissue, evidence(rect(50, 70, 50 + size, 70 + size)), Side(30, 0, 40), Side(69, 0, 40)
        )
        assert bool((found & ~tissue).any()) is added


def test_sides_that_slant() -> None:
    tissue = trapezoid()
    fragment = np.zeros_like(tissue)
    fragment[72:79, 12:20] = True  # column 50 - 75 / 2 = 12.5
    found = module._with_fragments(tissue, evidence(fragment), Side(50, -0.5, 60), Side(59, 0.5, 60))
    assert (found & ~tissue).any()
    straight = module._with_fragments(tissue, evidence(fragment), Side(50, 0, 60), Side(59, 0, 60))
    assert not (straight & ~tissue).any()


# --- the whole shape


def test_a_rectangle_reaches_as_deep_as_its_evidence() -> None:
    tissue = rect(20, 10, 40, 50) | rect(20, 50, 23, 60) | rect(20, 60, 22, 70)  # 20 columns: a twentieth is one
    left, right = Side(20, 0, 40), Side(79, 0, 40)  # of 59, three are a twentieth
    found, kind = module._completed(tissue, left, right, to_bottom=False)
    assert kind == "linear"
    np.testing.assert_array_equal(found, rect(20, 10, 80, 60))
    found, _ = module._completed(tissue, left, right, to_bottom=True)
    np.testing.assert_array_equal(found, rect(20, 10, 80, 100))


def completed(tissue: Mask, to_bottom: bool = False) -> tuple[Mask, str]:
    sides = module._sides(tissue)
    assert sides is not None
    return module._completed(tissue, *sides, to_bottom=to_bottom)


def test_a_fan_is_completed_between_its_sides() -> None:
    whole = fan()
    hollow = whole & ~rect(60, 40, 100, 90, 160, 120)
    found, kind = completed(hollow)
    assert kind == "convex"
    assert (found & whole).sum() >= 0.985 * whole.sum() and (found & ~whole).sum() <= 0.03 * whole.sum()


@pytest.mark.parametrize(("near", "kind"), [(16, "phased"), (24, "convex")])
def test_a_small_inner_radius_is_a_phased_array(near: int, kind: str) -> None:
    """A fifth of the outer radius, which is 100."""
    assert completed(fan(apex=(80, 2), near=near, far=100, half=38))[1] == kind


def test_a_fan_is_no_deeper_and_no_wider_than_its_evidence() -> None:
    shallow = fan()
    shallow[90:] = False
    found, _ = completed(shallow)
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    own = np.flatnonzero(shallow.any(axis=0))
    assert (rows[0], rows[-1]) == (5, 89)
    assert abs(columns[0] - own[0]) <= 1 and abs(columns[-1] - own[-1]) <= 1


def test_a_narrow_fan_is_a_fan() -> None:
    """Slopes of 0.36 to either side."""
    found, kind = completed(fan(half=20))
    assert kind == "convex" and (found & fan(half=20)).sum() >= 0.985 * fan(half=20).sum()


def test_a_fan_is_cut_at_the_columns_of_its_evidence() -> None:
    """The apex is in column 80; the evidence reaches to column 40 and 110, and what one half has counts for both."""
    tissue = fan() & rect(40, 0, 111, 120, 160, 120)
    found, _ = module._completed(tissue, Side(66, -0.7, 60), Side(94, 0.7, 60))
    columns = np.flatnonzero(found.any(axis=0))
    assert (columns[0], columns[-1]) == (39, 121)


def test_a_rectangle_in_a_tall_image() -> None:
    tissue = rect(10, 20, 50, 100, 60, 120)
    sides = Side(10, 0, 80), Side(49, 0, 80)
    np.testing.assert_array_equal(module._completed(tissue, *sides)[0], tissue)
    to_bottom = module._completed(tissue, *sides, to_bottom=True)[0]
    np.testing.assert_array_equal(to_bottom, rect(10, 20, 50, 120, 60, 120))


def test_a_fan_to_the_last_row() -> None:
    whole = fan(near=24, far=160, half=36)
    cut = whole.copy()
    cut[110:] = False
    found, _ = completed(cut, to_bottom=True)
    assert found[119, 80] and not completed(cut)[0][112:].any()
    assert (found & whole).sum() >= 0.97 * whole.sum()
    narrow = fan(near=24, far=160, half=20)
    narrow[110:] = False  # radii up to 138; the last row is 140 below the apex
    found, _ = completed(narrow, to_bottom=True)
    assert found[119, 80] and found[100, 120] and not found[119, 126]


def test_the_first_and_the_last_depth_with_a_twentieth_of_the_width() -> None:
    place = np.repeat([3, 5, 6, 9, 12], [1, 2, 10, 2, 1])
    assert module._reach(place, np.full(20, 40.0)) == (5, 9)
    assert module._reach(place, np.full(20, 10.0)) == (3, 12)  # one pixel at least
    assert module._reach(place, np.full(20, 41.0)) == (6, 6)
    assert module._reach(np.array([4]), np.zeros(20)) == (4, 4)
