"""Inputs that end: files, DICOM cines and image sequences, each an iterable of frames behind ``open_source``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seqcls.errors import SourceError
from seqcls.files import on_disk
from seqcls.sources.base import Source, require_named, require_regular_file
from seqcls.sources.expand import expand
from seqcls.sources.found import FoundSource, of_copy
from seqcls.sources.image_sequence import ImageSequence, NoImageError
from seqcls.sources.image_stack import ImageStack
from seqcls.sources.levels import SetLevels
from seqcls.sources.memory import MemorySource, require_rate
from seqcls.sources.redact import redact
from seqcls.sources.remote import FetchedSource
from seqcls.sources.series import dicom_facts
from seqcls.sources.sniff import kind_by_suffix, kind_of
from seqcls.sources.video import VideoSource
from seqcls.sources.video_in_threads import VideoInThreads
from seqcls.text.foreign_text import for_name
from seqcls.text.wording import count_of

__all__ = ["MemorySource", "Source", "expand", "open_found", "open_source"]


def open_source(spec: str | Path, *, rate_hz: float | None = None, color: bool = False, threads: int = 1) -> Source:
    """Open one clip, to be iterated once and closed.

    ``spec``: a video or DICOM file, a stack of images (TIFF, WebP, APNG, AVIF), a folder or pattern of images, or a
    folder that holds one clip alone.
    ``rate_hz``: frames per second of sources without a clock of their own (images, some DICOM). ``color``: images are
    (H, W) uint8 gray, (H, W, 3) uint8 BGR when True. ``threads``: that decode a video, at most; they change the speed,
    never the frames.

    Raises SourceError when the source cannot be opened, UsageError for an option that cannot be right.
    """
    if rate_hz is not None:
        require_rate(rate_hz)
    require_named(str(spec))
    path = on_disk(spec)
    if isinstance(spec, str) and ("://" in spec or spec.isdecimal()) and not path.exists():
        raise SourceError(f"{redact(spec)}: is a camera or an address, not a clip; `seqcls run` and open_live watch it")
    source = _open(path, rate_hz, color, threads)
    source.info = replace(source.info, path=_stated(path, source.info.name))
    return source


def open_found(
    found: FoundSource,
    *,
    rate_hz: float | None = None,
    levels: SetLevels | None = None,
    color: bool = False,
    threads: int = 1,
) -> Source:
    """Open what ``expand`` found, as ``open_source`` does; ``levels``: see ``ImageSequence``."""
    source: Source
    if found.fault:
        raise SourceError(found.fault)
    if found.remote is not None:

        def opens(copy: Path) -> Source:
            return open_found(of_copy(found, copy), rate_hz=rate_hz, color=color, threads=threads)

        return FetchedSource(found.remote, opens)
    if found.files is not None:
        from seqcls.sources.dicom_series import DicomSeries

        source = DicomSeries(found.path.rsplit("/", 1)[-1], found.files, rate_hz=rate_hz, color=color)
    elif not found.images:
        source = open_source(found.spec, rate_hz=rate_hz, color=color, threads=threads)
    else:
        if rate_hz is not None:
            require_rate(rate_hz)
        source = ImageSequence(Path(found.spec), images=found.images, levels=levels, rate_hz=rate_hz, color=color)
    source.info = replace(source.info, path=for_name(found.path))
    return source


def _open(path: Path, rate_hz: float | None, color: bool, threads: int) -> Source:
    if _answers(path.is_dir) or (kind_by_suffix(path) == "image" and not _answers(path.exists, True)):
        try:
            return ImageSequence(path, rate_hz=rate_hz, color=color)
        except NoImageError:
            if not _answers(path.is_dir):
                raise
            return _only_clip_in(path, rate_hz, color, threads)
    if path.name.upper() == "DICOMDIR" and dicom_facts(path).lacks == "DICOMDIR":  # it stands for its disc
        return _only_clip_in(path.parent, rate_hz, color, threads)
    require_regular_file(path)
    kind = kind_of(path)
    if kind == "dicom":
        from seqcls.sources.dicom import open_dicom  # a quarter of all that reads clips, which a video need not know

        return open_dicom(path, rate_hz=rate_hz, color=color)
    if kind == "image":
        return ImageSequence(path, rate_hz=rate_hz, color=color)
    if kind == "stack":
        return ImageStack(path, rate_hz=rate_hz, color=color)
    return VideoSource(path, color=color) if threads < 2 else VideoInThreads(path, threads, color=color)


def _answers(asks: Callable[[], bool], otherwise: bool = False) -> bool:
    """What the disk says; ``otherwise`` where a folder may not be entered: the reason follows when it is opened."""
    try:
        return asks()
    except OSError:
        return otherwise


def _only_clip_in(folder: Path, rate_hz: float | None, color: bool, threads: int) -> Source:
    """The clip in the folder or below it. Raises SourceError where there are several, or none."""
    found = expand([str(folder)]).sources
    if fault := next((one.fault for one in found if one.fault), ""):  # another clip may lie there
        raise SourceError(fault)
    if len(found) > 1:
        raise SourceError(f"{folder}: holds {count_of(len(found), 'clip')}; name one of them, such as {found[0].path}")
    (one,) = found
    if one.files is not None:
        from seqcls.sources.dicom_series import DicomSeries

        return DicomSeries(one.path.rsplit("/", 1)[-1], one.files, rate_hz=rate_hz, color=color)
    if one.images:
        return ImageSequence(Path(one.spec), images=one.images, rate_hz=rate_hz, color=color)
    return _open(Path(one.spec), rate_hz, color, threads)


def _stated(path: Path, name: str) -> str:
    """The path as it was asked for; the name alone where it is absolute or leads up: folders may name people."""
    return name if path.is_absolute() or ".." in path.parts or not path.name else for_name(path.as_posix())
