"""From what people type to what ``open_source`` takes: files, folders, globs."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqcls.errors import SourceError, one_line
from seqcls.sources.base import require_named
from seqcls.sources.sniff import kind_by_suffix, kind_of

#: The place of the number in a pattern such as ``frame_%04d.png``.
NUMBERED = re.compile(r"%(?:0\d+)?d")


def expand(specs: Sequence[str]) -> list[str]:
    """Concrete sources in natural order, each once: clip files, folders or patterns of images.

    A folder stands for the clips in it and below it; one that holds only images is one clip itself. Patterns are
    expanded here because not every shell does. Raises SourceError, naming what is missing.
    """
    found = [source for spec in specs for source in _expand_one(str(spec))]
    images = sum(is_image(Path(source)) and Path(source).is_file() for source in found)
    if images > 1:
        raise SourceError(f"{images} single images: name their folder, or quote the pattern, to read them as one clip")
    return list(dict.fromkeys(found))


def _expand_one(spec: str) -> list[str]:
    require_named(spec)
    path = Path(spec)
    if path.is_dir():
        if clips := _clips_at(path):
            return clips
        raise SourceError(f"{path}: holds no clip and no image; name a folder with mp4, mpeg, DICOM or the like in it")
    # Addresses and cameras are refused where they are opened, without secrets.
    if path.exists() or spec.isdecimal() or "://" in spec or (NUMBERED.search(path.name) and is_image(path)):
        return [spec]
    if glob.has_magic(spec):
        return _matching(spec)
    raise SourceError(f"{spec}: no such file or folder; check the name")


def _clips_at(path: Path) -> list[str]:
    """The clip itself, or those in the folder and below it, in natural order."""
    if path.is_dir():
        return sorted(map(str, _clips_below(path)), key=natural)
    return [str(path)] if is_clip(path) else []


def _clips_below(folder: Path) -> Iterator[Path]:
    entries = listing(folder)
    clips = [path for path in entries if is_clip(path)]
    result = any(path.name == "timeline.json" for path in entries)  # its timeline.png is no clip
    if not clips and not result and any(is_image(path) and path.is_file() for path in entries):
        yield folder
    yield from clips
    for path in entries:
        # A link to a folder may lead back up.
        if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from _clips_below(path)


def _matching(pattern: str) -> list[str]:
    names = sorted(glob.glob(pattern, recursive=True), key=natural)  # noqa: PTH207 - it takes absolute patterns
    if not names:
        raise SourceError(f"{pattern}: nothing fits this pattern; check the folder and the suffix")
    if all(is_image(Path(name)) for name in names):
        return [pattern]  # one image sequence
    chosen = [clip for name in names for clip in _clips_at(Path(name))]
    if not chosen:
        raise SourceError(f"{pattern}: none of the {len(names)} files that fit is a clip; check the suffix")
    return chosen


def listing(folder: Path) -> list[Path]:
    """What lies in the folder, in no order. Raises SourceError when it cannot be listed."""
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise SourceError(
            f"{folder}: cannot be listed ({one_line(error)}); check the path and its permissions"
        ) from None


def is_image(path: Path) -> bool:
    """By suffix; hidden files are none."""
    return kind_by_suffix(path) == "image" and not path.name.startswith(".")


def is_clip(path: Path) -> bool:
    """By suffix; a file without one is a clip when it is DICOM, as scanners name them (IM0001)."""
    if path.name.startswith(".") or not path.is_file():
        return False
    if path.suffix:
        return kind_by_suffix(path) not in ("", "image")
    try:
        return kind_of(path) == "dicom"
    except SourceError:
        return False


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which "frame 2" stands before "frame 10"."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]
