"""The images of a folder of frames, read one by one and made what is trained on; whole ones are not kept."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.frame_cache import FrameCache, marks_of
from seqcls.datasets.frame_facts import Seen, lit_share, look_at
from seqcls.datasets.frame_table import Row
from seqcls.datasets.image_rows import give_back
from seqcls.errors import DataError, SourceError
from seqcls.files.named_files import read_regular
from seqcls.geometry import Geometry, Region, RegionFinder
from seqcls.geometry.crop import letterbox, to_gray
from seqcls.sources.images import MAX_IMAGE_BYTES, image_facts, read_image
from seqcls.sources.levels import SetLevels

#: Images of one size looked at to find their ultrasound region.
SAMPLE = 24
#: Images that threads are told to read at once.
_AT_A_TIME = 4096

Image = NDArray[np.uint8]
Advance = Callable[[int, int], None]


def find_regions(rows: Sequence[Row], geometry: Geometry, levels: SetLevels) -> dict[tuple[int, ...], Region]:
    """The region of each image size: images of one size come from one scanner layout.

    Headers alone are read, but for a sample; whole images are not kept.
    """
    sizes: dict[tuple[int, int], list[Path]] = {}
    for row in rows:
        with contextlib.suppress(SourceError):  # reported when all are read
            facts = image_facts(row.path)
            sizes.setdefault((facts.width, facts.height), []).append(row.path)
    finders: dict[tuple[int, ...], RegionFinder] = {}
    for _, paths in sorted(sizes.items()):
        for path in paths[:: max(1, len(paths) // SAMPLE)][:SAMPLE]:
            image, _ = read(path, levels)
            if image is not None:  # a turned photograph is wide in its header only
                finders.setdefault(image.shape[:2], RegionFinder(geometry)).add(image)
    return {shape: finder.finish() for shape, finder in finders.items()}


def _apply(geometry: Geometry, regions: dict[tuple[int, ...], Region], image: Image) -> tuple[Image, Seen]:
    """(S, S) by the region of this size, or, where it is not known, by the image's own."""
    region = regions.get(image.shape[:2])
    region = geometry.find([image]) if region is None else region
    return geometry.apply(image, region), look_at(image, region)


def _of_crop(size: int, image: Image) -> tuple[Image, Seen]:
    """Of what `extract` wrote: it has asked the gate already, or somebody did not want it to."""
    return letterbox(to_gray(image), size), Seen(image.shape[1], image.shape[0])


def read_images(
    rows: Sequence[Row],
    geometry: Geometry,
    levels: SetLevels,
    *,
    regions: Sequence[Region] | None,
    skip_corrupt: bool,
    progress: Advance | None,
    cache: FrameCache | None,
) -> tuple[Image, list[Row], list[Seen], list[Region]]:
    """(N, S, S), the rows with their digests, "" where unreadable, what was seen, and the regions.

    regions: of what `extract` cut out already; None for images of one's own, in which they are found size by size.
    cache: where the result is kept.
    """
    scale = partial(_of_crop, geometry.size)
    if regions is None:
        found = find_regions(rows, geometry, levels)
        regions, scale = list(found.values()), partial(_apply, geometry, found)
    one = partial(_read_one, levels=levels, scale=scale)
    if cache is None:
        images = np.zeros((len(rows), geometry.size, geometry.size), np.uint8)
        out, seen, _ = _fill(images, rows, one, skip_corrupt, progress)
        return images, out, seen, list(regions)
    with cache.images() as images:
        out, seen, marks = _fill(images, rows, one, skip_corrupt, progress)
    mapped = cache.keep([row.digest for row in out], seen, regions, marks)
    return images if mapped is None else mapped, out, seen, list(regions)


def _fill(
    images: Image,
    rows: Sequence[Row],
    read_one: Callable[[Path], tuple[Image | None, Seen, str]],
    skip_corrupt: bool,
    progress: Advance | None,
) -> tuple[list[Row], list[Seen], NDArray[np.uint8]]:
    """Read the images of these rows into (N, S, S); a hash of each, too."""
    out: list[Row] = []
    seen: list[Seen] = []
    marks: list[NDArray[np.uint8]] = []
    with ThreadPoolExecutor(4) as pool:
        for start in range(0, len(rows), _AT_A_TIME):
            part = rows[start : start + _AT_A_TIME]
            for row, (image, own, digest) in zip(part, pool.map(read_one, [row.path for row in part]), strict=True):
                if not (digest or skip_corrupt):
                    pool.shutdown(cancel_futures=True)
                    raise DataError(
                        f"{row.path} cannot be read as an image: replace or remove it, or add skip_corrupt=True"
                    )
                if image is not None:
                    images[len(out)] = image
                out.append(replace(row, digest=digest))
                seen.append(own)
                if progress is not None:
                    progress(len(out), len(rows))
            marks.append(marks_of(images[start : len(out)]))
            give_back(images)
    return out, seen, np.concatenate(marks)


def _read_one(
    path: Path, *, levels: SetLevels, scale: Callable[[Image], tuple[Image, Seen]]
) -> tuple[Image | None, Seen, str]:
    image, digest = read(path, levels)
    if image is None:
        return None, Seen(0, 0), digest
    small, seen = scale(image)
    return small, seen._replace(lit=lit_share(small)), digest


def read(path: Path, levels: SetLevels) -> tuple[Image | None, str]:
    """(H, W) or (H, W, 3) and the SHA-256 of the file; None and "" where it cannot be read."""
    try:
        return read_image(path, color=None, levels=levels), hashlib.sha256(
            read_regular(path, MAX_IMAGE_BYTES)
        ).hexdigest()
    except (SourceError, OSError):
        return None, ""
