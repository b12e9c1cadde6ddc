"""Replay: the same scores, other options; and the same options, the same answer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.fakes import detector, frames
from support.journals import OFF, ORGANS, SMOOTHERS, exactly, frame, moods
from support.timelines import timeline

from seqcls.errors import UsageError
from seqcls.exports import read_run, write_run
from seqcls.intervals import IntervalBuilder, IntervalOptions
from seqcls.postprocess import PostProcess, RawScores, catch_up, replay
from seqcls.smoothing import SmoothingOptions
from seqcls.types import Gap

INTERVALS = [
    IntervalOptions(),
    IntervalOptions(pad_s=0.5),
    IntervalOptions(min_absent_s=1.0, min_present_s=0.0, onset=0.6, offset=0.2),
    IntervalOptions(min_absent_s=0.0, min_present_s=0.8, onset=0.5, offset=0.5, pad_s=0.2),
]


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


def test_catching_up_looks_at_few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of frames: seconds rather than minutes."""
    raw, smoothing = RawScores(ORGANS), SMOOTHERS[1]
    for index in range(5000):
        raw.add(frame(index, liver=0.9 if index % 1000 < 500 else 0.1))
    pushed = []
    push = IntervalBuilder.push
    monkeypatch.setattr(IntervalBuilder, "push", lambda builder, *row: (pushed.append(row), push(builder, *row))[1])
    _, events = catch_up(raw, smoothing, [IntervalOptions()] * 2)
    assert len(events) == 11 and len(pushed) < 200


def test_catching_up_where_time_runs_back() -> None:
    items = [frame(0, 0.0), frame(1, 5.0), frame(2, 1.0), Gap(1.1, 9.0, "lost"), frame(3, 2.0, 0.1)]
    whole, raw = PostProcess(ORGANS, SMOOTHERS[2], [IntervalOptions()] * 2), RawScores(ORGANS)
    emitted = []
    for number, item in enumerate(items):
        raw.add(item)
        emitted += [(number, event) for event in whole.push(item)]
    process, events = catch_up(raw, SMOOTHERS[2], [IntervalOptions()] * 2)
    assert events == emitted and list(process.close(9.0)) == list(whole.close(9.0))
