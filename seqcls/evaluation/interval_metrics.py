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
#: Of segmental F1.
IOUS = (0.1, 0.25, 0.5)
#: Of event F1: by how many seconds an onset may be off, and an offset by this share of the presence if that is more.
COLLAR_S, LENGTH_SHARE = 0.2, 0.5
#: What is given as a median and a 90th percentile.
ERRORS = ("onset", "offset", "delay")
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

    edit: mean over clips, 0..1. event_f1: sed_eval's, with this collar. found of presences: labelled presences that a
    prediction overlaps; the others are missed. false_events: predictions that overlap none. Both per minute of labelled
    time. Edge errors in seconds, absolute, over ``onsets`` and ``offsets`` edges. unknown_share: of the labelled time,
    what is called unknown. Delays in seconds, from a labelled onset until a live run would have been certain of the
    presence, over ``delays`` of them. NaN where nothing is known of either, as between two readers.
    """

    clips: int
    presences: int
    found: int
    predictions: int
    false_events: int
    false_events_per_min: float
    missed_events_per_min: float
    f1_at: tuple[float, float, float]
    edit: float
    event_f1: float
    collar_s: float
    onsets: int
    onset_median_s: float
    onset_p90_s: float
    offsets: int
    offset_median_s: float
    offset_p90_s: float
    unknown_share: float
    delays: int
    delay_median_s: float
    delay_p90_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipCounts:
    """What a clip adds to the metrics of one organ. right: presences found at each IoU of ``IOUS``. paired: events that
    count for ``event_f1``. onset_s, offset_s: absolute edge errors. unknown_s: labelled time that is called unknown."""

    presences: int
    found: int
    predictions: int
    false_events: int
    right: tuple[int, ...]
    paired: int
    edit: float
    duration_s: float
    onset_s: tuple[float, ...]
    offset_s: tuple[float, ...]
    unknown_s: float = math.nan
    delay_s: tuple[float, ...] = ()


def counts_of(clip: ClipIntervals, collar_s: float = COLLAR_S) -> ClipCounts:
    """Raises DataError for more presences than can be paired."""
    own = _Scorable.of(clip)
    onset_s, offset_s = (tuple(map(abs, own.edge_differences(side))) for side in (0, 1))
    return ClipCounts(
        presences=len(own.truth),
        found=int(own.overlap.any(axis=1).sum()),
        predictions=len(own.prediction),
        false_events=int((~own.overlap.any(axis=0)).sum()),
        right=tuple(own.right(iou) for iou in IOUS),
        paired=own.paired(collar_s),
        edit=own.edit(),
        duration_s=own.duration_s,
        onset_s=onset_s,
        offset_s=offset_s,
    )


def interval_metrics(clips: Sequence[ClipIntervals], *, collar_s: float = COLLAR_S) -> IntervalMetrics:
    """All interval metrics of one organ, counts pooled over the clips."""
    return pooled([counts_of(clip, collar_s) for clip in clips], collar_s)


def pooled(counts: Sequence[ClipCounts], collar_s: float = COLLAR_S) -> IntervalMetrics:
    """The metrics of these clips."""
    presences, predictions = sum(one.presences for one in counts), sum(one.predictions for one in counts)
    found, false_events = sum(one.found for one in counts), sum(one.false_events for one in counts)
    labelled_s = sum(one.duration_s for one in counts)
    minutes = labelled_s / 60
    f1_at = [ratio(2 * sum(one.right[at] for one in counts), presences + predictions) for at in range(len(IOUS))]
    onsets, offsets, delays = ([s for one in counts for s in getattr(one, f"{what}_s")] for what in ERRORS)
    return IntervalMetrics(
        clips=len(counts),
        presences=presences,
        found=found,
        predictions=predictions,
        false_events=false_events,
        false_events_per_min=ratio(false_events, minutes),
        missed_events_per_min=ratio(presences - found, minutes),
        f1_at=(f1_at[0], f1_at[1], f1_at[2]),
        edit=float(np.mean([one.edit for one in counts])) if counts else math.nan,
        event_f1=ratio(2 * sum(one.paired for one in counts), presences + predictions),
        collar_s=collar_s,
        onsets=len(onsets),
        onset_median_s=_percentile(onsets, 50),
        onset_p90_s=_percentile(onsets, 90),
        offsets=len(offsets),
        offset_median_s=_percentile(offsets, 50),
        offset_p90_s=_percentile(offsets, 90),
        unknown_share=ratio(sum(one.unknown_s for one in counts), labelled_s),
        delays=len(delays),
        delay_median_s=_percentile(delays, 50),
        delay_p90_s=_percentile(delays, 90),
    )


def event_f1_and_shares(clips: Sequence[ClipIntervals]) -> tuple[float, float, float]:
    """Event F1, then sensitivity and specificity by time: the share of labelled presence that is predicted, and of the
    other scorable time the share that is not. NaN where there is none. For a search, which asks many times."""
    scorable = [_Scorable.of(clip) for clip in clips]
    present_s, predicted_s = (
        sum(float(np.diff(spans).sum()) for spans in each)
        for each in ([c.truth for c in scorable], [c.prediction for c in scorable])
    )
    found_s, absent_s = sum(float(c.overlap.sum()) for c in scorable), sum(c.duration_s for c in scorable) - present_s
    specificity = math.nan if absent_s <= TIME_TOLERANCE_S else 1 - (predicted_s - found_s) / absent_s
    return _event_f1(scorable, COLLAR_S, 0.5), ratio(found_s, present_s), specificity


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
    scorable = [_Scorable.of(clip) for clip in clips]
    return ratio(2 * sum(one.right(iou) for one in scorable), sum(map(_Scorable.intervals, scorable)))


def event_f1(
    clips: Sequence[ClipIntervals], *, collar_s: float = COLLAR_S, length_share: float = LENGTH_SHARE
) -> float:
    """Event-based F1 of sed_eval (Mesaros et al. 2016, 10.3390/app6060162).

    A prediction can stand for a labelled presence when their onsets differ by at most ``collar_s`` and their offsets by
    at most the larger of that and ``length_share`` of the presence. Each stands for one at most; the largest possible
    number of such pairs counts. NaN when nothing is labelled and nothing predicted.
    """
    return _event_f1([_Scorable.of(clip) for clip in clips], collar_s, length_share)


def _event_f1(clips: Sequence[_Scorable], collar_s: float, length_share: float) -> float:
    return ratio(2 * sum(clip.paired(collar_s, length_share) for clip in clips), sum(map(_Scorable.intervals, clips)))


def edit_score(clip: ClipIntervals) -> float:
    """Edit score of Lea et al. 2017 as 0..1: 1 - Levenshtein(states, states) / longer, whatever the times.

    The states are the runs of present and absent in order of time. 1 where the clip has no scorable time.
    """
    return _Scorable.of(clip).edit()


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

    def intervals(self) -> int:
        """Presences, as labelled and as predicted."""
        return len(self.truth) + len(self.prediction)

    def right(self, iou: float) -> int:
        """See ``segmental_f1``."""
        if not self.overlap.size:
            return 0
        ious = self.iou()
        return len(np.unique(ious.argmax(axis=0)[ious.max(axis=0) >= iou - 1e-9]))

    def paired(self, collar_s: float, length_share: float = LENGTH_SHARE) -> int:
        """See ``event_f1``."""
        from scipy.optimize import linear_sum_assignment

        error_s = np.abs(self.truth[:, None] - self.prediction)  # (T, P, 2)
        most_s = np.maximum(collar_s, length_share * np.diff(self.truth))  # (T, 1)
        fits = (error_s[..., 0] <= collar_s + TIME_TOLERANCE_S) & (error_s[..., 1] <= most_s + TIME_TOLERANCE_S)
        return int(fits[linear_sum_assignment(fits, maximize=True)].sum())

    def edit(self) -> float:
        """See ``edit_score``."""
        if self.duration_s <= TIME_TOLERANCE_S:
            return 1.0
        (first, length), (other_first, other_length) = map(self.runs, (self.truth, self.prediction))
        # The states alternate. So the distance is the difference of the lengths, and where these are equal but the
        # first states are not, one run is dropped at one end and one added at the other (or the only run replaced).
        distance = abs(length - other_length)
        if distance == 0 and first != other_first:
            distance = min(length, 2)
        return 1 - distance / max(length, other_length)

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
