"""Cameras, and files on request, through OpenCV. It cannot tell a file's end from an error: its verdict is unknown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import FinalError, SourceError
from seqcls.sources.base import Clip, plausible_rate, require_sane_size
from seqcls.sources.container import examine
from seqcls.sources.sniff import DEMUXERS, kind_by_bytes
from seqcls.sources.timestamps import Clock
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

#: OpenCV's backends for cameras, as the command line names them: cv2.CAP_ANY and so on.
BACKENDS = ("any", "v4l2", "gstreamer", "ffmpeg", "dshow", "msmf", "avfoundation")
_MICROSECOND = Fraction(1, 1_000_000)


class _Capture(Clip):
    """What OpenCV reads: a file or a camera."""

    def __init__(self, capture: Any, name: str, color: bool) -> None:
        import cv2

        super().__init__()
        self.name, self._capture, self._color = name, capture, color
        self._size = _int(capture, cv2.CAP_PROP_FRAME_WIDTH), _int(capture, cv2.CAP_PROP_FRAME_HEIGHT)
        self._stated_hz = plausible_rate(float(capture.get(cv2.CAP_PROP_FPS)))
        self._rate_hz = 25.0 if self._stated_hz is None else self._stated_hz

    def close(self) -> None:
        super().close()
        self._capture.release()


class OpenCVFile(_Capture):
    """One video file; (H, W) gray or (H, W, 3) BGR images. Raises SourceError when OpenCV refuses the file."""

    def __init__(self, path: Path, *, color: bool = False) -> None:
        import cv2

        self._path, self._kind = path, kind_by_bytes(path)
        if self._kind not in DEMUXERS:
            # OpenCV probes by itself and would follow a play list, so the bytes must be those of a clip.
            raise SourceError(f"{path}: is no clip that --reader opencv reads; try --reader pyav")
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            capture.release()
            raise SourceError(f"{path}: OpenCV cannot open it; try --reader pyav")
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        super().__init__(capture, path.name, color)
        require_sane_size(self.name, *self._size)
        count = _int(capture, cv2.CAP_PROP_FRAME_COUNT)
        self.info = SourceInfo(
            name=self.name,
            kind="file",
            container=self._kind,
            codec=_fourcc(_int(capture, cv2.CAP_PROP_FOURCC)),
            width=self._size[0],
            height=self._size[1],
            declared_frames=count if count > 0 else None,
            rate_hz=self._stated_hz,
            details=(("reader", "opencv"),),
        )
        self._clock = Clock(_MICROSECOND, round(1e6 / self._rate_hz), None)

    def _items(self) -> Iterator[Frame | Gap]:
        import cv2

        for image in images_of(self._capture, self.name, self._color):
            stamp = round(float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) * 1000)
            yield from self._clock.add(stamp, None, image, "")
        if not self._closed:
            yield from self._clock.finish()

    def report(self) -> SourceReport:
        notes, declared = self._clock.notes, self.info.declared_frames
        if not self._ended:
            return self._report((), notes)
        structure = examine(self._path, self._kind)
        if structure.flaw:
            return self._report([structure.flaw], notes, truncated=structure.truncated)
        declares = "" if declared is None else f" (it declares {declared} frames, {self._delivered} came)"
        unsure = f"OpenCV cannot tell the clip's end from an error{declares}; --reader pyav can"
        return replace(self._report([unsure, *self._clock.alarms], notes), verdict="unknown")


class Camera(_Capture):
    """A camera by its number; times are those of arrival on this machine's clock."""

    def __init__(self, number: int, *, color: bool = False) -> None:
        name = f"camera {number}"
        super().__init__(open_camera(number, name), name, color)
        width, height = self._size
        self.info = SourceInfo(name=name, kind="camera", width=width, height=height, rate_hz=self._stated_hz)

    def _items(self) -> Iterator[Frame | Gap]:
        began_s, last_s, period_s = None, 0.0, 1 / self._rate_hz
        for image in images_of(self._capture, self.name, self._color):
            now_s = time.monotonic()
            began_s = now_s if began_s is None else began_s
            time_s = now_s - began_s
            if self._delivered:
                period_s = 0.9 * period_s + 0.1 * (time_s - last_s)  # a camera slows down in the dark
            yield Frame(self._delivered, time_s, period_s, image)
            last_s = time_s

    def report(self) -> SourceReport:
        return SourceReport("unknown", ("a camera has no end; this is when reading stopped",), self._delivered)


def open_camera(
    device: int | str,
    name: str,
    *,
    size: tuple[int, int] | None = None,
    rate_hz: float | None = None,
    backend: str | None = None,
) -> Any:
    """OpenCV's capture of a camera's number or device. ``size`` (width, height) and ``rate_hz`` are what it is asked
    for and may not give.

    Raises SourceError when it cannot be opened, FinalError when this OpenCV lacks the backend.
    """
    import cv2

    number = getattr(cv2, f"CAP_{'any' if backend is None else backend}".upper())
    if number != cv2.CAP_ANY and not cv2.videoio_registry.hasBackend(number):
        raise FinalError(f"{name}: the OpenCV of this machine has no {backend}; leave backend out of --camera")
    capture = cv2.VideoCapture(device, number)
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"{name}: cannot be opened; is it plugged in, and free?")
    if size is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    if rate_hz is not None:
        capture.set(cv2.CAP_PROP_FPS, round(rate_hz))
    return capture


def images_of(capture: Any, name: str, color: bool) -> Iterator[NDArray[np.uint8]]:
    """(H, W) gray or (H, W, 3) BGR images until the capture has no more, (H, W) also where it has no colour.

    Raises SourceError for an absurd size.
    """
    import cv2

    while True:
        done, image = capture.read()
        if not done:
            return
        require_sane_size(name, image.shape[1], image.shape[0])
        if not color and image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        yield np.asarray(image, np.uint8)


def _int(capture: Any, what: int) -> int:
    value = float(capture.get(what))
    return int(value) if abs(value) < 2**40 else 0


def _fourcc(value: int) -> str:
    text = "".join(chr(value >> shift & 255) for shift in (0, 8, 16, 24))
    return text if text.isprintable() else ""
