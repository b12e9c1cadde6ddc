"""Cameras and capture cards through OpenCV, in the process of their own that ``capture_worker`` is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import FinalError, SourceError
from seqcls.feeds.capture import CameraTarget
from seqcls.sources.base import require_sane_size


def images_of(target: CameraTarget) -> Iterator[NDArray[np.uint8]]:
    """(H, W) gray or (H, W, 3) BGR images, (H, W) also where the camera has no colour.

    Raises SourceError when it cannot be opened, for an absurd size, and when it gives no more images; FinalError when
    this OpenCV lacks the backend.
    """
    import cv2

    capture = _open(target)
    while True:
        done, image = capture.read()
        if not done:
            raise SourceError(f"{target.name}: gives no more images; is it still plugged in?")
        require_sane_size(target.name, image.shape[1], image.shape[0])
        if not target.color and image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        yield np.asarray(image, np.uint8)


def _open(target: CameraTarget) -> Any:
    """OpenCV's capture. Size and rate are what it is asked for and may not give."""
    import cv2

    number = getattr(cv2, f"CAP_{'any' if target.backend is None else target.backend}".upper())
    if number != cv2.CAP_ANY and not cv2.videoio_registry.hasBackend(number):
        raise FinalError(f"{target.name}: the OpenCV of this machine has no {target.backend}; leave the backend out")
    capture = cv2.VideoCapture(target.device, number)
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"{target.name}: cannot be opened; is it plugged in, and free?")
    if target.size is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, target.size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, target.size[1])
    if target.rate_hz is not None:
        capture.set(cv2.CAP_PROP_FPS, round(target.rate_hz))
    return capture
