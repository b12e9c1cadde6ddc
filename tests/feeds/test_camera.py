"""Cameras through OpenCV, which is played by a fake."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from seqcls.errors import SourceError
from seqcls.feeds.camera import images_of
from seqcls.feeds.capture import CameraTarget


class FakeCapture:
    """Gives three images, then none."""

    asked: dict[int, float] = {}  # noqa: RUF012 - shared on purpose

    def __init__(self, device: int, backend: int) -> None:
        assert (device, backend) == (3, cv2.CAP_ANY)
        self._left = 3

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, what: int, value: float) -> None:
        self.asked[what] = value

    def read(self) -> tuple[bool, Any]:
        self._left -= 1
        return (True, np.full((128, 160, 3), (0, 0, 200), np.uint8)) if self._left >= 0 else (False, None)

    def release(self) -> None:
        pass


@pytest.mark.parametrize(("color", "pixel"), [(False, 60), (True, [0, 0, 200])], ids=["gray", "color"])
def test_a_camera_is_read_until_it_stops(color: bool, pixel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    images = images_of(CameraTarget(device=3, size=(1280, 720), rate_hz=30, color=color))
    assert [next(images)[0, 0].tolist() for _ in range(3)] == [pixel] * 3
    sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
    with pytest.raises(SourceError, match="camera 3: gives no more images"):
        next(images)
    assert [FakeCapture.asked[what] for what in sides] == [1280, 720, 30]


def test_a_camera_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCapture, "isOpened", lambda self: False)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    with pytest.raises(SourceError, match="camera 3: cannot be opened"):
        next(images_of(CameraTarget(device=3)))
