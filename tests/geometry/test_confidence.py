"""How sure an outline is: each fault alone, on a drawing whose parts can be counted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.masks import evidence, rect, square

from seqcls.geometry.confidence import confidence
from seqcls.geometry.fit import Fit

Mask = NDArray[np.bool_]


def confidence_of(**masks: Mask) -> float:
    fit = Fit(square(40, 20, 139, 99), "linear", 1.0, False)
    nothing = np.zeros((120, 200), bool)
    return confidence(fit, evidence(**{"active": nothing, **masks}))


def test_confidence_falls_with_each_fault() -> None:
    picture = rect(40, 20, 140, 100, 200, 120)
    assert confidence_of(active=picture) == 1.0
    assert confidence_of(seen=picture) == 0.8  # nothing moves
    part = rect(40, 20, 54, 100, 200, 120)  # 14 of 100 columns; three tenths would be enough
    around = rect(0, 0, 200, 20, 200, 120) | rect(0, 100, 200, 120, 200, 120) | rect(140, 0, 200, 120, 200, 120)
    assert confidence_of(active=part, panel=around) == pytest.approx(14 / 30, abs=0.03)
    outside = rect(145, 20, 165, 100, 200, 120)  # a sixth of what moves, 3 more columns are allowed
    assert confidence_of(active=picture | outside) == pytest.approx(10 / 12, abs=0.02)
    tenth = rect(40, 20, 50, 100, 200, 120)
    assert confidence_of(active=picture & ~tenth, panel=tenth) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("rows", "expected"), [(80, 1.0), (44, 0.47), (24, 0.2)])
def test_a_shape_whose_edge_has_no_evidence_is_unsure(rows: int, expected: float) -> None:
    """100 x 80: of 356 pixels of its edge those of the upper side and of ``rows`` rows and 3 more have tissue close by;
    0.35 of them are not enough, 0.75 are."""
    found = confidence_of(active=rect(40, 20, 140, 20 + rows, 200, 120), seen=rect(40, 20, 140, 20 + rows, 200, 120))
    along = 1.0 if rows == 80 else (98 + 2 * (rows + 3)) / 356
    assert found == pytest.approx(min(1.0, (along - 0.35) / 0.4), abs=0.03) and found == pytest.approx(
        expected, abs=0.06
    )


def test_panels_and_rims_explain_an_edge_without_evidence() -> None:
    panel = rect(40, 100, 140, 112, 200, 120)
    upper = rect(40, 20, 140, 60, 200, 120)
    beside = rect(20, 60, 40, 112, 200, 120) | rect(140, 60, 160, 112, 200, 120)
    assert confidence_of(active=upper, panel=panel | beside) > confidence_of(active=upper) + 0.2


def test_a_bad_fit_is_unsure_unless_the_image_is_whole() -> None:
    picture = rect(40, 20, 140, 100, 200, 120)
    for quality, whole, expected in ((0.85, False, 1.0), (0.675, False, 0.5), (0.5, False, 0.0), (0.5, True, 1.0)):
        fit = Fit(square(40, 20, 139, 99), "linear", quality, whole)
        assert confidence(fit, evidence(picture)) == expected
