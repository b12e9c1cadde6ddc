"""Whether a model tells an organ's presence from its absence at all: the AUROC's interval against one half.

Where there are patients enough, the bootstrap over patients says so (``metrics.bootstrap``). With few it says nothing,
and frames are no independent looks: neighbours are nearly alike. There, the standard error of Hanley and McNeil 1982
(10.1148/radiology.143.1.7063747) is taken with the number of stretches instead of frames; a stretch is a run of frames
of one clip in one state.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqcls.evaluation.metrics import Estimate
from seqcls.text.wording import count_of

#: With fewer, a bootstrap over patients hardly spreads.
MIN_PATIENTS = 10
#: Standard errors on either side of an estimate that leave out 5 %.
_Z = 1.96


def stretches(truth: ArrayLike, clips: NDArray[np.str_]) -> tuple[int, int]:
    """How many runs of frames show presence, and absence. truth (N,) 0 or 1, clips (N,), in the order of time."""
    present, names = np.asarray(truth) > 0.5, np.asarray(clips)
    if not len(present):
        return 0, 0
    begins = np.append(True, (present[1:] != present[:-1]) | (names[1:] != names[:-1]))
    return int((begins & present).sum()), int((begins & ~present).sum())


def auroc_interval(area: float, present: int, absent: int) -> tuple[float, float]:
    """The 95 % interval of an AUROC from so many independent looks at presence and absence, within 0..1."""
    both, neither = area / (2 - area), 2 * area * area / (1 + area)
    variance = area * (1 - area) + (present - 1) * (both - area * area) + (absent - 1) * (neither - area * area)
    half = _Z * math.sqrt(max(0.0, variance) / (present * absent))
    return max(0.0, area - half), min(1.0, area + half)


def chance_message(organ: str, truth: ArrayLike, clips: NDArray[np.str_], area: Estimate) -> str:
    """What a person must know, and can do, where an organ's scores are no better than chance; "" where they are.

    truth (N,), clips (N,): of the frames that ``area``, the AUROC, was measured on. "" also where there is none.
    """
    if math.isnan(area.value):
        return ""
    present, absent = stretches(truth, clips)
    looks = f"{count_of(present, 'stretch', 'stretches')} with it and {absent} without"
    low, high = auroc_interval(area.value, present, absent)
    if area.groups >= MIN_PATIENTS and math.isfinite(area.low + area.high):
        low, high, looks = area.low, area.high, count_of(area.groups, "patient")
    if low > 0.5:
        return ""
    told = f"AUROC {area.value:.2f}, 95 % interval {low:.2f} to {high:.2f}, {looks}"
    if high < 0.5:
        return f"{organ}: worse than chance ({told}): are present and absent swapped in the labels?"
    if area.value > 0.75:  # too little to tell
        return f"{organ}: these data cannot show that it is better than chance ({told}): label more patients"
    return (
        f"{organ}: no better than chance ({told}): do not use it; look for wrong labels, label more patients that show"
        " it and that do not, and start from ImageNet's weights"
    )
