"""How sure it is that a shape found is the ultrasound."""

from __future__ import annotations

import cv2
import numpy as np

from seqcls.geometry.evidence import Evidence
from seqcls.geometry.fit import GOOD_FIT, Fit, off_panels
from seqcls.geometry.masks import Mask, dense, drawn, wider
from seqcls.geometry.tissue import large


def confidence(fit: Fit, evidence: Evidence) -> float:
    """0 to 1: whether the shape agrees with its evidence, holds what moves, is filled by it, ends where that ends and
    bears no print.

    Of 280 screens and clips whose region is known, right shapes agree by 0.86 and more and have tissue along 0.57 of
    their edge and more; where they agree by 0.76 or less, or have it along 0.45 or less, they are wrong.
    """
    shape = drawn(fit.corners, evidence.seen.shape)
    tissue, moving = dense(evidence.seen | evidence.active), large(dense(evidence.active))
    filled = min(1.0, float((tissue & shape).sum() / shape.sum()) / 0.3)
    held = 1.0 if moving is None else float((moving & wider(shape, 0.01)).sum() / moving.sum())
    lively = 0.8 if moving is None else 1.0
    agreeing, ending = 1.0, 1.0
    if not fit.whole:
        agreeing = _between(fit.quality, 0.5, GOOD_FIT)
        ending = _between(_supported_edge(shape, tissue & shape, evidence), 0.35, 0.75)
    return round(filled * held * off_panels(shape, evidence) * lively * agreeing * ending, 2)


def _between(value: float, none: float, full: float) -> float:
    """0 up to ``none``, 1 from ``full`` on."""
    return min(1.0, max(0.0, (value - none) / (full - none)))


def _supported_edge(shape: Mask, tissue: Mask, evidence: Evidence) -> float:
    """The part of a shape's edge that has tissue close by, of all that neither a panel nor the image's rim explains."""
    height, width = shape.shape
    edges, _ = cv2.findContours(shape.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    x, y = np.concatenate(edges)[:, 0].T
    open_edge = (np.minimum(x, width - 1 - x) > 0.03 * width) & (np.minimum(y, height - 1 - y) > 0.03 * height)
    open_edge &= ~wider(evidence.panel, 0.012)[y, x]
    if open_edge.sum() < 0.1 * len(x):
        return 1.0
    return float(wider(tissue, 0.015)[y, x][open_edge].mean())
