"""From which epoch on more of them bring nothing on patients left out, where ``patience`` and a cross-validation meet.

A model that trains on all patients has nobody to ask when to stop. The folds have: the first ones are trained in full
and watched, that is, some of what they left out is scored after each epoch. Their mean course says how many epochs are
enough, by the same rule as with a validation. The folds after them and the model itself are then trained for so many,
the learning rate falling to 0 within them. No fold is stopped by the patients that it is scored on: those watched go on
to the end, and the others go by patients whom they trained on.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from seqcls.datasets.dataset import FrameSet
from seqcls.text.wording import count_of
from seqcls.training.epoch import Epoch, quality
from seqcls.training.sampler import Indices, evenly

#: Folds with an AUROC by which the others may be stopped: a single one says more of its patients than of epochs.
MIN_FOLDS = 2
#: Frames of a fold scored after each epoch, spread over its clips.
MAX_WATCHED = 300


def watched_rows(frames: FrameSet, left_out: Indices) -> Indices:
    """Those of the rows left out that are scored after each epoch."""
    return evenly(frames.clip, left_out[frames.mask[left_out].any(axis=1)], MAX_WATCHED)


def enough_epochs(courses: Sequence[Sequence[Epoch]], patience: int, *, folds: int = 1) -> int | None:
    """The epoch behind which ``patience`` others brought no gain, by the mean AUROC and loss of the watched folds.

    courses: of each fold its epochs, all as many. None where fewer than ``folds`` of them have an AUROC, and where the
    courses gain to the end.
    """
    telling = _telling(courses)
    if len(telling) < folds:
        return None
    best: Epoch | None = None
    for epochs in zip(*telling, strict=True):
        loss = statistics.fmean(epoch.validation_loss for epoch in epochs)
        mean = replace(epochs[0], validation_loss=loss, auroc=statistics.fmean(epoch.auroc for epoch in epochs))
        if best is None or quality(mean) > quality(best):
            best = mean
        elif mean.number - best.number >= patience:
            return best.number
    return None


def why_all(courses: Sequence[Sequence[Epoch]], patience: int) -> str:
    """For the user, where ``enough_epochs`` gives None."""
    if not _telling(courses):
        return "no fold left out patients of both states, so nothing says how many epochs are enough: all are trained"
    return f"patients left out were never {count_of(patience, 'epoch')} without gain, so all epochs are trained"


def _telling(courses: Sequence[Sequence[Epoch]]) -> list[Sequence[Epoch]]:
    """Those with an AUROC."""
    return [course for course in courses if course and not math.isnan(course[-1].auroc)]
