"""What is said of a number of patients is what was measured, and no more."""

from __future__ import annotations

import pytest

from seqcls.datasets.data_checks import learning_curve
from seqcls.datasets.data_checks.learning_curve import MEASURED, expectation


def test_the_curve_is_in_order() -> None:
    assert [point[0] for point in MEASURED] == sorted({point[0] for point in MEASURED})
    assert all(0.5 < area <= 1 and 0.5 < accuracy <= 1 for _, area, accuracy in MEASURED)


def test_between_and_beyond_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 patients stand at the row of 3; 8 is the first row that is enough, 4 patients away."""
    monkeypatch.setattr(learning_curve, "MEASURED", ((1, 0.8, 0.7), (3, 0.9, 0.8), (8, 0.99, 0.96), (9, 1.0, 0.97)))
    assert expectation("liver", 4) == (
        "4 patients to learn liver from: 3 synthetic patients gave an accuracy of 0.80 on unseen ones, 4 more gave 0.96;"
        " what real ones give is not known before it is measured"
    )
    assert "1 synthetic patient gave an accuracy of 0.70 on unseen ones, 7 more" in expectation("liver", 1)
    assert "what more bring is not known" in expectation("liver", 20)
