"""From a journal back to the run: the same items through the same post-processing, hence the same timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from seqcls.errors import NoFramesError
from seqcls.intervals import IntervalOptions, one_per_organ
from seqcls.journal.format import NOT_RECORDED, Entry, Frames, Opening, Resume
from seqcls.journal.reader import Journal, Progress, read_journal
from seqcls.postprocess import RawScores, post_process, unknown_stretches
from seqcls.smoothing import SmoothingOptions
from seqcls.timeline import Timeline
from seqcls.types import TIME_TOLERANCE_S, Event, FrameCounts, FrameScore, Gap, SourceReport, Verdict


def timeline_from_journal(
    journal: Journal,
    smoothing: SmoothingOptions | None = None,
    intervals: Sequence[IntervalOptions] | None = None,
) -> Timeline:
    """The run's timeline, by its own options where none are stated; ``intervals`` holds one entry per organ.

    Stretches that are missing are gaps, "not recorded". The verdict is ``truncated`` where the run did not end in
    order, else ``damaged`` where records are missing, else the run's own. Raises NoFramesError where nothing was
    recorded, UsageError for options that do not fit.
    """
    run = Recorded()
    for block in journal.blocks():
        run.take(block)
    return run.timeline(journal, smoothing, intervals)


def read_recorded(path: str | Path, on_progress: Progress | None = None) -> tuple[Journal, Recorded]:
    """A journal and all that it holds, read once, for ``Recorded.timeline``. Raises what ``read_journal`` raises."""
    run = Recorded()
    return read_journal(path, run.take, on_progress), run


class Recorded:
    """All that the records of a run hold: every score, and what they come to.

    raw: the items in stream order, with the gaps where nothing was recorded. emitted: the events that the run recorded
    itself. session_items: how many items came before the last session. seen_at_s, seen_s: the time of day (seconds
    since 1970) and the stream time of the last item.
    """

    def __init__(self) -> None:
        self.raw = RawScores(())
        self.emitted: list[Event] = []
        self.session_items = 0
        self.start_s: float | None = None
        self.end_s = 0.0
        self.next_index = 0
        self.seen_at_s: float | None = None
        self.seen_s = 0.0
        self._session_began_s = 0.0
        self._damaged = False
        self._frames = self._rejected = self._skipped = self._dropped = 0

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(gap for _, gap in self.raw.gaps)

    @property
    def frame_counts(self) -> FrameCounts:
        """By the records: numbers that frames skip were dropped, unless records are missing there."""
        return FrameCounts(
            received=self._frames + self._dropped,
            classified=self._frames - self._rejected - self._skipped,
            skipped=self._skipped,
            dropped=self._dropped,
            rejected=self._rejected,
        )

    def take(self, block: Entry | Frames) -> None:
        """The next entry, or frames."""
        if isinstance(block, Entry):
            self._take_entry(block)
        elif self._damaged:
            for entry in block.entries():
                self._take_entry(entry)
        else:
            self._take_frames(block)

    def miss(self, until_s: float) -> Gap | None:
        """Nothing is known from the end of what was recorded until ``until_s``; the gap, where there is one."""
        if until_s <= self.end_s + TIME_TOLERANCE_S:
            return None
        gap = Gap(self.end_s, until_s, NOT_RECORDED)
        self._add(gap, gap.start_s, gap.end_s)
        return gap

    def _take_entry(self, entry: Entry) -> None:
        record = entry.record
        self._damaged |= entry.after_damage
        if isinstance(record, FrameScore):
            self._take_frame(record)
            self.seen_at_s, self.seen_s = self._session_began_s + entry.at_s, record.time_s
        elif isinstance(record, Gap):
            if self._damaged:
                self.miss(record.start_s)
            self._add(record, record.start_s, record.end_s)
            self.seen_at_s, self.seen_s = self._session_began_s + entry.at_s, record.end_s
        elif isinstance(record, Event):
            self.emitted.append(record)
        elif isinstance(record, (Opening, Resume)):
            self._session_began_s = datetime.fromisoformat(record.wall).timestamp()
            if isinstance(record, Opening):
                self.raw = RawScores(record.organs)
            else:
                self.miss(record.time_s)
                self._damaged = False
                self.session_items = len(self.raw)

    def _take_frame(self, frame: FrameScore) -> None:
        if self._damaged:
            # What was lost may have been no frame but an event: then nothing is missing.
            slack_s = frame.duration_s if frame.index == self.next_index else 0.0
            if frame.time_s > self.end_s + slack_s:
                self.miss(frame.time_s)
        else:
            self._dropped += max(0, frame.index - self.next_index)
        self.next_index = frame.index + 1
        self._frames += 1
        self._rejected += bool(frame.reason)
        self._skipped += not frame.measured
        self._add(frame, frame.time_s, frame.time_s + frame.duration_s)

    def _take_frames(self, frames: Frames) -> None:
        expected = np.concatenate(([self.next_index], frames.index[:-1] + 1))
        self._dropped += int(np.maximum(0, frames.index - expected).sum())
        self.next_index = int(frames.index[-1]) + 1
        self._frames += len(frames.index)
        if self.start_s is None:
            self.start_s = float(frames.time_s[0])
        self.end_s = max(self.end_s, float((frames.time_s + frames.duration_s).max()))
        self.seen_at_s, self.seen_s = self._session_began_s + float(frames.at_s[-1]), float(frames.time_s[-1])
        self.raw.add_scored(frames.index, frames.time_s, frames.duration_s, frames.scores)

    def _add(self, item: FrameScore | Gap, start_s: float, end_s: float) -> None:
        self.raw.add(item)
        self._damaged = False
        if self.start_s is None:
            self.start_s = start_s
        self.end_s = max(self.end_s, end_s)

    def timeline(
        self,
        journal: Journal,
        smoothing: SmoothingOptions | None = None,
        intervals: Sequence[IntervalOptions] | None = None,
    ) -> Timeline:
        """See ``timeline_from_journal``; ``journal`` is the one that was read."""
        opening, closed = journal.opening, journal.closed
        smoothing = opening.provenance.smoothing if smoothing is None else smoothing
        intervals = one_per_organ(opening.provenance.intervals if intervals is None else intervals, opening.organs)
        if self.start_s is None:
            raise NoFramesError(f"{journal.path} ends before the first frame: there is nothing to show")
        end_s = self.end_s if closed is None else max(self.end_s, closed.end_s)
        scores, found = post_process(self.raw, smoothing, intervals, end_s)
        frame_counts = self.frame_counts if closed is None else closed.frame_counts
        return Timeline(
            source=opening.source,
            organs=opening.organs,
            start_s=self.start_s,
            end_s=end_s,
            intervals=found,
            gaps=unknown_stretches(found, opening.organs),
            scores=scores,
            frame_counts=frame_counts,
            report=SourceReport(_verdict(journal), _reasons(journal, self), frame_counts.received, self.gaps),
            warnings=() if closed is None else closed.warnings,
            provenance=replace(
                opening.provenance,
                smoothing=smoothing,
                intervals=intervals,
                regions=() if closed is None else closed.regions,
                latency_ms=None if closed is None else closed.latency_ms,
                sessions=journal.sessions,
                began=opening.wall,
            ),
        )


def _verdict(journal: Journal) -> Verdict:
    if journal.closed is None:
        return "truncated"
    return "damaged" if journal.damage.summary else journal.closed.verdict


def _reasons(journal: Journal, run: Recorded) -> tuple[str, ...]:
    missing_s = sum(gap.end_s - gap.start_s for gap in run.gaps if gap.reason == NOT_RECORDED)
    found = (
        "" if journal.closed is not None else "the recording ended without being closed (crash, kill or power cut)",
        f"the journal is damaged: {journal.damage.summary}" if journal.damage.summary else "",
        f"{missing_s:.1f} s in between were not recorded" if missing_s else "",
    )
    before = () if journal.closed is None else journal.closed.reasons
    return (*before, *(reason for reason in found if reason))
