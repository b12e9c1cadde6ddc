"""The frames of a folder as they are trained on, kept in a file beside them: read once, then mapped into memory.

    DATA/.seqcls-cache/frames-0123456789abcdef-89abcdef.npy    (N, S, S) uint8
    DATA/.seqcls-cache/frames-0123456789abcdef.npz             of which files, and what else was learned of them

The first number stands for all that decides how a file becomes an image: geometry, versions of the readers. A cache is
taken only if every file still has its name, size and time of change, and a sample of the images its hash; then digests
of files are those of the first reading. With anything else all frames are read anew. Where the system alone has noted a
change (ctime: a file was renamed, copied, or its time put back), the files are compared by their SHA-256 first.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray

from seqcls import __version__
from seqcls.datasets.frame_facts import Seen
from seqcls.datasets.frame_table import CACHE_FOLDER, Row
from seqcls.datasets.image_rows import ImageRows
from seqcls.errors import OutputError, SeqclsError, one_line
from seqcls.files import atomic_path
from seqcls.files.json_record import record_from
from seqcls.files.json_text import json_line, parse_json
from seqcls.files.named_files import read_regular
from seqcls.files.output_lock import only_writer
from seqcls.geometry import Geometry, Region
from seqcls.sources.images import MAX_IMAGE_BYTES
from seqcls.text.wording import size_of

#: Of the files; to be raised, too, where an image file becomes another image than before.
FORMAT = 3
#: In the message of a cache that was written: nothing to be warned of.
ARE_KEPT = "frames are kept in"
#: In the message of a cache that no longer holds.
IS_OUT_OF_DATE = "is out of date"
#: From either on: smaller sets are read in seconds, and leave no files behind.
MIN_FRAMES, MIN_BYTES = 2000, 64 << 20
#: Images whose hash is compared at every start.
SAMPLE = 64

Image = NDArray[np.uint8]
T = TypeVar("T")


class Cached(NamedTuple):
    """images (N, S, S) uint8, mapped; of every file the SHA-256, "" where it cannot be read, and what was seen; the
    regions that were found."""

    images: Image
    digests: list[str]
    seen: list[Seen]
    regions: tuple[Region, ...]


def is_worth_it(frames: int, size: int) -> bool:
    """Whether so many frames take long enough to read."""
    return frames >= MIN_FRAMES or frames * size * size >= MIN_BYTES


class FrameCache:
    """Of ``rows`` below ``root``, as ``geometry`` makes images of them. messages: for the user."""

    def __init__(self, root: Path, rows: Sequence[Row], geometry: Geometry, *, extracted: bool) -> None:
        self.messages: list[str] = []
        self._temporary: Path | None = None
        self._names = "\n".join(row.path.relative_to(root).as_posix() for row in rows).encode(
            "utf-8", "surrogateescape"
        )
        self._paths = [row.path for row in rows]
        self._state = _state_of(rows)
        self._shape = (len(rows), geometry.size, geometry.size)
        versions = {"seqcls": __version__, "cv2": cv2.__version__, "PIL": PIL.__version__}
        self._key = json_line({"format": FORMAT, **versions, "geometry": geometry.to_dict(), "extracted": extracted})
        number = hashlib.sha256(self._key.encode()).hexdigest()[:16]
        self._folder = root / CACHE_FOLDER
        self._index = self._folder / f"frames-{number}.npz"

    def read(self) -> Cached | None:
        """What was kept, None where there is nothing, or nothing that still holds; ``messages`` then say why."""
        return read_kept(self._index, self._checked, self.messages, "the frames are read anew")

    def _require_unchanged(self, found: dict[str, NDArray[Any]]) -> None:
        """Raises ValueError where a file is another than it was. Of files that were touched the new times are kept."""
        differs = found["state"] != self._state
        if changed := int(differs[:, :2].any(axis=1).sum()):
            raise ValueError(f"{changed:,} of {len(self._state):,} files have changed")
        # What could not be read as an image has no digest, and is left out as before.
        touched = np.flatnonzero(differs[:, 2] & found["digests"].any(axis=1))
        if not differs.any():
            return
        with ThreadPoolExecutor(4) as pool:
            now = pool.map(_digest_of, [self._paths[row] for row in touched])
            was = (found["digests"][row].tobytes() for row in touched)
            if changed := sum(one != other for one, other in zip(now, was, strict=True)):
                raise ValueError(f"{changed:,} of {len(self._state):,} files have changed")
        with suppress(OutputError), atomic_path(self._index) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **(found | {"state": self._state}))  # type: ignore[arg-type]

    def _checked(self, found: dict[str, NDArray[Any]]) -> Cached:
        facts = parse_json(found["facts"].tobytes())
        if facts["key"] != self._key or found["names"].tobytes() != self._names:
            raise ValueError("other files than before")
        self._require_unchanged(found)
        images = _mapped(self._folder / facts["images"], self._shape)
        sample = np.unique(np.linspace(0, len(images) - 1, SAMPLE).astype(int))
        if not np.array_equal(found["marks"][sample], marks_of(images[sample])):
            raise ValueError("its images are not what was written")
        regions = record_from(tuple[Region, ...], facts["regions"], "regions")
        digests = [one.tobytes().hex() if one.any() else "" for one in found["digests"]]
        seen = [Seen(int(w), int(h), c, bool(u), bool(f), lit) for w, h, c, u, f, lit in found["seen"].tolist()]
        return Cached(images, digests, seen, regions)

    @contextmanager
    def images(self) -> Iterator[Image]:
        """(N, S, S) uint8, all 0, to be filled and then kept by ``keep``: in a file where one can be written, else in
        memory; ``messages`` then say why."""
        try:
            with only_writer(self._index, is_folder=False):
                path = self._folder / f"{self._index.stem}-{secrets.token_hex(4)}.npy"
                with atomic_path(path) as temporary:
                    images = _allocated(temporary, self._shape)
                    self._temporary = path
                    yield images
                    images.flush()  # type: ignore[attr-defined]
        except OutputError as error:
            if self._temporary is not None:
                raise
            self.messages.append(f"the frames are held in memory: {error}")
            yield np.zeros(self._shape, np.uint8)

    def keep(
        self, digests: Sequence[str], seen: Sequence[Seen], regions: Sequence[Region], marks: NDArray[Any]
    ) -> Image | None:
        """Write down what the images are of, and map them; None where they are in memory. Others of this kind go."""
        if self._temporary is None:
            return None
        facts = {"key": self._key, "images": self._temporary.name, "regions": [asdict(region) for region in regions]}
        none = bytes(32)
        parts: dict[str, Any] = {
            "facts": np.frombuffer(json_line(facts).encode(), np.uint8),
            "names": np.frombuffer(self._names, np.uint8),
            "state": self._state,
            "digests": np.frombuffer(b"".join(bytes.fromhex(d) if d else none for d in digests), np.uint8).reshape(
                -1, 32
            ),
            "seen": np.array(seen, np.float64).reshape(-1, 6),
            "marks": marks,
        }
        try:
            with atomic_path(self._index) as temporary, temporary.open("wb") as stream:
                np.savez(stream, **parts)
        except OutputError as error:
            self._temporary.unlink(missing_ok=True)  # those who have opened it keep it
            self.messages.append(f"the frames are not kept: {error}")
            return None
        for old in self._folder.glob(f"{self._index.stem}-*.npy"):
            if old.name != self._temporary.name:
                old.unlink(missing_ok=True)
        size = self._temporary.stat().st_size
        self.messages.append(
            f"{len(self._state):,} {ARE_KEPT} {self._folder} ({size_of(size)}), so that the next start"
            " takes seconds; it can be removed at any time, and cache=False does without"
        )
        return _mapped(self._temporary, self._shape)


def read_kept(
    path: Path, checked: Callable[[dict[str, NDArray[Any]]], T], messages: list[str], otherwise: str
) -> T | None:
    """What ``checked`` makes of the arrays of an .npz in a cache's folder. None where there is none, or where it
    is damaged or ``checked`` raises; a message then says why, and what is done ``otherwise``."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as found:
            return checked({name: found[name] for name in found.files})
    except Exception as error:  # of a damaged file NumPy and zipfile raise whatever they come upon
        messages.append(f"{path.parent} {IS_OUT_OF_DATE} ({one_line(error)}): {otherwise}")
        return None


def marks_of(images: Image) -> NDArray[np.uint8]:
    """(N, 8) uint8: a hash of each of (N, S, S)."""
    marks = b"".join(hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images)
    return np.frombuffer(marks, np.uint8).reshape(-1, 8)


def _state_of(rows: Sequence[Row]) -> NDArray[np.int64]:
    """(N, 3): size, time of change, and when the system noted a change, of each file; -1 where there is none."""
    state = np.full((len(rows), 3), -1, np.int64)
    for at, row in enumerate(rows):
        try:
            status = os.stat(row.path)  # noqa: PTH116 - twice as fast, 300,000 times
            state[at] = status.st_size, status.st_mtime_ns, status.st_ctime_ns
        except OSError:
            continue
    return state


def _digest_of(path: Path) -> bytes:
    """SHA-256 of a file as ``keep`` writes it, zeros where it cannot be read."""
    try:
        return hashlib.sha256(read_regular(path, MAX_IMAGE_BYTES)).digest()
    except (SeqclsError, OSError):
        return bytes(32)


def _allocated(path: Path, shape: tuple[int, ...]) -> Image:
    """A file of its full size: where the disk is full, writing through memory would end the process. Raises OSError."""
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    return cast(Image, images)


def _mapped(path: Path, shape: tuple[int, ...]) -> Image:
    images = np.lib.format.open_memmap(path, mode="r")
    if images.shape != shape or images.dtype != np.uint8:
        raise ValueError(f"{path.name} has the shape {images.shape}")
    return cast(Image, ImageRows(cast(Any, images), np.arange(len(images))))
