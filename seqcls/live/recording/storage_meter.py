"""How much is recorded, and for how long there is room: measured beside the run, because a disk may take its time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from seqcls.errors import OutputError
from seqcls.files.disk_room import free_bytes
from seqcls.live.background import Notify, nothing
from seqcls.live.recording.presence_clips import PresenceClips
from seqcls.live.recording.recorder import Recorder
from seqcls.live.snapshot import Storage
from seqcls.text.wording import duration_of, size_of

EVERY_S = 1.0
#: The rate of writing is that of the last minute; less than a few seconds say nothing of it.
_RATE_OVER_S, _LEAST_S = 60.0, 5.0


class StorageMeter:
    """Measures every second, in a thread of its own from ``start`` until ``close``; ``latest`` is None before.

    ``journal`` is written too, and counts for the rate. ``notify`` gets one line when the disk is nearly full, and
    again once there was room meanwhile.
    """

    def __init__(
        self,
        journal: Path,
        recorder: Recorder | None,
        clips: PresenceClips | None,
        *,
        notify: Notify = nothing,
        free_bytes: Callable[[Path], int] = free_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.latest: Storage | None = None
        self._journal, self._recorder, self._clips = journal, recorder, clips
        self._notify, self._free_bytes, self._clock = notify, free_bytes, clock
        self._written: deque[tuple[float, int]] = deque()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="seqcls-storage", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Idempotent; a thread that waits for the disk is left behind."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def measure(self) -> None:
        """Now."""
        recorded = () if self._recorder is None else self._recorder.files
        clips = () if self._clips is None else self._clips.files
        written = _size(recorded) + _size(clips)
        try:
            free = min(self._free_bytes(folder) for folder in {path.parent for path in (self._journal, *recorded[:1])})
        except OutputError:  # a disk that was taken away: whoever writes there says so
            return
        if not written and (self._recorder is not None or self._clips is not None):
            self._written.clear()  # the rate of a recording begins with it: until then the journal alone grows
        was_full = self.latest is not None and self.latest.nearly_full
        self.latest = Storage(
            recording=self._recorder is not None and not self._recorder.failed,
            clips=None if self._clips is None else len(clips),
            written_bytes=written,
            free_bytes=free,
            left_s=free / rate if (rate := self._rate(written + _size([self._journal]))) > 0 else float("inf"),
        )
        if self.latest.nearly_full and not was_full:
            left = f", {duration_of(self.latest.left_s)} left" if rate > 0 else ""
            self._notify(f"disk nearly full: {size_of(free)} free{left}; make room, or end the recording")

    def _rate(self, written: int) -> float:
        """Bytes per second; 0 as long as it is not known."""
        now_s = self._clock()
        self._written.append((now_s, written))
        while now_s - self._written[0][0] > _RATE_OVER_S:
            self._written.popleft()
        first_s, first = self._written[0]
        return (written - first) / (now_s - first_s) if now_s - first_s >= _LEAST_S else 0.0

    def _run(self) -> None:
        while not self._end.is_set():
            self.measure()
            self._end.wait(EVERY_S)


def _size(paths: Iterable[Path]) -> int:
    """Of all of them; one that is gone counts nothing."""
    total = 0
    for path in paths:
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total
