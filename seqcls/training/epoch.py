"""The figures of one pass of training, as learning curves show them."""

from __future__ import annotations

from dataclasses import dataclass


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
