"""Percentiles of a duration, right to 2 %."""

from __future__ import annotations

import numpy as np
import pytest

from seqcls.live.latency import LatencyMeter


def test_percentiles() -> None:
    meter = LatencyMeter()
    assert np.isnan(meter.percentiles_ms()).all()
    for milliseconds in range(1, 1001):
        meter.add(milliseconds / 1e3)
    assert meter.percentiles_ms() == pytest.approx((500, 950, 990), rel=0.02)
    meter.add(0.0)
    meter.add(1e9)
