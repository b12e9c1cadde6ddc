"""Cameras, and files on request, through OpenCV, which cannot tell a file's end from an error: it says "unknown"."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import FinalError, SourceError
from seqcls.sources.base import OneWay, require_regular_file, require_sane_size
from seqcls.sources.container import examine
from seqcls.sources.sniff import kind_by_bytes
from seqcls.sources.timestamps import Clock
from seqcls.sources.video import DEMUXERS
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

#: Of OpenCV, for cameras: the name on the command line, and OpenCV's.
BACKENDS = {
    "any": "CAP_ANY",
    "v4l2": "CAP_V4L2",
    "gstreamer": "CAP_GSTREAMER",
    "ffmpeg": "CAP_FFMPEG",
    "dshow": "CAP_DSHOW",
    "msmf": "CAP_MSMF",
    "avfoundation": "CAP_AVFOUNDATION",
}
_MICROSECOND = Fraction(1, 1_000_000)


class OpenCVFile(OneWay):
    """One video file; (H, W) gray or (H, W, 3) BGR images. Raises SourceError when OpenCV refuses the file."""

    def __init__(self, path: Path, *, color: bool = False) -> None:
        super().__init__()
        import cv2

        self.name, self._path, self._color = path.name, path, color
        require_regular_file(path)
        self._kind = kind_by_bytes(path)
        if self._kind not in DEMUXERS:
            # OpenCV probes by itself and would follow a play list, so the bytes must be those of a film.
            raise SourceError(f"{path}: is no clip that --reader opencv reads; try --reader pyav")
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(f"{path}: OpenCV cannot open it; try --reader pyav")
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        width, height = _int(self._capture, cv2.CAP_PROP_FRAME_WIDTH), _int(self._capture, cv2.CAP_PROP_FRAME_HEIGHT)
        require_sane_size(self.name, width, height)
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        count = _int(self._capture, cv2.CAP_PROP_FRAME_COUNT)
        self.info = SourceInfo(
            name=self.name,
            kind="file",
            container=self._kind,
            codec=_fourcc(_int(self._capture, cv2.CAP_PROP_FOURCC)),
            width=width,
            height=height,
            declared_frames=count if count > 0 else None,
            rate_hz=rate if 0.01 <= rate <= 2000 else None,
            details=(("reader", "opencv"),),
        )
        self._clock = Clock(_MICROSECOND, round(1e6 / (25.0 if self.info.rate_hz is None else self.info.rate_hz)), None)
        self._ended = False

    def _items(self) -> Iterator[Frame | Gap]:
        import cv2

        while True:
            if self._closed:
                return
            done, image = self._capture.read()
            if not done:
                break
            stamp = round(float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) * 1000)
            yield from self._clock.add(stamp, None, converted(image, self._color), "")
        yield from self._clock.finish()
        self._ended = True

    def report(self) -> SourceReport:
        delivered, declared = self._clock.delivered, self.info.declared_frames
        gaps, notes = tuple(self._clock.gaps), self._clock.notes
        if not self._ended:
            return SourceReport("unknown", (*notes, "not read to the end"), delivered, gaps)
        structure = examine(self._path, self._kind)
        if structure.missing:
            return SourceReport("truncated", (structure.missing, *notes), delivered, gaps)
        if structure.broken:
            return SourceReport("damaged", (structure.broken, *notes), delivered, gaps)
        declares = "" if declared is None else f" (it declares {declared} frames, {delivered} came)"
        unsure = f"OpenCV cannot tell the clip's end from an error{declares}; --reader pyav can"
        return SourceReport("unknown", (unsure, *self._clock.alarms, *notes), delivered, gaps)

    def close(self) -> None:
        super().close()
        self._capture.release()


class Camera(OneWay):
    """A camera by its number; times are those of arrival on this machine's clock."""

    def __init__(self, number: int, *, color: bool = False) -> None:
        super().__init__()
        import cv2

        self.name, self._color = f"camera {number}", color
        self._capture = open_camera(number, self.name)
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.info = SourceInfo(
            name=self.name,
            kind="camera",
            width=_int(self._capture, cv2.CAP_PROP_FRAME_WIDTH),
            height=_int(self._capture, cv2.CAP_PROP_FRAME_HEIGHT),
            rate_hz=rate if 0.01 <= rate <= 2000 else None,
        )
        self._delivered = 0

    def _items(self) -> Iterator[Frame | Gap]:
        began_s, last_s = None, 0.0
        period_s = 1 / (25.0 if self.info.rate_hz is None else self.info.rate_hz)
        for image in images_of(self._capture, self.name, self._color):
            now_s = time.monotonic()
            began_s = now_s if began_s is None else began_s
            time_s = now_s - began_s
            if self._delivered:
                period_s = 0.9 * period_s + 0.1 * (time_s - last_s)  # a camera slows down in the dark
            yield Frame(self._delivered, time_s, period_s, image)
            self._delivered += 1
            last_s = time_s

    def report(self) -> SourceReport:
        return SourceReport("unknown", ("a camera has no end; this is when reading stopped",), self._delivered)

    def close(self) -> None:
        super().close()
        self._capture.release()


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

    number = getattr(cv2, BACKENDS["any" if backend is None else backend])
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
    """(H, W) gray or (H, W, 3) BGR images until the capture has no more. Raises SourceError for an absurd size."""
    while True:
        done, image = capture.read()
        if not done:
            return
        require_sane_size(name, image.shape[1], image.shape[0])
        yield converted(image, color)


def converted(image: Any, color: bool) -> NDArray[np.uint8]:
    """(H, W) uint8 gray, or with ``color`` (H, W, 3) uint8 BGR where the camera or file has colour."""
    import cv2

    if color or image.ndim == 2:
        return np.asarray(image, np.uint8)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def _int(capture: Any, what: int) -> int:
    value = float(capture.get(what))
    return int(value) if abs(value) < 2**40 else 0


def _fourcc(value: int) -> str:
    text = "".join(chr(value >> shift & 255) for shift in (0, 8, 16, 24))
    return text if text.isprintable() else ""
