"""A model against labelled clips: the same run as anybody's, then frame and interval figures per organ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.labels import ClipLabels
from seqcls.detector import Detector
from seqcls.errors import DataError
from seqcls.evaluation.metrics import (
    ClipIntervals,
    Estimate,
    FrameMetrics,
    IntervalMetrics,
    Span,
    auroc,
    bootstrap,
    frame_metrics,
    interval_metrics,
    spans_of,
)
from seqcls.types import TIME_TOLERANCE_S, Timeline

PRESENT, ABSENT, IGNORE = 1, 0, -1
_CODES = {"present": PRESENT, "absent": ABSENT, "ignore": IGNORE, None: IGNORE}


@dataclass(frozen=True, slots=True, eq=False)
class ClipTruth:
    """One clip as run, beside its labels: ``codes`` (T, K) int8, 1 present, 0 absent, -1 not to be judged."""

    timeline: Timeline
    patient: str
    codes: NDArray[np.int8]

    def intervals(self, column: int) -> ClipIntervals:
        """The organ's stretches as labelled and as found. What could not be judged counts as not found.

        Presences on both sides of an ignored stretch are one presence, in the labels and in what was found alike.
        """
        timeline, codes = self.timeline, self.codes[:, column]
        time_s, end_s = timeline.scores.time_s, timeline.end_s
        organ = timeline.organs[column]
        ignore = spans_of(codes == IGNORE, time_s, end_s)
        found = tuple((i.start_s, i.end_s) for i in timeline.of(organ, "present"))
        return ClipIntervals(
            truth=_joined(spans_of(codes == PRESENT, time_s, end_s), ignore),
            prediction=_joined(found, ignore),
            ignore=ignore,
            start_s=timeline.start_s,
            end_s=end_s,
            group=self.patient,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganFigures:
    """How one organ fared: per frame on raw scores, per interval after smoothing."""

    organ: str
    frames: FrameMetrics
    auroc: Estimate
    accuracy: Estimate
    intervals: IntervalMetrics


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """Figures per organ, and the clips that they came from."""

    organs: tuple[OrganFigures, ...]
    clips: tuple[ClipTruth, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the figures, and each clip's name and frame accuracy per organ."""
        clips = [
            {
                "file": clip.timeline.source.name,
                "patient": clip.patient,
                "frames": len(clip.codes),
                "accuracy": {o: clip_accuracy(clip, k) for k, o in enumerate(clip.timeline.organs)},
            }
            for clip in self.clips
        ]
        return {"organs": [asdict(organ) for organ in self.organs], "clips": clips}


def evaluate_clips(
    detector: Detector,
    clips: Sequence[tuple[Path, ClipLabels]],
    *,
    on_clip: Callable[[ClipTruth], None] | None = None,
) -> Evaluation:
    """Run every labelled clip and compare. Raises DataError when the labels name none of the model's organs."""
    labelled = {organ for _, labels in clips for organ in labels.organs}
    if not labelled & set(detector.organs):
        raise DataError(
            f"the model knows {', '.join(detector.organs)}, the labels {', '.join(sorted(labelled)) or 'nothing'}:"
            " nothing to compare"
        )
    done = []
    for path, labels in clips:
        truth = align_labels(detector.analyze(path), labels)
        done.append(truth)
        if on_clip is not None:
            on_clip(truth)
    return figures(done)


def align_labels(timeline: Timeline, labels: ClipLabels) -> ClipTruth:
    """Set a timeline beside its labels."""
    scores = timeline.scores
    codes = [
        [_CODES[labels.state_at(organ, int(index), float(time_s))] for organ in timeline.organs]
        for index, time_s in zip(scores.index, scores.time_s, strict=True)
    ]
    return ClipTruth(timeline, labels.patient, np.array(codes, np.int8).reshape(-1, len(timeline.organs)))


def figures(clips: Sequence[ClipTruth]) -> Evaluation:
    """Pool the clips; confidence intervals draw whole patients, since a patient's frames are alike."""
    organs = []
    for column, organ in enumerate(clips[0].timeline.organs):
        truth = np.concatenate([clip.codes[:, column] for clip in clips])
        score = np.concatenate([clip.timeline.scores.raw[:, column] for clip in clips]).astype(np.float64)
        patients = np.concatenate([np.full(len(clip.codes), clip.patient) for clip in clips])
        judged = (truth != IGNORE) & ~np.isnan(score)
        if not judged.any():
            continue
        truth, score, patients = truth[judged], score[judged], patients[judged]
        threshold = clips[0].timeline.provenance["intervals"][organ]["onset"]
        right = (score >= threshold) == (truth == PRESENT)
        organs.append(
            OrganFigures(
                organ=organ,
                frames=frame_metrics(truth, score, threshold=threshold),
                auroc=_over_patients(partial(_auroc_at, truth, score), patients),
                accuracy=_over_patients(partial(_share_at, right), patients),
                intervals=interval_metrics([clip.intervals(column) for clip in clips]),
            )
        )
    return Evaluation(organs=tuple(organs), clips=tuple(clips))


def _joined(spans: Sequence[Span], ignore: Sequence[Span]) -> tuple[Span, ...]:
    """Presences with nothing but one ignored stretch between them are one: nobody says that it was interrupted."""
    joined: list[Span] = []
    for start_s, end_s in spans:
        between = (joined[-1][1], start_s) if joined else None
        if between is not None and any(
            a <= between[0] + TIME_TOLERANCE_S and between[1] <= b + TIME_TOLERANCE_S for a, b in ignore
        ):
            joined[-1] = (joined[-1][0], end_s)
        else:
            joined.append((start_s, end_s))
    return tuple(joined)


def _over_patients(figure: Callable[[NDArray[np.int64]], float], patients: NDArray[np.str_]) -> Estimate:
    return bootstrap(figure, patients, rounds=200)


def _auroc_at(truth: NDArray[np.int8], score: NDArray[np.float64], at: NDArray[np.int64]) -> float:
    return auroc(truth[at], score[at])


def _share_at(right: NDArray[np.bool_], at: NDArray[np.int64]) -> float:
    return float(right[at].mean())


def clip_accuracy(clip: ClipTruth, column: int) -> float:
    """Share of judged frames on the right side of the organ's onset threshold, by raw score; NaN without any."""
    organ = clip.timeline.organs[column]
    score, codes = clip.timeline.scores.raw[:, column], clip.codes[:, column]
    judged = (codes != IGNORE) & ~np.isnan(score)
    threshold = clip.timeline.provenance["intervals"][organ]["onset"]
    right = (score[judged] >= threshold) == (codes[judged] == PRESENT)
    return float(right.mean()) if judged.any() else float("nan")
