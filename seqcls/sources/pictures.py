"""Are these images the frames of a clip, or single ones that have nothing to do with each other?"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from seqcls.errors import SourceError
from seqcls.sources.image_names import why_not_counting
from seqcls.sources.images import image_facts

#: At least so many headers are read to compare sizes; one that differs among more is reported when it is read.
_HEADERS = 500


def why_unrelated(images: Sequence[Path]) -> str:
    """Why they can be no clip; empty where they may be one: names that differ in their numbers alone, one size.

    Reads the headers of the images, of many only some.
    """
    if len(images) < 2:
        return ""
    if reason := why_not_counting(images):
        return reason
    sizes: dict[tuple[int, int], Path] = {}
    for path in images[:: max(1, len(images) // _HEADERS)]:
        with contextlib.suppress(SourceError):  # reported when it is read
            facts = image_facts(path)
            sizes.setdefault((facts.width, facts.height), path)
        if len(sizes) > 1:
            named = " and ".join(f"{width}x{height} in {path.name}" for (width, height), path in sizes.items())
            return f"their sizes differ ({named})"
    return ""
