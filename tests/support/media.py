"""Clips made on the spot: every container, codec and rate, each picture carrying its own number in sixteen blocks.

Sixteen blocks, black or white, in a 4 x 4 grid survive any lossy codec: ten bits of number and six of check sum, so
that a picture mixed from two, or half lost, reads as None instead of as another number.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

BLACK, WHITE = 30, 220


@dataclass(frozen=True)
class Recipe:
    """One clip. ``rate`` in frames/s, or ``times_ms`` for a variable rate (then the clock ticks milliseconds)."""

    name: str
    suffix: str
    codec: str
    pix_fmt: str = "yuv420p"
    width: int = 160
    height: int = 128
    frames: int = 40
    rate: Fraction = Fraction(25)
    times_ms: tuple[int, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    muxer: str = ""
    muxer_options: tuple[tuple[str, str], ...] = ()
    rotation: int = 0
    noise: int = 12
    aspect: Fraction = Fraction(0)  # a pixel's width divided by its height; 0 states nothing
    late: int = 0  # periods or milliseconds from 0 to the first frame
    sound: str = ""  # codec of a silence from 0 on; none where empty
    tags: frozenset[str] = field(default_factory=frozenset)

    @property
    def times_s(self) -> list[float]:
        if self.times_ms:
            return [ms / 1000 for ms in self.times_ms]
        return [float(k / self.rate) for k in range(self.frames)]


X264 = (("preset", "veryfast"), ("g", "12"))
X265 = (("preset", "ultrafast"), ("x265-params", "log-level=none:keyint=12:pools=none"))
SVT = (("preset", "12"), ("svtav1-params", "lp=1"))
VP9 = (("deadline", "realtime"), ("cpu-used", "8"), ("g", "12"))
LONG_GAPS_MS = tuple(k * 40 + (400 if k >= 20 else 0) + (k % 3) * 7 for k in range(40))
FRAGMENTS = (("movflags", "frag_keyframe+empty_moov+default_base_moof"),)

RECIPES = (
    Recipe("mp4 h264", ".mp4", "libx264", options=X264),
    Recipe("mp4 h264 without B-frames", ".mp4", "libx264", options=(*X264, ("bf", "0"))),
    Recipe("mp4 h264 full range", ".mp4", "libx264", "yuvj420p", options=X264),
    Recipe("mp4 h264 odd size", ".mp4", "libx264", "yuv444p", 161, 127, options=X264),
    Recipe("mp4 h264 10 bit", ".mp4", "libx264", "yuv420p10le", options=X264),
    Recipe("mp4 h264 gray", ".mp4", "libx264", "gray", options=X264),
    Recipe("mp4 h264 29.97", ".mp4", "libx264", rate=Fraction(30000, 1001), options=X264),
    Recipe("mp4 h264 variable rate", ".mp4", "libx264", times_ms=LONG_GAPS_MS, options=X264),
    Recipe("mp4 h264 fragmented", ".mp4", "libx264", options=X264, muxer_options=FRAGMENTS),
    Recipe("mp4 hevc", ".mp4", "libx265", options=X265),
    Recipe("mp4 hevc 10 bit", ".mp4", "libx265", "yuv420p10le", options=X265),
    Recipe("mp4 av1", ".mp4", "libsvtav1", options=SVT),
    Recipe("mp4 mpeg4", ".mp4", "mpeg4"),
    Recipe("mov mjpeg", ".mov", "mjpeg", "yuvj420p"),
    Recipe("mov h264 turned", ".mov", "libx264", width=192, height=128, options=X264, rotation=90),
    Recipe("mov h264 upside down", ".mov", "libx264", options=X264, rotation=180),
    Recipe("mov png", ".mov", "png", "rgb24", noise=2),
    Recipe("mov prores", ".mov", "prores_ks", "yuv422p10le"),
    Recipe("mkv h264", ".mkv", "libx264", options=X264),
    Recipe("mkv h264 variable rate", ".mkv", "libx264", times_ms=LONG_GAPS_MS, options=X264),
    Recipe("mkv hevc", ".mkv", "libx265", options=X265),
    Recipe("mkv ffv1 gray", ".mkv", "ffv1", "gray", options=(("slicecrc", "1"),)),
    Recipe("mkv ffv1 gray 16 bit", ".mkv", "ffv1", "gray16le", options=(("slicecrc", "1"),)),
    Recipe("mkv vp9 60", ".mkv", "libvpx-vp9", rate=Fraction(60), options=VP9),
    Recipe("webm vp9", ".webm", "libvpx-vp9", options=VP9),
    Recipe("webm vp9 variable rate", ".webm", "libvpx-vp9", times_ms=LONG_GAPS_MS, options=VP9),
    Recipe("webm vp8", ".webm", "libvpx", options=VP9),
    Recipe("webm av1", ".webm", "libsvtav1", options=SVT),
    Recipe("avi mjpeg", ".avi", "mjpeg", "yuvj420p"),
    Recipe("avi mjpeg 4:2:2 12.5", ".avi", "mjpeg", "yuvj422p", rate=Fraction(25, 2)),
    Recipe("avi mpeg4", ".avi", "mpeg4"),
    Recipe("avi ffv1", ".avi", "ffv1", "yuv420p"),
    Recipe("avi raw bgr", ".avi", "rawvideo", "bgr24", width=96, height=80),
    Recipe("avi raw gray", ".avi", "rawvideo", "gray", width=96, height=80),
    Recipe("mpg mpeg2", ".mpg", "mpeg2video"),
    Recipe("mpeg mpeg2 with B-frames", ".mpeg", "mpeg2video", options=(("bf", "2"), ("g", "12"))),
    Recipe("mpg mpeg1", ".mpg", "mpeg1video"),
    Recipe("vob mpeg2 29.97", ".vob", "mpeg2video", rate=Fraction(30000, 1001), muxer="vob"),
    Recipe("ts h264", ".ts", "libx264", options=X264),
    Recipe("ts mpeg2", ".ts", "mpeg2video"),
    Recipe("ts hevc 50", ".ts", "libx265", rate=Fraction(50), options=X265),
    Recipe("ts h264 variable rate", ".ts", "libx264", times_ms=LONG_GAPS_MS, options=X264),
    Recipe("gif", ".gif", "gif", "gray", noise=0),
    Recipe("gif paletted 10", ".gif", "gif", "rgb8", rate=Fraction(10), noise=0),
    Recipe("mp4 h264 one frame", ".mp4", "libx264", frames=1, options=X264),
    Recipe("mp4 h264 one per second", ".mp4", "libx264", rate=Fraction(1), options=X264),
    Recipe("mkv mpeg4 120", ".mkv", "mpeg4", rate=Fraction(120)),
    Recipe("avi mpeg4 two frames", ".avi", "mpeg4", frames=2),
    Recipe("webm vp9 one frame", ".webm", "libvpx-vp9", frames=1, options=VP9),
    Recipe("avi mpeg4 with B-frames", ".avi", "mpeg4", options=(("bf", "2"),)),
    Recipe("avi h264", ".avi", "libx264", options=(*X264, ("bf", "0"))),
    Recipe("webm vp9 live", ".webm", "libvpx-vp9", options=VP9, muxer_options=(("live", "1"),)),
    Recipe("mkv h264 index first", ".mkv", "libx264", options=X264, muxer_options=(("cues_to_front", "1"),)),
    Recipe("m2ts h264", ".m2ts", "libx264", options=X264, muxer="mpegts", muxer_options=(("mpegts_m2ts_mode", "1"),)),
    Recipe("mp4 h264 faststart", ".mp4", "libx264", options=X264, muxer_options=(("movflags", "faststart"),)),
    Recipe("mov h264 index in fragments", ".mov", "libx264", options=X264, muxer_options=(("movflags", "frag_every_frame"),)),
    Recipe("wmv", ".wmv", "wmv2"),
    Recipe("mp4 h264 closed pyramid", ".mp4", "libx264", options=(("bf", "5"), ("b-pyramid", "normal"))),
    Recipe("mp4 h264 intra refresh", ".mp4", "libx264", options=(("intra-refresh", "1"), ("g", "10"))),
    Recipe("mkv h264 23.976 long", ".mkv", "libx264", frames=150, rate=Fraction(24000, 1001), options=X264),
)  # fmt: skip


def recipe(name: str, **changes: object) -> Recipe:
    found = next(r for r in RECIPES if r.name == name)
    return replace(found, **changes)  # type: ignore[arg-type]


def draw(number: int, width: int = 160, height: int = 128, noise: int = 12) -> NDArray[np.uint8]:
    """(height, width) uint8 with ``number`` (0..1023) readable from the pixels, over a little moving texture."""
    rng = np.random.default_rng(number)
    image = np.full((height, width), 90, np.int16) + (np.arange(width) + 3 * number)[None, :] % 40
    for k, (rows, columns) in enumerate(_blocks(width, height)):
        image[rows, columns] = WHITE if code(number) >> k & 1 else BLACK
    if noise:
        image += rng.integers(-noise, noise + 1, image.shape, dtype=np.int16)
    return np.clip(image, 0, 255).astype(np.uint8)


def read_number(image: NDArray[np.uint8]) -> int | None:
    """The number drawn into a picture, or None when the check sum does not fit or a block is neither black nor white."""
    plane = image if image.ndim == 2 else image.mean(axis=2)
    height, width = plane.shape
    bits = 0
    for k, (rows, columns) in enumerate(_blocks(width, height)):
        level = float(np.median(plane[rows, columns]))
        if abs(level - (BLACK + WHITE) / 2) < 30:
            return None
        bits |= (level > (BLACK + WHITE) / 2) << k
    return bits & 1023 if code(bits & 1023) == bits else None


def code(number: int) -> int:
    return number | ((number * 37 + 11) % 61) << 10


def _blocks(width: int, height: int) -> list[tuple[slice, slice]]:
    """Sixteen blocks with a margin around each; their inner parts are what is drawn and read."""
    tall, wide = height // 5, width // 5
    return [
        (
            slice(tall // 2 + row * tall + tall // 8, tall // 2 + (row + 1) * tall - tall // 8),
            slice(wide // 2 + column * wide + wide // 8, wide // 2 + (column + 1) * wide - wide // 8),
        )
        for row in range(4)
        for column in range(4)
    ]


def write_clip(path: Path, recipe: Recipe, picture: Callable[[int], NDArray[np.uint8]] | None = None) -> Path:
    """Encode the recipe. ``picture(k)`` gives (H, W) or (H, W, 3) BGR uint8 instead of the numbered picture."""
    base = Fraction(1, 1000) if recipe.times_ms else 1 / recipe.rate
    with av.open(str(path), "w", format=recipe.muxer or None, options=dict(recipe.muxer_options)) as container:
        stream = container.add_stream(recipe.codec, rate=recipe.rate, options=dict(recipe.options))
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, recipe.pix_fmt
        stream.codec_context.thread_count = 1  # the same bytes everywhere
        stream.time_base = base
        stream.codec_context.time_base = base
        if recipe.aspect:
            stream.codec_context.sample_aspect_ratio = recipe.aspect
        if recipe.rotation:
            stream.set_display_rotation(recipe.rotation)
        if recipe.sound:
            _add_silence(container, recipe, (recipe.late + recipe.frames) * base)
        for k in range(len(recipe.times_ms) if recipe.times_ms else recipe.frames):
            drawn = _stored(k, recipe) if picture is None else picture(k)
            frame = av.VideoFrame.from_ndarray(drawn, format="gray" if drawn.ndim == 2 else "bgr24")
            if recipe.pix_fmt != frame.format.name:
                frame = frame.reformat(format=recipe.pix_fmt)
            frame.pts = (recipe.times_ms[k] if recipe.times_ms else k) + recipe.late
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _add_silence(container: Any, recipe: Recipe, until_s: Fraction) -> None:
    stream = container.add_stream(recipe.sound, rate=48000, layout="mono")
    stream.codec_context.open()
    size, form = stream.codec_context.frame_size or 1024, stream.codec_context.format.name
    for k in range(int(until_s * 48000) // size):
        samples = np.zeros((1, size), np.int16 if form.startswith("s16") else np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format=form, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, k * size, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _stored(number: int, recipe: Recipe) -> NDArray[np.uint8]:
    """The picture as it lies in the file, so that it stands upright once turned as the file says."""
    turns = recipe.rotation // 90
    width, height = (recipe.height, recipe.width) if turns % 2 else (recipe.width, recipe.height)
    return np.ascontiguousarray(np.rot90(draw(number, width, height, recipe.noise), -turns))


MUTATIONS = (
    "cut 1 %",
    "cut 10 %",
    "cut 50 %",
    "cut 99 %",
    "hole",
    "small hole",
    "bit flips",
    "swapped blocks",
    "zeros",
)


def mutate(data: bytes, kind: str, seed: int) -> bytes:
    """A damaged copy of a file's bytes."""
    rng = random.Random(f"{kind} {seed}")
    size = len(data)
    if kind.startswith("cut"):
        keep = int(kind.split()[1]) / 100
        return data[: max(1, int(size * keep) + rng.randrange(-size // 200 - 1, size // 200 + 1))][: size - 1]
    changed = bytearray(data)
    if kind in ("hole", "small hole"):
        length = min(size // 3, 3000 if kind == "hole" else 300)
        start = rng.randrange(size - length)
        del changed[start : start + length]
    elif kind == "zeros":
        length = min(size // 3, 3000)
        start = rng.randrange(size - length)
        changed[start : start + length] = bytes(length)
    elif kind == "bit flips":
        for _ in range(rng.choice((1, 5, 50))):
            changed[rng.randrange(size)] ^= 1 << rng.randrange(8)
    elif kind == "swapped blocks":
        length = min(size // 4, 2048)
        a, b = sorted((rng.randrange(size - 2 * length), rng.randrange(size - length)))
        b = max(b, a + length)
        changed[a : a + length], changed[b : b + length] = changed[b : b + length], changed[a : a + length]
    else:
        raise AssertionError(kind)
    return bytes(changed)


def numbers(images: Sequence[NDArray[np.uint8]]) -> list[int | None]:
    return [read_number(image) for image in images]
