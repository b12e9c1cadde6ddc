"""Writing: one writer, fsync, and disks that are full or broken."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from support.journals import Clock, begin, frame

from seqcls.errors import DiskFullError, OutputError
from seqcls.journal import (
    NOT_RECORDED,
    JournalWriter,
    read_journal,
    resume,
    timeline_from_journal,
)
from seqcls.journal.append_file import AppendFile
from seqcls.journal.format import encode
from seqcls.types import FrameCounts, Gap


def test_two_writers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with begin(path, Clock()) as writer:
        writer.write(frame(0))
        with pytest.raises(OutputError, match="written by another run"):
            resume(path)
        code = f"from seqcls.journal import resume\nimport sys\ntry: resume({str(path)!r})\nexcept Exception as e: sys.exit(str(e))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 1 and "written by another run" in done.stderr
        with pytest.raises(OutputError, match="there already"):
            begin(path, Clock())
        assert writer.write(frame(1))
    assert len(list(read_journal(path))) == 3
    resume(path).writer.close()


def test_the_lock_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """msvcrt's way of saying no, on a stand-in; and that nothing else there needs POSIX."""
    locked: set[int] = set()

    def locking(descriptor: int, mode: int, count: int) -> None:
        at = os.lseek(descriptor, 0, os.SEEK_CUR)
        assert at > 1 << 30, "would keep readers out"
        if mode == 0:
            locked.discard(at)
        elif at in locked:
            raise PermissionError(errno.EACCES, "denied")
        else:
            locked.add(at)

    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=2, LK_UNLCK=0))
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(sys, "platform", "win32")
    with begin(tmp_path / "j", Clock()) as writer:
        writer.write(frame(0))
        with pytest.raises(OutputError, match="written by another run"):
            resume(tmp_path / "j")
    with resume(tmp_path / "j").writer as writer:
        assert writer.write(frame(1))
    assert read_journal(tmp_path / "j").count == 4


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
            assert len(list(read_journal(tmp_path / "j"))) == i + 2
        assert synced == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0], abs=0.11) and len(synced) >= 4
        before = len(synced)
        clock.now_s = 5.3
        writer.write(frame(50))
        assert len(synced) == before
    assert len(synced) == before + 1


LINE = len(encode(1, 0.1, frame(1)))


class FullDisk:
    """``os.write`` on a disk with room for so many bytes; takes part of what does not fit, as disks do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int = errno.ENOSPC) -> None:
        self.room: int | None = None
        self._write = os.write
        self._code = code
        monkeypatch.setattr(os, "write", self)

    def __call__(self, descriptor: int, data: Any) -> int:
        if self.room is None:
            return self._write(descriptor, data)
        if self.room == 0:
            raise OSError(self._code, os.strerror(self._code))
        part = bytes(data)[: self.room]
        self.room -= len(part)
        return self._write(descriptor, part)


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
    (gap,) = timeline_from_journal(journal).gaps
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
    writer.finish(end_s=0.0, frame_counts=FrameCounts(), verdict="complete")
    assert not writer.state("stopped") and writer.dropped == 1 and not writer.failed
    assert read_journal(tmp_path / "j").closed is not None


def test_the_end_is_tried_even_when_the_disk_was_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch)
    writer = begin(tmp_path / "j", Clock())
    writer.write(frame(0))
    disk.room = 50
    assert not writer.write(frame(1))
    disk.room = None
    assert writer.finish(end_s=0.2, frame_counts=FrameCounts(received=2, classified=2), verdict="complete")
    timeline = timeline_from_journal(read_journal(tmp_path / "j"))
    assert timeline.report.verdict == "damaged" and timeline.frame_counts.received == 2
    assert timeline.end_s == 0.2 and timeline.of("liver")[-1].end_s == 0.2


def test_a_half_record_that_could_not_be_taken_back_is_healed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, clock = FullDisk(monkeypatch), Clock()
    writer = begin(tmp_path / "j", clock)
    truncate = os.ftruncate
    monkeypatch.setattr(os, "ftruncate", lambda *a: (_ for _ in ()).throw(OSError(errno.EIO, "no")))
    disk.room = 50
    assert not writer.write(frame(0))
    torn = (tmp_path / "j").read_bytes()
    assert not torn.endswith(b"\n")
    monkeypatch.setattr(os, "ftruncate", truncate)
    disk.room = None
    clock.now_s = 2.0
    assert writer.write(frame(1))
    writer.close()
    journal = read_journal(tmp_path / "j")
    assert (journal.count, journal.damage.bad_lines, journal.damage.lost_records) == (2, 0, 1)
    (tmp_path / "torn").write_bytes(torn)
    resumed = resume(tmp_path / "torn")
    resumed.writer.close()
    assert resumed.healed_bytes == 50 and read_journal(tmp_path / "torn").damage.summary == ""


def test_an_interrupted_write_is_not_written_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def interrupted(descriptor: int, data: Any) -> int:
        write(descriptor, bytes(data)[:30])
        raise KeyboardInterrupt

    with begin(tmp_path / "j", Clock()) as writer:
        monkeypatch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.write(frame(0))
        monkeypatch.setattr(os, "write", write)
        assert writer.write(frame(1))
    assert [e.number for e in read_journal(tmp_path / "j").entries()] == [0, 2]


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
    assert [g.reason for g in timeline_from_journal(journal).gaps] == [NOT_RECORDED]


def test_a_record_too_long_for_a_line_is_left_out(tmp_path: Path) -> None:
    with begin(tmp_path / "j", Clock()) as writer:
        assert not writer.write(frame(0), Gap(0.1, 0.2, "x" * (1 << 20)), frame(1, 0.2))
        assert writer.dropped == 1 and "longer" in writer.failed
        assert writer.write(frame(2, 0.3))
    assert [e.number for e in read_journal(tmp_path / "j").entries()] == [0, 1, 3, 4]
