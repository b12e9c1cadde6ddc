"""Video files that a kill cannot spoil: what was written half a second ago stays readable.

Images are written in fragments of half a second, each complete in itself, straight into the file's final name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

#: A whole number of these per frame at 24, 25, 30, 50, 60 and 29.97 frames/s; MPEG-4 allows at most 65535 per second.
TIME_BASE = Fraction(1, 60_000)

#: A fragment ends at a key frame, so a kill costs at most this much. Measured: 2 % more bytes than at one per second.
FRAGMENT_S = 0.5

#: Measured on 384 x 408: 1.6 ms a image, 44 dB, 3.4 Mbit/s at 25 frames/s; veryfast takes 5.5 ms for 1.9 Mbit/s.
_X264 = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18", "forced-idr": "1"}
_MPEG4 = {"qmin": "2", "qmax": "3"}

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_BROADCAST = np.rint(16 + np.arange(256) * (219 / 255)).astype(np.uint8)

# The header of an element that says it is longer than what follows. It ends the file while it is being written, so
# that a recording which was killed reads as cut short even when it ends between two fragments.
_CONTAINERS: dict[str, tuple[str, dict[str, str], bytes]] = {
    ".mp4": ("mp4", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}, b"\x00\x00\x00\x10free"),
    ".mkv": ("matroska", {"cluster_time_limit": str(round(FRAGMENT_S * 1000))}, b"\xec\x88"),
}
SUFFIXES = tuple(_CONTAINERS)


@dataclass(frozen=True, slots=True)
class RecordedVideo:
    """A file's clock counts from its first image, which is the one at ``start_s`` of the run."""

    path: Path
    start_s: float


class VideoWriter(Protocol):
    """One video file of one image size while it is written. Both raise OSError or FFmpeg's errors."""

    def write(self, image: Image, time_s: float, duration_s: float) -> None: ...

    def close(self) -> None: ...


#: (path, image of the first frame, its time) -> VideoWriter. Raises FileExistsError where the path is taken.
OpenVideo = Callable[[Path, Image, float], VideoWriter]


def open_new(path: Path) -> BinaryIO:
    """A file that was not there before, without a buffer: what is written is in the system's hands."""
    return path.open("xb", buffering=0)


class FragmentedVideoWriter:
    """Writes (H, W) gray or (H, W, 3) BGR uint8 images as H.264, or MPEG-4 where FFmpeg has no libx264.

    Odd sizes get one more row or column at the end, black in gray images. ``start_s`` of the run becomes 0 in the
    file: for as long as a file's first image is away from 0, players show nothing.
    """

    def __init__(
        self, path: Path, first: Image, start_s: float, *, open_file: Callable[[Path], BinaryIO] = open_new
    ) -> None:
        import av

        form, options, mark = _CONTAINERS[path.suffix.lower()]
        self._start_s = start_s
        self._tick = -1
        self._key_tick = -1
        self._height, self._width = (length + length % 2 for length in first.shape[:2])
        self._h264 = "libx264" in av.codecs_available
        self._file = _Tail(open_file(path), mark)
        # One write per fragment: a larger buffer than any, emptied after each.
        options = {**options, "flush_packets": "1"}
        try:
            self._container = av.open(self._file, "w", format=form, options=options, buffer_size=1 << 22)
            self._container.metadata["comment"] = f"begins at {start_s:.3f} s of the run"
            self._stream = self._make_stream()
        except BaseException:
            self._file.close()
            raise

    def _make_stream(self) -> Any:
        stream = self._container.add_stream("libx264" if self._h264 else "mpeg4", options=self._settings)
        stream.width, stream.height, stream.pix_fmt = self._width, self._height, "yuv420p"
        context = stream.codec_context
        stream.time_base = context.time_base = TIME_BASE
        context.thread_count = 1  # the analysis needs the others
        context.gop_size = 600  # key frames are asked for by time
        context.max_b_frames = 0
        if self._h264:
            context.color_range = _FULL_RANGE
        return stream

    @property
    def _settings(self) -> dict[str, str]:
        return _X264 if self._h264 else _MPEG4

    def write(self, image: Image, time_s: float, duration_s: float) -> None:
        """Append a image of the first one's size; a time that stands still or goes back is moved by one tick."""
        from av.video.frame import PictureType

        frame = self._gray(image) if image.ndim == 2 else self._color(image)
        self._tick = max(self._tick + 1, round((time_s - self._start_s) / TIME_BASE))
        frame.pts, frame.time_base = self._tick, TIME_BASE
        if self._key_tick < 0 or (self._tick - self._key_tick) * TIME_BASE >= FRAGMENT_S:
            frame.pict_type, self._key_tick = PictureType.I, self._tick
        for packet in self._stream.encode(frame):  # of this image: the encoders work without delay
            packet.duration = max(1, round(duration_s / TIME_BASE))
            self._container.mux(packet)
        self._file.check()

    def close(self) -> None:
        """End the file. May be called again. Raises OSError where that fails; the file is closed in any case."""
        try:
            self._container.mux(self._stream.encode(None))
        except EOFError:
            pass  # closed before
        finally:
            self._container.close()
            self._file.close()

    def _gray(self, image: Image) -> Any:
        import av

        frame = av.VideoFrame(self._width, self._height, "yuv420p")
        planes = [_rows(plane) for plane in frame.planes]
        planes[0][:] = 0 if self._h264 else 16
        height, width = image.shape
        planes[0][:height, :width] = image if self._h264 else cv2.LUT(image, _BROADCAST)
        for plane in planes[1:]:
            plane[:] = 128
        if self._h264:
            frame.color_range = _FULL_RANGE
        return frame

    def _color(self, image: Image) -> Any:
        import av

        height, width = image.shape[:2]
        if (height, width) != (self._height, self._width):
            edges = (0, self._height - height, 0, self._width - width)
            image = np.asarray(cv2.copyMakeBorder(image, *edges, cv2.BORDER_REPLICATE), np.uint8)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        return frame.reformat(format="yuv420p", dst_color_range="JPEG" if self._h264 else "MPEG")


def _rows(plane: Any) -> Image:
    """A plane's bytes as (rows, bytes per row), to be written into."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)


class _Tail:
    """The file object under the container: keeps ``mark`` behind the last byte until it is closed.

    FFmpeg only hears that writing failed; ``check`` raises what it was. After that the file is left as it is, cut
    behind the last fragment that fitted.
    """

    def __init__(self, file: BinaryIO, mark: bytes) -> None:
        self._file, self._mark = file, mark
        self._position = self._end = 0
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self._error is None:
            try:
                self._write(bytes(data))
            except OSError as error:
                self._error = error
                self._cut()
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (0, self._position, self._end)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Take the mark away, unless something failed. Raises OSError."""
        with self._file:
            if self._file.closed:
                return
            if self._error is None:
                self._file.truncate(self._end)
                os.fsync(self._file.fileno())
        self.check()

    def _write(self, data: bytes) -> None:
        end = self._position + len(data)
        if end > self._end:
            self._put(self._position, data + self._mark)
            self._end = end
        else:
            self._put(self._position, data)

    def _put(self, position: int, data: bytes) -> None:
        self._file.seek(position)
        left = memoryview(data)
        while left:  # a file without buffer takes what fits
            left = left[self._file.write(left) :]

    def _cut(self) -> None:
        try:
            self._file.truncate(self._end)
            self._put(self._end, self._mark)
        except OSError:
            return  # then it ends in the middle of a fragment: cut short as well


class SegmentedVideoWriter:
    """Images in time order, in as many files as there are changes of size: NAME, NAME-2, NAME-3 ...

    A name that is taken is passed over, nothing is overwritten.
    """

    def __init__(self, path: Path, open_video: OpenVideo = FragmentedVideoWriter) -> None:
        self.parts: list[RecordedVideo] = []
        self._path, self._open_video = path, open_video
        self._part: VideoWriter | None = None
        self._size: tuple[int, ...] = ()
        self._number = 0

    def write(self, image: Image, time_s: float, duration_s: float) -> None:
        """Append (H, W) or (H, W, 3) uint8. Raises OSError or FFmpeg's errors."""
        if self._part is None or image.shape[:2] != self._size:
            self.close()
            self._part = self._next_part(image, time_s)
            self._size = image.shape[:2]
        self._part.write(image, time_s, duration_s)

    def close(self) -> None:
        """End the file that is open; a image after that begins a new one."""
        part, self._part = self._part, None
        if part is not None:
            part.close()

    def _next_part(self, image: Image, time_s: float) -> VideoWriter:
        while True:
            self._number += 1
            path = self._path if self._number == 1 else _numbered(self._path, self._number)
            try:
                part = self._open_video(path, image, time_s)
            except FileExistsError:
                continue
            self.parts.append(RecordedVideo(path, time_s))
            return part


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")
