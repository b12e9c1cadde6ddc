"""Whether frames come evenly, and how often."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.exports.steady_rate import steady_rate
from seqcls.timeline import Timeline

K = np.arange(200)


def at(times: np.ndarray, stated: float | None = None) -> Timeline:  # type: ignore[type-arg]
    made = timeline(liver="P" * len(times))
    return replace(made, scores=replace(made.scores, time_s=times), source=replace(made.source, rate_hz=stated))


@pytest.mark.parametrize(
    ("times", "stated", "rate"),
    [
        (K / 25, None, Fraction(25)),
        (K * 1001 / 30000, None, Fraction(30000, 1001)),
        (K * 1001 / 30000, 30.0, Fraction(30000, 1001)),
        (np.round(K / 24, 3), None, Fraction(24)),
        (3.21 + K / 20, 20.0, Fraction(20)),
        (np.delete(K / 15, [5, 6, 7, 90]), None, Fraction(15)),
        (K * 0.0473, None, Fraction(10000, 473)),
        (np.cumsum(0.03 + 0.01 * (K % 5)), None, None),
        (np.array([0.0, 0.1, 0.15, 0.2]), None, Fraction(20)),
        (np.array([0.0, 0.1, 0.17, 0.2]), None, None),
        (np.zeros(3), None, None),
        (np.zeros(1), None, Fraction(25)),
        (np.zeros(1), 12.5, Fraction(25, 2)),
        (np.zeros(1), float("inf"), Fraction(25)),
        (np.zeros(0), None, Fraction(25)),
    ],
    ids=["even", "television", "stated rounded", "to milliseconds", "late", "holes", "odd", "uneven", "one hole", "beside", "no time", "one frame", "one frame, stated", "one frame, nonsense", "none"],
)  # fmt: skip
def test_the_rate_of_a_clip(times: np.ndarray, stated: float | None, rate: Fraction | None) -> None:  # type: ignore[type-arg]
    assert steady_rate(at(times, stated)) == rate
