"""What the walks through containers have in common: the file as a sequence of bytes, and what a walk finds out."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

#: Read in one piece where a walk looks at everything.
BLOCK_BYTES = 1 << 20
#: A file made of nothing but heads would keep a walk busy for hours. Four hours of Matroska at 30 frames/s with sound
#: take 5.1 million reads, those of an MPEG program stream, in packs of 2 KB, one for each 640 bytes.
MAX_READS, BYTES_PER_READ = 6_000_000, 512


@dataclass(frozen=True, slots=True)
class Structure:
    """What a container says without being decoded."""

    flaw: str = ""
    """What is wrong; empty where nothing is known to be."""
    truncated: bool = False
    """Whether the flaw is that the file ends early."""
    frames: int | None = None
    """How many packets with an image its only video track holds, at least; None where that is not certain."""
    unknown: str = ""
    """Why the container cannot tell whether the clip is whole; empty where it can."""
    remark: str = ""
    """On what it says beyond that, which costs the clip nothing."""


class FileBytes:
    """A buffered file as a sequence of bytes. A memory map would count the whole file as resident memory.

    Raises ValueError once ``MAX_READS`` pieces were read, and one for each ``BYTES_PER_READ`` of a longer file.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._size = stream, size
        self._left = max(MAX_READS, size // BYTES_PER_READ)

    def __len__(self) -> int:
        return self._size

    def read(self, start: int, length: int) -> bytes:
        """As many of these bytes as there are."""
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many elements")
        self._stream.seek(start)
        return self._stream.read(length)

    def __getitem__(self, position: int) -> int:
        return self.read(position, 1)[0]

    def unpack(self, form: str, position: int) -> tuple[Any, ...]:
        """As ``struct.unpack``; raises struct.error at the end of the file."""
        return struct.unpack(form, self.read(position, struct.calcsize(form)))

    def after_zeros(self, position: int) -> int:
        """The first place from here on that is not zero: files are padded so."""
        while block := self.read(position, BLOCK_BYTES):
            rest = block.lstrip(b"\x00")
            position += len(block) - len(rest)
            if rest:
                break
        return position


def ends_early(end: int, size: int) -> Structure:
    """The file has ``size`` bytes, and what it states ends at ``end``."""
    return Structure(f"the file ends {end - size:,} bytes before its container does", truncated=True)


def checksum_wrong(start: int, end: int) -> Structure:
    """These bytes have changed since they were written."""
    return Structure(f"a checksum does not fit bytes {start:,} to {end:,}")


def breaks_at(position: int) -> Structure:
    """Nothing that may stand here does."""
    return Structure(f"the container's structure breaks at byte {position:,}")
