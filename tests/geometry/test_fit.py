"""How well a shape fits a drawing, and what belongs to it; its answers can be counted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.masks import box, evidence, fan, rect, square, trapezoid

from seqcls.geometry import fit as module
from seqcls.geometry.fit import Fit, fit
from seqcls.geometry.masks import dense
from seqcls.geometry.sector import Side

Mask = NDArray[np.bool_]


#: Print in a corner: a screen, not an image that was cut down to the ultrasound.
MARK = rect(0, 116, 12, 120, 160, 120)


@pytest.mark.parametrize(
    ("corners", "whole"),
    [
        ((3, 3, 96, 80), True),  # three rims within 3 of 100 pixels
        ((4, 3, 96, 40), False),
        ((3, 4, 96, 40), False),
        ((3, 3, 95, 40), False),
        ((3, 50, 95, 96), False),
        ((3, 50, 96, 96), True),
        ((3, 10, 89, 95), False),  # one rim, and 87 * 86 of 10,000 pixels
        ((3, 10, 90, 95), True),  # and 88 * 86 are more than three quarters
        ((4, 8, 95, 95), False),  # 92 * 88, but no rim
    ],
    ids=str,
)
def test_an_image_with_nothing_around_that_reaches_the_rims_is_whole(
    corners: tuple[int, int, int, int], whole: bool
) -> None:
    nothing = np.zeros((100, 100), bool)
    assert module._is_whole(square(*corners), evidence(nothing)) is whole


@pytest.mark.parametrize(
    ("corners", "printed", "whole"),
    [
        ((3, 3, 50, 96), 2, True),  # three rims; 2 of 10,000 pixels are no print
        ((3, 3, 50, 96), 3, False),
        ((3, 3, 94, 89), 50, True),  # two rims, 92 * 87 pixels, and 50 printed
        ((3, 3, 94, 89), 51, False),
        ((3, 3, 93, 89), 50, False),  # 91 * 87 are less than 80 %
        ((3, 4, 94, 95), 50, False),  # one rim
    ],
    ids=str,
)
def test_a_little_print_is_allowed_around_most_of_the_image(
    corners: tuple[int, int, int, int], printed: int, whole: bool
) -> None:
    nothing = np.zeros((100, 100), bool)
    overlay = nothing.copy()
    overlay[98:].ravel()[:printed] = True
    assert module._is_whole(square(*corners), evidence(nothing, overlay=overlay)) is whole


def test_what_is_seen_or_in_a_box_is_no_whole_image() -> None:
    corners, nothing = square(3, 3, 96, 80), np.zeros((100, 100), bool)
    assert not module._is_whole(corners, evidence(nothing, seen=rect(0, 90, 100, 100)))
    assert module._is_whole(corners, evidence(nothing, overlay=rect(2, 2, 98, 82)))  # within, and a pixel around it
    inside = ~nothing
    inside[0, 0] = False
    assert not module._is_whole(corners, evidence(nothing, inside=inside))
    assert module._is_whole(corners, evidence(nothing, panel=rect(20, 20, 40, 30)))  # 200 of 10,000 pixels
    assert not module._is_whole(corners, evidence(nothing, panel=rect(20, 20, 40, 31)))


def test_what_moves_between_the_sides_is_added() -> None:
    tissue, below, beside = rect(30, 10, 70, 50), rect(40, 70, 60, 80), rect(80, 70, 95, 80)
    left, right = Side(30, 0, 40), Side(69, 0, 40)
    found = module._with_fragments(tissue, evidence(tissue | below | beside), left, right)
    np.testing.assert_array_equal(found, tissue | dense(below))


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


def test_evidence_is_turned_upside_down_as_a_whole() -> None:
    masks = [rect(0, row, 4, row + 1, 4, 8) for row in range(6)]
    mean = np.arange(32, dtype=np.uint8).reshape(8, 4)
    turned = module._turned(module.Evidence(*masks, mean, (2.0, 4.0)))
    rows = [
        np.flatnonzero(mask.all(axis=1)).tolist()
        for mask in (turned.seen, turned.active, turned.overlay, turned.panel, turned.inside, turned.still)
    ]
    assert rows == [[7], [6], [5], [4], [3], [2]]
    assert turned.mean[:, 0].tolist() == [28, 24, 20, 16, 12, 8, 4, 0] and turned.scale == (2.0, 4.0)


@pytest.mark.parametrize(
    ("kind", "whole", "upright", "quality", "turned"),
    [
        ("convex", False, 0.5, 0.54, False),
        ("convex", False, 0.5, 0.55, True),
        ("convex", False, 0.94, 1.0, True),
        ("convex", False, 0.95, 1.0, False),
        ("convex", True, 0.5, 1.0, False),
        ("linear", False, 0.84, 1.0, True),
        ("linear", False, 0.85, 1.0, False),
    ],
)
def test_the_probe_is_below_where_that_is_better_by_a_twentieth(
    monkeypatch: pytest.MonkeyPatch, kind: str, whole: bool, upright: float, quality: float, turned: bool
) -> None:
    """Of 120 rows, 30 to 39 from below are 80 to 89. A fan that is wider above is a fairly good fit for both."""
    fits = iter([Fit(square(0, 0, 9, 9), kind, upright, whole)])
    below = Fit(square(0, 30, 9, 39), "phased", quality, False)
    monkeypatch.setattr(module, "_upright", lambda tissue, evidence: next(fits, below))
    found = fit(MARK, evidence(MARK))
    assert (box(found.corners), found.kind) == (((0, 80, 9, 89), "phased") if turned else ((0, 0, 9, 9), kind))


@pytest.mark.parametrize(
    ("left", "right", "columns"),
    [
        ((2, 0.0, 40), (8, 0.0, 11), [range(6), range(6)]),  # the middle is column 5
        ((2, 0.0, 40), (8, 0.0, 12), [range(10), range(10)]),  # three tenths are enough
        ((2, 0.0, 40), (8, 0.0, 40), [range(10), range(10)]),
        ((2, 0.0, 11), (8, 0.0, 40), [range(5, 10), range(5, 10)]),
        ((2, 0.0, 12), (8, 0.0, 40), [range(10), range(10)]),
        ((2, 2.0, 40), (8, 0.0, 0), [range(6), range(7)]),  # a row below it is column 6
        ((2, 0.0, 40), (8, 2.0, 0), [range(6), range(7)]),
    ],
    ids=str,
)
def test_only_the_side_of_the_firm_line_is_compared(
    left: tuple[int, float, int], right: tuple[int, float, int], columns: list[range]
) -> None:
    compared = module._lit_half((2, 10), Side(*left), Side(*right))
    assert [np.flatnonzero(row).tolist() for row in np.broadcast_to(compared, (2, 10))] == [
        list(row) for row in columns
    ]


def test_a_fragment_of_a_five_hundredth_of_the_image() -> None:
    """24 dense pixels of 6 x 6, of 12,000."""
    tissue, fragment = rect(30, 10, 70, 50, 120, 100), rect(50, 70, 56, 76, 120, 100)
    found = module._with_fragments(tissue, evidence(fragment), Side(30, 0, 40), Side(69, 0, 40))
    assert (found & ~tissue).sum() == 24


@pytest.mark.parametrize(
    ("corners", "printed", "whole"),
    [
        ((10, 0, 84, 99), 0, True),  # two rims, and 75 of 100 columns
        ((10, 0, 83, 99), 0, False),
        ((10, 0, 89, 99), 40, True),  # 80 of 100 columns
        ((10, 0, 88, 99), 40, False),
    ],
    ids=str,
)
def test_an_image_is_whole_from_three_quarters_or_four_fifths_on(
    corners: tuple[int, int, int, int], printed: int, whole: bool
) -> None:
    overlay = rect(0, 0, 1, printed)
    assert module._is_whole(square(*corners), evidence(np.zeros_like(overlay), overlay=overlay)) is whole


def test_print_in_the_shape_lowers_its_quality_by_a_fifth() -> None:
    mask = fan()
    mask[24:, 80:] = False
    plain = module._upright(mask, evidence(mask))
    printed = module._upright(mask, evidence(mask, overlay=rect(110, 50, 117, 56, 160, 120)))
    assert printed.quality == pytest.approx(0.8 * plain.quality) and printed.kind == plain.kind == "convex"
    assert printed.whole is False


@pytest.mark.parametrize(("rows", "quality"), [(4, 0.95 * 0.9), (8, 0.8)])
def test_panels_in_the_shape_lower_its_quality(rows: int, quality: float) -> None:
    """Of 80 rows: up to a twentieth is cut out of the shape, and counts twice in either case."""
    panel = rect(30, 50, 120, 50 + rows, 160, 120)
    tissue = rect(30, 20, 120, 100, 160, 120)
    assert module._upright(tissue, evidence(tissue & ~panel, panel=panel)).quality == pytest.approx(quality)


def test_what_has_no_sides_may_fill_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sides", lambda tissue: None)
    for tissue, whole in ((rect(0, 0, 100, 100), True), (rect(10, 10, 80, 80), False)):
        fit = module._upright(tissue, evidence(tissue))
        assert (fit.whole, fit.quality) == (whole, 0.8)
