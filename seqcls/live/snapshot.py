"""What a person is shown of a live run, one frozen snapshot: the dashboard, the page and the window draw the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.types import FeedState, FrameCounts, State


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one state of one organ, in seconds of the run; the last one is still growing: ``end_s`` None."""

    state: State
    start_s: float
    end_s: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OrganView:
    """One organ now.

    state: what holds, as far as it is certain, since ``since_s``. score: smoothed, 0..1, None where it is unknown.
    onset, offset: the thresholds. trace: (time_s, score) of the last minutes, oldest first, None where unknown.
    spans: the states of the last minutes, oldest first. presences: how many there were since the start, also before the
    run was resumed; latest: the last of them, oldest first.
    """

    organ: str
    state: State
    since_s: float
    score: float | None
    onset: float
    offset: float
    trace: tuple[tuple[float, float | None], ...]
    spans: tuple[Span, ...]
    presences: int
    reason: str = ""
    latest: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveView:
    """A live run at one moment; times in seconds of the run, which begins at 0.

    source: fit to be shown, no credentials. feed: state of the connection, for ``feed_reason``, since ``feed_since_s``.
    image: (H, W) uint8 gray, the ultrasound region alone, or None. rate_hz: frames received per second of late.
    latency_ms: (p50, p95, p99) from arrival to decision. frame_counts: every frame received so far. messages: what a
    person should know, latest last (a full disk, a changed image size).
    """

    source: str
    feed: FeedState
    feed_since_s: float
    now_s: float
    organs: tuple[OrganView, ...]
    frame_counts: FrameCounts
    rate_hz: float
    latency_ms: tuple[float, float, float]
    feed_reason: str = ""
    image: NDArray[np.uint8] | None = None
    messages: tuple[str, ...] = ()
    started: str = ""
