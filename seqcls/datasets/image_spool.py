"""Images that come one after the other, of which nobody knows how many there will be: in memory while they are few, in
a file from then on, which is mapped in the end."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.frame_cache import is_worth_it
from seqcls.datasets.image_rows import BLOCK_BYTES, ImageRows, blocks
from seqcls.errors import OutputError, one_line
from seqcls.files import make_folder, sync_folder
from seqcls.files.temporaries import temporary_file

Image = NDArray[np.uint8]


class ImageSpool:
    """Takes images (S, S) uint8 and gives them back as (N, S, S), never two copies of all of them at a time.

    stem: of the file, beside which it lies until it is whole; None: they stay in memory. messages: for the user. Used
    in a ``with`` block: a file that was not finished is gone behind it.
    """

    def __init__(self, size: int, stem: Path | None) -> None:
        self.messages: list[str] = []
        self._size, self._stem = size, stem
        self._full: list[Image] = []
        self._block, self._filled = self._new_block(), 0
        self._count = self._written = 0
        self._open = contextlib.ExitStack()
        self._file: tuple[Path, IO[bytes]] | None = None

    def __enter__(self) -> ImageSpool:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, image: Image) -> None:
        """Take one more, by a copy."""
        if self._filled == len(self._block):
            self._full.append(self._block)
            self._block, self._filled = self._new_block(), 0
            self._write()
        self._block[self._filled] = image
        self._filled += 1
        self._count += 1

    def finish(self) -> Image:
        """(N, S, S) uint8 of all, in their order."""
        self._full.append(self._block[: self._filled])
        self._block, self._filled = self._block[:0], 0
        self._write()
        if self._file is None:
            return self._in_memory()
        assert self._stem is not None
        path, (temporary, stream) = self._stem.with_name(f"{self._stem.name}-{secrets.token_hex(4)}.npy"), self._file
        try:
            stream.seek(0)
            stream.write(_header(self._count, self._size))
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            temporary.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            self._give_up(error)
            return self._in_memory()
        mapped = np.lib.format.open_memmap(path, mode="r")
        return cast(Image, ImageRows(cast(Any, mapped), np.arange(self._count)))

    def _new_block(self) -> Image:
        return np.empty((max(1, BLOCK_BYTES // self._size**2), self._size, self._size), np.uint8)

    def _write(self) -> None:
        """Into the file what is held, where there is one by now."""
        if self._stem is None or (self._file is None and not is_worth_it(self._count, self._size)):
            return
        try:
            if self._file is None:
                temporary = self._open.enter_context(temporary_file(make_folder(self._stem.parent), ".npy"))
                self._file = temporary, self._open.enter_context(temporary.open("rb+"))
                self._file[1].write(_header(0, self._size))
            while self._full:
                self._file[1].write(self._full[0].data)
                self._file[1].flush()
                self._written += len(self._full.pop(0))
        except (OSError, OutputError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """The file: what it has goes back into memory."""
        self.messages.append(f"the frames are held in memory: {one_line(error)}")
        self._stem = None
        if self._file is not None:
            temporary, stream = self._file
            with contextlib.suppress(OSError):
                stream.close()
            if self._written:
                shape = (self._written, self._size, self._size)
                found = np.memmap(temporary, np.uint8, "r", len(_header(0, self._size)), shape)
                self._full[:0] = [np.array(block) for block in blocks(found)]
        self._file = None
        self._open.close()

    def _in_memory(self) -> Image:
        out = np.empty((self._count, self._size, self._size), np.uint8)
        at = 0
        while self._full:
            block = self._full.pop(0)
            out[at : at + len(block)] = block
            at += len(block)
        return out


def _header(count: int, size: int) -> bytes:
    """Of an .npy file; it has one length for any count, for NumPy leaves room for the first axis to grow."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (count, size, size)})
    return stream.getvalue()
