"""How good the answers are: frame by frame, and interval by interval. Pure numpy; NaN where a figure has no meaning.

Intervals are half-open [start_s, end_s) in seconds. Ignore spans are stretches nobody labelled: time inside them is
taken off the clock. An interval keeps its identity across such a stretch, but every length (of an interval, an overlap,
a union) counts only the time outside; an interval with no time outside is left out, so what is predicted inside an
ignore span is neither right nor wrong.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqcls.types import TIME_TOLERANCE_S

Span = tuple[float, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameMetrics:
    """Figures over labelled frames of one organ; accuracy, sensitivity, specificity and F1 at ``threshold``."""

    count: int
    present: int
    threshold: float
    auroc: float
    auprc: float
    accuracy: float
    sensitivity: float
    specificity: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its bootstrap interval.

    ``groups`` were drawn from; ``rounds`` gave a defined figure, of those asked for.
    """

    value: float
    low: float
    high: float
    groups: int
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipIntervals:
    """One organ in one clip [start_s, end_s): stretches of presence as labelled and as predicted, and ignore spans."""

    truth: tuple[Span, ...]
    prediction: tuple[Span, ...]
    end_s: float
    start_s: float = 0.0
    ignore: tuple[Span, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalMetrics:
    """Figures over the clips of one organ. ``f1_at`` is segmental F1 at IoU 0.10, 0.25 and 0.50.

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


def auroc(truth: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve as the Mann-Whitney statistic (Hanley and McNeil 1982, 10.1148/radiology.143.1.7063747).

    truth: (N,) 0 or 1, score: (N,). Ties count half. NaN when a class is missing.
    """
    positive, scores = np.asarray(truth) > 0.5, np.asarray(score, np.float64)
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return math.nan
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]  # mean rank of each tie, from 1
    return float((rank[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def average_precision(truth: ArrayLike, score: ArrayLike) -> float:
    """Area under the precision-recall curve as step sum (Manning et al. 2008, ch. 8). NaN without a positive."""
    positive, scores = np.asarray(truth) > 0.5, np.asarray(score, np.float64)
    if not positive.any():
        return math.nan
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits, count = hits[last_of_tie], np.flatnonzero(last_of_tie) + 1
    gained = np.diff(hits, prepend=0) / positive.sum()
    return float((gained * hits / count).sum())


def frame_metrics(
    truth: ArrayLike, score: ArrayLike, mask: ArrayLike | None = None, *, threshold: float = 0.5
) -> FrameMetrics:
    """Figures of one organ: truth (N,) 0 or 1, score (N,) 0..1, mask (N,) bool: which frames are labelled.

    A score >= threshold says present.
    """
    labelled = np.ones(np.shape(truth), bool) if mask is None else np.asarray(mask, bool)
    positive, scores = np.asarray(truth)[labelled] > 0.5, np.asarray(score, np.float64)[labelled]
    called = scores >= threshold
    hits, false = int((called & positive).sum()), int((called & ~positive).sum())
    missed, quiet = int((~called & positive).sum()), int((~called & ~positive).sum())
    return FrameMetrics(
        count=len(positive),
        present=int(positive.sum()),
        threshold=threshold,
        auroc=auroc(positive, scores),
        auprc=average_precision(positive, scores),
        accuracy=_ratio(hits + quiet, len(positive)),
        sensitivity=_ratio(hits, hits + missed),
        specificity=_ratio(quiet, quiet + false),
        f1=_ratio(2 * hits, 2 * hits + false + missed),
    )


def bootstrap(
    figure: Callable[[NDArray[np.int64]], float],
    groups: Sequence[str] | NDArray[np.str_],
    *,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Percentile bootstrap (Efron and Tibshirani 1993, ch. 13) that draws whole groups (patients), not frames.

    ``figure`` maps indices (with repeats) into the N items to a number; ``groups`` names each item's group. Draws in
    which the figure is NaN (a class missing) are left out. Low and high are NaN for fewer than two groups: nothing
    is known of the spread between patients then.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    members = [np.flatnonzero(place == number) for number in range(len(names))]
    value = figure(np.arange(len(place), dtype=np.int64))
    random = np.random.default_rng(seed)
    drawn: list[float] = []
    if len(names) >= 2:
        for _ in range(rounds):
            chosen = random.integers(0, len(names), len(names))
            drawn.append(figure(np.concatenate([members[number] for number in chosen])))
    defined = [one for one in drawn if not math.isnan(one)]
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(defined, [tail, 100 - tail]) if defined else (math.nan, math.nan)
    return Estimate(value=value, low=float(low), high=float(high), groups=len(names), rounds=len(defined))


def interval_metrics(clips: Sequence[ClipIntervals]) -> IntervalMetrics:
    """All interval figures of one organ, counts pooled over the clips."""
    judged = [_Judged.of(clip) for clip in clips]
    onsets = [abs(error) for clip in judged for error in clip.edge_errors(0)]
    offsets = [abs(error) for clip in judged for error in clip.edge_errors(1)]
    false_events = sum(int((~(clip.overlap > 0).any(axis=0)).sum()) for clip in judged)
    judged_s = sum(_length((clip.start_s, clip.end_s), clip.ignore) for clip in clips)
    return IntervalMetrics(
        clips=len(clips),
        presences=sum(len(clip.truth) for clip in judged),
        found=sum(int((clip.overlap > 0).any(axis=1).sum()) for clip in judged),
        predictions=sum(len(clip.prediction) for clip in judged),
        false_events=false_events,
        false_events_per_min=_ratio(60 * false_events, judged_s),
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


def segmental_f1(clips: Sequence[ClipIntervals], iou: float) -> float:
    """F1@IoU of Lea et al. 2017 (arXiv 1611.05267) over stretches of presence; absence is the background.

    Each prediction takes the labelled presence of highest IoU; it is right where that IoU is at least ``iou`` and the
    presence not taken before. NaN when nothing is labelled and nothing predicted.
    """
    right = predicted = labelled = 0
    for clip in map(_Judged.of, clips):
        predicted, labelled = predicted + len(clip.prediction), labelled + len(clip.truth)
        taken: set[int] = set()
        for column in clip.iou().T:
            best = int(column.argmax()) if len(column) else -1
            if best >= 0 and column[best] >= iou - 1e-9 and best not in taken:
                taken.add(best)
                right += 1
    return _ratio(2 * right, predicted + labelled)


def event_f1(clips: Sequence[ClipIntervals], *, collar_s: float = 0.2, length_share: float = 0.5) -> float:
    """Event-based F1 of sed_eval (Mesaros et al. 2016, 10.3390/app6060162).

    A prediction can stand for a labelled presence when their onsets differ by at most ``collar_s`` and their offsets by
    at most the larger of that and ``length_share`` of the presence; one for one, as many pairs as can be had.
    """
    right = predicted = labelled = 0
    for clip in map(_Judged.of, clips):
        predicted, labelled = predicted + len(clip.prediction), labelled + len(clip.truth)
        options = [
            [
                place
                for place, guess in enumerate(clip.prediction)
                if abs(clip.edge_error(span[0], guess[0])) <= collar_s + TIME_TOLERANCE_S
                and abs(clip.edge_error(span[1], guess[1]))
                <= max(collar_s, length_share * (span[1] - span[0])) + TIME_TOLERANCE_S
            ]
            for span in clip.truth
        ]
        right += _most_pairs(options)
    return _ratio(2 * right, predicted + labelled)


def edit_score(clip: ClipIntervals) -> float:
    """Edit score of Lea et al. 2017 as 0..1: 1 - Levenshtein(states, states) / longer, blind to times.

    The states are the runs of present and absent in order, ignored time left out. 1 where no time is judged.
    """
    truth, guess = _states(clip, clip.truth), _states(clip, clip.prediction)
    if not truth:
        return 1.0
    row = list(range(len(guess) + 1))
    for i, state in enumerate(truth, start=1):
        row, above = [i], row
        for j, other in enumerate(guess, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (state != other)))
    return 1 - row[-1] / max(len(truth), len(guess))


def spans_of(state: Sequence[bool] | NDArray[np.bool_], time_s: ArrayLike, end_s: float) -> tuple[Span, ...]:
    """Runs of True as spans; frame i lasts until frame i + 1, the last until ``end_s``."""
    edges = np.append(np.asarray(time_s, np.float64), end_s)
    change = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(state, bool), [False]]).astype(np.int8)))
    return tuple((float(edges[a]), float(edges[b])) for a, b in change.reshape(-1, 2))


@dataclass(frozen=True, slots=True)
class _Judged:
    """A clip's intervals that have time outside the ignore spans, and how they overlap."""

    clip: ClipIntervals
    truth: tuple[Span, ...]
    prediction: tuple[Span, ...]
    overlap: Floats  # (T, P) seconds

    @classmethod
    def of(cls, clip: ClipIntervals) -> _Judged:
        whole = (clip.start_s, clip.end_s)
        truth, prediction = (
            tuple(span for span in sorted(spans) if _length(_cut(span, whole), clip.ignore) > TIME_TOLERANCE_S)
            for spans in (clip.truth, clip.prediction)
        )
        overlap = np.array([[_length(_cut(_cut(a, b), whole), clip.ignore) for b in prediction] for a in truth])
        overlap[overlap <= TIME_TOLERANCE_S] = 0
        return cls(clip, truth, prediction, overlap.reshape(len(truth), len(prediction)))

    def iou(self) -> Floats:
        """(T, P)"""
        truth, prediction = (
            np.array([_length(span, self.clip.ignore) for span in spans]) for spans in (self.truth, self.prediction)
        )
        union = truth[:, None] + prediction[None, :] - self.overlap
        return np.asarray(self.overlap / union)

    def edge_error(self, labelled_s: float, predicted_s: float) -> float:
        """Predicted minus labelled edge, 0 anywhere in an ignore span that touches it: it lies in there."""
        low_s, high_s = self._stretch(labelled_s)
        return max(0.0, predicted_s - high_s) - max(0.0, low_s - predicted_s)

    def edge_errors(self, side: int) -> list[float]:
        """Onset (side 0) or offset (1) errors of each found presence against the prediction that overlaps it most.

        Edges that are not seen, because they lie at the clip's start or end, are left out.
        """
        errors = []
        for row, span in enumerate(self.truth):
            low_s, high_s = self._stretch(span[side])
            seen = (
                low_s > self.clip.start_s + TIME_TOLERANCE_S
                if side == 0
                else high_s < self.clip.end_s - TIME_TOLERANCE_S
            )
            if seen and (self.overlap[row] > 0).any():
                errors.append(self.edge_error(span[side], self.prediction[int(self.overlap[row].argmax())][side]))
        return errors

    def _stretch(self, edge_s: float) -> Span:
        touching = [s for s in self.clip.ignore if s[0] - TIME_TOLERANCE_S <= edge_s <= s[1] + TIME_TOLERANCE_S]
        return min([edge_s, *(s[0] for s in touching)]), max([edge_s, *(s[1] for s in touching)])


def _cut(span: Span, limits: Span) -> Span:
    return max(span[0], limits[0]), min(span[1], limits[1])


def _length(span: Span, ignore: Sequence[Span]) -> float:
    """Seconds of the span outside the ignore spans, which may overlap one another."""
    total_s, reached_s = max(0.0, span[1] - span[0]), span[0]
    for start_s, end_s in sorted(ignore):
        start_s, end_s = max(start_s, reached_s), min(end_s, span[1])
        if end_s > start_s:
            total_s -= end_s - start_s
            reached_s = end_s
    return total_s


def _states(clip: ClipIntervals, present: Sequence[Span]) -> list[bool]:
    """The order of present (True) and absent over the judged time."""
    edges = {clip.start_s, clip.end_s, *(edge for span in (*present, *clip.ignore) for edge in span)}
    inside = sorted(edge for edge in edges if clip.start_s <= edge <= clip.end_s)
    states: list[bool] = []
    for start_s, end_s in itertools.pairwise(inside):
        middle_s = (start_s + end_s) / 2
        if end_s - start_s <= TIME_TOLERANCE_S or _holds(clip.ignore, middle_s):
            continue
        state = _holds(present, middle_s)
        if not states or states[-1] != state:
            states.append(state)
    return states


def _holds(spans: Sequence[Span], time_s: float) -> bool:
    return any(start_s <= time_s < end_s for start_s, end_s in spans)


def _most_pairs(options: Sequence[Sequence[int]]) -> int:
    """Size of the largest one-to-one pairing (augmenting paths; Kuhn 1955, 10.1002/nav.3800020109)."""
    owner: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column in options[row]:
            if column not in tried:
                tried.add(column)
                if column not in owner or place(owner[column], tried):
                    owner[column] = row
                    return True
        return False

    return sum(place(row, set()) for row in range(len(options)))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else math.nan
