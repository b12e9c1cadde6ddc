"""A day of scores gone through at once: the very timeline that the run gave frame by frame."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import fakes
from support.journals import (
    SMOOTHERS,
    SOURCE,
    Clock,
    FrameByFrame,
    begin,
    entries_of,
    equal_tables,
    exactly,
    frame,
    made_by,
    records_of,
)

from seqcls import analysis
from seqcls.errors import NoFramesError, UsageError
from seqcls.intervals import IntervalOptions, intervals_from_events
from seqcls.journal import (
    Journal,
    RunSummary,
    create_journal,
    read_journal,
    resume,
)
from seqcls.postprocess import PostProcess
from seqcls.smoothing import SmoothingOptions
from seqcls.timeline import VideoPart
from seqcls.types import TIME_TOLERANCE_S, Event, Frame, FrameCounts, FrameScore, Gap, ScoreTable

CHOICES = [
    *SMOOTHERS,
    SmoothingOptions(kind="mean", window_s=0.5, look_ahead_s=0.0),
    SmoothingOptions(kind="mean", window_s=0.5, look_ahead_s=0.5),
    SmoothingOptions(kind="median", window_s=0.0, look_ahead_s=0.0),
    SmoothingOptions(kind="mean", window_s=3.0, look_ahead_s=1.0),
]


INTERVALS = [
    IntervalOptions(),
    IntervalOptions(pad_s=0.2),
    IntervalOptions(min_absent_s=0.0, min_present_s=0.0, onset=0.5, offset=0.5),
    IntervalOptions(min_absent_s=1.0, min_present_s=0.6, onset=0.9, offset=0.0),
]


def items_of(rng: random.Random, organs: int, backwards: bool) -> list[FrameScore | Gap]:
    """Moods of presence and absence, frames that cannot be judged, scores that are no numbers, gaps that overlap."""
    items: list[FrameScore | Gap] = []
    time_s, index = rng.choice([0.0, 0.7]), 0
    while len(items) < 250:
        mood = rng.choice(["high", "low", "between", "fast", "exact", "blind", "blink", "nan", "gap", "drop", "back"])
        if mood == "gap":
            end_s = time_s + rng.choice([0.0, 0.1, 0.3, 4.0])
            items.append(Gap(time_s, end_s, rng.choice(["stalled", "lost"])))
            time_s = time_s if rng.random() < 0.2 else end_s
        elif mood == "drop":
            index = max(0, index + rng.randint(-3, 9))
        elif mood == "back" and backwards:
            time_s = max(0.0, time_s - rng.choice([0.05, 2.0]))
        for _ in range(1 if mood in ("blink", "nan", "gap", "drop", "back") else rng.randint(1, 40)):
            level = {"high": 0.9, "low": 0.1, "between": 0.45, "exact": 0.5}.get(mood, rng.random())
            scores = None
            if mood not in ("blind", "blink") or rng.random() < 0.1:
                scores = np.array([level + (mood != "exact") * rng.uniform(0, 0.05) for _ in range(organs)], np.float32)
                if mood == "nan":
                    scores[rng.randrange(organs)] = np.nan
            reason = "" if scores is not None else rng.choice(["black", "frozen"])
            measured = rng.random() > 0.05
            items.append(FrameScore(index, time_s, rng.choice([0.1, 1 / 30]), scores, reason, measured))
            index += 1
            time_s += rng.choice([0.0, 0.1, 1 / 30, TIME_TOLERANCE_S / 2, 0.1, 0.25])
    return items


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Torn at the end, bits flipped, lines lost, doubled and in another order; the first is left whole."""
    first, *lines = data.splitlines(keepends=True)
    for _ in range(rng.choice([0, 0, 1, 6])):
        at = rng.randrange(len(lines))
        what = rng.choice(["flip", "lose", "double", "swap"])
        if what == "flip":
            line = bytearray(lines[at])
            line[rng.randrange(len(line))] ^= 1 << rng.randrange(8)
            lines[at] = bytes(line)
        elif what == "lose":
            del lines[at : at + rng.choice([1, 1, 30])]
        elif what == "double":
            lines.insert(at, lines[at])
        else:
            lines[at - 1], lines[at] = lines[at], lines[at - 1]
    whole = first + b"".join(lines)
    return whole if rng.random() < 0.5 else whole[: rng.randrange(len(first), len(whole) + 1)]


def frame_by_frame(
    journal: Journal, smoothing: SmoothingOptions, options: list[IntervalOptions]
) -> tuple[str, ScoreTable]:
    run = FrameByFrame(journal, smoothing, options)
    end_s = run.end_s if journal.closed is None else max(run.end_s, journal.closed.end_s)
    events: list[Event] = [*run.events, *run.process.close(end_s)]
    table = run.process.table()
    found = intervals_from_events(events, table, end_s)
    said = (found, run.start_s, end_s, list(run.gaps), run.frame_counts, run.next_index, run.seen_s)
    return str(said), table


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32), organs=st.integers(1, 3), backwards=st.booleans(),
    smoothing=st.sampled_from(CHOICES), options=st.sampled_from(INTERVALS),
)  # fmt: skip
def test_at_once_is_as_frame_by_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, organs: int, backwards: bool,
    smoothing: SmoothingOptions, options: IntervalOptions,
) -> None:  # fmt: skip
    rng = random.Random(seed)
    monkeypatch.setattr("seqcls.smoothing._CELLS", rng.choice([20, 1 << 20]))
    path, clock, every = tmp_path / "j", Clock(), [options] * organs
    path.unlink(missing_ok=True)
    names = tuple("abc"[:organs])
    with create_journal(
        path, organs=names, source=SOURCE, provenance=made_by(smoothing, every),
        monotonic=clock.monotonic, wall=clock.wall,
    ) as writer:  # fmt: skip
        for item in items_of(rng, organs, backwards):
            clock.now_s += 0.03
            writer.write(item)
            if rng.random() < 0.05:
                writer.write(Event("a", "present", 0.0, 0, 0.1))
    path.write_bytes(damaged(path.read_bytes(), rng))
    if rng.random() < 0.3:
        clock.now_s += 20.0
        resume(path, monotonic=clock.monotonic, wall=clock.wall).writer.close()
    journal = read_journal(path)
    try:
        timeline = journal.timeline()
    except NoFramesError:
        return
    said, table = frame_by_frame(journal, smoothing, every)
    run = timeline.start_s, timeline.end_s, list(timeline.report.gaps), timeline.frame_counts
    assert str((timeline.intervals, *run, journal.next_index, journal.seen_s)) == said
    equal_tables(timeline.scores, table)
    assert journal.count == len(entries_of(path))


def test_reading_says_how_far_it_is(tmp_path: Path) -> None:
    clock = Clock()
    with create_journal(
        tmp_path / "j", organs=("a",), source=SOURCE, provenance=made_by(intervals=[IntervalOptions()]),
        monotonic=clock.monotonic, wall=clock.wall,
    ) as writer:  # fmt: skip
        for i in range(3000):
            writer.write(FrameScore(i, i / 10, 0.1, np.array([0.5], np.float32)), Event("a", "absent", 0.0, 0, 0.0))
    said: list[tuple[int, int]] = []
    read_journal(tmp_path / "j", lambda done, size: said.append((done, size)))
    size = (tmp_path / "j").stat().st_size
    assert said[-1] == (size, size) and said == sorted(said) and len({done for done, _ in said}) > 5


def test_a_clock_that_falls_back_far_does_not_empty_what_resume_goes_by(tmp_path: Path) -> None:
    clock = Clock()
    with create_journal(
        tmp_path / "j", organs=("a",), source=SOURCE, provenance=made_by(intervals=[IntervalOptions()]),
        monotonic=clock.monotonic, wall=clock.wall,
    ) as writer:  # fmt: skip
        writer.write(*(FrameScore(i, t, 0.1, np.array([0.9], np.float32)) for i, t in enumerate([0.0, 5000.0, 1.0])))
    resumed = resume(tmp_path / "j", monotonic=clock.monotonic, wall=clock.wall)
    resumed.writer.close()
    assert resumed.journal.end_s == pytest.approx(5000.1) and resumed.journal.next_index == 3
    assert [exactly(r) for r in records_of(tmp_path / "j")][1:4]


@pytest.mark.parametrize("smoothing", SMOOTHERS, ids=lambda o: o.kind)
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "torn"])
def test_a_run_and_its_journal_give_the_same_timeline(
    smoothing: SmoothingOptions, closed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = begin(tmp_path / "j", Clock(), smoothing)

    class Journalled(PostProcess):
        def push(self, item: FrameScore | Gap) -> Iterator[Event]:
            writer.write(item)
            for event in super().push(item):
                writer.write(event)
                yield event

    monkeypatch.setattr(analysis, "PostProcess", Journalled)
    levels = [0.9 if c == "P" else None if c == "?" else 0.1 for c in "..PPPP?PPPP......P..PPPP..????...PPPPPPP"]
    live = fakes.detector(smoothing=smoothing).analyze(_with_gap(fakes.frames(levels)))
    if closed:
        writer.finish(
            RunSummary(
                end_s=live.end_s,
                frame_counts=live.frame_counts,
                verdict=live.report.verdict,
                reasons=live.report.reasons,
                warnings=live.warnings,
                regions=live.provenance.regions,
                latency_ms=(1.5, 2.0, math.nan),
            )
        )
    writer.close()
    again = read_journal(tmp_path / "j").timeline()
    assert str(again.intervals) == str(live.intervals) and again.gaps == live.gaps
    assert (again.start_s, again.end_s, again.coverage, again.frame_counts) == (
        live.start_s,
        live.end_s,
        live.coverage,
        live.frame_counts,
    )
    assert again.report.gaps == live.report.gaps and again.organs == live.organs and again.warnings == live.warnings
    equal_tables(again.scores, live.scores)
    if closed:
        assert again.report == live.report and again.provenance.regions == live.provenance.regions
        assert str(again.provenance.latency_ms) == "(1.5, 2.0, nan)"
    else:
        assert again.report.verdict == "truncated" and "without being closed" in again.report.reasons[0]


def _with_gap(frames: Iterator[Frame | Gap]) -> Iterator[Frame | Gap]:
    for item in frames:
        assert isinstance(item, Frame)
        if item.index == 12:
            yield Gap(1.2, 2.2, "lost")
        yield replace(item, time_s=item.time_s + (item.index >= 12))


def test_other_options_give_another_timeline(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        writer.write(*(frame(i, liver=0.6 if 5 <= i < 15 else 0.1) for i in range(20)))
    journal = read_journal(tmp_path / "j")
    assert [(i.start_s, i.end_s) for i in journal.timeline().of("liver", "present")] == [(0.5, 1.5)]
    stricter = journal.timeline(intervals=[IntervalOptions(onset=0.7)] * 2)
    assert stricter.of("liver", "present") == () and stricter.provenance.intervals[0].onset == 0.7
    smoother = journal.timeline(SmoothingOptions(kind="mean", window_s=4, look_ahead_s=2))
    assert smoother.of("liver", "present") == () and smoother.provenance.smoothing.window_s == 4
    with pytest.raises(UsageError, match="2 organs need"):
        journal.timeline(intervals=[IntervalOptions()])


def test_numbers_that_frames_skip_were_dropped(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        writer.write(frame(0), frame(3), frame(4, reason="black"))
    frame_counts = read_journal(tmp_path / "j").timeline().frame_counts
    assert frame_counts == FrameCounts(received=5, classified=2, dropped=2, rejected=1) and frame_counts.balanced


def test_nothing_recorded_is_said(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        writer.state("connecting")
    with pytest.raises(NoFramesError, match="before the first frame"):
        read_journal(tmp_path / "j").timeline()


@pytest.mark.parametrize(
    ("acts", "frames", "paused"),
    [
        ([], [(5.0, "")], False),
        ([("pause", 3.0)], [(2.9, "")], True),
        ([("pause", 3.0)], [(3.2, "")], True),  # it had come before
        ([("pause", 3.0)], [(2.9, ""), (3.1, "paused")], True),
        ([("pause", 3.0), ("continue", 4.0)], [(3.9, "paused")], False),  # decided after it
        ([("pause", 3.0), ("continue", 4.0)], [(3.9, "paused"), (4.1, "")], False),
        ([("mark", 2.0)], [(2.9, ""), (3.1, "paused")], True),  # a full disk took no pause
        ([("pause", 3.0)], [(3.1, "paused"), (9.0, "black")], False),  # nor that it ended
    ],
)
def test_whether_a_run_was_paused_when_it_ended(
    tmp_path: Path, acts: list[tuple[str, float]], frames: list[tuple[float, str]], paused: bool
) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        for act, time_s in acts:
            writer.action(act, time_s)
        for index, (time_s, reason) in enumerate(frames):
            writer.write(frame(index, time_s, reason=reason))
    assert read_journal(tmp_path / "j").paused is paused
    clock = Clock(20.0)
    resumed = resume(tmp_path / "j", monotonic=clock.monotonic, wall=clock.wall)
    resumed.writer.close()
    assert resumed.journal.paused is paused, "the gap changes nothing"


def test_a_run_knows_its_videos_whatever_ends_it(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        assert writer.takes_more and writer.video("feed.mp4", 0.25)
        writer.write(frame(0))
        assert writer.video("clips/liver-00-00-03.000.mp4", 1.0, "liver")
    assert not writer.takes_more
    assert read_journal(tmp_path / "j").timeline().provenance.videos == (
        VideoPart("feed.mp4", 0.25), VideoPart("clips/liver-00-00-03.000.mp4", 1.0, "liver"),
    )  # fmt: skip
