"""Probability calibration: from validation logits to probabilities and thresholds, one organ at a time.

Frames of a clip are near copies of each other, and presence is often rare. So every (clip, class) pair counts alike,
and each class counts one half: the probabilities hold for even prior odds, which is also what smoothing by ``hmm``
expects.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqcls.intervals import IntervalOptions

Floats = NDArray[np.float64]
Clips = Sequence[str] | NDArray[np.str_]

#: With fewer clips or frames of either class, calibration and thresholds keep their defaults.
MIN_CLIPS = 2
MIN_FRAMES = 20
#: The slope of a calibration lies between 1 / MAX_SLOPE and MAX_SLOPE.
MAX_SLOPE = 4.0
#: A threshold found on so many clips of the scarcer class counts as much as the calibrated one half.
PRIOR_CLIPS = 8


def frame_weights(truth: ArrayLike, clips: Clips) -> Floats:
    """(N,) weights: each class sums to one half, within it each clip to the same. truth: (N,) 0 or 1."""
    positive, names = np.asarray(truth) > 0.5, np.unique(np.asarray(clips), return_inverse=True)[1]
    weights = np.zeros(len(positive))
    for label in (False, True):
        inside = positive == label
        if inside.any():
            counts = np.bincount(names[inside])
            weights[inside] = 0.5 / ((counts > 0).sum() * counts[names[inside]])
    return weights


def has_enough_evidence(truth: ArrayLike, clips: Clips) -> bool:
    """Whether both classes have enough clips and frames to calibrate and to choose thresholds by."""
    positive, names = np.asarray(truth) > 0.5, np.asarray(clips)
    return all(
        len(np.unique(names[inside])) >= MIN_CLIPS and int(inside.sum()) >= MIN_FRAMES
        for inside in (positive, ~positive)
    )


def fit_calibration(logits: ArrayLike, truth: ArrayLike, clips: Clips) -> tuple[float, float]:
    """(a, b) of probability = sigmoid(a * logit + b), after Platt 1999 ("Probabilistic outputs for support vector
    machines"), by Newton's method.

    Fitted as a * (logit - centre) with priors, log a ~ N(0, 0.7) and centre ~ N(0, 2), on as many observations as there
    are (clip, class) pairs: without priors, classes that do not overlap would drive ``a`` to infinity. Nothing in
    scikit-learn fits with such priors. (1, 0) where there is too little evidence.
    """
    from scipy.special import expit

    z, positive = np.asarray(logits, np.float64), np.asarray(truth) > 0.5
    if not has_enough_evidence(positive, clips):
        return 1.0, 0.0
    pairs = len(set(zip(np.asarray(clips).tolist(), positive.tolist(), strict=True)))
    weights = frame_weights(positive, clips) * pairs
    y = (positive * pairs + 1) / (pairs + 2)  # Platt's targets, short of 0 and 1
    prior = np.diag([1 / 0.7**2, 1 / 2.0**2])
    theta = np.zeros(2)  # log a, centre
    for _ in range(100):
        slope = np.exp(theta[0])
        odds = slope * (z - theta[1])
        p = expit(odds)
        change = np.stack([odds, np.full_like(z, -slope)])  # (2, N): of the odds with log a and with the centre
        gradient = change @ (weights * (p - y)) + prior @ theta
        curvature = (change * (weights * np.maximum(p * (1 - p), 1e-6))) @ change.T + prior
        step = np.linalg.solve(curvature, gradient)
        theta = theta - 0.5 * step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    limit = np.log(MAX_SLOPE)
    slope = float(np.exp(np.clip(theta[0], -limit, limit)))
    return slope, -slope * float(theta[1])


def choose_threshold(scores: ArrayLike, truth: ArrayLike, clips: Clips) -> float:
    """The middle of the widest run of thresholds whose balanced accuracy is within 0.005 of the best, drawn to 0.5.

    The best threshold itself depends on the score of one frame and does not carry over to other clips; the middle of a
    plateau keeps its distance to both sides. Calibrated scores have their best threshold near one half, and few clips
    are little evidence against that: so the middle counts n / (n + 8), n the clips of the scarcer class. The result is
    at least 0.3 and at most 0.7.
    """
    s, positive, weights = np.asarray(scores, np.float64), np.asarray(truth) > 0.5, frame_weights(truth, clips)
    names = np.asarray(clips)
    count = min(len(np.unique(names[positive])), len(np.unique(names[~positive])))
    grid = np.arange(1, 100) / 100
    accuracy = np.array([weights[(s >= threshold) == positive].sum() for threshold in grid])
    good = accuracy >= accuracy.max() - 0.005
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]))).reshape(-1, 2)
    first, after = edges[np.argmax(edges[:, 1] - edges[:, 0])]
    middle = float(grid[first] + grid[after - 1]) / 2
    return round(float(np.clip(0.5 + (middle - 0.5) * count / (count + PRIOR_CLIPS), 0.3, 0.7)), 3)


def operating_point(scores: ArrayLike, truth: ArrayLike, clips: Clips) -> IntervalOptions:
    """Interval options with thresholds for these calibrated scores, the defaults where there is too little evidence.

    The offset is the same part of the onset as in the defaults.
    """
    default = IntervalOptions()
    if not has_enough_evidence(truth, clips):
        return default
    onset = choose_threshold(scores, truth, clips)
    return IntervalOptions(onset=onset, offset=round(onset * default.offset / default.onset, 3))
