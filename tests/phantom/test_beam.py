"""A painting: shapes in neck coordinates become bytes of echo, texture and loss in beam coordinates."""

from __future__ import annotations

import numpy as np
import pytest

from seqcls.phantom.anatomy import Tissue
from seqcls.phantom.beam import BEAMS, ROWS, Painting
from seqcls.phantom.sweep import Session, SweepOptions

GROUND, BRIGHT, DARK = Tissue(-5.0, 1.0, 0.1), Tissue(15.0, 2.0, 0.5), Tissue(-25.0, 0.0, 0.0)
#: (echo + 45) / 0.4, texture / 0.05, loss / 0.05, without what lies behind the point or rounded.
GROUND_BYTES, BRIGHT_BYTES, DARK_BYTES = [100, 20, 2], [150, 40, 10], [50, 0, 0]


@pytest.fixture
def painting() -> Painting:
    """The view of a linear probe above the midline, 50 mm wide at most and 40 mm deep at least."""
    session = Session(SweepOptions(patient=0, geometry="linear"))
    painting = Painting(session.probe, session.anatomy, x=0.0, z=50.0, tilt=0.0, press=0.0)
    painting.clear(GROUND)
    return painting


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def test_a_shape_covers_those_before_it(painting: Painting) -> None:
    painting.fill(box(-12, 8, 12, 32), BRIGHT)
    painting.fill(box(-4, 16, 4, 24), DARK)
    image = painting.finish()
    assert image.shape == (ROWS, BEAMS, 3) and image.dtype == np.uint8
    row = round(20 * ROWS / painting._probe.depth)
    assert image[row, BEAMS // 2].tolist() == DARK_BYTES
    beside = BEAMS // 2 + round(8 * BEAMS / painting._probe.aperture)
    assert image[row, beside].tolist() == BRIGHT_BYTES
    assert image[4, BEAMS // 2].tolist() == GROUND_BYTES


def test_below_a_line_reaches_down_to_the_last_row(painting: Painting) -> None:
    painting.below(np.array([[-10, 15], [10, 15]], np.float32), DARK)
    image = painting.finish()
    assert image[-1, BEAMS // 2].tolist() == DARK_BYTES
    assert image[10, BEAMS // 2].tolist() == GROUND_BYTES
    assert image[-1, 2].tolist() == image[-1, -3].tolist() == GROUND_BYTES


def test_below_a_line_above_the_view_fills_all_of_it(painting: Painting) -> None:
    painting.below(np.array([[-60, -20], [60, -20]], np.float32), DARK)
    assert (painting.finish() == DARK_BYTES).all()


def test_a_line_is_as_wide_as_stated(painting: Painting) -> None:
    """In rows 0.6 of the stated millimetres: what a wall reflects is thinner than what is drawn for it."""
    painting.line(np.array([[-60, 20], [60, 20]], np.float32), BRIGHT, width_mm=5.0)
    bright = (painting.finish() == BRIGHT_BYTES).all(axis=2).sum(axis=0)
    wanted = 5.0 * 0.6 * ROWS / painting._probe.depth
    assert abs(np.median(bright) - wanted) <= 2


@pytest.mark.parametrize(
    "outside", [box(-90, 10, -60, 20), box(60, 10, 90, 20), box(-5, -20, 5, -8), box(-5, 90, 5, 99)], ids=str
)
def test_what_lies_outside_the_view_is_not_drawn(
    painting: Painting, outside: np.ndarray[tuple[int, int], np.dtype[np.float32]]
) -> None:
    painting.fill(outside, BRIGHT)
    painting.line(outside, BRIGHT)
    assert (painting.finish() == GROUND_BYTES).all()
