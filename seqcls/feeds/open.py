"""From what people type to a live Source: OpenIGTLink, network stream, camera, or a clip played as if it were live."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from seqcls.errors import UsageError
from seqcls.feeds.camera_options import AS_IT_IS, CameraOptions
from seqcls.feeds.capture import CameraTarget, ChildConnection, StreamTarget, Target
from seqcls.feeds.connection import DEFAULT_TIMING, FeedTiming, OnState
from seqcls.feeds.openigtlink import ProbeSource
from seqcls.feeds.reconnect import ReconnectingSource
from seqcls.sources import Source, open_source
from seqcls.sources.base import OneWay
from seqcls.sources.redact import credentials as with_credentials
from seqcls.sources.redact import redact, without_blanks
from seqcls.types import Frame, Gap, SourceReport

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps")
FEEDS = "igtl://, rtsp://, http://, https://, rtmp://, a camera's number or /dev/videoN"

#: How long the network may be silent before FFmpeg itself gives up; the watchdog is quicker once frames came.
_NETWORK_TIMEOUT_S = 8.0
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def is_live(spec: str) -> bool:
    """Whether this is a feed and not a clip: a camera's number or device, or a URL of any scheme."""
    return _scheme(spec) != "" or _is_camera(spec)


def open_live(
    spec: str,
    *,
    on_state: OnState,
    realtime: bool = False,
    rate_hz: float | None = None,
    color: bool = False,
    camera: CameraOptions = AS_IT_IS,
    credentials: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    timing: FeedTiming = DEFAULT_TIMING,
) -> Source:
    """A feed that never ends by itself, or with ``realtime`` a clip paced by its own times.

    ``rate_hz`` and ``color`` are those of ``open_source``; ``camera`` is for cameras alone. ``credentials`` is a file
    with user and password on a line each; the environment stands in for it. ``on_state`` is called in the thread that
    iterates. Nothing is connected before the iteration begins. Cameras and streams are read in a child process, whose
    times are those of ``steady_s``: leave the clock of ``timing`` alone for them.

    Raises UsageError for what is no feed, an address or an option that cannot be right, and what ``open_source`` raises
    for a clip. The iteration raises
    FinalError when no frame came and none ever will: a refused login, an address that is a clip.
    """
    scheme = _scheme(spec)
    if scheme:
        spec = without_blanks(spec)
        spec = scheme + spec[len(scheme) :]  # FFmpeg knows none in capitals
    is_camera = not realtime and not scheme and _is_camera(spec)
    if not is_camera and camera != AS_IT_IS:
        raise UsageError(f"{redact(spec)} is no camera; leave the camera's options out")
    if credentials is not None and (realtime or scheme not in STREAM_SCHEMES):
        raise UsageError(f"{redact(spec)} asks for no password; leave the credentials out")
    if realtime:
        if is_live(spec):
            raise UsageError(f"{redact(spec)} is live already; leave out realtime=True")
        return Paced(open_source(spec, rate_hz=rate_hz, color=color), on_state=on_state, timing=timing)
    if scheme == "igtl":
        return ProbeSource(spec, on_state=on_state, timing=timing)
    kind: Literal["camera", "stream"]
    if is_camera:
        device = int(spec) if spec.isdecimal() else spec
        target: Target = CameraTarget(device=device, color=color, **asdict(camera))
        name, kind = target.name, "camera"
    elif scheme in STREAM_SCHEMES:
        _require_host(spec)
        url = with_credentials(spec, environ, credentials)
        target = StreamTarget(url=url, timeout_s=max(_NETWORK_TIMEOUT_S, timing.connect_s), color=color)
        name, kind = spec, "stream"
    elif scheme:
        raise UsageError(f"{redact(spec)}: {scheme}:// is not known; what can be watched is {FEEDS}")
    else:
        raise UsageError(f"{redact(spec)}: is no feed; what can be watched is {FEEDS}, or a clip with realtime=True")
    return ReconnectingSource(name, lambda: ChildConnection(target), kind=kind, on_state=on_state, timing=timing)


def _require_host(url: str) -> None:
    """FFmpeg tries what has no host, or no possible port, again and again."""
    authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    try:
        parts = urlsplit("//" + authority.rpartition("@")[2])
        known = parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise UsageError(
            f"{redact(url)}: names no host, or no port from 1 to 65535; state host:port, IPv6 in brackets, and special "
            "letters of a password as %XX"
        )


def _scheme(spec: str) -> str:
    match = _SCHEME.match(spec.lstrip())
    return "" if match is None else match.group(1).lower()


def _is_camera(spec: str) -> bool:
    return spec.startswith("/dev/") or (spec.isdecimal() and not Path(spec).exists())


class Paced(OneWay):
    """A clip played at its own pace: the very frames and gaps of the file, each when its time has come."""

    def __init__(
        self,
        clip: Source,
        *,
        on_state: OnState,
        timing: FeedTiming = DEFAULT_TIMING,
    ) -> None:
        super().__init__()
        self.info, self.name = clip.info, clip.info.name
        self._clip, self._on_state, self._clock, self._wait = clip, on_state, timing.clock, timing.wait
        self._stop = threading.Event()
        self._playing = threading.Lock()  # a decoder must not be closed under the thread that decodes

    def _items(self) -> Iterator[Frame | Gap]:
        self._on_state("connecting", "")
        began_s: float | None = None
        items = iter(self._clip)
        try:
            while (item := self._next(items)) is not None:
                if began_s is None:
                    began_s = self._clock()
                    self._on_state("running", "")
                due_s = began_s + (item.end_s if isinstance(item, Gap) else item.time_s)
                while (left_s := due_s - self._clock()) > 0 and not self._stop.is_set():
                    self._wait(self._stop, left_s)
                if self._stop.is_set():
                    return
                yield item
        finally:
            self._on_state("stopped", "")

    def _next(self, items: Iterator[Frame | Gap]) -> Frame | Gap | None:
        with self._playing:
            return None if self._stop.is_set() else next(items, None)

    def report(self) -> SourceReport:
        return self._clip.report()

    def close(self) -> None:
        """End the iteration, also from another thread."""
        super().close()
        self._stop.set()
        with self._playing:
            self._clip.close()
