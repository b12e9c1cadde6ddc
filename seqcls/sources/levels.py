"""Images of more than 8 bits become 8 bits by one scale for all of a set, so that 10, 12 and 16 bits look alike."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: So many images of a set, evenly spread, are looked at to find the scale.
SAMPLE = 24
#: Depths that devices have; where all pixels of a set are alike, nothing else tells what white is.
_DEPTHS = (8, 10, 12, 14, 16, 32)


@dataclass(frozen=True, slots=True)
class Levels:
    """The stored values that become 0 and 255."""

    low: float
    high: float

    def apply(self, stored: NDArray[Any]) -> NDArray[np.uint8]:
        """The same shape, uint8; what is no number becomes 0."""
        span = self.high - self.low  # below 0 where the scale is turned over
        scaled = (stored.astype(np.float32) - self.low) * (255 / (span if abs(span) > 1e-6 else 1e-6))
        scaled = np.nan_to_num(scaled) if stored.dtype.kind == "f" else scaled
        return np.asarray(np.clip(np.rint(scaled), 0, 255), np.uint8)


def levels_of(images: Iterable[NDArray[Any]]) -> Levels:
    """Least to greatest value of all of them; where these are equal, 0 to the greatest that the depth can hold."""
    low, high = np.inf, -np.inf
    for image in images:
        finite = image[np.isfinite(image)] if image.dtype.kind == "f" else image
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if high > low:
        return Levels(low, high)
    if not 1 < high < np.inf:
        return Levels(0.0, 1.0)
    bits = next((depth for depth in _DEPTHS if high < 2**depth), 64)
    return Levels(0.0, float(2**bits - 1))


class SetLevels:
    """The levels of a set of images, found when first asked for: most sets have 8 bits and need none.

    ``images`` gives the deep ones of the set, a sample of them where there are many. Threads may share it.
    """

    def __init__(self, images: Callable[[], Iterable[NDArray[Any]]]) -> None:
        self._images = images
        self._lock = threading.Lock()
        self._found: Levels | None = None

    @property
    def found(self) -> Levels | None:
        """None where nobody asked yet."""
        return self._found

    def find(self) -> Levels:
        with self._lock:
            if self._found is None:
                self._found = levels_of(self._images())
            return self._found
