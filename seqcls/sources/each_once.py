"""A clip that a search reaches twice, by a link, by a folder and its own name, or by two patterns, is one clip."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from seqcls.files import file_identity
from seqcls.sources.found import FoundSource


def each_once(sources: Sequence[FoundSource]) -> tuple[list[FoundSource], int]:
    """The sources without those that hold nothing new, and how many these were.

    Of two names of one file the one that is no link is kept, else the first. Images that are all among those of a
    larger set belong to that set. Frames of one set are never taken for each other: equal ones may share a file.
    """
    keys = [_identities(source) for source in sources]
    firsts: dict[frozenset[object], int] = {}
    for number, (source, key) in enumerate(zip(sources, keys, strict=True)):
        known = firsts.setdefault(key, number)
        if _is_link(sources[known]) and not _is_link(source):
            firsts[key] = number
    sets = [key for key in firsts if len(key) > 1]
    kept = [
        source
        for number, (source, key) in enumerate(zip(sources, keys, strict=True))
        if firsts[key] == number and not (source.images and any(key < larger for larger in sets))
    ]
    return kept, len(sources) - len(kept)


def _identities(source: FoundSource) -> frozenset[object]:
    if source.images:
        return frozenset(file_identity(image) for image in source.images)
    return frozenset({file_identity(Path(source.spec))})


def _is_link(source: FoundSource) -> bool:
    return os.path.islink(source.spec)  # noqa: PTH114 - a spec may be no path at all
