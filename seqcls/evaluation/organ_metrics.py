"""The metrics of one organ over labelled frames and clips, each with its interval of confidence over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.evaluation.clip_truth import IGNORE, PRESENT, ClipTruth
from seqcls.evaluation.interval_metrics import COLLAR_S, ClipCounts, IntervalMetrics, pooled
from seqcls.evaluation.metrics import Estimate, FrameMetrics, frame_metrics
from seqcls.evaluation.scored_frames import ScoredFrames
from seqcls.evaluation.tallies import FrameTally, IntervalTally, estimates


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganMetrics:
    """Per frame by raw scores; per interval after smoothing, None where the frames are of no clips.

    spread: by its name, each metric with its bootstrap interval over ``patients``.
    """

    organ: str
    patients: int
    frames: FrameMetrics
    intervals: IntervalMetrics | None
    spread: Mapping[str, Estimate]


def organ_metrics(
    frames: ScoredFrames, column: int, clips: Sequence[ClipTruth] = (), *, collar_s: float = COLLAR_S
) -> OrganMetrics | None:
    """``clips``: those that the frames are of, where they are of clips; the ones that are not labelled for the organ
    are left out. None where no frame of the organ can be scored."""
    rows = frames.rows(column)
    if not len(rows):
        return None
    truth, score, threshold = (
        frames.codes[rows, column] == PRESENT,
        frames.score[rows, column],
        frames.thresholds[column],
    )
    counted = with_counts(clips, column, collar_s)
    patients = len(patients_of(frames, column))
    return OrganMetrics(
        organ=frames.organs[column],
        patients=patients,
        frames=frame_metrics(truth, score, threshold=threshold),
        intervals=pooled([counts for _, counts in counted], collar_s) if clips else None,
        spread=estimates(tallies_of(frames, column, counted), patients),
    )


def tallies_of(
    frames: ScoredFrames, column: int, clips: Sequence[tuple[ClipTruth, ClipCounts]]
) -> list[FrameTally | IntervalTally]:
    """What each of ``patients_of`` adds to the organ's metrics. ``clips``: with what each adds to the organ's."""
    rows, names = frames.rows(column), patients_of(frames, column)
    truth, score = frames.codes[rows, column] == PRESENT, frames.score[rows, column]
    patient = np.searchsorted(names, frames.patient[rows])
    tallies: list[FrameTally | IntervalTally] = [
        FrameTally(truth, score, patient, len(names), frames.thresholds[column])
    ]
    if clips:
        patient = np.searchsorted(names, np.array([clip.patient for clip, _ in clips], np.str_))
        tallies.append(IntervalTally([counts for _, counts in clips], patient, len(names)))
    return tallies


def patients_of(frames: ScoredFrames, column: int) -> NDArray[np.str_]:
    """Those of whom any frame is labelled for the organ, in order."""
    return np.unique(frames.patient[frames.codes[:, column] != IGNORE])


def with_counts(clips: Sequence[ClipTruth], column: int, collar_s: float) -> list[tuple[ClipTruth, ClipCounts]]:
    """The clips that are labelled for the organ, with what each adds to its interval metrics."""
    labelled = (clip for clip in clips if (clip.codes[:, column] != IGNORE).any())
    return [(clip, clip.counts(column, collar_s)) for clip in labelled]
