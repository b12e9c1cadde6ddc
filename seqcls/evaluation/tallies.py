"""What every patient adds to each metric, so that the bootstrap over patients need not look at the frames again.

A draw of patients is a row of weights (P,): how often each is drawn. All metrics of R draws (R, P) are computed at
once; with every weight 1 they are those of ``metrics`` and ``interval_metrics``, which a test holds them to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seqcls.evaluation.interval_metrics import ERRORS, IOUS, ClipCounts
from seqcls.evaluation.metrics import BINS, MIN_GROUPS, Estimate, bin_of, draws, estimate

Floats = NDArray[np.float64]
#: By name, the values (R,) of a metric in R draws.
Values = dict[str, Floats]
#: Draws of the bootstrap.
ROUNDS = 1000
_SHARES = np.array((0.5, 0.9))


class FrameTally:
    """Frames of one organ: truth (N,) bool, score (N,), patient (N,) from 0 to ``patients`` - 1."""

    def __init__(
        self,
        truth: NDArray[np.bool_],
        score: Floats,
        patient: NDArray[np.int64],
        patients: int,
        threshold: float,
    ) -> None:
        called = score >= threshold
        kinds = (truth & called, ~truth & called, truth & ~called, ~truth & ~called)
        self._counts = _summed(patient, patients, [*kinds, (score - truth) ** 2])  # (P, 5)
        bins = bin_of(score)
        in_bin = [bins == number for number in range(BINS)]
        self._excess = _summed(patient, patients, [np.where(here, score - truth, 0.0) for here in in_bin])  # (P, B)
        self._pairs = _concordance(truth, score, patient, patients)
        order = np.argsort(-score, kind="stable")
        self._truth, self._patient = truth[order].astype(np.float64), patient[order]
        # The last frame of each score: up to there frames are called present at that threshold.
        self._ends = np.flatnonzero(np.diff(score[order], append=-np.inf))

    def values(self, weights: NDArray[np.int64]) -> Values:
        """Of R draws (R, P)."""
        hits, false, missed, rejected, squares = (weights @ self._counts).T
        count, present = hits + false + missed + rejected, hits + missed
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "auroc": np.einsum("rp,pq,rq->r", weights, self._pairs, weights, optimize=True)
                / (present * (count - present)),
                "auprc": np.array([self._average_precision(row) for row in weights]),
                "accuracy": (hits + rejected) / count,
                "sensitivity": hits / present,
                "specificity": rejected / (false + rejected),
                "precision": hits / (hits + false),
                "f1": 2 * hits / (2 * hits + false + missed),
                "brier": squares / count,
                "ece": np.abs(weights @ self._excess).sum(axis=1) / count,
            }

    def _average_precision(self, weights: NDArray[np.int64]) -> float:
        weight = weights[self._patient].astype(np.float64)
        called, hits = np.cumsum(weight)[self._ends], np.cumsum(weight * self._truth)[self._ends]
        if not len(hits) or not hits[-1]:
            return float("nan")
        precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
        return float((np.diff(hits, prepend=0.0) * precision).sum() / hits[-1])


def _summed(
    patient: NDArray[np.int64], patients: int, values: Sequence[NDArray[np.float64] | NDArray[np.bool_]]
) -> Floats:
    """(P, V), each value (N,) summed over the frames of each patient."""
    return np.stack([np.bincount(patient, value, patients) for value in values], axis=1)


def _concordance(truth: NDArray[np.bool_], score: Floats, patient: NDArray[np.int64], patients: int) -> Floats:
    """(P, P): pairs of a present frame of one patient and an absent one of another of which the present one scores
    higher, ties counted half: the area under the ROC curve is their share (Mann and Whitney 1947)."""
    pairs = np.zeros((patients, patients))
    present, of = score[truth], patient[truth]
    for other in range(patients):
        absent = np.sort(score[~truth & (patient == other)])
        below = np.searchsorted(absent, present, "left") + np.searchsorted(absent, present, "right")
        pairs[:, other] = np.bincount(of, below / 2, patients)
    return pairs


class IntervalTally:
    """Clips of one organ, and the patient of each, from 0 to ``patients`` - 1."""

    _SUMS = ("presences", "found", "predictions", "false_events", "paired", "edit", "duration_s", "unknown_s")

    def __init__(self, clips: Sequence[ClipCounts], patient: NDArray[np.int64], patients: int) -> None:
        sums = [np.array([getattr(clip, name) for clip in clips], np.float64) for name in self._SUMS]
        right = [np.array([clip.right[at] for clip in clips], np.float64) for at in range(len(IOUS))]
        self._counts = _summed(patient, patients, [*sums, np.ones(len(clips)), *right])
        self._errors: dict[str, tuple[Floats, NDArray[np.int64]]] = {}
        for what in ERRORS:
            own = [getattr(clip, f"{what}_s") for clip in clips]
            error_s = np.array([s for one in own for s in one], np.float64)
            order = np.argsort(error_s)
            self._errors[what] = error_s[order], np.repeat(patient, list(map(len, own)))[order]

    def values(self, weights: NDArray[np.int64]) -> Values:
        """Of R draws (R, P)."""
        sums = (weights @ self._counts).T
        presences, found, predictions, false, paired, edit, duration_s, unknown_s, clips, *right = sums
        minutes, both = duration_s / 60, presences + predictions
        with np.errstate(divide="ignore", invalid="ignore"):
            result = {
                **{f"f1_{round(100 * iou)}": 2 * each / both for iou, each in zip(IOUS, right, strict=True)},
                "edit": edit / clips,
                "event_f1": 2 * paired / both,
                "found_share": found / presences,
                "false_events_per_min": false / minutes,
                "missed_events_per_min": (presences - found) / minutes,
                "unknown_share": unknown_s / duration_s,
            }
        for what, (error_s, of) in self._errors.items():
            found_s = np.array([_median_and_p90(error_s, row[of]) for row in weights], np.float64)
            result[f"{what}_median_s"], result[f"{what}_p90_s"] = found_s.reshape(-1, 2).T
        return result


def _median_and_p90(values: Floats, times: NDArray[np.int64]) -> tuple[float, float] | Floats:
    """As np.percentile of sorted values (N,), each as often as ``times`` (N,) says, in a quarter of its time."""
    behind = np.cumsum(times)
    if not len(behind) or not behind[-1]:
        return np.nan, np.nan
    place = (behind[-1] - 1) * _SHARES
    below = np.floor(place)
    part, ends = place - below, np.searchsorted(behind, [below, np.ceil(place)], side="right")
    low, high = values[ends]
    found: Floats = np.where(part < 0.5, low + (high - low) * part, high - (high - low) * (1 - part))
    return found


def estimates(
    tallies: Sequence[FrameTally | IntervalTally], patients: int, *, rounds: int = ROUNDS, seed: int = 0
) -> dict[str, Estimate]:
    """Every metric with its percentile interval over ``patients``; none below MIN_GROUPS of these."""
    return _estimates([_values(tallies, weights) for weights in _weights(patients, rounds, seed)], patients)


def differences(
    first: Sequence[FrameTally | IntervalTally],
    second: Sequence[FrameTally | IntervalTally],
    patients: int,
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Second minus first of every metric that both have, both of the same draws of patients: a paired bootstrap."""
    found = []
    for weights in _weights(patients, rounds, seed):
        one, other = _values(first, weights), _values(second, weights)
        found.append({name: other[name] - one[name] for name in one if name in other})
    return _estimates(found, patients)


def _weights(patients: int, rounds: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All patients once, and the draws."""
    enough = patients >= MIN_GROUPS
    return np.ones((1, patients), np.int64), draws(patients, rounds if enough else 0, seed)


def _values(tallies: Sequence[FrameTally | IntervalTally], weights: NDArray[np.int64]) -> Values:
    return {name: value for tally in tallies for name, value in tally.values(weights).items()}


def _estimates(values: Sequence[Mapping[str, Floats]], patients: int) -> dict[str, Estimate]:
    whole, drawn = values
    return {name: estimate(float(value[0]), drawn[name], patients) for name, value in whole.items()}
