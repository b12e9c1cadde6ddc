"""A camera or network stream read in a process of its own: native code may block for ever, and a thread stuck in it
cannot be ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from seqcls.errors import FinalError, SourceError
from seqcls.feeds.camera_options import CameraOptions
from seqcls.feeds.connection import Arrival
from seqcls.processes import child_program
from seqcls.processes.child_messages import receive
from seqcls.sources.redact import redact

#: Kinds of messages from the child, of which the first number is the arrival in seconds. DAMAGED is a FRAME that shows
#: what is left of an image, or the one before it.
FRAME, DAMAGED, ERROR, FINAL, END = b"F", b"D", b"E", b"X", b"."


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTarget(CameraOptions):
    """A camera by its number or device (/dev/video0)."""

    device: int | str
    color: bool = False

    @property
    def name(self) -> str:
        return f"camera {self.device}" if isinstance(self.device, int) else self.device


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTarget:
    """A network stream; ``url`` may hold credentials, ``name`` does not. ``timeout_s``: how long the network may be
    silent."""

    url: str = field(repr=False)
    timeout_s: float
    color: bool = False

    @property
    def name(self) -> str:
        return redact(self.url)


Target = CameraTarget | StreamTarget


def target_from_json(line: bytes) -> Target:
    """What ``ChildConnection`` wrote for its child."""
    kind, given = json.loads(line)
    return CameraTarget(**given) if kind == "CameraTarget" else StreamTarget(**given)


class ChildConnection:
    """A ``Connection`` read by a child process.

    ``target`` may hold credentials: it goes through a pipe, never into arguments. Making one starts the process and
    does not wait for the camera or network; iteration raises SourceError with one line, without credentials, when
    reading fails, FinalError when it would fail again. Times are those of ``steady_s`` in the child, which every
    process of the machine shares.
    """

    def __init__(self, target: Target) -> None:
        self._closed = self._iterating = False
        try:  # without a buffer on this side images are read to where they stay
            process = child_program.start(child_program.program("seqcls.feeds.capture_worker"), bufsize=0)
        except OSError as error:
            raise SourceError(f"no process can be started to read the feed ({error.strerror})") from None
        assert process.stdin is not None and process.stdout is not None
        self._process, self._orders, self._frames = process, process.stdin, process.stdout
        with suppress(OSError):  # it died at once: iteration says so
            self._orders.write(json.dumps([type(target).__name__, asdict(target)]).encode() + b"\n")

    def __iter__(self) -> Iterator[Arrival]:
        self._iterating = True
        try:
            while (message := receive(self._frames)) is not None and message.kind != END:
                if message.image is None:
                    text = redact(message.text)
                    raise FinalError(text) if message.kind == FINAL else SourceError(text)
                damaged = "" if message.kind == FRAME else "damaged picture"
                yield Arrival(message.first, message.image, damaged=damaged)
            if message is not None:
                return
            if not self._closed:
                raise SourceError("the process that reads the feed died; it is started again")
        except ValueError as error:
            raise SourceError(f"the process that reads the feed sends {error}; it is started again") from None
        finally:
            self._frames.close()

    def close(self) -> None:
        """End the process, politely at first, and with it the iteration."""
        self._closed = True
        child_program.end(self._process)
        self._orders.close()
        if not self._iterating:  # else the iteration closes it, which may still be reading
            self._frames.close()
