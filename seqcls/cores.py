"""How many processors this process may use, and how many threads each library takes: nobody else decides that.

Clips, and the stages of each, run side by side already: FFmpeg, OpenCV and OpenBLAS take one thread each, an engine all
processors, OpenMP, with which PyTorch computes, as many as it finds. Only a clip that is done alone is decoded in
several.
"""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress
from pathlib import Path

#: For the environment, before the libraries are loaded. OpenMP's and OpenCV's threads wait for work by spinning, and so
#: starve whatever else runs: training fell to a tenth of its rate. OpenBLAS starts a thread for each processor as soon
#: as NumPy is imported.
LIBRARIES = {"OMP_WAIT_POLICY": "passive", "OPENCV_FOR_THREADS_NUM": "1", "OPENBLAS_NUM_THREADS": "1"}
#: Most that decode a single frame somewhere in an undamaged clip, for which a person waits.
MAX_SEEKING = 4
#: Most that decode a clip that is done alone: each holds frames of its own, and the engine has to follow.
MAX_DECODING = 8
_CGROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cores() -> int:
    """How many processors this process may use: as OMP_NUM_THREADS says, else those that it is tied to, as far as its
    container has time on them. 1 at least."""
    stated = os.environ.get("OMP_NUM_THREADS", "")
    if stated.isdigit() and int(stated) > 0:
        return int(stated)
    return max(1, math.ceil(min(_tied_to(), _quota())))


def seeking() -> int:
    """Threads that decode a single frame for which a person waits."""
    return min(MAX_SEEKING, cores())


def decoding() -> int:
    """Threads that decode a clip beside which no other is done."""
    return min(MAX_DECODING, cores())


def set_libraries() -> None:
    """Of this program and those that it starts, where the environment states nothing else."""
    for name, value in LIBRARIES.items():
        os.environ.setdefault(name, value)
    if _quota() < _tied_to():  # which OpenMP does not see: it would start more threads than get time
        os.environ.setdefault("OMP_NUM_THREADS", str(cores()))


def _tied_to() -> int:
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota() -> float:
    """Processors' worth of time that the control groups around this process leave it; infinite where nothing is said.

    Version 2 states quota and period in one file of each group (docs.kernel.org/admin-guide/cgroup-v2, cpu.max),
    version 1 in two, -1 for none.
    """
    if sys.platform != "linux":
        return math.inf
    found = [math.inf]
    with suppress(OSError):
        for line in _OWN_GROUPS.read_text(encoding="ascii").splitlines():
            _, kinds, path = line.split(":", 2)
            inside = Path(path.lstrip("/"))
            for group in (inside, *inside.parents):
                if not kinds:
                    found.append(_share(_read(_CGROUPS / group / "cpu.max")))
                elif "cpu" in kinds.split(","):
                    files = [_CGROUPS / "cpu" / group / f"cpu.cfs_{name}_us" for name in ("quota", "period")]
                    found.append(_share(" ".join(map(_read, files))))
    return min(found)


def _share(text: str) -> float:
    quota, _, period = text.partition(" ")
    with suppress(ValueError):
        if int(quota) > 0 and int(period) > 0:
            return int(quota) / int(period)
    return math.inf


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
