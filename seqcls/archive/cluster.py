"""Clips on the machines of a Ray cluster: a pool of actors, each of which takes one clip after the other.

Ray carries a clip's place and, back, whether it went well: less than 1 kB. Frames and results never pass through it;
they lie on a disk that all machines share. Nothing is repeated by Ray: a worker that dies is an attempt that has
failed, and the driver counts those.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from seqcls.archive.manifest import Unit
from seqcls.errors import OutputError, SeqclsError, SourceError, UsageError, one_line
from seqcls.files.output_lock import OutputBusyError
from seqcls.sources.remote import NotFetchedError
from seqcls.third_party import library

#: Characters of an error that come back.
MAX_LETTERS = 700
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
        return cls(kind, str(error)[:MAX_LETTERS])

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
    """A worker is gone, and with it what it was doing."""


class Workers(Protocol):
    """Processes somewhere."""

    size: int

    def start(self) -> Any:
        """A new worker."""

    def submit(self, worker: Any, unit: Unit) -> Any:
        """Give it a clip; a ticket."""

    def wait(self, tickets: list[Any]) -> Any:
        """One of the tickets whose clip is done."""

    def reply(self, ticket: Any) -> Reply:
        """Raises WorkerDiedError."""

    def stop(self, worker: Any) -> None:
        """End it at once."""


def worked(
    workers: Workers, units: Iterator[Unit], size: int | None = None
) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
    """One attempt at each clip, each with its error, in the order in which they end; as many at a time as there are
    workers, or ``size``.

    Each worker is started when there is a clip for it. Raises OutputError where nothing can be written.
    """
    idle: list[Any] = []
    busy: dict[Any, tuple[Any, Unit]] = {}
    most = workers.size if size is None else size
    try:
        while True:
            while len(busy) < most and (unit := next(units, None)) is not None:
                worker = idle.pop() if idle else workers.start()
                busy[workers.submit(worker, unit)] = (worker, unit)
            if not busy:
                return
            ticket = workers.wait(list(busy))
            worker, unit = busy[ticket]
            try:
                reply = workers.reply(ticket)
                idle.append(worker)
            except WorkerDiedError:
                reply = Reply("clip", f"{unit.entry.path}: the worker that read it has died")
            finally:
                del busy[ticket]
            yield unit, reply.error()
    finally:
        for worker in (*idle, *(worker for worker, _ in busy.values())):
            workers.stop(worker)


class RayWorkers:
    """Actors of Ray Core. address: of a cluster, "" for this machine alone, started here. gpus: that each worker gets.

    Raises UsageError for a cluster that is not there, OutputError where Ray is missing. Close it in any case.
    """

    def __init__(self, build: Build, address: str = "", gpus: float = 0.0, size: int | None = None) -> None:
        if find_spec("ray") is None:
            raise OutputError("--workers ray needs ray: pip install 'seqcls[cluster]'")
        # Ray counts its users otherwise, and serves a page about itself.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        self._ray = library("ray")
        alone = {} if address else {"include_dashboard": False}
        try:
            self._ray.init(address or "local", log_to_driver=False, configure_logging=False, **alone)
        except Exception as error:  # Ray has no class of its own for this
            place = f"no cluster answers at {address}" if address else "Ray does not start on this machine"
            raise UsageError(f"--workers ray: {place} ({one_line(error)}); see docs/archive.md") from error
        found = self._ray.cluster_resources()
        fits = found.get("GPU", 0) / gpus if gpus else found.get("CPU", 1)
        self.size = max(1, int(fits)) if size is None else size
        self._build = self._ray.put(build)
        # One row is one clip; neither the actor nor its work is ever repeated by Ray.
        self._kind = self._ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0)(_Actor)

    def start(self) -> Any:
        return self._kind.remote(self._build)

    def submit(self, worker: Any, unit: Unit) -> Any:
        return worker.do.remote(unit)

    def wait(self, tickets: list[Any]) -> Any:
        done, _ = self._ray.wait(tickets, num_returns=1)
        return done[0]

    def reply(self, ticket: Any) -> Reply:
        try:
            kind, message = self._ray.get(ticket)
        except self._ray.exceptions.RayError as error:
            raise WorkerDiedError from error
        return Reply(kind, message)

    def stop(self, worker: Any) -> None:
        self._ray.kill(worker)

    def close(self) -> None:
        self._ray.shutdown()


class _Actor:
    """In a process of its own, somewhere."""

    def __init__(self, build: Build) -> None:
        self._do = build()

    def do(self, unit: Unit) -> tuple[str, str]:
        reply = self._do(unit)
        return reply.kind, reply.message
