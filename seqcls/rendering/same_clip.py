"""Whether a clip is the one that a run saw: two patients' clips may have the same name, size and length."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seqcls.errors import SourceError
from seqcls.sources.clip_digest import clip_digest
from seqcls.timeline import Timeline
from seqcls.types import Frame, SourceInfo

#: A frame of the run and the same one read again have the same time; decimals of a table aside.
SAME_TIME_S = 1e-4


def is_same_file(timeline: Timeline, path: str | Path) -> bool | None:
    """Whether the bytes are those of the run's clip; None where nobody knows: the run has kept no digest, or this is no
    file."""
    known = timeline.provenance.source_digest
    found = clip_digest(str(path)) if known else ""
    return found == known if known and found else None


def require_same_file(timeline: Timeline, path: str | Path) -> None:
    """Raises SourceError where the bytes are others than those of the run's clip."""
    if is_same_file(timeline, path) is False:
        raise SourceError(f"{Path(path).name} is another file than the clip of this run: name the clip of this run")


class FramesAgain:
    """A clip that is read again for a run, frame by frame: the same times, sizes and number, or another clip."""

    def __init__(self, timeline: Timeline, info: SourceInfo) -> None:
        """Raises SourceError for another size of images."""
        run = timeline.source
        sizes = (run.width, run.height), (info.width, info.height)
        self._name, self._table, self._next = info.name, timeline.scores, 0
        # A live run leaves frames out, and one that was interrupted did not come to the end.
        cut = timeline.report.verdict in ("interrupted", "unknown")
        live = timeline.provenance.latency_ms is not None or bool(timeline.provenance.sessions)
        self._all = not cut and not live
        if min(min(size) for size in sizes) > 0 and sizes[0] != sizes[1]:
            raise self._another("has images of {}x{}, the run had {}x{}".format(*sizes[1], *sizes[0]))

    def take(self, frame: Frame) -> int | None:
        """The row of this frame, the next of the clip, in the run's table; None where the run did not see it.

        Raises SourceError for another clip.
        """
        row = int(np.searchsorted(self._table.index, frame.index))
        if row >= len(self._table.index) or int(self._table.index[row]) != frame.index:
            if self._all:
                raise self._another(f"has a frame {frame.index}, the run had none")
            return None
        time_s = float(self._table.time_s[row])
        if abs(frame.time_s - time_s) > SAME_TIME_S:
            raise self._another(f"has frame {frame.index} at {frame.time_s:.3f} s, the run at {time_s:.3f} s")
        if row != self._next:
            raise self._another(f"lacks frame {int(self._table.index[self._next])} of the run")
        self._next = row + 1
        return row

    def require_end(self) -> None:
        """After the last frame. Raises SourceError where the run had more."""
        if self._next < len(self._table.index):
            raise self._another(f"lacks frame {int(self._table.index[self._next])} of the run")

    def _another(self, why: str) -> SourceError:
        return SourceError(f"{self._name} {why}: name the clip of this run")
