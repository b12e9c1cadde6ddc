"""Writing: every record at once in the system's hands, fsync, and disks that are full or broken."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support.feeds import until
from support.journals import (
    Clock,
    FullDisk,
    begin,
    entries_of,
    frame,
    records_of,
    write_frames,
)

from seqcls.errors import DiskFullError
from seqcls.journal import (
    NOT_RECORDED,
    JournalWriter,
    RunSummary,
    read_journal,
)
from seqcls.journal.append_file import AppendFile
from seqcls.journal.format import encode
from seqcls.types import FrameCounts, Gap


def test_written_means_in_the_kernel_and_synced_each_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[float] = []
    clock = Clock()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(clock.now_s))
    with begin(tmp_path / "j", clock) as writer:
        assert len(synced) == (1 if sys.platform == "win32" else 2), "the first record, and the new name in its folder"
        synced.clear()
        for i in range(50):
            clock.now_s = (i + 1) / 10
            writer.write(frame(i))
            assert len(records_of(tmp_path / "j")) == i + 2
            until(lambda now_s=clock.now_s: len(synced) >= int(now_s + 1e-6))
        assert synced == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0])
        before = len(synced)
        clock.now_s = 5.3
        writer.write(frame(50))
        assert len(synced) == before
    assert len(synced) == before + 1


def test_frames_do_not_wait_for_a_slow_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, begun, goes_on = Clock(), threading.Event(), threading.Event()
    writer = begin(tmp_path / "j", clock)

    def fsync(descriptor: int) -> None:
        begun.set()
        assert goes_on.wait(60)

    monkeypatch.setattr(os, "fsync", fsync)
    for i in range(5):
        clock.now_s = i + 1.0
        assert writer.write(frame(i))
        assert begun.wait(60) and len(records_of(tmp_path / "j")) == i + 2
    goes_on.set()
    writer.close()
    assert not writer.failed


def test_a_sync_that_fails_beside_the_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    with begin(tmp_path / "j", clock) as writer:
        monkeypatch.setattr(AppendFile, "sync", lambda file: (_ for _ in ()).throw(OSError(errno.EIO, "Broken")))
        clock.now_s = 1.5
        assert writer.write(frame(0))
        until(lambda: writer.failed)
        assert "Broken" in writer.failed and writer.dropped == 0


LINE = len(encode(1, 0.1, frame(1)))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=["full", "broken", "quota"])
@pytest.mark.parametrize("room", [0, 1, 60, LINE - 1, LINE, 3 * LINE + 7])
def test_a_full_disk_does_not_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, room: int
) -> None:
    disk, clock = FullDisk(monkeypatch, code), Clock()
    with begin(tmp_path / "j", clock) as writer:
        assert writer.write(frame(0))
        disk.room = room
        clock.now_s = 0.1
        told = writer.write(*(frame(i) for i in range(1, 11)))
        assert not told and os.strerror(code) in writer.failed and "\n" not in writer.failed
        assert (tmp_path / "j").read_bytes().endswith(b"}\n"), "a half record stays behind"
        kept = read_journal(tmp_path / "j").count - 2
        assert kept == room // LINE and writer.dropped == 10 - kept
        disk.room = None
        clock.now_s = 0.5
        assert not writer.write(frame(11)), "too early to try again"
        clock.now_s = 1.2
        assert writer.write(frame(12)) and writer.failed and writer.dropped == 11 - kept
    journal = read_journal(tmp_path / "j")
    assert journal.damage.lost_records == writer.dropped and journal.damage.bad_lines == 0
    (gap,) = journal.timeline().gaps
    assert gap.reason == NOT_RECORDED and gap.end_s == 1.2 and gap.start_s == pytest.approx(0.1 * (kept + 1))


def test_a_full_disk_at_the_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FullDisk(monkeypatch).room = 100
    with pytest.raises(DiskFullError, match="No space") as caught:
        begin(tmp_path / "j", Clock())
    assert caught.value.exit_code == 4
    monkeypatch.undo()
    begin(tmp_path / "j", Clock()).close()  # what could not be begun is not in the way


def test_who_speaks_after_the_end_is_not_heard(tmp_path: Path) -> None:
    """A reader that hangs outlives the run, and says that it stopped when nobody listens any more."""
    writer = begin(tmp_path / "j", Clock())
    writer.finish(RunSummary(end_s=0.0, frame_counts=FrameCounts(), verdict="complete"))
    assert not writer.state("stopped") and writer.dropped == 1 and not writer.failed
    assert read_journal(tmp_path / "j").closed is not None


def test_the_end_is_tried_even_when_the_disk_was_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch)
    writer = begin(tmp_path / "j", Clock())
    writer.write(frame(0))
    disk.room = 50
    assert not writer.write(frame(1))
    disk.room = None
    assert writer.finish(RunSummary(end_s=0.2, frame_counts=FrameCounts(received=2, classified=2), verdict="complete"))
    timeline = read_journal(tmp_path / "j").timeline()
    assert timeline.report.verdict == "damaged" and timeline.frame_counts.received == 2
    assert timeline.end_s == 0.2 and timeline.of("liver")[-1].end_s == 0.2


def test_a_run_whose_disk_stays_full_ends_in_order_and_claims_nothing_of_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last record takes the place of others: what a reader is told is not that the run crashed."""
    disk, clock = FullDisk(monkeypatch), Clock()
    writer = begin(tmp_path / "j", clock)
    write_frames(writer, clock, range(20))
    disk.room, size = 0, (tmp_path / "j").stat().st_size
    for index in range(20, 30):
        clock.now_s = index / 10
        assert not writer.write(frame(index))
    counts = FrameCounts(received=30, classified=30)
    assert writer.finish(RunSummary(end_s=3.0, frame_counts=counts, verdict="unknown", reasons=("stopped",)))
    assert (tmp_path / "j").stat().st_size <= size
    journal = read_journal(tmp_path / "j")
    kept = len(journal.raw.table().index)
    assert journal.closed is not None and 20 - kept == -(-_line_of_the_end(tmp_path / "j") // LINE)
    assert writer.dropped == journal.damage.lost_records == 30 - kept
    assert writer.incomplete == f"{tmp_path / 'j'} is incomplete, {30 - kept} records missing (No space left on device)"
    timeline = journal.timeline()
    assert timeline.report.verdict == "damaged" and timeline.frame_counts == counts
    assert timeline.report.reasons[:2] == (
        "stopped", "not everything could be written into the journal (No space left on device)",
    )  # fmt: skip
    assert not any("crash" in reason for reason in timeline.report.reasons)
    for organ in timeline.organs:
        last = timeline.of(organ)[-1]
        assert (last.state, last.reason, last.end_s) == ("unknown", NOT_RECORDED, 3.0)
        assert last.start_s == pytest.approx(kept / 10)


def _line_of_the_end(path: Path) -> int:
    return len(path.read_bytes().splitlines(keepends=True)[-1])


def test_what_is_written_over_is_put_back_where_that_fails_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch)
    writer = begin(tmp_path / "j", Clock())
    assert not writer.incomplete
    writer.write(*(frame(i) for i in range(20)))
    before, writes = (tmp_path / "j").read_bytes(), iter([True, True])
    disk.room = 0

    def refused(descriptor: int, data: Any) -> int:
        if next(writes, False):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return disk(descriptor, data)

    monkeypatch.setattr(os, "write", refused)
    assert not writer.finish(RunSummary(end_s=3.0, frame_counts=FrameCounts(), verdict="unknown"))
    assert (tmp_path / "j").read_bytes() == before
    assert "a full disk" in read_journal(tmp_path / "j").timeline().report.reasons[0]


def test_the_first_record_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch)
    writer = begin(tmp_path / "j", Clock())
    disk.room, before = 0, (tmp_path / "j").read_bytes()
    assert not writer.finish(RunSummary(end_s=0.0, frame_counts=FrameCounts(), verdict="unknown"))
    assert (tmp_path / "j").read_bytes() == before and writer.dropped == 1


def test_a_failing_fsync_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        writer.write(frame(0))

        def fsync(descriptor: int) -> None:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")

        monkeypatch.setattr(os, "fsync", fsync)
        writer.sync()
        assert "quota" in writer.failed and writer.dropped == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_dev_full() -> None:
    with JournalWriter(AppendFile("/dev/full", create=False), "s", monotonic=Clock().monotonic) as writer:
        assert not writer.write(frame(0), frame(1)) and not writer.write(frame(2))
        assert "No space left" in writer.failed and writer.dropped == 3


LIMITED = r"""
import json, resource, sys
sys.path.insert(0, "tests")
from pathlib import Path
from support.journals import Clock, begin, frame
path, clock = Path(sys.argv[1]), Clock()
writer = begin(path, clock)
writer.write(*(frame(i) for i in range(5)))
room = path.stat().st_size + 260
resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
told = [writer.write(frame(i)) for i in range(5, 12)]
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
clock.now_s = 5.0
told.append(writer.write(frame(50)))
writer.close()
print(json.dumps([told, room - size, writer.dropped, writer.failed]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_limit_by_the_kernel_itself(tmp_path: Path) -> None:
    path = tmp_path / "j"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    told, left, dropped, failed = json.loads(done.stdout)
    assert told == [True, True, False, False, False, False, False, True] and dropped == 5 and "too large" in failed
    assert 0 < left < LINE, "the half record was taken back"
    journal = read_journal(path)
    assert (journal.damage.bad_lines, journal.damage.lost_records, journal.damage.torn_bytes) == (0, 5, 0)
    assert [g.reason for g in journal.timeline().gaps] == [NOT_RECORDED]


def test_a_record_too_long_for_a_line_is_left_out(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        assert not writer.write(frame(0), Gap(0.1, 0.2, "x" * (1 << 20)), frame(1, 0.2))
        assert writer.dropped == 1 and "longer" in writer.failed
        assert writer.write(frame(2, 0.3))
    assert [e.number for e in entries_of(tmp_path / "j")] == [0, 1, 3, 4]
