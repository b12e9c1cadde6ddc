"""From the bytes of a label file to text and to the cells of its rows, as programs and spreadsheets write them."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqcls.errors import DataError, one_line
from seqcls.files import nfc
from seqcls.files.named_files import read_regular

#: UTF-32 first: its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b")
#: Cells that a spreadsheet would run as formulas carry an apostrophe, see ``exports.csv_cells``.
_APOSTROPHE = re.compile(r"'(?=[=+\-@\t\r\n])")
_OPTIONAL = ("patient", "path", "scanner", "site")
#: Half a million rows have 40 MB. A cell that names a file, or says when, is far shorter than what a quote that is
#: never closed takes in.
MAX_BYTES, MAX_ROWS, MAX_CELL, MAX_COLUMNS = 64 << 20, 500_000, 1000, 1000
#: Of any kind of label file: subtitles of MAX_ROWS cues have 2 million lines, JSON has one for each value and bracket.
MAX_LINES = 4_000_000
#: Characters of a line of subtitles, which names at most all organs.
MAX_LINE = 65_536
#: Accents on one letter, of which languages put two or three: the time to compose them grows with their square.
MAX_ACCENTS = 100


def read_text(path: Path) -> tuple[str, tuple[str, ...]]:
    """The file's text in Unicode's composed form, and notes for the user. Raises DataError."""
    try:
        data = read_regular(path, MAX_BYTES)
    except FileNotFoundError as error:
        raise DataError(f"no label file at {path}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {one_line(error)}; name a label file") from error
    if data.startswith(_WORKBOOKS):
        raise DataError(f"{path} is a workbook or archive, not text; save its sheet as 'CSV UTF-8', or unpack it")
    encoding, notes = _encoding(data), tuple[str, ...]()
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        try:
            text = data.decode("cp1252" if encoding == "utf-8" else encoding)
        except UnicodeDecodeError:
            raise DataError(f"{path} is not UTF-8 text (byte {error.start}); save it as 'CSV UTF-8'") from error
        first = next(at for at, letter in enumerate(text) if not letter.isascii())
        words = re.finditer(r"\w+|\W", text[max(0, first - 30) : first + 30])
        word = next(found[0] for found in words if not found[0].isascii())
        notes = (f"{path} is not UTF-8 and was read as Windows-1252: check {word!r}, or save it as UTF-8",)
    if _piles_up(text):
        raise DataError(f"{path} is not text, it piles up accents on one letter; save it as 'CSV UTF-8'")
    if max(text.count("\n"), text.count("\r")) > MAX_LINES:
        raise DataError(f"{path} has more than {MAX_LINES:,} lines; divide it into several files")
    text = nfc(text.removeprefix("\ufeff"))
    if "\0" in text:
        raise DataError(f"{path} is not text, it holds zero bytes; save it as 'CSV UTF-8'")
    return text, notes


def _piles_up(text: str) -> bool:
    """Whether more than MAX_ACCENTS combining marks follow each other."""
    for run in re.finditer(rf"[^\x00-\x7f\w]{{{MAX_ACCENTS},}}", text):  # no mark is a letter
        marks = "".join("1" if unicodedata.combining(letter) else "0" for letter in run[0])
        if "1" * MAX_ACCENTS in marks:
            return True
    return False


def _encoding(data: bytes) -> str:
    """By the mark at its beginning; without one UTF-16 is known by its zero bytes, every second one of plain text."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding
    head = data[:2000]
    for odd, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if head[odd::2].count(0) > 0.4 * len(head) > 40 * head[1 - odd :: 2].count(0):
            return encoding
    return "utf-8"


def _layout(lines: Sequence[str]) -> tuple[int, str]:
    """How many lines stand before the names of the columns, and what parts these."""
    stated = re.match(r"sep=(.)\s*$", lines[0], re.IGNORECASE) if lines else None  # Excel's first line for itself
    skipped = next((at for at, line in enumerate(lines) if line.strip(' \t\r\n,;"') and not (stated and not at)), 0)
    first = lines[skipped] if lines else ""
    return skipped, stated[1] if stated else max(",;\t|", key=first.count)


def _names(cells: Sequence[str]) -> list[str]:
    """Of the columns, in one spelling: `Start (s)` is start_s."""
    named = len(cells) - next((at for at, cell in enumerate(reversed(cells)) if cell), 0)
    return [re.sub(r"[\W_]+", "_", cell.lower()).strip("_") for cell in cells[:named]]


def table_header(text: str) -> list[str]:
    """The names of a table's columns as ``table_rows`` spells them; what is no table has others or none."""
    lines = text[: MAX_COLUMNS * 2 * MAX_CELL].splitlines(keepends=True)
    skipped, delimiter = _layout(lines)
    try:
        rows = csv.reader(lines[skipped : skipped + 1], delimiter=delimiter, skipinitialspace=True)
        return _names([cell.strip() for cell in next(rows, [])])
    except csv.Error:
        return []


def table_rows(
    text: str, path: Path, required: Sequence[str], optional: Sequence[str] = _OPTIONAL
) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row that is not empty: where it stands, and its cells by the column's name.

    Columns may stand in any order, be written in any case (`Start (s)` is start_s), and be separated by comma,
    semicolon, tab or bar; those that are optional are there, empty, even where no column is. Raises DataError: a
    required column is missing, a row has more cells than the first line.
    """
    lines = list(io.StringIO(text, newline=""))
    if len(max(lines, key=len, default="")) > MAX_COLUMNS * MAX_CELL:
        raise DataError(f"{path} has a line of more cells than any table of labels; is it one?")
    skipped, delimiter = _layout(lines)
    rows = csv.reader(lines[skipped:], delimiter=delimiter, skipinitialspace=True)
    header: list[str] = []
    count = 0
    try:
        for row in rows:
            where = f"{path}, line {skipped + rows.line_num}"
            count += 1
            if len(row) > MAX_COLUMNS:
                raise DataError(
                    f"{where}: has {len(row):,} cells, more than the {MAX_COLUMNS:,} of any table of labels"
                )
            if count > MAX_ROWS:
                raise DataError(f"{path} has more than {MAX_ROWS:,} rows; divide it into several files")
            cells = [_APOSTROPHE.sub("", cell.strip(), count=1) for cell in row]
            if not header:
                header = _names(cells)
                _check_header(header, path, required, optional)
            elif any(cells[len(header) :]):
                raise DataError(
                    f"{where}: has {len(cells)} cells, the first line {len(header)}; put cells with a comma into"
                    " quotes, or separate the columns by semicolons"
                )
            elif any(cells):
                if len(longest := max(cells, key=len)) > MAX_CELL:
                    raise DataError(
                        f"{where}: a cell has {len(longest):,} characters, more than {MAX_CELL:,}; shorten it"
                    )
                of_row = dict(zip(header, cells, strict=False))
                yield where, {name: of_row.get(name, "") for name in (*required, *optional)}
    except csv.Error as error:  # a quote that is never closed makes the rest one cell, refused at 128 KiB
        raise DataError(
            f"{path}, line {skipped + rows.line_num}: {error}; look for a quote that is not closed"
        ) from error
    if not header:
        _check_header(header, path, required, optional)


def _check_header(header: Sequence[str], path: Path, required: Sequence[str], optional: Sequence[str]) -> None:
    for name in (*required, *optional):
        if header.count(name) != 1 and (name in required or name in header):
            problem = "has two columns" if name in header else "lacks the column"
            more = "[,patient]" if "patient" in optional else ""
            raise DataError(f"{path} {problem} {name}; the first line must be {','.join(required)}{more}")
