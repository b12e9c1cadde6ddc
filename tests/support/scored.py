"""Scored frames of two organs, written down one by one, for the tests of post-processing."""

from __future__ import annotations

import numpy as np

from seqcls.intervals import IntervalOptions
from seqcls.postprocess import RawScores
from seqcls.types import FrameScore, Gap

ORGANS = ("liver", "kidney")
EVERY = [IntervalOptions()] * 2
Item = FrameScore | Gap


def frame(index: int, time_s: float, *scores: float, reason: str = "", measured: bool = True) -> FrameScore:
    own = np.array(scores, np.float32) if scores else None
    return FrameScore(index, time_s, 0.1, own, reason, measured)


def raw_of(items: list[Item], organs: tuple[str, ...] = ORGANS) -> RawScores:
    raw = RawScores(organs)
    for item in items:
        raw.add(item)
    return raw
