"""The operating point: smoothing, thresholds and durations chosen together, by what they give on whole clips.

What counts is what a user gets: stretches of presence, and when each is certain. The search is over coordinates, one
after the other, from today's options on, and keeps these unless something else is better by at least one event. Every
organ has thresholds and durations of its own; the smoothing is one for all. Thresholds stand in the middle of the
widest run that does as well as the best one, for a single best one depends on a single frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqcls.intervals import IntervalOptions
from seqcls.models.operating_curve import OperatingPoint
from seqcls.smoothing import SmoothingOptions
from seqcls.training.operating_search import Figures, Search, Subject, TuneOptions, shortened
from seqcls.training.scored_clips import ScoredClip


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The options found. before, after: of each organ, None where it could not be tuned."""

    smoothing: SmoothingOptions
    intervals: tuple[IntervalOptions, ...]
    curve: tuple[OperatingPoint, ...]
    before: tuple[Figures | None, ...]
    after: tuple[Figures | None, ...]

    @property
    def event_f1(self) -> float:
        """The mean over the organs that could be tuned; NaN without any."""
        return mean_event_f1(self.after)


def mean_event_f1(figures: Sequence[Figures | None]) -> float:
    """Over those that there are; NaN without any."""
    known = [one.event_f1 for one in figures if one is not None]
    return float(np.mean(known)) if known else float("nan")


def tune(
    clips: Sequence[ScoredClip],
    organs: tuple[str, ...],
    smoothing: SmoothingOptions,
    intervals: tuple[IntervalOptions, ...],
    options: TuneOptions,
) -> Tuned:
    """The best options within the delay, beginning with those given, which are shortened where they take longer.

    An organ of which too little is labelled keeps its own. Raises DataError where a stated sensitivity is not reached.
    """
    subjects = [Subject(clips, column, organ) for column, organ in enumerate(organs)]
    known = [k for k, subject in enumerate(subjects) if subject.is_enough]
    start = shortened(smoothing, intervals, options.max_delay_s)
    if not known:
        nothing = (None,) * len(organs)
        return Tuned(smoothing=smoothing, intervals=intervals, curve=(), before=nothing, after=nothing)
    search = Search(clips, {k: subjects[k] for k in known}, options)
    best_smoothing, best = start[0], start[1]
    for candidate in search.promising(start, options.max_delay_s):
        found = list(shortened(candidate, start[1], options.max_delay_s)[1])
        for k in known:
            found[k] = search.descend(k, candidate, found[k])
        # Not by the last entry: that would take the least smoothing of those that do as well on these clips.
        if search.total(candidate, found)[:-1] > search.total(best_smoothing, best)[:-1]:
            best_smoothing, best = candidate, tuple(found)
    before, after = search.figures(*start), search.figures(best_smoothing, best)
    if options.sensitivity is None:
        one_event = 1 / sum(subjects[k].events for k in known)
        if mean_event_f1(after) - mean_event_f1(before) < one_event:
            (best_smoothing, best), after = start, before
    else:
        for k in known:
            search.require(k, after[k])
    curve = search.curve(best_smoothing, tuple(best))
    return Tuned(smoothing=best_smoothing, intervals=tuple(best), curve=curve, before=before, after=after)


def tuning_record(
    tuned: Tuned, organs: tuple[str, ...], clips: Sequence[ScoredClip], options: TuneOptions
) -> dict[str, object]:
    """For the summary in the model's header."""
    return {
        "clips": len(clips),
        "max_delay_s": round(options.max_delay_s, 6),
        "sensitivity": options.sensitivity,
        "event_f1": {
            organ: [round(one.event_f1, 4) for one in (before, after) if one is not None]
            for organ, before, after in zip(organs, tuned.before, tuned.after, strict=True)
            if after is not None
        },
    }


def figures_of(
    clips: Sequence[ScoredClip],
    organs: tuple[str, ...],
    smoothing: SmoothingOptions,
    intervals: tuple[IntervalOptions, ...],
) -> tuple[Figures | None, ...]:
    """What these options give, of each organ of which enough is labelled."""
    subjects = {k: subject for k, o in enumerate(organs) if (subject := Subject(clips, k, o)).is_enough}
    return Search(clips, subjects, TuneOptions()).figures(smoothing, intervals)
