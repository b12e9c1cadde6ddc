"""Training, read from top to bottom: draw a batch, change it, learn from it, keep the average of the weights.

The weights kept are an exponential average over the steps (Polyak and Juditsky 1992, 10.1137/0330046), of the epoch
with the best validation AUROC, or of the last epoch where no validation tells the classes apart.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcls import __version__
from seqcls.datasets.dataset import FrameSet, leakage
from seqcls.errors import DataError
from seqcls.evaluation.metrics import FrameMetrics, auroc, frame_metrics
from seqcls.models.file import ModelHeader, Tensors
from seqcls.models.resnet import GrayResNet, build, choose_device, choose_precision
from seqcls.prefetch import Prefetcher
from seqcls.training.augment import augment
from seqcls.training.calibration import fit_calibration, operating_point
from seqcls.training.options import TrainOptions
from seqcls.training.sampler import Indices, Sampler, check_classes

#: (N, S, S) float32 pictures of 0..255, (N, K) targets, (N, K) what of them is labelled.
Batch = tuple[Tensor, Tensor, Tensor]
#: Drawn and changed by a thread of its own while the network learns from the one before.
BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What one epoch came to. The losses are means per labelled frame and organ; NaN without validation.

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
    them, None without validation. messages: what a person should know.
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
    on_step(done, total) follows every batch. Once ``should_stop()`` is true, training ends in order with the best so
    far. Raises DataError where there is nothing to tell apart, ModelError for the weights, EngineError for the device.
    """
    started_s = time.perf_counter()
    rows = np.flatnonzero(frames.split == "train") if train_index is None else train_index
    held_out = np.flatnonzero(frames.split == "validation") if validation_index is None else validation_index
    check_classes(frames, rows)
    model, said = build(
        len(frames.organs),
        weights=options.weights,
        dropout=options.dropout,
        import_pickle=options.import_pickle,
        seed=options.seed,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)  # dropout draws from the global generator
        with closing(Prefetcher(_batches(frames, rows, options), BATCHES_AHEAD)) as ahead:
            fitted = _fit(model, iter(ahead), frames, rows, held_out, options, on_epoch, on_step, should_stop)
    model.load(fitted.tensors)
    logits = predict(model, frames.images[held_out], options)
    if len(held_out) or out_of_fold is None:
        header, messages = _header(frames, rows, held_out, logits)
    else:
        header, messages = _header(frames, rows, rows, _logits(out_of_fold[rows]))
    scores = header.probabilities(logits)
    metrics = _metrics(frames, held_out, scores, header) if len(held_out) else None
    best = fitted.history[fitted.best - 1] if fitted.best else None
    summary = {
        "options": asdict(options),
        "weights": said,
        "epochs": len(fitted.history),
        "best_epoch": fitted.best,
        "best_auroc": None if best is None or math.isnan(best.auroc) else round(best.auroc, 6),
        "interrupted": fitted.interrupted,
        "seconds": round(time.perf_counter() - started_s, 1),
        "torch": torch.__version__,
        "device": str(choose_device(options.device)),
        "leaked_frames": leakage(frames) if train_index is None and validation_index is None else 0,
        **header.training,
    }
    return TrainResult(
        header=replace(header, training=summary),
        tensors=fitted.tensors,
        history=fitted.history,
        index=held_out,
        scores=scores,
        metrics=metrics,
        messages=(f"started from {said}", *messages),
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
    """The loop. batches: as many as it takes."""
    device = choose_device(options.device)
    dtype = choose_precision(options.precision, device)
    model = model.to(device)
    average = copy.deepcopy(model).eval()
    steps_per_epoch = _steps_per_epoch(options, rows)
    total = steps_per_epoch * options.epochs
    optimizer = _optimizer(model, options)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _lr_factor(step, total, options))
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    history: list[Epoch] = []
    best: tuple[tuple[float, float], int, Tensors] | None = None
    step, interrupted = 0, False

    for number in range(1, options.epochs + 1):
        began_s, losses = time.perf_counter(), []
        _freeze(model, frozen=number <= options.freeze_epochs)
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
            _update_average(average, model, options.ema, step)
            step += 1
            losses.append(loss.detach())
            if on_step is not None:
                on_step(step, total)
        if losses and not math.isfinite(mean_loss := float(torch.stack(losses).mean())):
            raise DataError(f"the loss became {mean_loss} in epoch {number}; lower --lr or use --precision fp32")
        if interrupted:
            break
        seconds = time.perf_counter() - began_s
        validation_loss, value = _validate(average, frames, held_out, options)
        # Where no AUROC exists there is nothing to select by, and the latest weights are the best.
        key = (-math.inf, float(number)) if math.isnan(value) else (round(value, 4), -validation_loss)
        if is_best := best is None or key > best[0]:
            best = (key, number, average.tensors())
        epoch = Epoch(
            number=number,
            loss=mean_loss,
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
    _, number, tensors = best if best is not None else ((0.0, 0.0), 0, average.tensors())
    return _Fitted(tensors, tuple(history), number, interrupted)


def _steps_per_epoch(options: TrainOptions, rows: Indices) -> int:
    samples = options.samples_per_epoch if options.samples_per_epoch else len(rows)
    return max(1, samples // options.batch_size)


def _batches(frames: FrameSet, rows: Indices, options: TrainOptions) -> Generator[Batch, None, None]:
    """All batches of a training, drawn and changed, on the device. Random numbers are its own: it may run ahead."""
    device = choose_device(options.device)
    images, targets, mask = torch.from_numpy(frames.images), _targets(frames), torch.from_numpy(frames.mask)
    sampler = Sampler(frames, rows, np.random.default_rng(options.seed), balance=options.balance)
    changes = torch.Generator(device=device).manual_seed(options.seed)
    total = options.epochs * _steps_per_epoch(options, rows)
    for step in range(total):
        drawn = torch.from_numpy(sampler.draw(options.batch_size))
        x, y, known = (part[drawn].to(device) for part in (images, targets, mask))
        x = torch.nn.functional.avg_pool2d(x.float(), 2) if step < round(options.progressive * total) else x
        x, y, known = augment(x, y, known, options.augment, changes)
        yield mixup(x, y, known, options.mixup, sampler.random)


def masked_loss(logits: Tensor, targets: Tensor, known: Tensor, options: TrainOptions) -> Tensor:
    """Mean loss over the labelled entries; logits, targets (N, K) float, known (N, K) bool or share of 1."""
    smooth = targets * (1 - options.label_smoothing) + options.label_smoothing / 2
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), smooth, reduction="none")
    if options.loss == "focal":
        # 1 - p of the true class; with soft targets, the distance to them (generalised by Li et al. 2020, 2006.04388).
        loss = loss * (torch.sigmoid(logits.float()) - smooth).abs().pow(options.focal_gamma)
    weight = known.float()
    return (loss * weight).sum() / weight.sum().clamp_min(1)


def mixup(
    x: Tensor, y: Tensor, known: Tensor, alpha: float, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Blend every picture and its targets with another's; an entry counts only where both are labelled."""
    if alpha == 0:
        return x, y, known
    share = float(random.beta(alpha, alpha))
    other = torch.from_numpy(random.permutation(len(x))).to(x.device)
    return torch.lerp(x[other], x, share), torch.lerp(y[other], y, share), known & known[other]


def predict(model: GrayResNet, images: NDArray[np.uint8], options: TrainOptions) -> NDArray[np.float32]:
    """(N, K) float32 logits of (N, S, S) uint8."""
    device = choose_device(options.device)
    dtype = choose_precision(options.precision, device)
    model = model.to(device).eval()
    out = np.zeros((len(images), model.net.fc.out_features), np.float32)
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for start in range(0, len(images), 64):
            part = torch.from_numpy(images[start : start + 64]).to(device)
            out[start : start + 64] = model(part).float().cpu().numpy()
    return out


def _validate(model: GrayResNet, frames: FrameSet, rows: Indices, options: TrainOptions) -> tuple[float, float]:
    """Loss and AUROC, the mean over the organs for which the rows show both classes; NaN where there is none."""
    if not len(rows):
        return math.nan, math.nan
    logits, known = predict(model, frames.images[rows], options), frames.mask[rows]
    targets = _targets(frames)[rows]
    plain = replace(options, label_smoothing=0.0, loss="bce")
    loss = masked_loss(torch.from_numpy(logits), targets, torch.from_numpy(known), plain)
    areas = [auroc(frames.targets[rows, k][use], logits[use, k]) for k, use in enumerate(known.T)]
    defined = [area for area in areas if not math.isnan(area)]
    return float(loss), float(np.mean(defined)) if defined else math.nan


def _header(
    frames: FrameSet, rows: Indices, judged: Indices, logits: NDArray[np.float32]
) -> tuple[ModelHeader, tuple[str, ...]]:
    """The header with calibration and thresholds from the judged rows, and what a person should know of them.

    logits: (J, K) by models that did not train on those rows, NaN where there is none.
    """
    pairs, intervals, messages = [], [], []
    chosen: dict[str, Any] = {}
    plain = ModelHeader(organs=frames.organs, geometry=frames.geometry)
    for column, organ in enumerate(frames.organs):
        known = frames.mask[judged, column] & ~np.isnan(logits[:, column])
        truth, clips = frames.targets[judged, column][known], frames.clip[judged][known]
        pair = fit_calibration(logits[known, column], truth, clips)
        scores = replace(plain, calibration=(pair,) * len(frames.organs)).probabilities(logits)[known, column]
        tuned, threshold = operating_point(scores, truth, clips)
        pairs.append(pair)
        intervals.append(tuned)
        chosen[organ] = None if threshold is None else asdict(threshold)
        if threshold is None:
            messages.append(f"too few validation clips show {organ} both present and absent: default thresholds kept")
    training = {
        "classes": _counts(frames, rows),
        "validation": _counts(frames, judged),
        "thresholds": chosen,
        "regions": list(frames.regions),
    }
    header = replace(
        plain,
        calibration=tuple(pairs),
        intervals=tuple(intervals),
        dataset_hash=frames.hash,
        version=__version__,
        training=training,
    )
    return header, tuple(messages)


def _logits(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of the sigmoid, finite for float32's 0 and 1."""
    p = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.asarray(np.log(p / (1 - p)), np.float32)


def _counts(frames: FrameSet, rows: Indices) -> dict[str, Any]:
    counts: dict[str, Any] = {"frames": len(rows), "clips": len(np.unique(frames.clip[rows]))}
    counts["patients"] = len(np.unique(frames.patient[rows]))
    for column, organ in enumerate(frames.organs):
        known = frames.targets[rows, column][frames.mask[rows, column]] > 0.5
        counts[organ] = {"present": int(known.sum()), "absent": int((~known).sum())}
    return counts


def _metrics(
    frames: FrameSet, rows: Indices, scores: NDArray[np.float32], header: ModelHeader
) -> tuple[FrameMetrics, ...]:
    return tuple(
        frame_metrics(frames.targets[rows, k], scores[:, k], frames.mask[rows, k], threshold=header.intervals[k].onset)
        for k in range(len(frames.organs))
    )


def _targets(frames: FrameSet) -> Tensor:
    """Targets with 0 where not labelled: a NaN there would survive the mask (NaN * 0)."""
    return torch.from_numpy(np.where(frames.mask, frames.targets, 0).astype(np.float32))


def _optimizer(model: GrayResNet, options: TrainOptions) -> torch.optim.Optimizer:
    # Norms and biases are not decayed: shrinking them only changes the scale of the next layer.
    decayed = [value for value in model.parameters() if value.ndim > 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": options.weight_decay},
        {"params": [value for value in model.parameters() if value.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = decayed[0].device.type in ("cpu", "cuda")  # one pass over the weights instead of ten
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=options.lr, momentum=0.9, nesterov=True, fused=fused)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=options.lr, fused=fused)


def _lr_factor(step: int, total: int, options: TrainOptions) -> float:
    """Rises in a line over the warm-up, then falls to 0 along half a cosine, or stays."""
    warm = round(options.warmup * total)
    if step < warm:
        return (step + 1) / warm
    if options.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))


def _freeze(model: GrayResNet, *, frozen: bool) -> None:
    """Training mode, with everything before the last layer held still, its running statistics too."""
    model.train(not frozen)
    model.dropout.train()
    for value in model.backbone():
        value.requires_grad_(not frozen)


@torch.no_grad()
def _update_average(average: GrayResNet, model: GrayResNet, decay: float, step: int) -> None:
    """average = decay * average + (1 - decay) * model, with a shorter memory in the first steps."""
    decay = min(decay, (1 + step) / (10 + step)) if decay else 0.0
    for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
