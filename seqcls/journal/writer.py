"""Writing a journal: every record is in the operating system's hands before ``write`` returns.

That survives the death of the process; what a power cut may take is bounded by an fsync every second, in a thread of
its own: on a slow disk it takes long, and frames do not wait for it.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import seqcls
from seqcls.errors import DiskFullError, one_line
from seqcls.journal.append_file import AppendFile
from seqcls.journal.format import (
    MAX_LINE_BYTES,
    Action,
    Close,
    FeedChange,
    Opening,
    Record,
    Resume,
    RunSummary,
    Video,
    encode,
)
from seqcls.steady_clock import steady_s
from seqcls.text.wording import count_of
from seqcls.timeline import Provenance
from seqcls.types import Event, FrameScore, Gap, SourceInfo

#: How often records are forced to the disk, and how often a full disk is tried again.
SYNC_EVERY_S = 1.0
RETRY_EVERY_S = 1.0

Monotonic = Callable[[], float]
Wall = Callable[[], datetime]


def utc_now() -> datetime:
    """The time of day, with its offset."""
    return datetime.now(timezone.utc)


class JournalWriter:
    """Appends records; made by ``create_journal`` or ``resume``. May be used from several threads.

    A disk that is full or broken never raises into the run: ``failed`` then says so in one line and stays, ``dropped``
    counts the records that are missing, and writing is tried again every second. The last record replaces others where
    there is no room for it. The caller ends with the exit code of ``DiskFullError`` where ``failed`` is not empty;
    ``incomplete`` is what to say then.
    """

    def __init__(
        self, file: AppendFile, session: str, *, number: int = 0, monotonic: Monotonic = steady_s,
        wall: Wall = utc_now,
    ) -> None:  # fmt: skip
        self.session = session
        self.failed = self._why = ""
        self.dropped = 0
        self._file = file
        self._number = number
        self._monotonic = monotonic
        self._wall = wall
        self._began_s = self._synced_s = monotonic()
        self._retry_s: float | None = None
        self._unsynced = False
        self._closed = False
        self._lock = threading.Lock()
        self._due, self._ends = threading.Event(), False
        self._syncs: threading.Thread | None = None

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def incomplete(self) -> str:
        """What is missing at the end, and why; empty where nothing is."""
        missing = f", {count_of(self.dropped, 'record')} missing" if self.dropped else ""
        return f"{self.path} is incomplete{missing} ({self._why})" if self.failed else ""

    def write(self, *records: FrameScore | Gap | Event | FeedChange) -> bool:
        """Append records in order, in one piece; True when all of them are in the operating system's hands."""
        return self._write(records)

    def state(self, state: str, reason: str = "") -> bool:
        """Append that the feed is from now on connecting, running, stalled, retrying or stopped."""
        return self._write((FeedChange(state, reason, **self.stamp()),))

    def action(self, action: str, time_s: float, file: str = "") -> bool:
        """Append what a person did: see ``Action``."""
        return self._write((Action(action, time_s, file, **self.stamp()),))

    def video(self, file: str, start_s: float, organ: str = "") -> bool:
        """Append that there is a video file: see ``Video``."""
        return self._write((Video(file, start_s, organ, **self.stamp()),))

    @property
    def takes_more(self) -> bool:
        """Whether the disk took the last record, as far as was tried."""
        return self._retry_s is None and not self._closed

    def finish(self, summary: RunSummary) -> bool:
        """Append that the run ended and what it came to, and close."""
        done = self._write((self._closing(summary),), insist=True) or self._write_over(summary)
        self.close()
        return done

    def _closing(self, summary: RunSummary) -> Close:
        said = {f.name: getattr(summary, f.name) for f in fields(summary)}
        if self.failed:
            said["reasons"] = (*summary.reasons, f"not everything could be written into the journal ({self._why})")
        return Close(**said, **self.stamp())

    def _write_over(self, summary: RunSummary) -> bool:
        """How the run ended, in the place of the last records: without it a full disk would look like a crash."""
        with self._lock:
            if self._closed:
                return False
            line = encode(self._number - 1, self._monotonic() - self._began_s, self._closing(summary))
            try:
                self.dropped += self._file.write_over(line) - 1  # this record itself was counted as missing
            except OSError:
                return False
            self._unsynced = True
            return True

    def sync(self) -> None:
        """Force to the disk what was written, and wait for it; done by itself every second while records come."""
        with self._lock:
            self._sync()

    def close(self) -> None:
        """Sync, and give up file and lock; without ``finish`` the journal counts as torn. Idempotent."""
        with self._lock:
            self._ends = True
            self._unsynced |= self._due.is_set()  # asked for, and not begun
            self._due.set()
        if self._syncs is not None:
            self._syncs.join()
        with self._lock:
            if not self._closed:
                self._sync()
                self._file.close()
            self._closed = True

    def stamp(self) -> dict[str, Any]:
        """Now, on both clocks."""
        return {"wall": self._wall().isoformat(timespec="milliseconds"), "monotonic_s": self._monotonic()}

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def _write(self, records: Sequence[Record], *, insist: bool = False) -> bool:
        with self._lock:
            if self._closed:  # a source's thread that speaks when the run is over
                self.dropped += len(records)
                return False
            now_s = self._monotonic()
            lines = [encode(self._number + i, now_s - self._began_s, record) for i, record in enumerate(records)]
            # Numbers go on even where records are dropped: the hole tells the reader.
            self._number += len(records)
            if not insist and self._retry_s is not None and now_s < self._retry_s:
                self.dropped += len(records)
                return False
            self._retry_s = None
            fit = [line for line in lines if len(line) <= MAX_LINE_BYTES]
            whole = self._append(b"".join(fit), len(fit), now_s)
            if len(fit) < len(lines):
                self._fail("a record is longer than a journal's line may be", len(lines) - len(fit))
            if self._unsynced and now_s - self._synced_s >= SYNC_EVERY_S:
                self._sync_beside()
            return whole and len(fit) == len(lines)

    def _append(self, data: bytes, count: int, now_s: float) -> bool:
        try:
            self._file.append(data)
        except OSError as error:
            self._fail(one_line(error), count - data[: self._file.went_in].count(b"\n"))
            self._retry_s = now_s + RETRY_EVERY_S
            with contextlib.suppress(OSError):  # else before the next attempt
                self._file.heal()
            return False
        self._unsynced = True
        return True

    def _sync_beside(self) -> None:
        self._synced_s, self._unsynced = self._monotonic(), False
        if self._syncs is None and not self._ends:
            self._syncs = threading.Thread(target=self._sync_when_due, name="seqcls-journal-sync", daemon=True)
            self._syncs.start()
        self._due.set()

    def _sync_when_due(self) -> None:
        """Without the lock: whoever writes goes on meanwhile. The file stays open until this thread has ended."""
        while self._due.wait() and not self._ends:
            self._due.clear()
            try:
                self._file.sync()
            except OSError as error:
                with self._lock:
                    self._fail(one_line(error), 0)

    def _sync(self) -> None:
        if self._closed or not self._unsynced:
            return
        self._synced_s = self._monotonic()
        self._unsynced = False
        try:
            self._file.sync()
        except OSError as error:
            self._fail(one_line(error), 0)

    def _fail(self, why: str, dropped: int) -> None:
        self.dropped += dropped
        if not self.failed:
            self._why = why
            self.failed = f"{self.path} is incomplete ({why}): free space, and replay or repeat the run"


def create_journal(
    path: str | Path,
    *,
    organs: tuple[str, ...],
    source: SourceInfo,
    provenance: Provenance,
    session: str | None = None,
    monotonic: Monotonic = steady_s,
    wall: Wall = utc_now,
) -> JournalWriter:
    """Begin the journal of a run in a new file.

    Raises OutputError where the file is there already or cannot be made, DiskFullError where not even the first record
    fits.
    """
    session = uuid.uuid4().hex[:12] if session is None else session
    writer = JournalWriter(AppendFile(path, create=True), session, monotonic=monotonic, wall=wall)
    opening = Opening(
        session=session,
        organs=tuple(organs),
        source=source,
        provenance=provenance,
        seqcls=seqcls.__version__,
        **writer.stamp(),
    )
    try:
        begin(writer, opening)
    except DiskFullError:
        with contextlib.suppress(OSError):  # without its first record it would only be in the next run's way
            writer.path.unlink()
        raise
    return writer


def begin(writer: JournalWriter, record: Opening | Resume) -> None:
    """The first record of a session, on the disk before anything else happens. Raises DiskFullError."""
    writer._write((record,))
    writer.sync()
    if writer.failed:
        writer.close()
        raise DiskFullError(writer.failed)
