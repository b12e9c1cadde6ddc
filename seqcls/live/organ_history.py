"""One organ of a live run as people see it: its state, and the last minutes of scores and states."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from seqcls.intervals import IntervalOptions
from seqcls.live.snapshot import OrganView, Span
from seqcls.types import TIME_TOLERANCE_S, Event, FeedState, FrameScore

#: How much of the past is shown.
TRACE_S, SPANS_S = 60.0, 300.0
#: More points than a screen has columns are of no use.
_POINT_EVERY_S = 0.1


class OrganHistory:
    """Bounded, whatever the length of the run, but for the list of presences.

    ``wanted_s``: how long the organ is to be in view in all, None where nobody asked.
    """

    def __init__(self, organ: str, options: IntervalOptions, wanted_s: float | None = None) -> None:
        self._now = OrganView(
            organ, "unknown", 0.0, None, options.onset, options.offset, (), (), 0, "not begun", wanted_s=wanted_s
        )
        self._trace: deque[tuple[float, float | None]] = deque()
        self._spans: deque[Span] = deque()
        self._latest: list[Span] = []
        self._present_s = 0.0  # of the presences that have ended
        self._seen_s = 0.0  # until when frames are scored
        self._missed_s = 0.0  # when the latest stretch without frames ended

    def scored(self, smoothed: FrameScore | None, column: int, *, coming: bool = False) -> None:
        """The newest smoothed frame; the same one may come again. ``coming``: see ``OrganView``."""
        if smoothed is None:
            return
        self._seen_s = max(self._seen_s, smoothed.time_s + smoothed.duration_s)
        score = None if smoothed.scores is None else float(smoothed.scores[column])
        if smoothed.time_s >= self._missed_s - TIME_TOLERANCE_S:  # that of before an outage is none of now
            self._now = replace(self._now, score=score, coming=coming)
        if self._trace and smoothed.time_s - self._trace[-1][0] < _POINT_EVERY_S - 0.001:  # its times are in whole ms
            return
        self._trace.append((round(smoothed.time_s, 3), None if score is None else round(score, 3)))
        while self._trace[0][0] < smoothed.time_s - TRACE_S:
            self._trace.popleft()
        while self._spans and (self._spans[0].end_s or smoothed.time_s) < smoothed.time_s - SPANS_S:
            self._spans.popleft()

    def missed(self, until_s: float) -> None:
        """A stretch without frames that lasted until then, or lasts on."""
        self._missed_s = max(self._missed_s, until_s)
        self._now = replace(self._now, score=None, coming=False)

    def changed(self, event: Event) -> None:
        """A change of state that is certain."""
        self.ended(event.start_s)
        begun = Span(event.state, event.start_s, None, event.reason)
        self._spans.append(begun)
        is_present = event.state == "present"
        if is_present:
            self._latest.append(begun)
        self._now = replace(
            self._now,
            state=event.state,
            since_s=event.start_s,
            reason=event.reason,
            presences=self._now.presences + is_present,
        )

    def ended(self, end_s: float) -> None:
        """The state that holds ends, or the run does."""
        if self._latest and self._latest[-1].end_s is None:
            self._present_s += end_s - self._latest[-1].start_s
        for spans in (self._spans, self._latest):
            if spans and spans[-1].end_s is None:
                spans.append(replace(spans.pop(), end_s=end_s))

    def view(self, feed: FeedState, unknown_since_s: float | None = None) -> OrganView:
        """Now. Without a running feed nothing is known, whatever was seen last, nor while a person has paused:
        ``unknown_since_s`` then says since when."""
        grows = self._latest and self._latest[-1].end_s is None
        view = replace(
            self._now,
            trace=tuple(self._trace),
            spans=tuple(self._spans),
            latest=tuple(self._latest),
            present_s=self._present_s + (max(0.0, self._seen_s - self._latest[-1].start_s) if grows else 0.0),
        )
        if unknown_since_s is None:
            return replace(view, score=None) if view.state == "unknown" else view
        reason = "paused" if feed == "running" else f"feed {feed}"
        return replace(view, state="unknown", since_s=unknown_since_s, score=None, coming=False, reason=reason)
