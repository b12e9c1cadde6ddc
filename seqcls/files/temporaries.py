"""Files and folders that exist only while something is written: the one home of all of them.

Each is made exclusively, under a name that nobody can guess, without following a link: beside what it becomes, or,
where nothing is to become of it, in the system's folder for temporary files and open to its owner alone. A file that
stays has the rights that the user's umask gives to any new file.

The name tells that it is ours, and a lock that its owner lives. What a killed process left behind is removed when the
next one begins to write into the same folder. A folder has its lock in a file beside it:

    .seqcls-0123456789abcdef.part.png    a file that becomes a PNG
    .seqcls-0123456789abcdef.part        the lock of
    .seqcls-0123456789abcdef.part.d      a folder

Where nothing needs the name, a file has none (``nameless_file``), and nothing is left behind.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from seqcls.errors import OutputError, one_line
from seqcls.files.file_lock import lock

_OURS = re.compile(r"\.seqcls-[0-9a-f]{16}\.part.*")
_FOLDER = ".d"
#: What is replaced stands below this name in a folder until the new one is in its place.
_OLD = "old"
#: Where there are no locks, what nobody has touched for a week is left over.
_UNTOUCHED_S = 7 * 86_400
#: A longer one is no suffix that a program looks at, and would make the name too long for a disk.
_MAX_SUFFIX = 16


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is one of these: not yet whole, or left by a program that was killed."""
    return _OURS.fullmatch(name) is not None


@contextmanager
def temporary_file(folder: Path, suffix: str = "") -> Iterator[Path]:
    """A new, empty file in ``folder``, which is there already. It is gone afterwards unless it was moved away.

    The suffix stays last: writers that look at it (cv2, matplotlib) must see the real one. Raises OSError.
    """
    _sweep_once(str(folder))
    path, descriptor = _create(folder, suffix if len(suffix) <= _MAX_SUFFIX else "")
    try:
        yield path
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def temporary_folder(folder: Path | None = None) -> Iterator[Path]:
    """A new folder, open to its owner alone, in ``folder`` or the system's place for such; gone afterwards.

    Raises OutputError where it cannot be made.
    """
    where = _system_folder() if folder is None else folder
    try:
        _sweep_once(str(where))
        path, descriptor = _create(where, "")
    except OSError as error:
        raise OutputError(f"cannot write into {where}: {one_line(error)}; choose another place") from error
    inside = _folder_of(path)
    try:
        inside.mkdir(mode=0o700)
        yield inside
    finally:
        shutil.rmtree(inside, ignore_errors=True)
        with suppress(OSError):
            path.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def nameless_file(folder: Path) -> int:
    """Descriptor of a new file in ``folder`` for its owner alone, to be read and written. It has no name, and is gone
    once it is closed or its process has ended, however that happens. Raises OSError."""
    _sweep_once(str(folder))
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    path = folder / f".seqcls-{os.urandom(8).hex()}.part"
    descriptor = os.open(path, flags | getattr(os, "O_TEMPORARY", 0), 0o600)
    if sys.platform != "win32":
        path.unlink()
    return descriptor


@contextmanager
def libraries_use(folder: Path) -> Iterator[None]:
    """What libraries make on their own by ``tempfile`` lies in ``folder``, and goes with it after a kill, too.

    For all threads: not while others may look for the system's place.
    """
    import tempfile

    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def replace_folder(new: Path, out: Path, scratch: Path) -> None:
    """Put the folder ``new`` in the place of ``out``; ``scratch``: a temporary folder in the folder of ``out``.

    Where that fails, what was there stays; where the process is killed in between, it comes back when the next one
    begins. Raises OSError.
    """
    old = scratch / _OLD / out.name
    old.parent.mkdir(exist_ok=True)
    if out.exists():
        out.replace(old)
    try:
        new.replace(out)
    except BaseException:
        if old.exists():
            old.replace(out)
        raise


def sweep(folder: Path) -> None:
    """Remove what killed processes of this user left in ``folder``; raises nothing."""
    with suppress(OSError), os.scandir(folder) as entries:
        for name in sorted(entry.name for entry in entries if _OURS.fullmatch(entry.name)):
            with suppress(OSError):
                _remove_abandoned(folder / name)


@lru_cache(maxsize=4096)  # a batch writes into one folder again and again, and may fill it with very many files
def _sweep_once(folder: str) -> None:
    sweep(Path(folder))


def _create(folder: Path, suffix: str) -> tuple[Path, int | None]:
    """Path and locked descriptor; none on Windows, where a file that is open cannot be moved."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    while True:
        path = folder / f".seqcls-{os.urandom(8).hex()}.part{suffix}"
        try:
            descriptor = os.open(path, flags, 0o666)  # less what the umask takes
        except FileExistsError:
            continue
        if sys.platform == "win32":
            os.close(descriptor)
            return path, None
        # Another process that has just begun may take it for left over before it is locked.
        if lock(descriptor) is not False and path.exists():
            return path, descriptor
        os.close(descriptor)


def _folder_of(path: Path) -> Path:
    return path.with_name(path.name + _FOLDER)


def _remove_abandoned(path: Path) -> None:
    """A file with its folder; a folder whose file is gone already. Raises OSError."""
    state = path.lstat()
    if hasattr(os, "getuid") and state.st_uid != os.getuid():
        return
    if stat.S_ISDIR(state.st_mode):
        if not os.path.lexists(path.with_name(path.name.removesuffix(_FOLDER))):
            _remove_folder(path)
        return
    if not stat.S_ISREG(state.st_mode):
        return
    if sys.platform == "win32":
        if time.time() - state.st_mtime > _UNTOUCHED_S:
            _remove_folder(_folder_of(path))
            path.unlink()
        return
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        free = lock(descriptor)
        if free or (free is None and time.time() - state.st_mtime > _UNTOUCHED_S):
            _remove_folder(_folder_of(path))
            path.unlink()
    finally:
        os.close(descriptor)


def _remove_folder(path: Path) -> None:
    """Put back what was moved away and not replaced, then remove the rest."""
    if not path.is_dir() or path.is_symlink():
        return
    old = path / _OLD
    for kept in old.iterdir() if old.is_dir() else ():
        if not os.path.lexists(path.with_name(kept.name)):
            kept.replace(path.with_name(kept.name))
    shutil.rmtree(path, ignore_errors=True)


def _system_folder() -> Path:
    import tempfile  # here, because few commands need it

    return Path(tempfile.gettempdir())
