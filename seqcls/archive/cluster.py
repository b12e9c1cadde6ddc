"""Clips on the machines of a Ray cluster: a pool of actors, each of which takes one clip after the other.

Ray carries a clip's place and, back, whether it went well: less than 1 kB. Frames and results never pass through it;
they lie on a disk that all machines share. Nothing is repeated by Ray: a worker that dies is an attempt that has
failed, and the driver counts those.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from seqcls.archive.manifest import Unit
from seqcls.errors import EngineError, OutputError, SeqclsError, SourceError, UsageError, one_line
from seqcls.files.output_lock import OutputBusyError
from seqcls.sources.remote import NotFetchedError
from seqcls.third_party import library

#: Bytes of an error that come back.
MAX_BYTES = 700
#: So many workers in a row that do not come to work are reason to give up.
MAX_START_FAILURES = 8
#: So long a cluster may take to take a call; Ray itself waits for minutes, and tells of nothing meanwhile.
CONNECT_S = 10.0
#: How often it is asked how large the cluster is: machines join it, and are lost.
_SIZE_AGE_S = 5.0
_KINDS: dict[str, type[SeqclsError]] = {
    "busy": OutputBusyError,
    "output": OutputError,
    "fetch": NotFetchedError,
    "clip": SourceError,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """How one clip went. kind: "" where it is done, else what the error is of; it is the message of that."""

    kind: str = ""
    message: str = ""

    @classmethod
    def of(cls, error: SeqclsError | None) -> Reply:
        if error is None:
            return cls()
        kind = next((kind for kind, own in _KINDS.items() if isinstance(error, own)), "clip")
        return cls(kind, str(error).encode("utf-8", "replace")[:MAX_BYTES].decode("utf-8", "ignore"))

    def error(self) -> SeqclsError | None:
        """Raises OutputError for what ends the run: the next clip would meet the same."""
        if not self.kind:
            return None
        error = _KINDS[self.kind](self.message)
        if self.kind == "output":
            raise error
        return error


#: Called once in a worker; what it gives does one clip.
Build = Callable[[], Callable[[Unit], Reply]]


class WorkerDiedError(Exception):
    """A worker is gone, and with it what it was doing. Its text: why, where that is known."""


class Workers(Protocol):
    """Processes somewhere."""

    @property
    def size(self) -> int:
        """How many there may be now."""

    def start(self) -> Any:
        """A new worker."""

    def begun(self, worker: Any) -> Any:
        """A ticket for ``wait`` that is done once a new worker can take clips; None where it can at once."""

    def has_begun(self, ticket: Any) -> None:
        """Raises WorkerDiedError where it cannot."""

    def submit(self, worker: Any, unit: Unit) -> Any:
        """Give it a clip; a ticket."""

    def wait(self, tickets: list[Any]) -> Any:
        """One of the tickets that is done."""

    def reply(self, ticket: Any) -> Reply:
        """Raises WorkerDiedError."""

    def stop(self, worker: Any) -> None:
        """End it at once."""


def worked(
    workers: Workers, units: Iterator[Unit], size: int | None = None
) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
    """One attempt at each clip, each with its error, in the order in which they end; as many at a time as there are
    workers, or ``size``.

    Each worker is started when there is a clip for it, which goes to whichever is free first: where a machine was lost
    a new worker may wait for another one for ever. Raises OutputError where nothing can be written, EngineError where
    no worker comes to work.
    """
    crew = _Crew(workers)
    try:
        while True:
            most = workers.size if size is None else size
            while len(crew.busy) + len(crew.waiting) < most and (unit := next(units, None)) is not None:
                crew.waiting.append(unit)
            crew.give()
            if not crew.busy and not crew.waiting:
                return
            done = crew.next_done()
            if done is not None:
                unit, reply = done
                yield unit, reply.error()
    finally:
        crew.stop()


class _Crew:
    """Workers that are idle, that start, and that are busy; and clips that wait for one."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._failures = 0
        self.busy: dict[Any, tuple[Any, Unit]] = {}
        self.waiting = deque[Unit]()

    def give(self) -> None:
        """A worker to each clip that waits, or a new one on its way."""
        while len(self._starting) + len(self._idle) < len(self.waiting):
            worker = self._workers.start()
            ticket = self._workers.begun(worker)
            if ticket is None:
                self._idle.append(worker)
            else:
                self._starting[ticket] = worker
        while self.waiting and self._idle:
            worker, unit = self._idle.pop(), self.waiting.popleft()
            self.busy[self._workers.submit(worker, unit)] = (worker, unit)

    def next_done(self) -> tuple[Unit, Reply] | None:
        """A clip that is done; None where a worker has begun, or failed to. Raises EngineError."""
        ticket = self._workers.wait([*self.busy, *self._starting])
        if ticket in self._starting:
            self._begin(ticket)
            return None
        worker, unit = self.busy.pop(ticket)
        try:
            reply = self._workers.reply(ticket)
            self._idle.append(worker)
        except WorkerDiedError:
            reply = Reply("clip", f"{unit.entry.path}: the worker that read it has died")
        return unit, reply

    def _begin(self, ticket: Any) -> None:
        worker = self._starting.pop(ticket)
        try:
            self._workers.has_begun(ticket)
            self._failures = 0
            self._idle.append(worker)
        except WorkerDiedError as error:
            self._workers.stop(worker)
            self._failures += 1
            if self._failures >= MAX_START_FAILURES:
                raise EngineError(
                    f"{self._failures} workers in a row did not come to work ({error}); do all machines have"
                    " seqcls, the model and the clips under the same paths?"
                ) from error

    def stop(self) -> None:
        for worker in (*self._idle, *self._starting.values(), *(worker for worker, _ in self.busy.values())):
            self._workers.stop(worker)


class RayWorkers:
    """Actors of Ray Core. address: of a cluster, "" for this machine alone, started here. gpus: that each worker gets.

    Raises UsageError for a cluster that is not there, OutputError where Ray is missing. Close it in any case.
    """

    def __init__(self, build: Build, address: str = "", gpus: float = 0.0) -> None:
        if find_spec("ray") is None:
            raise OutputError("--workers ray needs ray: pip install 'seqcls[cluster]'")
        _require_answer(address)
        # Ray counts its users otherwise, and serves a page about itself.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        self._ray = library("ray")
        alone = {} if address else {"include_dashboard": False}
        try:
            self._ray.init(address or "local", log_to_driver=False, configure_logging=False, **alone)
        except Exception as error:  # Ray has no class of its own for this
            place = f"no cluster answers at {address}" if address else "Ray does not start on this machine"
            raise UsageError(f"--workers ray: {place} ({one_line(error)}); see docs/archive.md") from error
        self._gpus, self._size, self._size_until_s = gpus, 1, 0.0
        self._build = self._ray.put(build)
        # One row is one clip; neither the actor nor its work is ever repeated by Ray.
        self._kind = self._ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0)(_Actor)

    @property
    def size(self) -> int:
        """By the processors, or GPUs, that the cluster has now."""
        if time.monotonic() >= self._size_until_s:
            found = self._ray.cluster_resources()
            fits = found.get("GPU", 0) / self._gpus if self._gpus else found.get("CPU", 1)
            self._size, self._size_until_s = max(1, int(fits)), time.monotonic() + _SIZE_AGE_S
        return self._size

    def start(self) -> Any:
        return self._kind.remote(self._build)

    def begun(self, worker: Any) -> Any:
        return worker.about.remote()

    def has_begun(self, ticket: Any) -> None:
        reply = self.reply(ticket)
        if reply.kind:
            raise WorkerDiedError(reply.message)

    def submit(self, worker: Any, unit: Unit) -> Any:
        return worker.do.remote(unit)

    def wait(self, tickets: list[Any]) -> Any:
        done, _ = self._ray.wait(tickets, num_returns=1)
        return done[0]

    def reply(self, ticket: Any) -> Reply:
        try:
            kind, message = self._ray.get(ticket)
        except self._ray.exceptions.RayError as error:
            raise WorkerDiedError(one_line(error)) from error
        return Reply(kind, message)

    def stop(self, worker: Any) -> None:
        self._ray.kill(worker)

    def close(self) -> None:
        self._ray.shutdown()


def _require_answer(address: str) -> None:
    """Raises UsageError where nobody listens at HOST:PORT, or ray://HOST:PORT; what other addresses mean Ray knows."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except (OSError, UnicodeError, OverflowError) as error:
        why = f"no answer within {CONNECT_S:g} s" if isinstance(error, TimeoutError) else one_line(error)
        raise UsageError(
            f"--workers ray: no cluster answers at {address} ({why}); name the address that `ray start --head` printed,"
            " or run this on a machine of the cluster with ray:auto"
        ) from None


class _Actor:
    """In a process of its own, somewhere."""

    def __init__(self, build: Build) -> None:
        self._begun = Reply()
        try:
            self._do = build()
        except SeqclsError as error:
            self._begun = Reply.of(error)

    def about(self) -> tuple[str, str]:
        """Why it cannot work, or nothing."""
        return self._begun.kind, self._begun.message

    def do(self, unit: Unit) -> tuple[str, str]:
        reply = self._do(unit)
        return reply.kind, reply.message
