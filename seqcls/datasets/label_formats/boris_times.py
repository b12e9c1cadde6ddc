"""Times of a BORIS observation: its media files play one after the other, on one clock that may begin anywhere."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property

from seqcls.errors import DataError
from seqcls.text.wording import cut


class MediaClock:
    """When each file plays. ``media``: files and their lengths in seconds, NaN where not known, in that order."""

    def __init__(self, media: Sequence[tuple[str, float]]) -> None:
        self.media = media

    @cached_property
    def _ends_s(self) -> list[float]:
        """When each ends; up to the first whose length is needed and not known, of which it is NaN."""
        ends_s, end_s = list[float](), 0.0
        for _, length_s in self.media[:-1]:
            if not 0 < length_s < math.inf:
                return [*ends_s, math.nan]
            # BORIS cuts lengths to whole milliseconds.
            end_s += math.floor(length_s * 1000 + 1e-6) / 1000
            ends_s.append(end_s)
        return [*ends_s, math.inf]

    def parts(self, start_s: float, stop_s: float, offset_s: float, where: str) -> Iterator[tuple[str, float, float]]:
        """The files that an event lies in, each with begin and end on the file's own clock.

        ``offset_s``: what BORIS adds to the times of the observation. Raises DataError where a length is needed and not
        known.
        """
        ends_s = self._ends_s
        if math.isnan(ends_s[-1]):
            file = self.media[len(ends_s) - 1][0]
            raise DataError(f"{where}: the length of {cut(file)} is not known, behind which another file plays")
        start_s, stop_s = round(start_s - offset_s, 6), round(stop_s - offset_s, 6)
        # The first that ends behind the event's begin; those that begin before its end.
        for at in range(bisect_right(ends_s, start_s), bisect_left(ends_s, stop_s) + 1):
            begin_s = ends_s[at - 1] if at else 0.0
            if begin_s < min(ends_s[at], stop_s):
                last_s = min(stop_s, ends_s[at])
                yield self.media[at][0], round(max(start_s, begin_s) - begin_s, 6), round(last_s - begin_s, 6)
