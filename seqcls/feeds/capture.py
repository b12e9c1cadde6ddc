"""A camera or network stream read in a process of its own: native code may block for ever, and a thread stuck in it
cannot be ended."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import IO

import numpy as np
from numpy.typing import NDArray

from seqcls import child_program
from seqcls.errors import FinalError, SourceError, UsageError
from seqcls.feeds.connection import Arrival
from seqcls.sources.redact import redact

#: What comes from the child: what follows, arrival in seconds, height (or length of a text), width, channels (0: gray
#: without an axis). DAMAGED is a FRAME that shows what is left of an image, or the one before it.
HEAD = struct.Struct("<cdIIB")
FRAME, DAMAGED, ERROR, FINAL, END = b"F", b"D", b"E", b"X", b"."


#: OpenCV's backends for cameras, as the command line names them: cv2.CAP_ANY and so on.
BACKENDS = ("any", "v4l2", "gstreamer", "ffmpeg", "dshow", "msmf", "avfoundation")


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraOptions:
    """What a camera is asked for, and may not give; None leaves it to the camera."""

    size: tuple[int, int] | None = None
    """Width and height in pixels."""
    rate_hz: float | None = None
    """Frames per second."""
    backend: str | None = None
    """What reads it, one of ``BACKENDS``."""

    def __post_init__(self) -> None:
        if self.size is not None and not all(1 <= side <= 20_000 for side in self.size):
            raise UsageError(f"the camera's size must be WIDTHxHEIGHT in pixels, not {self.size[0]}x{self.size[1]}")
        if self.rate_hz is not None and not 0 < self.rate_hz <= 10_000:
            raise UsageError(f"the camera's rate must lie between 0 and 10,000 frames per second, not {self.rate_hz:g}")
        if self.backend is not None and self.backend not in BACKENDS:
            raise UsageError(f"the camera backend must be one of {', '.join(BACKENDS)}, not {self.backend!r}")


AS_IT_IS = CameraOptions()


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
    reading fails, FinalError when it would fail again. Times are those of ``time.monotonic`` in the child, which every
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
            while (head := _read(self._frames, HEAD.size)) is not None:
                kind, arrival_s, height, width, channels = HEAD.unpack(head.data)
                if kind == END:
                    return
                is_image = kind in (FRAME, DAMAGED)
                body = _read(self._frames, height * width * max(channels, 1) if is_image else height)
                if body is None:
                    break
                if not is_image:
                    text = redact(body.tobytes().decode(errors="replace"))
                    raise FinalError(text) if kind == FINAL else SourceError(text)
                image = body.reshape((height, width, channels) if channels else (height, width))
                yield Arrival(arrival_s, image, damaged="" if kind == FRAME else "damaged picture")
            if not self._closed:
                raise SourceError("the process that reads the feed died; it is started again")
        finally:
            self._frames.close()

    def close(self) -> None:
        """End the process, politely at first, and with it the iteration."""
        self._closed = True
        child_program.end(self._process)
        self._orders.close()
        if not self._iterating:  # else the iteration closes it, which may still be reading
            self._frames.close()


def _read(pipe: IO[bytes], count: int) -> NDArray[np.uint8] | None:
    """(count,) uint8, None at the pipe's end."""
    content = np.empty(count, np.uint8)
    rest = content.data
    while len(rest):
        done: int = pipe.readinto(rest)  # type: ignore[attr-defined]  # an unbuffered file has it
        if not done:
            return None
        rest = rest[done:]
    return content
