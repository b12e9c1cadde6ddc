"""Small pictures of the ultrasound region along a clip, for the axis of its report; nothing from outside the region."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
#: Pictures in a report, and the height of each in pixels: 40 take about 0.2 MB.
MOST, HEIGHT = 40, 144
_QUALITY = 72


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """``url``: a JPEG as data. ``ratio``: its width divided by its height."""

    time_s: float
    url: str
    ratio: float


def thumbnails_of(images: Sequence[tuple[float, Image]]) -> tuple[Thumbnail, ...]:
    """Of images (H, W) uint8 of the region with their times, evenly chosen where there are more than MOST."""
    chosen = images
    if len(images) > MOST:
        chosen = [images[round(place)] for place in np.linspace(0, len(images) - 1, MOST)]
    return tuple(_thumbnail(time_s, image) for time_s, image in chosen)


def _thumbnail(time_s: float, image: Image) -> Thumbnail:
    height, width = image.shape[:2]
    scale = min(1.0, HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    return Thumbnail(time_s, f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}", size[0] / size[1])
