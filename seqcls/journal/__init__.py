"""The crash-safe record of a run: append-only, one checked record a line; see ``format`` for its lines.

writer = create_journal("run.journal", organs=..., smoothing=..., intervals=..., source=...)
writer.write(frame_score)                      # in the kernel when this returns
writer.finish(RunSummary(end_s=..., frame_counts=..., verdict="complete"))

timeline = read_journal("run.journal").timeline()              # also of a torn journal
resumed = resume("run.journal")                                  # go on after a crash
"""

from __future__ import annotations

from seqcls.journal.format import (
    NOT_RECORDED,
    PAUSED,
    Action,
    Close,
    FeedChange,
    Opening,
    Record,
    Resume,
    RunSummary,
    Video,
)
from seqcls.journal.reader import Damage, holds_frames, is_unfinished, read_opening
from seqcls.journal.rebuild import Journal, read_journal
from seqcls.journal.resume import Resumption, resume
from seqcls.journal.writer import JournalWriter, create_journal

#: What `seqcls run` calls the journal in a run's folder.
JOURNAL_NAME = "run.journal"

__all__ = [
    "JOURNAL_NAME",
    "NOT_RECORDED",
    "PAUSED",
    "Action",
    "Close",
    "Damage",
    "FeedChange",
    "Journal",
    "JournalWriter",
    "Opening",
    "Record",
    "Resume",
    "Resumption",
    "RunSummary",
    "Video",
    "create_journal",
    "holds_frames",
    "is_unfinished",
    "read_journal",
    "read_opening",
    "resume",
]
