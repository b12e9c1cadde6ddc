"""Chance is called chance, by numbers worked out by hand; and a good model is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seqcls.evaluation.chance import auroc_interval, chance_message, stretches
from seqcls.evaluation.metrics import Estimate

NONE = math.nan
CLIPS = np.repeat(["a", "b"], [6, 4])
#: Clip a: absent, present, absent; clip b: absent, present.
TRUTH = np.array([0, 0, 1, 1, 0, 0, 0, 0, 1, 1])


def area(value: float, low: float = NONE, high: float = NONE, groups: int = 2) -> Estimate:
    return Estimate(value=value, low=low, high=high, groups=groups, rounds=0)


def test_a_stretch_ends_with_its_clip() -> None:
    assert stretches(TRUTH, CLIPS) == (2, 3)
    assert stretches([], CLIPS[:0]) == (0, 0)
    assert stretches([1, 1], np.array(["a", "b"])) == (2, 0)


def test_hanley_and_mcneil_by_hand() -> None:
    """Q1 = 0.8 / 1.2 = 0.6667, Q2 = 1.28 / 1.8 = 0.7111; 0.16 + 0.0267 + 2 * 0.0711 = 0.3289; / 6 = 0.0548 = 0.2341²."""
    assert auroc_interval(0.8, 2, 3) == pytest.approx((0.8 - 1.96 * 0.23413, 1.0), abs=1e-4)
    assert auroc_interval(1.0, 1, 1) == (1.0, 1.0)
    low, high = auroc_interval(0.5, 100, 100)  # sqrt(0.25 + 2 * 99 * (1 / 3 - 1 / 4)) / 100 = 0.0409
    assert (low, high) == pytest.approx((0.5 - 0.0802, 0.5 + 0.0802), abs=1e-3)


def test_chance_is_called_so_and_says_what_to_do() -> None:
    assert chance_message("liver", TRUTH, CLIPS, area(0.55)) == (
        "liver: no better than chance (AUROC 0.55, 95 % interval 0.00 to 1.00, 2 stretches with it and 3 without): do"
        " not use it; look for wrong labels, label more patients that show it and that do not, and start from ImageNet's"
        " weights"
    )
    assert "these data cannot show that it is better than chance" in chance_message("liver", TRUTH, CLIPS, area(0.8))
    swapped = chance_message("liver", TRUTH, CLIPS, area(0.0))
    assert swapped.startswith("liver: worse than chance") and swapped.endswith("swapped in the labels?")


def test_a_good_model_is_not() -> None:
    for value in (0.98, 1.0, NONE):
        assert chance_message("liver", TRUTH, CLIPS, area(value)) == ""


def test_from_ten_patients_on_the_bootstrap_decides() -> None:
    assert chance_message("liver", TRUTH, CLIPS, area(0.8, 0.6, 0.9, 12)) == ""
    assert "0.45 to 0.90, 12 patients" in chance_message("liver", TRUTH, CLIPS, area(0.7, 0.45, 0.9, 12))
