"""Going on with a run after a crash, a kill or a power cut."""

from __future__ import annotations

import math
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path

from seqcls.errors import OutputError
from seqcls.journal.append_file import AppendFile
from seqcls.journal.format import Entry, Frames, Opening, Resume
from seqcls.journal.reader import Journal, open_journal, read_journal
from seqcls.journal.rebuild import Rebuilt, RunAccumulator
from seqcls.journal.tail import memory_s, settled_at
from seqcls.journal.writer import JournalWriter, Monotonic, Wall, begin, utc_now
from seqcls.postprocess import PostProcess
from seqcls.types import Event, FrameCounts, FrameScore, Gap

#: Farther apart, the clock was set rather than the time passed (machines without a battery start in 1970).
MAX_APART_S = 30 * 86_400.0
#: How much of the end is kept for finding out the state, where options do not ask for more.
MIN_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resumption:
    """What a run needs to go on.

    ``process`` has the state of one that has taken every recorded item and the gap, and keeps no scores. ``untold`` are
    the events that became certain in the session before and at the gap, and that no record says were passed on;
    ``told`` are those that a record tells of, of all sessions. The new session's frames are numbered from
    ``next_index`` and lie at ``time_s`` plus the time since its beginning.
    ``frame_counts``, ``gaps``, ``start_s`` (None: nothing yet) and ``end_s`` are the totals so far, with the gap.
    ``gap`` is what was not recorded, ``healed_bytes`` what was cut off, ``journal`` what was found.
    """

    writer: JournalWriter
    opening: Opening
    sessions: tuple[str, ...]
    process: PostProcess
    untold: tuple[Event, ...]
    told: tuple[Event, ...]
    gap: Gap | None
    gaps: tuple[Gap, ...]
    next_index: int
    start_s: float | None
    end_s: float
    time_s: float
    frame_counts: FrameCounts
    healed_bytes: int
    journal: Journal


def resume(
    path: str | Path,
    *,
    accept: Callable[[Opening], None] | None = None,
    session: str | None = None,
    monotonic: Monotonic = time.monotonic,
    wall: Wall = utc_now,
) -> Resumption:
    """Open a journal to append to it, with the state that its run had.

    ``accept`` may raise if this is not the run to go on with: then nothing has been changed yet.

    An unfinished last line is cut off. The time that passed by the clock on the wall since the last item, never less
    than none, becomes a gap. Raises DataError where there is no journal to go on with, OutputError where another run
    writes it or it cannot be written, DiskFullError where there is no space.
    """
    open_journal(path).close()  # a folder or a pipe is refused in the reader's words
    file = AppendFile(path, create=False)
    try:
        run = _Ending()
        journal = read_journal(path, run.take)  # before anything is changed: it may be no journal at all
        if accept is not None:
            accept(journal.opening)
        healed_bytes = file.heal()
        time_s = _now_s(run, wall().timestamp())
        gap = run.miss(time_s)
        process, untold = _state(run, journal)
        session = uuid.uuid4().hex[:12] if session is None else session
        writer = JournalWriter(file, session, number=journal.last_number + 1, monotonic=monotonic, wall=wall)
        begin(writer, Resume(session=session, after=journal.sessions[-1], time_s=time_s, **writer.stamp()))
    except OSError as error:
        file.close()
        raise OutputError(f"cannot mend {path}: {error.strerror or error}; copy it to another disk") from None
    except BaseException:
        file.close()
        raise
    return Resumption(
        writer=writer,
        opening=journal.opening,
        sessions=(*journal.sessions, session),
        process=process,
        untold=untold,
        told=tuple(dict.fromkeys((*run.told_before, *run.told))),
        gap=gap,
        gaps=tuple(run.gaps),
        next_index=run.next_index,
        start_s=run.start_s,
        end_s=run.end_s,
        time_s=time_s,
        frame_counts=run.frame_counts,
        healed_bytes=healed_bytes,
        journal=journal,
    )


class _Ending(RunAccumulator):
    """Counts everything, and keeps the items of the end."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = True  # whether ``items`` are all
        self.later = 0  # how many of the items the last session has
        self.told_before: list[Event] = []  # by the sessions before the last
        self._blocks: deque[Frames | FrameScore | Gap] = deque()
        self._most_s = math.inf

    def take(self, block: Entry | Frames) -> None:
        super().take(block)
        record = block.record if isinstance(block, Entry) else None
        if isinstance(record, Opening):
            self._most_s = max(MIN_S, 2 * memory_s(record.provenance.smoothing, record.provenance.intervals))
        elif isinstance(record, Resume):
            self.told_before += self.told
            self.told.clear()
            self.later = 0

    def push(self, item: FrameScore | Gap) -> None:
        self.later += 1
        self._keep(item)

    def push_frames(self, frames: Frames) -> None:
        self.later += len(frames.index)
        self._keep(frames)

    def items(self) -> list[FrameScore | Gap]:
        """Those of the end, or all."""
        items: list[FrameScore | Gap] = []
        for block in self._blocks:
            items.extend(block.items() if isinstance(block, Frames) else [block])
        late = list(dropwhile(self._is_long_ago, items))
        self.whole &= len(late) == len(items)
        return late

    def _is_long_ago(self, block: Frames | FrameScore | Gap) -> bool:
        return _ends_s(block) < self.end_s - self._most_s

    def _keep(self, block: Frames | FrameScore | Gap) -> None:
        self._blocks.append(block)
        while self._blocks and self._is_long_ago(self._blocks[0]):
            self._blocks.popleft()
            self.whole = False


def _ends_s(block: Frames | FrameScore | Gap) -> float:
    if isinstance(block, Gap):
        return block.end_s
    return block.time_s if isinstance(block, FrameScore) else float(block.time_s[-1])


class _Again(Rebuilt):
    """The run once more, with the events of its last session: that one passed on what was untold before it."""

    def take(self, block: Entry | Frames) -> None:
        super().take(block)
        if isinstance(block, Entry) and isinstance(block.record, Resume):
            self.events.clear()


def _state(run: _Ending, journal: Journal) -> tuple[PostProcess, tuple[Event, ...]]:
    """Post-processing as the run left it, and the events that it did not tell of any more."""
    opening = journal.opening
    used = opening.provenance
    again = _Again(opening, used.smoothing, used.intervals, keep=False)
    items = run.items()
    since_s = -math.inf if run.whole else settled_at(items, used.smoothing, used.intervals)
    if since_s is None:
        for block in journal.blocks():
            again.take(block)
        again.miss(run.end_s)
    else:
        for place, item in enumerate(items, run.later - len(items)):
            if place == 0:
                again.events.clear()
            again.push(item)
    told = set(run.told)
    fresh = (event for event in again.events if since_s is None or event.final_s > since_s)
    return again.process, tuple(event for event in fresh if event not in told)


def _now_s(run: RunAccumulator, wall_s: float) -> float:
    """Stream time of this moment; at least the end of what there is, also when the clock was set back."""
    if run.seen_at_s is None:
        return run.end_s
    elapsed_s = wall_s - run.seen_at_s
    return max(run.end_s, run.seen_s + elapsed_s) if elapsed_s <= MAX_APART_S else run.end_s
