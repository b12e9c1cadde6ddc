"""Images handed from a child to its parent through memory that both see: half the work of a pipe, which copies twice.

Linux alone has memory without a name (memfd), of which nothing stays behind whoever is killed. Elsewhere images go
through the pipe.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from seqcls.types import MAX_PIXELS

#: So many images may wait in it.
SLOTS = 4
#: One image of the greatest size, in colour. Memory is taken only where something is written.
_SLOT_BYTES = 3 * MAX_PIXELS
#: Smaller ones go through the pipe as fast.
MIN_BYTES = 1 << 15


class SharedImages:
    """One end of it. ``fds``: the memory, and the pipe through which the parent says that an image was taken."""

    def __init__(self, fds: Sequence[int], taken_fd: int | None) -> None:
        self.fds = tuple(fds)
        self._taken_fd = taken_fd
        self._memory = mmap.mmap(self.fds[0], SLOTS * _SLOT_BYTES)
        self._pixels = np.frombuffer(self._memory, np.uint8).reshape(SLOTS, _SLOT_BYTES)
        self._put = 0

    @classmethod
    def for_parent(cls) -> SharedImages | None:
        """None where the system has no such memory, or has none left."""
        if sys.platform != "linux":
            return None
        import fcntl

        fds: list[int] = []
        try:
            fds.append(os.memfd_create("seqcls-images", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
            os.ftruncate(fds[0], SLOTS * _SLOT_BYTES)
            # A child that made it smaller would kill the parent, which reads it.
            fcntl.fcntl(fds[0], fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            fds.extend(os.pipe())
            return cls(fds[:2], fds[2])
        except (OSError, ValueError, MemoryError):
            for fd in fds:
                os.close(fd)
            return None

    @classmethod
    def for_child(cls, fds: Sequence[int]) -> SharedImages:
        """Of the numbers that the parent's ``fds`` had."""
        return cls(fds, None)

    def put(self, image: NDArray[np.uint8]) -> int:
        """In the child: the slot that the image was copied to, once one is free. Raises BrokenPipeError when the parent
        has gone."""
        if self._put >= SLOTS and not os.read(self.fds[1], 1):
            raise BrokenPipeError
        slot = self._put % SLOTS
        np.copyto(self._pixels[slot, : image.size].reshape(image.shape), image)
        self._put += 1
        return slot

    def take(self, slot: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """In the parent: a copy of the image, whose slot is free now. Raises ValueError for what is no slot."""
        if not 0 <= slot < SLOTS:
            raise ValueError("an image in no place")
        size = int(np.prod(shape))
        image: NDArray[np.uint8] = self._pixels[slot, :size].copy().reshape(shape)
        if self._taken_fd is not None:
            with suppress(OSError):  # the child died
                os.write(self._taken_fd, b"t")
        return image

    def close(self) -> None:
        """Let go of it; in the parent, after the child has ended."""
        del self._pixels
        self._memory.close()
        for fd in (*self.fds, *(() if self._taken_fd is None else (self._taken_fd,))):
            os.close(fd)
