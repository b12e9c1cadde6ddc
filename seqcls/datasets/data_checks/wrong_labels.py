"""Labels that are likely wrong: contradicted by scores of models that have not seen them, and by similar frames.

Confident learning (Northcutt, Jiang and Chuang 2021, 10.1613/jair.1.12125): the threshold of a state is the mean score,
for that state, of the frames labelled so; a frame labelled otherwise whose score reaches it is counted for that state.
By default the model is a logistic regression on embeddings, with whole patients left out; after `train --folds` the
networks' own scores are used. Both are believed only where they tell the labels of unseen patients apart (MIN_AUROC).

The regression sees what is wrong for whole stretches, and needs many patients. Single wrong labels are seen by the
NEIGHBOURS frames most like a frame: all but one of them labelled otherwise, and alike in their pixels too, so that a
short presence among absences is none. A frame is named where both the scores and the neighbours contradict its label,
or where the neighbours do and believable scores do not stand against it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.data_checks.finding import Finding, first_of
from seqcls.datasets.data_checks.near_duplicates import Floats, details
from seqcls.datasets.data_checks.odd_frames import name_of
from seqcls.datasets.dataset import FrameSet
from seqcls.text.wording import count_of

FOLDS = 5
MIN_AUROC, MIN_SURE = 0.85, 0.9
#: Frames compared with; what share of these must contradict (all but one); and their mean correlation in detail where
#: they alone do. Figures: docs/data-checks.md.
NEIGHBOURS, MIN_CONTRADICT, MIN_ALIKE = 8, 0.87, 0.7
#: Frames that a regression is fitted on and that neighbours are sought among, evenly chosen; and directions of the
#: embeddings that are used.
MAX_FITTED, MAX_SOUGHT, DIRECTIONS = 4_000, 20_000, 64
#: Frames that are listed for each organ.
MAX_LISTED = 200


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """(N, K) scores of presence by models that did not see the frame's patient, NaN where there is none; ``by``: what
    these models are."""

    values: NDArray[np.float32]
    by: str


def suspects(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of truth (N,) confident learning counts for the other state by scores (N,) of presence, 0 to 1.

    None where a class is missing. A score must be as sure as MIN_SURE.
    """
    if truth.all() or not truth.any():
        return np.zeros(len(truth), bool)
    present_from = max(MIN_SURE, float(scores[truth].mean()))
    absent_from = max(MIN_SURE, float(1 - scores[~truth].mean()))
    return np.where(truth, 1 - scores >= absent_from, scores >= present_from)


def likely_wrong(frames: FrameSet, features: Floats | None, scores: Scores | None = None) -> Iterator[Finding]:
    """features (N, D): embeddings, None for scores alone. ``scores``: None for regressions on the embeddings."""
    values = None if features is None else reduced(features)
    if scores is None:
        if values is None:
            return
        scores = out_of_fold(frames, values / np.maximum(values.std(axis=0), 1e-9))
    for column, organ in enumerate(frames.organs):
        rows = np.flatnonzero(frames.mask[:, column])
        truth, own = frames.targets[rows, column] > 0.5, scores.values[rows, column].astype(np.float64)
        believed = auroc_of(truth, own) >= MIN_AUROC
        doubt = _doubt(truth, own) if believed else np.full(len(rows), np.nan)
        wrong = suspects(truth, np.nan_to_num(own, nan=0.5)) if believed else np.zeros(len(rows), bool)
        by = [scores.by] * believed
        if values is not None and len(rows) > NEIGHBOURS and truth.any() and not truth.all():
            nearest = neighbours(values[rows])
            against = np.where(truth, 1 - truth[nearest].mean(axis=1), truth[nearest].mean(axis=1))
            alone = (against >= MIN_CONTRADICT) & ~(doubt < 0.5)
            alone[alone] = _alike(frames, rows, np.flatnonzero(alone), nearest) >= MIN_ALIKE
            wrong = (wrong & (against >= MIN_CONTRADICT)) | alone
            doubt = np.where(np.isnan(doubt), against, np.maximum(doubt, against))
            by.append("the frames most like them")
        if wrong.any():
            yield _finding(frames, column, organ, rows[wrong], doubt[wrong], " and ".join(by))


def _finding(
    frames: FrameSet, column: int, organ: str, rows: NDArray[np.int64], doubt: NDArray[np.float64], by: str
) -> Finding:
    order = np.argsort(-doubt, kind="stable")
    listed = []
    for at in order[:MAX_LISTED].tolist():
        state = "present" if frames.targets[rows[at], column] > 0.5 else "absent"
        listed.append((name_of(frames, int(rows[at])), f"labelled {organ} {state}, doubt {doubt[at]:.2f}"))
    text = (
        f"{count_of(len(rows), 'label')} of {organ} {'is' if len(rows) == 1 else 'are'} likely wrong, by {by}:"
        f" {first_of((name for name, _ in listed), len(rows))}; look at them"
    )
    return Finding("look", "likely wrong label", text, tuple(listed), tuple(rows[order[:MAX_LISTED]].tolist()))


def auroc_of(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Over the frames that have a score; NaN where these miss a class."""
    from sklearn.metrics import roc_auc_score

    known = ~np.isnan(scores)
    truth = truth[known]
    return math.nan if truth.all() or not truth.any() else float(roc_auc_score(truth, scores[known]))


def _doubt(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """How strongly each score speaks for the other state, NaN where there is none."""
    return np.where(truth, 1 - scores, scores)


def neighbours(values: Floats) -> NDArray[np.int64]:
    """(N, D) -> (N, NEIGHBOURS): the rows nearest to each, itself left out, among MAX_SOUGHT evenly chosen ones."""
    among = np.unique(np.linspace(0, len(values) - 1, min(len(values), MAX_SOUGHT)).round().astype(np.int64))
    sought = values[among]
    # Squared distances less what is the same for each row, by one product of matrices.
    left = np.column_stack([-2 * values, np.ones(len(values), np.float32)])
    right = np.column_stack([sought, (sought**2).sum(axis=1)]).T
    out = np.zeros((len(values), NEIGHBOURS), np.int64)
    place = np.searchsorted(among, np.arange(len(values)))
    for start in range(0, len(values), 512):
        apart = left[start : start + 512] @ right
        own = np.minimum(place[start : start + 512], len(among) - 1)
        itself = among[own] == np.arange(start, start + len(apart))
        apart[np.flatnonzero(itself), own[itself]] = np.inf
        out[start : start + 512] = among[_least(apart, NEIGHBOURS)]
    return out


def _least(values: Floats, count: int) -> NDArray[np.int64]:
    """(N, M) -> (N, count): places of the least values of each row, in any order.

    Columns are put into groups, and those of the groups with the least minima alone are compared: a value outside of
    them has ``count`` smaller ones before it. Looking for them among all columns took four times as long.
    """
    rows, columns = values.shape
    each = max(1, round(columns**0.5) // 2)
    groups = columns // each
    if groups <= count:
        return np.argpartition(values, count - 1, axis=1)[:, :count]
    whole = values[:, : each * groups].reshape(rows, each, groups)  # column c lies in group c % groups
    best = np.argpartition(whole.min(axis=1), count - 1, axis=1)[:, :count]
    places = (best[:, None, :] + groups * np.arange(each)[:, None]).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(each * groups, columns), (rows, columns - each * groups))
    places = np.concatenate([places, rest], axis=1)
    found = np.take_along_axis(values, places, axis=1)
    return np.take_along_axis(places, np.argpartition(found, count - 1, axis=1)[:, :count], axis=1)


def _alike(
    frames: FrameSet, rows: NDArray[np.int64], wanted: NDArray[np.int64], nearest: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Mean correlation in detail of each of the wanted rows with its neighbours."""
    out = np.zeros(len(wanted), np.float32)
    for at, row in enumerate(wanted.tolist()):
        own, others = details(frames.images[rows[[row]]]), details(frames.images[rows[nearest[row]]])
        out[at] = float((others @ own[0]).mean())
    return out


def out_of_fold(frames: FrameSet, values: Floats) -> Scores:
    """Scores by logistic regressions on (N, D) values, with whole patients left out, else clips, else single frames."""
    scores = np.full(frames.targets.shape, np.nan, np.float32)
    unit, groups = _groups(frames)
    for column in range(len(frames.organs)):
        rows = np.flatnonzero(frames.mask[:, column])
        truth = frames.targets[rows, column] > 0.5
        if min(truth.sum(), (~truth).sum()) < 2:
            continue
        for fitted, tested in _folds(truth, groups[rows]):
            if truth[fitted].any() and not truth[fitted].all():
                scores[rows[tested], column] = fit(values[rows[fitted]], truth[fitted], values[rows[tested]])
    return Scores(scores, f"a simple model that has not seen their {unit}")


def _groups(frames: FrameSet) -> tuple[str, NDArray[np.str_]]:
    """What is left out as a whole. Where clips are not known every frame is one by itself."""
    if frames.facts is None or frames.facts.clips != "unknown":
        for unit, names in (("patients", frames.patient), ("clips", frames.clip)):
            if len(np.unique(names)) >= 3:
                return unit, np.asarray(names)
    return "frames", np.arange(len(frames.clip)).astype(str)


def _folds(truth: NDArray[np.bool_], groups: NDArray[np.str_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    different = len(np.unique(groups))
    count = min(FOLDS, different, int(min(truth.sum(), (~truth).sum())))
    if count < 2:
        return
    alone = different == len(groups)
    folds = StratifiedKFold(count, shuffle=True, random_state=0) if alone else StratifiedGroupKFold(count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class in fewer groups than folds: such folds are passed over
        yield from folds.split(np.zeros((len(truth), 1)), truth, groups)


def reduced(features: Floats) -> Floats:
    """(N, D) embeddings -> (N, at most DIRECTIONS): in the directions in which they spread most."""
    spread = features - features.mean(axis=0)
    sample = spread[:: max(1, math.ceil(len(spread) / MAX_FITTED))]
    _, sizes, directions = np.linalg.svd(sample / max(1.0, len(sample) ** 0.5), full_matrices=False)
    kept = sizes > 1e-3 * max(float(sizes[0]), 1e-12)
    kept[DIRECTIONS:] = False
    return np.asarray(spread @ directions[kept].T, np.float32)


def fit(known: Floats, truth: NDArray[np.bool_], unknown: Floats) -> NDArray[np.float64]:
    """Scores of presence of (M, D) ``unknown`` by a logistic regression on (N, D) ``known`` and its truth (N,)."""
    from sklearn.linear_model import LogisticRegression

    sample = slice(None, None, max(1, math.ceil(len(known) / MAX_FITTED)))
    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=500)
    if truth[sample].all() or not truth[sample].any():
        sample = slice(None)
    model.fit(known[sample], truth[sample])
    return np.asarray(model.predict_proba(unknown)[:, 1], np.float64)
