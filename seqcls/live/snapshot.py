"""What a person is shown of a live run, one frozen snapshot: the dashboard, the page and the window draw the same."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqcls.text.wording import count_of, duration_of, size_of, without_name
from seqcls.types import FeedState, FrameCounts, State

#: Room for less than so much is nearly none: time to make some.
NEARLY_FULL_S, NEARLY_FULL_BYTES = 900.0, 500_000_000
#: Of more nobody asks how much it is.
MUCH_S = 31 * 86_400.0


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
    onset, offset: the thresholds. trace: (time_s, score) of the last minute, oldest first, None where unknown.
    spans: the states of the last minutes, oldest first. presences: how many there were since the start, also before the
    run was resumed; latest: all of them, oldest first. present_s: how long they were in all. wanted_s: how long that
    has to be, None where nobody asked. coming: whether scores show a presence that is not certain yet.
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
    coming: bool = False
    present_s: float = 0.0
    wanted_s: float | None = None

    @property
    def missing_s(self) -> float:
        """How much longer the organ has to be in view until it is seen as long as was asked for."""
        return 0.0 if self.wanted_s is None else max(0.0, self.wanted_s - self.present_s)

    def past(self, now_s: float, known_s: float) -> tuple[Span, ...]:
        """The states of the last minutes until ``now_s``, without holes: what no state covers, and all after
        ``known_s``, is unknown."""
        ends = [(span, now_s if span.end_s is None else span.end_s) for span in self.spans]
        covered = [replace(span, end_s=min(end_s, known_s)) for span, end_s in ends if span.start_s < known_s]
        # Older spans may be forgotten: then the first one that is kept began before all that is shown.
        begun_s = covered[0].start_s if covered else known_s
        before = [Span("unknown", 0.0, begun_s, "not begun")] if begun_s > 0 else []
        after = [Span("unknown", known_s, now_s, self.reason)] if known_s < now_s else []
        return (*before, *covered, *after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What is written, and how much room there is for more.

    recording: whether a video of the feed is written, but for when a person has ``paused`` or it is ``waiting`` for
    frames; clips: how many clips of
    presences lie in their folder, None where none are asked for; written_bytes: of both, also before the run was
    resumed. free_bytes: of the disk. left_s: how long that lasts at the rate of the last minute, infinite where it is
    not known.
    """

    recording: bool = False
    clips: int | None = None
    written_bytes: int = 0
    free_bytes: int
    left_s: float = math.inf
    paused: bool = False
    waiting: bool = False

    @property
    def is_recording(self) -> bool:
        """Right now: not before the first frame that may be kept."""
        return self.recording and self.written_bytes > 0 and not (self.paused or self.waiting)

    @property
    def nearly_full(self) -> bool:
        return self.left_s < NEARLY_FULL_S or self.free_bytes < NEARLY_FULL_BYTES

    @property
    def text(self) -> str:
        """For a person: what is recorded, then the disk, and how long that lasts."""
        asked = self.recording or self.clips is not None
        clips = "" if self.clips is None else f"{count_of(self.clips, 'clip')}  "
        size = f"{size_of(self.written_bytes)}  " if self.written_bytes else "nothing recorded yet  " if asked else ""
        now = "paused  " if self.paused else "waits for frames  " if self.waiting else ""
        recording = f"REC {now}" if self.recording else ""
        return f"{recording}{size}{clips}disk {size_of(self.free_bytes)} free{self._left}"

    @property
    def _left(self) -> str:
        asked = self.recording or self.clips is not None
        if (asked and not self.written_bytes) or (not asked and not self.left_s < MUCH_S):
            return ""  # what is to be recorded has no rate yet; a journal alone takes next to nothing
        if math.isinf(self.left_s):
            return ", time left not known yet"
        return f", {duration_of(self.left_s)} left" if self.left_s < MUCH_S else ", over a month left"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveView:
    """A live run at one moment; times in seconds of the run, which begins at 0.

    source: fit to be shown, no credentials. feed: state of the connection, for ``feed_reason``. last_frame_s: when the
    last frame came; before the first, when watching began. unknown_since_s: since when nothing is known of the organs,
    because the feed is away or paused; None while something is. paused: by a person. image: (H, W) uint8 gray, the
    ultrasound region alone, or None. rate_hz: frames received per second of late. latency_ms: (p50, p95, p99) from
    arrival to decision. frame_counts: every frame received so far. messages: what a person should know, latest last (a
    full disk, a changed image size). storage: None as long as nothing is known of it.
    """

    source: str
    feed: FeedState
    last_frame_s: float
    now_s: float
    organs: tuple[OrganView, ...]
    frame_counts: FrameCounts
    rate_hz: float
    latency_ms: tuple[float, float, float]
    feed_reason: str = ""
    unknown_since_s: float | None = None
    image: NDArray[np.uint8] | None = None
    messages: tuple[str, ...] = ()
    started: str = ""
    paused: bool = False
    storage: Storage | None = None

    @property
    def holds(self) -> bool:
        """Whether the organs' states are those of now."""
        return self.feed == "running" and not self.paused

    @property
    def word(self) -> str:
        """What there is to know of the feed, in a word or two."""
        return "paused" if self.paused and self.feed == "running" else f"feed {self.feed}"

    @property
    def why(self) -> str:
        """``feed_reason`` without the source, which is shown beside it."""
        return without_name(self.feed_reason, self.source)

    @property
    def outage(self) -> str:
        """How long no frame has come, for a person; nothing while frames come."""
        if self.feed in ("running", "stopped"):
            return ""
        return f"no frame {'for' if self.frame_counts.received else 'yet,'} {duration_of(self.outage_s)}"

    @property
    def checklist(self) -> str:
        """Which organs have to be seen for how much longer; nothing where nobody asked."""
        asked = [organ for organ in self.organs if organ.wanted_s is not None]
        left = ", ".join(f"{organ.organ} {organ.missing_s:.1f} s" for organ in asked if organ.missing_s)
        return f"still to see: {left}" if left else "checklist complete" if asked else ""

    @property
    def outage_s(self) -> float:
        """How long no frame has come; 0 while the feed runs. It is not begun anew by another try."""
        return 0.0 if self.feed == "running" else max(0.0, self.now_s - self.last_frame_s)

    @property
    def known_s(self) -> float:
        """Until when the states of the organs are known."""
        since_s = self.now_s - self.outage_s if self.unknown_since_s is None else self.unknown_since_s
        return min(self.now_s, since_s)
