"""A day of scores gone through at once: the very timeline that the run gave frame by frame."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.journals import SMOOTHERS, SOURCE, Clock, FrameByFrame, equal_tables, exactly, made_by

from seqcls.errors import NoFramesError
from seqcls.intervals import IntervalOptions, intervals_from_events
from seqcls.journal import Journal, create_journal, read_journal, read_recorded, resume, timeline_from_journal
from seqcls.journal.format import Frames, encode
from seqcls.smoothing import SmoothingOptions
from seqcls.types import TIME_TOLERANCE_S, Event, FrameScore, Gap, ScoreTable

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
    run = FrameByFrame(journal.opening, smoothing, options)
    for entry in journal.entries():
        run.take(entry)
    end_s = run.end_s if journal.closed is None else max(run.end_s, journal.closed.end_s)
    events: list[Event] = [*run.events, *run.process.close(end_s)]
    table = run.process.table()
    found = intervals_from_events(events, table, end_s)
    said = (found, run.start_s, end_s, list(run.gaps), run.frame_counts, run.next_index, run.seen_s)
    return str(said), table


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
        timeline = timeline_from_journal(journal)
    except NoFramesError:
        return
    said, table = frame_by_frame(journal, smoothing, every)
    again, run = read_recorded(path)
    assert (
        str(
            (
                timeline.intervals,
                timeline.start_s,
                timeline.end_s,
                list(timeline.report.gaps),
                timeline.frame_counts,
                run.next_index,
                run.seen_s,
            )
        )
        == said
    )
    equal_tables(timeline.scores, table)
    assert str(run.timeline(again)) == str(timeline) and again.damage == journal.damage
    assert journal.count == sum(1 for _ in journal.entries())


def test_frames_come_in_pieces_that_hold_what_the_lines_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.journal.reader._MAX_FRAMES", 7)
    clock = Clock()
    with create_journal(
        tmp_path / "j", organs=("a", "b"), source=SOURCE, provenance=made_by(),
        monotonic=clock.monotonic, wall=clock.wall,
    ) as writer:  # fmt: skip
        for i in range(20):
            clock.now_s = 1000 + i / 3
            writer.write(FrameScore(i, i / 3, 1 / 3, np.array([i / 20, 1e-5], np.float32)))
        writer.write(Event("a", "present", 0.0, 0, 0.1), FrameScore(20, 7.0, 0.1, np.array([1, 0], np.float32)))
    lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    sizes, back = [], []
    for block in read_journal(tmp_path / "j").blocks():
        sizes.append(len(block.index) if isinstance(block, Frames) else 0)
        back += list(block.entries()) if isinstance(block, Frames) else [block]
    assert sizes == [0, 7, 7, 6, 0, 1]
    assert [encode(entry.number, entry.at_s, entry.record) for entry in back[1:]] == lines[1:]


def test_reading_says_how_far_it_is(tmp_path: Path) -> None:
    clock = Clock()
    with create_journal(
        tmp_path / "j", organs=("a",), source=SOURCE, provenance=made_by(intervals=[IntervalOptions()]),
        monotonic=clock.monotonic, wall=clock.wall,
    ) as writer:  # fmt: skip
        for i in range(3000):
            writer.write(FrameScore(i, i / 10, 0.1, np.array([0.5], np.float32)), Event("a", "absent", 0.0, 0, 0.0))
    said: list[tuple[int, int]] = []
    journal, _ = read_recorded(tmp_path / "j", lambda done, size: said.append((done, size)))
    assert said[-1] == (journal.size, journal.size) and said == sorted(said) and len({done for done, _ in said}) > 5


def test_a_clock_that_falls_back_far_does_not_empty_what_resume_goes_by(tmp_path: Path) -> None:
    clock = Clock()
    with create_journal(
        tmp_path / "j", organs=("a",), source=SOURCE, provenance=made_by(intervals=[IntervalOptions()]),
        monotonic=clock.monotonic, wall=clock.wall,
    ) as writer:  # fmt: skip
        writer.write(*(FrameScore(i, t, 0.1, np.array([0.9], np.float32)) for i, t in enumerate([0.0, 5000.0, 1.0])))
    resumed = resume(tmp_path / "j", monotonic=clock.monotonic, wall=clock.wall)
    resumed.writer.close()
    assert resumed.end_s == pytest.approx(5000.1) and resumed.next_index == 3
    assert [exactly(r) for r in read_journal(tmp_path / "j")][1:4]
