"""Components, density, hulls and areas of small masks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.masks import box, rect, square

from seqcls.geometry.masks import area, components, dense, drawn, hull, iou, wider

Mask = NDArray[np.bool_]


def test_components_have_labels_and_areas() -> None:
    labels, areas = components(rect(0, 0, 3, 2) | rect(50, 50, 54, 54))
    assert sorted(areas.tolist()) == [0, 6, 16] and areas[0] == 0
    assert areas[labels[0, 0]] == 6 and areas[labels[50, 50]] == 16 and labels[99, 0] == 0


def test_the_density_window_follows_the_longer_side() -> None:
    """Stripes stay where they fill half of a window of max(5, 0.024 * side) pixels, rounded and made odd."""

    def stays(thickness: int, side: int) -> bool:
        mask = np.zeros((40, side), bool)
        mask[10 : 10 + thickness] = True
        kept = dense(mask)
        assert not (kept & ~mask).any()
        return bool(kept.any())

    assert [stays(2, 100), stays(3, 100)] == [False, True]  # 5
    assert [stays(3, 280), stays(4, 280)] == [False, True]  # 6.72 -> 7
    assert [stays(4, 340), stays(5, 340)] == [False, True]  # 8.16 -> 8 -> 9


def test_density_at_the_rim_takes_the_rim_for_continued() -> None:
    assert dense(rect(0, 0, 100, 1)).sum() == 100  # rows -2, -1 and 0 of five
    assert dense(rect(0, 50, 100, 51)).sum() == 0


def test_a_hole_stays_a_hole() -> None:
    mask = rect(10, 10, 40, 40)
    mask[20, 20] = False
    assert not dense(mask)[20, 20] and dense(mask)[20, 21]


def test_a_hull_of_pixels_and_its_area() -> None:
    corners = hull(rect(10, 20, 15, 24) | rect(12, 24, 13, 26))
    assert {tuple(point) for point in corners.tolist()} == {(10, 20), (14, 20), (14, 23), (12, 25), (10, 23)}
    assert corners.dtype == np.int32
    assert area(hull(rect(10, 20, 20, 27))) == pytest.approx(70)
    two = hull(rect(0, 0, 2, 2) | rect(50, 50, 52, 52))
    assert box(two) == (0, 0, 51, 51)


def test_drawing_to_a_sixteenth_of_a_pixel() -> None:
    assert np.array_equal(drawn(square(2, 3, 5, 6), (10, 10)), rect(2, 3, 6, 7, 10, 10))
    half = np.array([(2.5, 3), (5.5, 3), (5.5, 6), (2.5, 6)])
    assert drawn(half, (10, 10)).sum() == 16
    slanted = drawn(np.array([(0.0, 0.0), (8.0, 0.0), (8.0, 4.0)]), (10, 10))
    assert slanted[2].tolist() == [False] * 4 + [True] * 5 + [False]


@pytest.mark.parametrize(("part", "side"), [(0.001, 3), (0.02, 5), (0.03, 7), (0.034, 7), (0.036, 9)])
def test_a_mask_grows_by_a_part_of_the_longer_side(part: float, side: int) -> None:
    """Of 100 pixels, to every side: a pixel becomes a square."""
    grown = wider(rect(50, 40, 51, 41, 100, 80), part)
    assert grown.sum() == side**2 and grown[40 - side // 2, 50 + side // 2]


def test_the_common_part_of_two_masks() -> None:
    """10 x 10 pixels each, of which 40 are common and 160 in either."""
    assert iou(rect(0, 0, 10, 10), rect(6, 0, 16, 10)) == 40 / 160
    assert iou(rect(0, 0, 10, 10), rect(50, 50, 60, 60)) == 0
    assert iou(rect(0, 0, 0, 0), rect(0, 0, 0, 0)) == 0
    assert iou(rect(3, 4, 4, 5), rect(3, 4, 4, 5)) == 1
