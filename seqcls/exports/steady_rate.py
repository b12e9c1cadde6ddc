"""The constant rate of a clip, where it has one: programs that count frames take nothing else."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from seqcls.timeline import Timeline

#: How far a frame may lie beside its place, in frames: jitter of clocks, not a variable rate.
_JITTER = 0.25
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
        return _USUAL if stated is None or not 0 < stated <= _MAX_RATE_HZ else _ratio(stated)
    since = time_s - time_s[0]
    waits = np.diff(time_s)
    median_s = float(np.median(waits))
    if median_s <= 0:
        return None
    near = waits[np.abs(waits / median_s - 1) < 0.5]  # no gaps: their mean is the rate to more places
    measured = [1 / median_s, 1 / float(near.mean()) if len(near) else 0.0]
    for hz in (*([] if stated is None else [stated]), *measured):
        if 0 < hz <= _MAX_RATE_HZ:
            rate = _ratio(hz)
            places = np.rint(since * float(rate))
            if (np.abs(since * float(rate) - places) <= _JITTER).all() and (np.diff(places) > 0).all():
                return rate
    return None


def _ratio(hz: float) -> Fraction:
    """The simplest one that this near: whole, of television (1000/1001 of a whole one), or any."""
    for rate in (Fraction(round(hz)), Fraction(round(hz) * 1000, 1001), Fraction(hz).limit_denominator(1001)):
        if rate and abs(float(rate) / hz - 1) < 1e-5:
            return rate
    return Fraction(hz).limit_denominator(100_000)
