"""Some of the images of a file that is mapped into memory: looked up when asked for, never copied as a whole."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


class ImageRows:
    """``rows`` (N,) of ``images``: what NumPy's indexing gives, as arrays of their own. Stands in for an array
    (N, S, S) uint8 wherever that is indexed, iterated over or asked for its shape."""

    def __init__(self, images: np.memmap[Any, Any], rows: NDArray[np.int64]) -> None:
        self.images, self.rows = images, rows

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.images.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    @property
    def ndim(self) -> int:
        return self.images.ndim

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Image:
        return np.asarray(self.images[self.rows[key]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.images[self.rows], dtype)


def picked(images: Image, rows: NDArray[np.int64]) -> Image:
    """These rows of (N, S, S): copied, unless they lie in a file."""
    own = cast(Any, images)
    if isinstance(own, ImageRows):
        return cast(Image, ImageRows(own.images, own.rows[rows]))
    if isinstance(own, np.memmap):
        return cast(Image, ImageRows(own, np.asarray(rows, np.int64)))
    return images[rows]
