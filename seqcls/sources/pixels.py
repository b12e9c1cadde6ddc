"""From a decoded FFmpeg frame to the (H, W) uint8 gray or (H, W, 3) uint8 BGR image of a ``Frame``."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.sources.pixel_aspect import with_square_pixels

# Broadcast range: black is 16, white 235 (ITU-R BT.601). The models see 0..255, as every RGB decoder would show it.
_BLACK, _GAIN = 16, 255 / 219

_PLANAR_8_BIT = frozenset(
    {"yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "yuva420p", "nv12", "nv21"}
)
_FULL_8_BIT = frozenset({"yuvj420p", "yuvj422p", "yuvj444p", "yuvj440p", "yuvj411p", "gray", "gray8"})
_JPEG_RANGE = 2  # AVCOL_RANGE_JPEG
#: Of each thread.
_own = threading.local()


def gray(frame: Any, aspect: float = 1.0) -> NDArray[np.uint8]:
    """(H, W) uint8, 0..255: the Y plane where there is one of 8 bits, else what swscale makes of it.

    ``aspect``: a stored pixel's width divided by its height, undone here.
    """
    name = frame.format.name
    if name in _FULL_8_BIT or (name in _PLANAR_8_BIT and frame.color_range == _JPEG_RANGE):
        return _upright(luma(frame).copy(), frame, aspect)
    if name in _PLANAR_8_BIT:
        return _upright(expanded(luma(frame)), frame, aspect)
    return _upright(_converted(frame, "gray"), frame, aspect)


def bgr(frame: Any, aspect: float = 1.0) -> NDArray[np.uint8]:
    """(H, W, 3) uint8; ``aspect`` as for ``gray``."""
    return _upright(_converted(frame, "bgr24"), frame, aspect)


def _converted(frame: Any, form: str) -> NDArray[np.uint8]:
    """By one converter for all frames: each frame's own starts threads, which live until the garbage collector comes
    by. A child with bounded memory was out of it after a hundred frames."""
    from av.video.reformatter import VideoReformatter

    if not hasattr(_own, "converter"):
        _own.converter = VideoReformatter()
    converted: Any = _own.converter.reformat(frame, format=form, threads=1)
    return np.asarray(converted.to_ndarray(), np.uint8)


def luma(frame: Any) -> NDArray[np.uint8]:
    """(H, W) uint8 view of the first plane as it lies; valid as long as the frame is."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def expanded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Broadcast range to 0..255, rounded, what lies outside clipped."""
    # Half the cost of a look-up table, and the same in every one of the 256 values: none falls on a half.
    return np.asarray(cv2.addWeighted(image, _GAIN, image, 0, -_BLACK * _GAIN), np.uint8)


def _upright(image: NDArray[np.uint8], frame: Any, aspect: float) -> NDArray[np.uint8]:
    """Stretched to square pixels, then turned and mirrored, in quarter turns, by the frame's display matrix."""
    image, matrix = with_square_pixels(image, aspect), _display_matrix(frame)
    if matrix is None:
        return image
    # A stored pixel (x, y) is shown at (a x + c y, b x + d y), but for a shift.
    a, b, c, d = matrix
    if abs(a) + abs(d) < abs(b) + abs(c):
        image, a, d = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _display_matrix(frame: Any) -> tuple[int, int, int, int] | None:
    """a, b, c, d of QuickTime's matrix (a b u; c d v; x y w); None where the frame has none, or it changes nothing."""
    from av.sidedata.sidedata import Type

    data = frame.side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return None
    a, b, _, c, d = np.frombuffer(data, np.int32)[:5].tolist()
    return None if a > 0 and d > 0 and abs(b) + abs(c) < a + d else (a, b, c, d)
