"""The training loop, read from top to bottom: learn from a batch, keep the average of the weights, validate.

The weights kept are a mean over the last half of the steps, see ``averaging``, as it stands after the epoch with the
best validation AUROC, or after the last epoch where no validation tells the classes apart.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqcls.datasets.dataset import FrameSet
from seqcls.errors import DataError
from seqcls.models.file import Tensors
from seqcls.models.resnet import GrayResNet, choose_device, choose_precision
from seqcls.training.averaging import NORM_BATCHES, WeightAverage, with_norms
from seqcls.training.batches import Batch
from seqcls.training.epoch import Epoch
from seqcls.training.loss import masked_loss, plain_loss
from seqcls.training.optimizer import lr_factor, open_optimizer
from seqcls.training.options import TrainOptions
from seqcls.training.prediction import validate
from seqcls.training.sampler import Indices, Sampler

#: Where each part of the network belongs; conv1 and bn1, before them all, to the first.
STAGE_OF = {"layer1": 1, "layer2": 2, "layer3": 3, "layer4": 4}
STAGES = 4


@dataclass(frozen=True, slots=True)
class Fitted:
    tensors: Tensors
    history: tuple[Epoch, ...]
    best: int  # number of the epoch whose weights these are; 0 when stopped before the first ended
    interrupted: bool


def fit(
    model: GrayResNet,
    batches: Iterator[Batch],
    frames: FrameSet,
    rows: Indices,
    held_out: Indices,
    options: TrainOptions,
    on_epoch: Callable[[Epoch], None] | None,
    on_step: Callable[[int, int], None] | None,
    should_stop: Callable[[], bool],
) -> Fitted:
    """The training loop. ``batches`` holds those of all epochs."""
    device = choose_device(options.device)
    dtype = choose_precision(options.precision, device)
    model = model.to(device)
    steps_per_epoch = options.steps_per_epoch(len(rows))
    total = steps_per_epoch * options.epochs
    average = WeightAverage(model, total)
    clean = Sampler(frames, rows, np.random.default_rng([options.seed, 1]), balance=options.balance)
    optimizer = open_optimizer(model, options)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(step, total, options))
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    history: list[Epoch] = []
    best: tuple[tuple[float, float], int, Tensors] | None = None
    step, interrupted = 0, False

    for number in range(1, options.epochs + 1):
        began_s, losses, plain = time.perf_counter(), list[Tensor](), list[Tensor]()
        still = STAGES if number <= options.freeze_epochs else options.frozen_stages
        _freeze(model, still)
        for _ in range(steps_per_epoch):
            if interrupted := should_stop():
                break
            x, y, known = next(batches)
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                logits = model(x)
            loss = masked_loss(logits, y, known, options)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(scaler.scale(loss))
            if options.clip_norm > 0:
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(model.parameters(), options.clip_norm)
            scaler.step(optimizer)
            scaler.update()
            schedule.step()
            average.update(model, step)
            step += 1
            losses.append(loss.detach())
            plain.append(plain_loss(logits.detach(), y, known))
            if on_step is not None:
                on_step(step, total)
        if losses and not math.isfinite(mean_loss := float(torch.stack(losses).mean())):
            raise DataError(f"the loss became {mean_loss} in epoch {number}; take a lower lr, or precision fp32")
        if interrupted:
            break
        mean = _with_norms(average.model, frames, clean, still, options)
        seconds = time.perf_counter() - began_s
        validation_loss, value = validate(mean, frames, held_out, options)
        # Where no AUROC exists there is nothing to select by, and the latest weights are the best.
        key = (-math.inf, float(number)) if math.isnan(value) else (round(value, 4), -validation_loss)
        if is_best := best is None or key > best[0]:
            best = (key, number, mean.tensors())
        epoch = Epoch(
            number=number,
            loss=float(torch.stack(plain).mean()),
            validation_loss=validation_loss,
            auroc=value,
            lr=float(schedule.get_last_lr()[0]),
            seconds=seconds,
            images_per_s=steps_per_epoch * options.batch_size / seconds,
            best=is_best,
        )
        history.append(epoch)
        if on_epoch is not None:
            on_epoch(epoch)
        if options.patience and best is not None and number - best[1] >= options.patience:
            break
    if best is None:
        best = ((0.0, 0.0), 0, _with_norms(average.model, frames, clean, still, options).tensors())
    _, number, tensors = best
    return Fitted(tensors, tuple(history), number, interrupted)


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


def _with_norms(average: GrayResNet, frames: FrameSet, clean: Sampler, still: int, options: TrainOptions) -> GrayResNet:
    """A copy whose norms are measured on unchanged images as well, but for those of the first ``still`` stages."""
    device = choose_device(options.device)
    dtype = choose_precision(options.precision, device)
    images = torch.from_numpy(frames.images)
    batches = (images[torch.from_numpy(clean.draw(options.batch_size))].to(device) for _ in range(NORM_BATCHES))
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        return with_norms(average, batches, _frozen(average, still))
