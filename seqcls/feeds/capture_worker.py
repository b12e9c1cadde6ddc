"""The process that reads a camera or network stream: its pictures go to stdout, in the form that ``child.py`` reads."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import SourceError
from seqcls.feeds.capture import BACKENDS, DAMAGED, END, ERROR, FINAL, FRAME, HEAD
from seqcls.feeds.reconnect import FinalError
from seqcls.sources.redact import PASSWORD_VARIABLE, USER_VARIABLE, redact

#: FFmpeg follows play lists and redirects by these and no others: never to a file.
PROTOCOLS = {
    "http": "http,https,httpproxy,tcp,tls,crypto",
    "rtsp": "rtsp,rtsps,rtp,srtp,rtcp,udp,tcp,tls",
    "rtmp": "rtmp,rtmps,rtmpt,tcp,tls",
}

#: A library that is missing, or a mistake of ours: trying again changes nothing.
_NEVER_BETTER = (ImportError, NameError, AttributeError, TypeError, LookupError, AssertionError)
_MAX_FAILURES = 100  # packets in a row that cannot be decoded
_LONGEST_REASON, _LONGEST_LAST_WORD = 200, 1000
#: From how many seconds on a duration is believed. A live play list should have none, but FFmpeg may take
#: the size of the list for that of the clip; pictures one after another have none whatever their server says.
_A_CLIP_S = {"hls": 10.0, "dash": 10.0, "mpjpeg": float("inf")}


def main() -> None:
    """Read what the first line of stdin asks for, until it ends, stdin is closed or nobody reads any more."""
    orders, frames = _pipes()
    target: dict[str, Any] = json.loads(orders.readline())
    threading.Thread(target=_end_with_parent, args=(orders,), daemon=True).start()
    try:
        with suppress(OSError):  # nobody reads any more
            _send_all(target, frames)
            frames.flush()
    finally:
        os._exit(0)  # native libraries may hang in their clean-up


def _pipes() -> tuple[IO[bytes], IO[bytes]]:
    """stdin and stdout, out of reach of native libraries: these write to stdout, and on Windows a library that is being
    loaded waits until nobody reads from stdin."""
    orders, frames = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
    return orders, frames


def _end_with_parent(orders: IO[bytes]) -> None:
    """A parent that was killed cannot end its child, which may be stuck in native code."""
    with suppress(OSError):
        orders.read()
    os._exit(0)


def _send_all(target: dict[str, Any], frames: IO[bytes]) -> None:
    try:
        for image, sound in _pictures(target):
            height, width, *channels = image.shape
            kind = FRAME if sound else DAMAGED
            frames.write(HEAD.pack(kind, time.monotonic(), height, width, channels[0] if channels else 0))
            frames.write(np.ascontiguousarray(image).data.cast("B"))
            frames.flush()
        frames.write(HEAD.pack(END, time.monotonic(), 0, 0, 0))
    except BrokenPipeError:
        raise
    except Exception as error:
        final = isinstance(error, (FinalError, *_NEVER_BETTER))
        text = str(error) if isinstance(error, SourceError) else _in_short(error)
        if isinstance(error, _NEVER_BETTER):
            text = f"reading failed ({type(error).__name__}: {text}); please report this with what led to it"
        text = " ".join(text.split())
        body = redact(text)[: _LONGEST_LAST_WORD if final else _LONGEST_REASON].encode()
        frames.write(HEAD.pack(FINAL if final else ERROR, time.monotonic(), len(body), 0, 0) + body)


def _pictures(target: dict[str, Any]) -> Iterator[tuple[NDArray[np.uint8], bool]]:
    """Each picture, and whether it is sound. OpenCV does not tell."""
    if target["kind"] == "stream" and target["reader"] == "pyav":
        yield from _by_pyav(target)
    else:
        yield from ((image, True) for image in (_camera if target["kind"] == "camera" else _by_opencv)(target))


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
    backend = "any" if target.get("backend") is None else target["backend"]
    number = getattr(cv2, BACKENDS[backend])
    if backend != "any" and not cv2.videoio_registry.hasBackend(number):
        raise FinalError(f"{name}: the OpenCV of this machine has no {backend}; leave --backend out")
    capture = cv2.VideoCapture(device, number)
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


def _by_pyav(target: dict[str, Any]) -> Iterator[tuple[NDArray[np.uint8], bool]]:
    from seqcls.sources.base import require_sane_size
    from seqcls.sources.pixels import bgr, gray
    from seqcls.sources.video import strictness

    name = redact(target["url"])
    container = _container(target)
    stream = container.streams.video[0]
    stream.thread_type = "SLICE"  # threads over frames would hold back as many pictures
    stream.codec_context.options = strictness(stream.codec_context.name)
    convert = bgr if target["color"] else gray
    failures, latest = 0, None
    for packet in _packets(container, stream, name):
        try:
            decoded = packet.decode()
        except Exception as error:
            failures += 1
            if failures >= _MAX_FAILURES:
                raise SourceError(f"{name}: cannot be decoded ({_in_short(error)}); check the server") from None
            if latest is not None:  # before the first key picture there is nothing to be lost
                yield latest, False
            continue
        for frame in decoded:
            failures = 0
            require_sane_size(name, frame.width, frame.height)
            latest = convert(frame)
            yield latest, not frame.is_corrupt


def _container(target: dict[str, Any]) -> Any:
    """Open it with PyAV, quickly if that will do. Raises SourceError, FinalError when trying again is of no use."""
    import av
    import av.logging

    av.logging.set_level(None)
    name, options = redact(target["url"]), _ffmpeg_options(target)
    container: Any = None
    for given in (options | _quick(target), options):
        try:
            container = av.open(target["url"], options=given, metadata_errors="replace")
        except av.error.InvalidDataError as error:
            why: Exception = error
            continue
        except Exception as error:
            raise _not_opened(name, error) from None
        if container.streams.video:
            break
        why = SourceError(f"{name}: holds no video; check the address")
        container.close()
        container = None
    if container is None:
        raise _not_opened(name, why) from None
    _require_feed(name, target["url"], container)
    return container


def _not_opened(name: str, error: Exception) -> SourceError:
    import av

    if isinstance(error, SourceError):
        return error
    if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
        number = 401 if isinstance(error, av.error.HTTPUnauthorizedError) else 403
        # Accounts get locked when a wrong password is tried again and again.
        return FinalError(
            f"{name}: the server refuses the login ({number}); check user and password: in the address, with "
            f"--credentials, or in ${USER_VARIABLE} and ${PASSWORD_VARIABLE}"
        )
    if isinstance(error, av.error.ProtocolNotFoundError):
        return FinalError(f"{name}: the FFmpeg of this machine cannot read such an address; try another one")
    return SourceError(f"{name}: cannot be opened ({_in_short(error)}); check the address and the server")


def _require_feed(name: str, url: str, container: Any) -> None:
    """A clip would be played to its end, taken for a broken connection and played again, for ever."""
    import av

    formats = container.format.name.split(",")
    seconds = 0.0 if container.duration is None else container.duration / av.time_base
    if url[:4].lower() != "http" or seconds <= max(_A_CLIP_S.get(each, 0.0) for each in formats):
        return
    container.close()
    if "image2" in formats:
        raise FinalError(f"{name}: is a single picture, not a feed; use the camera's video address")
    raise FinalError(f"{name}: is a clip of {seconds:.1f} seconds, not a feed; download it and run seqcls on the file")


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


def _quick(target: dict[str, Any]) -> dict[str, str]:
    """Let the first pictures pass as they come: what FFmpeg reads to analyse a stream, it hands over in one burst.

    0 would mean 5 s; H.264 is looked at for 8 pictures unless ``probesize`` forbids it. Over RTSP the server has named
    its streams, so little needs to be read; a transport stream over HTTP names them somewhere in what follows, and in
    FLV (RTMP) they show only when their first packet comes.
    """
    scheme = target["url"].partition(":")[0].lower()
    if scheme.startswith("rtmp"):
        return {}
    return {"analyzeduration": "1"} | ({"probesize": "32"} if scheme.startswith("rtsp") else {})


def _by_opencv(target: dict[str, Any]) -> Iterator[NDArray[np.uint8]]:
    options = _ffmpeg_options(target)
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "|".join(f"{key};{value}" for key, value in options.items())
    import cv2

    from seqcls.sources.base import require_sane_size

    name, patience_ms = redact(target["url"]), round(target["timeout_s"] * 1000)
    wishes = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, patience_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, patience_ms]
    capture = cv2.VideoCapture(target["url"], cv2.CAP_FFMPEG, wishes)
    # OpenCV does not tell why it cannot, nor what a duration is worth.
    if not capture.isOpened():
        _container(target).close()
        raise SourceError(f"{name}: cannot be opened; check the address and the server, or try --reader pyav")
    if name[:4].lower() == "http" and capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
        _container(target).close()
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
