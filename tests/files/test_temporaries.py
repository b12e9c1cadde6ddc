"""Nobody guesses them, nobody is led astray by them, and what a kill leaves is gone after the next start."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from seqcls.errors import OutputError
from seqcls.files import atomic_path, require_writable, temporaries, write_text
from seqcls.files.temporaries import (
    libraries_use,
    nameless_file,
    replace_folder,
    sweep,
    temporary_file,
    temporary_folder,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="rights and links as POSIX has them")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_no_two_have_the_same_name_and_the_suffix_is_the_real_one(tmp_path: Path) -> None:
    with temporary_file(tmp_path, ".png") as one, temporary_file(tmp_path, ".png") as two:
        assert one != two and {one.suffix, two.suffix} == {".png"} and len(names(tmp_path)) == 2
        assert len(one.name) == len(".seqcls-") + 16 + len(".part.png")
    assert not names(tmp_path)


def test_a_name_as_long_as_the_disk_takes_can_be_written(tmp_path: Path) -> None:
    for path in (tmp_path / ("n" * 251 + ".csv"), tmp_path / ("a." + "s" * 253)):
        write_text(path, "x")
        assert path.read_text() == "x"


@posix
@pytest.mark.parametrize("mask", [0o077, 0o022, 0o027], ids=oct)
def test_what_stays_has_the_rights_of_the_umask_and_what_does_not_is_private(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "made" / "t.csv", "x")
        with temporary_folder(tmp_path) as scratch:
            assert mode(scratch) == 0o700
            (scratch / "f").touch()
            (scratch / "f").replace(tmp_path / "f")
    finally:
        os.umask(before)
    assert mode(tmp_path / "made/t.csv") == mode(tmp_path / "f") == 0o666 & ~mask
    assert mode(tmp_path / "made") == 0o777 & ~mask


@posix
def test_a_link_in_the_place_of_an_output_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("kept")
    (tmp_path / "t.json").symlink_to(tmp_path / "theirs")
    write_text(tmp_path / "t.json", "new")
    assert not (tmp_path / "t.json").is_symlink() and (tmp_path / "theirs").read_text() == "kept"


@posix
def test_a_link_planted_under_the_very_name_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the name could be guessed: then another one is taken."""
    (tmp_path / "theirs").write_text("kept")
    (tmp_path / f".seqcls-{bytes(8).hex()}.part.csv").symlink_to(tmp_path / "theirs")
    (tmp_path / f".seqcls-{bytes(8).hex()}.part").symlink_to(tmp_path / "theirs")
    drawn = iter([bytes(8), b"\1" * 8, bytes(8), b"\2" * 8])
    monkeypatch.setattr(temporaries.os, "urandom", lambda _count: next(drawn))
    write_text(tmp_path / "t.csv", "new")
    require_writable(tmp_path)
    assert (tmp_path / "t.csv").read_text() == "new" and (tmp_path / "theirs").read_text() == "kept"


@pytest.mark.skipif(sys.platform == "win32", reason="there it has a name as long as it is open")
def test_a_file_without_a_name_is_its_owners_alone(tmp_path: Path) -> None:
    descriptor = nameless_file(tmp_path)
    os.write(descriptor, b"frames")
    os.lseek(descriptor, 0, os.SEEK_SET)
    assert os.read(descriptor, 9) == b"frames" and stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o600
    assert list(tmp_path.iterdir()) == []
    os.close(descriptor)


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "x.csv"):
        _ = 1 / 0
    with pytest.raises(ZeroDivisionError), temporary_folder(tmp_path) as scratch:
        (scratch / "deep").mkdir()
        _ = 1 / 0
    assert not names(tmp_path)
    with pytest.raises(OutputError, match="choose another place"), temporary_folder(tmp_path / "none"):
        pass


def test_libraries_lay_theirs_where_they_are_swept(tmp_path: Path) -> None:
    before = tempfile.gettempdir()
    with temporary_folder(tmp_path) as scratch:
        with libraries_use(scratch):
            assert Path(tempfile.mkdtemp(prefix="ort.quant.")).parent == scratch
        assert tempfile.gettempdir() == before
    assert not names(tmp_path)


KILLED = """
import sys, time
from pathlib import Path
from seqcls.files.temporaries import replace_folder, temporary_file, temporary_folder
here = Path(sys.argv[1])
with temporary_file(here, ".png") as path, temporary_folder(here) as scratch:
    path.write_text("half")
    (scratch / "new").mkdir()
    (scratch / "new" / "frame.png").touch()
    old = scratch / "old" / "data"
    old.parent.mkdir()
    (here / "data").replace(old)  # as replace_folder does before it puts the new one there
    print("ready", flush=True)
    time.sleep(60)
"""


@posix
def test_rests_go_once_their_owner_is_killed_and_not_before(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "earlier").touch()
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        while_it_lives = names(tmp_path)
        sweep(tmp_path)
        assert names(tmp_path) == while_it_lives and len(while_it_lives) > 4
        child.send_signal(signal.SIGKILL)
    write_text(tmp_path / "next.txt", "")  # the next start
    assert names(tmp_path) == ["data", "data/earlier", "next.txt"]


@posix
def test_only_what_is_ours_is_swept(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "x").touch()
    stem = f".seqcls-{'a' * 16}.part"
    (tmp_path / stem).symlink_to(tmp_path / "theirs")
    (tmp_path / f".seqcls-{'b' * 16}.part.d").symlink_to(tmp_path / "theirs")
    os.mkfifo(tmp_path / f".seqcls-{'c' * 16}.part.csv")
    (tmp_path / ".seqcls-notes.part").touch()
    before = names(tmp_path)
    sweep(tmp_path)
    sweep(tmp_path / "none")
    assert names(tmp_path) == before


@posix
def test_without_locks_only_what_is_a_week_old_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporaries, "lock", lambda _descriptor: None)
    old, new = (tmp_path / f".seqcls-{letter * 16}.part" for letter in "ab")
    old.touch()
    new.touch()
    eight_days = time.time() - 8 * 86_400
    os.utime(old, (eight_days, eight_days))
    sweep(tmp_path)
    assert names(tmp_path) == [new.name]


def test_a_folder_is_replaced_or_stays(tmp_path: Path) -> None:
    out = tmp_path / "data"
    for number in (1, 2):
        with temporary_folder(tmp_path) as scratch:
            (scratch / "new").mkdir()
            (scratch / "new" / str(number)).touch()
            replace_folder(scratch / "new", out, scratch)
        assert names(tmp_path) == ["data", f"data/{number}"]
    with temporary_folder(tmp_path) as scratch, pytest.raises(FileNotFoundError):
        replace_folder(scratch / "none", out, scratch)
    assert names(tmp_path) == ["data", "data/2"]
