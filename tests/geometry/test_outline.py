"""From masks of evidence to an outline: each step on a small drawing whose answer can be counted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.masks import box, evidence, fan, first, parted, pixels, rect, square

from seqcls.geometry import outline as module
from seqcls.geometry.fit import Fit
from seqcls.geometry.masks import dense, drawn, hull, iou
from seqcls.geometry.outline import covers, cuts, outline
from seqcls.geometry.tissue import candidates

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
    for stage in ("tissue", "fit"):
        monkeypatch.setattr(f"seqcls.geometry.{stage}.sides", lambda tissue: None)
    found = outline(evidence(fan(), overlay=MARK))
    assert (
        found is not None and found.kind == "convex" and found.confidence == 0.83
    )  # 0.79, 0.8 of the solid part: from 0.5 to 0.85
    hulls = [hull(mask) for mask in candidates(evidence(fan()))]
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


def test_a_fan_with_a_shadow_is_one_fan() -> None:
    left, right = parted()
    found = outline(evidence(left | right, overlay=MARK))
    assert found is not None and box(found.corners) == pytest.approx((6, 6, 154, 109), abs=2)


def chosen(monkeypatch: pytest.MonkeyPatch, *qualities: tuple[float, int, bool]) -> int:
    """The width of the outline taken among fits of these qualities, widths, and whole images or not."""
    fits = iter([Fit(square(0, 0, width - 1, 99), "convex", *rest) for rest, width in _split(qualities)])
    monkeypatch.setattr(module, "candidates", lambda evidence: iter([None] * len(qualities)))
    monkeypatch.setattr(module, "fit", lambda tissue, evidence: next(fits))
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


@pytest.mark.parametrize(
    ("kind", "whole", "left"), [("linear", False, 32), ("linear", True, 30), ("convex", False, 30)]
)
def test_a_linear_picture_on_a_screen_ends_where_the_image_steps(
    monkeypatch: pytest.MonkeyPatch, kind: str, whole: bool, left: int
) -> None:
    """What moves begins in column 30, and the image steps in column 32."""
    picture, mean = rect(30, 10, 120, 100, 160, 120), np.zeros((120, 160), np.uint8)
    mean[10:100, 32:120] = 90
    monkeypatch.setattr(module, "fit", lambda tissue, evidence: Fit(hull(picture), kind, 1.0, whole))
    found = outline(evidence(picture, mean=mean))
    assert found is not None and box(found.corners) == (left, 10, 119, 99) and found.kind == kind


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
