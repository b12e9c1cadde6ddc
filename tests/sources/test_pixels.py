"""Gray and BGR images from decoded frames of every pixel format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from av.sidedata.sidedata import Type
from numpy.typing import NDArray
from support.clips import make, read
from support.media import recipe, write_clip

from seqcls.sources.pixels import bgr, expanded, gray


def test_broadcast_range_becomes_full_range_in_every_value() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(4, 64)
    wanted = np.clip(np.rint((values.astype(float) - 16) * 255 / 219), 0, 255)
    assert np.array_equal(expanded(values), wanted)
    assert np.array_equal(expanded(np.repeat(values, 2, axis=1)[:, ::2]), wanted)  # a plane with padding


FORMATS = ("mp4 h264", "mp4 h264 full range", "mp4 h264 odd size", "mp4 h264 10 bit", "mov mjpeg", "mkv ffv1 gray", "mkv ffv1 gray 16 bit", "avi raw bgr", "mov png", "gif paletted 10", "mov h264 turned")  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_gray_is_what_opencv_shows(name: str, tmp_path: Path) -> None:
    path = make(tmp_path, name, frames=4)
    frames, _, _ = read(path)
    capture = cv2.VideoCapture(str(path))
    for frame in frames:
        done, shown = capture.read()
        expected = cv2.cvtColor(shown, cv2.COLOR_BGR2GRAY).astype(int)
        assert done and frame.image.dtype == np.uint8 and frame.image.flags["C_CONTIGUOUS"]
        assert np.abs(frame.image.astype(int) - expected).max() <= 3
    capture.release()


@pytest.mark.parametrize("name", ["mp4 h264", "mp4 h264 full range", "mp4 h264 10 bit", "mov prores", "mkv ffv1 gray"])
def test_gray_is_what_swscale_makes_of_it(name: str, tmp_path: Path) -> None:
    path = make(tmp_path, name, frames=3, noise=90)  # levels from black to white
    frames, _, _ = read(path)
    with av.open(str(path)) as container:
        for frame, decoded in zip(frames, container.decode(video=0), strict=True):
            assert np.abs(frame.image.astype(int) - decoded.to_ndarray(format="gray")).max() <= 2


def test_black_is_0_and_white_is_255(tmp_path: Path) -> None:
    image = np.zeros((128, 160), np.uint8)
    image[:, 80:] = 255
    for name in ("mp4 h264", "mp4 h264 full range", "mp4 h264 10 bit", "mpg mpeg2"):
        made = recipe(name, frames=2)
        frames, _, _ = read(write_clip(tmp_path / f"{name}{made.suffix}", made, lambda k: image))
        assert frames[1].image[:, :70].max() <= 2 and frames[1].image[:, 90:].min() >= 253


def test_color_is_bgr_on_request(tmp_path: Path) -> None:
    image = np.zeros((128, 160, 3), np.uint8)
    image[..., 2] = 230
    path = write_clip(tmp_path / "red.mp4", recipe("mp4 h264", frames=2), lambda k: image)
    frames, _, _ = read(path, color=True)
    assert frames[0].image.shape == (128, 160, 3)
    assert np.abs(frames[0].image[60, 60].astype(int) - [0, 0, 230]).max() <= 12


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),  # mirrored left to right
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),  # clockwise: what is at the left comes to the top
        ((0, -1, 1, 0), lambda image: np.rot90(image)),
        ((0, 1, 1, 0), lambda image: image.T),
        ((0, -1, -1, 0), lambda image: np.rot90(image.T, 2)),
    ],
    ids=["as it lies", "left to right", "upside down", "both", "clockwise", "back", "transposed", "transposed back"],
)
def test_a_display_matrix_turns_and_mirrors_as_a_player_does(
    matrix: tuple[int, int, int, int], shown: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> None:
    """QuickTime's matrix (a b u; c d v; x y w) in 16.16: a stored pixel (x, y) is shown at (a x + c y, b x + d y)."""
    a, b, c, d = (value << 16 for value in matrix)
    image = np.random.default_rng(0).integers(0, 255, (16, 32), np.uint8)
    frame = SimpleNamespace(
        format=SimpleNamespace(name="gray"),
        planes=[_Plane(image)],
        height=16,
        color_range=0,
        width=32,
        side_data={Type.DISPLAYMATRIX: np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32).tobytes()},
    )
    assert np.array_equal(gray(frame), shown(image))


class _Plane(bytes):
    line_size = 32

    def __new__(cls, image: NDArray[np.uint8]) -> _Plane:
        return super().__new__(cls, image.tobytes())


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux shows them")
def test_no_frame_starts_threads_of_its_own() -> None:
    frames = [av.VideoFrame(640, 480, "yuv420p10le") for _ in range(6)]
    before = len(list(Path("/proc/self/task").iterdir()))
    for frame in frames:
        assert gray(frame).shape == (480, 640) and bgr(frame).shape == (480, 640, 3)
    assert len(list(Path("/proc/self/task").iterdir())) == before
