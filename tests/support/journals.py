"""Small journals, a clock moved by hand, and what it means for two records to be equal; for tests of the journal."""

from __future__ import annotations

import errno
import os
import random
import struct
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import count, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqcls.intervals import IntervalOptions
from seqcls.journal import Journal, JournalWriter, Record, RunSummary, create_journal
from seqcls.journal.format import Entry
from seqcls.journal.reader import JournalReader
from seqcls.journal.scored_frames import Frames
from seqcls.postprocess import PostProcess
from seqcls.smoothing import SmoothingOptions
from seqcls.timeline import Provenance
from seqcls.types import Event, FrameCounts, FrameScore, Gap, ScoreTable, SourceInfo

ORGANS = ("liver", "kidney")
OFF = SmoothingOptions(kind="none")
EVERY = [IntervalOptions()] * 2
SOURCE = SourceInfo(
    name="probe", kind="camera", width=640, height=480, region=(1, 2, 30, 40), rate_hz=29.97, details=(("card", "x"),)
)
SMOOTHERS = [
    OFF,
    SmoothingOptions(kind="mean", window_s=0.3, look_ahead_s=0.15),
    SmoothingOptions(kind="median", window_s=0.4, look_ahead_s=0.1),
    SmoothingOptions(kind="exponential"),
    SmoothingOptions(kind="hmm"),
]


class Clock:
    """Both clocks, moved by hand."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def monotonic(self) -> float:
        return 5000 + self.now_s

    def wall(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=self.now_s)


def made_by(smoothing: SmoothingOptions = OFF, intervals: Sequence[IntervalOptions] = EVERY, **what: Any) -> Provenance:
    return Provenance(smoothing=smoothing, intervals=tuple(intervals), **what)


def begin(path: Path, clock: Clock, smoothing: SmoothingOptions = OFF, **what: Any) -> JournalWriter:
    return create_journal(
        path, organs=ORGANS, source=SOURCE, provenance=made_by(smoothing, **what), session="first",
        monotonic=clock.monotonic, wall=clock.wall,
    )  # fmt: skip


def frame(index: int, time_s: float | None = None, liver: float = 0.9, reason: str = "") -> FrameScore:
    scores = None if reason else np.array([liver, 1 / 3], np.float32)
    return FrameScore(index, index / 10 if time_s is None else time_s, 0.1, scores, reason)


def entries_in(frames: Frames) -> Iterator[Entry]:
    """One by one, with their places."""
    columns = (frames.index.tolist(), frames.time_s.tolist(), frames.duration_s.tolist(), frames.scores)
    records = map(FrameScore, *columns, repeat(""), repeat(True), frames.novelty.tolist())
    return map(Entry, count(frames.number), frames.at_s.tolist(), records)


def entries_of(path: Path) -> list[Entry]:
    """Every record that a reader finds, with its place."""
    with path.open("rb") as stream:
        blocks = list(JournalReader(path, stream).blocks())
    return [entry for block in blocks for entry in (entries_in(block) if isinstance(block, Frames) else [block])]


def records_of(path: Path) -> list[Record]:
    return [entry.record for entry in entries_of(path)]


class FrameByFrame(Journal):
    """A run taken again as it went, entry by entry: what every quicker way must equal."""

    def __init__(self, journal: Journal, smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions]) -> None:
        super().__init__(journal.path, journal.opening)
        self.process = PostProcess(journal.opening.organs, smoothing, intervals)
        self.events: list[Event] = []
        for entry in entries_of(journal.path):
            self.take(entry)

    def _add(self, item: FrameScore | Gap, start_s: float, end_s: float) -> None:
        super()._add(item, start_s, end_s)
        self.events += self.process.push(item)


def write_frames(writer: JournalWriter, clock: Clock, indices: Sequence[int], base_s: float = 0.0) -> None:
    """10 frames/s; the clock goes along."""
    began_s = clock.now_s
    for k, index in enumerate(indices):
        clock.now_s = began_s + k / 10
        assert writer.write(frame(index, base_s + k / 10))


def moods(rng: random.Random, length: int) -> list[FrameScore | Gap]:
    """Frames at 10/s whose scores stay with one mood for a while: clear, between the thresholds, fast, not judged."""
    items: list[FrameScore | Gap] = []
    time_s, index = 0.0, 0
    while index < length:
        mood = rng.choice(["high", "low", "low", "between", "fast", "blind", "gap", "blink"])
        if mood == "gap":
            end_s = time_s + rng.choice([0.0, 0.1, 0.3, 4.0])
            items.append(Gap(time_s, end_s, rng.choice(["stalled", "lost"])))
            time_s = end_s
            continue
        for _ in range(1 if mood == "blink" else rng.randint(1, 60)):
            score = {"high": 0.9, "low": 0.1, "between": 0.45, "blind": 0.0, "blink": 0.0}.get(mood, rng.random())
            score += rng.uniform(0, 0.05)
            reason = rng.choice(["black", "frozen"]) if mood in ("blind", "blink") and rng.random() < 0.95 else ""
            items.append(frame(index, time_s, score, reason))
            index += 1
            time_s += rng.choice([0.0, 0.1, 0.1, 0.1])
    return items


def exactly(record: Record) -> str:
    """Equal where the records are, to the last bit; NaN equals NaN."""
    if isinstance(record, FrameScore):
        bits = None if record.scores is None else record.scores.astype(np.float32).view(np.uint32).tolist()
        times = struct.pack("dd", record.time_s, record.duration_s)
        return f"frame {record.index} {times.hex()} {bits} {record.reason!r} {record.measured} {record.novelty}"
    return repr(record)


def equal_tables(a: ScoreTable, b: ScoreTable) -> None:
    assert (a.organs, a.reason) == (b.organs, b.reason)
    for name in ("index", "time_s", "duration_s", "raw", "smooth", "measured"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def sealed(data: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(data), data)


def write_small(path: Path) -> Path:
    """A whole journal with a record of most kinds."""
    clock = Clock()
    with begin(path, clock) as writer:
        write_frames(writer, clock, range(4))
        writer.write(Gap(0.4, 0.8, "stalled"), Event("liver", "present", 0.0, 0, 0.3))
        writer.write(frame(4, 0.8), frame(5, 0.9, reason="black"))
        frame_counts = FrameCounts(received=6, classified=5, rejected=1)
        writer.finish(RunSummary(end_s=1.0, frame_counts=frame_counts, verdict="complete"))
    return path


class FullDisk:
    """``os.write`` on a disk with room for so many bytes; takes part of what does not fit, as disks do. What is cut off
    makes room again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int = errno.ENOSPC) -> None:
        self.room: int | None = None
        self._write, self._truncate = os.write, os.ftruncate
        self._code = code
        monkeypatch.setattr(os, "write", self)
        monkeypatch.setattr(os, "ftruncate", self._cut)

    def __call__(self, descriptor: int, data: Any) -> int:
        if self.room is None:
            return self._write(descriptor, data)
        if self.room == 0:
            raise OSError(self._code, os.strerror(self._code))
        part = bytes(data)[: self.room]
        self.room -= len(part)
        return self._write(descriptor, part)

    def _cut(self, descriptor: int, size: int) -> None:
        before = os.fstat(descriptor).st_size
        self._truncate(descriptor, size)
        if self.room is not None:
            self.room += before - size
