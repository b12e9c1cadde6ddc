"""From the kept scores of many frames to events and intervals, without the model: what ``PostProcess`` gives frame by
frame, many times quicker."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from seqcls.algebra.where import again
from seqcls.intervals import IntervalBuilder, IntervalOptions, intervals_from_events, one_per_organ
from seqcls.novelty import WINDOW_S, unlike_rows, with_novelty
from seqcls.pauses import with_pauses
from seqcls.postprocess import PostProcess, RawScores, matrix, row_of
from seqcls.smoothing import SmoothingOptions, smooth_windows
from seqcls.timeline import Timeline
from seqcls.types import TIME_TOLERANCE_S, UNLIKE_TRAINING, Event, FrameScore, Gap, Interval, ScoreTable


def replay(
    timeline: Timeline,
    smoothing: SmoothingOptions | None = None,
    intervals: IntervalOptions | Sequence[IntervalOptions] | None = None,
    novelty: bool | None = None,
) -> Timeline:
    """The timeline that the same run would have given with other options; takes the raw scores that it kept.

    Args:
        timeline: of ``Detector.analyze`` or ``read_run``; it stays as it is.
        smoothing: None for the options that it was made with.
        intervals: one for every organ, or one per organ; None for those that it was made with.
        novelty: whether frames that are unlike the model's training are unknown; None for what it was made with.

    Raises UsageError where there are not as many interval options as organs.
    """
    used = timeline.provenance
    smoothing = used.smoothing if smoothing is None else smoothing
    intervals = one_per_organ(used.intervals if intervals is None else intervals, timeline.scored_organs)
    known = used.novelty
    known = known if known is None or novelty is None else replace(known, used=novelty)
    scores, found = post_process(
        raw_scores(timeline), smoothing, intervals, timeline.end_s, novelty=known is not None and known.used
    )
    provenance = replace(used, smoothing=smoothing, intervals=intervals, novelty=known)
    warnings = with_pauses(timeline.warnings, scores, timeline.report.gaps)  # older runs lack that one
    warnings = with_novelty(warnings, scores)
    changed = replace(timeline, intervals=found, scores=scores, provenance=provenance, warnings=warnings)
    return again(changed)


def events_of(timeline: Timeline) -> list[Event]:
    """The events that the run would give frame by frame, each with the time at which it was certain."""
    used = timeline.provenance
    use = used.novelty is not None and used.novelty.used
    process, numbered = catch_up(raw_scores(timeline), used.smoothing, used.intervals, novelty=use)
    return [*(event for _, event in numbered), *process.close(timeline.end_s)]


def raw_scores(timeline: Timeline) -> RawScores:
    """What the run kept, as it was read. A gap stands before the first frame that is not before its end."""
    table, gaps, raw = timeline.scores, timeline.report.gaps, RawScores(timeline.scored_organs)
    reasons = ["" if reason == UNLIKE_TRAINING else reason for reason in table.reason]
    raw.add_frames(table.index, table.time_s, table.duration_s, table.raw, reasons, table.measured, table.novelty)
    rows = np.searchsorted(np.maximum.accumulate(table.time_s), np.array([gap.end_s for gap in gaps]))
    raw.gaps = list(zip(np.maximum.accumulate(rows).tolist(), gaps, strict=True))
    return raw


def post_process(
    raw: RawScores,
    smoothing: SmoothingOptions,
    intervals: Sequence[IntervalOptions],
    end_s: float,
    *,
    novelty: bool = True,
) -> tuple[ScoreTable, tuple[Interval, ...]]:
    """Scores and intervals of a run that is over."""
    process, numbered = catch_up(raw, smoothing, intervals, keep=True, novelty=novelty)
    events = [*(event for _, event in numbered), *process.close(end_s)]
    scores = process.table()
    return scores, intervals_from_events(events, scores, end_s)


def catch_up(
    raw: RawScores,
    smoothing: SmoothingOptions,
    intervals: Sequence[IntervalOptions],
    *,
    keep: bool = False,
    novelty: bool = True,
) -> tuple[PostProcess, list[tuple[int, Event]]]:
    """A ``PostProcess`` that has taken every item, and the events it gave, each with the number of the item that let it
    be emitted, from 0."""
    process = PostProcess(raw.organs, smoothing, intervals, keep=keep, novelty=novelty)
    plain = raw.table()
    gap_rows = np.array([row for row, _ in raw.gaps], np.int64)
    rows = np.arange(len(plain.index))
    frames_at, gaps_at = rows + np.searchsorted(gap_rows, rows, side="right"), gap_rows + np.arange(len(gap_rows))
    start_s = np.empty(len(raw))
    start_s[frames_at], start_s[gaps_at] = plain.time_s, [gap.start_s for _, gap in raw.gaps]
    reach_s = start_s.copy()  # until when nothing more comes, once the item is there
    reach_s[gaps_at] = [gap.end_s for _, gap in raw.gaps]
    if len(start_s) == 0 or (np.diff(start_s) < 0).any() or (reach_s[:-1] > start_s[1:]).any():
        return process, [(number, event) for number, item in enumerate(raw.items()) for event in process.push(item)]
    # No time runs backwards: windows are neighbours, and frames that change no state may be left out. This is the
    # number of the item with which the smoother gives each item back; the last ones still wait for theirs.
    released_at = np.arange(len(raw))
    unlike = np.zeros(len(plain.index), np.bool_)
    look_back_s = 0.0  # what the filters with a window remember
    if novelty and plain.novelty is not None:
        look_back_s = WINDOW_S
        unlike = unlike_rows(plain.time_s, plain.novelty)
        plain = raw.table(unlike=unlike)
        plain.raw[unlike] = np.nan
    scored = raw.scored & ~unlike
    if smoothing.delay_s > 0:
        released_at = np.searchsorted(reach_s, start_s + (smoothing.look_ahead_s + TIME_TOLERANCE_S), side="right")
    released = int(np.searchsorted(released_at, len(raw)))
    if smoothing.kind in ("mean", "median"):
        smooth = np.full_like(plain.raw, np.nan)
        smooth[scored] = smooth_windows(plain.time_s[scored], plain.raw[scored], smoothing)
        look_back_s += smoothing.window_s
    elif smoothing.kind == "none":
        smooth = plain.raw
    if smoothing.kind not in ("exponential", "hmm"):
        since_s = start_s[min(released, len(raw) - 1)] - look_back_s - 4 * TIME_TOLERANCE_S
        for item in raw.items(int(np.searchsorted(frames_at, np.searchsorted(start_s, since_s)))):
            for _ in process.smoother.push(process.filtered(item)):
                pass
    else:  # nothing waits for later frames
        given = chain.from_iterable(map(process.smoother.push, map(process.filtered, raw.items())))
        rows_given = (row_of(item, len(raw.organs)) for item in given if isinstance(item, FrameScore))
        smooth = matrix(array("f", chain.from_iterable(rows_given)), len(raw.organs))
    end, last_gap = (int(np.searchsorted(places, released)) for places in (frames_at, gaps_at))
    found = [
        (int(released_at[place]), place, event)
        for column, builder in enumerate(process.builders)
        for place, event in _events(builder, plain, smooth[:end, column], raw.gaps[:last_gap], intervals[column])
    ]
    found.sort(key=lambda one: one[:2])
    if end:
        process.latest = replace(
            raw.frame(end - 1), scores=smooth[end - 1] if scored[end - 1] else None, reason=plain.reason[end - 1]
        )
    if keep:
        process.raw = raw
        process.smooth.frombytes(smooth[:end].tobytes())
        process.unlike.frombytes(unlike.tobytes())
    return process, [(number, event) for number, _, event in found]


def present_spans(
    table: ScoreTable,
    gaps: Sequence[tuple[int, Gap]],
    smooth: NDArray[np.float32],
    options: IntervalOptions,
    end_s: float,
) -> tuple[tuple[float, float], ...]:
    """When one organ is present, as ``post_process`` finds it, from its scores (T,) that are smoothed already.

    gaps: as ``RawScores`` keeps them.
    """
    builder = IntervalBuilder("", options)
    events = [*(event for _, event in _events(builder, table, smooth, gaps, options)), *builder.close(end_s)]
    ends_s = [*(event.start_s for event in events[1:]), end_s]
    spans = ((event.start_s, stop_s) for event, stop_s in zip(events, ends_s, strict=True) if event.state == "present")
    return tuple(span for span in spans if span[1] > span[0])


def _events(
    builder: IntervalBuilder,
    table: ScoreTable,
    smooth: NDArray[np.float32],
    gaps: Sequence[tuple[int, Gap]],
    options: IntervalOptions,
) -> Iterator[tuple[int, Event]]:
    """One organ's events from the first rows of a table, each after the place of its item among all of them."""
    scores = smooth.astype(np.float64)
    taken = 0
    for row in [*_rows_that_matter(scores, table.time_s[: len(scores)], gaps, options).tolist(), len(scores)]:
        while taken < len(gaps) and gaps[taken][0] <= row:
            before, gap = gaps[taken]
            yield from ((before + taken, event) for event in builder.gap(gap))
            taken += 1
        if row < len(scores):
            frame = int(table.index[row]), float(table.time_s[row]), float(scores[row]), table.reason[row]
            yield from ((row + taken, event) for event in builder.push(*frame))


def _rows_that_matter(
    scores: NDArray[np.float64], time_s: NDArray[np.float64], gaps: Sequence[tuple[int, Gap]], options: IntervalOptions
) -> NDArray[np.int64]:
    """The frames that an ``IntervalBuilder`` must see to emit the same events.

    These are where the score crosses a threshold or is missing, those beside gaps, and those after which so much time
    has passed that something becomes certain, or a padded interval begins. No frame in between changes anything.
    """
    level = (scores >= options.onset).astype(np.int8) - (scores < options.offset)
    matters = np.ones(len(scores), np.bool_)
    matters[1:] = (level[1:] != level[:-1]) | np.isnan(scores[1:]) | np.isnan(scores[:-1])
    now_s = time_s.copy()  # as the builder sees it: after a gap, not before the gap's end
    for row, gap in gaps:
        matters[max(0, row - 1) : row + 1] = True
        if row < len(now_s):
            now_s[row] = max(now_s[row], gap.end_s)
    now_s = np.maximum.accumulate(now_s)
    turns_s = np.concatenate([now_s[matters], [t for _, gap in gaps for t in (gap.start_s, gap.end_s)]])
    near = np.zeros(len(scores) + 1)
    pad_s = options.pad_s
    for after_s in {0.0, options.min_present_s, options.min_absent_s, pad_s, 2 * pad_s, -pad_s}:
        first = np.searchsorted(now_s, turns_s + (after_s - 2 * TIME_TOLERANCE_S))
        last = np.searchsorted(now_s, turns_s + (after_s + 2 * TIME_TOLERANCE_S), side="right")
        np.add.at(near, first, 1)
        np.add.at(near, np.minimum(last + 1, len(scores)), -1)
    matters = near.cumsum()[:-1] > 0
    if pad_s > 0 and len(now_s):  # a presence that has yet to come may be padded until there
        matters |= now_s >= now_s[-1] - 4 * pad_s - TIME_TOLERANCE_S
    matters[-1:] = True
    return np.flatnonzero(matters)
