"""The crash-safe record of a run: append-only, one checked record a line; see ``record`` for the format.

writer = create_journal("run.journal", organs=..., smoothing=..., intervals=..., source=...)
writer.write(frame_score)                      # in the kernel when this returns
writer.finish(end_s=..., frame_counts=..., verdict="complete")

timeline = timeline_from_journal(read_journal("run.journal"))    # also of a torn journal
resumed = resume("run.journal")                                  # go on after a crash
"""

from __future__ import annotations

from seqcls.journal.format import NOT_RECORDED, Close, Entry, FeedChange, Opening, Record, Resume
from seqcls.journal.reader import Damage, Journal, read_journal
from seqcls.journal.rebuild import Recorded, read_recorded, timeline_from_journal
from seqcls.journal.resume import Resumption, resume
from seqcls.journal.writer import JournalWriter, create_journal

#: What `seqcls run` calls the journal in a run's folder.
JOURNAL_NAME = "run.journal"

__all__ = [
    "JOURNAL_NAME",
    "NOT_RECORDED",
    "Close",
    "Damage",
    "Entry",
    "FeedChange",
    "Journal",
    "JournalWriter",
    "Opening",
    "Record",
    "Recorded",
    "Resume",
    "Resumption",
    "create_journal",
    "read_journal",
    "read_recorded",
    "resume",
    "timeline_from_journal",
]
