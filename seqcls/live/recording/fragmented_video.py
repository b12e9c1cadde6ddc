"""Video files that a kill cannot spoil: what was written half a second ago stays readable.

Images are written in fragments of half a second, each complete in itself, straight into the file's final name.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.rendering.video_file import BROADCAST

Image = NDArray[np.uint8]

#: A whole number of these per frame at 24, 25, 30, 50, 60 and 29.97 frames/s; MPEG-4 allows at most 65535 per second.
TIME_BASE = Fraction(1, 60_000)

#: A fragment ends at a key frame, so a kill costs at most this much, and at most half of what a file holds: the first
#: ones are shorter, of one image, one, two, four and so on. Measured: 2 % more bytes than at one per second.
FRAGMENT_S = 0.5

#: Measured on 384 x 408: 1.6 ms an image, 44 dB, 3.4 Mbit/s at 25 frames/s; veryfast takes 5.5 ms for 1.9 Mbit/s.
_X264 = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18", "forced-idr": "1"}
_MPEG4 = {"qmin": "2", "qmax": "3"}

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG

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


@dataclass(frozen=True, slots=True)
class Kept:
    """What can be read from files: ``images``, ``size_bytes`` and ``seconds`` in all, and where the last image ends."""

    images: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    until_s: float = -math.inf

    @property
    def bytes_per_s(self) -> float:
        """0 as long as it is not known."""
        return self.size_bytes / self.seconds if self.seconds else 0.0

    def followed_by(self, part: FragmentedVideoWriter, start_s: float) -> Kept:
        if not part.kept:
            return self
        seconds = self.seconds + max(0.0, part.kept_until_s - start_s)
        return Kept(self.images + part.kept, self.size_bytes + part.kept_bytes, seconds, part.kept_until_s)


def open_new(path: Path) -> FileIO:
    """A file that was not there before, without a buffer: what is written is in the system's hands."""
    return path.open("xb", buffering=0)


class FragmentedVideoWriter:
    """Writes (H, W) gray uint8 images of one size as H.264, or MPEG-4 where FFmpeg has no libx264.

    Odd sizes get one more row or column at the end, black. ``start_s`` of the run becomes 0 in the file: for as long as
    a file's first image is away from 0, players show nothing. Raises FileExistsError where the path is taken; writing
    and closing raise OSError or FFmpeg's errors. After that the file ends where its last whole fragment does.

    kept: how many images can be read from the file, whatever happens; kept_until_s: the end of the last of them, in
    seconds of the run. kept_bytes: how much of the file they are.
    """

    def __init__(self, path: Path, first: Image, start_s: float) -> None:
        import av

        form, options, mark = _CONTAINERS[path.suffix.lower()]
        self.kept, self.kept_until_s = 0, start_s
        self._start_s = self._end_s = start_s
        self._written = 0
        self._tick = -1
        self._key_tick = -1
        self._height, self._width = (length + length % 2 for length in first.shape)
        self._h264 = "libx264" in av.codecs_available
        self._file = _MarkedFile(open_new(path), mark)
        # One write per fragment: a larger buffer than any, emptied after each.
        options = {**options, "flush_packets": "1"}
        self._container = av.open(self._file, "w", format=form, options=options, buffer_size=1 << 22)
        self._container.metadata["comment"] = f"begins at {start_s:.3f} s of the run"
        codec, settings = ("libx264", _X264) if self._h264 else ("mpeg4", _MPEG4)
        stream: Any = self._container.add_stream(codec, options=settings)
        self._stream = stream
        stream.width, stream.height, stream.pix_fmt = self._width, self._height, "yuv420p"
        context = stream.codec_context
        stream.time_base = context.time_base = TIME_BASE
        context.thread_count = 1  # the analysis needs the others
        context.gop_size = 600  # key frames are asked for by time
        context.max_b_frames = 0
        if self._h264:
            context.color_range = _FULL_RANGE

    def write(self, image: Image, time_s: float, duration_s: float) -> None:
        """Append an image of the first one's size; a time that stands still or goes back is moved by one tick."""
        import av
        from av.video.frame import PictureType

        planes = np.full((self._height * 3 // 2, self._width), 128, np.uint8)  # the third at the end is colour: none
        planes[: self._height] = 0 if self._h264 else 16
        planes[: image.shape[0], : image.shape[1]] = image if self._h264 else BROADCAST[image]
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        if self._h264:
            frame.color_range = _FULL_RANGE
        self._tick = max(self._tick + 1, round((time_s - self._start_s) / TIME_BASE))
        frame.pts, frame.time_base = self._tick, TIME_BASE
        fragment = min(Fraction(FRAGMENT_S), self._key_tick * TIME_BASE)
        if self._key_tick < 0 or (self._tick - self._key_tick) * TIME_BASE >= fragment:
            frame.pict_type, self._key_tick = PictureType.I, self._tick
        for packet in self._stream.encode(frame):  # of this image: the encoders work without delay
            packet.duration = max(1, round(duration_s / TIME_BASE))
            self._container.mux(packet)
        if self._file.settle():  # the fragment of the images before this one went in
            self.kept, self.kept_until_s = self._written, time_s
        self._written += 1
        self._end_s = time_s + duration_s

    @property
    def kept_bytes(self) -> int:
        return self._file.settled

    def close(self) -> None:
        """End the file. Raises OSError where that fails; the file is closed in any case."""
        with closing(self._file), closing(self._container):
            self._container.mux(self._stream.encode(None))
        if self._file.settle():
            self.kept, self.kept_until_s = self._written, self._end_s


class _MarkedFile:
    """The file under the container: keeps ``mark`` behind the last byte until it is closed.

    What it raises, PyAV raises from ``mux``. After that nothing more is written, and the file ends, with the mark,
    where it was ``settled`` last, in bytes: half a fragment would show half of its images, or none.
    """

    def __init__(self, file: FileIO, mark: bytes) -> None:
        self.settled = 0
        self._file, self._mark = file, mark
        self._end = 0
        self._failed = False
        self.tell = file.tell

    def write(self, data: bytes) -> int:
        if not self._failed:
            self._failed = True  # until all of it is written
            end = self._file.tell() + len(data)
            left = memoryview(bytes(data) + (self._mark if end > self._end else b""))
            while left:  # a file without buffer takes what fits
                left = left[self._file.write(left) :]
            self._end = max(self._end, end)
            self._file.seek(end)
            self._failed = False
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset + self._end) if whence == os.SEEK_END else self._file.seek(offset, whence)

    def settle(self) -> bool:
        """What was written so far is whole; whether there is more of it than before."""
        if self._failed or self._end == self.settled:
            return False
        self.settled = self._end
        return True

    def close(self) -> None:
        """Take the mark away, unless something failed. Raises OSError."""
        with self._file:
            if not self._failed:
                self._file.truncate(self._end)
                os.fsync(self._file.fileno())
                return
            with suppress(OSError):
                self._file.truncate(self.settled)
                self._file.seek(self.settled)
                self._file.write(self._mark)


class SegmentedVideoWriter:
    """Images in time order, in as many files as there are changes of size: NAME, NAME-2, NAME-3 ...

    A name that is taken is passed over, nothing is overwritten. ``begun`` is told of each file once an image can be
    read from it, and again with the next image where it answers False.
    """

    def __init__(self, path: Path, begun: Callable[[RecordedVideo], bool] = lambda part: True) -> None:
        self.parts: list[RecordedVideo] = []
        self._path, self._begun = path, begun
        self._untold: deque[RecordedVideo] = deque()
        self._part: FragmentedVideoWriter | None = None
        self._size: tuple[int, ...] = ()
        self._number = 0
        self._before = Kept()

    @property
    def kept(self) -> Kept:
        """What can be read from all files together."""
        return self._before if self._part is None else self._before.followed_by(self._part, self.parts[-1].start_s)

    def write(self, image: Image, time_s: float, duration_s: float) -> None:
        """Append (H, W) uint8. Raises OSError or FFmpeg's errors."""
        if self._part is None or image.shape != self._size:
            self.close()
            self._part = self._next_part(image, time_s)
            self._size = image.shape
        none_yet = self._part.kept == 0
        self._part.write(image, time_s, duration_s)
        if none_yet and self._part.kept:
            self._untold.append(self.parts[-1])
        self._tell()

    def close(self) -> None:
        """End the file that is open; an image after that begins a new one. A file without an image is not kept."""
        part, self._part = self._part, None
        if part is None:
            return
        none_yet = part.kept == 0
        try:
            part.close()
        finally:
            if part.kept:
                self._before = self._before.followed_by(part, self.parts[-1].start_s)
                if none_yet:
                    self._untold.append(self.parts[-1])
                self._tell()
            else:
                with suppress(OSError):
                    self.parts[-1].path.unlink()
                    self.parts.pop()
                    self._number -= 1

    def part_path(self, number: int) -> Path:
        """The name of a part, counted from 1."""
        return self._path if number == 1 else self._path.with_name(f"{self._path.stem}-{number}{self._path.suffix}")

    def _tell(self) -> None:
        while self._untold and self._begun(self._untold[0]):
            self._untold.popleft()

    def _next_part(self, image: Image, time_s: float) -> FragmentedVideoWriter:
        while True:
            self._number += 1
            path = self.part_path(self._number)
            with suppress(FileExistsError):
                part = FragmentedVideoWriter(path, image, time_s)
                self.parts.append(RecordedVideo(path, time_s))
                return part
