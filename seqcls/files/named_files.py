"""Reading files that somebody named: regular files alone, up to a stated size, and never a wait for one to speak."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_PART = 1 << 16


class UnfitFileError(OSError):
    """What was named is there, but is no file to be read; ``strerror`` says why, in plain words."""


def open_regular(path: str | Path, *, buffering: int = -1) -> BinaryIO:
    """The bytes of a regular file, links followed; ``buffering`` as for ``open``.

    A pipe would block until somebody writes into it, a device may do anything when it is opened: both are refused
    before they are. Raises OSError, whose ``strerror`` is fit to be shown; FileNotFoundError for what is not there.
    """
    name = os.fspath(path)
    _require_regular(os.stat(name))  # noqa: PTH116 - follows links, as opening does
    # Should it have been replaced by a pipe since, this returns at once instead of waiting for a writer.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    descriptor = os.open(name, flags)
    try:
        _require_regular(os.fstat(descriptor))
        return os.fdopen(descriptor, "rb", buffering)
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | Path, most_bytes: int) -> bytes:
    """The whole file. Raises OSError as ``open_regular``, also where it is longer than ``most_bytes``.

    That is found by reading: files of the kernel's state a size of 0, and a file may grow.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        is_longer = size > most_bytes
        data = b"" if is_longer else stream.read(size + 1)  # as much memory is asked for as is read, not as is allowed
        while size < len(data) <= most_bytes and (more := stream.read(_PART)):
            data += more
    if is_longer or len(data) > most_bytes:
        raise UnfitFileError(errno.EFBIG, f"it has more than the {_size(most_bytes)} that such a file can have")
    return data


def _require_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise UnfitFileError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise UnfitFileError(errno.EINVAL, "it is a pipe or a device, no regular file")


def _size(count: int) -> str:
    return f"{count >> 20} MB" if count >= 1 << 20 else f"{count >> 10} KB"
