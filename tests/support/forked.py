"""Programs that begin with their libraries imported: forked from a process that imported them once.

Each is a process like any other, with pipes, signals and limits of its own; it is only spared the two seconds in which a
Python program reads its libraries.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: How long a process may take to import, or to fork.
PATIENCE_S = 60.0
_CODE = (
    "import sys; sys.path[:0] = sys.argv[1:3]; from support.forked import serve; serve(int(sys.argv[3]), sys.argv[4])"
)


class Child:
    """A program that ``Parent`` started: as much of ``subprocess.Popen`` as tests need."""

    def __init__(self, reports: int, stdout: int, stderr: int | None) -> None:
        self._reports = os.fdopen(reports, "rb", buffering=0)
        self.stdout, self.stderr = os.fdopen(stdout, "rb"), None if stderr is None else os.fdopen(stderr, "rb")
        self.returncode: int | None = None
        self._pid = self._reported(PATIENCE_S)

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.returncode = self._reported(timeout)
            self._reports.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self._pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _reported(self, timeout: float | None) -> int:
        if not select.select([self._reports], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("a forked program", timeout or 0.0)
        return int(self._reports.readline())


class Parent:
    """A process that has imported ``module``, one of tests/support, and called its ``rehearse``; its children call ``main``."""

    def __init__(self, module: str) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-c", _CODE, str(ROOT), str(ROOT / "tests"), str(theirs.fileno()), module]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # a process with threads cannot be forked
            self._process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, cwd=ROOT, env=environment
            )

    def start(self, *arguments: str, stderr: int = subprocess.PIPE) -> Child:
        """A child that calls ``main(*arguments)`` with the environment of this process; ``stderr``: a descriptor, or
        subprocess.PIPE."""
        pipes = [os.pipe() for _ in range(2 + (stderr == subprocess.PIPE))]
        given = [behind for _, behind in pipes] + ([] if stderr == subprocess.PIPE else [stderr])
        order = {"arguments": arguments, "environment": {**os.environ, "OMP_NUM_THREADS": "1"}}
        socket.send_fds(self._channel, [json.dumps(order).encode() + b"\n"], given)
        for _, behind in pipes:
            os.close(behind)
        return Child(pipes[0][0], pipes[1][0], pipes[2][0] if stderr == subprocess.PIPE else None)

    def close(self) -> None:
        self._channel.close()
        self._process.wait(PATIENCE_S)


def serve(channel: int, module: str) -> None:
    """What the parent does until its channel is closed; in each child the program."""
    program = import_module(module)
    program.rehearse()
    with socket.socket(fileno=channel) as orders:
        while True:
            order, ends, _, _ = socket.recv_fds(orders, 1 << 16, 3)
            if not order:
                with suppress(ChildProcessError):  # when none is left
                    while True:
                        os.wait()
                return
            while not order.endswith(b"\n"):
                order += orders.recv(1 << 16)
            if os.fork() == 0:
                break
            for end in ends:
                os.close(end)
    reports, *streams = ends
    pid = os.fork()
    if pid != 0:  # the one that waits
        for end in streams:
            os.close(end)
        os.write(reports, b"%d\n" % pid)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with suppress(BrokenPipeError):  # the test is over
            os.write(reports, b"%d\n" % code)
        os._exit(0)
    os.close(reports)
    for number, end, name in zip((1, 2), streams, ("stdout", "stderr"), strict=True):
        os.dup2(end, number)
        os.close(end)
        lines = 1 if name == "stderr" or os.isatty(number) else -1
        setattr(sys, name, open(number, "w", lines, "utf-8", "backslashreplace", closefd=False))  # noqa: SIM115
    stated = json.loads(order)
    os.environ.clear()
    os.environ.update(stated["environment"])
    program.main(*stated["arguments"])
