"""One writer to an output at a time: two runs into one folder would leave a mixture of both."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqcls.errors import OutputError, one_line
from seqcls.files import nfc
from seqcls.files.file_lock import lock, unlock

#: Whoever sweeps left-over temporaries holds a lock for a moment.
_TRY_AGAIN_S = (0.05, 0.25)


class OutputBusyError(OutputError):
    """Another run is writing there."""


@contextmanager
def only_writer(output: Path | None, *, is_folder: bool) -> Iterator[None]:
    """Nobody else who asks writes ``output`` inside of this block; a killed process does not keep others out.

    is_folder: whether ``output`` is a folder that is written into; it is made, and removed where it stays empty. Else
    it appears, or is replaced, as a whole, and the lock lies beside it; nobody may be writing into its folder, whose
    files belong together. Where the file system knows no locks there is none. Of None there is nothing to write. Raises
    OutputBusyError where another has it, OutputError where nothing can be written.
    """
    if output is None:
        yield
        return
    folder = output if is_folder else output.parent
    absent = [place for place in (folder, *folder.parents) if not place.exists()]
    path = folder / _lock_name(output, is_folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _require_plain(path)
        if not is_folder and _is_held(folder / _lock_name(folder, is_folder=True)):
            raise OutputBusyError(f"another run is writing into {folder}: wait for its end, or choose another place")
        descriptor = _locked(path)
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {one_line(error)}; choose another place") from error
    if descriptor is None:
        raise OutputBusyError(f"another run is writing into {output}: wait for its end, or choose another place")
    try:
        yield
    finally:
        _release(path, descriptor)
        for place in absent:
            with suppress(OSError):  # something is in it
                place.rmdir()


def is_being_written(folder: Path) -> bool:
    """Whether a run writes into the folder just now; False where the file system knows no locks."""
    return _is_held(folder / _lock_name(folder, is_folder=True))


def _lock_name(output: Path, is_folder: bool) -> str:
    """That of a temporary, so that what a killed process leaves is swept with these. Equal for all spellings."""
    name = "" if is_folder else nfc(output.name).casefold()
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16] if name else 16 * "0"
    return f".seqcls-{digest}.part"


def _require_plain(path: Path) -> None:
    """The name of a folder's lock is known to all: whoever put something else there is not to be guessed at.

    Raises OutputError, OSError.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "no file"
        raise OutputError(f"{path} is {kind}, and seqcls needs this name for its lock: remove it")


def _is_held(path: Path) -> bool:
    """Whether another has this lock, for longer than a sweep takes."""
    for wait_s in (*_TRY_AGAIN_S, 0.0):
        try:
            descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            return False
        free = lock(descriptor)
        if free:
            unlock(descriptor)
        os.close(descriptor)
        if free is not False:
            return False
        time.sleep(wait_s)
    return True


def _locked(path: Path) -> int | None:
    """A descriptor that holds the lock, None where another does. Raises OSError."""
    waits_s = iter(_TRY_AGAIN_S)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        free = lock(descriptor)
        if free is not False and _is_still(path, descriptor):
            return descriptor
        os.close(descriptor)
        if free is False:
            wait_s = next(waits_s, None)
            if wait_s is None:
                return None
            time.sleep(wait_s)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the file is the one of this name: its owner before may have removed it between opening and locking."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _release(path: Path, descriptor: int) -> None:
    if sys.platform == "win32":  # a file that is open cannot be removed
        unlock(descriptor)
        os.close(descriptor)
        with suppress(OSError):
            path.unlink()
        return
    with suppress(OSError):
        path.unlink()
    os.close(descriptor)
