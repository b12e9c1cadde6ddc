"""Times of a BORIS observation: its media files play one after the other, on one clock that may begin anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from seqcls.errors import DataError


def in_media(
    start_s: float, stop_s: float, media: Sequence[tuple[str, float]], offset_s: float, where: str
) -> Iterator[tuple[str, float, float]]:
    """The media files that an event lies in, each with begin and end on the file's own clock.

    ``media``: files and their lengths in seconds, NaN where not known, in the order of playing. ``offset_s``: what
    BORIS adds to the times of the observation. Raises DataError where a length is needed and not known.
    """
    start_s, stop_s = round(start_s - offset_s, 6), round(stop_s - offset_s, 6)
    begin_s = 0.0
    for number, (file, length_s) in enumerate(media):
        last = number == len(media) - 1
        if not last and not 0 < length_s < math.inf:
            raise DataError(f"{where}: the length of {file[:100]} is not known, behind which another file plays")
        # BORIS cuts lengths to whole milliseconds.
        end_s = math.inf if last else begin_s + math.floor(length_s * 1000 + 1e-6) / 1000
        if start_s < end_s and stop_s > begin_s:
            yield file, round(max(start_s, begin_s) - begin_s, 6), round(min(stop_s, end_s) - begin_s, 6)
        begin_s = end_s
