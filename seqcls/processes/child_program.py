"""Child processes: a part of seqcls run as a program of its own, and what every child has in common."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import seqcls
from seqcls.credentials import without_secrets

_TERMINATE_S, _KILL_S = 0.5, 1.0  # how long a child may take to end once asked, and once killed
_CODE = "import sys, importlib; name = sys.argv[1]; sys.path[:] = sys.argv[2:]; importlib.import_module(name).main()"


def program(module: str) -> list[str]:
    """The command that calls ``main`` of a module of this very seqcls."""
    return [sys.executable, "-c", _CODE, module, *_import_path()]


def own_group() -> dict[str, Any]:
    """For ``subprocess.Popen``: a process group of the child's own, so that Ctrl-C and a closed terminal are the
    parent's business, and a kill of the group takes the child's own children along; on Windows no console window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def start(command: Sequence[str], *, bufsize: int = -1, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """A child in a group of its own with pipes to its stdin and stdout; its stderr is thrown away: what native
    libraries print there must not get into the dashboard. ``bufsize`` and ``pass_fds`` as for ``subprocess.Popen``. Its
    environment holds no secrets. Raises OSError."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    pipes["env"] = without_secrets()
    if sys.platform == "win32":
        return subprocess.Popen(command, bufsize=bufsize, **pipes, **own_group())
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a child inherits what this thread blocks
    try:
        return subprocess.Popen(command, bufsize=bufsize, pass_fds=pass_fds, **pipes, **own_group())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end(process: subprocess.Popen[bytes], *, after_s: float = 0.0) -> None:
    """Wait ``after_s`` for a child's end, then end it, politely at first. A driver can hold even a killed process back;
    then it is left alone."""
    for patience_s, stop in ((after_s, process.terminate), (_TERMINATE_S, process.kill), (_KILL_S, lambda: None)):
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            return
        stop()


def _import_path() -> list[str]:
    """Where this process finds its modules, without the working directory: what lies there is not ours. Only a checkout
    that one works in is both."""
    home = Path(seqcls.__file__).resolve().parent.parent
    places = [Path(entry).resolve() for entry in sys.path if entry]
    places = [place for place in places if place == home or not _is_here(place)]
    return [str(place) for place in (places if home in places else [home, *places])]


def _is_here(place: Path) -> bool:
    with suppress(OSError):
        return place.samefile(Path.cwd())
    return False
