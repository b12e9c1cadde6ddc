"""The process's own command line, as `ps` shows it to everybody on the machine, without the secrets in addresses."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from seqcls.sources.redact import redact


def cover_arguments() -> bool:
    """Overwrite passwords and query values where the system keeps the arguments; whether that was done. Linux alone:
    elsewhere, and for the moment before this, name them in the environment or with --credentials.
    """
    if sys.platform != "linux" or not any("://" in argument for argument in sys.argv):
        return False
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end: 48 and 49 of proc(5)
        shown = Path("/proc/self/cmdline").read_bytes()
        if not 0 < len(shown) == end - start:
            return False
        parts = [part.decode(errors="surrogateescape") for part in shown.split(b"\0")]
        covered = b"\0".join(redact(part).encode(errors="surrogateescape") for part in parts)
        ctypes.memmove(start, covered[: end - start].ljust(end - start, b"\0"), end - start)
    except (OSError, ValueError, IndexError):
        return False
    return True
