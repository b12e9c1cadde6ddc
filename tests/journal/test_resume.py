"""Going on after kills and crashes: no record that was reported is lost, and the gap is marked."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.journals import (
    EVERY,
    OFF,
    ORGANS,
    SMOOTHERS,
    Clock,
    FrameByFrame,
    begin,
    equal_tables,
    frame,
    moods,
    records_of,
    write_frames,
)

from seqcls.errors import UsageError
from seqcls.intervals import intervals_from_events
from seqcls.journal import (
    NOT_RECORDED,
    Journal,
    Opening,
    Resume,
    RunSummary,
    read_journal,
    resume,
)
from seqcls.postprocess import PostProcess
from seqcls.smoothing import SmoothingOptions
from seqcls.types import FrameCounts, FrameScore, Gap

SESSIONS = r"""
import os, sys
sys.path.insert(0, "tests")
from support.journals import Clock, begin, frame
from seqcls.journal import resume
from pathlib import Path
path = Path(sys.argv[1])
for line in sys.stdin:
    number = int(line)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os.write(1, b"dead\n")
        continue
    os.write(1, b"%d\n" % os.getpid())
    clock = Clock(1000.0 * number)
    index, base_s = 0, 0.0
    if number == 0:
        writer = begin(path, clock)
    else:
        resumed = resume(path, session=str(number), monotonic=clock.monotonic, wall=clock.wall)
        writer, index, base_s = resumed.writer, resumed.journal.next_index, resumed.time_s
    for k in range(120):
        clock.now_s = 1000.0 * number + k / 10
        assert writer.write(frame(index + k, base_s + k / 10, 0.9 if k % 20 < 10 else 0.1))
        os.write(1, b"%d %d\n" % (number, index + k))
    os.read(0, 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_fifty_times(tmp_path: Path) -> None:
    """A process that says what it has written, killed at any moment; every session begins 1000 s after the last."""
    rng = random.Random(5)
    path = tmp_path / "run.journal"
    reported: list[tuple[int, int]] = []
    kills = 50
    with subprocess.Popen(
        [sys.executable, "-c", SESSIONS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        for number in range(kills):
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            pid = int(process.stdout.readline())
            for _ in range(rng.choice([0, 1, 5, 40]) if number else 3):
                reported.append(_pair(process.stdout.readline()))
            os.kill(pid, signal.SIGKILL)
            reported.extend(_pair(line) for line in iter(process.stdout.readline, "dead\n"))
        process.stdin.close()
    resumed = resume(path, session="last", monotonic=Clock(1000.0 * kills).monotonic, wall=Clock(1000.0 * kills).wall)
    resumed.writer.finish(
        RunSummary(end_s=resumed.journal.end_s, frame_counts=resumed.journal.frame_counts, verdict="complete")
    )
    _check_sessions(read_journal(path), reported, 1000.0 * kills)


def _pair(line: str) -> tuple[int, int]:
    number, index = line.split()
    return int(number), int(index)


def _check_sessions(journal: Journal, reported: list[tuple[int, int]], last_s: float) -> None:
    assert journal.damage.summary == "" and journal.closed is not None
    found: dict[str, list[FrameScore]] = {}
    begins_s = {"first": 0.0}
    for record in records_of(journal.path):
        if isinstance(record, (Opening, Resume)):
            found[record.session] = []
        if isinstance(record, Resume):
            begins_s[record.session] = record.time_s
            assert abs(record.time_s - (last_s if record.session == "last" else 1000.0 * int(record.session))) < 1e-4
        elif isinstance(record, FrameScore):
            found[list(found)[-1]].append(record)
    assert len(found) > 25 and list(found)[-1] == "last"
    for number, index in reported:
        assert index in [f.index for f in found["first" if number == 0 else str(number)]], "a record was lost"
    everything = [f for frames in found.values() for f in frames]
    assert [f.index for f in everything] == list(range(len(everything)))
    # What it must give, put together by hand.
    process, events, end_s = PostProcess(ORGANS, OFF, EVERY), [], 0.0
    for name, frames in found.items():
        base_s = begins_s[name]
        if base_s > end_s:
            events += process.push(Gap(end_s, base_s, NOT_RECORDED))
        end_s = base_s
        for k, item in enumerate(frames):
            assert item.time_s == base_s + k / 10
            events += process.push(item)
            end_s = item.time_s + item.duration_s
    events += process.close(end_s)
    timeline = journal.timeline()
    expected = intervals_from_events(events, process.table(), end_s)
    assert str(timeline.intervals) == str(expected)
    equal_tables(timeline.scores, process.table())
    assert timeline.frame_counts.received == len(everything) and any(i.state == "present" for i in timeline.intervals)


def test_resume_knows_what_the_run_knew(tmp_path: Path) -> None:
    clock = Clock()
    smoothing = SmoothingOptions(kind="mean", window_s=0.4, look_ahead_s=0.2)
    items: list[FrameScore | Gap] = [
        frame(i, liver=0.9 if i < 12 else 0.1, reason="black" if i == 3 else "") for i in range(20)
    ]
    items.insert(8, Gap(0.75, 0.8, "stalled"))
    process = PostProcess(ORGANS, smoothing, EVERY)
    events, emitted = [], 0
    with begin(tmp_path / "j", clock, smoothing) as writer:
        for item in items:
            clock.now_s += 0.1
            writer.write(item)
            new = list(process.push(item))
            if len(events) < 2:  # then its owner crashed before it could emit the others
                writer.write(*new)
                emitted += len(new)
            events += new
    clock.now_s = 30.0
    resumed = resume(tmp_path / "j", session="second", monotonic=clock.monotonic, wall=clock.wall)
    with resumed.writer:
        assert (resumed.journal.next_index, resumed.journal.sessions, resumed.journal.start_s) == (
            20,
            ("first",),
            0.0,
        )
        assert resumed.journal.frame_counts == FrameCounts(received=20, classified=19, rejected=1)
        # The last frame, at 1.9 s, was written when the clock said 2.1.
        assert resumed.time_s == pytest.approx(1.9 + 30 - 2.1) and resumed.gap == Gap(2.0, resumed.time_s, NOT_RECORDED)
        assert resumed.journal.gaps == (Gap(0.75, 0.8, "stalled"), resumed.gap)
        events += process.push(resumed.gap)
        assert resumed.pending == tuple(events[emitted:]) and emitted < len(events) - 1
        tail = [frame(20 + i, resumed.time_s + i / 10) for i in range(9)]
        for item in tail:
            resumed.writer.write(item)
            assert list(resumed.process.push(item)) == list(process.push(item))
        assert list(resumed.process.close(99)) == list(process.close(99))


@pytest.mark.parametrize(
    ("later_s", "gap_s"),
    [(100.0, 99.9), (0.2, 0.1), (0.0, 0.0), (-3600.0, 0.0), (86_400.0, 86_399.9), (40 * 86_400.0, 0.0)],
    ids=["later", "soon", "at once", "set back", "a day", "set by years"],
)
def test_time_goes_on_by_the_clock_on_the_wall_but_never_back(tmp_path: Path, later_s: float, gap_s: float) -> None:
    clock = Clock()
    with begin(tmp_path / "j", clock) as writer:
        write_frames(writer, clock, range(5))
        writer.state("stalled")
    clock.now_s += later_s
    # After a restart the monotonic clock counts from anywhere.
    resumed = resume(tmp_path / "j", monotonic=lambda: 3.0, wall=clock.wall)
    resumed.writer.close()
    assert resumed.time_s == pytest.approx(0.5 + gap_s, abs=2e-3)
    assert (resumed.gap is None) == (gap_s == 0)


def test_what_was_not_recorded_lasts_until_there_is_a_frame_again_as_in_the_table(tmp_path: Path) -> None:
    """Frames until 0.5 s, gone on with at 3.5 s, the first frame at 4.25 s: 3.75 s, which is also the unknown stretch."""
    clock = Clock()
    with begin(tmp_path / "j", clock) as writer:
        write_frames(writer, clock, range(5))
        writer.state("stalled")
    clock.now_s += 3.0
    resumed = resume(tmp_path / "j", monotonic=lambda: 3.0, wall=clock.wall)
    resumed.writer.write(frame(5, 4.25), frame(6, 4.35))
    resumed.writer.close()
    timeline = read_journal(tmp_path / "j").timeline()
    (unknown,) = {(each.start_s, each.end_s) for each in timeline.intervals if each.state == "unknown"}
    assert unknown == (pytest.approx(0.5), 4.25)
    assert timeline.report.reasons[-1] == "3.75 s in between were not recorded"


def test_a_finished_run_can_be_gone_on_with(small: Path, tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(small.read_bytes())
    clock = Clock(50.0)
    resumed = resume(tmp_path / "j", monotonic=clock.monotonic, wall=clock.wall)
    resumed.writer.write(frame(6, resumed.time_s))
    assert read_journal(tmp_path / "j").closed is None
    resumed.writer.finish(
        RunSummary(
            end_s=resumed.time_s + 0.1,
            frame_counts=FrameCounts(received=7, classified=6, rejected=1),
            verdict="complete",
        )
    )
    timeline = read_journal(tmp_path / "j").timeline()
    assert timeline.report.verdict == "complete" and "were not recorded" in timeline.report.reasons[0]
    assert timeline.frame_counts.received == 7 and timeline.end_s == resumed.time_s + 0.1


def test_a_run_that_is_not_accepted_stays_as_it_was(small: Path, tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(small.read_bytes() + b"torn")
    before = (tmp_path / "j").read_bytes()

    def refuse(opening: Opening) -> None:
        raise UsageError(f"other organs than {opening.organs}")

    with pytest.raises(UsageError, match="kidney"):
        resume(tmp_path / "j", accept=refuse)
    assert (tmp_path / "j").read_bytes() == before
    resume(tmp_path / "j", accept=lambda opening: None).writer.close()


def test_what_one_session_emitted_the_next_does_not(tmp_path: Path) -> None:
    """A session begins by emitting what was pending; after a second crash it must not be emitted again."""
    clock = Clock()
    with begin(tmp_path / "j", clock) as writer:
        write_frames(writer, clock, range(30))  # present is certain, and was not emitted
    clock.now_s = 100.0
    second = resume(tmp_path / "j", session="second", monotonic=clock.monotonic, wall=clock.wall)
    assert [e.state for e in second.pending if e.organ == "liver"] == ["present", "unknown"]
    write_frames(second.writer, clock, range(30, 60), second.time_s)
    second.writer.close()
    clock.now_s = 200.0
    third = resume(tmp_path / "j", monotonic=clock.monotonic, wall=clock.wall)
    third.writer.close()
    assert [(e.state, e.start_s > 50) for e in third.pending if e.organ == "liver"] == [
        ("present", True),
        ("unknown", True),
    ]


@pytest.mark.parametrize("smoothing", [SMOOTHERS[1], SMOOTHERS[3]], ids=lambda s: s.kind)
def test_resuming_from_any_cut_is_a_whole_replay(smoothing: SmoothingOptions, tmp_path: Path) -> None:
    rng = random.Random(7)
    path, clock = tmp_path / "j", Clock()
    process = PostProcess(ORGANS, smoothing, EVERY)
    with begin(path, clock, smoothing) as writer:
        for item in moods(rng, 500):
            writer.write(item, *process.push(item))
    whole = path.read_bytes()
    for size in [len(whole), *(rng.randrange(len(whole) // 4, len(whole)) for _ in range(12))]:
        path.write_bytes(whole[:size])
        journal = read_journal(path)
        full = FrameByFrame(journal, smoothing, EVERY)
        clock.now_s = rng.choice([0.0, 100.0])
        resumed = resume(path, monotonic=clock.monotonic, wall=clock.wall)
        resumed.writer.close()
        assert resumed.gap == full.miss(resumed.time_s)
        assert resumed.pending == tuple(event for event in full.events if event not in full.emitted)
        assert resumed.journal.emitted == full.emitted
        assert (resumed.journal.frame_counts, resumed.journal.gaps, resumed.journal.next_index) == (
            full.frame_counts,
            full.gaps,
            full.next_index,
        )
        assert (resumed.journal.start_s, resumed.journal.end_s) == (full.start_s, full.end_s)
        for k in range(30):
            item = frame(resumed.journal.next_index + k, resumed.time_s + k / 10, rng.choice([0.1, 0.45, 0.9]))
            assert list(resumed.process.push(item)) == list(full.process.push(item))
        assert list(resumed.process.close(9999.0)) == list(full.process.close(9999.0))
