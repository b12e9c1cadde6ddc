"""Going on with a run after a crash, a kill or a power cut."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seqcls.errors import OutputError, one_line
from seqcls.journal.append_file import AppendFile
from seqcls.journal.format import Opening, Resume
from seqcls.journal.reader import Journal, open_journal
from seqcls.journal.rebuild import Recorded, read_recorded
from seqcls.journal.writer import JournalWriter, Monotonic, Wall, begin, utc_now
from seqcls.postprocess import PostProcess, catch_up
from seqcls.types import Event, FrameCounts, Gap

#: Farther apart, the clock was set rather than the time passed (machines without a battery start in 1970).
MAX_APART_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resumption:
    """What a run needs to go on.

    process: with the state of one that has taken every recorded item and the gap; keeps no scores. emitted: the events
    that were recorded, of all sessions; pending: those that became certain in the session before and at the gap, and
    that no record says were emitted. The new session's frames are numbered from ``next_index`` and lie at ``time_s``
    plus the time since its beginning. frame_counts, gaps, start_s (None: nothing yet) and end_s: the totals so far,
    with the gap. gap: what was not recorded. healed_bytes: what was cut off. journal: what was found.
    """

    writer: JournalWriter
    opening: Opening
    sessions: tuple[str, ...]
    process: PostProcess
    pending: tuple[Event, ...]
    emitted: tuple[Event, ...]
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
        journal, run = read_recorded(path)  # before anything is changed: it may be no journal at all
        if accept is not None:
            accept(journal.opening)
        healed_bytes = file.heal()
        time_s = _now_s(run, wall().timestamp())
        gap = run.miss(time_s)
        used = journal.opening.provenance
        process, events = catch_up(run.raw, used.smoothing, used.intervals)
        session = uuid.uuid4().hex[:12] if session is None else session
        writer = JournalWriter(file, session, number=journal.last_number + 1, monotonic=monotonic, wall=wall)
        begin(writer, Resume(session=session, after=journal.sessions[-1], time_s=time_s, **writer.stamp()))
    except OSError as error:
        file.close()
        raise OutputError(f"cannot mend {path}: {one_line(error)}; copy it to another disk") from None
    except BaseException:
        file.close()
        raise
    emitted = set(run.emitted)
    return Resumption(
        writer=writer,
        opening=journal.opening,
        sessions=(*journal.sessions, session),
        process=process,
        pending=tuple(event for number, event in events if number >= run.session_items and event not in emitted),
        emitted=tuple(run.emitted),
        gap=gap,
        gaps=run.gaps,
        next_index=run.next_index,
        start_s=run.start_s,
        end_s=run.end_s,
        time_s=time_s,
        frame_counts=run.frame_counts,
        healed_bytes=healed_bytes,
        journal=journal,
    )


def _now_s(run: Recorded, wall_s: float) -> float:
    """Stream time of this moment; at least the end of what there is, also when the clock was set back."""
    if run.seen_at_s is None:
        return run.end_s
    elapsed_s = wall_s - run.seen_at_s
    return max(run.end_s, run.seen_s + elapsed_s) if elapsed_s <= MAX_APART_S else run.end_s
