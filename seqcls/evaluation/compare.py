"""Two models on the same clips or frames: the difference of every metric, by a paired bootstrap over patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import DataError
from seqcls.evaluation.evaluate import Evaluation
from seqcls.evaluation.interval_metrics import COLLAR_S
from seqcls.evaluation.metrics import Estimate
from seqcls.evaluation.organ_metrics import patients_of, tallies_of, with_counts
from seqcls.evaluation.scored_frames import ScoredFrames
from seqcls.evaluation.tallies import differences, estimates
from seqcls.files import same_name


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganComparison:
    """One organ that both models know, over the frames that both have scored.

    first, second: the value of each metric by its name. difference: first minus second, with its bootstrap interval;
    both are measured on the same draws of patients, so what makes a patient hard for both does not widen it.
    """

    organ: str
    patients: int
    first: Mapping[str, float]
    second: Mapping[str, float]
    difference: Mapping[str, Estimate]


def compare(first: Evaluation, second: Evaluation, *, collar_s: float = COLLAR_S) -> tuple[OrganComparison, ...]:
    """Compare two evaluations of the same clips, or of the same frames of a folder, in the same order.

    Raises DataError where the models have no organ in common, or the frames are not the same.
    """
    one, other = first.frames, second.frames
    if not (np.array_equal(one.clip, other.clip) and np.array_equal(one.index, other.index)):
        raise DataError("the two models were not run on the same frames: evaluate both on the same clips")
    pairs = [
        (k, j) for k, organ in enumerate(one.organs) for j, name in enumerate(other.organs) if same_name(organ, name)
    ]
    if not pairs:
        raise DataError(f"the models have no organ in common: {', '.join(one.organs)} and {', '.join(other.organs)}")
    found = (_organ(first, second, columns, collar_s) for columns in pairs)
    return tuple(organ for organ in found if organ is not None)


def _organ(first: Evaluation, second: Evaluation, columns: tuple[int, int], collar_s: float) -> OrganComparison | None:
    left_out = np.isnan(first.frames.score[:, columns[0]]) | np.isnan(second.frames.score[:, columns[1]])
    frames = [_without(one.frames, column, left_out) for one, column in zip((first, second), columns, strict=True)]
    if not len(frames[0].rows(columns[0])):
        return None
    patients = len(patients_of(frames[0], columns[0]))
    tallies = [
        tallies_of(own, column, with_counts(one.clips, column, collar_s))
        for own, one, column in zip(frames, (first, second), columns, strict=True)
    ]
    values = [
        {name: estimate.value for name, estimate in estimates(own, patients, rounds=0).items()} for own in tallies
    ]
    return OrganComparison(
        organ=first.frames.organs[columns[0]],
        patients=patients,
        first=values[0],
        second=values[1],
        difference=differences(tallies[1], tallies[0], patients),
    )


def _without(frames: ScoredFrames, column: int, left_out: NDArray[np.bool_]) -> ScoredFrames:
    """The scores of one organ without those of some frames, which stay labelled: their patient counts."""
    score = frames.score.copy()
    score[left_out, column] = np.nan
    return replace(frames, score=score)
