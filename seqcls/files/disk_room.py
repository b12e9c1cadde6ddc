"""Whether a disk has room for what hours of work will write."""

from __future__ import annotations

import shutil
from pathlib import Path

from seqcls.errors import OutputError, one_line
from seqcls.text.wording import size_of


def free_bytes(folder: Path) -> int:
    """Of the disk on which the folder lies, or will lie. Raises OutputError."""
    place = next((place for place in (folder, *folder.parents) if place.is_dir()), Path())
    try:
        return shutil.disk_usage(place).free
    except OSError as error:
        raise OutputError(f"cannot ask how much of the disk under {folder} is free: {one_line(error)}") from error


def require_room(folder: Path, size_bytes: int, what: str) -> None:
    """Raise OutputError unless so much is free on the folder's disk; ``what`` will be written."""
    if (free := free_bytes(folder)) < size_bytes:
        raise OutputError(
            f"{what} takes {size_of(size_bytes)}, and {folder} has {size_of(free)} left: make room, or choose another"
            " place"
        )
