"""A model against labelled clips: the same analysis as any clip's, then metrics per organ by frame and by interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.label_checks import clip_messages
from seqcls.datasets.labels import ClipLabels
from seqcls.detector import Detector
from seqcls.errors import DataError
from seqcls.evaluation.interval_metrics import ClipIntervals, IntervalMetrics, interval_metrics, spans_of
from seqcls.evaluation.metrics import Estimate, FrameMetrics, metrics_over_groups, ratio
from seqcls.files import nfc, same_name
from seqcls.files.without_folders import without_folders
from seqcls.timeline import Timeline

PRESENT, ABSENT, IGNORE = 1, 0, -1
_CODES = {"present": PRESENT, "absent": ABSENT, "ignore": IGNORE, None: IGNORE}
#: Draws of the bootstrap.
ROUNDS = 200


@dataclass(frozen=True, slots=True, eq=False)
class ClipTruth:
    """A clip's timeline beside its labels: ``codes`` (T, K) int8, 1 present, 0 absent, -1 ignored or not labelled.

    file: the clip as the label file names it. messages: what a person should know of the clip and its labels.
    """

    timeline: Timeline
    file: str
    patient: str
    codes: NDArray[np.int8]
    messages: tuple[str, ...] = ()

    def frames(self, column: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Truth and raw score of the organ's scorable frames: those that are labelled and were classified."""
        codes, scores = self.codes[:, column], self.timeline.scores.raw[:, column].astype(np.float64)
        scorable = (codes != IGNORE) & ~np.isnan(scores)
        return codes[scorable] == PRESENT, scores[scorable]

    def onset(self, column: int) -> float:
        """The score from which on the organ counts as present."""
        return self.timeline.provenance.intervals[column].onset

    def accuracy(self, column: int) -> float:
        """Share of the scorable frames on the right side of the organ's onset threshold; NaN without any."""
        truth, scores = self.frames(column)
        return ratio(int(((scores >= self.onset(column)) == truth).sum()), len(truth))

    def intervals(self, column: int) -> ClipIntervals:
        """The organ's stretches as labelled and as found. Where it is unknown, it counts as not found."""
        timeline, codes = self.timeline, self.codes[:, column]
        time_s, end_s = timeline.scores.time_s, timeline.end_s
        return ClipIntervals(
            truth=spans_of(codes == PRESENT, time_s, end_s),
            prediction=tuple((i.start_s, i.end_s) for i in timeline.of(timeline.organs[column], "present")),
            ignore=spans_of(codes == IGNORE, time_s, end_s),
            start_s=timeline.start_s,
            end_s=end_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganMetrics:
    """Of one organ: per frame by raw scores, per interval after smoothing."""

    organ: str
    frames: FrameMetrics
    auroc: Estimate
    accuracy: Estimate
    intervals: IntervalMetrics


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """Metrics per organ, and the clips that they came from."""

    organs: tuple[OrganMetrics, ...]
    clips: tuple[ClipTruth, ...]

    @property
    def messages(self) -> tuple[str, ...]:
        """What a person should know of the clips and their labels, each once."""
        return tuple(dict.fromkeys(message for clip in self.clips for message in clip.messages))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the metrics, each clip's name and frame accuracy per organ, and the messages."""
        clips = [
            {
                "file": clip.file,
                "verdict": clip.timeline.report.verdict,
                "patient": clip.patient,
                "frames": len(clip.codes),
                "accuracy": {o: clip.accuracy(k) for k, o in enumerate(clip.timeline.organs)},
            }
            for clip in self.clips
        ]
        return {
            "organs": [asdict(organ) for organ in self.organs],
            "clips": clips,
            "messages": [without_folders(message) for message in self.messages],
        }


def evaluate_clips(
    detector: Detector,
    clips: Sequence[tuple[Path, ClipLabels]],
    *,
    on_clip: Callable[[ClipTruth], None] | None = None,
) -> Evaluation:
    """Analyse every labelled clip and compare.

    Raises DataError when the labels name none of the model's organs, or cannot be meant for their clip.
    """
    labelled = {organ for _, labels in clips for organ in labels.organs}
    if not set(map(nfc, labelled)) & set(map(nfc, detector.organs)):
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
    return pooled_metrics(done)


def align_labels(timeline: Timeline, labels: ClipLabels) -> ClipTruth:
    """Set a timeline beside its labels. Raises DataError where they cannot be meant for this clip."""
    scores = timeline.scores
    codes = [
        [_CODES[labels.state_at(organ, int(index), float(time_s))] for organ in timeline.organs]
        for index, time_s in zip(scores.index, scores.time_s, strict=True)
    ]
    foreign = [name for name in labels.organs if not any(same_name(name, organ) for organ in timeline.organs)]
    messages = clip_messages(labels.file, labels, scores.time_s, timeline.end_s, timeline.report)
    if foreign:
        messages.append(
            f"labels of {', '.join(foreign)} are not compared: the model knows {', '.join(timeline.organs)}"
        )
    table = np.array(codes, np.int8).reshape(-1, len(timeline.organs))
    return ClipTruth(timeline, labels.file, labels.patient, table, tuple(messages))


def pooled_metrics(clips: Sequence[ClipTruth]) -> Evaluation:
    """Metrics over all clips; organs without a scorable frame are left out.

    Confidence intervals draw whole patients, since the frames of a patient are alike.
    """
    organs = []
    for column, organ in enumerate(clips[0].timeline.organs):
        truths, scores = zip(*(clip.frames(column) for clip in clips), strict=True)
        patients = np.repeat([clip.patient for clip in clips], [len(truth) for truth in truths])
        if not len(patients):
            continue
        frames, area, accuracy = metrics_over_groups(
            np.concatenate(truths), np.concatenate(scores), patients, rounds=ROUNDS, threshold=clips[0].onset(column)
        )
        intervals = interval_metrics([clip.intervals(column) for clip in clips])
        organs.append(OrganMetrics(organ=organ, frames=frames, auroc=area, accuracy=accuracy, intervals=intervals))
    return Evaluation(organs=tuple(organs), clips=tuple(clips))
