"""Inputs: files, DICOM cines, image sequences and cameras, each an iterable of frames behind ``open_source``."""

from __future__ import annotations

from pathlib import Path

from seqcls.errors import SourceError, UsageError
from seqcls.sources.base import Source, require_named, require_regular_file
from seqcls.sources.dicom import open_dicom
from seqcls.sources.expand import expand, is_image
from seqcls.sources.images import ImageSequence
from seqcls.sources.memory import MemorySource, require_rate
from seqcls.sources.opencv import Camera, OpenCVFile
from seqcls.sources.redact import redact
from seqcls.sources.sniff import kind_of
from seqcls.sources.video import VideoSource

__all__ = ["MemorySource", "Source", "expand", "open_source"]


def open_source(spec: str | Path, *, reader: str = "pyav", rate_hz: float | None = None, color: bool = False) -> Source:
    """Open one clip or feed, to be iterated once and closed.

    ``spec``: a video or DICOM file, a folder or pattern of images, or a camera's number as text. ``reader``: "pyav" or
    "opencv", for video files. ``rate_hz``: frames per second of sources without a clock of their own (images, some
    DICOM). ``color``: images are (H, W) uint8 gray, or (H, W, 3) uint8 BGR when True.

    Raises SourceError when the source cannot be opened, UsageError for an option that cannot be right.
    """
    if reader not in ("pyav", "opencv"):
        raise UsageError(f"reader must be pyav or opencv, not {reader!r}")
    if rate_hz is not None:
        require_rate(rate_hz)
    require_named(str(spec))
    path = Path(spec)
    if isinstance(spec, str) and "://" in spec and not path.exists():
        raise SourceError(f"{redact(spec)}: is an address, not a clip; `seqcls run` watches addresses")
    if isinstance(spec, str) and spec.isdecimal() and not path.exists():
        return Camera(int(spec), color=color)
    if path.is_dir() or (is_image(path) and not path.exists()):
        return ImageSequence(path, rate_hz=rate_hz, color=color)
    require_regular_file(path)
    kind = kind_of(path)
    if kind == "dicom":
        return open_dicom(path, rate_hz=rate_hz, color=color)
    if kind == "image":
        return ImageSequence(path, rate_hz=rate_hz, color=color)
    return OpenCVFile(path, color=color) if reader == "opencv" else VideoSource(path, color=color)
