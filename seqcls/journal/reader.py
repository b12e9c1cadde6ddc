"""Reading a journal, however torn: every record that is whole, and a report of what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from seqcls.errors import DataError
from seqcls.journal.format import (
    MAX_LINE_BYTES,
    Close,
    Entry,
    Frames,
    Opening,
    Record,
    Resume,
    ScoredRow,
    decode,
    frames,
    scored_row,
)

#: Called with the bytes read so far, and all there are.
Progress = Callable[[int, int], None]

_CHUNK_BYTES = 1 << 16
_MAX_FRAMES = 4096


@dataclass(frozen=True, slots=True)
class Damage:
    """What a journal lost: lines that are no record, numbers that are missing, bytes after the last whole line."""

    bad_lines: int = 0
    lost_records: int = 0
    torn_bytes: int = 0

    @property
    def summary(self) -> str:
        """One line for a person, or nothing."""
        parts = (
            f"{self.bad_lines} damaged lines" if self.bad_lines else "",
            f"{self.lost_records} records missing" if self.lost_records else "",
            f"{self.torn_bytes} bytes of an unfinished record" if self.torn_bytes else "",
        )
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Journal:
    """A journal that has been read once: what it is, how whole, and its records for reading again.

    ``closed`` is the last record where the run was closed, else None. ``count`` records are whole, the last of
    them has ``last_number``. Iterating reads the file anew, up to the ``size`` it had, one record at a time: a day of
    30 frames/s need not fit into memory. What is appended meanwhile is not seen.
    """

    path: Path
    size: int
    opening: Opening
    sessions: tuple[str, ...]
    closed: Close | None
    count: int
    last_number: int
    damage: Damage

    def __iter__(self) -> Iterator[Record]:
        return (entry.record for entry in self.entries())

    def entries(self) -> Iterator[Entry]:
        """The records with their places. Raises DataError where the file has gone."""
        for block in self.blocks():
            if isinstance(block, Frames):
                yield from block.entries()
            else:
                yield block

    def blocks(self) -> Iterator[Entry | Frames]:
        """The same, many frames at once: several times quicker."""
        with open_journal(self.path) as stream:
            yield from _Pass(self.path, stream, self.size).blocks()


def read_journal(
    path: str | Path,
    take: Callable[[Entry | Frames], None] | None = None,
    on_progress: Progress | None = None,
) -> Journal:
    """Read a journal through. Lines that are no record (checksum, JSON, types, over 1 MiB) are counted and passed over.
    ``take`` is given everything on the way.

    Raises DataError where there is no such file, it holds no readable `open` record, or its format is newer.
    """
    path = Path(path)
    with open_journal(path) as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        reading = _Pass(path, stream, size)
        count, last_number, sessions, last = 0, 0, [], None
        for block in reading.blocks():
            length = len(block.index) if isinstance(block, Frames) else 1
            count += length
            last_number = block.number + length - 1
            if take is not None:
                take(block)
            if on_progress is not None:
                on_progress(stream.tell(), size)
            last = None if isinstance(block, Frames) else block.record
            if isinstance(last, (Opening, Resume)):
                sessions.append(last.session)
    if reading.opening is None:
        raise DataError(f"{path} holds no journal that can be read: its first record is missing or damaged")
    return Journal(
        path=path,
        size=size,
        opening=reading.opening,
        sessions=tuple(sessions),
        closed=last if isinstance(last, Close) else None,
        count=count,
        last_number=last_number,
        damage=Damage(reading.bad_lines, reading.lost_records, reading.torn_bytes),
    )


class _Pass:
    """One reading from front to back; the counts are valid once ``entries`` has ended."""

    def __init__(self, path: Path, stream: BinaryIO, size: int) -> None:
        self.opening: Opening | None = None
        self.bad_lines = 0
        self.lost_records = 0
        self.torn_bytes = 0
        self._path = path
        self._stream = stream
        self._left = size

    def blocks(self) -> Iterator[Entry | Frames]:
        expected, damaged, organs = 0, False, None
        rows: list[ScoredRow] = []
        for line in self._lines():
            row = None if organs is None or damaged else scored_row(line, organs)
            if row is not None and row[0] == expected:
                rows.append(row)
                expected += 1
                if len(rows) == _MAX_FRAMES:
                    yield frames(rows)
                    rows = []
                continue
            if rows:
                yield frames(rows)
                rows = []
            try:
                entry = decode(line, organs)
            except ValueError:
                entry = None
            except DataError as error:
                raise DataError(f"{self._path}: {error}") from None
            if entry is None or entry.number < expected or isinstance(entry.record, Opening) is (organs is not None):
                # No record, one that was there already, one before the first, or a second `open`.
                self.bad_lines += 1
                damaged = True
                continue
            if isinstance(entry.record, Opening):
                self.opening = entry.record
                organs = len(entry.record.organs)
            self.lost_records += entry.number - expected
            damaged |= entry.number > expected
            yield replace(entry, after_damage=True) if damaged else entry
            expected, damaged = entry.number + 1, False
        if rows:
            yield frames(rows)

    def _lines(self) -> Iterator[bytes]:
        """Lines without their ends; an empty one stands for a line too long to be a record."""
        rest, too_long = b"", 0
        try:
            while self._left > 0 and (chunk := self._stream.read(min(self._left, _CHUNK_BYTES))):
                self._left -= len(chunk)
                # A journal that went through a mail or an editor may have come back with other line ends.
                *lines, rest = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
                for line in lines:
                    yield b"" if too_long or len(line) >= MAX_LINE_BYTES else line
                    too_long = 0
                if len(rest) >= MAX_LINE_BYTES:
                    rest, too_long = b"", too_long + len(rest)
        except OSError as error:
            raise DataError(f"{self._path} cannot be read ({error.strerror}): copy it to another disk") from None
        self.torn_bytes = too_long + len(rest)


def open_journal(path: str | Path) -> BinaryIO:
    """The bytes of a regular file. Raises DataError."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is not a file: name the journal itself")
        return path.open("rb")
    except FileNotFoundError:
        raise DataError(f"no journal at {path}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check its permissions") from None
