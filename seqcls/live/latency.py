"""Percentiles of a duration over days in constant memory: counts in bins, each 2 % wider than the one before."""

from __future__ import annotations

import math

import numpy as np

PERCENTS = np.array([50, 95, 99])
_MIN_S, _GROWTH, _BINS = 1e-5, 1.02, 1000  # up to 4,000 s


class LatencyMeter:
    """Durations in seconds; ``percentiles_ms`` is right to 2 %."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)

    def add(self, duration_s: float) -> None:
        place = math.log(max(duration_s, _MIN_S) / _MIN_S) / math.log(_GROWTH)
        self._counts[min(_BINS - 1, int(place))] += 1

    def percentiles_ms(self) -> tuple[float, float, float]:
        """Milliseconds that 50, 95 and 99 percent stay below; NaN before the first."""
        total = self._counts.cumsum()
        if not total[-1]:
            return math.nan, math.nan, math.nan
        p50, p95, p99 = 1e3 * _MIN_S * _GROWTH ** (np.searchsorted(total, PERCENTS / 100 * total[-1]) + 0.5)
        return float(p50), float(p95), float(p99)
