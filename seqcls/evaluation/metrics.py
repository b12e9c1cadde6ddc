"""Metrics of one organ frame by frame, and how far they vary between patients. NaN where a metric has no meaning.

docs/evaluation.md defines each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqcls.text.wording import count_of

#: Of the reliability diagram and the calibration error.
BINS = 15
#: Of patients, with fewer of which no interval is given: what so few have in common says little of others, and the
#: bootstrap's intervals are too narrow.
MIN_GROUPS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameMetrics:
    """Over the labelled frames of one organ.

    auroc, auprc, brier and ece by the scores themselves, the others at ``threshold``. true_present, false_present,
    false_absent and true_absent: the confusion matrix, in frames.
    """

    count: int
    present: int
    threshold: float
    auroc: float
    auprc: float
    accuracy: float
    sensitivity: float
    specificity: float
    precision: float
    f1: float
    brier: float
    ece: float
    true_present: int
    false_present: int
    false_absent: int
    true_absent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A metric with its bootstrap interval.

    groups: how many were drawn from. rounds: the draws in which the metric is defined. low, high: NaN where there are
    fewer than MIN_GROUPS groups, or the metric is defined in no draw.
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


def brier(truth: ArrayLike, score: ArrayLike) -> float:
    """Mean squared distance of score (N,) 0..1 and truth (N,) 0 or 1 (Brier 1950). NaN for none, and where a score is
    no probability."""
    from sklearn.metrics import brier_score_loss

    positive, scores = _arrays(truth, score)
    if not len(positive) or not ((scores >= 0) & (scores <= 1)).all():
        return math.nan
    return float(brier_score_loss(positive, scores, pos_label=True))


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Frames by their score, in BINS bins of one width, each closed above: count (B,) frames, their mean score (B,) and
    the share of them that is present (B,); NaN where there is no frame."""

    count: NDArray[np.int64]
    score: NDArray[np.float64]
    present: NDArray[np.float64]


def reliability(truth: ArrayLike, score: ArrayLike) -> Reliability:
    """What a reliability diagram shows (Niculescu-Mizil and Caruana 2005); a calibrated score is the share present."""
    positive, scores = _arrays(truth, score)
    place = bin_of(scores)
    count = np.bincount(place, minlength=BINS)
    with np.errstate(invalid="ignore"):
        mean, share = (np.bincount(place, value, BINS) / count for value in (scores, positive))
    return Reliability(count, mean, share)


def bin_of(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N,), the bin of each score, as scikit-learn's ``calibration_curve`` divides them."""
    return np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], scores)


def calibration_error(truth: ArrayLike, score: ArrayLike) -> float:
    """Expected calibration error (Naeini et al. 2015; 15 bins as Guo et al. 2017, arXiv 1706.04599): the mean distance
    of mean score and share present, weighted by the frames of each bin. NaN for none, and where a score is no
    probability."""
    scores = np.asarray(score, np.float64)
    if not ((scores >= 0) & (scores <= 1)).all():
        return math.nan
    found = reliability(truth, scores)
    here = found.count > 0
    return ratio(float((found.count * np.abs(found.score - found.present))[here].sum()), int(found.count.sum()))


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
        precision=ratio(true_present, true_present + false_present),
        f1=ratio(2 * true_present, 2 * true_present + false_absent + false_present),
        brier=brier(positive, scores),
        ece=calibration_error(positive, scores),
        true_present=true_present,
        false_present=false_present,
        false_absent=false_absent,
        true_absent=true_absent,
    )


def refusal(groups: int, unit: str = "patient") -> str:
    """Why there is no interval of confidence over so few; empty where there is one."""
    return "" if groups >= MIN_GROUPS else f"n/a: {count_of(groups, unit)}; an interval needs {MIN_GROUPS}"


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
    min_groups: int = MIN_GROUPS,
) -> Estimate:
    """Percentile bootstrap (Efron and Tibshirani 1993, ch. 13) that draws whole groups (patients), not frames.

    ``metric`` maps indices (with repeats) into the N items to a number; ``groups`` names each item's group. Draws in
    which the metric is NaN (a class missing) are left out. Low and high are NaN for fewer than ``min_groups``.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    members = [np.flatnonzero(place == number) for number in range(len(names))]
    value = metric(np.arange(len(place)))
    drawn = [
        metric(np.concatenate([np.tile(own, times) for own, times in zip(members, weights, strict=True)]))
        for weights in draws(len(names), rounds if len(names) >= min_groups else 0, seed)
    ]
    return estimate(value, np.array(drawn, np.float64), len(names), level)


def draws(groups: int, rounds: int, seed: int = 0) -> NDArray[np.int64]:
    """(rounds, groups): how often each group is drawn, ``groups`` times in all in each round."""
    chosen = np.random.default_rng(seed).integers(0, max(1, groups), (rounds, groups))
    counts = np.zeros((rounds, groups), np.int64)
    np.add.at(counts, (np.arange(rounds)[:, None], chosen), 1)
    return counts


def estimate(value: float, drawn: NDArray[np.float64], groups: int, level: float = 0.95) -> Estimate:
    """The percentile interval of a metric's values in some draws (R,), of which those that are NaN are left out."""
    defined = drawn[~np.isnan(drawn)]
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(defined, [tail, 100 - tail]) if len(defined) else (math.nan, math.nan)
    return Estimate(value=value, low=float(low), high=float(high), groups=groups, rounds=len(defined))


def _arrays(truth: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    return np.asarray(truth) > 0.5, np.asarray(score, np.float64)


def ratio(part: float, whole: float) -> float:
    """NaN where the whole is 0."""
    return part / whole if whole else math.nan
