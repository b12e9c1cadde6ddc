"""One process that decodes: the orders that it takes, what it sends, and the thread that ends it when it hangs."""

from __future__ import annotations

import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from seqcls.errors import SourceError
from seqcls.processes import child_program
from seqcls.processes.child_messages import Message, receive
from seqcls.processes.parent import LENGTH, ORDER, READY, SETTINGS, STOP
from seqcls.processes.shared_images import SharedImages
from seqcls.sources.found import FoundSource, files_of

#: Kinds of messages from a child. FRAME: its time and duration in seconds and what is wrong with it; GAP: its start and
#: end in seconds and its reason.
INFO, FRAME, GAP, REPORT, ERROR, END = b"I", b"F", b"G", b"V", b"E", b"."

#: Without a message and without reading a byte for so long a child hangs.
STALL_S = 60.0
#: Of a child that sends nothing, the bytes that it may read: so many times all of its clip, and so many besides. FFmpeg
#: reads 32 kB for a packet that lies out of its turn, which may have 400; what is read again and again has no end.
MOST_TIMES, MOST_BYTES = 100, 1 << 30
_LEAVE_S = 2.0  # to leave a clip that nobody wants any more
_LOOK_S = 0.5
_PIPE_BYTES = 1 << 20


class Reading(Protocol):
    """What a child is asked to do with files."""

    def files(self) -> Iterable[Path]:
        """Those that it may read."""


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

    def files(self) -> Iterator[Path]:
        """All that it may read."""
        yield from files_of(self.found)
        yield from self.images or ()


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

    def files(self) -> tuple[Path]:
        """The one that it reads."""
        return (self.path,)


class DecoderDiedError(Exception):
    """It sent no end; ``DecoderChild.reason`` says why."""


class DecoderChild:
    """One process, and a thread that ends it when it hangs. Raises SourceError when none can be started."""

    def __init__(self, worker: str, memory_bytes: int, stall_s: float) -> None:
        self.clips, self.usable, self.reason = 0, True, ""
        self._stall_s, self._patience_s = stall_s, STALL_S  # to start takes as long as it takes
        self._ready = self._leaving = False
        self._images: tuple[Path, ...] | None = None
        self._reading: Reading | None = None
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

    def order(self, order: Reading) -> None:
        """Have it read a clip, or do what else its program can."""
        self._leaving, self._reading = False, order
        self._patience_s = self._stall_s if self._ready else STALL_S
        if isinstance(order, Order):
            if order.images is self._images:  # thousands, perhaps, for each of them
                order = replace(order, images=None)
            else:
                self._images = order.images
        self.send(order)

    def send(self, order: object) -> None:
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
        self.interrupt()

    def interrupt(self) -> None:
        """Have it finish what it does with what there is so far."""
        with suppress(OSError, ValueError):  # it has died, or was closed meanwhile
            self._orders.write(STOP)

    def receive(self) -> Message:
        """The next message about the clip. Raises DecoderDiedError, ValueError for nonsense."""
        while True:
            self._waiting_since = time.monotonic()
            message = receive(self._messages, self._shared)
            self._waiting_since = None
            if message is None:
                self._died()
                raise DecoderDiedError
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
        at_message = 0
        waited_since: float | None = None
        while not self._done.wait(_LOOK_S):
            waiting_since, read = self._waiting_since, _bytes_read(self._process.pid)
            if waiting_since is None or waiting_since != waited_since:
                at_message, waited_since = read, waiting_since
            if waiting_since is None or waiting_since > since:
                since = time.monotonic() if waiting_since is None else waiting_since
            if read != seen and not self._leaving:
                seen, since = read, time.monotonic()
            if waiting_since is not None and time.monotonic() - since > self._patience_s:
                self.kill(f"gave no sign for {self._patience_s:g} s")
                return
            if self._is_endless(read - at_message):
                self.kill(f"read {(read - at_message) >> 20:,} MB without coming to an end")
                return

    def _is_endless(self, read: int) -> bool:
        """Whether so many bytes since its last message are more than its clip is worth."""
        if read <= MOST_BYTES or self._reading is None:
            return False
        return read > MOST_BYTES + MOST_TIMES * sum(map(_size, self._reading.files()))

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


def _size(path: Path) -> int:
    """In bytes; 0 where it is gone."""
    with suppress(OSError, ValueError):
        return path.stat().st_size
    return 0


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
