"""The constant rate of a clip, where it has one: programs that count frames take nothing else."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from seqcls.timeline import Timeline

#: How far a frame may lie beside its place, in frames: jitter of clocks, not a variable rate.
_JITTER = 0.25
#: How far a stated or measured rate may lie beside what it stands for: 30 is written for 29.97.
_ROUNDED = 2e-3
#: Frames per second that hands and scanners make.
_MAX_RATE_HZ = 1000
#: Where nothing is known of the rate: of one frame.
_USUAL = Fraction(25)


def steady_rate(timeline: Timeline) -> Fraction | None:
    """Frames per second, a ratio as 30000/1001; None where frames do not come evenly. Missing frames leave a rate
    steady: their places stay empty."""
    time_s = timeline.scores.time_s
    stated = timeline.source.rate_hz
    if len(time_s) < 2:
        return _USUAL if stated is None or not 0 < stated <= _MAX_RATE_HZ else _ratios(stated)[-1]
    since = time_s - time_s[0]
    waits = np.diff(time_s)
    median_s = float(np.median(waits))
    if median_s <= 0:
        return None
    near = waits[np.abs(waits / median_s - 1) < 0.5]  # no gaps: their mean is the rate to more places
    measured = [1 / median_s, 1 / float(near.mean()) if len(near) else median_s]
    found: list[tuple[float, int, Fraction]] = []
    for hz in (*([] if stated is None else [stated]), *measured):
        for rate in _ratios(hz) if 0 < hz <= _MAX_RATE_HZ else ():
            places = np.rint(since * float(rate))
            beside = float(np.abs(since * float(rate) - places).max())
            if beside <= _JITTER and (np.diff(places) > 0).all():
                found.append((round(beside, 6), rate.denominator, rate))
    return min(found)[2] if found else None


def _ratios(hz: float) -> list[Fraction]:
    """Those that this may stand for: whole, of television (1000/1001 of a whole one), or any."""
    near = (
        Fraction(round(hz)),
        Fraction(round(hz) * 1000, 1001),
        *(Fraction(hz).limit_denominator(n) for n in (1001, 100_000)),
    )
    return [rate for rate in near if rate and abs(float(rate) / hz - 1) < _ROUNDED]
