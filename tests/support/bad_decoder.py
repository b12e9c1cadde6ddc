"""A decoder that does harm, by the name of the clip, in place of those of ``isolated_worker``."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seqcls.errors import NoFramesError
from seqcls.sources import MemorySource, isolated_worker, open_found
from seqcls.types import Frame

IMAGE = np.full((64, 80), 90, np.uint8)


def _frames(what: str) -> Iterator[Frame]:
    yield Frame(0, 0.0, 0.04, IMAGE)
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL if sys.platform == "win32" else signal.SIGSEGV)
    elif what == "hang":
        time.sleep(60)
    elif what == "circle":
        while True:
            Path(__file__).read_bytes()
    elif what == "swell":
        np.ones(4 << 30, np.uint8)
    elif what == "wrong":
        raise TypeError("a mistake of ours")
    elif what == "refuse":
        raise NoFramesError("refuse.mkv: holds nothing")
    elif what == "nonsense":
        os.write(_messages(), b"X" * 4096)
        time.sleep(60)
    yield Frame(1, 0.04, 0.04, IMAGE)


def _messages() -> int:
    """The descriptor of the pipe that messages go through: of those to write to the last one."""
    return max(int(name) for name in os.listdir("/proc/self/fd") if _is_sink(name))  # noqa: PTH208


def _is_sink(name: str) -> bool:
    try:
        writes = os.stat(f"/proc/self/fd/{name}", follow_symlinks=False).st_mode & 0o200  # noqa: PTH116
        return bool(writes) and os.readlink(f"/proc/self/fd/{name}").startswith("pipe:")  # noqa: PTH115
    except OSError:
        return False


def open_badly(found: Any, **options: Any) -> Any:
    what = found.spec.rsplit("/", 1)[-1].partition(".")[0]
    known = ("die", "hang", "circle", "swell", "wrong", "refuse", "nonsense")
    return MemorySource(_frames(what)) if what in known else open_found(found, **options)


def main() -> None:
    isolated_worker.open_found = open_badly
    isolated_worker.main()
