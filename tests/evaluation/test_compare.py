"""Two models on the same clips."""

from __future__ import annotations

import math

import pytest
from support.evaluated import GOOD, LATE, NEVER, evaluated

from seqcls.errors import DataError
from seqcls.evaluation.compare import compare


def test_differences_by_hand() -> None:
    """The first finds all of 12 patients; the second comes a frame late in all, and misses the last two."""
    (one,) = compare(evaluated([GOOD] * 12), evaluated([LATE] * 10 + [NEVER] * 2))
    assert (one.organ, one.patients) == ("liver", 12)
    assert one.first["accuracy"] == 1.0 and one.second["accuracy"] == pytest.approx(1 - (10 + 2 * 4) / 120)
    assert one.difference["accuracy"].value == pytest.approx(18 / 120)
    assert 0.09 < one.difference["accuracy"].low < 18 / 120 < one.difference["accuracy"].high < 0.4
    assert one.difference["found_share"].value == pytest.approx(2 / 12)
    assert one.difference["onset_median_s"].value == pytest.approx(-0.1)
    again = compare(evaluated([GOOD] * 12), evaluated([LATE] * 10 + [NEVER] * 2))
    assert again[0].difference == one.difference  # by the seed alone


def test_frames_that_one_model_has_not_scored_count_for_neither() -> None:
    (one,) = compare(evaluated(["...PP??..."] * 3), evaluated(["PPPPPPP..."] * 3))
    assert one.first["accuracy"] == 1.0 and one.second["accuracy"] == pytest.approx(5 / 8)
    assert one.patients == 3 and math.isnan(one.difference["accuracy"].low)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(DataError, match="no organ in common: liver and spleen"):
        compare(evaluated([GOOD]), evaluated([GOOD], "spleen"))
    with pytest.raises(DataError, match="not run on the same frames"):
        compare(evaluated([GOOD]), evaluated([GOOD] * 2))
