"""Many clips at a time on this machine: a process for each core reads, prepares and writes whole clips, and all are
scored by one engine, here.

This process carries images to the engine and scores back, a few microseconds of Python for each frame: what costs time
is done beside it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakSet

from seqcls.archive.cluster import Reply, worked
from seqcls.cli.clip_work import WORKER, ClipWork, Passes
from seqcls.cli.clip_worker import ABOUT, DONE, SCORE, Job
from seqcls.cores import cores
from seqcls.engines.shared import About, Scores, SharedEngine
from seqcls.errors import EngineError, SeqclsError, one_line
from seqcls.files.temporaries import sweep
from seqcls.processes.child_messages import Message
from seqcls.sources.decoder_child import DecoderChild, DecoderDiedError
from seqcls.sources.isolated import DecoderPool
from seqcls.sources.remote import fetched

if TYPE_CHECKING:
    from seqcls.archive.manifest import Unit

#: How often a run that somebody wants to end is looked at.
_LOOK_S = 0.1
#: So long a clip that is interrupted may take to write what there is of it.
_FINISH_S = 10.0


@contextmanager
def passes(work: ClipWork) -> Iterator[Passes]:
    """Both attempts at clips, by children of the run's pool: many at a time, and alone, by a new one."""
    pool = work.run.pool
    assert pool is not None, "without children clips are done in this process"
    lean = work.lean()
    with closing(SharedEngine(work.run.detector.engine)) as engine:

        def first(units: Iterator[Unit]) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
            with closing(LocalWorkers(work, lean, engine, pool, cores())) as workers:
                yield from worked(workers, units)

        def second(units: Iterator[Unit]) -> Generator[tuple[Unit, SeqclsError | None], None, None]:
            with (
                closing(DecoderPool(worker=WORKER)) as fresh,
                closing(LocalWorkers(work, lean, engine, fresh, 1)) as workers,
            ):
                yield from worked(workers, units)

        yield Passes(first, second, lambda: str(engine.pace))


class _Slot:
    """One of the clips that are done at a time."""

    def __init__(self) -> None:
        self.child: DecoderChild | None = None
        self.job: Future[_Done] | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    """How a clip went; what is to be printed of it, as lines for stderr and as text for stdout."""

    unit: Unit
    number: int
    reply: Reply
    notes: tuple[str, ...] = ()
    shown: str = ""


class LocalWorkers:
    """See ``archive.cluster.Workers``. ``lean``: the work as a child gets it. Close it in any case.

    Twice as many clips are begun as there are processes where clips lie in an object store: the next ones are fetched
    meanwhile.
    """

    def __init__(self, work: ClipWork, lean: ClipWork, engine: SharedEngine, pool: DecoderPool, processes: int) -> None:
        self.size = 2 * processes if work.fetches else processes
        self._work, self._lean, self._engine, self._pool = work, lean, engine, pool
        self._room = threading.Semaphore(processes)
        self._threads = ThreadPoolExecutor(self.size, thread_name_prefix="seqcls-worker")
        self._informed = WeakSet[DecoderChild]()  # each serves for some clips
        self._slots = set[_Slot]()
        self._begun = self._leaving = False
        self._given = self._printed = 0
        self._to_print: dict[int, _Done] = {}

    def start(self) -> _Slot:
        slot = _Slot()
        self._slots.add(slot)
        return slot

    def begun(self, worker: _Slot) -> None:
        """At once: its process is started with its first clip."""

    def has_begun(self, ticket: object) -> None:
        """Never asked."""

    def submit(self, worker: _Slot, unit: Unit) -> Future[_Done]:
        worker.job = self._threads.submit(self._do, worker, unit, self._given)
        self._given += 1
        return worker.job

    def wait(self, tickets: list[Future[_Done]]) -> Future[_Done]:
        """Raises EngineError where there is no engine."""
        if not self._begun:
            self._begun = True
            self._work.began()
        while True:
            done, _ = futures.wait(tickets, _LOOK_S, futures.FIRST_COMPLETED)
            if done:
                return next(ticket for ticket in tickets if ticket in done)
            self._pass_on_stop()

    def reply(self, ticket: Future[_Done]) -> Reply:
        """What is printed of a clip comes in the order in which the clips were begun."""
        done = ticket.result()
        self._to_print[done.number] = done
        while (following := self._to_print.pop(self._printed, None)) is not None:
            self._printed += 1
            self._work.print(following.unit, following.notes, following.shown, is_done=not following.reply.kind)
        return done.reply

    def stop(self, worker: _Slot) -> None:
        """A clip that somebody interrupts is written as far as it was read; others are left."""
        self._leaving = True
        if worker.job is not None and self._work.should_stop():
            self._pass_on_stop()
            futures.wait([worker.job], _FINISH_S)
        child = worker.child
        if child is not None:
            child.kill("is not needed any more")
        if worker.job is not None:
            futures.wait([worker.job])
        self._slots.discard(worker)

    def close(self) -> None:
        self._threads.shutdown()

    def _pass_on_stop(self) -> None:
        if self._work.should_stop():
            for slot in self._slots:
                if (child := slot.child) is not None:
                    child.interrupt()

    def _do(self, slot: _Slot, unit: Unit, number: int) -> _Done:
        try:
            with ExitStack() as stack:
                remote = unit.source.remote
                copy = None if remote is None else stack.enter_context(fetched(remote))
                with self._room:
                    slot.child = child = self._pool.take()
                    try:
                        return self._done(child, Job(unit, copy), number)
                    finally:
                        slot.child = None
                        self._pool.release(child)
        except SeqclsError as error:
            return _Done(unit, number, Reply.of(error))

    def _done(self, child: DecoderChild, job: Job, number: int) -> _Done:
        if self._leaving:
            return _Done(job.unit, number, Reply("clip", "not begun"))
        if child not in self._informed:
            self._informed.add(child)
            child.send(self._lean)
        child.order(job)
        try:
            while (message := child.receive()).kind != DONE:
                child.send(self._about() if message.kind == ABOUT else self._scores(message))
            kind, text, notes, shown = json.loads(message.text)
            return _Done(job.unit, number, Reply(str(kind), str(text)), tuple(map(str, notes)), str(shown))
        except ValueError as error:  # what no child of ours sends
            child.kill(f"sends {error}")
        except DecoderDiedError:
            pass
        sweep((self._work.run.root / job.unit.entry.folder).parent)  # what it was writing
        return _Done(job.unit, number, Reply("clip", f"{job.unit.entry.path}: {child.reason}"))

    def _about(self) -> About | SeqclsError:
        try:
            return self._engine.about()
        except SeqclsError as error:
            return error

    def _scores(self, message: Message) -> Scores | SeqclsError:
        """Or the error that the engine met. Raises ValueError for what no child of ours asks."""
        size, image = self._work.run.detector.header.geometry.size, message.image
        if message.kind != SCORE or image is None or image.shape[1:] != (size,) or image.shape[0] % size:
            raise ValueError("a message of another kind")
        try:
            return self._engine.ask(image.reshape(-1, size, size))
        except SeqclsError as error:
            return error
        except Exception as error:
            return EngineError(f"the engine failed ({type(error).__name__}: {one_line(error)}); please report this")
