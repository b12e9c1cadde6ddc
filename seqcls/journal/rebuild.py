"""From a journal back to the run: the same items through the same post-processing, hence the same timeline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from seqcls.errors import DataError, NoFramesError
from seqcls.intervals import IntervalOptions, one_per_organ
from seqcls.journal.format import NOT_RECORDED, PAUSED, Action, Close, Entry, Opening, Resume, Video
from seqcls.journal.reader import Damage, JournalReader, open_journal
from seqcls.journal.scored_frames import Frames
from seqcls.novelty import with_novelty
from seqcls.pauses import with_pauses
from seqcls.postprocess import RawScores
from seqcls.reprocess import post_process
from seqcls.smoothing import SmoothingOptions
from seqcls.timeline import Timeline, VideoPart
from seqcls.types import TIME_TOLERANCE_S, Event, FrameCounts, FrameScore, Gap, SourceReport, Verdict

#: Called with the bytes read so far, and all there are.
Progress = Callable[[int, int], None]
#: The times of frames and of acts come from two clocks; so much later is later on both.
_SURELY_LATER_S = 1.0


def read_journal(path: str | Path, on_progress: Progress | None = None) -> Journal:
    """Read a journal through; what is damaged in it is counted and passed over. What is appended meanwhile is not seen.

    Raises DataError where there is no such file, it holds no readable `open` record, or its format is newer.
    """
    path = Path(path)
    journal: Journal | None = None
    with open_journal(path) as stream:
        reader = JournalReader(path, stream)
        for block in reader.blocks():
            if isinstance(block, Entry) and isinstance(block.record, Opening):
                journal = Journal(path, block.record)
            assert journal is not None, "a reader begins with the opening"
            journal.take(block)
            if on_progress is not None:
                on_progress(stream.tell(), reader.size)
    if journal is None:
        raise DataError(f"{path} holds no journal that can be read: its first record is missing or damaged")
    journal.damage = reader.damage
    return journal


class Journal:
    """A run as its journal has it: every score, and what the records come to.

    sessions: their ids. closed: the last record, where the run was closed. count: how many records are whole; the last
    of them has last_number. raw: the items in stream order, with the gaps where nothing was recorded. emitted: the
    events that the run recorded itself. session_items: how many items came before the last session. start_s (None:
    nothing yet), end_s: of all items. seen_at_s, seen_s: the time of day (seconds since 1970) and the stream time of
    the last one. videos: what was recorded of it.
    """

    def __init__(self, path: Path, opening: Opening) -> None:
        self.path = path
        self.opening = opening
        self.damage = Damage()
        self._sessions: list[str] = []
        self.closed: Close | None = None
        self.count = 0
        self.last_number = -1
        self.raw = RawScores(opening.organs)
        self.emitted: list[Event] = []
        self.session_items = 0
        self.start_s: float | None = None
        self.end_s = 0.0
        self.next_index = 0
        self.seen_at_s: float | None = None
        self.seen_s = 0.0
        self.videos: list[VideoPart] = []
        self._session_began_s = 0.0
        self._dropped = 0
        self._paused, self._paused_at_s = False, -math.inf

    @property
    def sessions(self) -> tuple[str, ...]:
        return tuple(self._sessions)

    @property
    def paused(self) -> bool:
        """Whether a person had paused the run when it ended. The frames say so where a full disk did not take the act;
        some that came before it may have been scored after it."""
        table = self.raw.table()
        if not len(table.time_s) or table.time_s[-1] <= self._paused_at_s:
            return self._paused
        if table.reason[-1] == PAUSED:
            return True
        return self._paused and float(table.time_s[-1]) < self._paused_at_s + _SURELY_LATER_S

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(gap for _, gap in self.raw.gaps)

    @property
    def frame_counts(self) -> FrameCounts:
        """By the records: numbers that frames skip were dropped, unless records are missing there."""
        return self.raw.table().frame_counts(self._dropped)

    def take(self, block: Entry | Frames) -> None:
        """The next entry, or frames."""
        length = len(block.index) if isinstance(block, Frames) else 1
        self.count += length
        self.last_number = block.number + length - 1
        self.closed = None
        if isinstance(block, Frames):
            self._take_frames(block)
        else:
            self._take_entry(block)

    def miss(self, until_s: float) -> Gap | None:
        """Nothing is known from the end of what was recorded until ``until_s``; the gap, where there is one."""
        if until_s <= self.end_s + TIME_TOLERANCE_S:
            return None
        gap = Gap(self.end_s, until_s, NOT_RECORDED)
        self._add(gap, gap.start_s, gap.end_s)
        return gap

    def _take_entry(self, entry: Entry) -> None:
        record = entry.record
        if isinstance(record, FrameScore):
            self._take_frame(record, entry.after_damage)
            self.seen_at_s, self.seen_s = self._session_began_s + entry.at_s, record.time_s
        elif isinstance(record, Gap):
            if entry.after_damage:
                self.miss(record.start_s)
            self._add(record, record.start_s, record.end_s)
            self.seen_at_s, self.seen_s = self._session_began_s + entry.at_s, record.end_s
        elif isinstance(record, Event):
            self.emitted.append(record)
        elif isinstance(record, Action):
            if record.action in ("pause", "continue"):
                self._paused, self._paused_at_s = record.action == "pause", record.time_s
        elif isinstance(record, Video):
            self.videos.append(VideoPart(record.file, record.start_s, record.organ))
        elif isinstance(record, Close):
            if entry.after_damage:
                self.miss(record.end_s)
            self.closed = record
        elif isinstance(record, (Opening, Resume)):
            self._sessions.append(record.session)
            self._session_began_s = datetime.fromisoformat(record.wall).timestamp()
            if isinstance(record, Resume):
                self.miss(record.time_s)
                self.session_items = len(self.raw)

    def _take_frame(self, frame: FrameScore, after_damage: bool) -> None:
        if after_damage:
            # What was lost may have been no frame but an event: then nothing is missing.
            slack_s = frame.duration_s if frame.index == self.next_index else 0.0
            if frame.time_s > self.end_s + slack_s:
                self.miss(frame.time_s)
        else:
            self._dropped += max(0, frame.index - self.next_index)
        self.next_index = frame.index + 1
        self._add(frame, frame.time_s, frame.time_s + frame.duration_s)

    def _take_frames(self, frames: Frames) -> None:
        expected = np.concatenate(([self.next_index], frames.index[:-1] + 1))
        self._dropped += int(np.maximum(0, frames.index - expected).sum())
        self.next_index = int(frames.index[-1]) + 1
        if self.start_s is None:
            self.start_s = float(frames.time_s[0])
        self.end_s = max(self.end_s, float((frames.time_s + frames.duration_s).max()))
        self.seen_at_s, self.seen_s = self._session_began_s + float(frames.at_s[-1]), float(frames.time_s[-1])
        self.raw.add_frames(frames.index, frames.time_s, frames.duration_s, frames.scores, novelty=frames.novelty)

    def _add(self, item: FrameScore | Gap, start_s: float, end_s: float) -> None:
        self.raw.add(item)
        if self.start_s is None:
            self.start_s = start_s
        self.end_s = max(self.end_s, end_s)

    def timeline(
        self,
        smoothing: SmoothingOptions | None = None,
        intervals: Sequence[IntervalOptions] | None = None,
        novelty: bool | None = None,
    ) -> Timeline:
        """The run's timeline, by its own options where none are stated; ``intervals`` holds one entry per organ.

        Stretches that are missing are gaps, "not recorded". The verdict is ``truncated`` where the run was not closed,
        else ``damaged`` where records are missing, else the run's own. Raises NoFramesError where nothing was recorded,
        UsageError for options that do not fit.
        """
        opening, closed = self.opening, self.closed
        smoothing = opening.provenance.smoothing if smoothing is None else smoothing
        intervals = one_per_organ(opening.provenance.intervals if intervals is None else intervals, opening.organs)
        if self.start_s is None:
            raise NoFramesError(f"{self.path} ends before the first frame: there is nothing to show")
        end_s = self.end_s if closed is None else max(self.end_s, closed.end_s)
        known = opening.provenance.novelty
        known = known if known is None or novelty is None else replace(known, used=novelty)
        scores, found = post_process(self.raw, smoothing, intervals, end_s, novelty=known is not None and known.used)
        frame_counts = self.frame_counts if closed is None else closed.frame_counts
        return Timeline(
            source=opening.source,
            organs=opening.organs,
            start_s=self.start_s,
            end_s=end_s,
            intervals=found,
            scores=scores,
            frame_counts=frame_counts,
            report=SourceReport(self._verdict(), self._reasons(), frame_counts.received, self.gaps),
            warnings=with_novelty(with_pauses(() if closed is None else closed.warnings, scores, self.gaps), scores),
            provenance=replace(
                opening.provenance,
                smoothing=smoothing,
                intervals=intervals,
                novelty=known,
                regions=() if closed is None else closed.regions,
                latency_ms=None if closed is None else closed.latency_ms,
                videos=tuple(self.videos),
                sessions=self.sessions,
                began=opening.wall,
            ),
        )

    def _not_recorded_s(self) -> float:
        """As the states have it: each such stretch lasts until there is a frame again, or another reason."""
        missing = [gap for gap in self.gaps if gap.reason == NOT_RECORDED]
        if not missing:
            return 0.0
        begins_s = np.sort([*self.raw.table().time_s, *(gap.start_s for gap in self.gaps), self.end_s])
        next_s = begins_s[np.searchsorted(begins_s, [gap.end_s - TIME_TOLERANCE_S for gap in missing])]
        return float(np.sum(next_s - [gap.start_s for gap in missing]))

    def _verdict(self) -> Verdict:
        if self.closed is None:
            return "truncated"
        return "damaged" if self.damage.summary else self.closed.verdict

    def _reasons(self) -> tuple[str, ...]:
        missing_s = self._not_recorded_s()
        found = (
            ""
            if self.closed is not None
            else "the recording ended without being closed (crash, kill, power cut or a full disk)",
            f"the journal is damaged: {self.damage.summary}" if self.damage.summary else "",
            f"{missing_s:.2f} s in between were not recorded" if missing_s else "",
        )
        before = () if self.closed is None else self.closed.reasons
        return (*before, *(reason for reason in found if reason))
