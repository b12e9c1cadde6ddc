"""Screens of 32 x 24 cells of 10 pixels each, known again by the cells around the ultrasound."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.masks import evidence, rect

from seqcls.errors import GeometryError
from seqcls.geometry import Layout, Region
from seqcls.geometry import layout as module
from seqcls.geometry.evidence import Statistics
from seqcls.geometry.layout import MOVING, Ground, confirmed, ground_of, has_screen, holds, is_like

BOX = Region(80, 40, 240, 200, 320, 240, kind="linear")  # cells 8 to 23 and 4 to 19


def ground(level: int = 0, lit: int = 0, moving: int = 0, bright: int = 60) -> Ground:
    """``lit`` cells of the first row at ``bright``, ``moving`` ones of the last row; the region's cells move."""
    cells = np.full((24, 32), level, np.uint8)
    cells[4:20, 8:24] = MOVING
    cells[0, :lit] = bright
    cells[23, :moving] = MOVING
    return cells


def layout(cells: Ground, region: Region = BOX, stated: bool = False) -> Layout:
    return Layout(region, tuple(cells.ravel().tolist()), stated)


def shows(known: Ground, seen: Ground) -> bool:
    return has_screen(layout(known), seen, 320, 240)


# --- cells


def test_cells_are_means_of_what_stands_still() -> None:
    """A cell of 100 pixels moves where more than a twentieth of it does: 255 * 0.95 is 242.25."""
    mean = np.full((240, 320), 40, np.uint8)
    mean[:10, :10], mean[10:20, :10] = 255, 80
    mean[10:15, :10] = 60
    still = np.ones((240, 320), bool)
    still[0:10, 20] = still[20, 0:5] = False
    cells = ground_of(mean, still, 320, 240)
    assert cells.shape == (24, 32) and cells.dtype == np.uint8
    assert cells[:3, :3].tolist() == [[254, 40, MOVING], [70, 40, 40], [40, 40, 40]]


@pytest.mark.parametrize(("width", "height", "rows"), [(640, 480, 24), (1920, 1080, 18), (100, 1, 1), (480, 640, 43)])
def test_cells_are_square(width: int, height: int, rows: int) -> None:
    mean, still = np.zeros((height, width), np.uint8), np.ones((height, width), bool)
    assert ground_of(mean, still, width, height).shape == (rows, 32)


@pytest.mark.parametrize(("width", "height", "rows"), [(1148, 664, 19), (1006, 708, 23)])
def test_cells_are_of_the_screen_and_not_of_the_reduced_image(width: int, height: int, rows: int) -> None:
    """664 / 1148 * 32 is 18.51, but 370 / 640 * 32, of the image that is searched, 18.5: 19 rows and 18."""
    reduced = Statistics(width, height).size
    assert round(32 * reduced[1] / reduced[0]) != rows
    cells = ground_of(np.full(reduced[::-1], 40, np.uint8), np.ones(reduced[::-1], bool), width, height)
    assert cells.shape == (rows, 32) and (cells == 40).all()


def test_every_size_of_a_screen_has_a_layout() -> None:
    """Whatever the sizes round to: 100 widths by 60 heights, of an image of a pixel, so that only the rows count."""
    mean, still = np.full((1, 1), 40, np.uint8), np.ones((1, 1), bool)
    for width, height in itertools.product(range(320, 1920, 16), range(240, 1200, 16)):
        cells = ground_of(mean, still, width, height)
        Layout(Region(0, 0, width, height, width, height), tuple(cells.ravel().tolist()))


# --- what is known again


@pytest.mark.parametrize(("lit", "known"), [(3, False), (4, True)])
def test_a_screen_has_four_lit_cells_around_the_ultrasound(lit: int, known: bool) -> None:
    assert layout(ground(lit=lit)).is_known_again is known
    assert shows(ground(lit=lit), ground(lit=lit)) is known


def test_cells_of_the_region_moving_ones_and_dark_ones_tell_no_screen() -> None:
    inside = ground()
    inside[5:9, 9:13] = 60
    assert not layout(inside).is_known_again
    assert not layout(ground(moving=8)).is_known_again
    assert not layout(ground(lit=8, bright=10)).is_known_again and layout(ground(lit=8, bright=11)).is_known_again


def test_a_cell_on_the_edge_of_the_region_belongs_to_it() -> None:
    """Column 7 is half covered by a region that begins at 75."""
    cells = ground()
    cells[5:9, 7] = 60
    assert layout(cells).is_known_again
    assert not layout(cells, replace(BOX, x0=75)).is_known_again


@pytest.mark.parametrize(("y0", "known"), [(45, False), (46, True)])
def test_a_cell_of_which_a_twentieth_belongs_to_the_region_is_none_around_it(y0: int, known: bool) -> None:
    """One column of a cell, in 5 or 4 of its 10 rows."""
    cells = ground(lit=3)
    cells[4, 7] = 60
    assert layout(cells, replace(BOX, x0=79, y0=y0)).is_known_again is known
    larger = Region(159, 2 * y0 - 10, 480, 400, 640, 480)  # in 20 or 18 of 20 rows
    assert layout(cells, larger).is_known_again is known
    assert layout(cells, replace(larger, y0=81)).is_known_again  # in 19


@pytest.mark.parametrize(("differ", "same"), [(2, True), (3, False)])
def test_three_quarters_of_the_lit_cells_are_alike(differ: int, same: bool) -> None:
    """Of 8, within 12 levels."""
    known, seen = ground(lit=8), ground(lit=8)
    seen[0, :8] = 72
    assert shows(known, seen)
    seen[0, :differ] = 73
    assert shows(known, seen) is same
    seen[0, :8] = 48
    seen[0, :differ] = 47
    assert shows(known, seen) is same


def test_cells_lit_in_either_screen_count() -> None:
    known, seen = ground(lit=8), ground(lit=8)
    seen[1, :2] = 60
    assert shows(known, seen)
    seen[1, :3] = 60
    assert not shows(known, seen) and not shows(seen, known)


@pytest.mark.parametrize(("moving", "same"), [(4, True), (5, False)])
def test_six_tenths_of_the_lit_cells_stand_still_in_both(moving: int, same: bool) -> None:
    known, seen = ground(lit=10), ground(lit=10)
    seen[0, :moving] = MOVING
    assert shows(known, seen) is same and shows(seen, known) is (same and moving <= 6)


def test_another_size_is_another_screen() -> None:
    known = layout(ground(lit=8))
    assert not has_screen(known, ground(lit=8), 320, 241) and not has_screen(known, ground(lit=8), 321, 240)
    assert is_like(known, layout(ground(lit=8))) and not is_like(known, layout(ground(lit=4)))


# --- whether the region is right for a clip


def test_what_moves_lies_in_the_region_but_for_a_thirtieth() -> None:
    known = layout(ground(lit=8))
    moving = rect(80, 40, 240, 200, 320, 240)
    assert holds(known, None, evidence(moving))
    assert holds(known, None, evidence(moving | rect(0, 0, 25, 25, 320, 240)))  # of 25,600 pixels about 600
    assert not holds(known, None, evidence(moving | rect(0, 0, 35, 35, 320, 240)))
    assert holds(known, None, evidence(np.zeros((240, 320), bool)))


@pytest.mark.parametrize(("length", "right"), [(182, True), (188, False)])
def test_a_thirtieth_may_move_outside(length: int, right: bool) -> None:
    """A line of 5 pixels fills half of a window of 9, but for its ends: 870 or 900 pixels of 26,400."""
    known, moving = layout(ground(lit=8)), rect(80, 40, 240, 200, 320, 240)
    assert holds(known, None, evidence(moving | rect(10, 20, 15, 20 + length, 320, 240))) is right
    assert holds(known, None, evidence(moving | rect(20, 10, 20 + length, 15, 320, 240))) is right


def test_what_a_search_finds_is_not_quite_another_region() -> None:
    """Half of what either holds is common, where the search is sure."""
    known, nothing = layout(ground(lit=8)), evidence(np.zeros((240, 320), bool))
    half = replace(BOX, x1=160)
    less = replace(BOX, x1=159)
    assert holds(known, half, nothing) and not holds(known, less, nothing)
    assert holds(known, replace(less, confidence=0.49), nothing)
    assert not holds(known, replace(less, confidence=0.5), nothing)


# --- records


def test_a_layout_survives_json() -> None:
    known = layout(ground(lit=8), stated=True)
    assert Layout.from_dict(known.to_dict()) == known
    assert set(known.to_dict()) == {"region", "stated", "ground"} and known.to_dict()["stated"] is True


@pytest.mark.parametrize(
    "change",
    [{"ground": "AA=="}, {"ground": "?"}, {"region": {}}, {"ground": None}, {"stated": None, "ground": 5}],
    ids=str,
)
def test_a_damaged_layout_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(GeometryError):
        Layout.from_dict({**layout(ground(lit=8)).to_dict(), **change})
    with pytest.raises(GeometryError, match="not a stored layout"):
        Layout.from_dict({})
    own = layout(ground(lit=8)).to_dict()
    with pytest.raises(GeometryError, match=r"^not a stored layout .*base64"):
        Layout.from_dict({**own, "ground": "?" + own["ground"]})
    with pytest.raises(GeometryError, match=r"^not a stored layout \(region\.x0 is missing\); remember it anew$"):
        Layout.from_dict({**own, "region": {}})


def test_cells_that_do_not_fit_the_size() -> None:
    with pytest.raises(GeometryError, match="a layout of 767 cells is not for 32 columns; remember it anew"):
        Layout(BOX, (0,) * 767)


def test_a_confirmed_region_is_sure() -> None:
    known = layout(ground(lit=8), replace(BOX, confidence=0.3))
    sure = confirmed(known, replace(BOX, x0=70, confidence=0.2))
    assert sure == layout(ground(lit=8), replace(BOX, x0=70), stated=True)
    assert module.COLUMNS == 32
