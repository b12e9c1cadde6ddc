"""From masks of evidence to an outline: each step on a small drawing whose answer can be counted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.masks import box, evidence, fan, first, pixels, rect, square, trapezoid

from seqcls.geometry import outline as module
from seqcls.geometry.masks import dense, drawn, hull, iou
from seqcls.geometry.outline import covers, cuts, outline
from seqcls.geometry.sector import Side

Mask = NDArray[np.bool_]
#: Print in a corner: a screen, not an image that was cut down to the ultrasound.
MARK = rect(0, 116, 12, 120, 160, 120)


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
    found = outline(evidence(mask, overlay=MARK))
    assert found is not None and found.kind == kind
    assert found.corners.dtype == np.int32
    assert box(found.corners) == pytest.approx(corners, abs=1)
    assert iou(pixels(found.corners), pixels(hull(mask))) > 0.98
    assert (found.whole, found.confidence) == (False, 1.0)


def test_the_probe_may_be_below() -> None:
    upright, turned = outline(evidence(fan(), overlay=MARK)), outline(evidence(fan()[::-1], overlay=MARK))
    assert upright is not None and turned is not None
    np.testing.assert_array_equal(pixels(turned.corners), pixels(upright.corners)[::-1])
    assert turned.kind == "convex" and turned.confidence == 1.0


def test_what_has_no_sides_is_outlined_by_its_hull(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sides", lambda tissue: None)
    found = outline(evidence(fan(), overlay=MARK))
    assert (
        found is not None and found.kind == "convex" and found.confidence == 0.83
    )  # 0.79, 0.8 of the solid part: from 0.5 to 0.85
    hulls = [hull(mask) for mask in module._candidates(evidence(fan()))]
    assert any(np.array_equal(found.corners, corners) for corners in hulls)


def test_nothing_has_no_outline() -> None:
    assert outline(evidence(np.zeros((120, 160), bool))) is None


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_half_in_the_dark_mirrors_the_other(side: str) -> None:
    """Below the face of the probe one half has no echo; the outline is that of the whole fan."""
    mask = fan()
    mask[24:, :80] &= side == "right"
    mask[24:, 80:] &= side == "left"
    found = outline(evidence(mask))
    assert found is not None and found.kind == "convex"
    assert box(found.corners) == pytest.approx((6, 6, 154, 109), abs=3)


def test_an_outline_does_not_reach_over_print() -> None:
    """The same, but something is printed in the dark half: then only what has echoes counts."""
    mask = fan()
    mask[24:, 80:] = False

    def right(overlay: Mask) -> int:
        found = outline(evidence(mask, overlay=overlay | MARK))
        assert found is not None
        return box(found.corners)[2]

    assert right(rect(100, 40, 120, 60, 160, 120)) == box(hull(dense(mask)))[2]
    assert right(rect(60, 40, 75, 60, 160, 120)) > 150  # where there are echoes, it does not matter
    assert right(rect(110, 50, 116, 56, 160, 120)) > 150  # 36 of 19,200 pixels: less than 0.2 %
    assert right(rect(110, 50, 117, 56, 160, 120)) < 110  # 42


def test_half_a_fan_does_not_reach_over_a_panel() -> None:
    """What is mirrored into the dark ends where a panel begins, as long as that is a twentieth at most."""
    mask = fan()
    mask[24:, 80:] = False
    panel = rect(146, 0, 160, 120, 160, 120)
    found = outline(evidence(mask, overlay=panel, panel=panel))
    assert found is not None and box(found.corners)[2] == 145


def test_deep_noise_below_a_dark_band_belongs_to_it() -> None:
    mask = fan()
    mask[60:80] = False
    found = outline(evidence(mask))
    assert found is not None and box(found.corners) == pytest.approx((6, 6, 154, 109), abs=2)


def test_an_image_cut_down_to_the_sector_is_ultrasound_to_the_last_row() -> None:
    mask = fan(near=24, far=160, half=36)
    mask[112:] = False
    found = outline(evidence(mask))
    assert found is not None and box(found.corners)[3] == 119 and found.whole
    found = outline(evidence(mask, overlay=rect(0, 0, 16, 7, 160, 120)))  # print beside it
    assert found is not None and box(found.corners)[3] < 115 and not found.whole


def test_only_what_lies_inside_the_box_is_outlined() -> None:
    inside = rect(0, 0, 100, 120, 160, 120)
    found = outline(evidence(fan() & inside, inside=inside))
    assert found is not None and box(found.corners)[2] <= 100


@pytest.mark.parametrize(("rows", "right"), [(4, 119), (20, 122)])
def test_tissue_beyond_the_shape_counts_where_it_is_enough(rows: int, right: int) -> None:
    """A bump of 3 columns, of which 2 lie more than a pixel beyond the side; 0.2 % of the tissue are 14 pixels."""
    bump = rect(120, 50, 123, 50 + rows, 160, 120)
    found = outline(evidence(rect(30, 20, 120, 100, 160, 120) | bump))
    assert found is not None and box(found.corners) == (30, 20, right, 99) and found.kind == "linear"


def test_a_bump_of_a_twentieth_of_the_width_is_tissue() -> None:
    mask = rect(30, 20, 120, 100, 160, 120) | rect(60, 10, 70, 20, 160, 120)
    found = outline(evidence(mask))
    assert found is not None and box(found.corners)[1] <= 13
    plain = outline(evidence(rect(30, 20, 120, 100, 160, 120)))
    assert plain is not None and box(plain.corners)[1] == 20


@pytest.mark.parametrize(("count", "cut"), [(39, False), (40, True), (95, True), (96, False)])
def test_a_box_cuts_through_an_outline(count: int, cut: bool) -> None:
    """An outline of 100 pixels, of which the box holds ``count``."""
    assert cuts(first(count, 10, 10), square(0, 0, 9, 9)) is cut


@pytest.mark.parametrize(("count", "covered"), [(79, False), (80, True)])
def test_an_outline_covers_another_but_for_a_fifth(count: int, covered: bool) -> None:
    """A part of 10 x 10 pixels, ``count`` of them within the whole: rows of 10, and the rest of the next row."""
    whole = np.array([(0, 0), (9, 0), (9, 6), (count - 71, 7), (0, 7)], np.int32)
    assert drawn(whole, (20, 20)).sum() == count
    assert covers(whole, square(0, 0, 9, 9), (20, 20)) is covered


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


# --- hypotheses, edges and confidence


def candidates(mask: Mask) -> list[int]:
    """Pixels of each hypothesis when nothing moves and this is seen."""
    nothing = np.zeros_like(mask)
    return [int(found.sum()) for found in module._candidates(evidence(nothing, seen=mask))]


def test_what_hangs_on_by_a_bridge_is_left_out() -> None:
    """Of 200 pixels a twentieth is 10 and a tenth 20; windows are odd: 11 and 21."""
    picture = rect(20, 20, 120, 100, 200, 120)
    narrow = picture | rect(120, 50, 160, 58, 200, 120)
    whole, compact, more = candidates(narrow)
    assert whole > compact == more
    wide = picture | rect(120, 50, 160, 65, 200, 120)
    whole, compact, more = candidates(wide)
    assert whole == compact > more


def test_what_moves_in_it_is_the_last_hypothesis() -> None:
    seen, moving = rect(20, 20, 180, 100, 200, 120), rect(20, 20, 100, 100, 200, 120)
    found = list(module._candidates(evidence(moving, seen=seen)))
    assert len(found) == 4 and found[-1].sum() == dense(moving).sum()
    small = rect(20, 20, 48, 50, 200, 120)  # of 24,000 pixels 840, less than 4 %
    assert len(list(module._candidates(evidence(small, seen=seen)))) == 3
    assert list(module._candidates(evidence(np.zeros((120, 200), bool)))) == []


def screen_with(panel: Mask) -> NDArray[np.int32]:
    """A linear picture found at 60..139, 40..79, moved up to the panels."""
    return module._up_to_panels(square(60, 40, 139, 79), evidence(np.zeros_like(panel), panel=panel))


def test_a_linear_picture_reaches_up_to_the_panels() -> None:
    """Close at two sides: within 3 of 200 pixels. A fifth of 80 columns is 15 (of 79), of 40 rows 7."""
    around = ~rect(57, 37, 155, 87, 200, 120)
    assert box(screen_with(around)) == (57, 37, 154, 86)
    further = ~rect(57, 37, 156, 88, 200, 120)
    assert box(screen_with(further)) == (57, 37, 139, 79)
    one = rect(0, 0, 57, 120, 200, 120)
    assert box(screen_with(one)) == (60, 40, 139, 79)
    assert box(screen_with(~rect(56, 36, 155, 87, 200, 120))) == (60, 40, 139, 79)  # 4 pixels away
    half = around & ~rect(0, 60, 57, 120, 200, 120)  # half a side is no panel
    assert box(screen_with(half | rect(0, 0, 200, 37, 200, 120) | rect(0, 87, 200, 120, 200, 120)))[0] == 60


def test_edges_lie_where_the_image_steps() -> None:
    image = np.full((120, 200), 60, np.uint8)
    image[40:80, 60:140] = 100

    def snapped(*corners: int) -> tuple[int, ...]:
        return box(module._snapped(square(*corners), evidence(np.zeros(image.shape, bool), mean=image)))

    assert snapped(60, 40, 139, 79) == (60, 40, 139, 79)
    assert snapped(57, 44, 135, 83) == (60, 40, 139, 79)
    assert snapped(53, 40, 139, 79)[0] == 60 and snapped(52, 40, 139, 79)[0] == 60 and snapped(51, 40, 139, 79)[0] == 51
    assert snapped(67, 40, 139, 79)[0] == 60 and snapped(68, 40, 139, 79)[0] == 68


def test_the_outermost_clear_step_counts() -> None:
    steps = np.zeros(40, np.float32)
    steps[[10, 12, 15]] = 4.9, 5, 10
    assert module._step(steps, 14) == 13
    assert module._step(steps * np.float32(0.39), 14) == 14  # less than four levels
    assert module._step(steps * np.float32(0.4), 14) == 13
    assert module._step(steps, 0) == 0


def confidence(**masks: Mask) -> float:
    fit = module._Fit(square(40, 20, 139, 99), "linear", 1.0, False)
    nothing = np.zeros((120, 200), bool)
    return module._confidence(fit, evidence(**{"active": nothing, **masks}))


def test_confidence_falls_with_each_fault() -> None:
    picture = rect(40, 20, 140, 100, 200, 120)
    assert confidence(active=picture) == 1.0
    assert confidence(seen=picture) == 0.8  # nothing moves
    part = rect(40, 20, 54, 100, 200, 120)  # 14 of 100 columns; three tenths would be enough
    around = rect(0, 0, 200, 20, 200, 120) | rect(0, 100, 200, 120, 200, 120) | rect(140, 0, 200, 120, 200, 120)
    assert confidence(active=part, panel=around) == pytest.approx(14 / 30, abs=0.03)
    outside = rect(145, 20, 165, 100, 200, 120)  # a sixth of what moves, 3 more columns are allowed
    assert confidence(active=picture | outside) == pytest.approx(10 / 12, abs=0.02)
    tenth = rect(40, 20, 50, 100, 200, 120)
    assert confidence(active=picture & ~tenth, panel=tenth) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("rows", "expected"), [(80, 1.0), (44, 0.47), (24, 0.2)])
def test_a_shape_whose_edge_has_no_evidence_is_unsure(rows: int, expected: float) -> None:
    """100 x 80: of 356 pixels of its edge those of the upper side and of ``rows`` rows and 3 more have tissue close by;
    0.35 of them are not enough, 0.75 are."""
    found = confidence(active=rect(40, 20, 140, 20 + rows, 200, 120), seen=rect(40, 20, 140, 20 + rows, 200, 120))
    along = 1.0 if rows == 80 else (98 + 2 * (rows + 3)) / 356
    assert found == pytest.approx(min(1.0, (along - 0.35) / 0.4), abs=0.03) and found == pytest.approx(
        expected, abs=0.06
    )


def test_panels_and_rims_explain_an_edge_without_evidence() -> None:
    panel = rect(40, 100, 140, 112, 200, 120)
    upper = rect(40, 20, 140, 60, 200, 120)
    beside = rect(20, 60, 40, 112, 200, 120) | rect(140, 60, 160, 112, 200, 120)
    assert confidence(active=upper, panel=panel | beside) > confidence(active=upper) + 0.2


def test_a_bad_fit_is_unsure_unless_the_image_is_whole() -> None:
    picture = rect(40, 20, 140, 100, 200, 120)
    for quality, whole, expected in ((0.85, False, 1.0), (0.675, False, 0.5), (0.5, False, 0.0), (0.5, True, 1.0)):
        fit = module._Fit(square(40, 20, 139, 99), "linear", quality, whole)
        assert module._confidence(fit, evidence(picture)) == expected


# --- parts of a sector behind a shadow


def parted(shadow: int = 8) -> tuple[Mask, Mask]:
    """The larger and the smaller part of a fan with a shadow from column 110 on."""
    whole = fan()
    left, right = whole & rect(0, 0, 110, 120, 160, 120), whole & rect(110 + shadow, 0, 160, 120, 160, 120)
    return left, right


def join(main: Mask, both: Mask, moving: Mask, overlay: Mask | None = None) -> Mask | None:
    return module._with_companions(main, both, evidence(moving, seen=both, overlay=overlay))


def share(mask: Mask, part: float) -> Mask:
    """The first rows of a mask, with so much of its area."""
    kept: Mask = mask & (np.cumsum(mask).reshape(mask.shape) <= part * mask.sum())
    return kept


@pytest.fixture
def no_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are joined by how they move, not because they complete a fan."""
    monkeypatch.setattr(module, "_completes_a_fan", lambda other, main: False)


@pytest.mark.usefixtures("no_completion")
def test_a_part_behind_a_shadow_is_joined_where_it_moves() -> None:
    left, right = parted()
    both = left | right
    joined = join(left, both, both)
    assert joined is not None
    np.testing.assert_array_equal(joined, both)
    assert join(left, both, left) is None
    assert (
        join(left, both, left | share(right, 0.11)) is not None and join(left, both, left | share(right, 0.09)) is None
    )
    assert join(left, both, both, share(right, 0.29)) is not None and join(left, both, both, share(right, 0.31)) is None


@pytest.mark.usefixtures("no_completion")
def test_what_stands_apart_is_not_joined() -> None:
    left, right = parted()
    assert join(left, left, left) is None
    assert join(right, left | right, left | right) is None  # larger than a third of the main part
    picture = rect(10, 10, 60, 110, 160, 120)
    for beside, joined in (
        (rect(70, 10, 87, 110, 160, 120), True),
        (rect(70, 9, 87, 111, 160, 120), True),
        (rect(70, 6, 87, 110, 160, 120), False),
        (rect(70, 10, 87, 114, 160, 120), False),
        (rect(70, 35, 87, 85, 160, 120), True),
        (rect(70, 36, 87, 85, 160, 120), False),  # less than half as tall
    ):
        assert (join(picture, picture | beside, picture | beside) is not None) is joined
    for rows, stands in (((7, 113), True), ((6, 113), False), ((7, 114), False), ((35, 85), True), ((36, 85), False)):
        assert module._stands_beside(rect(70, rows[0], 87, rows[1], 160, 120), picture) is stands
    wide = parted(shadow=20)
    assert join(wide[0], wide[0] | wide[1], wide[0] | wide[1]) is not None


def test_a_fan_with_a_shadow_is_one_fan() -> None:
    left, right = parted()
    found = outline(evidence(left | right, overlay=MARK))
    assert found is not None and box(found.corners) == pytest.approx((6, 6, 154, 109), abs=2)


# --- which hypothesis is taken


def chosen(monkeypatch: pytest.MonkeyPatch, *qualities: tuple[float, int, bool]) -> int:
    """The width of the outline taken among fits of these qualities, widths, and whole images or not."""
    fits = iter([module._Fit(square(0, 0, width - 1, 99), "convex", *rest) for rest, width in _split(qualities)])
    monkeypatch.setattr(module, "_candidates", lambda evidence: iter([None] * len(qualities)))
    monkeypatch.setattr(module, "_fit", lambda tissue, evidence: next(fits))
    found = outline(evidence(rect(0, 0, 100, 100)))
    assert found is not None
    return box(found.corners)[2] + 1


def _split(qualities: tuple[tuple[float, int, bool], ...]) -> list[tuple[tuple[float, bool], int]]:
    return [((quality, whole), width) for quality, width, whole in qualities]


@pytest.mark.parametrize(
    ("qualities", "width"),
    [
        (((0.95, 90, False), (1.0, 80, False)), 90),  # the best there may be: no other is asked
        (((0.94, 90, False), (1.0, 80, False)), 80),
        (((0.94, 90, False), (0.95, 80, False)), 90),  # hardly better
        (((0.85, 90, False), (1.0, 75, False)), 90),  # smaller than 85 %
        (((0.84, 90, False), (0.86, 60, False)), 60),
        (((0.84, 90, False), (0.83, 80, False), (0.5, 70, False)), 90),
        (((0.5, 90, True), (1.0, 80, False)), 90),  # the image is whole
    ],
    ids=str,
)
def test_of_several_hypotheses_the_first_good_one_counts(
    monkeypatch: pytest.MonkeyPatch, qualities: tuple[tuple[float, int, bool], ...], width: int
) -> None:
    assert chosen(monkeypatch, *qualities) == width


def test_print_keeps_a_picture_from_a_panel() -> None:
    """The picture of 80 x 40 pixels ends 7 rows before the panel below; 1 % of 7 * 80 pixels are 5."""
    around, lines = ~rect(57, 37, 155, 87, 200, 120), np.zeros((120, 200), bool)

    def bottom(count: int) -> int:
        lines[82, 60 : 60 + count] = True
        known = evidence(np.zeros_like(around), panel=around, overlay=lines | around)
        return box(module._up_to_panels(square(60, 40, 139, 79), known))[3]

    assert bottom(5) == 86 and bottom(6) == 79


@pytest.mark.parametrize(("end", "bottom"), [(87, 86), (84, 83), (80, 79)])
def test_a_picture_does_not_reach_into_a_bar_below_the_screen(end: int, bottom: int) -> None:
    """The picture ends in row 79, panels above and beside it in row ``end`` - 1, and the image in row 86."""
    around = rect(0, 0, 200, end, 200, 87) & ~rect(57, 37, 143, 87, 200, 87)
    assert box(screen_with(around)) == (57, 37, 142, bottom)


# --- where limits are met exactly


@pytest.mark.parametrize(
    ("qualities", "width"),
    [
        (((0.5, 90, False), (0.5, 80, False)), 90),  # as good: the first counts
        (((0.85, 90, False), (0.87, 80, False)), 90),  # better by 0.02, not by more
        (((0.85, 100, False), (0.9, 85, False)), 85),  # 85 * 100 of 100 * 100 pixels
        (((0.85, 100, False), (0.9, 84, False)), 100),
    ],
    ids=str,
)
def test_hypotheses_that_are_as_good_or_as_large_as_they_must_be(
    monkeypatch: pytest.MonkeyPatch, qualities: tuple[tuple[float, int, bool], ...], width: int
) -> None:
    assert chosen(monkeypatch, *qualities) == width


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
    fits = iter([module._Fit(square(0, 0, 9, 9), kind, upright, whole)])
    below = module._Fit(square(0, 30, 9, 39), "phased", quality, False)
    monkeypatch.setattr(module, "_upright", lambda tissue, evidence: next(fits, below))
    found = module._fit(MARK, evidence(MARK))
    assert (box(found.corners), found.kind) == (((0, 80, 9, 89), "phased") if turned else ((0, 0, 9, 9), kind))


@pytest.mark.parametrize(
    ("kind", "whole", "left"), [("linear", False, 32), ("linear", True, 30), ("convex", False, 30)]
)
def test_a_linear_picture_on_a_screen_ends_where_the_image_steps(
    monkeypatch: pytest.MonkeyPatch, kind: str, whole: bool, left: int
) -> None:
    """What moves begins in column 30, and the image steps in column 32."""
    picture, mean = rect(30, 10, 120, 100, 160, 120), np.zeros((120, 160), np.uint8)
    mean[10:100, 32:120] = 90
    monkeypatch.setattr(module, "_fit", lambda tissue, evidence: module._Fit(hull(picture), kind, 1.0, whole))
    found = outline(evidence(picture, mean=mean))
    assert found is not None and box(found.corners) == (left, 10, 119, 99) and found.kind == kind


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


#: Panels 3 columns left, 3 rows above, 15 columns right and 7 rows below of a picture at 60..139, 40..79.
AROUND = ~rect(57, 37, 155, 87, 200, 120)


@pytest.mark.parametrize(
    ("strip", "side", "kept"),
    [
        ((57, 78, 60, 79), 0, True),  # each with 3 of 120 pixels or more: last rows and columns of the strip
        ((57, 79, 60, 80), 0, True),
        ((57, 80, 60, 81), 0, False),  # and of those beyond
        ((138, 37, 139, 40), 1, True),
        ((139, 37, 140, 40), 1, True),
        ((140, 37, 141, 40), 1, False),
        ((140, 79, 155, 80), 2, True),
        ((140, 80, 155, 81), 2, False),
        ((140, 50, 141, 60), 2, True),
        ((154, 50, 155, 60), 2, True),
        ((155, 50, 156, 60), 2, False),
        ((138, 50, 140, 60), 2, False),
        ((139, 80, 140, 87), 3, True),
        ((140, 80, 141, 87), 3, False),
        ((140, 50, 146, 51), 2, False),  # 6 of 600 pixels: more than 1 % it must be
        ((140, 50, 147, 51), 2, True),
    ],
    ids=str,
)
def test_print_counts_where_it_stands_between_a_picture_and_a_panel(
    strip: tuple[int, int, int, int], side: int, kept: bool
) -> None:
    known = evidence(np.zeros_like(AROUND), panel=AROUND, overlay=rect(*strip, 200, 120))
    expected = [57, 37, 154, 86]
    if kept:
        expected[side] = (60, 40, 139, 79)[side]
    assert box(module._up_to_panels(square(60, 40, 139, 79), known)) == tuple(expected)


@pytest.mark.parametrize(("column", "right"), [(143, 139), (142, 154)])
def test_letters_that_are_seen_count_as_print_beyond_three_pixels(column: int, right: int) -> None:
    """A codec lets faint ones flicker, so that they are no overlay. Nearer they may be the picture's own edge."""
    known = evidence(np.zeros_like(AROUND), seen=rect(column, 50, column + 1, 60, 200, 120), panel=AROUND)
    assert box(module._up_to_panels(square(60, 40, 139, 79), known))[2] == right


def test_a_picture_reaches_a_panel_a_fifth_of_its_width_away() -> None:
    panel = ~rect(57, 37, 157, 87, 200, 120)
    found = module._up_to_panels(square(60, 40, 140, 79), evidence(np.zeros_like(panel), panel=panel))
    assert box(found)[2] == 156  # 16 of 80 columns


@pytest.mark.parametrize(
    ("half", "side"), [((0, 60, 57, 81), 0), ((60, 0, 100, 37), 1), ((100, 0, 141, 37), 1)], ids=str
)
def test_a_panel_covers_more_than_half_a_side(half: tuple[int, int, int, int], side: int) -> None:
    """20 of 40 rows or 40 of 80 columns, and what lies beside the picture's ends does not count."""
    other = rect(0, 0, 200, 37, 200, 120) if side == 0 else rect(0, 0, 57, 120, 200, 120)
    around = rect(155, 37, 200, 120, 200, 120) | rect(0, 83, 200, 120, 200, 120) | other
    expected = [57, 37, 154, 82]
    expected[side] = (60, 40)[side]
    assert box(screen_with(around | rect(*half, 200, 120))) == tuple(expected)


def test_room_ends_at_a_panel_or_at_the_end() -> None:
    assert module._room(np.array([0.0, 0.5, 0.6])) == (2, True)
    assert module._room(np.array([0.0, 0.5, 0.5])) == (3, False)


def test_edges_lie_where_the_image_steps_off_its_middle() -> None:
    image = np.full((120, 200), 60, np.uint8)
    image[20:50, 30:90] = 100
    found = module._snapped(square(33, 22, 87, 47), evidence(np.zeros(image.shape, bool), mean=image))
    assert box(found) == (30, 20, 89, 49)


@pytest.mark.parametrize(("line", "snapped"), [(59, True), (60, False)])
def test_only_rows_and_columns_of_the_picture_step(line: int, snapped: bool) -> None:
    """A picture at 20..59 in both directions; one row, or column, that is lit from 22 on is a step of 5 on average."""
    image = np.zeros((100, 100), np.uint8)
    image[line, 22:95] = 200
    for turned, axis in ((image, 0), (np.ascontiguousarray(image.T), 1)):
        found = module._snapped(square(20, 20, 59, 59), evidence(np.zeros(image.shape, bool), mean=turned))
        assert box(found)[axis] == (22 if snapped else 20)


def test_a_step_behind_the_first_line() -> None:
    steps = np.zeros(40, np.float32)
    steps[0] = 10
    assert module._step(steps, 5) == 1 and module._step(steps, 0) == 0


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


@pytest.mark.parametrize(
    ("x0", "x1", "joined"), [(73, 94, True), (73, 95, False), (103, 120, True), (104, 121, False)], ids=str
)
def test_a_part_beside_a_picture_is_small_and_close(x0: int, x1: int, joined: bool) -> None:
    """The picture has 60 columns of 100 rows: 21 are 35 % of that, and 60 + 17 are 70 % of 110."""
    main, beside = rect(10, 10, 70, 110, 160, 120), rect(x0, 10, x1, 110, 160, 120)
    assert (join(main, main | beside, main | beside) is not None) is joined


def test_a_part_beside_a_picture_moves_in_a_tenth_and_has_print_in_three() -> None:
    main, beside = rect(10, 10, 70, 110, 160, 120), rect(80, 10, 97, 110, 160, 120)
    both = main | beside
    for moving, printed, joined in ((170, 0, True), (169, 0, False), (1700, 510, True), (1700, 511, False)):
        active, overlay = main | share(beside, moving / 1700), share(beside, printed / 1700)
        assert (join(main, both, active, overlay) is not None) is joined


def test_parts_whose_sides_are_not_alike_are_not_joined() -> None:
    """The left side moves by two columns in five rows, the right one is upright."""
    main, beside = np.zeros((120, 160), bool), rect(85, 10, 97, 110, 160, 120)
    for row in range(10, 110):
        main[row, 60 - 2 * (row - 10) // 5 : 80] = True
    assert join(main, main | beside, main | beside) is None


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


def test_a_part_as_wide_above_a_gap_belongs_to_a_linear_picture() -> None:
    """An eye or a cyst parts it; nothing moves, and all is bright. What is narrower by 3 of 100 columns is print."""
    below, above = rect(30, 60, 130, 100, 160, 120), rect(30, 10, 130, 30, 160, 120)
    nothing = np.zeros_like(below)
    joined = join(below, below | above, nothing, below | above)
    assert joined is not None and (joined == (below | above)).all()
    print_ = rect(33, 10, 130, 30, 160, 120)
    assert join(below, below | print_, nothing, below | print_) is None


@pytest.mark.parametrize(
    ("other", "joined"),
    [
        ((90, 20, 150, 100), True),
        ((90, 24, 150, 100), True),
        ((90, 26, 150, 100), False),  # lower by more than 0.06 of 80 rows
        ((90, 20, 140, 100), False),  # narrower by more than 0.15 of 60 columns
        ((108, 20, 168, 100), False),  # further away than 0.3 of 60 columns
    ],
)
def test_two_pictures_side_by_side_are_one_region(other: tuple[int, int, int, int], joined: bool) -> None:
    one, two = rect(20, 20, 80, 100, 200, 120), rect(*other, 200, 120)
    found = outline(evidence(one | two, overlay=rect(0, 0, 2, 2, 200, 120)))
    assert found is not None
    left, right = found.corners[:, 0].min(), found.corners[:, 0].max()
    assert bool(left <= 21 and right >= other[2] - 2) is joined


@pytest.mark.parametrize("moves", [True, False])
def test_a_fan_that_a_shadow_parts_is_whole_again(moves: bool) -> None:
    """The part behind the shadow ends where the mirrored side is; what stands elsewhere is not joined."""
    whole = fan()
    shadow = rect(98, 20, 108, 120, 160, 120)
    main, part = whole & ~shadow, whole & ~shadow
    main[:, 98:], part[:, :108] = False, False
    nothing = np.zeros_like(whole)
    joined = join(main, main | part, part if moves else nothing, nothing if moves else main | part)
    assert joined is not None and (joined == (main | part)).all()
    lower = np.roll(part, 12, axis=1)
    assert join(main, main | lower, nothing, main | lower) is None
