"""What one reader says, on disk: NAME.edits, to which every edit is added and made durable before it is acknowledged,
and NAME-labels.csv, written anew from it, which `extract` and `train` take.

A line of NAME.edits is one JSON object; a last line without an end is what a killed process was writing, and was never
acknowledged. Nothing in it is ever changed, so it also tells how the labels came about: by whom, when, in which order,
and whether the prediction was in sight.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import seqcls
from seqcls.errors import DataError, OutputError, UsageError, one_line
from seqcls.exports.csv_cells import seconds_cell
from seqcls.files import make_folder, nfc, write_csv
from seqcls.files.json_record import record_from
from seqcls.files.json_text import json_line, parse_json
from seqcls.files.named_files import open_regular
from seqcls.files.safe_names import safe
from seqcls.journal.append_file import AppendFile
from seqcls.review.tracks import FrameTimes, Span, Track, track_from
from seqcls.text.foreign_text import for_terminal

FORMAT = 1
COLUMNS = ("file", "organ", "start_s", "end_s", "state", "note", "start_frame", "end_frame", "reader", "prediction")
#: Letters of a reader's name, and of what an edit is called.
MAX_NAME = 60
#: No line is longer: a track of MAX_SPANS has 12 MB.
MAX_LINE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One act of a reader: afterwards the track of ``organ`` in ``clip`` is this one."""

    session: str
    """Of the page, made up by it; with ``turn`` it tells an edit that is sent again from a new one."""
    turn: int
    clip: str
    organ: str
    action: str
    """What was done, such as "split"; for the record alone."""
    prediction: Literal["shown", "hidden", "none"]
    """What the reader saw of the model's answer, while this was done."""
    frames: int
    """How many the clip has."""
    track: Track
    times: tuple[tuple[float, float], ...]
    """[start_s, end_s) of each span: the labels can be written without the clip."""
    numbers: tuple[tuple[int, int], ...] = ()
    """First and last frame of each span, as the clip numbers them: a run may have left some out."""
    number: int = 0
    """In the store, from 1."""
    at: str = ""
    """Time of day, in ISO 8601."""


class StaleEditError(Exception):
    """The track was changed since by another page; ``edit`` did that (None: it was never touched)."""

    def __init__(self, edit: Edit | None) -> None:
        super().__init__("another page has changed this since")
        self.edit = edit


class ReaderStore:
    """The edits of one reader in ``folder``; nobody else writes them meanwhile.

    Raises UsageError for a name that cannot be one, DataError where the file is of another reader or no such file,
    OutputError where it cannot be written or another review has it.
    """

    def __init__(self, folder: Path, reader: str, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)):
        reader = nfc(reader).strip()
        if not reader or len(reader) > MAX_NAME or for_terminal(reader) != reader:
            raise UsageError(f"a reader's name is 1 to {MAX_NAME} letters or digits, not {reader[:MAX_NAME]!r}")
        self.reader, self._now = reader, now
        self.path = folder / f"{safe(reader)}.edits"
        self.labels_path = folder / f"{safe(reader)}-labels.csv"
        self.last: dict[tuple[str, str], Edit] = {}
        """By clip and organ, the edit that gave its track."""
        self.edits = 0
        self.damaged_lines = 0
        self._turns: dict[str, tuple[int, int]] = {}  # of each session: its last turn, and the number that got
        self._rows: dict[str, list[tuple[object, ...]]] = {}
        self._turn = threading.Lock()
        make_folder(folder)
        is_new = not self.path.exists()
        self._file = AppendFile(self.path, create=is_new)
        try:
            if not is_new:
                self._read()
            self._add({"kind": "opened", "format": FORMAT, "reader": reader, "made_by": f"seqcls {seqcls.__version__}"})
            self.write_labels()
        except BaseException:
            self._file.close()
            raise

    def add(self, edit: Edit, base: int) -> Edit:
        """Make an edit durable; returns it with its number. ``base``: the number of the edit that the page saw last of
        this track, 0 for none. Raises StaleEditError, and OutputError where it may not be kept: add it again."""
        with self._turn:
            turn, number = self._turns.get(edit.session, (-1, 0))
            before = self.last.get((edit.clip, edit.organ))
            if edit.turn == turn and before is not None and before.number == number:
                self.write_labels()
                return before  # it was kept, and the answer was lost
            if base != (0 if before is None else before.number) or edit.turn <= turn:
                raise StaleEditError(before)
            edit = replace(edit, number=self.edits + 1, at=self._time())
            self.edits = edit.number  # also where it fails: part of it may lie on the disk
            self._add({"kind": "edit", **asdict(edit)})
            self._take(edit)
            self.write_labels()
            return edit

    def note(self, kind: Literal["session", "view"], **facts: Any) -> None:
        """Keep what a reader was shown. Raises OutputError."""
        with self._turn:
            self._add({"kind": kind, "at": self._time(), **facts})

    def write_labels(self) -> None:
        """NAME-labels.csv. Raises OutputError."""
        rows = [row for clip in sorted(self._rows) for row in self._rows[clip]]
        write_csv(self.labels_path, [COLUMNS, *rows])

    def close(self) -> None:
        """Give up the file; idempotent."""
        self._file.close()

    def _time(self) -> str:
        return self._now().isoformat(timespec="milliseconds")

    def _add(self, record: dict[str, Any]) -> None:
        try:
            self._file.append(json_line(record).encode("ascii") + b"\n")
            self._file.sync()
        except OSError as error:
            raise OutputError(f"{self.path.name} cannot be written ({one_line(error)})") from error

    def _take(self, edit: Edit) -> None:
        self.edits = edit.number
        self._turns[edit.session] = edit.turn, edit.number
        self.last[edit.clip, edit.organ] = edit
        own = sorted((one for (clip, _), one in self.last.items() if clip == edit.clip), key=lambda one: one.organ)
        self._rows[edit.clip] = [row for one in own for row in self._label_rows(one)]

    def _label_rows(self, edit: Edit) -> Iterator[tuple[object, ...]]:
        """What the reader says; what only a model says is no label."""
        for span, (start_s, end_s), (first, last) in joined(edit):
            if seconds_cell(start_s) == seconds_cell(end_s):
                continue  # one of two frames with the same time: no stretch of time means it alone
            state, note = ("ignore", "uncertain") if span.mark == "uncertain" else (span.mark, "")
            yield (
                edit.clip, edit.organ, seconds_cell(start_s), seconds_cell(end_s), state, note, first,
                last, self.reader, edit.prediction,
            )  # fmt: skip

    def _read(self) -> None:
        """All that was kept. Raises DataError."""
        known = False
        try:
            with open_regular(self.path) as stream:
                for number, line in enumerate(stream, 1):
                    if not line.endswith(b"\n") or len(line) > MAX_LINE_BYTES:
                        continue  # being written when its process was killed
                    record = self._record(line)
                    if record is None:
                        self.damaged_lines += 1
                    elif record.get("kind") == "opened":
                        self._check(record)
                        known = True
                    elif not known:
                        raise DataError(f"{self.path}, line {number}: no edits of a review; choose another -o")
                    elif record.get("kind") == "edit":
                        self._read_edit(record)
        except OSError as error:
            raise DataError(f"{self.path} cannot be read ({one_line(error)}): check its permissions") from None
        if not known and self.damaged_lines:
            raise DataError(f"{self.path} holds no edits of a review; move it away, or choose another -o")

    def _record(self, line: bytes) -> dict[str, Any] | None:
        try:
            record = parse_json(line)
        except ValueError:
            return None
        return record if isinstance(record, dict) else None

    def _check(self, record: dict[str, Any]) -> None:
        if record.get("format") != FORMAT:
            raise DataError(f"{self.path} is of a newer seqcls; bring this one up to date")
        if record.get("reader") != self.reader:
            raise DataError(
                f"{self.path} is of the reader {record.get('reader')!r}, not {self.reader!r}; choose another --reader"
            )

    def _read_edit(self, record: dict[str, Any]) -> None:
        try:
            edit = record_from(Edit, {name: value for name, value in record.items() if name != "kind"}, "edit")
            track_from(asdict(edit.track), edit.frames)
            if not len(edit.times) == len(edit.numbers) == len(edit.track.spans) or edit.number <= self.edits:
                raise ValueError("times or number do not fit")
        except ValueError:
            self.damaged_lines += 1
            return
        self._take(edit)


def joined(edit: Edit) -> list[tuple[Span, tuple[float, float], tuple[int, int]]]:
    """What the reader says, with its times and numbers of frames; spans of one mark that meet are one, as an event is
    one."""
    whole: list[tuple[Span, tuple[float, float], tuple[int, int]]] = []
    for span, times, numbers in zip(edit.track.spans, edit.times, edit.numbers, strict=True):
        if span.by != "reader":
            continue
        if whole and whole[-1][0].behind == span.first and whole[-1][0].mark == span.mark:
            before, (start_s, _), (first, _) = whole.pop()
            span, times, numbers = replace(before, behind=span.behind), (start_s, times[1]), (first, numbers[1])
        whole.append((span, times, numbers))
    return whole


def times_of(track: Track, times: FrameTimes) -> tuple[tuple[float, float], ...]:
    """For ``Edit.times``."""
    return tuple(times.limits_s(span) for span in track.spans)
