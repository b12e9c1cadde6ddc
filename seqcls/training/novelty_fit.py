"""The reference of ``Novelty``: what the frames of a training look like inside the network, and from where on another
one is unlike them.

Every clip counts alike, as a whole. The limit is chosen by patients that the reference does not hold: those held out
from training, and each of the others in turn, left out of the reference alone (the network has seen them: leaving each
out of a training of its own would multiply its length; docs/novelty.md measures what that flatters).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.dataset import FrameSet
from seqcls.novelty import Novelty, text_of
from seqcls.text.wording import count_of
from seqcls.training.sampler import Indices, evenly

Floats = NDArray[np.float64]

#: Axes that the reference keeps: with more it knows these patients, with fewer it knows no patient.
AXES = 16
#: Frames looked at, spread evenly over the clips: neighbours are one look. On the real clips the limit is that of 2000
#: within 0.5 %, and no novelty differs by more than 0.004; of 300 the limit is 3 % lower.
MAX_FRAMES = 1000
#: Patients (else clips) that must be left out in turn, and rounds in which that is done at most.
MIN_GROUPS, MAX_ROUNDS = 3, 10
#: Of a patient's frames, how many may lie beyond the limit.
LOST = 0.01
#: The logarithm of the distance within which a patient's other frames lie differs from patient to patient by so much
#: until they show by how much: as if so many patients had.
PRIOR_SPREAD, PRIOR_PATIENTS = 0.15, 4
#: The limit lies so many such deviations above the mean of the patients: 99 of 100 lie below.
DEVIATIONS = 2.33


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Sums over frames of which every clip weighs 1."""

    weight: float
    first: Floats
    second: Floats

    @classmethod
    def of(cls, roots: Floats, weights: Floats) -> _Moments:
        return cls(float(weights.sum()), weights @ roots, (roots * weights[:, None]).T @ roots)

    def without(self, other: _Moments) -> _Moments:
        return _Moments(self.weight - other.weight, self.first - other.first, self.second - other.second)


def fit_novelty(
    frames: FrameSet, rows: Indices, held_out: Indices, features_of: Callable[[Indices], NDArray[np.float32]]
) -> tuple[Novelty | None, str]:
    """The reference of the frames trained on, ``rows``, and a message for the user.

    held_out: frames of patients not trained on. features_of: (N, D) of N rows. None, and why, where there are too few
    patients to set a limit by.
    """
    unit, names = ("patient", frames.patient) if len(np.unique(frames.patient)) > 1 else ("clip", frames.clip)
    known = evenly(frames.clip, rows, MAX_FRAMES)
    groups = np.unique(names[rows])
    unseen = [name for name in np.unique(names[held_out]).tolist() if name not in groups]
    tested = [
        part
        for part in np.array_split(groups, min(MAX_ROUNDS, len(groups)))
        if _is_dispensable(frames, rows, names, part)
    ]
    usable = sum(map(len, tested)) + len(unseen)
    if len(groups) + len(unseen) < MIN_GROUPS or usable < MIN_GROUPS - 1:
        return None, (
            f"too few {unit}s to tell what is unlike them: frames of another kind are scored like any other"
            f" ({count_of(len(groups) + len(unseen), unit)}, of which {usable} can be left out)"
        )
    roots, weights = np.sqrt(np.maximum(features_of(known).astype(np.float64), 0)), _weights(frames.clip[known])
    whole = _Moments.of(roots, weights)
    plain = _reference(whole)
    found: dict[str, Floats] = {}
    for part in tested:
        inside = np.isin(names[known], part)
        without = _reference(whole.without(_Moments.of(roots[inside], weights[inside])))
        found |= _by_group(without, roots[inside], names[known][inside])
    if unseen:
        others = evenly(frames.clip, held_out[np.isin(names[held_out], unseen)], MAX_FRAMES)
        found |= _by_group(plain, np.sqrt(np.maximum(features_of(others).astype(np.float64), 0)), names[others])
    limit = _limit([float(np.quantile(distances, 1 - LOST)) for distances in found.values()])
    beyond = float(np.mean([np.mean(distances >= limit) for distances in found.values()]))
    text = (
        f"{count_of(len(found), unit)} left out in turn"
        if not unseen
        else (f"{count_of(len(unseen), unit)} of the validation and {len(found) - len(unseen)} left out in turn")
    )
    novelty = replace(plain, limit=limit, false_alarms=round(beyond, 5), held_out=text)
    return novelty, f"frames unlike the training become unknown; of frames of its own kind {beyond:.1%} would ({text})"


def _reference(moments: _Moments) -> Novelty:
    centre = moments.first / moments.weight
    covariance = moments.second / moments.weight - np.outer(centre, centre)
    scale = np.sqrt(np.maximum(np.diag(covariance), 0))
    scale = scale + 1e-3 * max(float(scale.mean()), 1e-6)  # a feature that is always 0
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))  # ascending
    rest = max(float(values[:-AXES].mean()), 1e-6)
    return Novelty(
        centre=text_of(centre),
        scale=text_of(scale),
        axes=tuple(text_of(vectors[:, -number]) for number in range(1, AXES + 1)),
        deviations=tuple(np.sqrt(np.maximum([*values[: -AXES - 1 : -1], rest], rest)).tolist()),
        limit=1.0,
        false_alarms=0.0,
    )


def _limit(within: list[float]) -> float:
    """Above the distances within which the patients' frames lie, as a prediction for one more patient of their kind."""
    logs = np.log(within)
    mean, count = float(logs.mean()), len(logs)
    squares = PRIOR_PATIENTS * PRIOR_SPREAD**2 + float(((logs - mean) ** 2).sum())
    spread = np.sqrt(squares / (PRIOR_PATIENTS + count - 1) * (1 + 1 / count))
    return float(np.exp(mean + DEVIATIONS * spread))


def _by_group(reference: Novelty, roots: Floats, names: NDArray[np.str_]) -> dict[str, Floats]:
    distances = reference.distances(roots**2)
    return {str(name): distances[names == name] for name in np.unique(names)}


def _weights(clips: NDArray[np.str_]) -> Floats:
    _, places, counts = np.unique(clips, return_inverse=True, return_counts=True)
    weights: Floats = 1.0 / counts[places]
    return weights


def _is_dispensable(frames: FrameSet, rows: Indices, names: NDArray[np.str_], part: NDArray[np.str_]) -> bool:
    """Whether two others show each state of each organ that these show: else these are of a kind of their own, and what
    is left says nothing of one more patient of that kind."""
    own, others = rows[np.isin(names[rows], part)], rows[~np.isin(names[rows], part)]
    for column in range(len(frames.organs)):
        for state in (True, False):
            shows = frames.mask[:, column] & ((frames.targets[:, column] > 0.5) == state)
            if shows[own].any() and len(np.unique(names[others[shows[others]]])) < 2:
                return False
    return len(others) > 0
