"""Going on with a run after a crash, a kill or a power cut."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seqcls.errors import OutputError, one_line
from seqcls.journal.append_file import AppendFile
from seqcls.journal.format import Opening, Resume
from seqcls.journal.reader import open_journal
from seqcls.journal.rebuild import Journal, read_journal
from seqcls.journal.writer import JournalWriter, Monotonic, Wall, begin, utc_now
from seqcls.postprocess import PostProcess
from seqcls.reprocess import catch_up
from seqcls.steady_clock import steady_s
from seqcls.types import TIME_TOLERANCE_S, Event, Gap

#: Farther apart, the clock was set rather than the time passed (machines without a battery start in 1970).
MAX_APART_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resumption:
    """What a run needs to go on.

    journal: what was found, and the gap. process: with the state of one that has taken every recorded item and the gap;
    keeps no scores. pending: the events that became certain in the session before and at the gap, and that no record
    says were emitted. gap: what was not recorded. time_s: where the new session begins; its frames are numbered from
    ``journal.next_index``. healed_bytes: what was cut off.
    """

    writer: JournalWriter
    journal: Journal
    process: PostProcess
    pending: tuple[Event, ...]
    gap: Gap | None
    time_s: float
    healed_bytes: int

    @property
    def last_frame_s(self) -> float:
        """When the last frame that was recorded ended: where the gaps that lead up to ``time_s`` begin."""
        last_s = self.time_s
        for gap in reversed(self.journal.gaps):
            if gap.end_s < last_s - TIME_TOLERANCE_S:
                break
            last_s = gap.start_s
        return last_s


def resume(
    path: str | Path,
    *,
    accept: Callable[[Opening], None] | None = None,
    session: str | None = None,
    monotonic: Monotonic = steady_s,
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
        journal = read_journal(path)  # before anything is changed: it may be no journal at all
        if accept is not None:
            accept(journal.opening)
        healed_bytes = file.heal()
        time_s = _now_s(journal, wall().timestamp())
        gap = journal.miss(time_s)
        used = journal.opening.provenance
        use = used.novelty is not None and used.novelty.used
        process, events = catch_up(journal.raw, used.smoothing, used.intervals, novelty=use)
        session = uuid.uuid4().hex[:12] if session is None else session
        writer = JournalWriter(file, session, number=journal.last_number + 1, monotonic=monotonic, wall=wall)
        begin(writer, Resume(session=session, after=journal.sessions[-1], time_s=time_s, **writer.stamp()))
    except OSError as error:
        file.close()
        raise OutputError(f"cannot mend {path}: {one_line(error)}; copy it to another disk") from None
    except BaseException:
        file.close()
        raise
    emitted = set(journal.emitted)
    return Resumption(
        writer=writer,
        journal=journal,
        process=process,
        pending=tuple(event for number, event in events if number >= journal.session_items and event not in emitted),
        gap=gap,
        time_s=time_s,
        healed_bytes=healed_bytes,
    )


def _now_s(journal: Journal, wall_s: float) -> float:
    """Stream time of this moment; at least the end of what there is, also when the clock was set back."""
    if journal.seen_at_s is None:
        return journal.end_s
    elapsed_s = wall_s - journal.seen_at_s
    return max(journal.end_s, journal.seen_s + elapsed_s) if elapsed_s <= MAX_APART_S else journal.end_s
