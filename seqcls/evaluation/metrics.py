"""Metrics of one organ frame by frame, and how far they vary between patients. NaN where a metric has no meaning."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameMetrics:
    """Over the labelled frames of one organ; accuracy, sensitivity, specificity and F1 at ``threshold``."""

    count: int
    present: int
    threshold: float
    auroc: float
    auprc: float
    accuracy: float
    sensitivity: float
    specificity: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A metric with its bootstrap interval.

    groups: how many were drawn from. rounds: the draws in which the metric is defined.
    """

    value: float
    low: float
    high: float
    groups: int
    rounds: int


def auroc(truth: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve of truth (N,) 0 or 1 and score (N,); ties count half.

    NaN when a class is missing or a score is not finite.
    """
    from sklearn.metrics import roc_auc_score  # here, because its import takes a second

    positive, scores = _arrays(truth, score)
    if positive.all() or not positive.any() or not np.isfinite(scores).all():
        return math.nan
    return float(roc_auc_score(positive, scores))


def average_precision(truth: ArrayLike, score: ArrayLike) -> float:
    """Area under the precision-recall curve as a step sum. NaN without a positive or where a score is not finite."""
    from sklearn.metrics import average_precision_score

    positive, scores = _arrays(truth, score)
    if not positive.any() or not np.isfinite(scores).all():
        return math.nan
    return float(average_precision_score(positive, scores))


def frame_metrics(
    truth: ArrayLike, score: ArrayLike, mask: ArrayLike | None = None, *, threshold: float = 0.5
) -> FrameMetrics:
    """Metrics of one organ: truth (N,) 0 or 1, score (N,) 0..1, mask (N,) bool: which frames are labelled.

    A score >= threshold counts as present.
    """
    from sklearn.metrics import confusion_matrix

    positive, scores = _arrays(truth, score)
    if mask is not None:
        positive, scores = positive[np.asarray(mask)], scores[np.asarray(mask)]
    counts = [0, 0, 0, 0]
    if len(positive):
        counts = confusion_matrix(positive, scores >= threshold, labels=[False, True]).ravel().tolist()
    true_absent, false_present, false_absent, true_present = counts
    return FrameMetrics(
        count=len(positive),
        present=int(positive.sum()),
        threshold=threshold,
        auroc=auroc(positive, scores),
        auprc=average_precision(positive, scores),
        accuracy=ratio(true_absent + true_present, len(positive)),
        sensitivity=ratio(true_present, true_present + false_absent),
        specificity=ratio(true_absent, true_absent + false_present),
        f1=ratio(2 * true_present, 2 * true_present + false_absent + false_present),
    )


def metrics_over_groups(
    truth: ArrayLike, score: ArrayLike, groups: NDArray[np.str_], *, rounds: int, threshold: float = 0.5
) -> tuple[FrameMetrics, Estimate, Estimate]:
    """Metrics of one organ's frames, and AUROC and accuracy with bootstrap intervals over the groups (N,)."""
    positive, scores = _arrays(truth, score)
    right = (scores >= threshold) == positive
    return (
        frame_metrics(positive, scores, threshold=threshold),
        bootstrap(lambda index: auroc(positive[index], scores[index]), groups, rounds=rounds),
        bootstrap(lambda index: ratio(int(right[index].sum()), len(index)), groups, rounds=rounds),
    )


def bootstrap(
    metric: Callable[[NDArray[np.int64]], float],
    groups: Sequence[str] | NDArray[np.str_],
    *,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Percentile bootstrap (Efron and Tibshirani 1993, ch. 13) that draws whole groups (patients), not frames.

    ``metric`` maps indices (with repeats) into the N items to a number; ``groups`` names each item's group. Draws in
    which the metric is NaN (a class missing) are left out. Low and high are NaN for fewer than two groups: the data
    then say nothing about the spread between patients.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    members = [np.flatnonzero(place == number) for number in range(len(names))]
    value = metric(np.arange(len(place)))
    random = np.random.default_rng(seed)
    known: dict[tuple[int, ...], float] = {}  # few groups give few different draws
    drawn: list[float] = []
    for _ in range(rounds if len(names) >= 2 else 0):
        chosen = tuple(sorted(random.integers(0, len(names), len(names)).tolist()))
        if chosen not in known:
            known[chosen] = metric(np.concatenate([members[number] for number in chosen]))
        drawn.append(known[chosen])
    defined = [one for one in drawn if not math.isnan(one)]
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(defined, [tail, 100 - tail]) if defined else (math.nan, math.nan)
    return Estimate(value=value, low=float(low), high=float(high), groups=len(names), rounds=len(defined))


def _arrays(truth: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    return np.asarray(truth) > 0.5, np.asarray(score, np.float64)


def ratio(part: float, whole: float) -> float:
    """NaN where the whole is 0."""
    return part / whole if whole else math.nan
