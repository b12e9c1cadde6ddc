"""Who writes to a file: a lock that goes with its process, however that ends."""

from __future__ import annotations

import contextlib
import os
import sys

# Windows locks are mandatory: this byte lies beyond the data (a week at 30 frames/s), so that readers are let in.
_LOCKED_BYTE = (1 << 31) - 2


def lock(descriptor: int) -> bool | None:
    """Take the lock of an open file without waiting: True; False where another has it, None where the file system knows
    no locks. Another descriptor in the same process counts as another; forked children hold the lock along."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    else:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return None
    return True


def unlock(descriptor: int) -> None:
    """Before a file is closed: only Windows may take its time after that."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        with contextlib.suppress(OSError):
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
