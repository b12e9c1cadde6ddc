"""The process that reads a camera or network stream: its images go to stdout, in the form that ``capture`` reads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from seqcls.credentials import SOURCE_PASSWORD, SOURCE_USER
from seqcls.errors import FinalError, SourceError, one_line
from seqcls.feeds.camera import images_of
from seqcls.feeds.capture import (
    DAMAGED,
    END,
    ERROR,
    FINAL,
    FRAME,
    CameraTarget,
    StreamTarget,
    Target,
    target_from_json,
)
from seqcls.files.without_folders import without_folders
from seqcls.processes.child_messages import Message, child_pipes, end_with_parent, send
from seqcls.processes.process_limits import limit_memory
from seqcls.sources.redact import redact
from seqcls.steady_clock import steady_s
from seqcls.types import MAX_PIXELS

#: FFmpeg follows play lists and redirects by these and no others: never to a file.
PROTOCOLS = {
    "http": "http,https,httpproxy,tcp,tls,crypto",
    "rtsp": "rtsp,rtsps,rtp,srtp,rtcp,udp,tcp,tls",
    "rtmp": "rtmp,rtmps,rtmpt,tcp,tls",
}

#: Of memory, beside what the libraries take: an MJPEG part that states no length is read for as long as it goes on.
MEMORY_BYTES = 1 << 30
#: A library that is missing, or a mistake of ours: trying again changes nothing.
_MISTAKES = (ImportError, NameError, AttributeError, TypeError, LookupError, AssertionError)
_MAX_FAILURES = 100  # packets in a row that cannot be decoded
_MAX_REASON = 10_000  # characters; the parent shows fewer
#: From how many seconds on a duration is believed. A live play list should have none, but FFmpeg may take
#: the size of the list for that of the clip; JPEG images one after another have none whatever their server says.
_A_CLIP_S = {"hls": 10.0, "dash": 10.0, "mpjpeg": float("inf")}


def main() -> None:
    """Read what the first line of stdin asks for, until it ends, stdin is closed or nobody reads any more."""
    orders, frames = child_pipes()
    target = target_from_json(orders.readline())
    threading.Thread(target=end_with_parent, args=(orders,), daemon=True).start()
    try:
        with suppress(OSError):  # nobody reads any more
            _send_all(target, frames)
    finally:
        os._exit(0)  # native libraries may hang in their clean-up


def _send_all(target: Target, frames: IO[bytes]) -> None:
    try:
        for image, intact in _images(target):
            send(frames, Message(FRAME if intact else DAMAGED, steady_s(), image=image))
        send(frames, Message(END))
    except BrokenPipeError:
        raise
    except Exception as error:
        final = isinstance(error, (FinalError, *_MISTAKES))
        text = without_folders(one_line(error, max_chars=10 * _MAX_REASON))[:_MAX_REASON]
        if isinstance(error, _MISTAKES):
            text = f"reading failed ({type(error).__name__}: {text}); please report this with what led to it"
        send(frames, Message(FINAL if final else ERROR, text=redact(text)))


def _images(target: Target) -> Iterator[tuple[NDArray[np.uint8], bool]]:
    """Each image, and whether it is intact. OpenCV, which reads the cameras, does not say."""
    if isinstance(target, CameraTarget):
        return ((image, True) for image in images_of(target))
    import seqcls.sources.pixels  # noqa: F401  # what the libraries reserve is not counted

    limit_memory(MEMORY_BYTES)  # here, where the process is surely this worker's own
    return _stream(target)


def _stream(target: StreamTarget) -> Iterator[tuple[NDArray[np.uint8], bool]]:
    from seqcls.sources.base import require_sane_size
    from seqcls.sources.error_propagation import ErrorPropagation
    from seqcls.sources.pixel_aspect import pixel_aspect
    from seqcls.sources.pixels import bgr, gray
    from seqcls.sources.video_open import strictness

    name = target.name
    container = _container(target)
    stream = container.streams.video[0]
    stream.thread_type = "SLICE"  # threads over frames would hold back as many frames
    stream.codec_context.options = strictness(stream.codec_context.name)
    convert, ratio = bgr if target.color else gray, stream.sample_aspect_ratio
    aspect = 1.0 if ratio is None else pixel_aspect(ratio.numerator, ratio.denominator)[0]
    failures, latest, propagation = 0, None, ErrorPropagation(stream.codec_context.name)
    for packet in _packets(container, stream, name):
        if packet.is_corrupt:
            propagation.lost(packet.pts)
        propagation.packet(packet)
        try:
            decoded = packet.decode()
        except Exception as error:
            propagation.lost(packet.pts)
            failures += 1
            if failures >= _MAX_FAILURES:
                raise SourceError(f"{name}: cannot be decoded ({one_line(error)}); check the server") from None
            if latest is not None:  # before the first key frame nothing is lost
                yield latest, False
            continue
        for frame in decoded:
            failures = 0
            require_sane_size(name, frame.width, frame.height)
            latest, spoilt = convert(frame, aspect), propagation.reaches(frame, frame.is_corrupt)
            yield latest, not (frame.is_corrupt or spoilt)


def _container(target: StreamTarget) -> Any:
    """Open it with PyAV, quickly if that will do. Raises SourceError, FinalError when trying again is of no use."""
    import av
    import av.logging

    from seqcls.sources.video_open import metadata_errors

    av.logging.set_level(None)
    name, options = target.name, _ffmpeg_options(target)
    container: Any = None
    for given in (options | _quick(target), options):
        try:
            container = av.open(target.url, options=given, **metadata_errors())
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
    _require_feed(name, target.url, container)
    return container


def _not_opened(name: str, error: Exception) -> SourceError:
    import av

    if isinstance(error, SourceError):
        return error
    if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
        number = 401 if isinstance(error, av.error.HTTPUnauthorizedError) else 403
        # Accounts get locked when a wrong password is tried again and again.
        return FinalError(
            f"{name}: the server refuses the login ({number}); check user and password: in the address, in a "
            f"file of credentials, or in ${SOURCE_USER} and ${SOURCE_PASSWORD}"
        )
    if isinstance(error, av.error.ProtocolNotFoundError):
        return FinalError(f"{name}: the FFmpeg of this machine cannot read such an address; try another one")
    return SourceError(f"{name}: cannot be opened ({one_line(error)}); check the address and the server")


def _require_feed(name: str, url: str, container: Any) -> None:
    """A clip would be played to its end, taken for a broken connection and played again, for ever."""
    import av

    formats = container.format.name.split(",")
    seconds = 0.0 if container.duration is None else container.duration / av.time_base
    if url[:4].lower() != "http" or seconds <= max(_A_CLIP_S.get(each, 0.0) for each in formats):
        return
    container.close()
    if "image2" in formats:
        raise FinalError(f"{name}: is a single image, not a feed; use the camera's video address")
    raise FinalError(f"{name}: is a clip of {seconds:.1f} seconds, not a feed; download it and run seqcls on the file")


def _packets(container: Any, stream: Any, name: str) -> Iterator[Any]:
    try:
        yield from container.demux(stream)
    except Exception as error:
        raise SourceError(f"{name}: the connection broke ({one_line(error)}); is the server still on?") from None


def _ffmpeg_options(target: StreamTarget) -> dict[str, str]:
    """FFmpeg ignores those that a protocol does not know; times are in microseconds."""
    scheme = target.url.partition(":")[0].lower().removesuffix("s")
    patience = str(round(target.timeout_s * 1e6))
    options = {
        "protocol_whitelist": PROTOCOLS[scheme],
        "rw_timeout": patience,
        "fpsprobesize": "0",  # do not hold frames back to find the rate
        "analyzeduration": "500000",
        "max_pixels": str(MAX_PIXELS),
    }
    if scheme != "rtmp":  # there "timeout" means to wait for a caller
        options["timeout"] = patience
    if scheme == "rtsp":
        options |= {"stimeout": patience, "rtsp_transport": "tcp"}
    return options


def _quick(target: StreamTarget) -> dict[str, str]:
    """Let the first frames pass as they come: what FFmpeg reads to analyse a stream, it passes on in one burst.

    0 would mean 5 s; H.264 is looked at for 8 frames unless ``probesize`` forbids it. Over RTSP the server has named
    its streams, so little needs to be read; a transport stream over HTTP names them somewhere in what follows, and in
    FLV (RTMP) they show only when their first packet comes.
    """
    scheme = target.url.partition(":")[0].lower()
    if scheme.startswith("rtmp"):
        return {}
    return {"analyzeduration": "1"} | ({"probesize": "32"} if scheme.startswith("rtsp") else {})
