"""The process that does whole clips for ``local_workers``: everything but scoring, for which it asks its parent.

It reads clips for ``sources.isolated``, too, so that one set of processes serves both.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seqcls.archive.manifest import Unit
from seqcls.cli import console, tables
from seqcls.cli.clip_work import ClipWork
from seqcls.engines.shared import About, BorrowedEngine, Images, Scores
from seqcls.errors import SeqclsError
from seqcls.processes.child_messages import Message
from seqcls.processes.parent import Parent
from seqcls.sources.found import FoundSource, files_of
from seqcls.sources.isolated_worker import serve
from seqcls.timeline import Timeline

#: Kinds of messages to the parent: images to be scored, one below the other; a question what the engine is; and how a
#: clip went, as JSON.
SCORE, ABOUT, DONE = b"s", b"a", b"D"
#: Pixels that are sent at once.
_MOST_PIXELS = 1 << 23


@dataclass(frozen=True, slots=True)
class Job:
    """A clip to be done; before the first comes a ClipWork. copy: where it lies, if in an object store."""

    unit: Unit
    copy: Path | None

    def files(self) -> Iterator[Path]:
        """Those that are read."""
        yield from files_of(self.unit.source) if self.copy is None else (self.copy,)


def main() -> None:
    """Do one clip after the other until stdin is closed or nobody reads any more."""
    parent = Parent()
    serve(parent, _Worker(parent).take)


class _Worker:
    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._work: ClipWork | None = None

    def take(self, order: ClipWork | Job) -> None:
        """Raises OSError when nobody reads any more."""
        if isinstance(order, Job):
            self._do(order)
            return
        detector = order.run.detector
        engine = BorrowedEngine(detector.header, self._ask, self._about)
        run = replace(order.run, detector=replace(detector, engine=engine))
        self._work = replace(order, run=run, should_stop=self._parent.stopped.is_set)

    def _do(self, job: Job) -> None:
        assert self._work is not None, "what is to be done with clips comes before the first of them"
        self._parent.stopped.clear()
        work = replace(self._work, run=replace(self._work.run, copy=job.copy))
        if job.unit.source.unrelated:  # its timelines are not among the results
            work = replace(work, show=_print_pictures)
        with redirect_stdout(io.StringIO()) as shown, console.kept_messages() as notes:
            reply = work.reply(job.unit)
        text = json.dumps([reply.kind, reply.message, notes, shown.getvalue()])
        self._parent.send(Message(DONE, text=text))

    def _ask(self, images: Images) -> Scores:
        size = images.shape[-1]
        most = max(1, _MOST_PIXELS // size**2)
        found = []
        for start in range(0, len(images), most):
            self._parent.send(Message(SCORE, image=images[start : start + most].reshape(-1, size)))
            found.append(self._answer())
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _about(self) -> About:
        self._parent.send(Message(ABOUT))
        about: About = self._answer()
        return about

    def _answer(self) -> Any:
        answer = self._parent.next()
        if isinstance(answer, SeqclsError):
            raise answer
        return answer


def _print_pictures(source: FoundSource, timelines: list[Timeline]) -> None:
    tables.show_pictures(console.results(), source.path, timelines)
