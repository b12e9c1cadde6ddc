"""Frames and images from memory: those that are right become frames with times, the others are refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.sources import MemorySource
from seqcls.types import Frame, Gap

GRAY = np.full((4, 6), 7, np.uint8)
COLOR = np.full((4, 6, 3), 7, np.uint8)


def test_images_get_times_by_the_rate() -> None:
    source = MemorySource([GRAY, GRAY + 1, COLOR], rate_hz=20)
    frames = [item for item in source if isinstance(item, Frame)]
    assert [(f.index, f.time_s, f.duration_s) for f in frames] == [(0, 0.0, 0.05), (1, 0.05, 0.05), (2, 0.1, 0.05)]
    assert [f.image.shape for f in frames] == [(4, 6), (4, 6), (4, 6, 3)] and frames[1].image[0, 0] == 8
    assert (source.info.kind, source.info.rate_hz) == ("frames", 20)
    assert (source.report().verdict, source.report().delivered) == ("complete", 3)


def test_an_array_of_images_is_a_clip_too() -> None:
    assert len(list(MemorySource(np.stack([GRAY] * 5), rate_hz=1))) == 5
    assert len(list(MemorySource(np.stack([COLOR] * 2), rate_hz=1))) == 2
    assert list(MemorySource(np.empty((0, 4, 6), np.uint8), rate_hz=1)) == []


def test_a_view_with_strides_is_as_good() -> None:
    wide = np.arange(96, dtype=np.uint8).reshape(8, 12)
    (frame,) = MemorySource([wide[::2, ::-2]], rate_hz=1)
    assert isinstance(frame, Frame) and frame.image.flags.c_contiguous
    assert np.array_equal(frame.image, wide[::2, ::-2])


def test_one_buffer_may_be_used_again_and_again() -> None:
    """As ``cv2.VideoCapture.read(buffer)`` does."""

    def camera() -> Iterator[NDArray[np.uint8]]:
        buffer = np.zeros((4, 6), np.uint8)
        for level in (10, 20, 30):
            buffer[:] = level
            yield buffer

    frames = [item for item in MemorySource(camera(), rate_hz=1) if isinstance(item, Frame)]
    assert [int(frame.image[0, 0]) for frame in frames] == [10, 20, 30]


WRONG_IMAGES = [
    ("float", GRAY / 255.0, "float64: scale it to 0..255"),
    ("uint16", GRAY.astype(np.uint16), "uint16: scale it"),
    ("bool", GRAY > 3, "bool: scale it"),
    ("four channels", np.zeros((4, 6, 4), np.uint8), "drop the fourth"),
    ("channels first", np.zeros((3, 4, 6), np.uint8), r"transpose\(1, 2, 0\)"),
    ("one row", np.zeros(6, np.uint8), r"shape \(6,\): give"),
    ("two channels", np.zeros((4, 6, 2), np.uint8), r"shape \(4, 6, 2\): give"),
    ("no pixel", np.zeros((0, 6), np.uint8), "holds no pixel"),
    ("a list", [[1, 2], [3, 4]], "not a NumPy array"),
    ("nothing", None, "not a NumPy array"),
]


@pytest.mark.parametrize(("image", "message"), [case[1:] for case in WRONG_IMAGES], ids=[c[0] for c in WRONG_IMAGES])
def test_what_is_no_image_is_refused(image: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        list(MemorySource([GRAY, image], rate_hz=10))
    assert "\n" not in str(caught.value) and "image 1 " in str(caught.value)
    with pytest.raises(UsageError, match=message):
        Frame(1, 0.1, 0.1, image)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (GRAY, "is one image"),
        (COLOR, "is one image"),
        (np.zeros((4, 6, 4), np.uint8), "is one image"),
        (np.zeros(6, np.uint8), "holds no images"),
        (Frame(0, 0.0, 0.1, GRAY), "as a list"),
        (5, "not as int"),
        (None, "not as NoneType"),
    ],
    ids=["gray", "color", "four channels", "row", "frame", "number", "nothing"],
)
def test_what_holds_no_images_is_refused(items: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MemorySource(items, rate_hz=10)


@pytest.mark.parametrize("rate_hz", [0, -1, float("nan"), float("inf"), 20_000, "25", True], ids=str)
def test_a_rate_that_is_none_is_refused(rate_hz: Any) -> None:
    with pytest.raises(UsageError, match="rate"):
        MemorySource([GRAY], rate_hz=rate_hz)


def test_images_need_a_rate_and_frames_have_their_own_times() -> None:
    with pytest.raises(UsageError, match="rate_hz=25"):
        list(MemorySource([GRAY]))
    with pytest.raises(UsageError, match="leave rate_hz out"):
        list(MemorySource([Frame(0, 0.0, 0.1, GRAY)], rate_hz=10))


def test_sizes_may_not_be_mixed_among_images() -> None:
    with pytest.raises(UsageError, match=r"image 1 has \(4, 5\) pixels after \(4, 6\)"):
        list(MemorySource([GRAY, GRAY[:, :5]], rate_hz=10))
    framed = [Frame(0, 0.0, 0.1, GRAY), Frame(1, 0.1, 0.1, GRAY[:, :5])]
    assert list(MemorySource(framed)) == framed  # a source whose size changes is no mistake


@pytest.mark.parametrize(
    ("items", "refused"),
    [
        ([(0, 0.0), (1, 0.1), (2, 0.1)], "frame 2 at 0.1 s does not come after frame 1"),
        ([(0, 0.0), (1, 0.1), (2, 0.05)], "frame 2 at 0.05 s does not come after"),
        ([(0, 0.0), (0, 0.1)], "frame 0 at 0.1 s does not come after frame 0"),
        ([(0, 0.0), Gap(0.1, 0.5, "lost"), (1, 0.4)], "what begins at 0.4 s is given after 0.5 s"),
        ([(0, 0.3), Gap(0.1, 0.5, "lost")], "what begins at 0.1 s is given after 0.3 s"),
        ([(0, 0.0), Gap(0.5, 0.1, "lost")], "a gap from 0.5 to 0.1 s"),
        ([(0, 0.0), Gap(0.1, float("nan"), "lost")], "a gap from 0.1 to nan s"),
        ([(0, 0.0), Gap(0.1, 0.5, "lost"), Gap(0.5, 0.7, "lost"), (1, 0.7), (4, 0.8)], ""),
    ],
    ids=["still", "back", "same index", "inside a gap", "gap too early", "gap back", "gap nan", "right"],
)
def test_times_must_increase(items: list[Any], refused: str) -> None:
    given = [item if isinstance(item, Gap) else Frame(item[0], item[1], 0.1, GRAY) for item in items]
    if not refused:
        assert list(MemorySource(given)) == given
        return
    with pytest.raises(UsageError, match=refused):
        list(MemorySource(given))


@pytest.mark.parametrize(("time_s", "duration_s"), [(float("nan"), 0.1), (float("inf"), 0.1), (0.0, -0.1)])
def test_a_frame_has_times_that_are_numbers(time_s: float, duration_s: float) -> None:
    with pytest.raises(UsageError, match="a time must be finite"):
        Frame(0, time_s, duration_s, GRAY)


def test_a_frame_is_shown_without_its_pixels() -> None:
    assert repr(Frame(3, 0.12, 0.04, COLOR)) == "Frame(index=3, time_s=0.12, duration_s=0.04, image=4x6x3 uint8)"


@pytest.mark.parametrize("numbers", [("0", 0.0, 0.1), (0, "0", 0.1), (0, None, 0.1), (0.5, 0.0, 0.1)])
def test_a_frame_has_numbers(numbers: tuple[Any, Any, Any]) -> None:
    with pytest.raises(UsageError, match="a frame needs a whole number"):
        Frame(*numbers, GRAY)
