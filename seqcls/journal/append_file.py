"""A file that whole lines are appended to, by one writer at a time; a line that failed half-way is taken back."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from seqcls.errors import DataError, OutputError, one_line
from seqcls.files import make_folder, sync_folder
from seqcls.files.file_lock import lock, unlock

_CHUNK = 1 << 16


class AppendFile:
    """Opens ``path``, which must not be there yet (``create``) or must be, and locks it against other writers.

    The lock goes with the process, however it ends; it is not to be inherited by forked children. Where the file
    system knows no locks there is none. Raises OutputError, or DataError where there is nothing to go on with.
    """

    def __init__(self, path: str | Path, *, create: bool) -> None:
        self.path = Path(path)
        # No link is followed: it may have been planted.
        flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        if create:
            make_folder(self.path.parent)
            flags |= os.O_CREAT | os.O_EXCL
        try:
            self._fd = os.open(self.path, flags, 0o666)
        except FileExistsError:
            raise OutputError(f"{path} is there already: go on with it by --resume, or choose another place") from None
        except FileNotFoundError:
            raise DataError(f"no journal at {path}: nothing to resume") from None
        except OSError as error:
            raise OutputError(f"cannot write {path}: {one_line(error)}; choose another place") from None
        #: Bytes of the last ``append`` that went in.
        self.went_in = 0
        # True from before a write until it is known to be whole: whatever interrupts it leaves this set.
        self._torn = not create
        if lock(self._fd) is False:
            os.close(self._fd)
            raise OutputError(f"{path} is being written by another run: stop it, or choose another place")
        if create:
            sync_folder(self.path.parent)

    def append(self, data: bytes) -> None:
        """Hand whole lines to the operating system. Raises OSError; then a beginning of ``data`` may have gone in."""
        self.went_in = 0
        if self._torn:
            self.heal()
        self._torn = True
        while self.went_in < len(data):
            written = os.write(self._fd, memoryview(data)[self.went_in :])
            if written <= 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self.went_in += written
        self._torn = False

    def write_over(self, data: bytes) -> int:
        """Put whole lines in the place of the last ones: a disk that is full still takes what replaces something. How
        many lines that cost; the first one stays. Raises OSError; then they are put back, if the disk lets them."""
        if self._torn:
            self.heal()
        size = os.fstat(self._fd).st_size
        start = max(0, size - len(data) - _CHUNK)
        os.lseek(self._fd, start, os.SEEK_SET)
        tail = os.read(self._fd, size - start)
        cut = tail.rfind(b"\n", 0, max(0, len(tail) - len(data))) + 1
        if cut == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.ftruncate(self._fd, start + cut)
        try:
            self.append(data)
        except OSError:
            self.heal()
            self.append(tail[cut:])
            raise
        return tail.count(b"\n", cut)

    def heal(self) -> int:
        """Cut off what follows the last whole line; returns how many bytes that was. Raises OSError."""
        size = os.fstat(self._fd).st_size
        whole = self._whole(size)
        if whole < size:
            os.ftruncate(self._fd, whole)
        self._torn = False
        return size - whole

    def sync(self) -> None:
        """Put everything on the disk. Raises OSError."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Give up file and lock; idempotent."""
        if self._fd >= 0:
            unlock(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _whole(self, size: int) -> int:
        end = size
        while end > 0:
            start = max(0, end - _CHUNK)
            os.lseek(self._fd, start, os.SEEK_SET)
            found = os.read(self._fd, end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0
