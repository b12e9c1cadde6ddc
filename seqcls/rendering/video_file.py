"""An mp4 that holds images and their times, and nothing about who made it, when, where and with what."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import OutputError
from seqcls.types import SourceInfo

Image = NDArray[np.uint8]

#: Visually without loss: 45 dB and more on the real clips, at about half the bytes of crf 14. The same images give the
#: same bytes, on every computer: a picture is cut into one slice for each thread, of which there would be as many as
#: processors; and x264's macroblock tree looks at memory that nobody has written where the width is no multiple of 16
#: (some 3 of 100 files differed).
_X264 = {"preset": "veryfast", "crf": "16", "threads": "1", "x264-params": "mbtree=0"}
#: For sources that state no time base: every frame time of DICOM in milliseconds with three decimals is one of these.
_MICROSECONDS = Fraction(1, 1_000_000)
_BROADCAST_RANGE, _FULL_RANGE = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
#: Levels as television has them, 16 to 235: what every player takes for black and white, whatever it reads.
BROADCAST = np.rint(16 + np.arange(256) * (219 / 255)).astype(np.uint8)
#: x264 writes its version and settings into a message of this type (user data, H.264 D.1.7).
_WITHOUT_MESSAGES = "filter_units=remove_types=6"


def time_base_of(info: SourceInfo) -> Fraction:
    """The unit in which the source's own times are whole numbers; microseconds where none is stated."""
    stated = dict(info.details).get("time base", "")
    try:
        return max(Fraction(1, Fraction(stated).denominator), _MICROSECONDS)
    except (ValueError, ZeroDivisionError):
        return _MICROSECONDS


class VideoFile:
    """Writes (H, W) gray or (H, W, 3) BGR uint8 images of one size as H.264; to be closed.

    Odd sizes get one more row or column at the end, black. Times count from the clip's beginning, so that they are the
    source's own. ``key_every``: frames from key frame to key frame, exactly; None leaves it to the encoder.
    ``broadcast``: levels from 16 to 235, which players expect where they do not read the file's range; else all 256 are
    kept. Raises OutputError where FFmpeg has no H.264 encoder or the file cannot be written.
    """

    def __init__(
        self, path: Path, time_base: Fraction, *, key_every: int | None = None, broadcast: bool = False
    ) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        if "libx264" not in av.codecs_available:
            raise OutputError(
                "FFmpeg has no H.264 encoder here: install PyAV from its wheel, or write DICOM with to=dicom"
            )
        # bitexact: neither a name of the library nor a time of day.
        self._container = av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"})
        self._time_base = time_base
        self._broadcast = broadcast
        keys = {} if key_every is None else {"g": str(key_every), "keyint_min": str(key_every), "sc_threshold": "0"}
        self._settings = {**_X264, **keys}
        # One for all frames: each frame's own starts threads, which live until the garbage collector comes by.
        self._converter: Any = VideoReformatter()
        self._stream: Any = None
        self._filter: Any = None
        self._tick = -1
        self._lasts: dict[int, int] = {}  # ticks that the image of a tick is shown

    def write(self, image: Image, time_s: float, duration_s: float) -> None:
        """Append an image; a time that stands still or goes back is moved by one tick."""
        if self._stream is None:
            self._open(image)
        frame = self._frame(image)
        self._tick = max(self._tick + 1, round(Fraction(time_s) / self._time_base))
        self._lasts[self._tick] = max(1, round(Fraction(duration_s) / self._time_base))
        frame.pts, frame.time_base = self._tick, self._time_base
        self._mux(self._stream.encode(frame))

    def finish(self) -> None:
        """End the file; without it, it stays incomplete."""
        if self._stream is not None:
            self._mux(self._stream.encode(None))
            self._mux([None])
        self.close()

    def close(self) -> None:
        """May be called again."""
        self._container.close()

    def _open(self, image: Image) -> None:
        from av.bitstream import BitStreamFilterContext

        stream: Any = self._container.add_stream("libx264", options=self._settings)
        context = stream.codec_context
        stream.height, stream.width = (length + length % 2 for length in image.shape[:2])
        stream.pix_fmt, context.color_range = "yuv420p", self._range
        stream.time_base = context.time_base = self._time_base
        context.max_b_frames = 0  # decoding order is then that of the times
        self._stream, self._filter = stream, BitStreamFilterContext(_WITHOUT_MESSAGES, stream)

    @property
    def _range(self) -> int:
        return _BROADCAST_RANGE if self._broadcast else _FULL_RANGE

    def _frame(self, image: Image) -> Any:
        import av

        height, width = self._stream.height, self._stream.width
        if image.ndim == 2:
            planes = np.full((height * 3 // 2, width), 128, np.uint8)  # the third at the end is colour: none
            planes[:height] = 16 if self._broadcast else 0
            planes[: image.shape[0], : image.shape[1]] = BROADCAST[image] if self._broadcast else image
            frame: Any = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        else:
            whole = np.zeros((height, width, 3), np.uint8)
            whole[: image.shape[0], : image.shape[1]] = image
            colour: Any = av.VideoFrame.from_ndarray(whole, format="bgr24")
            levels = "MPEG" if self._broadcast else "JPEG"
            frame = self._converter.reformat(
                colour, format="yuv420p", dst_colorspace="ITU601", dst_color_range=levels, threads=1
            )
        frame.color_range = self._range
        return frame

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            for clean in self._filter.filter(packet):
                clean.stream = self._stream
                clean.duration = self._lasts.pop(clean.pts, clean.duration)
                self._container.mux(clean)
