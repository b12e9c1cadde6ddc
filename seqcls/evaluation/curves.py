"""The curves of an evaluation: ROC, precision and recall, reliability. For the plots and for the page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.evaluation.clip_truth import PRESENT
from seqcls.evaluation.metrics import Reliability, reliability
from seqcls.evaluation.scored_frames import ScoredFrames

#: Points of a curve that are kept: more cannot be told apart in print.
MAX_POINTS = 400
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OrganCurves:
    """Of one organ. roc: false positive rate and sensitivity, (2, P). pr: recall and precision, (2, Q). Empty where a
    class is missing. point: 1 - specificity, sensitivity and precision at the model's threshold."""

    organ: str
    roc: Floats
    pr: Floats
    reliability: Reliability
    point: tuple[float, float, float]


def curves_of(frames: ScoredFrames) -> tuple[OrganCurves, ...]:
    """Of every organ that can be scored."""
    return tuple(_organ(frames, column) for column in range(len(frames.organs)) if len(frames.rows(column)))


def _organ(frames: ScoredFrames, column: int) -> OrganCurves:
    from sklearn.metrics import precision_recall_curve, roc_curve

    rows = frames.rows(column)
    truth, score = frames.codes[rows, column] == PRESENT, frames.score[rows, column]
    roc = pr = np.empty((2, 0))
    if truth.any() and not truth.all():
        roc = _thinned(np.stack(roc_curve(truth, score)[:2]))
        precision, recall, _ = precision_recall_curve(truth, score, drop_intermediate=True)
        pr = _thinned(np.stack([recall, precision]))
    called = score >= frames.thresholds[column]
    with np.errstate(invalid="ignore"):
        hits = np.float64((called & truth).sum())
        point = (called & ~truth).sum() / np.float64((~truth).sum()), hits / truth.sum(), hits / called.sum()
    return OrganCurves(
        organ=frames.organs[column],
        roc=roc,
        pr=pr,
        reliability=reliability(truth, score),
        point=(float(point[0]), float(point[1]), float(point[2])),
    )


def _thinned(points: Floats) -> Floats:
    """(2, N) -> (2, MAX_POINTS) at most, evenly chosen along the curve's length, both ends among them."""
    if points.shape[1] <= MAX_POINTS:
        return points
    way = np.concatenate([[0.0], np.abs(np.diff(points)).sum(axis=0).cumsum()])
    kept = np.unique(np.searchsorted(way, np.linspace(0, way[-1], MAX_POINTS)).clip(0, points.shape[1] - 1))
    return points[:, np.unique([0, *kept, points.shape[1] - 1])]
