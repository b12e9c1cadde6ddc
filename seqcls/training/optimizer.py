"""How the weights move: the optimizer, and the course of its learning rate."""

from __future__ import annotations

import math

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
