"""Two straight sides, and the fan or rectangle between them, on small drawings whose answers can be counted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.masks import fan, rect, trapezoid

from seqcls.geometry import sector as module
from seqcls.geometry.sector import Side

Mask = NDArray[np.bool_]


def test_a_line_of_a_side() -> None:
    assert Side(30.0, -0.5, 9).at(10) == 25.0


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
    """Of a fan: beyond 0.03 of the rows, here 1.8, one outside by more than the blur outweighs 30 on the line: with three such rows
    of 60, another line is best."""
    edge = 50 - np.arange(60.0)
    edge[20] -= 4
    edge[40] -= 4
    assert (found := line(edge)) is not None and found.support == 58
    edge[30] -= 4
    assert (found := line(edge)) is not None and found.support < 40
    assert (found := line(edge, blur=4.0)) is not None and found.support == 57


def test_a_line_through_two_rows_is_none() -> None:
    """The line of 30 rows cuts two off, one more than 0.03 of them, which outweighs it; those through them have no other."""
    edge = 60 - np.arange(32.0)
    edge[10], edge[20] = 5, 5
    assert line(edge) is None
    edge[10] = 50
    assert line(edge) is not None
    for rows, found in ((32, False), (40, True)):
        edge = 60 - np.arange(float(rows))
        edge[10], edge[20] = 5, 5
        assert (line(edge) is not None) is found


def test_a_row_within_two_pixels_supports_the_line() -> None:
    edge = 80 - np.arange(60.0)
    edge[10], edge[20], edge[30] = edge[10] + 2, edge[20] - 2, edge[30] + 3
    found = line(edge)
    assert found is not None and found.support == 59
    edge = 80 - np.arange(60.0)
    edge[30] += 3  # takes no part in the fit
    assert (found := line(edge)) is not None
    assert (found.offset, found.slope, found.support) == (pytest.approx(80), pytest.approx(-1), 59)
    edge = 80 - np.arange(60.0)
    edge[10] += 2  # takes part: 0.097 more at row 0
    assert (found := line(edge)) is not None and (found.offset, found.support) == (pytest.approx(80.097, abs=1e-3), 60)
    edge = 80 - np.arange(60.0)
    edge[30] += 3
    usable = np.ones(60, bool)
    usable[40] = False
    assert (found := line(edge, usable)) is not None and found.support == 58


def sides(mask: Mask) -> tuple[float, ...]:
    """Offset, slope, support of both."""
    found = module.sides(mask)
    assert found is not None
    return (*_numbers(found[0]), *_numbers(found[1]))


def _numbers(side: Side) -> tuple[float, float, int]:
    return side.offset, side.slope, side.support


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
    left, right = module.sides(mask)  # type: ignore[misc]
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
    sides = module.sides(rect(20, 10, 70, 70))
    assert (sides and tuple(_numbers(side) for side in sides)) == expected


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_face_reaches_the_rim_itself(mirrored: bool) -> None:
    """A side along the rim is none where the face, a twelfth of the rows, begins two pixels away from it."""
    for rows, away, found in ((60, 2, False), (60, 1, True), (20, 2, False)):
        mask = rect(0, 10, 60, 10 + rows)
        mask[10 : 10 + rows // 12, :away] = False
        mask = mask[:, ::-1] if mirrored else mask
        assert (module.sides(mask) is not None) is found, (rows, away)


def test_a_single_side_is_not_enough() -> None:
    mask = np.zeros((80, 110), bool)
    for y in range(10, 70):
        mask[y, 20 + y // 2 : 90] = True
    assert module.sides(mask) is None and module.sides(mask[:, ::-1]) is None


@pytest.mark.parametrize(("width", "step", "kept"), [(100, 3, True), (100, 4, False), (400, 6, True), (400, 7, False)])
def test_the_blur_of_a_codec_is_three_pixels_or_more_in_a_large_image(width: int, step: int, kept: bool) -> None:
    """Three rows that lie beyond a side by more outweigh the others; 0.015 * 400 is 6."""
    mask = rect(20, 10, 70, 70, width, 100)
    for row in (30, 35, 40):
        mask[row, 20 - step : 20] = True
    found = module.sides(mask)
    assert (found is not None and found[0].support == 57) is kept


def test_what_narrows_with_depth_has_no_sides() -> None:
    assert module.sides(trapezoid()[::-1]) is None


def test_a_rectangle_reaches_as_deep_as_its_evidence() -> None:
    tissue = rect(20, 10, 40, 50) | rect(20, 50, 23, 60) | rect(20, 60, 22, 70)  # 20 columns: a twentieth is one
    left, right = Side(20, 0, 40), Side(79, 0, 40)  # of 59, three are a twentieth
    found, kind = module.completed(tissue, left, right, to_bottom=False)
    assert kind == "linear"
    np.testing.assert_array_equal(found, rect(20, 10, 80, 60))
    found, _ = module.completed(tissue, left, right, to_bottom=True)
    np.testing.assert_array_equal(found, rect(20, 10, 80, 100))


def completed(tissue: Mask, to_bottom: bool = False) -> tuple[Mask, str]:
    sides = module.sides(tissue)
    assert sides is not None
    return module.completed(tissue, *sides, to_bottom=to_bottom)


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


def test_marks_above_and_below_a_fan_make_it_no_deeper_and_no_higher() -> None:
    """Three pixels are less than a twentieth of the width there; they are a row of the evidence all the same."""
    tissue = fan(far=110)
    tissue[100:103, 79:82] = True
    found, _ = completed(tissue)
    assert np.flatnonzero(found.any(axis=1)).max() == 89
    tissue = fan(apex=(80, -60), near=90, far=150, half=25)
    tissue[15, 79:82] = True
    found, _ = module.completed(tissue, Side(52, -0.466, 60), Side(108, 0.466, 60))
    assert np.flatnonzero(found.any(axis=1)).min() == 22


def test_a_row_of_one_pixel_in_a_hundred_is_none() -> None:
    """It begins the sector, whose rows begin with those of its other evidence."""
    tissue = fan(apex=(50, 2), near=20, far=100, half=24)[:, :100].copy()
    tissue[10, 50] = True
    found, _ = completed(tissue)
    assert np.flatnonzero(found.any(axis=1)).min() == 21


def test_shares_met_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slopes that differ by 0.1 make a fan; an inner radius of a fifth makes it convex."""
    tissue = rect(20, 10, 70, 70)
    assert module.completed(tissue, Side(20, -0.05, 60), Side(69, 0.05, 60))[1] == "convex"
    monkeypatch.setattr(module, "_reach", lambda *_: (20, 100))
    assert completed(fan())[1] == "convex"


def test_a_narrow_fan_is_a_fan() -> None:
    """Slopes of 0.36 to either side."""
    found, kind = completed(fan(half=20))
    assert kind == "convex" and (found & fan(half=20)).sum() >= 0.985 * fan(half=20).sum()


def test_a_fan_is_cut_at_the_columns_of_its_evidence() -> None:
    """The apex is in column 80; the evidence reaches to column 40 and 110, and what one half has counts for both."""
    tissue = fan() & rect(40, 0, 111, 120, 160, 120)
    found, _ = module.completed(tissue, Side(66, -0.7, 60), Side(94, 0.7, 60))
    columns = np.flatnonzero(found.any(axis=0))
    assert (columns[0], columns[-1]) == (39, 121)


def test_a_rectangle_in_a_tall_image() -> None:
    tissue = rect(10, 20, 50, 100, 60, 120)
    sides = Side(10, 0, 80), Side(49, 0, 80)
    np.testing.assert_array_equal(module.completed(tissue, *sides)[0], tissue)
    to_bottom = module.completed(tissue, *sides, to_bottom=True)[0]
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
