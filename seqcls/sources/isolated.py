"""Clips read in child processes: a decoder that dies, swells or hangs on a damaged file costs that clip alone.

Decoders are millions of lines of C that work on foreign data. The children have bounded memory and files, and have
no network where the system offers that (``process_limits``). Frames, gaps and reports are those of ``open_found``.
"""

from __future__ import annotations

import json
import pickle
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls import errors
from seqcls.errors import SeqclsError, SourceError
from seqcls.files.json_record import record_from
from seqcls.processes import child_program
from seqcls.processes.child_messages import Message, receive
from seqcls.processes.process_limits import MEMORY_BYTES
from seqcls.processes.shared_images import SharedImages
from seqcls.sources.base import OneWay
from seqcls.sources.found import FoundSource
from seqcls.text.foreign_text import for_name
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

#: Kinds of messages from a child. FRAME: its time and duration in seconds and what is wrong with it; GAP: its start and
#: end in seconds and its reason.
READY, INFO, FRAME, GAP, REPORT, ERROR, END = b"R", b"I", b"F", b"G", b"V", b"E", b"."
#: Orders to a child: a clip, as the length of a pickle and that; or to leave the one it reads.
ORDER, STOP = b"O", b"S"
LENGTH = struct.Struct("<I")
#: What a child is given first: the memory that it may take, and its end of ``SharedImages`` (-1: none).
SETTINGS = struct.Struct("<qii")

#: Without a message and without reading a byte for so long a child hangs.
STALL_S = 60.0
_LEAVE_S = 2.0  # to leave a clip that nobody wants any more
_LOOK_S = 0.5
#: What a decoder loses track of adds up; a new process costs as much as reading a few hundred frames.
_CLIPS_PER_CHILD = 100
_PIPE_BYTES = 1 << 20
_UNREAD = "not read to the end"
WORKER = "seqcls.sources.isolated_worker"


@dataclass(frozen=True, slots=True)
class Order:
    """A clip to be read; the parameters are those of ``DecoderPool.open``. images: None for the set before."""

    found: FoundSource
    rate_hz: float | None
    images: tuple[Path, ...] | None
    color: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return self.found.path or self.found.spec


@dataclass(frozen=True, slots=True)
class VideoOrder:
    """A video whose frames are asked for by their number; then come these numbers, and None at the end. ``time_s``: as
    for ``SeekableVideo``, as bytes."""

    path: Path
    time_s: bytes
    threads: int

    @property
    def name(self) -> str:
        """For messages."""
        return self.path.name


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
        self._idle: list[_Child] = []
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
        return IsolatedSource(self, self._child(), Order(found, rate_hz, images, color))

    def open_video(self, path: Path, time_s: NDArray[np.float64], threads: int = 1) -> IsolatedVideo:
        """As ``SeekableVideo``, in a child. Raises what that raises, and SourceError when the child dies."""
        order = VideoOrder(path, np.ascontiguousarray(time_s, np.float64).tobytes(), threads)
        return IsolatedVideo(self, self._child(), order)

    def warm(self, children: int) -> None:
        """Start some before the first clip is known; raises SourceError."""
        for _ in range(children):
            child = self._started()
            with self._lock:
                self._idle.append(child)

    def _started(self) -> _Child:
        return _Child(self._worker, self._memory_bytes, self._stall_s)

    def _child(self) -> _Child:
        with self._lock:
            child = self._idle.pop() if self._idle else None
        if child is not None and child.has_died:  # while it waited: no clip is to blame
            child.close()
            child = None
        return self._started() if child is None else child

    def release(self, child: _Child) -> None:
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

    def __init__(self, name: str, pool: DecoderPool, child: _Child) -> None:
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
        except _ChildDiedError:
            self._end()
            raise SourceError(f"{self._name}: {self.child.reason}") from None

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self._pool.release(self.child)


class IsolatedSource(OneWay):
    """One clip, read by a child."""

    def __init__(self, pool: DecoderPool, child: _Child, order: Order) -> None:
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

    def __init__(self, pool: DecoderPool, child: _Child, order: VideoOrder) -> None:
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


class _ChildDiedError(Exception):
    """It sent no end; ``_Child.reason`` says why."""


class _Child:
    """One process, and a thread that ends it when it hangs. Raises SourceError when none can be started."""

    def __init__(self, worker: str, memory_bytes: int, stall_s: float) -> None:
        self.clips, self.usable, self.reason = 0, True, ""
        self._stall_s, self._patience_s = stall_s, STALL_S  # to start takes as long as it takes
        self._ready = self._leaving = False
        self._images: tuple[Path, ...] | None = None
        self._shared = SharedImages.for_parent()
        self._waiting_since: float | None = None
        self._done = threading.Event()
        try:  # without a buffer on this side images are read to where they stay
            fds = () if self._shared is None else self._shared.fds
            self._process = child_program.start(child_program.program(worker), bufsize=0, pass_fds=fds)
        except OSError as error:
            if self._shared is not None:
                self._shared.close()
            raise SourceError(f"no process can be started to decode in ({error.strerror})") from None
        assert self._process.stdin is not None and self._process.stdout is not None
        self._orders, self._messages = self._process.stdin, self._process.stdout
        _widen(self._messages.fileno())
        with suppress(OSError):  # it died at once, which is seen when it is listened to
            self._orders.write(SETTINGS.pack(memory_bytes, *(fds if fds else (-1, -1))))
        threading.Thread(target=self._watch, name="seqcls-decoder-watch", daemon=True).start()

    @property
    def has_died(self) -> bool:
        return self._process.poll() is not None

    def order(self, order: Order | VideoOrder) -> None:
        """Have it read a clip."""
        self._leaving = False
        self._patience_s = self._stall_s if self._ready else STALL_S
        if isinstance(order, Order):
            if order.images is self._images:  # thousands, perhaps, for each of them
                order = replace(order, images=None)
            else:
                self._images = order.images
        self.send(order)

    def send(self, order: Order | VideoOrder | int | None) -> None:
        """The pickle goes to the child; what comes back is no pickle."""
        content = pickle.dumps(order)
        with suppress(OSError):
            self._write(ORDER + LENGTH.pack(len(content)) + content)

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[self._orders.write(rest) :]

    def leave(self) -> None:
        """Have it leave the clip that it reads."""
        self._leaving, self._patience_s = True, _LEAVE_S if self._ready else STALL_S
        with suppress(OSError):
            self._orders.write(STOP)

    def receive(self) -> Message:
        """The next message about the clip. Raises _ChildDiedError, ValueError for nonsense."""
        while True:
            self._waiting_since = time.monotonic()
            message = receive(self._messages, self._shared)
            self._waiting_since = None
            if message is None:
                self._died()
                raise _ChildDiedError
            if message.kind != READY:
                return message
            self._ready, self._patience_s = True, self._stall_s

    def _died(self) -> None:
        self.usable = False
        child_program.end(self._process, after_s=1.0)
        if not self.reason:
            self.reason = f"the process that decodes it died ({_cause(self._process.returncode)})"
        self.close()

    def kill(self, reason: str) -> None:
        """End a child that cannot be talked to any more."""
        self.usable, self.reason = False, f"the process that decodes it {reason}, and was ended"
        self._process.kill()

    def _watch(self) -> None:
        """A child that is waited for must send something or read on."""
        seen, since = -1, 0.0
        while not self._done.wait(_LOOK_S):
            waiting_since = self._waiting_since
            if waiting_since is None or waiting_since > since:
                since = time.monotonic() if waiting_since is None else waiting_since
            if (read := _bytes_read(self._process.pid)) != seen and not self._leaving:
                seen, since = read, time.monotonic()
            if waiting_since is not None and time.monotonic() - since > self._patience_s:
                self.kill(f"gave no sign for {self._patience_s:g} s")
                return

    def close(self) -> None:
        """End it; its stdin tells it to."""
        self.usable = False
        self._done.set()
        with suppress(OSError):
            self._orders.close()
        child_program.end(self._process, after_s=0.5)
        self._messages.close()
        if self._shared is not None:
            self._shared.close()
            self._shared = None


def _cause(code: int | None) -> str:
    """Of a process that ended by itself."""
    if code is not None and code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def _bytes_read(process: int) -> int:
    """How much it has read from files so far; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{process}/io").read_text(encoding="ascii").split()[1])
    return 0


def _widen(pipe: int) -> None:
    """Room for an image, where the system lets one ask: fewer turns between the two processes."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
