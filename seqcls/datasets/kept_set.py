"""A set of frames as it was made the last time, all but its images: taken again while its files are the same.

    .seqcls-cache/folder-0123456789abcdef.npz    of a folder of frames; the images are those of ``frame_cache``
    .seqcls-cache/clips-0123456789abcdef.npz     of clips; the images lie in clips-0123456789abcdef-89abcdef.npy

The number stands for the options that decide what is made of the files, and for the versions of what reads them. Of a
folder every file must have its name, size and times of change (the system's own, too, which renaming and copying move),
of clips each its whole content, and the labels must be the same. Of the images a sample is compared by hash. With
anything else the set is made anew.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls import __version__
from seqcls.datasets.frame_cache import SAMPLE, marks_of, read_kept
from seqcls.datasets.frame_facts import FrameFacts
from seqcls.datasets.frame_set import FrameSet
from seqcls.datasets.frame_table import CACHE_FOLDER
from seqcls.datasets.image_rows import ImageRows
from seqcls.datasets.labels import ClipLabels
from seqcls.errors import OutputError
from seqcls.files import atomic_path
from seqcls.files.json_record import record_from
from seqcls.files.json_text import json_line, parse_json
from seqcls.files.named_files import open_regular
from seqcls.geometry import Geometry, Region

#: To be raised where the same files become another set than before.
FORMAT = 2
#: Fields of ``FrameSet`` and of ``FrameFacts`` that are arrays.
_ARRAYS = ("targets", "mask", "clip", "patient", "split", "time_s", "scanner", "site")
_FACTS = ("name", "width", "height", "colour", "ultrasound", "found")


class KeptSet:
    """Of the files that ``state`` is of. messages: for the user."""

    def __init__(self, folder: Path, kind: str, options: Mapping[str, Any], state: str) -> None:
        self.messages: list[str] = []
        self._key, self._state = json_line(options), state
        self._path = folder / f"{kind}-{hashlib.sha256(self._key.encode()).hexdigest()[:16]}.npz"

    @property
    def stem(self) -> Path:
        """Of the files that images may lie in."""
        return self._path.with_suffix("")

    def read(self) -> FrameSet | None:
        """What was kept, None where there is nothing, or nothing that still holds; ``messages`` then say why."""
        return read_kept(self._path, self._checked, self.messages, "the set is made anew")

    def _checked(self, found: dict[str, NDArray[Any]]) -> FrameSet:
        about = parse_json(found["about"].tobytes())
        if about["key"] != self._key or about["state"] != self._state:
            raise ValueError("its files or labels have changed")
        name = record_from(str, about["images"], "images")
        if Path(name).name != name:
            raise ValueError("its images lie elsewhere")
        mapped = np.lib.format.open_memmap(self._path.with_name(name), mode="r")
        images = ImageRows(cast(Any, mapped), found["rows"])
        count, size = len(found["rows"]), about["geometry"]["size"]
        if mapped.dtype != np.uint8 or images.shape != (count, size, size):
            raise ValueError("its images are of another shape")
        if not np.array_equal(found["marks"], _marks(images)):
            raise ValueError("its images are not what was written")
        arrays = {name: found[name] for name in _ARRAYS if name in found}
        columns = {name: found[f"facts {name}"] for name in _FACTS}
        if any(len(array) != count for array in (*arrays.values(), *columns.values())):
            raise ValueError("its columns are of different lengths")
        return FrameSet(
            images=cast(NDArray[np.uint8], images),
            **arrays,  # type: ignore[arg-type]
            organs=record_from(tuple[str, ...], about["organs"], "organs"),
            geometry=Geometry.from_dict(about["geometry"]),
            hash=record_from(str, about["hash"], "hash"),
            messages=record_from(tuple[str, ...], about["messages"], "messages"),
            regions=record_from(tuple[Region, ...], about["regions"], "regions"),
            digests=dict(about["digests"]),
            facts=FrameFacts(**columns, clips=about["clips"], unreadable=tuple(about["unreadable"])),
        )

    def keep(self, frames: FrameSet) -> None:
        """Write down a set that was made of these files, if its images lie in a file of this folder."""
        images = cast(Any, frames.images)
        if not isinstance(images, ImageRows) or frames.facts is None or not self._state:
            return
        path = Path(str(images.images.filename))
        about = {
            "key": self._key,
            "state": self._state,
            "images": path.name,
            "organs": frames.organs,
            "geometry": frames.geometry.to_dict(),
            "hash": frames.hash,
            "messages": frames.messages,
            "regions": [asdict(region) for region in frames.regions],
            "digests": dict(frames.digests),
            "clips": frames.facts.clips,
            "unreadable": frames.facts.unreadable,
        }
        arrays: dict[str, Any] = {name: own for name in _ARRAYS if (own := getattr(frames, name)) is not None}
        arrays |= {f"facts {name}": getattr(frames.facts, name) for name in _FACTS}
        arrays |= {"rows": images.rows, "marks": _marks(images)}
        try:
            with atomic_path(self._path) as temporary, temporary.open("wb") as stream:
                np.savez(stream, about=np.frombuffer(json_line(about).encode(), np.uint8), **arrays)
        except OutputError as error:
            self.messages.append(f"the frames are not kept: {error}")
            return
        for old in self._path.parent.glob(f"{self.stem.name}-*.npy"):
            if old.name != path.name:
                old.unlink(missing_ok=True)  # those who have opened it keep it


def of_folder(root: Path, geometry: Geometry, **options: bool) -> KeptSet:
    """Of a folder of frames, read with these options."""
    known = {"format": FORMAT, "geometry": geometry.to_dict(), **_versions(), **options}
    return KeptSet(root / CACHE_FOLDER, "folder", known, _tree_state(root))


def of_clips(folder: Path, clips: Sequence[tuple[Path, ClipLabels]], geometry: Geometry, split: str) -> KeptSet:
    """Of labelled clips. folder: where their cache lies. split: the content of a kept split, "" without."""
    known = {"format": FORMAT, "geometry": geometry.to_dict(), **_versions()}
    return KeptSet(folder / CACHE_FOLDER, "clips", known, _clips_state(clips, split))


def _versions() -> dict[str, str]:
    return {
        "seqcls": __version__,
        "cv2": cv2.__version__,
        **{name: version(name) for name in ("numpy", "pillow", "av", "pydicom")},
    }


def _marks(images: ImageRows) -> NDArray[np.uint8]:
    """Hashes of a sample."""
    sample = np.unique(np.linspace(0, len(images) - 1, SAMPLE).astype(int)) if len(images) else np.zeros(0, int)
    return marks_of(images[sample])


def _tree_state(root: Path) -> str:
    """A hash of the names, sizes and both times of change of all files below ``root``, but for the cache; "" where one
    cannot be asked for them."""
    digest, left, known = hashlib.blake2b(digest_size=32), [str(root)], set[tuple[int, int]]()
    try:
        while left:
            folder = left.pop()
            of_folder = os.stat(folder)  # noqa: PTH116 - twice as fast, 300,000 times
            if (of_folder.st_dev, of_folder.st_ino) in known and of_folder.st_ino:
                return ""  # links that lead in a circle
            known.add((of_folder.st_dev, of_folder.st_ino))
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
            lines = [f"folder {os.path.relpath(folder, root)}"]
            for entry in found:
                if entry.name == CACHE_FOLDER and folder == str(root):
                    continue
                status = entry.stat()
                if stat.S_ISDIR(status.st_mode):
                    left.append(entry.path)
                    lines.append(entry.name)
                else:
                    lines.append(
                        f"{entry.name}\0{status.st_mode}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}"
                    )
            digest.update("\n".join(lines).encode("utf-8", "surrogateescape") + b"\0\0")
    except OSError:
        return ""
    return digest.hexdigest()


def _clips_state(clips: Sequence[tuple[Path, ClipLabels]], split: str) -> str:
    """A hash of the clips' contents and of all that is said of them; "" where a clip is no file, or cannot be read."""
    digest = hashlib.sha256(split.encode())
    for path, labels in clips:
        try:
            if not path.is_file():
                return ""
            with open_regular(path) as stream:
                content = hashlib.sha256()
                while part := stream.read(1 << 20):
                    content.update(part)
        except (OSError, ValueError):
            return ""
        digest.update(f"{path.name}\0{content.hexdigest()}\0{labels!r}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
