"""Cross-validation by patient: how a model does on patients that it was not trained on.

A fold's model is trained without validation, so nothing of the patients left out decides when to stop or which weights
to keep. With ``patience`` the first folds say how many epochs are enough for the others (``plateau``). An organ that
only one patient shows cannot be tested on that patient; a note says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.dataset import FrameSet
from seqcls.datasets.split import MIN_GROUPS, folds_of, grouping_of
from seqcls.errors import DataError
from seqcls.evaluation.chance import chance_message
from seqcls.evaluation.metrics import Estimate, FrameMetrics, frame_metrics, metrics_over_groups
from seqcls.models.resnet import GrayResNet
from seqcls.training.checkpoints import Checkpoints
from seqcls.training.epoch import Epoch
from seqcls.training.fold_scores import FoldScores, write_fold_scores
from seqcls.training.options import TrainOptions
from seqcls.training.plateau import MIN_FOLDS, enough_epochs, watched_rows, why_all
from seqcls.training.prediction import predict
from seqcls.training.sampler import Indices
from seqcls.training.train import TrainResult, train
from seqcls.training.training_state import bound_to

#: Draws of the bootstrap.
ROUNDS = 1000
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fold:
    """One round, numbered from 1: the groups left out, their rows, and the result of training on the others; None where
    a run before this one has trained it and kept the scores alone.

    metrics: per organ at a threshold of one half, None where the organ could not be trained.
    """

    number: int
    groups: tuple[str, ...]
    index: Indices
    result: TrainResult | None
    metrics: tuple[FrameMetrics | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrossValidation:
    """All rounds. scores: (N, K) float32 by models that did not see the frame's group, NaN where there is none.

    metrics, auroc, accuracy: per organ over the pooled scores; the last two with bootstrap intervals over ``unit``
    ("patient", or "clip" where all frames are of one patient). epochs: so many are enough for a model of all frames, by
    ``patience``; None where that was not asked for, or they gain to the end. notes: what could not be tested.
    """

    unit: str
    folds: tuple[Fold, ...]
    scores: NDArray[np.float32]
    metrics: tuple[FrameMetrics, ...]
    auroc: tuple[Estimate, ...]
    accuracy: tuple[Estimate, ...]
    epochs: int | None
    notes: tuple[str, ...]
    interrupted: bool


def cross_validate(
    frames: FrameSet,
    options: TrainOptions,
    folds: int | Literal["groups"] = "groups",
    *,
    on_fold: Callable[[Fold], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoints: Checkpoints | None = None,
) -> CrossValidation:
    """Train once per fold and score what was left out. folds: how many, or ``groups``: every patient by itself.

    checkpoints: where the folds are kept as they go, and taken up from; what is finished is not trained again.
    Raises DataError where fewer than two groups exist or no fold can be trained, and what ``train`` raises.
    """
    unit, groups = grouping(frames)
    parts = split_groups(frames, groups, folds)
    scores = np.full(frames.targets.shape, np.nan, np.float32)
    done: list[Fold] = []
    notes: list[str] = []
    courses: list[tuple[Epoch, ...]] = []
    interrupted = False
    for number, left_out in enumerate(parts, 1):
        if interrupted := should_stop():
            break
        rows, tested = np.flatnonzero(~np.isin(groups, left_out)), np.flatnonzero(np.isin(groups, left_out))
        columns, untested = _trainable(frames, rows, tested, left_out)
        notes += untested
        if not columns:
            continue
        part = frames.of_organs([frames.organs[column] for column in columns])
        enough = enough_epochs(courses, options.patience, folds=MIN_FOLDS) if options.patience else None
        chosen = options if enough is None else replace(options, epochs=enough)
        watched = watched_rows(part, tested) if options.patience and enough is None else None
        own = None if checkpoints is None else checkpoints.of_fold(number)
        result = None
        bound = bound_to(part, rows, tested, chosen)
        kept = None if own is None else own.scores(bound)
        if kept is None:
            result = train(
                part,
                chosen,
                train_index=rows,
                validation_index=_NONE,
                on_step=on_step,
                should_stop=should_stop,
                checkpoints=own,
                watched=watched,
                for_scores=True,
            )
            if interrupted := result.interrupted:
                break
            kept = score_frames(result, frames.images, options, tested), result.history
            if own is not None:
                own.keep_scores(*kept, bound)
        found, course = kept
        if watched is not None:
            courses.append(course)
        scores[tested[:, None], columns] = found
        metrics = tuple(
            frame_metrics(frames.targets[tested, k], scores[tested, k], frames.mask[tested, k])
            if k in columns
            else None
            for k in range(len(frames.organs))
        )
        fold = Fold(number=number, groups=left_out, index=tested, result=result, metrics=metrics)
        done.append(fold)
        if on_fold is not None:
            on_fold(fold)
    if not done and not interrupted:
        raise DataError(f"no {unit} can be left out: {'; '.join(notes)}")
    known = frames.mask & ~np.isnan(scores)
    pooled = [
        metrics_over_groups(frames.targets[rows, k], scores[rows, k], groups[rows], rounds=ROUNDS)
        for k, rows in enumerate(known.T)
    ]
    metrics_of, auroc_of, accuracy_of = zip(*pooled, strict=True)
    epochs = enough_epochs(courses, options.patience) if options.patience and not interrupted else None
    if options.patience and not interrupted and epochs is None:
        notes.append(why_all(courses, options.patience))
    for k, rows in enumerate(known.T):
        notes.append(chance_message(frames.organs[k], frames.targets[rows, k], frames.clip[rows], auroc_of[k]))
    return CrossValidation(
        unit=unit,
        folds=tuple(done),
        scores=scores,
        metrics=metrics_of,
        auroc=auroc_of,
        accuracy=accuracy_of,
        epochs=epochs,
        notes=tuple(filter(None, notes)),
        interrupted=interrupted,
    )


def grouping(frames: FrameSet) -> tuple[str, NDArray[np.str_]]:
    """The unit that is left out as a whole, and each frame's: the patient, or the clip where there is one patient or
    nobody stated who is who.

    Those of the kept split where there is one.
    """
    if frames.kept_split is not None:
        return frames.kept_split.unit, frames.kept_split.groups_of(frames.patient, frames.clip)
    unit, groups = grouping_of(frames.patient, frames.clip)
    return unit if frames.group_name == "patient" else "clip", groups


def split_groups(
    frames: FrameSet, groups: NDArray[np.str_], folds: int | Literal["groups"]
) -> tuple[tuple[str, ...], ...]:
    """The groups of each fold: as the kept split says, else as ``folds_of``. Raises UsageError where it says otherwise
    than ``folds``."""
    if frames.kept_split is not None:
        return frames.kept_split.parts(folds)
    return folds_of(groups, np.any(frames.mask & (frames.targets > 0.5), axis=1), folds)


def can_calibrate(frames: FrameSet) -> bool:
    """Whether enough groups show each state of each organ for thresholds to be chosen on scores of unseen groups."""
    groups = grouping(frames)[1]
    return all(
        len(np.unique(groups[frames.mask[:, column] & ((frames.targets[:, column] > 0.5) == state)])) >= MIN_GROUPS
        for column in range(len(frames.organs))
        for state in (True, False)
    )


def write_scores(result: CrossValidation, frames: FrameSet, folder: Path) -> Path:
    """Write cross-validation.csv, a row per frame, scored by a model that did not see it. Raises OutputError."""
    fold_of = np.zeros(len(frames.clip), np.int64)
    for fold in result.folds:
        fold_of[fold.index] = fold.number
    labels = np.where(frames.mask, np.where(frames.mask, frames.targets, 0) > 0.5, -1).astype(np.int8)
    table = FoldScores(
        organs=frames.organs,
        clip=frames.clip,
        patient=frames.patient,
        fold=fold_of,
        time_s=frames.time_s,
        scores=result.scores,
        labels=labels,
    )
    return write_fold_scores(table, folder)


def score_frames(
    result: TrainResult, images: NDArray[np.uint8], options: TrainOptions, rows: Indices | None = None
) -> NDArray[np.float32]:
    """(N, K) float32 probabilities of (N, S, S) uint8, or of these rows of them, by a trained model, calibrated as its
    header says."""
    model = GrayResNet(len(result.header.organs), mean=result.header.mean, std=result.header.std)
    model.load(result.tensors)
    return result.header.probabilities(predict(model, images, options, rows))


def _trainable(
    frames: FrameSet, rows: Indices, tested: Indices, left_out: Sequence[str]
) -> tuple[list[int], list[str]]:
    """Columns of which the other groups show both classes, and a note for each of the rest."""
    columns, notes = [], []
    for column, (organ, counts) in enumerate(zip(frames.organs, frames.counts(rows), strict=True)):
        lacking = [state for state, count in counts.items() if not count]
        if not lacking:
            columns.append(column)
        elif frames.mask[tested, column].any():
            notes.append(f"only {', '.join(left_out)} shows {organ} {lacking[0]}, so {organ} is not tested there")
    return columns, notes
