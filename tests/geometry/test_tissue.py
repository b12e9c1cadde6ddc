"""Which part of a drawing is taken for tissue: by what moves, what is large, and what lies behind a shadow."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.masks import evidence, fan, parted, rect

from seqcls.geometry import tissue as module
from seqcls.geometry.masks import dense
from seqcls.geometry.tissue import candidates, large

Mask = NDArray[np.bool_]


def test_large_components_are_a_five_hundredth_of_the_image() -> None:
    enough, small = rect(0, 0, 5, 4), rect(50, 50, 69, 51)  # 20 and 19 of 10,000 pixels
    np.testing.assert_array_equal(large(enough | small), enough)
    assert large(small) is None


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


def sizes(mask: Mask) -> list[int]:
    """Pixels of each hypothesis when nothing moves and this is seen."""
    nothing = np.zeros_like(mask)
    return [int(found.sum()) for found in candidates(evidence(nothing, seen=mask))]


def test_what_hangs_on_by_a_bridge_is_left_out() -> None:
    """Of 200 pixels a twentieth is 10 and a tenth 20; windows are odd: 11 and 21."""
    picture = rect(20, 20, 120, 100, 200, 120)
    narrow = picture | rect(120, 50, 160, 58, 200, 120)
    whole, compact, more = sizes(narrow)
    assert whole > compact == more
    wide = picture | rect(120, 50, 160, 65, 200, 120)
    whole, compact, more = sizes(wide)
    assert whole == compact > more


def test_what_moves_in_it_is_the_last_hypothesis() -> None:
    seen, moving = rect(20, 20, 180, 100, 200, 120), rect(20, 20, 100, 100, 200, 120)
    found = list(candidates(evidence(moving, seen=seen)))
    assert len(found) == 4 and found[-1].sum() == dense(moving).sum()
    small = rect(20, 20, 48, 50, 200, 120)  # of 24,000 pixels 840, less than 4 %
    assert len(list(candidates(evidence(small, seen=seen)))) == 3
    assert list(candidates(evidence(np.zeros((120, 200), bool)))) == []


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


def test_a_part_as_wide_above_a_gap_belongs_to_a_linear_picture() -> None:
    """An eye or a cyst parts it; nothing moves, and all is bright. What is narrower by 3 of 100 columns is print."""
    below, above = rect(30, 60, 130, 100, 160, 120), rect(30, 10, 130, 30, 160, 120)
    nothing = np.zeros_like(below)
    joined = join(below, below | above, nothing, below | above)
    assert joined is not None and (joined == (below | above)).all()
    print_ = rect(33, 10, 130, 30, 160, 120)
    assert join(below, below | print_, nothing, below | print_) is None


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
