"""Inputs: files, DICOM cines, image sequences and cameras, each an iterable of frames behind ``open_source``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from seqcls.errors import SourceError, UsageError
from seqcls.sources.base import Source
from seqcls.sources.find import expand

__all__ = ["Source", "expand", "open_source"]


def open_source(
    spec: str | Path,
    *,
    reader: Literal["pyav", "opencv"] | str = "pyav",
    rate_hz: float | None = None,
    color: bool = False,
) -> Source:
    """Open a clip or feed; see ``Source``. Raises SourceError in one line that says what to do."""
    from seqcls.sources.video import VideoSource

    if reader not in ("pyav", "opencv"):
        raise UsageError(f"reader must be pyav or opencv, not {reader!r}")
    path = Path(spec)
    if not path.exists():
        raise SourceError(f"no such file: {spec}")
    return VideoSource(path, color=color)
