"""Replay: the same scores, other options; and the same options, the same answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fakes import detector, frames
from support.timelines import OFF, timeline

from seqcls.errors import UsageError
from seqcls.exports import read_run, write_run
from seqcls.intervals import IntervalOptions
from seqcls.postprocess import replay
from seqcls.smoothing import SmoothingOptions
from seqcls.types import Gap

SMOOTHERS = [
    OFF,
    SmoothingOptions(kind="mean", window_s=0.3, look_ahead_s=0.15),
    SmoothingOptions(kind="median", window_s=0.4, look_ahead_s=0.1),
    SmoothingOptions(kind="exponential"),
    SmoothingOptions(kind="hmm"),
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
