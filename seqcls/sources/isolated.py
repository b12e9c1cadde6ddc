"""Clips read in child processes: a decoder that dies, swells or hangs on a damaged file costs that clip alone.

Decoders are millions of lines of C that work on foreign data. The children have bounded memory and files, and have
no network where the system offers that (``process_limits``). Frames, gaps and reports are those of ``open_found``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls import errors
from seqcls.errors import SeqclsError, SourceError
from seqcls.files.json_record import record_from
from seqcls.processes.child_messages import Message
from seqcls.processes.process_limits import MEMORY_BYTES
from seqcls.sources.base import OneWay
from seqcls.sources.decoder_child import (
    END,
    ERROR,
    FRAME,
    GAP,
    INFO,
    REPORT,
    STALL_S,
    DecoderChild,
    DecoderDiedError,
    Order,
    VideoOrder,
)
from seqcls.sources.found import FoundSource
from seqcls.text.foreign_text import for_name
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

#: What a decoder loses track of adds up; a new process costs as much as reading a few hundred frames.
_CLIPS_PER_CHILD = 100
_UNREAD = "not read to the end"
WORKER = "seqcls.sources.isolated_worker"


class DecoderPool:
    """Children that read clips, one at a time each; they are kept for the next clip. Close it in any case.

    memory_bytes: what each may allocate, on Linux. stall_s: how long it may be silent. worker: the module to run.
    """

    def __init__(
        self, *, memory_bytes: int = MEMORY_BYTES, stall_s: float = STALL_S, worker: str | None = None
    ) -> None:
        self._memory_bytes, self._stall_s = memory_bytes, stall_s
        self._worker = WORKER if worker is None else worker
        self._lock = threading.Lock()
        self._idle: list[DecoderChild] = []
        self._closed = False

    def open(
        self,
        found: FoundSource,
        *,
        rate_hz: float | None = None,
        images: tuple[Path, ...] = (),
        color: bool = False,
    ) -> IsolatedSource:
        """As ``open_found``, in a child. ``images``: the set that shares one scale where they have more than 8 bits.

        Raises what ``open_found`` raises, and SourceError when the child dies.
        """
        return IsolatedSource(self, self.take(), Order(found, rate_hz, images, color))

    def open_video(self, path: Path, time_s: NDArray[np.float64], threads: int = 1) -> IsolatedVideo:
        """As ``SeekableVideo``, in a child. Raises what that raises, and SourceError when the child dies."""
        order = VideoOrder(path, np.ascontiguousarray(time_s, np.float64).tobytes(), threads)
        return IsolatedVideo(self, self.take(), order)

    def warm(self, children: int) -> None:
        """Start some before the first clip is known; raises SourceError."""
        for _ in range(children):
            child = self._started()
            with self._lock:
                self._idle.append(child)

    def _started(self) -> DecoderChild:
        return DecoderChild(self._worker, self._memory_bytes, self._stall_s)

    def take(self) -> DecoderChild:
        """A child that reads nothing, to be given back by ``release``; raises SourceError."""
        with self._lock:
            child = self._idle.pop() if self._idle else None
        if child is not None and child.has_died:  # while it waited: no clip is to blame
            child.close()
            child = None
        return self._started() if child is None else child

    def release(self, child: DecoderChild) -> None:
        """Take a child back whose clip has ended."""
        child.clips += 1
        with self._lock:
            if child.usable and not self._closed and child.clips < _CLIPS_PER_CHILD:
                self._idle.append(child)
                return
        child.close()

    def close(self) -> None:
        """End the children that wait; those that read end with their sources."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()


class _Answers:
    """What a child sends of one clip, until it has ended."""

    def __init__(self, name: str, pool: DecoderPool, child: DecoderChild) -> None:
        self.child, self.ended = child, False
        self.info: SourceInfo | None = None
        self.report: SourceReport | None = None
        self._name, self._pool = name, pool
        self._turn = threading.Lock()  # two threads at once would share out a message

    def next(self) -> Message | None:
        """The next message, after it was looked at; None at the end. Raises what reading raises."""
        with self._turn:
            return None if self.ended else self._received()

    def drain(self) -> None:
        """Up to the end, which the child was asked for."""
        with suppress(SeqclsError):
            while self.next() is not None:
                pass

    def _received(self) -> Message | None:
        try:
            message = self.child.receive()
            if message.kind == INFO:
                self.info = record_from(SourceInfo, json.loads(message.text))
            elif message.kind == REPORT:
                self.report = record_from(SourceReport, json.loads(message.text))
            elif message.kind == ERROR:
                kind, _, text = message.text.partition("\n")
                self._end()
                raise _error(kind, text)
            elif message.kind == END:
                self._end()
                return None
            return message
        except ValueError as error:  # what no child of ours sends
            self.child.kill(f"sends {error}")
            self._end()
            raise SourceError(f"{self._name}: {self.child.reason}") from None
        except DecoderDiedError:
            self._end()
            raise SourceError(f"{self._name}: {self.child.reason}") from None

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self._pool.release(self.child)


class IsolatedSource(OneWay):
    """One clip, read by a child."""

    def __init__(self, pool: DecoderPool, child: DecoderChild, order: Order) -> None:
        super().__init__()
        found = order.found
        self.name = for_name(found.path.rsplit("/", 1)[-1] or Path(found.spec).name)
        self._child, self._answers = child, _Answers(self.name, pool, child)
        self._delivered, self._gaps = 0, list[Gap]()
        self._left = False
        try:
            child.order(order)
            self._next()
        except BaseException:
            self.close()
            raise

    info: SourceInfo

    def _items(self) -> Iterator[Frame | Gap]:
        while not self._closed and (message := self._next()) is not None:
            if message.kind == FRAME and message.image is not None:
                yield Frame(self._delivered, message.first, message.second, message.image, message.text)
                self._delivered += 1
            elif message.kind == GAP:
                self._gaps.append(Gap(message.first, message.second, message.text))
                yield self._gaps[-1]

    def _next(self) -> Message | None:
        message = self._answers.next()
        if self._answers.info is not None:
            self.info = self._answers.info
        return message

    def report(self) -> SourceReport:
        self._leave()
        report = self._answers.report if self._answers.report is not None else SourceReport("unknown", (_UNREAD,))
        if self._left and report.verdict == "complete":  # the child was ahead
            report = replace(report, verdict="unknown", reasons=(*report.reasons, _UNREAD))
        return replace(report, delivered=self._delivered, gaps=tuple(self._gaps))

    def close(self) -> None:
        super().close()
        self._leave()

    def _leave(self) -> None:
        """Have the child leave the clip, unless it has come to its end."""
        if not self._answers.ended:
            self._left = True
            self._child.leave()
            self._answers.drain()


class IsolatedVideo:
    """Frames of a video by their number, from a child. Not for several threads at once."""

    info: SourceInfo

    def __init__(self, pool: DecoderPool, child: DecoderChild, order: VideoOrder) -> None:
        self._name = for_name(order.name)
        self._child, self._answers = child, _Answers(self._name, pool, child)
        try:
            child.order(order)
            self._answers.next()
            if self._answers.info is None:
                raise SourceError(f"{self._name}: nothing is known of it")
            self.info = self._answers.info
        except BaseException:
            self.close()
            raise

    def image(self, index: int) -> NDArray[np.uint8]:
        """(H, W) uint8. Raises SourceError where it cannot be decoded: it is closed then."""
        if not self._answers.ended:
            self._child.send(index)
            message = self._answers.next()
            if message is not None and message.image is not None:
                return message.image
        self.close()
        raise SourceError(f"{self._name}: is closed; open it again")

    def close(self) -> None:
        """Have the child leave the clip; idempotent."""
        if not self._answers.ended:
            self._child.send(None)
            self._answers.drain()


def _error(kind: str, text: str) -> SeqclsError:
    known = getattr(errors, kind, SourceError)
    return known(text) if isinstance(known, type) and issubclass(known, SeqclsError) else SourceError(text)
