"""How the weights move: the optimizer, the course of its learning rate, how long a gradient may be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from seqcls.models.resnet import GrayResNet
from seqcls.third_party import library
from seqcls.training.options import TrainOptions

library("torch._dynamo")  # the optimizers bring it, at a time when no precaution is taken


def open_optimizer(model: GrayResNet, options: TrainOptions) -> torch.optim.Optimizer:
    """AdamW, Adam, or SGD with Nesterov momentum, for all parameters of the model."""
    # Norms and biases are not decayed: shrinking them only changes the scale of the next layer.
    decayed = [value for value in model.parameters() if value.ndim > 1]
    others = [value for value in model.parameters() if value.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    fused = decayed[0].device.type in ("cpu", "cuda")  # one pass over the weights instead of ten
    if options.optimizer == "sgd":
        # The fused SGD fails where weights once frozen have no momentum yet and others do (seen with PyTorch 2.14).
        fused = fused and not options.freeze_epochs
        return torch.optim.SGD(groups, lr=options.lr, momentum=0.9, nesterov=True, fused=fused)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=options.lr, fused=fused)


def lr_factor(step: int, total: int, options: TrainOptions) -> float:
    """Rises in a line over the warm-up, then falls to 0 along half a cosine, or stays."""
    warm = round(options.warmup * total)
    if step < warm:
        return (step + 1) / warm
    if options.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))


def clip_gradients(model: GrayResNet, limit: float) -> None:
    """Shorten the gradient of the whole model to ``limit``, as ``clip_grad_norm_`` does; one that is short is only
    read, but for a GPU, which would have to be waited for to know."""
    moved = [value for value in model.parameters() if value.grad is not None]
    norm = torch.nn.utils.get_total_norm([value.grad for value in moved if value.grad is not None])
    if norm.device.type != "cpu" or not norm + 1e-6 <= limit:
        torch.nn.utils.clip_grads_with_norm_(moved, limit, norm)


@contextmanager
def quick_convolutions() -> Iterator[None]:
    """On NVIDIA's GPUs, try which way of convolving is the quickest for each size of images: batches have few."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
