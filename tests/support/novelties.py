"""References of training frames that are easily reckoned with."""

from __future__ import annotations

import math

import numpy as np

from seqcls.novelty import FEATURES, Novelty, text_of


def reference(centre: float = 2.0, scale: float = 0.5, limit: float | None = None, features: int = FEATURES) -> Novelty:
    """Of the features' square roots: deviation 2 along the first, 0.5 along all others, in units of ``scale``.

    limit: None for 3 deviations in one direction.
    """
    return Novelty(
        centre=text_of(np.full(features, centre)),
        scale=text_of(np.full(features, scale)),
        axes=(text_of(np.eye(features)[0]),),
        deviations=(2.0, 0.5),
        limit=3 / math.sqrt(features) if limit is None else limit,
        false_alarms=0.004,
        held_out="3 patients left out in turn",
    )
