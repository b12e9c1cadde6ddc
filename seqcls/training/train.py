"""Training, read from top to bottom: draw a batch, change it, learn from it, keep the average of the weights.

The weights kept are a mean over the last half of the steps, see ``averaging``, as it stands after the epoch with the
best validation AUROC, or after the last epoch where no validation tells the classes apart.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcls.datasets.data_checks.leakage import leaked_rows
from seqcls.datasets.dataset import FrameSet
from seqcls.errors import DataError
from seqcls.evaluation.metrics import FrameMetrics, auroc
from seqcls.models.file import ModelHeader, Tensors
from seqcls.models.resnet import GrayResNet, build, choose_device, choose_precision
from seqcls.prefetch import prefetched
from seqcls.training.augment import augment
from seqcls.training.averaging import NORM_BATCHES, WeightAverage, with_norms
from seqcls.training.header import chance_messages, logits_of, make_header, metrics_by_organ, trained_on
from seqcls.training.loss import masked_loss, plain_loss
from seqcls.training.novelty_fit import fit_novelty
from seqcls.training.optimizer import lr_factor, open_optimizer
from seqcls.training.options import TrainOptions
from seqcls.training.sampler import Indices, Sampler, check_classes

#: (N, S, S) float32 images of 0..255, (N, K) targets, (N, K) what of them is labelled.
Batch = tuple[Tensor, Tensor, Tensor]
#: Drawn and changed by a thread of its own while the network learns from the one before.
BATCHES_AHEAD = 2
#: Where each part of the network belongs; conv1 and bn1, before them all, to the first.
STAGE_OF = {"layer1": 1, "layer2": 2, "layer3": 3, "layer4": 4}
STAGES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The figures of one epoch. The losses are cross-entropies, means per labelled frame and organ, whatever is learned
    by (``plain_loss``), so that both may stand on one axis; NaN without validation.

    auroc: of the validation, mean over the organs of which it shows both classes. lr: at the end of the epoch.
    """

    number: int
    loss: float
    validation_loss: float
    auroc: float
    lr: float
    seconds: float
    images_per_s: float
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainResult:
    """A trained model and how it came about.

    index: (V,) rows of the frame set that were held out; scores: (V, K) float32, calibrated; metrics: per organ over
    them, None without validation. messages: for the user.
    """

    header: ModelHeader
    tensors: Tensors
    history: tuple[Epoch, ...]
    index: Indices
    scores: NDArray[np.float32]
    metrics: tuple[FrameMetrics, ...] | None
    messages: tuple[str, ...]
    interrupted: bool


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
) -> TrainResult:
    """Train on the rows of the split ``train``, select and calibrate on those of ``validation``, unless rows are given.

    out_of_fold: (N, K) probabilities by models that did not see the frame (``cross_validate``), NaN for none;
    where nothing is held out, calibration and thresholds come from them.
    on_step(done, total) follows every batch. Once ``should_stop()`` is true, training ends with the best weights so
    far. Raises DataError where there is nothing to tell apart, ModelError for the weights, EngineError for the device.
    """
    rows = np.flatnonzero(frames.split == "train") if train_index is None else train_index
    held_out = np.flatnonzero(frames.split == "validation") if validation_index is None else validation_index
    check_classes(frames, rows)
    pickled, seed = options.import_pickle, options.seed
    model, start = build(len(frames.organs), weights=options.weights, import_pickle=pickled, seed=seed)
    with prefetched(_batches(frames, rows, options), BATCHES_AHEAD) as ahead:
        fitted = _fit(model, ahead, frames, rows, held_out, options, on_epoch, on_step, should_stop)
    model.load(fitted.tensors)
    logits = predict(model, frames.images[held_out], options)
    unseen = held_out, logits
    if not len(held_out) and out_of_fold is not None:
        unseen = rows, logits_of(out_of_fold[rows])
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
        "leaked_frames": len(leaked_rows(frames)) if train_index is None and validation_index is None else 0,
    }
    if frames.kept_split is not None:
        summary["split"] = frames.kept_split.summary()
    header, messages = make_header(frames, rows, *unseen, summary)
    known = partial(_features, model, frames.images, options)
    novelty, told = fit_novelty(frames, rows, held_out, known)
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
        messages=(f"started from {start}", *messages, *doubts, told),
        interrupted=fitted.interrupted,
    )


@dataclass(frozen=True, slots=True)
class _Fitted:
    tensors: Tensors
    history: tuple[Epoch, ...]
    best: int  # number of the epoch whose weights these are; 0 when stopped before the first ended
    interrupted: bool


def _fit(
    model: GrayResNet,
    batches: Iterator[Batch],
    frames: FrameSet,
    rows: Indices,
    held_out: Indices,
    options: TrainOptions,
    on_epoch: Callable[[Epoch], None] | None,
    on_step: Callable[[int, int], None] | None,
    should_stop: Callable[[], bool],
) -> _Fitted:
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
        validation_loss, value = _validate(mean, frames, held_out, options)
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
    return _Fitted(tensors, tuple(history), number, interrupted)


def _batches(frames: FrameSet, rows: Indices, options: TrainOptions) -> Generator[Batch, None, None]:
    """All batches of a training, drawn and changed, on the device. Random numbers are its own: it may run ahead."""
    device = choose_device(options.device)
    images, targets, mask = torch.from_numpy(frames.images), _targets(frames), torch.from_numpy(frames.mask)
    sampler = Sampler(frames, rows, np.random.default_rng(options.seed), balance=options.balance)
    changes = torch.Generator(device=device).manual_seed(options.seed)
    total = options.epochs * options.steps_per_epoch(len(rows))
    for step in range(total):
        drawn = torch.from_numpy(sampler.draw(options.batch_size))
        x, y, known = (part[drawn].to(device) for part in (images, targets, mask))
        x = torch.nn.functional.avg_pool2d(x.float(), 2) if step < round(options.progressive * total) else x
        yield augment(x, y, known, options.augment, changes)


def predict(model: GrayResNet, images: NDArray[np.uint8], options: TrainOptions) -> NDArray[np.float32]:
    """(N, K) float32 logits of (N, S, S) uint8."""
    empty = np.zeros((0, model.net.fc.out_features), np.float32)
    return np.concatenate([empty, *_forwarded(model, model, images, options)])


def _features(
    model: GrayResNet, images: NDArray[np.uint8], options: TrainOptions, rows: Indices
) -> NDArray[np.float32]:
    """(len(rows), D) of these images, what ``Novelty`` takes."""
    return np.concatenate([*_forwarded(model, model.novelty_features, images[rows], options)])


def _forwarded(
    model: GrayResNet, function: Callable[[Tensor], Tensor], images: NDArray[np.uint8], options: TrainOptions
) -> Iterator[NDArray[np.float32]]:
    """What a part of the trained model makes of (N, S, S) uint8, some at a time."""
    device = choose_device(options.device)
    dtype = choose_precision(options.precision, device)
    model.to(device).eval()
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for start in range(0, len(images), 64):
            yield function(torch.from_numpy(images[start : start + 64]).to(device)).float().cpu().numpy()


def _validate(model: GrayResNet, frames: FrameSet, rows: Indices, options: TrainOptions) -> tuple[float, float]:
    """Loss and AUROC, the mean over the organs for which the rows show both classes; NaN where there is none."""
    if not len(rows):
        return math.nan, math.nan
    logits, known = predict(model, frames.images[rows], options), frames.mask[rows]
    targets = _targets(frames)[rows]
    loss = plain_loss(torch.from_numpy(logits), targets, torch.from_numpy(known))
    areas = [auroc(frames.targets[rows, k][use], logits[use, k]) for k, use in enumerate(known.T)]
    defined = [area for area in areas if not math.isnan(area)]
    return float(loss), float(np.mean(defined)) if defined else math.nan


def _targets(frames: FrameSet) -> Tensor:
    """Targets with 0 where not labelled: a NaN there would survive the mask (NaN * 0)."""
    return torch.from_numpy(np.where(frames.mask, frames.targets, 0).astype(np.float32))


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
