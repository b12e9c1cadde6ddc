"""A clip of each stretch in which an organ is in view, with what came just before it."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from seqcls.files import require_writable
from seqcls.files.safe_names import clip_name
from seqcls.gate import GateOptions
from seqcls.live.background import Notify, nothing
from seqcls.live.recording.fragmented_video import (
    Image,
    Kept,
    RecordedVideo,
    SegmentedVideoWriter,
)
from seqcls.live.recording.recorder import GATE, QUEUE_BYTES, BackgroundRecording
from seqcls.live.recording.second_try import SecondTry
from seqcls.text.wording import count_of
from seqcls.types import TIME_TOLERANCE_S, Event, Frame

#: The past that is kept for pre-rolls holds at most this much memory: 30 s of 640 x 480 at 30 frames/s.
RING_BYTES = 256 << 20

#: Presence is certain at most this long after it began: smoothing delay and ``min_present_s``, generously.
REACH_S = 10.0


@dataclass(slots=True, eq=False)
class _Clip:
    """One presence being written; ``until_s`` is known once its end is certain.

    Frames in ``waiting`` are written with the next one: a frame comes before the events that it makes certain. All
    frames here hold what may be kept of their image.
    """

    organ: str
    video: SegmentedVideoWriter
    waiting: list[Frame]
    until_s: float = float("inf")

    def write_waiting(self) -> None:
        waiting, self.waiting = self.waiting, []
        for frame in waiting:
            if frame.time_s < self.until_s - TIME_TOLERANCE_S:
                self.video.write(frame.image, frame.time_s, frame.duration_s)


@dataclass(slots=True, eq=False)
class _Ring:
    """The last frames, at most ``limit_bytes`` of them, none older than ``reach_s`` before the newest."""

    limit_bytes: int
    reach_s: float
    frames: deque[Frame] = field(default_factory=deque)
    held_bytes: int = 0
    forgotten_s: float = float("-inf")

    def add(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.held_bytes += frame.image.nbytes
        while self.held_bytes > self.limit_bytes or self.frames[0].time_s < frame.time_s - self.reach_s:
            if len(self.frames) == 1:
                return
            old = self.frames.popleft()
            self.held_bytes -= old.image.nbytes
            self.forgotten_s = old.time_s

    def clear(self) -> None:
        self.frames.clear()
        self.held_bytes = 0

    def since(self, time_s: float) -> list[Frame]:
        return [frame for frame in self.frames if frame.time_s >= time_s - TIME_TOLERANCE_S]


class PresenceClips(BackgroundRecording):
    """Writes ``<organ>-<h-m-s.ms>.mp4`` into ``folder`` for each present interval.

    A clip holds the frames from ``pre_roll_s`` before the presence to ``post_roll_s`` behind its end, and what came
    until that end was certain where that is later. Its own clock begins at 0 with its first frame. Frames of the past
    are held in memory, at most ``ring_bytes`` of them and no older than ``reach_s`` before the longest pre-roll; where
    that is too little the pre-roll shrinks and ``notify`` says so. ``dropped`` counts the frames that no clip can
    contain. ``begun`` is told of each clip and its organ, as by ``SegmentedVideoWriter``.

    Feed ``frame`` and ``event`` from one thread. Raises OutputError where the folder cannot be written.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        pre_roll_s: float = 2.0,
        post_roll_s: float = 1.0,
        reach_s: float = REACH_S,
        gate: GateOptions = GATE,
        notify: Notify = nothing,
        ring_bytes: int = RING_BYTES,
        begun: Callable[[RecordedVideo, str], bool] = lambda part, organ: True,
        queue_bytes: int = QUEUE_BYTES,
        again: SecondTry | None = None,
    ) -> None:
        self._folder = require_writable(folder)
        self._earlier = tuple(sorted(self._folder.glob("*.mp4")))  # of the run that this one goes on with
        self._pre_roll_s, self._post_roll_s = pre_roll_s, post_roll_s
        self._ring = _Ring(ring_bytes, pre_roll_s + reach_s)
        self._open: list[_Clip] = []
        self._videos: list[SegmentedVideoWriter] = []
        self._shrunk = False
        self._presences = self._whole = 0
        self._begun = begun
        again = SecondTry(self._folder) if again is None else again
        super().__init__("clips", again, gate=gate, notify=notify, queue_bytes=queue_bytes)

    @property
    def parts(self) -> tuple[RecordedVideo, ...]:
        """The files so far; ``start_s`` is the time of a file's first frame in the run."""
        return tuple(part for video in list(self._videos) for part in list(video.parts))

    @property
    def files(self) -> tuple[Path, ...]:
        """All clips of the run, those from before it was resumed first."""
        return (*self._earlier, *(part.path for part in self.parts))

    def event(self, event: Event) -> None:
        """A change of state is certain: a presence begins or has ended."""
        self._worker.put(partial(self._change, event), 0)

    def _write(self, frame: Frame, image: Image) -> None:
        kept = replace(frame, image=image)
        self._ring.add(kept)
        for clip in list(self._open):
            clip.write_waiting()
            clip.waiting.append(kept)
            if kept.time_s >= clip.until_s - TIME_TOLERANCE_S:
                self._open.remove(clip)
                clip.video.close()
                self._whole += 1

    def _change(self, event: Event) -> None:
        self._presences += event.state == "present"
        if self.failed and self._try_s is None:
            return
        for clip in self._open:
            if clip.organ == event.organ and clip.until_s == float("inf"):
                clip.until_s = event.start_s + self._post_roll_s
        if event.state == "present":
            self._begin(event)

    def _begin(self, event: Event) -> None:
        wanted_s = event.start_s - self._pre_roll_s
        past = self._ring.since(wanted_s)
        if self._ring.forgotten_s >= wanted_s - TIME_TOLERANCE_S and not self._shrunk and past:
            self._shrunk = True
            self._notify(
                f"a clip of {event.organ} begins {past[0].time_s - wanted_s:.1f} s late:"
                f" the frames before are no longer held ({self._ring.held_bytes >> 20} MiB are)"
            )
        path = self._folder / clip_name(event.organ, event.start_s)
        video = SegmentedVideoWriter(path, lambda part: self._begun(part, event.organ))
        self._videos.append(video)
        self._open.append(_Clip(event.organ, video, past))

    def _end_files(self) -> None:
        ending, self._open = self._open, []
        if self.failed:
            self._ring.clear()  # nothing is written any more
        with contextlib.ExitStack() as ends:  # one that fails does not keep the others from their end
            for clip in ending:
                ends.callback(clip.video.close)
            for clip in () if self.failed else ending:
                clip.write_waiting()
        self._whole += 0 if self.failed else len(ending)

    @property
    def _kept(self) -> Kept:
        each = [video.kept for video in self._videos]
        return Kept(
            sum(kept.images for kept in each),
            sum(kept.size_bytes for kept in each),
            sum(kept.seconds for kept in each),
        )

    def _went_well(self) -> bool:
        """The past is kept for the next presence, which may be long in coming."""
        return True

    @property
    def _missing(self) -> str:
        without = self._presences - self._whole
        return f"of {count_of(self._presences, 'presence')} {without} {'has' if without == 1 else 'have'} no whole clip"
