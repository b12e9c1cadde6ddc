"""One row of a label file: a stretch of a clip in which an organ is present, absent, or not to be used."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from seqcls.types import TIME_TOLERANCE_S

Label = Literal["present", "absent", "ignore"]


@dataclass(frozen=True, slots=True)
class LabelledSpan:
    """One row of a label file: a stretch [start_s, end_s), or the frames start_index to end_index inclusive.

    Spans by time have indices of -1, spans by frame have NaN times. ``where`` names the row for messages.
    """

    file: str
    organ: str
    state: Label
    start_s: float = math.nan
    end_s: float = math.nan
    start_index: int = -1
    end_index: int = -1
    patient: str = ""
    where: str = ""
    scanner: str = ""
    site: str = ""

    @property
    def by_frame(self) -> bool:
        return self.start_index >= 0

    @property
    def limits(self) -> tuple[float, float]:
        """Half-open, in frames or in seconds."""
        return (self.start_index, self.end_index + 1) if self.by_frame else (self.start_s, self.end_s)

    def covers(self, index: int, time_s: float) -> bool:
        """Whether the frame lies inside; a microsecond decides in favour of the later span."""
        if self.by_frame:
            return self.start_index <= index <= self.end_index
        return self.start_s - TIME_TOLERANCE_S <= time_s < self.end_s - TIME_TOLERANCE_S


def by_organ(spans: Iterable[LabelledSpan]) -> Iterator[list[LabelledSpan]]:
    """The spans of each organ in order of time."""
    ordered = sorted(spans, key=lambda span: (span.organ, span.limits))
    for _, own in itertools.groupby(ordered, key=lambda span: span.organ):
        yield list(own)


def filled(own: list[LabelledSpan], state: Label, begin: float, end: float) -> Iterator[LabelledSpan]:
    """One organ's spans in order of time, and others of this state where none of them lies in [begin, end), which is in
    frames or in seconds as they are. Spans of no length are left out."""
    reached = begin
    for span in own:
        first, behind = span.limits
        if first > reached + TIME_TOLERANCE_S:
            yield _between(own[0], state, reached, first)
        if behind > first:
            yield span
        reached = max(reached, behind)
    if end > reached + TIME_TOLERANCE_S:
        yield _between(own[0], state, reached, end)


def _between(like: LabelledSpan, state: Label, begin: float, end: float) -> LabelledSpan:
    if like.by_frame:
        return replace(like, state=state, start_index=int(begin), end_index=int(end) - 1)
    return replace(like, state=state, start_s=begin, end_s=end)
