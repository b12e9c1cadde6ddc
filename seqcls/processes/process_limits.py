"""What a process that works on foreign data may use: memory, files, no network."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

#: Of memory for data; a clip of 100 megapixels per image needs less.
MEMORY_BYTES = 2 << 30
_OPEN_FILES = 256
#: Of each file that it writes: a video inside DICOM is laid in a temporary one while it is read.
_FILE_BYTES = 8 << 30
_NEW_NETWORK, _NEW_USERS = 0x40000000, 0x10000000  # sched.h: CLONE_NEWNET, CLONE_NEWUSER


def limit_this_process(memory_bytes: int = MEMORY_BYTES) -> tuple[str, ...]:
    """Give up, for good, whatever this system lets a process give up; which of "memory", "files", "network" that was.

    To be called before any thread is started. Linux bounds memory and files and, where it lets users make namespaces,
    takes the network away. macOS bounds files alone. On Windows nothing is bounded (job objects would be needed).
    """
    given_up = []
    if sys.platform == "linux" and _without_network():
        given_up.append("network")
    if sys.platform != "win32":
        import resource

        bounds = [("files", resource.RLIMIT_NOFILE, _OPEN_FILES), ("files", resource.RLIMIT_FSIZE, _FILE_BYTES)]
        if sys.platform == "linux":  # elsewhere it does not bound what is mapped
            bounds.append(("memory", resource.RLIMIT_DATA, memory_bytes))
        bounds.append(("core", resource.RLIMIT_CORE, 0))
        for name, kind, most in bounds:
            with suppress(OSError, ValueError):
                hard = resource.getrlimit(kind)[1]
                low = most if hard == resource.RLIM_INFINITY else min(most, hard)
                resource.setrlimit(kind, (low, low))
                given_up.append(name)
    return tuple(name for name in ("memory", "files", "network") if name in given_up)


def limit_memory(more_bytes: int) -> bool:
    """From now on this process gets at most so many bytes of memory more; whether this system can do that (Linux).

    What it has now is not counted: libraries reserve more than they use, the more processors there are.
    """
    if sys.platform != "linux":
        return False
    import resource

    try:
        has_bytes = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * resource.getpagesize()
        most = has_bytes + more_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    except (OSError, ValueError, IndexError):
        return False
    return True


def _without_network() -> bool:
    """A network of its own that holds nothing. Only who administers the machine may have that without users of its own
    as well, which many systems and containers refuse."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return any(libc.unshare(flags) == 0 for flags in (_NEW_NETWORK, _NEW_USERS | _NEW_NETWORK))
    except (OSError, AttributeError):
        return False
