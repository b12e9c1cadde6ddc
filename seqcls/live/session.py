"""One live run: the stages of a clip's analysis fed by a source that never waits, with everything journalled at once.

The same preprocessing, scoring, smoothing and state machines as offline; only who waits for whom differs. Nothing here
grows with time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from seqcls.detector import Detector
from seqcls.errors import one_line
from seqcls.files.without_folders import without_folders
from seqcls.gate import Gate
from seqcls.geometry import Region, RegionFinder
from seqcls.journal import PAUSED, JournalWriter, Resumption, RunSummary
from seqcls.keepable import keepable
from seqcls.live.background import nothing
from seqcls.live.frame_queue import FrameQueue, drop_warnings, shifted
from seqcls.live.latency import LatencyMeter
from seqcls.live.operator import Operator
from seqcls.live.options import LiveOptions
from seqcls.live.organ_history import TRACE_S, OrganHistory
from seqcls.live.snapshot import LiveView, Storage
from seqcls.postprocess import PostProcess
from seqcls.preprocess import Preprocessor
from seqcls.scoring import score_every
from seqcls.sources import Source
from seqcls.steady_clock import steady_s
from seqcls.types import Event, FeedState, Frame, FrameCounts, FrameScore, Gap

#: How many messages are kept for showing.
MESSAGES = 5
_RATE_OVER_S = 5.0
_INTERRUPTED = "interrupted"
#: The frames that waited for the ultrasound region are scored at once. So many that come meanwhile may wait too, above
#: the usual limit; with every second frame that is taken later it is one less.
CATCH_UP = RegionFinder.USABLE_FRAMES
#: Reason of a stretch in which a connection was waited for that never came, nor failed.
NO_FRAME_YET = "no frame yet"
_NOT_FOUND = "no ultrasound region found: the whole image is scored, none of it shown or recorded; state the region"
_FOUND = "the ultrasound region is found"


class LiveSession:
    """Watches one source until it ends, ``should_stop`` says so, or the time is over.

    ``sinks`` get every event as soon as it is certain, and never raise. ``feed_state`` and ``notify`` may be called
    from any thread. ``on_frame`` gets every frame that arrives, in the reading thread; ``on_taken`` those that are not
    dropped, in the thread of ``run``, before their events; ``on_end`` is called once all is told, before the journal is
    closed. ``operator`` says whether the run is paused: then frames are unknown, and no image is shown or passed on.
    ``checklist``: how many seconds an organ is to be in view in all.
    """

    def __init__(
        self,
        detector: Detector,
        source: Source,
        *,
        options: LiveOptions,
        journal: JournalWriter | None = None,
        resumed: Resumption | None = None,
        sinks: Sequence[Callable[[Event], None]] = (),
        on_view: Callable[[LiveView], None] | None = None,
        on_frame: Callable[[Frame], None] = nothing,
        on_taken: Callable[[Frame], None] = nothing,
        on_end: Callable[[], None] = nothing,
        should_stop: Callable[[], bool] = lambda: False,
        storage: Callable[[], Storage | None] = lambda: None,
        operator: Operator | None = None,
        checklist: Mapping[str, float] | None = None,
        clock: Callable[[], float] = steady_s,
    ) -> None:
        self._detector = detector
        self._source = source
        self._options = options
        self._journal = journal
        self._sinks = sinks
        self._on_view = on_view
        self._on_frame = on_frame
        self._on_taken = on_taken
        self._on_end = on_end
        self._should_stop = should_stop
        self._storage, self._operator = storage, operator
        self._clock = clock
        self._resumed = resumed
        if resumed is None:
            self._process = PostProcess(
                detector.organs, detector.smoothing, detector.intervals, keep=False, novelty=detector.uses_novelty
            )
            self._before, self._before_s, self._before_end_s = FrameCounts(), 0.0, 0.0
        else:
            self._process = resumed.process
            before = resumed.journal
            self._before, self._before_s, self._before_end_s = before.frame_counts, resumed.time_s, before.end_s
        self._last_frame_s = 0.0 if resumed is None else resumed.last_frame_s
        self._known_s = self._last_frame_s  # until when frames came
        self._pause_end_s = -math.inf  # the last of them
        self._paused_s: float | None = None  # when the first frame was taken that a person had paused
        self._preprocessor = Preprocessor(detector.header.geometry, detector.gate, source.info.region)
        wanted_s = {} if checklist is None else checklist
        self._histories = [
            OrganHistory(o, i, wanted_s.get(o)) for o, i in zip(detector.organs, detector.intervals, strict=True)
        ]
        self._latency = LatencyMeter()
        self._arrived_s: dict[int, float] = {}
        self._searching: set[int] = set()  # frames that wait for the region
        #: How many frames waited for the ultrasound region to be found, and how long one did at most, in seconds.
        self.searched, self.searched_s = 0, 0.0
        self._classified = self._rejected = 0
        self._shift_s = self._before_s - clock()  # from the clock to the time of the run
        self._ends_s = clock() + options.duration_s
        self._shown_s = -math.inf
        self._rates: deque[tuple[float, int]] = deque()
        self._frame: Frame | None = None
        self._state: tuple[FeedState, str] = ("connecting", "")
        self._outage = ""  # why the stretch that the source told of last is missing, until a frame comes
        self._region_found = True
        self._messages: deque[str] = deque(maxlen=MESSAGES)
        self._began = datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")

    @property
    def region(self) -> Region | None:
        """The ultrasound region in use, None until it is found."""
        return self._preprocessor.region

    def feed_state(self, state: FeedState, reason: str = "") -> None:
        """The connection is from now on in this state."""
        if self._state == (state, reason):
            return
        self._state = (state, reason)
        if self._journal is not None:
            self._journal.state(state, reason)

    def notify(self, message: str) -> None:
        """Something that a person should know; from any thread."""
        self._messages.append(message)

    def act(self, act: str) -> None:
        """A person marks this moment, keeps its image, or pauses or goes on; from any thread. Raises UsageError."""
        if self._operator is not None:
            live = self._state[0] == "running"
            self._operator.act(act, self._clock() + self._shift_s, self._keepable if live else lambda: None)

    @property
    def _paused(self) -> bool:
        return self._operator is not None and self._operator.paused

    def run(self) -> RunSummary:
        """Watch. Whatever ends it, every frame is accounted for and the journal closed; latencies are of all frames
        that were taken, also those that waited for the ultrasound region to be found. Raises EngineError, and what the
        source raises when it cannot go on."""
        first_index = 0
        if self._resumed is not None:
            first_index = self._resumed.journal.next_index
            self._remember(self._resumed.journal.emitted)
            self._recall(self._resumed)
            for history in self._histories:
                history.missed(self._before_s)
            if self._journal is not None:
                self._journal.write(*self._resumed.pending)
            self._emit(self._resumed.pending)
        self._show(None, now=True)  # receivers hold no state of a run before, however long the first frame takes
        feed = FrameQueue(
            shifted(self._source, first_index, self._before_s),
            keep=self._options.keep,
            limit=self._options.waiting,
            on_frame=lambda frame: None if self._paused else self._on_frame(frame),
            check=self._why_not_scorable,
            clock=self._clock,
        )
        problem = ""
        try:
            with closing(self._preprocessor.prepare(self._items(feed))) as prepared:
                for item in score_every(prepared, self._detector.engine, 1):
                    self._take(item, feed)
        except BaseException as error:
            said = without_folders(one_line(error, max_chars=1000))
            problem = _INTERRUPTED if isinstance(error, KeyboardInterrupt) else said
            raise
        finally:
            summary = self._finish(feed, problem)
        return summary

    def _items(self, feed: FrameQueue) -> Iterator[Frame | Gap]:
        catch_up = 0.0
        while True:
            if stopping := self._clock() >= self._ends_s or self._should_stop():
                feed.close()
            arrival = feed.get(0.0 if stopping else self._options.view_every_s)
            if arrival is not None:
                arrival_s, item = arrival
                self._outage = item.reason if isinstance(item, Gap) else ""
                if isinstance(item, Frame):
                    self._arrived_s[item.index] = arrival_s
                    self._shift_s = self._shift_s if feed.shift_s is None else feed.shift_s
                    if self._has_region(item):
                        catch_up = max(0.0, catch_up - 0.5)
                    else:
                        self._searching.add(item.index)
                        catch_up = min(catch_up + 1.0, CATCH_UP)
                    feed.allow(max(0, math.ceil(catch_up) - 1))  # the last of them ends the search
                    if self._paused:
                        self._paused_s = item.time_s if self._paused_s is None else self._paused_s
                        self._pause_end_s = item.time_s
                        item, self._frame = replace(item, damaged=PAUSED), None
                    else:
                        self._frame = item
                        self._on_taken(item)
                    if self._state[0] == "connecting":
                        self.feed_state("running")
                    if not self._has_region(item):
                        self._show(feed)  # nothing else would for as long as the search takes
                yield item
            elif stopping or feed.ended:
                yield from self._outage_until_now(feed) if stopping else ()
                return
            else:
                self._show(feed)

    def _outage_until_now(self, feed: FrameQueue) -> Iterator[Gap]:
        """The rest of an outage during which somebody ends the run: the source told of it up to its last try."""
        state, reason = self._state
        start_s = max(self._preprocessor.end_s, self._before_end_s)
        end_s = min(self._clock(), self._ends_s) + self._shift_s
        frames_come = state == "running" or (state == "stopped" and not self._outage)
        if frames_come or end_s <= start_s or not self._frame_counts(feed).received:
            return
        yield Gap(start_s, end_s, self._outage or reason or NO_FRAME_YET)

    def _has_region(self, frame: Frame) -> bool:
        """Whether the region in use is one of images of this size."""
        region = self.region
        return region is not None and frame.image.shape[:2] == (region.height, region.width)

    def _why_not_scorable(self, frame: Frame) -> str:
        """What would be said of a frame that nobody takes, as far as one image tells: not whether it is frozen."""
        region = self.region
        if frame.damaged or region is None or not self._has_region(frame):
            return frame.damaged
        return Gate(self._detector.gate).check(frame.image, region, frame.time_s)

    def _take(self, item: FrameScore | Gap, feed: FrameQueue) -> None:
        region = self.region
        if region is not None and region.is_found != self._region_found:
            self._region_found = region.is_found
            self.notify(_FOUND if region.is_found else _NOT_FOUND)
        events = list(self._process.push(item))
        if self._journal is not None:
            self._journal.write(item, *events)
        if isinstance(item, FrameScore):
            self._rejected += bool(item.reason)
            self._classified += not item.reason
            if item.index in self._arrived_s:
                took_s = self._clock() - self._arrived_s.pop(item.index)
                self._latency.add(took_s)
                if item.index in self._searching:
                    self._searching.remove(item.index)
                    self.searched, self.searched_s = self.searched + 1, max(self.searched_s, took_s)
            latest = self._process.latest
            if not self._paused and latest is not None and latest.time_s > self._pause_end_s:
                self._paused_s = None  # decided behind it: a state of before it must not come back meanwhile
            for column, history in enumerate(self._histories):
                history.scored(latest, column, coming=self._process.builders[column].coming)
        else:
            for history in self._histories:
                history.missed(item.end_s)
        self._emit(events)
        self._show(feed, now=bool(events))  # who tells of a change takes the score from what is shown

    def _emit(self, events: Iterable[Event]) -> None:
        self._remember(events)
        for event in events:
            for sink in self._sinks:
                sink(event)

    def _remember(self, events: Iterable[Event]) -> None:
        """For what people are shown."""
        for event in events:
            self._histories[self._detector.organs.index(event.organ)].changed(event)

    def _recall(self, resumed: Resumption) -> None:
        """The scores of the last minute before the new session, smoothed again from a minute before that on."""
        detector, raw = self._detector, resumed.journal.raw
        process = PostProcess(
            detector.organs, detector.smoothing, detector.intervals, keep=False, novelty=detector.uses_novelty
        )
        late = np.flatnonzero(raw.table().time_s >= resumed.time_s - 2 * TRACE_S)
        for item in raw.items(int(late[0])) if len(late) else ():
            deque(process.push(item), maxlen=0)
            for column, history in enumerate(self._histories):
                history.scored(process.latest, column)

    def _finish(self, feed: FrameQueue, problem: str) -> RunSummary:
        feed.close()
        self._source.close()
        feed.join(5.0)
        end_s = max(self._preprocessor.end_s, self._before_end_s)
        events = list(self._process.close(end_s))
        self._emit(events)
        for history in self._histories:
            history.ended(end_s)
        frame_counts = self._frame_counts(feed)
        # After an error, frames that nobody took any more are as good as dropped.
        missing = frame_counts.received - frame_counts.classified - frame_counts.dropped - frame_counts.rejected
        frame_counts = replace(frame_counts, dropped=frame_counts.dropped + missing)
        assert missing == 0 or problem, f"frames went missing inside seqcls: {frame_counts}"
        report = self._source.report()
        summary = RunSummary(
            end_s=end_s,
            frame_counts=frame_counts,
            verdict="interrupted" if problem == _INTERRUPTED else "unknown" if problem else report.verdict,
            reasons=(problem, *report.reasons) if problem else report.reasons,
            warnings=(
                *self._detector.caveats,
                *self._preprocessor.warnings(self._detector.header.regions),
                *drop_warnings(frame_counts, problem),
            ),
            regions=tuple(self._preprocessor.regions),
            latency_ms=self._latency.percentiles_ms(),
        )
        self.feed_state("stopped", problem)
        if self._journal is not None:
            self._journal.write(*events)
        try:
            self._on_end()
        finally:
            if self._journal is not None:
                self._journal.finish(summary)
        self._show(feed, now=True)
        return summary

    def _frame_counts(self, feed: FrameQueue | None) -> FrameCounts:
        """So far, with what earlier sessions of a resumed run count."""
        before = self._before
        return FrameCounts(
            received=before.received + (0 if feed is None else feed.received),
            classified=before.classified + self._classified,
            skipped=before.skipped,
            dropped=before.dropped + (0 if feed is None else feed.dropped),
            rejected=before.rejected + self._rejected,
        )

    def _show(self, feed: FrameQueue | None, *, now: bool = False) -> None:
        """``feed``: None before anything is asked of the source."""
        clock_s = self._clock()
        if self._on_view is None or (clock_s - self._shown_s < self._options.view_every_s and not now):
            return
        self._shown_s = clock_s
        self._rates.append((clock_s, 0 if feed is None else feed.received))
        while clock_s - self._rates[0][0] > _RATE_OVER_S:
            self._rates.popleft()
        (first_s, first), (last_s, last) = self._rates[0], self._rates[-1]
        state, reason = self._state
        if feed is not None and feed.last_arrival_s is not None and feed.last_end_s is not None:
            self._last_frame_s, self._known_s = feed.last_arrival_s + self._shift_s, feed.last_end_s
        unknown_since_s = self._unknown_since_s(state)
        storage = self._storage()
        if storage is not None:
            recording = storage.recording and state != "stopped"
            storage = replace(storage, recording=recording, paused=self._paused, waiting=state != "running")
        messages = list(self._messages)
        if self._journal is not None and self._journal.failed:
            messages.append(without_folders(self._journal.failed))
        self._on_view(
            LiveView(
                source=self._source.info.name,
                feed=state,
                last_frame_s=self._last_frame_s,
                feed_reason=reason,
                now_s=clock_s + self._shift_s,
                unknown_since_s=unknown_since_s,
                organs=tuple(history.view(state, unknown_since_s) for history in self._histories),
                frame_counts=self._frame_counts(feed),
                rate_hz=(last - first) / (last_s - first_s) if last_s > first_s else 0.0,
                latency_ms=self._latency.percentiles_ms(),
                image=self._keepable() if self._options.with_image else None,
                messages=tuple(messages),
                started=self._began,
                storage=storage,
                paused=self._paused,
            )
        )

    def _unknown_since_s(self, state: FeedState) -> float | None:
        """Since when nothing is known, because no frames come or a person has paused; None while something is."""
        paused_s = self._paused_s
        if state == "running":
            return paused_s
        return self._known_s if paused_s is None else min(self._known_s, paused_s)

    def _keepable(self) -> NDArray[np.uint8] | None:
        """(H, W) uint8 gray: what may be shown of the newest frame, never anything from outside the region."""
        frame, region = self._frame, self._preprocessor.region
        if frame is None or region is None or not self._has_region(frame):
            return None
        return keepable(frame.image, region, self._detector.gate)
