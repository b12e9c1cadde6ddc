"""A clip of each stretch in which an organ is in view, with what came just before it."""

from __future__ import annotations

import contextlib
import unicodedata
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seqcls.errors import UsageError
from seqcls.files import require_writable
from seqcls.geometry import Region
from seqcls.live.background import BackgroundWorker, Notify, nothing
from seqcls.live.recording.fragmented_video import (
    FragmentedVideoWriter,
    Image,
    OpenVideo,
    RecordedVideo,
    SegmentedVideoWriter,
    in_short,
)
from seqcls.live.recording.recorder import QUEUE_BYTES, Cropper
from seqcls.types import TIME_TOLERANCE_S, Event, Frame

#: The past that is kept for pre-rolls holds at most this much memory: 30 s of 640 x 480 at 30 frames/s.
RING_BYTES = 256 << 20

#: Presence is certain at most this long after it began: smoothing delay and ``min_present_s``, generously.
REACH_S = 10.0

_NAME_BYTES = 80


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    image: Image
    time_s: float
    duration_s: float


@dataclass(slots=True, eq=False)
class _Clip:
    """One presence being written; ``until_s`` is known once its end is certain.

    Pictures in ``waiting`` are written with the next one: a frame comes before the events that it makes certain.
    """

    organ: str
    film: SegmentedVideoWriter
    waiting: list[_Picture]
    until_s: float = float("inf")


@dataclass(slots=True, eq=False)
class _Ring:
    """The last pictures, at most ``most_bytes`` of them, none older than ``reach_s`` before the newest."""

    most_bytes: int
    reach_s: float
    pictures: deque[_Picture] = field(default_factory=deque)
    held_bytes: int = 0
    forgotten_s: float = float("-inf")

    def add(self, picture: _Picture) -> None:
        self.pictures.append(picture)
        self.held_bytes += picture.image.nbytes
        while self.held_bytes > self.most_bytes or self.pictures[0].time_s < picture.time_s - self.reach_s:
            if len(self.pictures) == 1:
                return
            old = self.pictures.popleft()
            self.held_bytes -= old.image.nbytes
            self.forgotten_s = old.time_s

    def since(self, time_s: float) -> list[_Picture]:
        return [picture for picture in self.pictures if picture.time_s >= time_s - TIME_TOLERANCE_S]


class PresenceClips:
    """Writes ``<organ>-<h-m-s.ms>.mp4`` into ``folder`` for each present interval of ``organs``; never raises later.

    A clip holds the frames from ``pre_roll_s`` before the presence to ``post_roll_s`` behind its end, and what came
    until that end was certain where that is later. Its own clock begins at 0 with its first frame. By default nothing
    from outside the ultrasound region is kept; ``whole`` keeps all. Frames of the past are held in memory, at most
    ``ring_bytes`` of them and no older than ``reach_s`` before the longest pre-roll; where that is too little the
    pre-roll shrinks and ``say`` tells. ``failed``, ``dropped`` as in ``Recorder``.

    Feed ``frame`` and ``event`` from one thread. Raises UsageError for durations that cannot be right, OutputError
    where the folder cannot be written.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        organs: Sequence[str],
        pre_roll_s: float = 2.0,
        post_roll_s: float = 1.0,
        whole: bool = False,
        reach_s: float = REACH_S,
        notify: Notify = nothing,
        ring_bytes: int = RING_BYTES,
        queue_bytes: int = QUEUE_BYTES,
        open_part: OpenVideo = FragmentedVideoWriter,
    ) -> None:
        for name, value in (("pre-roll", pre_roll_s), ("post-roll", post_roll_s), ("reach", reach_s)):
            if not 0 <= value <= 600:
                raise UsageError(f"a clip's {name} must be 0 to 600 seconds, not {value:g}")
        self.failed = ""
        self._folder = require_writable(folder)
        self._organs, self._notify, self._open_part = frozenset(organs), notify, open_part
        self._pre_roll_s, self._post_roll_s = pre_roll_s, post_roll_s
        self._cropper = Cropper(whole, queue_bytes)
        self._ring = _Ring(ring_bytes, pre_roll_s + reach_s)
        self._open: list[_Clip] = []
        self._films: list[SegmentedVideoWriter] = []
        self._told_slow = self._told_short = self._closed = False
        self._worker: BackgroundWorker[Callable[[], None]] = BackgroundWorker(
            "clips", _call, most=queue_bytes, failed=self._fail, finish=self._finish
        )

    @property
    def parts(self) -> tuple[RecordedVideo, ...]:
        """The files so far; ``start_s`` is the time of a file's first picture in the run."""
        return tuple(part for film in list(self._films) for part in list(film.parts))

    @property
    def dropped(self) -> int:
        """Frames that no clip can contain."""
        return self._worker.dropped + self._cropper.dropped

    def frame(self, frame: Frame, region: Region | None) -> None:
        """Keep the frame for clips that are open or to come; ``region`` as in ``Recorder.frame``."""
        for ready, its_region in self._cropper.ready(frame, region):
            if not self._worker.put(_bound(self._take, ready, its_region), ready.image.nbytes) and not self._told_slow:
                self._told_slow = True
                self._notify("writing clips cannot keep up: frames are left out of them, the analysis is not affected")

    def event(self, event: Event) -> None:
        """A change of state is certain: a presence begins or has ended."""
        if event.organ in self._organs:
            self._worker.put(_bound(self._turn, event), 0, always=True)

    def close(self, within_s: float = 10.0) -> None:
        """Write what waits, end the clips that are open; at most ``within_s``. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._cropper.close()
        if not self._worker.close(within_s):
            self.failed = self.failed if self.failed else f"the clips could not be ended within {within_s:g} s"
            self._notify(self.failed)

    def _take(self, frame: Frame, region: Region | None) -> None:
        if self.failed:
            return
        picture = _Picture(self._cropper.picture(frame, region), frame.time_s, frame.duration_s)
        self._ring.add(picture)
        for clip in list(self._open):
            self._write(clip)
            clip.waiting.append(picture)
            if picture.time_s >= clip.until_s - TIME_TOLERANCE_S:
                self._end(clip)

    def _turn(self, event: Event) -> None:
        if self.failed:
            return
        for clip in self._open:
            if clip.organ == event.organ and clip.until_s == float("inf"):
                clip.until_s = event.start_s + self._post_roll_s
        if event.state == "present":
            self._begin(event)

    def _begin(self, event: Event) -> None:
        wanted_s = event.start_s - self._pre_roll_s
        past = self._ring.since(wanted_s)
        if self._ring.forgotten_s >= wanted_s - TIME_TOLERANCE_S and not self._told_short and past:
            self._told_short = True
            self._notify(
                f"a clip of {event.organ} begins {past[0].time_s - wanted_s:.1f} s late:"
                f" the frames before are no longer held ({self._ring.held_bytes >> 20} MiB are)"
            )
        film = SegmentedVideoWriter(self._folder / clip_name(event.organ, event.start_s), self._open_part)
        self._films.append(film)
        self._open.append(_Clip(event.organ, film, past))

    def _write(self, clip: _Clip) -> None:
        waiting, clip.waiting = clip.waiting, []
        for picture in waiting:
            if picture.time_s < clip.until_s - TIME_TOLERANCE_S:
                clip.film.write(picture.image, picture.time_s, picture.duration_s)

    def _end(self, clip: _Clip) -> None:
        self._open.remove(clip)
        clip.film.close()

    def _finish(self) -> None:
        for clip in list(self._open):
            if not self.failed:
                self._write(clip)
            self._end(clip)

    def _fail(self, error: Exception) -> None:
        if self.failed:
            return
        self.failed = f"writing clips stopped: {in_short(error)}; those written before can be read"
        self._notify(self.failed)
        self._ring.pictures.clear()
        for clip in list(self._open):
            with contextlib.suppress(Exception):  # says the same once more
                self._end(clip)


def clip_name(organ: str, start_s: float) -> str:
    """A file name that every system takes and that stays in its folder."""
    kept = "".join(c if c.isalnum() or c in "-_" else "_" for c in unicodedata.normalize("NFC", organ))
    kept = kept.encode("utf-8")[:_NAME_BYTES].decode("utf-8", "ignore")
    milliseconds = max(0, round(start_s * 1000))
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{kept if kept else 'organ'}-{hours:02d}-{minutes:02d}-{seconds:02d}.{milliseconds:03d}.mp4"


def _bound(work: Callable[..., None], *arguments: object) -> Callable[[], None]:
    return lambda: work(*arguments)


def _call(work: Callable[[], None]) -> None:
    work()
