"""Where a linear picture ends on a screen of panels, and where the image steps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.masks import box, evidence, rect, square

from seqcls.geometry import edges as module
from seqcls.geometry.edges import snapped, up_to_panels

Mask = NDArray[np.bool_]


def screen_with(panel: Mask) -> NDArray[np.int32]:
    """A linear picture found at 60..139, 40..79, moved up to the panels."""
    return up_to_panels(square(60, 40, 139, 79), evidence(np.zeros_like(panel), panel=panel))


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

    def moved(*corners: int) -> tuple[int, ...]:
        return box(snapped(square(*corners), evidence(np.zeros(image.shape, bool), mean=image)))

    assert moved(60, 40, 139, 79) == (60, 40, 139, 79)
    assert moved(57, 44, 135, 83) == (60, 40, 139, 79)
    assert moved(53, 40, 139, 79)[0] == 60 and moved(52, 40, 139, 79)[0] == 60 and moved(51, 40, 139, 79)[0] == 51
    assert moved(67, 40, 139, 79)[0] == 60 and moved(68, 40, 139, 79)[0] == 68


def test_the_outermost_clear_step_counts() -> None:
    steps = np.zeros(40, np.float32)
    steps[[10, 12, 15]] = 4.9, 5, 10
    assert module._step(steps, 14) == 13
    assert module._step(steps * np.float32(0.39), 14) == 14  # less than four levels
    assert module._step(steps * np.float32(0.4), 14) == 13
    assert module._step(steps, 0) == 0


def test_print_keeps_a_picture_from_a_panel() -> None:
    """The picture of 80 x 40 pixels ends 7 rows before the panel below; 1 % of 7 * 80 pixels are 5."""
    around, lines = ~rect(57, 37, 155, 87, 200, 120), np.zeros((120, 200), bool)

    def bottom(count: int) -> int:
        lines[82, 60 : 60 + count] = True
        known = evidence(np.zeros_like(around), panel=around, overlay=lines | around)
        return box(up_to_panels(square(60, 40, 139, 79), known))[3]

    assert bottom(5) == 86 and bottom(6) == 79


@pytest.mark.parametrize(("end", "bottom"), [(87, 86), (84, 83), (80, 79)])
def test_a_picture_does_not_reach_into_a_bar_below_the_screen(end: int, bottom: int) -> None:
    """The picture ends in row 79, panels above and beside it in row ``end`` - 1, and the image in row 86."""
    around = rect(0, 0, 200, end, 200, 87) & ~rect(57, 37, 143, 87, 200, 87)
    assert box(screen_with(around)) == (57, 37, 142, bottom)


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
    assert box(up_to_panels(square(60, 40, 139, 79), known)) == tuple(expected)


@pytest.mark.parametrize(("column", "right"), [(143, 139), (142, 154)])
def test_letters_that_are_seen_count_as_print_beyond_three_pixels(column: int, right: int) -> None:
    """A codec lets faint ones flicker, so that they are no overlay. Nearer they may be the picture's own edge."""
    known = evidence(np.zeros_like(AROUND), seen=rect(column, 50, column + 1, 60, 200, 120), panel=AROUND)
    assert box(up_to_panels(square(60, 40, 139, 79), known))[2] == right


def test_a_picture_reaches_a_panel_a_fifth_of_its_width_away() -> None:
    panel = ~rect(57, 37, 157, 87, 200, 120)
    found = up_to_panels(square(60, 40, 140, 79), evidence(np.zeros_like(panel), panel=panel))
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
    found = snapped(square(33, 22, 87, 47), evidence(np.zeros(image.shape, bool), mean=image))
    assert box(found) == (30, 20, 89, 49)


@pytest.mark.parametrize(("line", "steps"), [(59, True), (60, False)])
def test_only_rows_and_columns_of_the_picture_step(line: int, steps: bool) -> None:
    """A picture at 20..59 in both directions; one row, or column, that is lit from 22 on is a step of 5 on average."""
    image = np.zeros((100, 100), np.uint8)
    image[line, 22:95] = 200
    for turned, axis in ((image, 0), (np.ascontiguousarray(image.T), 1)):
        found = snapped(square(20, 20, 59, 59), evidence(np.zeros(image.shape, bool), mean=turned))
        assert box(found)[axis] == (22 if steps else 20)


def test_a_step_behind_the_first_line() -> None:
    steps = np.zeros(40, np.float32)
    steps[0] = 10
    assert module._step(steps, 5) == 1 and module._step(steps, 0) == 0
