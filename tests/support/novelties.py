"""References of training frames that are easily reckoned with."""

from __future__ import annotations

import numpy as np

from seqcls.novelty import FEATURES, Novelty, text_of


def reference(centre: float = 2.0, scale: float = 0.5, limit: float = 3 / 16) -> Novelty:
    """Of the features' square roots: deviation 2 along the first, 0.5 along all others, in units of ``scale``."""
    return Novelty(
        centre=text_of(np.full(FEATURES, centre)),
        scale=text_of(np.full(FEATURES, scale)),
        axes=(text_of(np.eye(FEATURES)[0]),),
        deviations=(2.0, 0.5),
        limit=limit,
        false_alarms=0.004,
        held_out="3 patients left out in turn",
    )
