"""What a person does while a run goes on: marks a moment, keeps its image, pauses; all of it is journalled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError, one_line
from seqcls.files import atomic_path
from seqcls.files.safe_names import clip_name
from seqcls.journal import JournalWriter
from seqcls.live.background import BackgroundWorker, Notify, nothing
from seqcls.text.wording import count_of

Image = NDArray[np.uint8]
Act = Literal["mark", "snapshot", "pause"]
#: The folder of snapshots in a run's.
SNAPSHOTS = "snapshots"


class Operator:
    """Takes what a person does, from any thread, and never makes the run wait.

    paused: whether nothing is to be scored, shown or recorded. marks: how many moments were marked in this session.
    Snapshots become ``<folder>/snapshot-<h-m-s.ms>.png``: of the ultrasound region alone, and are journalled once they
    are written. ``notify`` gets a line about each act, which says so where the journal could not take it. incomplete:
    at the end, what could not be written, and why; empty where nothing is missing.
    """

    def __init__(
        self, folder: Path, *, paused: bool = False, journal: JournalWriter | None = None, notify: Notify = nothing
    ) -> None:
        self.paused = paused
        self.marks = 0
        self.incomplete = ""
        self._lost = 0
        self._folder, self._journal, self._notify = folder, journal, notify
        self._writer: BackgroundWorker[tuple[Path, Image, float]] = BackgroundWorker(
            "snapshots", self._write, limit=4, failed=self._failed
        )

    def act(self, act: str, time_s: float, image: Callable[[], Image | None]) -> None:
        """Do it at ``time_s`` of the run; pausing again goes on. ``image``: (H, W) what may be kept of the newest
        frame, None for nothing. Raises UsageError for what is no Act."""
        if act not in get_args(Act):
            raise UsageError(f"{act[:20]!r} is nothing that a run does")
        at = _clock(time_s)
        if act == "mark":
            self.marks += 1
            message = f"mark {self.marks} at {at}"
        elif act == "pause":
            self.paused = not self.paused
            message = f"paused at {at}: nothing is scored or recorded" if self.paused else f"went on at {at}"
            act = "pause" if self.paused else "continue"
        else:
            kept = None if self.paused else image()
            if kept is None:
                self._notify("no snapshot: there is nothing now that may be kept")
                return
            path = self._folder / Path(clip_name("snapshot", time_s)).with_suffix(".png")
            if not self._writer.put((path, kept, time_s)):
                self._notify("no snapshot: too many are still being written")
            return
        self._tell(message, act, time_s)

    def close(self) -> None:
        """Write what waits; takes at most a few seconds."""
        self._writer.close(4.0)

    def _failed(self, error: Exception) -> None:
        self._lost += 1
        self.incomplete = f"{count_of(self._lost, 'snapshot')} not written ({one_line(error.__cause__ or error)})"
        self._notify(f"no snapshot: {one_line(error)}")

    def _write(self, item: tuple[Path, Image, float]) -> None:
        path, image, time_s = item
        with atomic_path(path) as temporary:
            temporary.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        self._tell(f"snapshot {path.name} at {_clock(time_s)}", "snapshot", time_s, path.name)

    def _tell(self, message: str, act: str, time_s: float, file: str = "") -> None:
        """It is done: journal it, and say so."""
        if self._journal is not None and not self._journal.action(act, time_s, file):
            message += ", which the journal could not take"
        self._notify(message)


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(int(time_s), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
