"""Stretches without a new frame: found, counted, and passed on to what people read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import fakes
from support.journals import Clock, begin, frame
from support.timelines import timeline

from seqcls.adaptive import SamplingOptions
from seqcls.exports import read_run, write_run
from seqcls.journal import read_journal
from seqcls.pauses import pauses, with_pauses
from seqcls.reprocess import replay
from seqcls.timeline import Timeline
from seqcls.types import Frame, Gap

LINE = "no new frame for 5.1 s after the frame at 0.50 s: until the next one its state is taken"


def later(row: str, *holes: tuple[int, float]) -> Timeline:
    """Frames at 10 Hz; from each of some frames on everything comes so much later."""
    made = timeline(liver=row)
    time_s = made.scores.time_s.copy()
    for first, by_s in holes:
        time_s[first:] += by_s
    return replace(made, scores=replace(made.scores, time_s=time_s), end_s=float(time_s[-1]) + 0.1)


def test_a_frame_is_long_by_seconds_and_by_the_usual_duration() -> None:
    assert pauses(later("P" * 20, (6, 5.0)).scores, ()) == [(pytest.approx(0.5), pytest.approx(5.6))]
    assert pauses(later("P" * 20, (6, 0.8)).scores, ()) == []  # 0.9 s
    slow = later("P" * 20).scores  # one frame every 2 s: 10 s are five times as long, and no more than that
    for step_s, count in ((9.9, 0), (10.1, 1)):
        time_s = 2.0 * np.arange(20)
        time_s[6:] += step_s - 2
        held = replace(slow, time_s=time_s, duration_s=np.full(20, 2.0))
        assert len(pauses(held, ())) == count
    last = later("P" * 20).scores
    last.duration_s[-1] = 5.0
    assert pauses(last, ()) == [(pytest.approx(1.9), pytest.approx(6.9))]
    assert pauses(timeline(liver="P").scores, ()) == []


def test_what_is_unknown_is_no_pause() -> None:
    assert pauses(later("PPPPP?PPPPPPP", (6, 5.0)).scores, ()) == []
    scores = later("P" * 20, (6, 5.0)).scores
    assert pauses(scores, (Gap(0.6, 5.6, "lost"),)) == []
    assert pauses(scores, (Gap(2.5, 5.6, "lost"),)) == [(pytest.approx(0.5), 2.5)]


def test_one_line_says_how_many_and_the_longest() -> None:
    scores = later("P" * 20, (6, 5.0), (10, 2.0), (15, 7.0)).scores
    [line] = with_pauses((), scores, ())
    assert "in 3 places, the longest 7.1 s after the frame at 8.40 s" in line
    assert with_pauses(("other", line), scores, ()) == ("other", line)


@pytest.mark.parametrize("kind", ["every", "adaptive"])
def test_a_clip_with_a_hole_warns(kind: str) -> None:
    clip = [replace(f, time_s=f.time_s + 5 * (f.index >= 6)) for f in fakes.frames([0.9] * 20) if isinstance(f, Frame)]
    detector = replace(fakes.detector(("liver",)), sampling=SamplingOptions(kind=kind))  # type: ignore[arg-type]
    assert LINE in detector.analyze(clip).warnings


def test_a_journal_and_a_replay_warn_once(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        for i in range(20):
            one = frame(i, liver=0.9)
            writer.write(replace(one, time_s=one.time_s + 5 * (i >= 6)))
    found = read_journal(tmp_path / "j").timeline()
    assert found.warnings == (LINE,)
    write_run(found, tmp_path / "run")
    assert LINE in (tmp_path / "run" / "intervals.csv").read_text()
    again = replay(read_run(tmp_path / "run"))
    assert again.warnings == (LINE,) and replay(replace(again, warnings=())).warnings == (LINE,)
