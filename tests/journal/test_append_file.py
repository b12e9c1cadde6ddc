"""Appending whole lines: one writer at a time, and what failed half-way is taken back."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from support.journals import (
    Clock,
    FullDisk,
    begin,
    entries_of,
    frame,
    records_of,
)

from seqcls.errors import OutputError
from seqcls.journal import (
    read_journal,
    resume,
)
from seqcls.journal.append_file import AppendFile


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
    assert len(records_of(path)) == 3
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
    assert [e.number for e in entries_of(tmp_path / "j")] == [0, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="links as POSIX has them")
def test_a_link_that_somebody_planted_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("kept\n")
    (tmp_path / "run.journal").symlink_to(tmp_path / "theirs")
    for create in (True, False):
        with pytest.raises(OutputError, match=r"run\.journal"):
            AppendFile(tmp_path / "run.journal", create=create)
    assert (tmp_path / "theirs").read_text() == "kept\n"
