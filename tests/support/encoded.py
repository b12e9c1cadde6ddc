"""Gray images as a video, and what a codec leaves of them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def write_video(
    target: Path | io.BytesIO,
    images: Iterable[Image],
    *,
    codec: str = "mpeg4",
    pixels: str = "yuv420p",
    rate_hz: int = 10,
    bits: int = 4_000_000,
    container: str | None = None,
    options: dict[str, str] | None = None,
) -> None:
    """(h, w) uint8 images of one size, one frame each; ``bits`` per second."""
    if isinstance(target, Path):
        target.parent.mkdir(parents=True, exist_ok=True)
    following = iter(images)
    first = next(following)
    with av.open(str(target) if isinstance(target, Path) else target, "w", format=container) as opened:
        stream = opened.add_stream(codec, rate=rate_hz)
        stream.height, stream.width = first.shape
        stream.pix_fmt, stream.bit_rate, stream.options = pixels, bits, dict(options or {})
        for image in chain([first], following):
            opened.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray").reformat(format=pixels)))
        opened.mux(stream.encode())


def recorded(images: Sequence[Image], codec: str, bits: int, pixels: str = "yuv420p") -> list[Image]:
    """The luma planes after a codec."""
    stored = io.BytesIO()
    container = "mpegts" if codec == "mpeg2video" else "matroska"
    write_video(stored, images, codec=codec, pixels=pixels, rate_hz=25, bits=bits, container=container)
    stored.seek(0)
    with av.open(stored) as opened:
        return [np.ascontiguousarray(frame.to_ndarray(format="gray")) for frame in opened.decode(video=0)]
