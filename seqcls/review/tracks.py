"""What a reader, or a model, says of one organ in one clip: a track of spans on frame edges."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.files.json_record import record_from
from seqcls.timeline import Timeline
from seqcls.types import TIME_TOLERANCE_S

Mark = Literal["present", "absent", "uncertain", "ignore"]
#: Of one organ in one clip: something comes into view twice a second for a day.
MAX_SPANS = 200_000


@dataclass(frozen=True, slots=True)
class Span:
    """The frames [first, behind) have one mark."""

    first: int
    behind: int
    mark: Mark
    by: Literal["reader", "model"] = "reader"
    """Who says so: what a model says is no label until a reader accepts it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A reader has said that from frame ``at`` on the organ is ``mark``, and not yet until when."""

    at: int
    mark: Literal["present", "absent"]


@dataclass(frozen=True, slots=True)
class Track:
    """``spans`` in order of time, without overlaps; what none covers is not labelled."""

    spans: tuple[Span, ...] = ()
    opened: Opened | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FrameTimes:
    """When each frame of a clip is shown: ``start_s`` and ``end_s``, (T,) float64 in seconds; T is ``count``."""

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]

    @classmethod
    def of(cls, time_s: NDArray[np.float64], duration_s: NDArray[np.float64]) -> FrameTimes:
        """A frame ends where the next one begins, but for a hole of frames that are missing."""
        end_s = time_s + duration_s
        if len(time_s) > 1:
            close = end_s[:-1] > time_s[1:] - np.maximum(TIME_TOLERANCE_S, 0.5 * duration_s[:-1])
            end_s[:-1] = np.where(close, time_s[1:], end_s[:-1])
        return cls(time_s, end_s)

    @property
    def count(self) -> int:
        return len(self.start_s)

    def limits_s(self, span: Span) -> tuple[float, float]:
        """[start_s, end_s) of a span."""
        return float(self.start_s[span.first]), float(self.end_s[span.behind - 1])


def track_from(plain: Any, frames: int) -> Track:
    """A track of a clip of so many frames, out of JSON. Raises ValueError, which says what is wrong."""
    track = record_from(Track, plain, "track")
    if len(track.spans) > MAX_SPANS:
        raise ValueError(f"track.spans: {len(track.spans):,} are more than {MAX_SPANS:,}")
    if any(not 0 <= span.first < span.behind <= frames for span in track.spans):
        raise ValueError(f"track.spans: a span is empty, or leaves the clip of {frames:,} frames")
    if any(one.behind > other.first for one, other in itertools.pairwise(track.spans)):
        raise ValueError("track.spans: two spans overlap, or are not in order")
    if track.opened is not None and not 0 <= track.opened.at < frames:
        raise ValueError(f"track.opened: the clip has no frame {track.opened.at}")
    return track


def predicted(timeline: Timeline, organ: str) -> Track:
    """What the model found; what is unknown is left open."""
    index = timeline.scores.index
    spans = []
    for interval in timeline.of(organ):
        if interval.state != "unknown" and interval.start_index >= 0:
            first, last = np.searchsorted(index, (interval.start_index, interval.end_index))
            spans.append(Span(int(first), int(last) + 1, interval.state, "model"))
    return Track(tuple(spans))
