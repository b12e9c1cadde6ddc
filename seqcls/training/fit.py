"""The training loop, read from top to bottom: learn from a batch, keep the average of the weights, validate.

The weights kept are a mean over the last half of the steps, see ``averaging``, as it stands after the epoch with the
best validation AUROC, or after the last epoch where no validation tells the classes apart.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch

from seqcls.datasets.dataset import FrameSet
from seqcls.errors import DataError, EngineError
from seqcls.models.file import Tensors
from seqcls.models.resnet import GrayResNet
from seqcls.training.averaging import NORM_BATCHES, with_norms
from seqcls.training.batches import Batch
from seqcls.training.checkpoints import Checkpoints
from seqcls.training.epoch import Epoch, OrganFigure, quality
from seqcls.training.loss import masked_loss, plain_loss
from seqcls.training.optimizer import clip_gradients
from seqcls.training.options import TrainOptions
from seqcls.training.prediction import Judgement, validate
from seqcls.training.sampler import Indices
from seqcls.training.training_state import TrainingState, weights_digest

#: Where each part of the network belongs; conv1 and bn1, before them all, to the first.
STAGE_OF = {"layer1": 1, "layer2": 2, "layer3": 3, "layer4": 4}
STAGES = 4


@dataclass(frozen=True, slots=True)
class Fitted:
    tensors: Tensors
    history: tuple[Epoch, ...]
    best: int  # number of the epoch whose weights these are; 0 when stopped before one was scored or the last ended
    interrupted: bool
    steps: int  # done in all; 0: nothing was learned


def fit(
    state: TrainingState,
    batches: Iterator[Batch],
    frames: FrameSet,
    held_out: Indices,
    options: TrainOptions,
    *,
    on_epoch: Callable[[Epoch], None] | None,
    on_step: Callable[[int, int], None] | None,
    should_stop: Callable[[], bool],
    checkpoints: Checkpoints | None = None,
    watched: Indices | None = None,
) -> Fitted:
    """The training loop, from where ``state`` stands. ``batches`` holds all that are left.

    watched: where nothing is held out, rows that are scored after each epoch and decide on nothing.
    ``on_epoch`` is called for the epochs that have ended already, too. Of several processes all run it, and the first
    one alone validates, keeps checkpoints, and has the tensors in the end.
    """
    processes = state.processes
    steps_per_epoch = options.steps_per_epoch(len(state.rows))
    interrupted = False
    if on_epoch is not None:
        for epoch in state.history:
            on_epoch(epoch)
    while not (interrupted or _is_over(state, options)):
        number = len(state.history) + 1
        began_s = time.perf_counter() - state.seconds
        still = STAGES if number <= options.freeze_epochs else options.frozen_stages
        _freeze(state.model, still)
        while state.step < number * steps_per_epoch:
            if interrupted := processes.any(should_stop()):
                break
            _learn(state, next(batches), options)
            if on_step is not None:
                on_step(state.step, steps_per_epoch * options.epochs)
        if state.losses and not math.isfinite(mean_loss := float(torch.stack(state.losses).mean())):
            raise DataError(f"the loss became {mean_loss} in epoch {number}; take a lower lr, or precision fp32")
        if interrupted:
            state.seconds = time.perf_counter() - began_s
            break
        if processes.count > 1:
            _require_same(state)
        epoch = processes.from_first(partial(_judged, state, frames, held_out, watched, options, still, began_s))
        state.end_epoch(epoch)
        if state.batches is not None:
            _keep(state, checkpoints if checkpoints is not None and checkpoints.is_due() else None)
        if on_epoch is not None:
            on_epoch(epoch)
    if interrupted and state.step:
        _keep(state, checkpoints)
    if not processes.is_first:
        return Fitted({}, tuple(state.history), state.best_epoch, interrupted, state.step)
    tensors = _with_norms(state, frames, still, options).tensors() if state.best is None else state.best
    return Fitted(tensors, tuple(state.history), state.best_epoch, interrupted, state.step)


def _learn(state: TrainingState, batch: Batch, options: TrainOptions) -> None:
    """One step."""
    with state.autocast():
        logits = state.model(batch.images)
    loss = masked_loss(logits, batch.targets, batch.known, options)
    plain = plain_loss(logits.detach(), batch.targets, batch.known)
    state.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(state.scaler.scale(loss))
    loss, plain = state.processes.share_step(state.model, batch.known.float().sum(), loss.detach(), plain)
    if options.clip_norm > 0:
        state.scaler.unscale_(state.optimizer)
        clip_gradients(state.model, options.clip_norm)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.schedule.step()
    state.average.update(state.model, state.step)
    state.step += 1
    state.batches = batch.after
    state.losses.append(loss)
    state.plain.append(plain)


def _judged(
    state: TrainingState,
    frames: FrameSet,
    held_out: Indices,
    watched: Indices | None,
    options: TrainOptions,
    still: int,
    began_s: float,
) -> Epoch:
    """The epoch whose steps have been done; where it is the best so far, its weights are kept."""
    number = len(state.history) + 1
    decides = len(held_out) > 0 or number == options.epochs
    scored = held_out if len(held_out) or watched is None else watched
    # Norms are measured for a model that is scored or kept: without validation, only after the last epoch.
    mean = _with_norms(state, frames, still, options) if len(scored) or decides else None
    seconds = time.perf_counter() - began_s
    found = Judgement(math.nan, math.nan, ())
    if mean is not None and len(scored):
        found = validate(mean, frames, scored, options)
    epoch = Epoch(
        number=number,
        loss=float(torch.stack(state.plain).mean()),
        validation_loss=found.loss,
        auroc=found.auroc,
        lr=float(state.schedule.get_last_lr()[0]),
        seconds=seconds,
        images_per_s=len(state.plain) * options.batch_size / seconds,
        best=False,
        organs=tuple(map(OrganFigure, frames.organs, found.by_organ)),
    )
    better = not state.best_epoch or quality(epoch) > quality(state.history[state.best_epoch - 1])
    if mean is not None and decides and better:
        epoch, state.best = replace(epoch, best=True), mean.tensors()
    return epoch


def _keep(state: TrainingState, checkpoints: Checkpoints | None) -> None:
    """Write down how it stands; where there is nowhere to, say to the other processes what they write."""
    assert state.batches is not None
    changes = state.processes.gathered(state.batches.changes)
    if checkpoints is not None:
        checkpoints.save(state.checkpoint(changes))


def _require_same(state: TrainingState) -> None:
    """Raise EngineError where processes have come to other weights than this one."""
    digests = state.processes.gathered(weights_digest(state.model))
    for rank, digest in enumerate(digests):
        if digest != digests[state.processes.rank]:
            raise EngineError(
                f"process {rank} computes otherwise than process {state.processes.rank} and has come to other weights:"
                " start them on devices of one kind, with the same OMP_NUM_THREADS and versions"
            )


def _is_over(state: TrainingState, options: TrainOptions) -> bool:
    """Whether all epochs have ended, or enough without a better one."""
    waited = len(state.history) - state.best_epoch
    impatient = options.patience > 0 and state.best_epoch > 0 and waited >= options.patience
    return len(state.history) == options.epochs or impatient


def _freeze(model: GrayResNet, stages: int) -> None:
    """Training mode, with the first so many stages held still, their running statistics too."""
    model.train()
    model.requires_grad_(True)
    for name in _frozen(model, stages):
        part = model.net.get_submodule(name)
        part.eval()
        part.requires_grad_(False)


def _frozen(model: GrayResNet, stages: int) -> list[str]:
    """Names of the parts of the first so many stages."""
    parts = model.net.named_children() if stages else ()
    return [name for name, _ in parts if name != "fc" and STAGE_OF.get(name, 1) <= stages]


def _with_norms(state: TrainingState, frames: FrameSet, still: int, options: TrainOptions) -> GrayResNet:
    """The average, its norms measured on unchanged images as well, but for those of the first ``still`` stages."""
    average = state.average.model
    drawn = (state.clean.draw(options.batch_size) for _ in range(NORM_BATCHES))
    batches = (torch.from_numpy(frames.images[rows]).to(state.device) for rows in drawn)
    with state.autocast():
        return with_norms(average, batches, _frozen(average, still))
