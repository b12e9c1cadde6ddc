"""A clip's timeline by the model that did not see it, from the scores that cross-validation keeps: the same smoother
and the same state machine as any run's, beside the labels.

Only labelled frames were scored. Each stretch between them is one row without scores, "not labelled".
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import DataError
from seqcls.evaluation.interval_metrics import ClipIntervals, IntervalMetrics, interval_metrics, spans_of
from seqcls.evaluation.metrics import FrameMetrics, frame_metrics
from seqcls.models.file import ModelHeader
from seqcls.postprocess import RawScores
from seqcls.reprocess import post_process
from seqcls.text.wording import cut
from seqcls.timeline import Provenance, Timeline
from seqcls.training.fold_scores import FoldScores
from seqcls.training.header import logits_of
from seqcls.types import FrameCounts, Interval, SourceInfo, SourceReport, State

NOT_LABELLED = "not labelled"
#: A frame is shown until the next one; where that is more usual steps away than this, frames between are not labelled.
_STEPS = 1.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoldTimeline:
    """One clip: the timeline by the fold that left it out, and ``codes`` (T, K) int8 of its frames: 1 present, 0
    absent, -1 not labelled. frames, intervals: per organ, how both compare."""

    timeline: Timeline
    codes: NDArray[np.int8]
    patient: str
    fold: int
    frames: tuple[FrameMetrics, ...]
    intervals: tuple[IntervalMetrics, ...]

    def label_strips(self) -> dict[str, tuple[Interval, ...]]:
        """For each organ the labelled states, under a name of their own."""
        named = ((f"{organ} (labels)", codes) for organ, codes in zip(self.timeline.organs, self.codes.T, strict=True))
        return {name: _label_strip(name, codes, self.timeline) for name, codes in named}

    def labelled(self) -> Timeline:
        """The same timeline with these strips as further organs, which have no scores; to be drawn, not to be kept."""
        timeline, strips = self.timeline, self.label_strips()
        return replace(
            timeline,
            organs=(*timeline.organs, *strips),
            intervals=(*timeline.intervals, *(one for own in strips.values() for one in own)),
            where=tuple(strips),
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "clip": self.timeline.source.title,
            "patient": self.patient,
            "fold": self.fold,
            "organs": [
                {"organ": organ, "frames": asdict(frames), "intervals": asdict(intervals)}
                for organ, frames, intervals in zip(self.timeline.organs, self.frames, self.intervals, strict=True)
            ],
        }


def fold_timeline(own: FoldScores, header: ModelHeader, model: str = "") -> FoldTimeline:
    """Of one clip's frames (``FoldScores.of_clip``). The header, of the model that was trained on all of them, gives
    the calibration, the smoothing and the thresholds.

    Raises DataError where the frames have no times, are of several folds or patients, none has scores, or the model
    knows other organs.
    """
    name = str(own.clip[0])
    for what, values in (("folds", own.fold), ("patients", own.patient)):
        if len(found := np.unique(values)) > 1:
            shown = " and ".join(cut(str(value)) for value in found[:2])
            raise DataError(f"{name} is of several {what} ({shown}): train with --folds again")
    if unknown := [organ for organ in header.organs if organ not in own.organs]:
        raise DataError(f"the cross-validation knows no {unknown[0]}, the model does: train with --folds again")
    if np.isnan(own.time_s).any():
        raise DataError(f"the frames of {name} have no times, so they make no timeline: extract them from the clip")
    columns = np.array([own.organs.index(organ) for organ in header.organs])
    scores = own.scores[:, columns]
    scored = ~np.isnan(scores).all(axis=0)
    if not scored.any():
        raise DataError(f"{name} was in no fold that could be trained: it has no scores; see the notes of the training")
    kept = np.flatnonzero(scored)
    organs = tuple(header.organs[column] for column in kept)
    options = tuple(header.intervals[column] for column in kept)
    calibrated = header.probabilities(logits_of(scores))[:, kept]
    rows = _with_holes(own.time_s)
    raw, codes = (
        np.full((len(rows.row), len(kept)), np.nan, np.float32),
        np.full((len(rows.row), len(kept)), -1, np.int8),
    )
    seen = rows.row >= 0
    raw[seen], codes[seen] = calibrated[rows.row[seen]], own.labels[rows.row[seen]][:, columns[kept]]
    items = RawScores(organs)
    reasons = ["" if row >= 0 else NOT_LABELLED for row in rows.row]
    items.add_frames(np.arange(len(rows.row)), rows.time_s, rows.duration_s, raw, reasons)
    end_s = float(rows.time_s[-1] + rows.duration_s[-1])
    table, intervals = post_process(items, header.smoothing, options, end_s)
    fold = int(own.fold[0])
    timeline = Timeline(
        source=SourceInfo(name=name, kind="frames"),
        organs=organs,
        start_s=float(rows.time_s[0]),
        end_s=end_s,
        # Rows are not the clip's frames: how many lie between them nobody knows.
        intervals=tuple(replace(one, start_index=-1, end_index=-1) for one in intervals),
        scores=table,
        frame_counts=FrameCounts(received=len(own.clip), classified=len(own.clip)),
        report=SourceReport("complete"),
        provenance=Provenance(
            smoothing=header.smoothing, intervals=options, model=f"fold {fold}" + (f" of {model}" if model else "")
        ),
        warnings=(f"by the model of fold {fold}, which saw no frame of this clip",),
    )
    truths = [_clip_intervals(timeline, codes[:, column], organ) for column, organ in enumerate(organs)]
    return FoldTimeline(
        timeline=timeline,
        codes=codes,
        patient=str(own.patient[0]),
        fold=fold,
        frames=tuple(
            frame_metrics(codes[:, k] == 1, table.raw[:, k], (codes[:, k] >= 0) & seen, threshold=options[k].onset)
            for k in range(len(organs))
        ),
        intervals=tuple(interval_metrics([truth]) for truth in truths),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Frames and the holes between them: row (T,) of the frame, -1 for a hole; time_s, duration_s (T,)."""

    row: NDArray[np.int64]
    time_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]


def _with_holes(time_s: NDArray[np.float64]) -> _Rows:
    steps_s = np.diff(time_s)
    usual_s = float(np.median(steps_s[steps_s > 0])) if (steps_s > 0).any() else 0.0
    far = np.append(steps_s > _STEPS * usual_s, False)
    duration_s = np.append(steps_s, usual_s)
    duration_s[far] = usual_s
    before = np.flatnonzero(far)
    row = np.insert(np.arange(len(time_s)), before + 1, -1)
    holes_s = time_s[before] + usual_s
    return _Rows(
        row,
        np.insert(time_s, before + 1, holes_s),
        np.insert(duration_s, before + 1, time_s[before + 1] - holes_s),
    )


def _clip_intervals(timeline: Timeline, codes: NDArray[np.int8], organ: str) -> ClipIntervals:
    time_s, end_s = timeline.scores.time_s, timeline.end_s
    return ClipIntervals(
        truth=spans_of(codes == 1, time_s, end_s),
        prediction=tuple((one.start_s, one.end_s) for one in timeline.of(organ, "present")),
        ignore=spans_of(codes == -1, time_s, end_s),
        start_s=timeline.start_s,
        end_s=end_s,
    )


def _label_strip(name: str, codes: NDArray[np.int8], timeline: Timeline) -> tuple[Interval, ...]:
    states: dict[int, State] = {1: "present", 0: "absent", -1: "unknown"}
    found = [
        Interval(name, state, start_s, end_s, -1, -1, math.nan, math.nan, NOT_LABELLED if code < 0 else "")
        for code, state in states.items()
        for start_s, end_s in spans_of(codes == code, timeline.scores.time_s, timeline.end_s)
    ]
    return tuple(sorted(found, key=lambda one: one.start_s))
