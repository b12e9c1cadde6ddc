"""Events that wait for a receiver, in a file: oldest first, bounded, and there again after the process was killed."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seqcls.errors import OutputError, one_line

#: How many events may wait, and how long (seconds): what is older than a day is news to nobody.
MOST, OLDEST_S = 10_000, 86_400.0

# A row whose text is gone was delivered, refused or dropped: its id stays, so that it is not taken a second time.
_TABLE = "CREATE TABLE IF NOT EXISTS event(number INTEGER PRIMARY KEY, id TEXT UNIQUE, put_s REAL, line TEXT)"
_WAITING = "CREATE INDEX IF NOT EXISTS waiting ON event(number) WHERE line IS NOT NULL"
_COUNT = "SELECT count(*) FROM event WHERE line IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits; ``line`` is what is delivered, ``put_s`` when it was put, seconds since 1970."""

    number: int
    put_s: float
    line: str


class EventQueue:
    """What waits for one receiver; ``path`` None: in memory alone. Every method may be called from any thread.

    At most ``most`` events wait, none longer than ``oldest_s`` by the clock ``now`` (seconds since 1970); beyond that
    the oldest are dropped, and counted in ``dropped``: what holds now matters more than what held before.

    A file that can no longer be written (a full disk) is given up until ``keep``: what waits goes on waiting in memory,
    and ``failed`` says why. Raises OutputError where the file cannot be used at all.
    """

    def __init__(
        self, path: Path | None = None, *, most: int = MOST, oldest_s: float = OLDEST_S,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.path, self.dropped, self.failed = path, 0, ""
        #: Whether the file was there: then it knows which events of the run were taken.
        self.continues = path is not None and path.exists()
        self._most, self._oldest_s, self._now = most, oldest_s, now
        self._lock = threading.Lock()
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _opened(":memory:" if path is None else str(path))
        except (OSError, sqlite3.Error) as error:
            why = one_line(error)
            raise OutputError(
                f"{path}: events cannot wait there ({why}); move it away, or choose another place"
            ) from None

    def put(self, identity: str, line: str) -> bool:
        """Add an event behind those that wait; False for one whose id was taken before, which changes nothing."""
        with self._lock:
            row = (identity, self._now(), line)
            added = self._change("INSERT OR IGNORE INTO event(id, put_s, line) VALUES (?, ?, ?)", row)
            if not added:
                return False
            beyond = "SELECT number FROM event WHERE line IS NOT NULL ORDER BY number DESC LIMIT -1 OFFSET ?"
            self.dropped += self._change(f"UPDATE event SET line = NULL WHERE number IN ({beyond})", (self._most,))
            return True

    def has(self, identity: str) -> bool:
        """Whether an event of this id was taken."""
        with self._lock:
            return self._file.execute("SELECT 1 FROM event WHERE id = ?", (identity,)).fetchone() is not None

    def skip(self, identity: str) -> None:
        """An event of this id is not to be delivered: as if it had been."""
        with self._lock:
            row = (identity, self._now())
            self._change("INSERT OR IGNORE INTO event(id, put_s, line) VALUES (?, ?, NULL)", row)

    def first(self) -> Waiting | None:
        """The oldest that waits, once those that are too old are dropped."""
        with self._lock:
            query = "SELECT number, put_s, line FROM event WHERE line IS NOT NULL ORDER BY number LIMIT 1"
            row = self._file.execute(query).fetchone()
            if row is not None and row[1] < self._now() - self._oldest_s:
                too_old = "UPDATE event SET line = NULL WHERE line IS NOT NULL AND put_s < ?"
                self.dropped += self._change(too_old, (self._now() - self._oldest_s,))
                row = self._file.execute(query).fetchone()
            return None if row is None else Waiting(*row)

    def remove(self, waiting: Waiting) -> None:
        """It was delivered, or refused for good."""
        with self._lock:
            update = "UPDATE event SET line = NULL WHERE number = ? AND line IS NOT NULL"
            if not self._change(update, (waiting.number,)):
                self.dropped -= 1  # meanwhile, to make room; it did arrive

    @property
    def waiting(self) -> int:
        """How many wait."""
        with self._lock:
            return int(self._file.execute(_COUNT).fetchone()[0])

    def keep(self) -> int:
        """Write what waits in memory alone into the file after all, and go on there, where that can be written again;
        how many of the events that wait are not in it."""
        with self._lock:
            if self.path is None or not self.failed:
                return 0
            rows = self._file.execute("SELECT number, id, put_s, line FROM event").fetchall()
            wait = {identity for _, identity, _, line in rows if line is not None}
            try:
                file = _opened(str(self.path))
            except sqlite3.Error:
                return len(wait)
            try:
                with file:
                    file.executemany("INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?)", rows)
            except sqlite3.Error:
                with contextlib.closing(file), contextlib.suppress(sqlite3.Error):
                    kept = file.execute("SELECT id FROM event WHERE line IS NOT NULL").fetchall()
                    return len(wait - {identity for (identity,) in kept})
                return len(wait)
            self._file.close()
            self._file, self.failed = file, ""
            return 0

    def close(self) -> None:
        """Give the file up; what waits is there again when it is opened anew."""
        with self._lock:
            self._file.close()

    def _change(self, statement: str, values: tuple[object, ...]) -> int:
        """How many rows it changed. Goes on in memory where the file cannot be written."""
        try:
            with self._file:
                return self._file.execute(statement, values).rowcount
        except sqlite3.Error as error:
            if self.failed or self.path is None:
                raise
            self.failed = one_line(error)
            memory = _opened(":memory:")
            with contextlib.suppress(sqlite3.Error):
                self._file.backup(memory)
            self._file.close()
            self._file = memory
            with memory:
                return memory.execute(statement, values).rowcount


def waiting_in(path: Path) -> int:
    """How many wait in the file of a run; none where it is not there, or cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as file:
            return int(file.execute(_COUNT).fetchone()[0])
    except sqlite3.Error:
        return 0


def remove_queue(path: Path) -> None:
    """That of a run which is replaced: its events are no longer to be delivered. Raises OutputError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot replace {path}: {one_line(error)}; choose another place") from error


def _opened(name: str) -> sqlite3.Connection:
    """Whole after a power cut too. Several threads share it behind a lock; one process alone uses it: the folder of a
    run has one writer."""
    connection = sqlite3.connect(name, timeout=5.0, check_same_thread=False)
    try:
        with connection:
            connection.execute(_TABLE)
            connection.execute(_WAITING)
    except BaseException:
        connection.close()
        raise
    return connection
