"""Recording a feed beside its analysis: what the ultrasound region shows, and nothing else."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from seqcls.errors import OutputError, UsageError, is_of_the_disk, one_line
from seqcls.files import require_writable
from seqcls.gate import GateOptions
from seqcls.geometry import Region
from seqcls.keepable import TextWatch, keepable
from seqcls.live.background import BackgroundWorker, Notify, nothing
from seqcls.live.recording.fragmented_video import (
    SUFFIXES,
    Image,
    Kept,
    RecordedVideo,
    SegmentedVideoWriter,
)
from seqcls.live.recording.second_try import SecondTry
from seqcls.types import Frame

#: Frames that wait for the encoder hold at most this much memory.
QUEUE_BYTES = 64 << 20
#: What counts as ultrasound, where nobody states it.
GATE = GateOptions()


@dataclass(slots=True)
class _Stop:
    """Where writing stopped, why, and from when on it went on, in seconds of the run."""

    place: str
    why: str
    of_the_disk: bool = False
    until_s: float | None = None


class BackgroundRecording:
    """Base of the recordings: frames are cropped and written in a thread of its own, which never raises into the run.

    Only what ``keepable`` lets pass is kept: nothing from outside the ultrasound region (names are burnt in there), no
    menus, nothing as long as no region is found; frames wait until the search has ended. Frames that the encoder or the
    disk cannot take in time are left out. ``not_kept`` counts the frames of which nothing may be kept.
    ``failed`` is one line while writing has failed; what was written before stays readable. Where it was the disk,
    ``again`` says when it is tried once more, and what comes then goes into new files. ``incomplete`` is what to say of
    it at the end.
    """

    def __init__(self, name: str, again: SecondTry, *, gate: GateOptions, notify: Notify, queue_bytes: int) -> None:
        self.failed = ""
        self._stops: list[_Stop] = []
        self._again = again
        #: Since when in the run what is written is a try (None: it is none), and what there was before.
        self._try_s: float | None = None
        self._before_try = Kept()
        self.received = self.recorded = self.not_kept = 0
        self._name, self._notify, self._limit_bytes = name, notify, queue_bytes
        self._gate, self._text = gate, TextWatch()
        self._held: list[Frame] = []
        self._held_bytes = 0
        #: Frames for which no region was known in time.
        self._unsettled = 0
        self._slow = self._closed = False
        self._place = "at its end"
        self._worker: BackgroundWorker[Callable[[], None]] = BackgroundWorker(
            name, lambda work: work(), limit=queue_bytes, failed=self._fail, finish=self._finish
        )

    @property
    def dropped(self) -> int:
        """Frames that are not written although they may be kept; those that wait are among them."""
        return self.received - self.recorded - self.not_kept

    @property
    def incomplete(self) -> str:
        """What is missing because writing failed, and why; empty where it did not."""
        if not self._stops:
            return ""
        last = self._stops[-1]
        often = f" {len(self._stops)} times, the last time" if len(self._stops) > 1 else ""
        on = "" if last.until_s is None else f" and went on at {last.until_s:.1f} s"
        why = f" ({last.why})" if last.why else ""
        return f"the {self._name} stopped{often} {last.place}{why}{on}: {self._missing}"

    def frame(self, frame: Frame, region: Region | None) -> None:
        """Write the frame; as long as ``region`` is None (still sought) frames wait for it."""
        self.received += 1
        if region is not None:
            self.settle(region)
            self._put(frame, region)
        elif self._held_bytes + frame.image.nbytes <= self._limit_bytes:
            self._held.append(frame)
            self._held_bytes += frame.image.nbytes
        else:
            self._unsettled += 1

    def settle(self, region: Region | None) -> None:
        """Write what waited for the region, if it is known by now: before an event, and when the run has ended."""
        if region is not None:
            held, self._held, self._held_bytes = self._held, [], 0
            for frame in held:
                self._put(frame, region)

    def close(self, within_s: float = 10.0) -> None:
        """Write what waits and end the files; takes at most ``within_s``. May be called again."""
        if self._closed:
            return
        self._closed = True
        self._unsettled += len(self._held)
        self._held = []  # the region was never found: nothing of these frames may be kept
        if not self._worker.close(within_s):
            if not self.failed:
                self._stops.append(_Stop(f"and could not be ended within {within_s:g} s", ""))
                self.failed = f"the {self._name} could not be ended within {within_s:g} s"
                self._count()
            self._notify(self.failed)

    def _put(self, frame: Frame, region: Region) -> None:
        if frame.image.shape[:2] != (region.height, region.width):  # it changed before the region was found
            self._unsettled += 1
        elif not self._worker.put(partial(self._crop_and_write, frame, region), frame.image.nbytes) and not self._slow:
            self._slow = True
            self._notify(f"writing the {self._name} cannot keep up: frames are left out, the analysis is not affected")

    def _crop_and_write(self, frame: Frame, region: Region) -> None:
        if self.failed and not self._may_try():
            return
        image = keepable(frame.image, region, self._gate)
        if image is None:
            self.not_kept += 1
            return
        self._place = f"at {frame.time_s:.1f} s"
        if self._try_s is not None:
            self._try_s = min(self._try_s, frame.time_s)
        self._write(frame, image)
        self.recorded += 1
        if self._try_s is not None and self._went_well():
            self._goes_on(self._try_s)
        if not self._text.found:
            self._text.add(image, region, frame.time_s)
            if self._text.found:
                self._notify(f"{self._name}: {self._text.warnings()[0]}")

    def _may_try(self) -> bool:
        """Whether the next frame is written although writing failed: there may be room again."""
        if self._try_s is None and self._stops[-1].of_the_disk and self._again.is_due(lambda: self._kept.bytes_per_s):
            self._try_s, self._before_try = math.inf, self._kept
        return self._try_s is not None

    def _goes_on(self, time_s: float) -> None:
        self._stops[-1].until_s = time_s
        self.failed, self._try_s = "", None
        self._notify(f"writing the {self._name} goes on at {time_s:.1f} s{self._since(time_s)}")

    def _finish(self) -> None:
        self._place = "at its end"
        self._end_files()
        if self._try_s is not None and math.isfinite(self._try_s) and self._went_well():
            self._goes_on(self._try_s)

    def _fail(self, error: Exception) -> None:
        why = one_line(error)
        tried, self._try_s = self._try_s is not None, None
        if self.failed and not tried:
            return
        if not self.failed:
            self._stops.append(_Stop(self._place, why, is_of_the_disk(error)))
            self.failed = f"the {self._name} stopped {self._place}: {why}; what was written before can be read"
            self._notify(self.failed)
        self._again.stopped()
        with contextlib.suppress(Exception):  # the same error again
            self._end_files()
        self._count()

    @property
    def _kept(self) -> Kept:
        """What can be read of what was written so far."""
        raise NotImplementedError

    def _went_well(self) -> bool:
        """Whether what is tried is known to be on the disk."""
        return self._kept.images > self._before_try.images

    def _count(self) -> None:
        """Writing has failed: correct what was counted as written."""

    def _since(self, time_s: float) -> str:
        """For the message that writing goes on: what is missing."""
        return ""

    @property
    def _missing(self) -> str:
        raise NotImplementedError

    def _write(self, frame: Frame, image: Image) -> None:
        """Write ``image``, what of the frame may be kept: (H, W) gray."""
        raise NotImplementedError

    def _end_files(self) -> None:
        raise NotImplementedError


class Recorder(BackgroundRecording):
    """Records a feed into ``path`` (.mp4 or .mkv).

    ``recorded`` and ``dropped`` count the frames that are in the recording and that are not. ``resume``: ``path`` may
    exist, the recording continues in the next free part. ``gate``: what counts as ultrasound. ``begun`` is told of each
    part, as by ``SegmentedVideoWriter``.

    Raises UsageError for another suffix, OutputError where the file exists or its folder cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        resume: bool = False,
        gate: GateOptions = GATE,
        notify: Notify = nothing,
        begun: Callable[[RecordedVideo], bool] = lambda part: True,
        queue_bytes: int = QUEUE_BYTES,
        again: SecondTry | None = None,
    ) -> None:
        path = Path(path)
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"cannot record as {path.name}: name it with one of {', '.join(SUFFIXES)}")
        require_writable(path.parent)
        if path.exists() and not resume:
            raise OutputError(f"{path} exists already and is not overwritten; choose another name for the recording")
        self._video = SegmentedVideoWriter(path, begun)
        self._earlier = tuple(itertools.takewhile(Path.exists, map(self._video.part_path, itertools.count(1))))
        again = SecondTry(path.parent) if again is None else again
        super().__init__("recording", again, gate=gate, notify=notify, queue_bytes=queue_bytes)

    @property
    def parts(self) -> tuple[RecordedVideo, ...]:
        """The files so far."""
        return tuple(self._video.parts)

    @property
    def files(self) -> tuple[Path, ...]:
        """All parts of the recording, those from before it was resumed first."""
        return (*self._earlier, *(part.path for part in self.parts))

    def close(self, within_s: float = 10.0) -> None:
        first = not self._closed
        super().close(within_s)
        if first and self.dropped and not self._stops:
            self._notify(f"{self.dropped} of {self.received} frames are not in the recording{self._why_dropped()}")
        if first and self.not_kept:
            self._notify(
                f"{self.not_kept} of {self.received} frames show no ultrasound and are not in the recording: names"
                " may stand in them"
            )

    @property
    def _missing(self) -> str:
        return f"{self.received - self.recorded} of {self.received} frames are not in it"

    @property
    def _kept(self) -> Kept:
        return self._video.kept

    def _count(self) -> None:
        self.recorded = self._video.kept.images

    def _since(self, time_s: float) -> str:
        missing_s, path = time_s - self._before_try.until_s, self._video.parts[-1].path.name
        return f" in {path}" + (f": {missing_s:.1f} s before are not in it" if self._before_try.images else "")

    def _why_dropped(self) -> str:
        late = self.dropped - self._unsettled
        reasons = (
            f"{self._unsettled} came before their ultrasound region was known" if self._unsettled else "",
            f"{late} could not be written in time" if late else "",
        )
        return f": {' and '.join(filter(None, reasons))}"

    def _write(self, frame: Frame, image: Image) -> None:
        self._video.write(image, frame.time_s, frame.duration_s)

    def _end_files(self) -> None:
        self._video.close()
