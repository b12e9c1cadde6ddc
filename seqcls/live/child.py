"""A camera or network stream read in a process of its own: native code may block for ever, and a thread stuck in it
cannot be ended."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import SpawnProcess
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.sources.redact import redact

#: FFmpeg follows play lists and redirects by these and no others: never to a file.
PROTOCOLS = {
    "http": "http,https,httpproxy,tcp,tls,crypto",
    "rtsp": "rtsp,rtsps,rtp,srtp,rtcp,udp,tcp,tls",
    "rtmp": "rtmp,rtmps,rtmpt,tcp,tls",
}
BACKENDS = {
    "any": "CAP_ANY",
    "v4l2": "CAP_V4L2",
    "gstreamer": "CAP_GSTREAMER",
    "ffmpeg": "CAP_FFMPEG",
    "dshow": "CAP_DSHOW",
    "msmf": "CAP_MSMF",
    "avfoundation": "CAP_AVFOUNDATION",
}

_HEAD = struct.Struct("<cdIIB")  # what follows, arrival in seconds, height, width, channels (0: gray without an axis)
_FRAME, _ERROR, _END = b"F", b"E", b"."
_MOST_FAILURES = 100  # packets in a row that cannot be decoded
_TERMINATE_S = 0.5
_KILL_S = 1.0
_LONGEST_REASON = 200


class ChildConnection:
    """A ``Connection`` read by a child process.

    ``target`` is what ``source.py`` made of the spec: {"kind": "camera", "device": 0 or "/dev/video0", "size": [w, h],
    "rate_hz": 30.0, "backend": "v4l2"} or {"kind": "stream", "url": ..., "reader": "pyav" or "opencv", "timeout_s":
    5.0}, each with "color". It may hold credentials: it goes through a pipe, never into arguments, and is shown to
    nobody. Making one starts the process and does not wait for the camera or network; iteration raises SourceError with
    one line, without credentials, when reading fails. Times are those of ``time.monotonic`` in the child, which every
    process of the machine shares.
    """

    def __init__(self, target: dict[str, Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self._frames, frames_end = context.Pipe(duplex=False)
        orders_end, self._orders = context.Pipe(duplex=False)
        self._lock = threading.Lock()
        self._closed = self._iterating = False
        process = context.Process(
            target=_read_in_child, args=(orders_end, frames_end), name="seqcls-reader", daemon=True
        )
        try:
            _start(process)
            self._process: SpawnProcess | None = process
            with suppress(OSError):  # it died at once: iteration tells
                self._orders.send_bytes(json.dumps(target).encode())
        except BaseException:
            self._frames.close()
            self._orders.close()
            raise
        finally:
            orders_end.close()
            frames_end.close()

    def __iter__(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        with self._lock:
            if self._closed or self._iterating:
                raise SourceError("the connection was read already; open another")
            self._iterating = True
        return self._items()

    def _items(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        try:
            while True:
                kind, arrival_s, height, width, channels = _HEAD.unpack(self._frames.recv_bytes())
                if kind == _END:
                    return
                body = self._frames.recv_bytes()
                if kind == _ERROR:
                    raise SourceError(redact(body.decode(errors="replace")))
                shape = (height, width, channels) if channels else (height, width)
                yield arrival_s, np.frombuffer(body, np.uint8).reshape(shape)
        except (EOFError, OSError):
            if not self._closed:
                raise SourceError("the process that reads the feed died; it is started again") from None
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


def _start(process: SpawnProcess) -> None:
    """Ctrl-C is the parent's business: a child inherits the signals that the starting thread blocks."""
    if not hasattr(signal, "pthread_sigmask"):
        process.start()
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(process: SpawnProcess) -> None:
    process.terminate()
    process.join(_TERMINATE_S)
    if process.is_alive():
        process.kill()
        process.join(_KILL_S)
    with suppress(ValueError):  # a driver can hold even a killed process back
        process.close()


def _read_in_child(orders: Pipe, frames: Pipe) -> None:
    """The child's main function."""
    _silence()
    target: dict[str, Any] = json.loads(orders.recv_bytes())
    threading.Thread(target=_end_with_parent, args=(orders,), daemon=True).start()
    try:
        for image in _camera(target) if target["kind"] == "camera" else _stream(target):
            height, width, *channels = image.shape
            frames.send_bytes(_HEAD.pack(_FRAME, time.monotonic(), height, width, channels[0] if channels else 0))
            frames.send_bytes(np.ascontiguousarray(image).data.cast("B"))
        frames.send_bytes(_HEAD.pack(_END, time.monotonic(), 0, 0, 0))
    except BrokenPipeError:
        return
    except Exception as error:
        text = str(error) if isinstance(error, SourceError) else _in_short(error)
        with suppress(OSError):
            frames.send_bytes(_HEAD.pack(_ERROR, time.monotonic(), 0, 0, 0))
            frames.send_bytes(redact(" ".join(text.split()))[:_LONGEST_REASON].encode())


def _silence() -> None:
    """Native libraries write addresses with passwords to stderr, into the middle of the dashboard."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)
    os.close(null)
    if sys.platform != "win32":
        os.setsid()  # a closed terminal is the parent's business too


def _end_with_parent(orders: Pipe) -> None:
    """A parent that was killed cannot end its child, which may be stuck in native code."""
    with suppress(EOFError, OSError):
        orders.recv_bytes()
    os._exit(0)


def _camera(target: dict[str, Any]) -> Iterator[NDArray[np.uint8]]:
    import cv2

    from seqcls.sources.base import require_sane_size

    device = target["device"]
    name = f"camera {device}" if isinstance(device, int) else str(device)
    wishes: list[int] = []
    if target.get("size") is not None:
        width, height = target["size"]
        wishes += [cv2.CAP_PROP_FRAME_WIDTH, int(width), cv2.CAP_PROP_FRAME_HEIGHT, int(height)]
    if target.get("rate_hz") is not None:
        wishes += [cv2.CAP_PROP_FPS, round(target["rate_hz"])]
    backend = target.get("backend")
    capture = cv2.VideoCapture(device, getattr(cv2, BACKENDS["any" if backend is None else backend]))
    if not capture.isOpened():
        raise SourceError(f"{name}: cannot be opened; is it plugged in, and free?")
    for what, value in zip(wishes[::2], wishes[1::2], strict=True):
        capture.set(what, value)  # a wish that a camera may leave unheard, so not a condition of opening
    while True:
        done, picture = capture.read()
        if not done:
            raise SourceError(f"{name}: gives no more pictures; is it still plugged in?")
        require_sane_size(name, picture.shape[1], picture.shape[0])
        yield _colored(picture, target["color"])


def _stream(target: dict[str, Any]) -> Iterator[NDArray[np.uint8]]:
    return _by_opencv(target) if target["reader"] == "opencv" else _by_pyav(target)


def _by_pyav(target: dict[str, Any]) -> Iterator[NDArray[np.uint8]]:
    import av
    import av.logging

    from seqcls.sources.base import require_sane_size
    from seqcls.sources.pixels import bgr, gray

    av.logging.set_level(None)
    name = redact(target["url"])
    try:
        container: Any = av.open(target["url"], options=_ffmpeg_options(target), metadata_errors="replace")
    except Exception as error:
        raise SourceError(f"{name}: cannot be opened ({_in_short(error)}); check the address and the server") from None
    if not container.streams.video:
        raise SourceError(f"{name}: holds no video; check the address")
    stream = container.streams.video[0]
    stream.thread_type = "SLICE"  # threads over frames would hold back as many pictures
    convert = bgr if target["color"] else gray
    failures = 0
    for packet in _packets(container, stream, name):
        try:
            decoded = packet.decode()
        except Exception as error:
            failures += 1
            if failures >= _MOST_FAILURES:
                raise SourceError(f"{name}: cannot be decoded ({_in_short(error)}); check the server") from None
            continue
        for frame in decoded:
            failures = 0
            require_sane_size(name, frame.width, frame.height)
            yield convert(frame)


def _packets(container: Any, stream: Any, name: str) -> Iterator[Any]:
    try:
        yield from container.demux(stream)
    except Exception as error:
        raise SourceError(f"{name}: the connection broke ({_in_short(error)}); is the server still on?") from None


def _ffmpeg_options(target: dict[str, Any]) -> dict[str, str]:
    """FFmpeg ignores those that a protocol does not know; times are in microseconds."""
    scheme = target["url"].partition(":")[0].lower().removesuffix("s")
    patience = str(round(target["timeout_s"] * 1e6))
    options = {
        "protocol_whitelist": PROTOCOLS[scheme],
        "rw_timeout": patience,
        "fpsprobesize": "0",  # do not hold pictures back to find the rate
        "analyzeduration": "500000",
        "max_pixels": "100000000",
    }
    if scheme != "rtmp":  # there "timeout" means to wait for a caller
        options["timeout"] = patience
    if scheme == "rtsp":
        options |= {"stimeout": patience, "rtsp_transport": "tcp"}
    return options


def _by_opencv(target: dict[str, Any]) -> Iterator[NDArray[np.uint8]]:
    options = _ffmpeg_options(target)
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "|".join(f"{key};{value}" for key, value in options.items())
    import cv2

    from seqcls.sources.base import require_sane_size

    name, patience_ms = redact(target["url"]), round(target["timeout_s"] * 1000)
    wishes = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, patience_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, patience_ms]
    capture = cv2.VideoCapture(target["url"], cv2.CAP_FFMPEG, wishes)
    if not capture.isOpened():
        raise SourceError(f"{name}: cannot be opened; check the address and the server, or try --reader pyav")
    while True:
        done, picture = capture.read()
        if not done:
            return
        require_sane_size(name, picture.shape[1], picture.shape[0])
        yield _colored(picture, target["color"])


def _colored(picture: Any, color: bool) -> NDArray[np.uint8]:
    import cv2

    if color or picture.ndim == 2:
        return np.asarray(picture, np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def _in_short(error: Exception) -> str:
    """FFmpeg's own words, without the address that PyAV adds."""
    text = getattr(error, "strerror", None)
    return " ".join(str(text if text else error).split())[:120] or type(error).__name__
