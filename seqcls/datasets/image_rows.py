"""Some of the images of a file that is mapped into memory: looked up when asked for, never copied as a whole.

What a process has looked at of a mapped file counts as its memory. So that it does not grow to the size of the file, it
is given back from time to time: it then lies in the system's cache alone, which gives way to whatever needs the memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

#: Bytes that may be mapped before they are given back. With each image that is looked at Linux maps up to so many, if
#: they lie in its cache: a huge page.
MAX_MAPPED, AROUND = 256 << 20, 2 << 20
#: Images that are copied before it is looked at how many are mapped.
AT_A_TIME = 64
#: Of the blocks that all images are gone through in.
BLOCK_BYTES = 16 << 20


class ImageRows:
    """``rows`` (N,) of ``images``: what NumPy's indexing gives, as arrays of their own. Stands in for an array
    (N, S, S) uint8 wherever that is indexed, iterated over or asked for its shape."""

    def __init__(self, images: np.memmap[Any, Any], rows: NDArray[np.int64]) -> None:
        self.images, self.rows = images, rows
        self._looked_at = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.images.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    @property
    def ndim(self) -> int:
        return self.images.ndim

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Image:
        wanted = self.rows[key]
        rows = np.ravel(wanted)
        found = np.empty((len(rows), *self.images.shape[1:]), np.uint8)
        for start in range(0, len(rows), AT_A_TIME):  # scattered ones map far more than they have
            part = rows[start : start + AT_A_TIME]
            found[start : start + AT_A_TIME] = self.images[part]
            self._count(len(part))
        return cast(Image, found.reshape(*np.shape(wanted), *self.images.shape[1:]))

    def _count(self, images: int) -> None:
        """So many more were looked at."""
        self._looked_at += images * max(AROUND, int(np.prod(self.images.shape[1:])))
        if self._looked_at > MAX_MAPPED:
            give_back(self.images)
            self._looked_at = 0

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.images[self.rows], dtype)


def give_back(images: Image) -> None:
    """Of a mapped file, what this process has looked at, or written; nothing is lost. Others have nothing to give."""
    own = getattr(images, "_mmap", None)
    if isinstance(own, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        own.madvise(mmap.MADV_DONTNEED)


def picked(images: Image, rows: NDArray[np.int64]) -> Image:
    """These rows of (N, S, S): copied, unless they lie in a file."""
    own = cast(Any, images)
    if isinstance(own, ImageRows):
        return cast(Image, ImageRows(own.images, own.rows[rows]))
    if isinstance(own, np.memmap):
        return cast(Image, ImageRows(own, np.asarray(rows, np.int64)))
    return images[rows]


def blocks(images: Image) -> Iterator[Image]:
    """(N, S, S) in the order of its images, some of them at a time: all may be more than fit into memory."""
    each = max(1, BLOCK_BYTES // max(1, int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), each):
        yield images[start : start + each]
