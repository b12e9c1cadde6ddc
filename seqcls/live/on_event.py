"""A sink of events: a command that is run for each."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable
from typing import Any

from seqcls.credentials import without_secrets
from seqcls.errors import UsageError
from seqcls.journal.writer import Wall, utc_now
from seqcls.live.background import Notify, nothing
from seqcls.live.event_queue import EventQueue
from seqcls.live.notify import NotDeliveredError
from seqcls.live.queued_sink import QueuedSink
from seqcls.processes.child_program import own_group
from seqcls.text.foreign_text import for_terminal


class OnEvent(QueuedSink):
    """Runs a command for each event, one at a time, without a shell, until it ends with 0; then comes the next event.

    The event is JSON on the child's stdin and in SEQCLS_ID, SEQCLS_ORGAN, SEQCLS_STATE, SEQCLS_START_S, SEQCLS_FINAL_S
    and SEQCLS_REASON; its environment holds no secrets of ours. What the child prints is thrown away. A child that runs
    longer than ``limit_s`` is killed, with the processes it started where the system has process groups.

    Raises UsageError for a command that cannot be split, or a program that does not exist.
    """

    def __init__(
        self, command: str, *, notify: Notify = nothing, wall: Wall = utc_now, limit_s: float = 30.0,
        close_s: float = 10.0, queue: EventQueue | None = None, pause: Callable[[float], object] | None = None,
    ) -> None:  # fmt: skip
        self._command = split_command(command)
        if shutil.which(self._command[0]) is None:
            raise UsageError(f"the program for events, {self._command[0]}, was not found; check its name")
        self._limit_s = limit_s
        self._child: subprocess.Popen[bytes] | None = None
        super().__init__("on-event command", close_s, notify, wall, queue, pause)

    def _deliver(self, line: str) -> None:
        if self._stopping.is_set():
            raise NotDeliveredError("was not started any more")
        child = self._child = self._start(line)
        if self._stopping.is_set():  # meanwhile, and whoever set it saw no child to kill
            _kill(child)
        try:
            child.communicate(line.encode("ascii") + b"\n", self._limit_s)
        except subprocess.TimeoutExpired:
            raise NotDeliveredError(f"ran longer than {self._limit_s:g} s and was killed") from None
        finally:
            _kill(child)
            self._child = None
            child.wait()
            if child.stdin is not None:
                with contextlib.suppress(OSError):
                    child.stdin.close()
        if child.returncode and self._stopping.is_set():
            raise NotDeliveredError("was still running at the end and was killed")
        if child.returncode:
            raise NotDeliveredError(f"ended with {child.returncode}")

    def _start(self, line: str) -> subprocess.Popen[bytes]:
        event = json.loads(line)
        values = {
            "ID": event["id"],
            "ORGAN": event["organ"],
            "STATE": event["state"],
            "START_S": f"{event['start_s']:.6f}",
            "FINAL_S": f"{event['final_s']:.6f}",
            "REASON": event["reason"],
        }
        environment = {**without_secrets(), **{f"SEQCLS_{k}": for_terminal(v) for k, v in values.items()}}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(self._command, env=environment, **pipes, **own_group())

    def _interrupt(self) -> None:
        if (child := self._child) is not None:
            _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    if child.returncode is not None:
        return
    if os.name == "nt":
        child.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


def split_command(command: str, *, posix: bool = os.name != "nt") -> list[str]:
    """Program and arguments; on Windows backslashes stand for themselves. Raises UsageError."""
    try:
        words = shlex.split(command, posix=posix)
    except ValueError:
        raise UsageError("the command for events has a quotation mark without its partner") from None
    if not posix:
        words = [word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word for word in words]
    if not words or not words[0]:
        raise UsageError("the command for events is empty; write a program and its arguments")
    return words
