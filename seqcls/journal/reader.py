"""The lines of a journal, however torn: every record that is whole, and a report of what is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from seqcls.errors import DataError, one_line
from seqcls.files.named_files import open_regular
from seqcls.journal.format import MAX_LINE_BYTES, Close, Entry, Opening, Resume, decode
from seqcls.journal.scored_frames import Frames, ScoredRow, frames, scored_row
from seqcls.text.wording import count_of
from seqcls.types import FrameScore, Gap

_CHUNK_BYTES = 1 << 16
#: So many lines may be damaged, and more only where as many records were read: what is no journal may have a billion.
MAX_BAD_LINES = 100_000
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
            count_of(self.bad_lines, "damaged line") if self.bad_lines else "",
            f"{count_of(self.lost_records, 'record')} missing" if self.lost_records else "",
            f"{self.torn_bytes} bytes of an unfinished record" if self.torn_bytes else "",
        )
        return ", ".join(part for part in parts if part)


class JournalReader:
    """One reading of ``stream`` from front to back, up to the ``size`` it has now; ``damage`` is known at its end.

    Lines that are no record (checksum, JSON, types, over 1 MiB) are counted and passed over.
    """

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.size = stream.seek(0, 2)
        stream.seek(0)
        self._path = path
        self._stream = stream
        self._bad_lines = self._lost_records = self._torn_bytes = 0

    @property
    def damage(self) -> Damage:
        return Damage(self._bad_lines, self._lost_records, self._torn_bytes)

    def blocks(self) -> Iterator[Entry | Frames]:
        """The records, of which the first is an Opening. Raises DataError for a journal of a newer format."""
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
                self._bad_lines += 1
                damaged = True
                if self._bad_lines > max(MAX_BAD_LINES, expected):
                    raise DataError(f"{self._path} is no journal: {self._bad_lines:,} lines of it are no records")
                continue
            if isinstance(entry.record, Opening):
                organs = len(entry.record.organs)
            self._lost_records += entry.number - expected
            damaged |= entry.number > expected
            yield replace(entry, after_damage=True) if damaged else entry
            expected = entry.number + 1
            if isinstance(entry.record, (FrameScore, Gap, Resume)):
                damaged = False
        if rows:
            yield frames(rows)

    def _lines(self) -> Iterator[bytes]:
        """Lines without their ends; an empty one stands for a line too long to be a record."""
        rest, too_long, left = b"", 0, self.size
        try:
            while left > 0 and (chunk := self._stream.read(min(left, _CHUNK_BYTES))):
                left -= len(chunk)
                # A journal that went through a mail or an editor may have come back with other line ends.
                *lines, rest = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
                for line in lines:
                    yield b"" if too_long or len(line) >= MAX_LINE_BYTES else line
                    too_long = 0
                if len(rest) >= MAX_LINE_BYTES:
                    rest, too_long = b"", too_long + len(rest)
        except OSError as error:
            raise DataError(f"{self._path} cannot be read ({error.strerror}): copy it to another disk") from None
        self._torn_bytes = too_long + len(rest)


def read_opening(path: str | Path) -> Opening | None:
    """What a journal says of its run, without the run; None where its first record is damaged. Raises DataError."""
    path = Path(path)
    with open_journal(path) as stream:
        first = next(JournalReader(path, stream).blocks(), None)
    return first.record if isinstance(first, Entry) and isinstance(first.record, Opening) else None


def holds_frames(path: str | Path) -> bool:
    """Whether a run's frames, or what is left of them, are in the journal; it is read up to the first. Raises
    DataError."""
    path = Path(path)
    with open_journal(path) as stream:
        reader = JournalReader(path, stream)
        for block in reader.blocks():
            if isinstance(block, Frames) or isinstance(block.record, (FrameScore, Gap)):
                return True
        return reader.damage != Damage()


def is_unfinished(path: Path) -> bool:
    """Whether a journal is there that was begun and not closed, as a crash leaves it; its end alone is read."""
    if not path.is_file():
        return False
    with open_journal(path) as stream:
        stream.seek(max(0, stream.seek(0, 2) - MAX_LINE_BYTES))
        *_, last, rest = [b"", b"", *stream.read().replace(b"\r\n", b"\n").split(b"\n")]
    if rest:
        return True
    try:
        return not isinstance(decode(last, None).record, Close)
    except (ValueError, DataError):
        return True


def open_journal(path: str | Path) -> BinaryIO:
    """The bytes of a regular file. Raises DataError."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is not a file: name the journal itself")
        return open_regular(path)
    except FileNotFoundError:
        raise DataError(f"no journal at {path}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({one_line(error)}): check its permissions") from None
