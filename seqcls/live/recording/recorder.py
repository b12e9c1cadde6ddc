"""Recording a feed beside its analysis: what the ultrasound region shows, unless all is asked for."""

from __future__ import annotations

import contextlib
from pathlib import Path

from seqcls.errors import OutputError, UsageError
from seqcls.files import require_writable
from seqcls.geometry import Geometry, Region
from seqcls.live.background import BackgroundWorker, Notify, nothing
from seqcls.live.recording.fragmented_video import (
    SUFFIXES,
    FragmentedVideoWriter,
    Image,
    OpenVideo,
    RecordedVideo,
    SegmentedVideoWriter,
    in_short,
)
from seqcls.types import Frame

#: Frames that wait for the encoder hold at most this much memory.
QUEUE_BYTES = 64 << 20


class Recorder:
    """Records a feed into ``path`` (.mp4 or .mkv), encoding in a thread of its own; never raises into the run.

    By default nothing from outside the ultrasound region is kept (names are burnt in there); ``whole`` keeps all.
    Frames that the encoder or the disk cannot take in time are left out of the recording and counted in ``dropped``.
    ``failed`` is one line once the disk gave out: recording has stopped then, what was written stays readable.
    ``resume``: ``path`` may exist, the recording goes on in the next free part.

    Raises UsageError for another suffix, OutputError where the file exists or its folder cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        whole: bool = False,
        resume: bool = False,
        notify: Notify = nothing,
        queue_bytes: int = QUEUE_BYTES,
        open_part: OpenVideo = FragmentedVideoWriter,
    ) -> None:
        path = Path(path)
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"cannot record as {path.name}: name it with one of {', '.join(SUFFIXES)}")
        require_writable(path.parent)
        if path.exists() and not resume:
            raise OutputError(f"{path} exists already and is not overwritten; choose another name for the recording")
        self.failed = ""
        self.recorded = 0
        self._notify = notify
        self._film = SegmentedVideoWriter(path, open_part)
        self._cropper = Cropper(whole, queue_bytes)
        self._told = self._closed = False
        self._unwritten = 0
        self._worker: BackgroundWorker[tuple[Frame, Region | None]] = BackgroundWorker(
            "record", self._encode, most=queue_bytes, failed=self._fail, finish=self._film.close
        )

    @property
    def parts(self) -> tuple[RecordedVideo, ...]:
        """The files so far."""
        return tuple(self._film.parts)

    @property
    def dropped(self) -> int:
        """Frames that are not in the recording."""
        return self._worker.dropped + self._cropper.dropped + self._unwritten

    def frame(self, frame: Frame, region: Region | None) -> None:
        """Record the frame; as long as ``region`` is None (not found yet) frames wait for it, unless ``whole``."""
        for ready in self._cropper.ready(frame, region):
            if not self._worker.put(ready, ready[0].image.nbytes) and not self._told:
                self._told = True
                self._notify("recording cannot keep up: frames are left out of it, the analysis is not affected")

    def close(self, within_s: float = 10.0) -> None:
        """Encode what waits, end the file; at most ``within_s``. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._cropper.close()
        if not self._worker.close(within_s):
            self.failed = self.failed if self.failed else f"the recording could not be ended within {within_s:g} s"
            self._notify(self.failed)
        elif self.dropped and not self.failed:
            self._notify(f"{self.dropped} of {self.dropped + self.recorded} frames are not in the recording")

    def _encode(self, item: tuple[Frame, Region | None]) -> None:
        frame, region = item
        if self.failed:
            self._unwritten += 1
            return
        try:
            self._film.write(self._cropper.picture(frame, region), frame.time_s, frame.duration_s)
        except Exception as error:
            self._unwritten += 1
            self._fail(error, frame.time_s)
        else:
            self.recorded += 1

    def _fail(self, error: Exception, time_s: float | None = None) -> None:
        if self.failed:
            return
        where = "at its end" if time_s is None else f"at {time_s:.1f} s"
        self.failed = f"recording stopped {where}: {in_short(error)}; what was recorded before can be read"
        self._notify(self.failed)
        if time_s is not None:
            with contextlib.suppress(Exception):  # says the same once more
                self._film.close()


class Cropper:
    """What of a frame may be kept: all (``whole``), or the ultrasound region. Frames wait until that is known."""

    def __init__(self, whole: bool, most_bytes: int) -> None:
        self.dropped = 0
        self._whole, self._most = whole, most_bytes
        self._geometry = Geometry()
        self._held: list[Frame] = []
        self._held_bytes = 0

    def ready(self, frame: Frame, region: Region | None) -> list[tuple[Frame, Region | None]]:
        """The frames, oldest first, that can be cropped now that this one came with its ``region``, or None."""
        if self._whole:
            return [(frame, None)]
        if region is None:
            if self._held_bytes + frame.image.nbytes > self._most:
                self.dropped += 1
            else:
                self._held.append(frame)
                self._held_bytes += frame.image.nbytes
            return []
        frames = [*self._held, frame]
        self._held, self._held_bytes = [], 0
        fit = [(f, region) for f in frames if f.image.shape[:2] == (region.height, region.width)]
        self.dropped += len(frames) - len(fit)  # the picture size changed before the region was found
        return list(fit)

    def picture(self, frame: Frame, region: Region | None) -> Image:
        """(H, W) gray, masked and cropped; as it is, gray or BGR, when ``whole``."""
        return frame.image if region is None else self._geometry.crop(frame.image, region)

    def close(self) -> None:
        """The region was never found: nothing of the frames that wait may be kept."""
        self.dropped += len(self._held)
        self._held = []
