"""At once as frame by frame; replay with other options and with the same."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.fakes import detector, frames
from support.journals import OFF, SMOOTHERS, exactly, moods
from support.random_runs import random_options, random_run
from support.scored import EVERY, ORGANS, Item, frame, raw_of
from support.timelines import timeline

from seqcls import reprocess as module
from seqcls.errors import UsageError
from seqcls.exports import read_run, write_run
from seqcls.intervals import IntervalBuilder, IntervalOptions, intervals_from_events
from seqcls.postprocess import PostProcess, RawScores
from seqcls.reprocess import catch_up, post_process, present_spans, raw_scores, replay
from seqcls.smoothing import SmoothingOptions, open_smoother
from seqcls.types import TIME_TOLERANCE_S, FrameScore, Gap

INTERVALS = [
    IntervalOptions(),
    IntervalOptions(pad_s=0.5),
    IntervalOptions(min_absent_s=1.0, min_present_s=0.0, onset=0.6, offset=0.2),
    IntervalOptions(min_absent_s=0.0, min_present_s=0.8, onset=0.5, offset=0.5, pad_s=0.2),
]


def test_scores_and_intervals_at_once_by_hand() -> None:
    times_and_scores = [(0.0, 0.0), (0.1, 0.6), (0.2, 0.9), (0.5, 0.9), (0.6, 0.9), (0.7, 0.3)]
    items: list[Item] = [frame(i, t, s, 0.0) for i, (t, s) in enumerate(times_and_scores)]
    items.insert(3, Gap(0.3, 0.5, "lost"))
    smoothing = SmoothingOptions(kind="mean", window_s=0.2, look_ahead_s=0.1)
    scores, found = post_process(raw_of(items), smoothing, [IntervalOptions(min_present_s=0.1)] * 2, 0.8)
    assert scores.smooth[:, 0].tolist() == pytest.approx([0.3, 0.5, 0.75, 0.9, 0.7, 0.6])
    assert scores.raw[:, 0].tolist() == pytest.approx([0.0, 0.6, 0.9, 0.9, 0.9, 0.3])
    assert [(i.organ, i.state, i.start_s, i.end_s, i.start_index, i.end_index) for i in found] == [
        ("liver", "absent", 0.0, 0.1, 0, 0),
        ("liver", "present", 0.1, 0.3, 1, 2),
        ("liver", "unknown", 0.3, 0.5, -1, -1),
        ("liver", "present", 0.5, 0.8, 3, 5),
        ("kidney", "absent", 0.0, 0.3, 0, 2),
        ("kidney", "unknown", 0.3, 0.5, -1, -1),
        ("kidney", "absent", 0.5, 0.8, 3, 5),
    ]


def test_a_run_without_scores_at_once() -> None:
    items: list[Item] = [frame(0, 0.0, reason="black"), Gap(0.1, 0.5, "lost")]
    for smoothing in SMOOTHERS:
        scores, found = post_process(raw_of(items), smoothing, EVERY, 0.5)
        assert np.isnan(scores.smooth).all() and scores.smooth.shape == (1, 2)
        assert [(i.state, i.reason, i.start_s, i.end_s) for i in found[:2]] == [
            ("unknown", "black", 0.0, 0.1),
            ("unknown", "lost", 0.1, 0.5),
        ]


@pytest.mark.parametrize("seed", range(3))
def test_presences_of_smoothed_scores_are_those_of_a_replay(seed: int) -> None:
    run = random_run(seed)
    smoothing, intervals = random_options(seed, len(run.organs))
    again, raw = replay(run, smoothing, intervals), raw_scores(run)
    for column, organ in enumerate(run.organs):
        smooth = again.scores.smooth[:, column]
        spans = present_spans(raw.table(), raw.gaps, smooth, intervals[column], run.end_s)
        assert spans == tuple((i.start_s, i.end_s) for i in again.of(organ, "present"))


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Item], float]:
    """Frames and gaps; some times are equal, some frames have no duration, and now and then time runs back."""
    steps = [0.0, 5e-7, 0.04, 0.1, 0.4] + [-0.2] * draw(st.booleans())
    kinds = draw(st.lists(st.sampled_from(["scored", "scored", "scored", "unscored", "gap"]), min_size=1, max_size=25))
    items: list[Item] = []
    time_s = end_s = 0.0
    for index, kind in enumerate(kinds):
        length_s = draw(st.sampled_from(steps))
        if kind == "gap":
            items.append(Gap(time_s, time_s + abs(length_s), "lost"))
        elif kind == "unscored":
            items.append(frame(index, time_s, reason=draw(st.sampled_from(["black", "frozen"]))))
        else:
            items.append(frame(index, time_s, *draw(st.tuples(*[st.sampled_from([0.0, 0.1, 0.4, 0.6, 0.9])] * 2))))
        time_s = max(0.0, time_s + length_s)
        end_s = max(end_s, time_s)
    return items, end_s


PAIRS = [
    [IntervalOptions(), IntervalOptions(min_present_s=0.0, min_absent_s=0.0)],
    [IntervalOptions(pad_s=0.1, min_absent_s=0.04), IntervalOptions(onset=0.4, offset=0.4, pad_s=0.3)],
]


@settings(max_examples=150, deadline=None)
@given(case=runs(), smoothing=st.sampled_from(SMOOTHERS), intervals=st.sampled_from(PAIRS))
def test_at_once_is_as_frame_by_frame(
    case: tuple[list[Item], float], smoothing: SmoothingOptions, intervals: list[IntervalOptions]
) -> None:
    items, end_s = case
    process = PostProcess(ORGANS, smoothing, intervals)
    events = [event for item in items for event in process.push(item)] + list(process.close(end_s))
    table = process.table()
    scores, found = post_process(raw_of(items), smoothing, intervals, end_s)
    assert str(found) == str(intervals_from_events(events, table, end_s))
    assert scores.smooth.tobytes() == table.smooth.tobytes() and scores.raw.tobytes() == table.raw.tobytes()
    for organ in ORGANS:
        own = [i for i in found if i.organ == organ]
        assert own[-1].end_s == end_s
        assert all(a.end_s == b.start_s for a, b in itertools.pairwise(own))


@pytest.mark.parametrize("smoothing", SMOOTHERS, ids=lambda o: o.kind)
def test_replay_with_the_same_options_gives_the_same_timeline(smoothing: SmoothingOptions, tmp_path: Path) -> None:
    before = timeline(
        liver="..PPPP?PPPP...m..P..PPP",
        kidney="PPP....?.......PPPP....",
        gaps=(Gap(1.5, 2.5, "lost"),),
        smoothing=smoothing,
    )
    write_run(before, tmp_path)
    after = replay(read_run(tmp_path), smoothing, [IntervalOptions()] * 2)
    assert str(after.intervals) == str(before.intervals) and after.gaps == before.gaps


def test_replay_follows_other_options() -> None:
    before = timeline(liver="..PP......PPPPPP..")
    assert len(before.of("liver", "present")) == 1
    after = replay(before, OFF, [IntervalOptions(min_present_s=0.1)])
    assert [(i.start_s, i.end_s) for i in after.of("liver", "present")] == [(0.2, 0.4), (1.0, 1.6)]
    assert after.provenance.intervals[0].min_present_s == 0.1
    assert before.provenance.intervals[0].min_present_s == 0.3
    stricter = replay(after, OFF, [IntervalOptions(onset=0.95)])
    assert stricter.of("liver", "present") == ()


def test_replay_starts_from_the_raw_scores() -> None:
    smooth = SmoothingOptions(kind="mean", window_s=0.6, look_ahead_s=0.3)
    before = timeline(liver="....PPPPPP....", smoothing=smooth)
    once = replay(before, OFF, [IntervalOptions()])
    assert once.scores.smooth.tolist() == before.scores.raw.tolist()
    assert str(replay(once, smooth, [IntervalOptions()]).intervals) == str(before.intervals)


def test_replay_takes_what_is_not_stated_from_the_run() -> None:
    made = detector().analyze(frames([0.1] * 5 + [0.9] * 6 + [0.1] * 4))
    assert replay(made).intervals == made.intervals
    stricter = replay(made, intervals=IntervalOptions(onset=0.95))
    assert stricter.of("liver", "present") == () and stricter.provenance.smoothing == made.provenance.smoothing
    assert [options.onset for options in stricter.provenance.intervals] == [0.95, 0.95]
    with pytest.raises(UsageError, match="2 organs need as many interval options, not 1"):
        replay(made, intervals=[IntervalOptions()])


@pytest.mark.parametrize("smoothing", SMOOTHERS, ids=lambda s: s.kind)
def test_catching_up_on_a_few_items(smoothing: SmoothingOptions) -> None:
    """With gaps at the start, in a row and at the end; with frames of one time, without scores and not measured."""
    options = [IntervalOptions(min_present_s=0.1), IntervalOptions(min_present_s=0.1, pad_s=0.1)]
    high, low, none = np.float32([0.9, 0.1]), np.float32([0.1, 0.9]), None
    cells: list[tuple[float, NDArray[np.float32] | None, str]] = [
        (0.2, high, ""), (0.3, high, ""), (0.4, none, "black"), (0.9, low, ""), (1.0, low, ""), (1.0, high, ""),
        (1.1, high, ""), (1.6, low, ""), (1.7, none, "frozen"), (1.8, low, ""),
    ]  # fmt: skip
    items: list[Item] = [
        FrameScore(index, time_s, 0.1 + index / 100, scores, reason, index % 3 != 1)
        for index, (time_s, scores, reason) in enumerate(cells)
    ]
    items[3:3] = [Gap(0.4, 0.5, "lost"), Gap(0.5, 0.9, "stalled")]
    items = [Gap(0.0, 0.2, "late"), *items, Gap(1.9, 2.0, "end")]
    for cut in range(len(items) + 1):
        whole, raw = PostProcess(ORGANS, smoothing, options, keep=False), raw_of(items[:cut])
        emitted = [(number, event) for number, item in enumerate(items[:cut]) for event in whole.push(item)]
        process, events = catch_up(raw, smoothing, options)
        assert events == emitted, cut
        assert process.latest is whole.latest or exactly(process.latest) == exactly(whole.latest)
        for item in items[cut:]:
            assert list(process.push(item)) == list(whole.push(item)), cut
        assert list(process.close(2.0)) == list(whole.close(2.0)), cut
        with pytest.raises(AssertionError, match="keeps no scores"):
            process.table()


@pytest.mark.parametrize("row", ["PP???P???PPPP", "PP???P???.", "PP???P???", ".??PP??P", "PPP??PP???..PP"])
@pytest.mark.parametrize("pad_s", [0.0, 0.1])
def test_catching_up_while_short_presences_wait(row: str, pad_s: float) -> None:
    """Cut anywhere: what is seen later decides on them just the same."""
    options = [IntervalOptions(pad_s=pad_s)] * 2
    levels = {"P": (0.9, 0.1), ".": (0.1, 0.9)}
    items: list[Item] = [
        frame(i, i / 10, reason="black") if c == "?" else frame(i, i / 10, *levels[c]) for i, c in enumerate(row)
    ]
    for cut in range(len(items) + 1):
        whole = PostProcess(ORGANS, OFF, options, keep=False)
        emitted = [(number, event) for number, item in enumerate(items[:cut]) for event in whole.push(item)]
        process, events = catch_up(raw_of(items[:cut]), OFF, options)
        assert events == emitted
        rest = [event for item in items[cut:] for event in whole.push(item)] + list(whole.close(len(row) / 10))
        again = [event for item in items[cut:] for event in process.push(item)] + list(process.close(len(row) / 10))
        assert again == rest, cut


@pytest.mark.parametrize("options", INTERVALS, ids=["default", "padded", "long absences", "long presences"])
@pytest.mark.parametrize(
    "smoothing", [*SMOOTHERS, SmoothingOptions(kind="mean", window_s=0.5, look_ahead_s=0.0)], ids=lambda s: s.kind
)
def test_catching_up_is_taking_every_item(smoothing: SmoothingOptions, options: IntervalOptions) -> None:
    """From any point on: the same events as soon, and afterwards the same state."""
    for seed in range(6):
        rng = random.Random(seed)
        items = moods(rng, 300)
        cut = rng.randrange(len(items) + 1) if seed else 0
        whole, raw = PostProcess(ORGANS, smoothing, [options] * 2, keep=False), RawScores(ORGANS)
        emitted = []
        for number, item in enumerate(items[:cut]):
            raw.add(item)
            emitted += [(number, event) for event in whole.push(item)]
        process, events = catch_up(raw, smoothing, [options] * 2)
        assert events == emitted, seed
        for item in items[cut:]:
            assert list(process.push(item)) == list(whole.push(item)), seed
            assert process.latest is whole.latest or exactly(process.latest) == exactly(whole.latest)
        assert list(process.close(1000.0)) == list(whole.close(1000.0)), seed


@pytest.mark.parametrize("smoothing", SMOOTHERS, ids=lambda o: o.kind)
def test_at_once_looks_at_few_frames(smoothing: SmoothingOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where times do not run back: two frames and a gap may have the same time, and a gap may be the last item."""
    items: list[Item] = [frame(i, max(i, 1) / 10, 0.9 if 100 <= i < 200 else 0.1, 0.1) for i in range(400)]
    raw = raw_of([*items[:300], Gap(30.0, 30.0, "late"), *items[300:], Gap(39.9, 42.0, "end")])
    pushed, by_frame = [], []
    push, kind = IntervalBuilder.push, type(open_smoother(smoothing))
    smooth = kind.push
    monkeypatch.setattr(IntervalBuilder, "push", lambda builder, *row: (pushed.append(row), push(builder, *row))[1])
    monkeypatch.setattr(kind, "push", lambda smoother, item: (by_frame.append(item), smooth(smoother, item))[1])
    _, found = post_process(raw, smoothing, EVERY, 42.0)
    assert [i.state for i in found if i.organ == "liver"] == ["absent", "present", "absent", "absent", "unknown"]
    assert len(pushed) < 100
    assert len(by_frame) == len(raw) if smoothing.kind in ("exponential", "hmm") else len(by_frame) < 10


@pytest.mark.parametrize("smoothing", SMOOTHERS[:3], ids=lambda o: o.kind)
def test_catching_up_looks_at_few_frames(smoothing: SmoothingOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of frames: seconds rather than minutes. Two of them have the same time, and there are gaps."""
    raw = RawScores(ORGANS)
    for index in range(5000):
        raw.add(frame(index, max(index, 1) / 10, 0.9 if index % 1000 < 500 else 0.1, 0.1))
    for gap in (Gap(500.0, 501.0, "late"), Gap(502.0, 503.0, "late")):
        raw.add(gap)
    pushed, smoothed = [], []
    push, kind = IntervalBuilder.push, type(open_smoother(smoothing))
    smooth = kind.push
    monkeypatch.setattr(IntervalBuilder, "push", lambda builder, *row: (pushed.append(row), push(builder, *row))[1])
    monkeypatch.setattr(kind, "push", lambda smoother, item: (smoothed.append(item), smooth(smoother, item))[1])
    _, events = catch_up(raw, smoothing, [IntervalOptions()] * 2)
    assert [event.state for _, event in events if event.organ == "liver"][:10] == ["present", "absent"] * 5
    assert len(pushed) < 200 and len(smoothed) < 10


def rows_that_matter(scores: list[float], gaps: Sequence[tuple[int, Gap]] = (), **options: float) -> list[int]:
    """Of frames a second apart; present from 0.6 on, absent below 0.4."""
    own = IntervalOptions(onset=0.6, offset=0.4, **options)
    found = module._rows_that_matter(np.array(scores), np.arange(len(scores), dtype=float), gaps, own)
    return found.tolist()


def test_rows_matter_where_the_score_crosses_a_threshold_or_is_missing() -> None:
    """And the row after each of them, the first row and the last one."""
    scores = [s for s in (0.1, 0.4, 0.5, 0.6, 0.9, math.nan, 0.9) for _ in range(4)]
    at_once = {"min_present_s": 0.0, "min_absent_s": 0.0}
    assert rows_that_matter(scores, **at_once) == [0, 1, 4, 5, 12, 13, 20, 21, 22, 23, 24, 25, 27]
    assert rows_that_matter([0.5] * 4 + [math.nan] * 2 + [0.5] * 4, **at_once) == [0, 1, 4, 5, 6, 7, 9]
    assert rows_that_matter([], **at_once) == []


def test_rows_matter_when_something_becomes_certain() -> None:
    """5 and 10 s after the first row, a presence's first (20) and the first after it (25)."""
    scores = [0.1] * 20 + [0.9] * 5 + [0.1] * 35
    certain = {"min_present_s": 5.0, "min_absent_s": 10.0}
    assert rows_that_matter(scores, **certain) == [0, 1, 5, 6, 10, 11, 20, 21, 25, 26, 30, 31, 35, 36, 59]
    # With a padding of 1 s also 1 s before, 1 and 2 s after them, and the last 4 s; with one of 2 s the double.
    nearer = [0, 1, 2, 3, 5, 6, 10, 11, *range(19, 29), 30, 31, 35, 36, *range(55, 60)]
    assert rows_that_matter(scores, pad_s=1.0, **certain) == nearer
    first, presence = [0, 1, 2, 3, 4, 5, 6, 10, 11], [*range(18, 32), 35, 36]
    assert rows_that_matter(scores, pad_s=2.0, **certain) == [*first, *presence, *range(51, 60)]


def test_rows_matter_beside_gaps() -> None:
    certain = {"min_present_s": 5.0, "min_absent_s": 10.0}
    first = [0, 1, 5, 6, 10, 11]
    gap = (20, Gap(19.5, 20.0, "lost"))
    assert rows_that_matter([0.1] * 40, [gap], **certain) == [*first, 19, 20, 21, 24, 25, 26, 29, 30, 31, 39]
    # To the builder the frames from 20 on are 30 s or later, all those up to 30 s at once.
    late = (20, Gap(18.0, 30.0, "late"))
    assert rows_that_matter([0.1] * 40, [late], **certain) == [*first, *range(18, 32), 35, 36, 39]
    ends = [(0, Gap(0.0, 0.0, "late")), (12, Gap(11.0, 30.0, "end"))]
    assert rows_that_matter([0.1] * 12, ends, **certain) == [0, 1, 5, 6, 10, 11]


def test_catching_up_where_time_runs_back() -> None:
    items = [
        frame(0, 0.0, 0.9, 0.1),
        frame(1, 5.0, 0.9, 0.1),
        frame(2, 1.0, 0.9, 0.1),
        Gap(1.1, 9.0, "lost"),
        frame(3, 2.0, 0.1, 0.1),
    ]
    whole, raw = PostProcess(ORGANS, SMOOTHERS[2], [IntervalOptions()] * 2), RawScores(ORGANS)
    emitted = []
    for number, item in enumerate(items):
        raw.add(item)
        emitted += [(number, event) for event in whole.push(item)]
    process, events = catch_up(raw, SMOOTHERS[2], [IntervalOptions()] * 2)
    assert events == emitted and list(process.close(9.0)) == list(whole.close(9.0))


@pytest.mark.parametrize(("second_s", "number"), [(0.1 + TIME_TOLERANCE_S, 2), (0.1 + 2 * TIME_TOLERANCE_S, 1)])
def test_a_frame_waits_until_look_ahead_and_tolerance_have_passed(second_s: float, number: int) -> None:
    """The first frame's event comes with the item behind them, frame by frame and at once."""
    items: list[Item] = [frame(i, time_s, 0.1, 0.1) for i, time_s in enumerate((0.0, second_s, 0.5))]
    smoothing = SmoothingOptions(kind="mean", window_s=0.2, look_ahead_s=0.1)
    process = PostProcess(ORGANS, smoothing, EVERY, keep=False)
    assert [at for at, item in enumerate(items) for _ in process.push(item)] == [number] * 2
    assert [at for at, _ in catch_up(raw_of(items), smoothing, EVERY)[1]] == [number] * 2


def test_replay_says_what_it_was_made_with_and_keeps_the_rest() -> None:
    before = timeline(liver="PPPP..", kidney="......")
    smooth = SmoothingOptions(kind="median", window_s=0.2, look_ahead_s=0.1)
    after = replay(before, smooth, [IntervalOptions(), IntervalOptions(onset=0.9)])
    assert after.provenance.smoothing == smooth
    assert [own.onset for own in after.provenance.intervals] == [0.5, 0.9]
    assert (after.source, after.end_s, after.report) == (before.source, before.end_s, before.report)
    measured = np.arange(6) != 2
    partly = replace(before, scores=replace(before.scores, measured=measured))
    assert replay(partly).scores.measured.tolist() == measured.tolist()


def test_replay_finds_anew_what_could_not_be_scored() -> None:
    """Bridged where the presences on both sides are near enough."""
    before = timeline(liver="PPPP", gaps=(Gap(0.2, 0.9, "lost"),))
    assert before.gaps == (Gap(0.2, 0.9, "lost"),)
    assert replay(before, OFF, [IntervalOptions(min_absent_s=1.0)]).gaps == ()


def test_replay_puts_gaps_before_the_first_frame_after_their_end() -> None:
    gaps = (Gap(0.0, 0.5, "late"), Gap(0.7, 1.0, "lost"), Gap(1.0, 1.2, "late"), Gap(1.4, 2.0, "end"))
    before = timeline(liver="..PP", gaps=gaps[:3])
    whole = replay(before, OFF, [IntervalOptions()])
    assert [(i.state, i.start_s, i.reason) for i in whole.intervals] == [
        ("unknown", 0.0, "late"),
        ("absent", 0.5, ""),
        ("unknown", 0.7, "lost"),
        ("unknown", 1.0, "late"),
        ("absent", 1.2, ""),
    ]
    assert whole.gaps == gaps[:3]
