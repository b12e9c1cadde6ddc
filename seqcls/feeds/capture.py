"""A camera or network stream read in a process of its own: native code may block for ever, and a thread stuck in it
cannot be ended."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from seqcls.child_program import program
from seqcls.errors import SourceError
from seqcls.feeds.reconnect import Arrival, FinalError
from seqcls.sources.redact import redact

BACKENDS = {
    "any": "CAP_ANY",
    "v4l2": "CAP_V4L2",
    "gstreamer": "CAP_GSTREAMER",
    "ffmpeg": "CAP_FFMPEG",
    "dshow": "CAP_DSHOW",
    "msmf": "CAP_MSMF",
    "avfoundation": "CAP_AVFOUNDATION",
}

#: What comes from the child: what follows, arrival in seconds, height (or length of a text), width, channels (0: gray
#: without an axis). DAMAGED is a FRAME that shows what is left of a picture, or the one before it.
HEAD = struct.Struct("<cdIIB")
FRAME, DAMAGED, ERROR, FINAL, END = b"F", b"D", b"E", b"X", b"."

_TERMINATE_S = 0.5
_KILL_S = 1.0


class ChildConnection:
    """A ``Connection`` read by a child process.

    ``target`` is what ``source.py`` made of the spec: {"kind": "camera", "device": 0 or "/dev/video0", "size": [w, h],
    "rate_hz": 30.0, "backend": "v4l2"} or {"kind": "stream", "url": ..., "reader": "pyav" or "opencv", "timeout_s":
    5.0}, each with "color". It may hold credentials: it goes through a pipe, never into arguments, and is shown to
    nobody. Making one starts the process and does not wait for the camera or network; iteration raises SourceError with
    one line, without credentials, when reading fails, FinalError when it would fail again. Times are those of
    ``time.monotonic`` in the child, which every process of the machine shares.
    """

    def __init__(self, target: dict[str, Any]) -> None:
        order = json.dumps(target).encode() + b"\n"
        self._lock = threading.Lock()
        self._closed = self._iterating = False
        process = _start()
        assert process.stdin is not None and process.stdout is not None
        self._process: subprocess.Popen[bytes] | None = process
        self._orders, self._frames = process.stdin, process.stdout
        with suppress(OSError):  # it died at once: iteration tells
            self._orders.write(order)

    def __iter__(self) -> Iterator[Arrival]:
        with self._lock:
            if self._closed or self._iterating:
                raise SourceError("the connection was read already; open another")
            self._iterating = True
        return self._items()

    def _items(self) -> Iterator[Arrival]:
        try:
            while (head := _read(self._frames, HEAD.size)) is not None:
                kind, arrival_s, height, width, channels = HEAD.unpack(head.data)
                if kind == END:
                    return
                shape = (height, width, channels) if channels else (height, width)
                pictured = kind in (FRAME, DAMAGED)
                body = _read(self._frames, height * width * max(channels, 1) if pictured else height)
                if body is None:
                    break
                if not pictured:
                    text = redact(body.tobytes().decode(errors="replace"))
                    raise FinalError(text) if kind == FINAL else SourceError(text)
                image = body.reshape(shape)
                yield (arrival_s, image) if kind == FRAME else (arrival_s, image, "damaged picture")
            if not self._closed:
                raise SourceError("the process that reads the feed died; it is started again")
        finally:
            self._frames.close()

    def close(self) -> None:
        """End the process, politely at first, and with it the iteration."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
            if process is not None:
                _end(process)
            self._orders.close()
            if not self._iterating:
                self._frames.close()


def _start() -> subprocess.Popen[bytes]:
    """Ctrl-C and a closed terminal are the parent's business; a child inherits the signals that the starting thread
    blocks. Pipes have no buffer on this side, so that pictures are read to where they stay."""
    command = program("seqcls.feeds.capture_worker")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return subprocess.Popen(command, bufsize=0, creationflags=flags, **pipes)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(command, bufsize=0, start_new_session=True, **pipes)
    except OSError as error:
        raise SourceError(f"no process can be started to read the feed ({error.strerror})") from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(process: subprocess.Popen[bytes]) -> None:
    """A driver can hold even a killed process back; then it is left alone."""
    for end, patience_s in ((process.terminate, _TERMINATE_S), (process.kill, _KILL_S)):
        end()
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            return


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
