"""Metrics of one organ interval by interval: presences found and missed, false events, errors of onset and offset.

Intervals are half-open [start_s, end_s) in seconds. Ignore spans are stretches that nobody labelled. Everything here is
measured on a clock that stops during them: presences with nothing but ignored time between them are one presence, a
presence inside ignored time is left out, and what is predicted inside an ignore span is neither right nor wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqcls.errors import DataError
from seqcls.evaluation.metrics import ratio
from seqcls.types import TIME_TOLERANCE_S

#: Of one organ in one clip, as labelled or as predicted: each is held against each of the other.
MAX_PRESENCES = 3000
Span = tuple[float, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipIntervals:
    """One organ in one clip [start_s, end_s): stretches of presence as labelled and as predicted, and ignore spans."""

    truth: tuple[Span, ...]
    prediction: tuple[Span, ...]
    end_s: float
    start_s: float = 0.0
    ignore: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalMetrics:
    """Over the clips of one organ. ``f1_at`` is segmental F1 at IoU 0.10, 0.25 and 0.50.

    edit: mean over clips, 0..1. event_f1: sed_eval's, collar 0.2 s. found of presences: labelled presences that a
    prediction overlaps. false_events: predictions that overlap none. Edge errors in seconds, absolute, over
    ``onsets`` and ``offsets`` edges.
    """

    clips: int
    presences: int
    found: int
    predictions: int
    false_events: int
    false_events_per_min: float
    f1_at: tuple[float, float, float]
    edit: float
    event_f1: float
    onsets: int
    onset_median_s: float
    onset_p90_s: float
    offsets: int
    offset_median_s: float
    offset_p90_s: float


def interval_metrics(clips: Sequence[ClipIntervals]) -> IntervalMetrics:
    """All interval metrics of one organ, counts pooled over the clips."""
    scorable = [_Scorable.of(clip) for clip in clips]
    onsets, offsets = (list(map(abs, edge_differences(clips, side))) for side in (0, 1))
    false_events = sum(int((~clip.overlap.any(axis=0)).sum()) for clip in scorable)
    return IntervalMetrics(
        clips=len(clips),
        presences=sum(len(clip.truth) for clip in scorable),
        found=sum(int(clip.overlap.any(axis=1).sum()) for clip in scorable),
        predictions=sum(len(clip.prediction) for clip in scorable),
        false_events=false_events,
        false_events_per_min=ratio(60 * false_events, sum(clip.duration_s for clip in scorable)),
        f1_at=(segmental_f1(clips, 0.1), segmental_f1(clips, 0.25), segmental_f1(clips, 0.5)),
        edit=float(np.mean([edit_score(clip) for clip in clips])) if clips else math.nan,
        event_f1=event_f1(clips),
        onsets=len(onsets),
        onset_median_s=_percentile(onsets, 50),
        onset_p90_s=_percentile(onsets, 90),
        offsets=len(offsets),
        offset_median_s=_percentile(offsets, 50),
        offset_p90_s=_percentile(offsets, 90),
    )


def edge_differences(clips: Sequence[ClipIntervals], side: int) -> list[float]:
    """Seconds by which predictions begin (side 0) or end (1) later than the labelled presences that they found.

    An edge at a clip's start or end is left out: the organ may have been in view before or after.
    """
    return [later_s for clip in clips for later_s in _Scorable.of(clip).edge_differences(side)]


def segmental_f1(clips: Sequence[ClipIntervals], iou: float) -> float:
    """F1@IoU of Lea et al. 2017 (arXiv 1611.05267) over stretches of presence; absence is the background.

    Each prediction belongs to the labelled presence of highest IoU. A presence is found once, by any prediction of at
    least ``iou``; further ones are false. NaN when nothing is labelled and nothing predicted.
    """
    right = intervals = 0
    for clip in map(_Scorable.of, clips):
        intervals += len(clip.truth) + len(clip.prediction)
        if clip.overlap.size:
            ious = clip.iou()
            right += len(np.unique(ious.argmax(axis=0)[ious.max(axis=0) >= iou - 1e-9]))
    return ratio(2 * right, intervals)


def event_f1(clips: Sequence[ClipIntervals], *, collar_s: float = 0.2, length_share: float = 0.5) -> float:
    """Event-based F1 of sed_eval (Mesaros et al. 2016, 10.3390/app6060162).

    A prediction can stand for a labelled presence when their onsets differ by at most ``collar_s`` and their offsets by
    at most the larger of that and ``length_share`` of the presence. Each stands for one at most; the largest possible
    number of such pairs counts. NaN when nothing is labelled and nothing predicted.
    """
    from scipy.optimize import linear_sum_assignment

    pairs = intervals = 0
    for clip in map(_Scorable.of, clips):
        intervals += len(clip.truth) + len(clip.prediction)
        error_s = np.abs(clip.truth[:, None] - clip.prediction)  # (T, P, 2)
        most_s = np.maximum(collar_s, length_share * np.diff(clip.truth))  # (T, 1)
        fits = (error_s[..., 0] <= collar_s + TIME_TOLERANCE_S) & (error_s[..., 1] <= most_s + TIME_TOLERANCE_S)
        pairs += int(fits[linear_sum_assignment(fits, maximize=True)].sum())
    return ratio(2 * pairs, intervals)


def edit_score(clip: ClipIntervals) -> float:
    """Edit score of Lea et al. 2017 as 0..1: 1 - Levenshtein(states, states) / longer, whatever the times.

    The states are the runs of present and absent in order of time. 1 where the clip has no scorable time.
    """
    scorable = _Scorable.of(clip)
    if scorable.duration_s <= TIME_TOLERANCE_S:
        return 1.0
    (first, length), (other_first, other_length) = map(scorable.runs, (scorable.truth, scorable.prediction))
    # The states alternate. So the distance is the difference of the lengths, and where these are equal but the first
    # states are not, one run is dropped at one end and one added at the other (or the only run replaced).
    distance = abs(length - other_length)
    if distance == 0 and first != other_first:
        distance = min(length, 2)
    return 1 - distance / max(length, other_length)


def spans_of(state: Sequence[bool] | NDArray[np.bool_], time_s: ArrayLike, end_s: float) -> tuple[Span, ...]:
    """Runs of True as spans; frame i lasts until frame i + 1, the last until ``end_s``."""
    edges = np.append(np.asarray(time_s, np.float64), end_s)
    change = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(state, bool), [False]])))
    return tuple((float(edges[a]), float(edges[b])) for a, b in change.reshape(-1, 2))


@dataclass(frozen=True, slots=True, eq=False)
class _Scorable:
    """A clip's presences on the clock that starts at 0, stops during ignored time and ends at ``duration_s``."""

    truth: Floats  # (T, 2)
    prediction: Floats  # (P, 2)
    overlap: Floats  # (T, P) seconds
    duration_s: float

    @classmethod
    def of(cls, clip: ClipIntervals) -> _Scorable:
        edges = np.unique(np.clip([clip.start_s, clip.end_s, *chain(*clip.ignore)], clip.start_s, clip.end_s))
        begins, ends = np.array(clip.ignore, np.float64).reshape(-1, 2).T
        starts = edges[:-1]
        inside = np.searchsorted(np.sort(begins), starts, "right") > np.searchsorted(np.sort(ends), starts, "right")
        ignored = inside if len(begins) else np.zeros(len(starts), np.bool_)
        clock_s = np.cumsum([0.0, *np.where(ignored, 0.0, np.diff(edges))])
        truth, prediction = (
            _merged([tuple(np.interp(span, edges, clock_s).tolist()) for span in spans])
            for spans in (clip.truth, clip.prediction)
        )
        if max(len(truth), len(prediction)) > MAX_PRESENCES:
            raise DataError(
                f"more than {MAX_PRESENCES:,} presences of one organ in one clip cannot be paired; divide the clip"
            )
        start_s = np.maximum(truth[:, None, 0], prediction[:, 0])
        overlap = np.maximum(np.minimum(truth[:, None, 1], prediction[:, 1]) - start_s, 0.0)
        overlap[overlap <= TIME_TOLERANCE_S] = 0.0
        return cls(truth, prediction, overlap, float(clock_s[-1]))

    def iou(self) -> Floats:
        """(T, P)"""
        union = np.diff(self.truth) + np.diff(self.prediction)[:, 0] - self.overlap
        return np.asarray(self.overlap / union)

    def edge_differences(self, side: int) -> list[float]:
        """Prediction minus truth at the onset (side 0) or offset (1) of found presences; of several predictions
        the one that overlaps most.

        An edge at the clip's start or end is left out: the organ may have been in view before or after.
        """
        edge_s = self.truth[:, side]
        inside = edge_s > TIME_TOLERANCE_S if side == 0 else edge_s < self.duration_s - TIME_TOLERANCE_S
        return [
            float(self.prediction[self.overlap[row].argmax(), side] - edge_s[row])
            for row in np.flatnonzero(inside & self.overlap.any(axis=1))
        ]

    def runs(self, spans: Floats) -> tuple[bool, int]:
        """Whether the clip begins present, and how many runs of present and absent it has."""
        if not len(spans):
            return False, 1
        begins = bool(spans[0, 0] <= TIME_TOLERANCE_S)
        ends = bool(spans[-1, 1] >= self.duration_s - TIME_TOLERANCE_S)
        return begins, 2 * len(spans) + 1 - begins - ends


def _merged(spans: Sequence[Span]) -> Floats:
    """(n, 2) spans in order of time, those that touch made one and those without length left out."""
    merged: list[Span] = []
    for start_s, end_s in sorted(spans):
        if end_s - start_s <= TIME_TOLERANCE_S:
            continue
        if merged and start_s <= merged[-1][1] + TIME_TOLERANCE_S:
            merged[-1] = merged[-1][0], max(merged[-1][1], end_s)
        else:
            merged.append((start_s, end_s))
    return np.array(merged, np.float64).reshape(-1, 2)


def _percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else math.nan
