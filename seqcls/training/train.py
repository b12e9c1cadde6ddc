"""A training as a whole: the loop (``fit``), then what is known of frames that it has not seen, as one result."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqcls.datasets.data_checks.leakage import leaked_rows
from seqcls.datasets.dataset import FrameSet
from seqcls.errors import DataError, UsageError, one_line
from seqcls.evaluation.metrics import FrameMetrics
from seqcls.models.file import ModelHeader, Tensors
from seqcls.models.resnet import build, choose_device
from seqcls.training.batches import training_batches
from seqcls.training.checkpoint_file import Checkpoint
from seqcls.training.checkpoints import Checkpoints, is_digest
from seqcls.training.epoch import Epoch
from seqcls.training.fit import fit
from seqcls.training.header import chance_messages, logits_of, make_header, metrics_by_organ, trained_on
from seqcls.training.novelty_fit import fit_novelty
from seqcls.training.optimizer import quick_convolutions
from seqcls.training.options import TrainOptions
from seqcls.training.prediction import features_of, predict
from seqcls.training.process_group import Processes
from seqcls.training.sampler import Indices, check_classes
from seqcls.training.training_state import TrainingState, bound_to


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainResult:
    """A trained model and how it came about.

    index: (V,) rows of the frame set that were held out; scores: (V, K) float32, calibrated; metrics: per organ over
    them, None without validation. messages: for the user. steps: done in all; 0: it was interrupted before the first,
    and the tensors are those that it began with.
    """

    header: ModelHeader
    tensors: Tensors
    history: tuple[Epoch, ...]
    index: Indices
    scores: NDArray[np.float32]
    metrics: tuple[FrameMetrics, ...] | None
    messages: tuple[str, ...]
    interrupted: bool
    steps: int

    @property
    def best_epoch(self) -> int:
        """The number of the epoch whose weights these are, of those that were scored; else of the last."""
        return max((epoch.number for epoch in self.history if epoch.best), default=len(self.history))


def train(
    frames: FrameSet,
    options: TrainOptions,
    *,
    train_index: Indices | None = None,
    validation_index: Indices | None = None,
    out_of_fold: NDArray[np.float32] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoints: Checkpoints | None = None,
    processes: Processes | None = None,
    watched: Indices | None = None,
    leaked: int | None = None,
    for_scores: bool = False,
) -> TrainResult:
    """Train on the rows of the split ``train``, select and calibrate on those of ``validation``, unless rows are given.

    out_of_fold: (N, K) probabilities by models that did not see the frame (``cross_validate``), NaN for none;
    where nothing is held out, calibration and thresholds come from them.
    watched: rows that are scored after each epoch, for the history alone, where nothing is held out.
    leaked: so many frames of the split ``validation`` show the same as one of ``train``; None: they are looked for.
    for_scores: the model scores some frames and is gone, so its header tells no novelty, nor what it was trained on.
    on_step(done, total) follows every batch. Once ``should_stop()`` is true, training ends with the best weights so
    far. checkpoints: where the training is kept as it goes, and taken up from. processes: this is the first of them,
    and the others do ``train_along`` with the same frames and options. Raises DataError where there is nothing
    to tell apart, ModelError for the weights, EngineError for the device, UsageError for a checkpoint of another
    training.
    """
    rows = np.flatnonzero(frames.split == "train") if train_index is None else train_index
    held_out = np.flatnonzero(frames.split == "validation") if validation_index is None else validation_index
    check_classes(frames, rows)
    processes = Processes() if processes is None else processes
    model, start = build(len(frames.organs), weights=options.weights, seed=options.seed)
    state = TrainingState(model, frames, rows, options, processes)
    bound = bound_to(frames, rows, held_out, options, processes.count)
    kept = None if checkpoints is None else checkpoints.begin(bound)
    if kept is not None:
        _restore(state, kept)
    _begin_together(state, bound, kept)
    with quick_convolutions():
        fitted = fit(
            state,
            training_batches(frames, rows, options, state.batches, processes),
            frames,
            held_out,
            options,
            on_epoch=on_epoch,
            on_step=on_step,
            should_stop=should_stop,
            checkpoints=checkpoints,
            watched=watched,
        )
    model.load(fitted.tensors)
    logits = predict(model, frames.images, options, held_out)
    unseen = held_out, logits
    if not len(held_out) and out_of_fold is not None:
        unseen = rows, logits_of(out_of_fold[rows])
    if leaked is None:
        leaked = len(leaked_rows(frames)) if train_index is None and validation_index is None else 0
    best = fitted.history[fitted.best - 1] if fitted.best else None
    summary = {
        # A model travels: the file that it started from is recorded without the folders that it lay in.
        "options": asdict(replace(options, weights=Path(options.weights).name)),
        "weights": start,
        "epochs": len(fitted.history),
        "best_epoch": fitted.best,
        "best_auroc": None if best is None or math.isnan(best.auroc) else round(best.auroc, 6),
        "interrupted": fitted.interrupted,
        "torch": torch.__version__,
        "device": str(choose_device(options.device)),
        "leaked_frames": leaked,
    }
    if frames.kept_split is not None:
        summary["split"] = frames.kept_split.summary()
    header, messages = make_header(frames, rows, *unseen, summary)
    told: list[str] = []
    if not for_scores:
        known = partial(features_of, model, frames.images, options)
        novelty, *told = fit_novelty(frames, rows, held_out, known)
        header = replace(header, novelty=novelty, trained_on=trained_on(frames, rows, held_out, options))
    scores = header.probabilities(logits)
    doubts = chance_messages(frames, held_out, scores)
    return TrainResult(
        header=header,
        tensors=fitted.tensors,
        history=fitted.history,
        index=held_out,
        scores=scores,
        metrics=metrics_by_organ(frames, held_out, scores, header) if len(held_out) else None,
        messages=(f"started from {start}", *messages, *doubts, *told),
        interrupted=fitted.interrupted,
        steps=fitted.steps,
    )


def train_along(
    frames: FrameSet, options: TrainOptions, processes: Processes, *, should_stop: Callable[[], bool] = lambda: False
) -> bool:
    """What all processes but the first do of ``train``: learn from their parts of the batches, from where the first
    one stands. Whether the training was interrupted. Raises as ``train``."""
    rows, held_out = np.flatnonzero(frames.split == "train"), np.flatnonzero(frames.split == "validation")
    model, _ = build(len(frames.organs), seed=options.seed)
    state = TrainingState(model, frames, rows, options, processes)
    _begin_together(state, bound_to(frames, rows, held_out, options, processes.count))
    batches = training_batches(frames, rows, options, state.batches, processes)
    with quick_convolutions():
        fitted = fit(state, batches, frames, held_out, options, on_epoch=None, on_step=None, should_stop=should_stop)
    return fitted.interrupted


def _restore(state: TrainingState, kept: Checkpoint) -> None:
    """Take it up. Raises UsageError where it holds something else than was written, though its hash is right."""
    try:
        state.restore(kept)
    except (LookupError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"the checkpoint of step {kept.step} is not what seqcls wrote ({one_line(error)}): remove it to go on from"
            " the one before, or add overwrite=True to begin anew"
        ) from error


def _begin_together(state: TrainingState, bound: Mapping[str, Any], kept: Checkpoint | None = None) -> None:
    """Make the state of all processes that of the first, which has taken up ``kept``. Raises DataError where they train
    on something else."""
    processes = state.processes
    if processes.count == 1:
        return
    for rank, other in enumerate(processes.gathered(dict(bound))):
        for name, value in other.items():
            if value != bound[name]:
                own = "" if is_digest(value) else f": {str(value)[:40]}, not {str(bound[name])[:40]}"
                raise DataError(
                    f"process {rank} trains on something else ({name}{own}):"
                    " start all with the same command, and give all the same files"
                )
    begin = processes.from_first(lambda: state.checkpoint([]) if kept is None else kept)
    if not processes.is_first:
        state.restore(begin)
