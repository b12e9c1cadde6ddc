"""What an engine does at its first images alone is done before the feed begins."""

from __future__ import annotations

import numpy as np

from seqcls.detector import Detector

#: Single images scored before the feed begins.
WARM_UPS = 8


def warm_up(detector: Detector) -> None:
    """Score some images before the feed begins: engines compile, and choose how to score single ones, at the first."""
    size = detector.header.geometry.size
    for _ in range(WARM_UPS):
        detector.engine.scores(np.zeros((1, size, size), np.uint8))
