"""Label tables as programs write them: every encoding and separator gives the same cells, or one line says why not."""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path

import pytest

from seqcls.datasets.label_files import read_text, table_rows
from seqcls.errors import DataError

COLUMNS = ("file", "organ", "start_s", "end_s", "state")
HEAD = ",".join(COLUMNS)
TEXT = f"{HEAD}\nM\u00fcller 1.mp4,leber,0,1,present\n"
OPTIONAL = dict.fromkeys(("patient", "path", "scanner", "site"), "")
CELLS = dict(zip(COLUMNS, ("M\u00fcller 1.mp4", "leber", "0", "1", "present"), strict=True)) | OPTIONAL


def test_accents_without_end_are_not_composed(tmp_path: Path) -> None:
    """Sorting the accents of one letter takes as long as the square of their number: 60,000 took hours."""
    for accents, is_text in ((60, True), (99, True), (100, False), (5000, False)):
        (tmp_path / "l.csv").write_text(
            TEXT + "e" + "\u0301\u0323" * (accents // 2) + "\u0301" * (accents % 2), "utf-8"
        )
        if is_text:
            read_text(tmp_path / "l.csv")
        else:
            with pytest.raises(DataError, match="it piles up accents on one letter"):
                read_text(tmp_path / "l.csv")
    (tmp_path / "l.csv").write_text(TEXT + "\u2500" * 500, "utf-8")  # a line drawn across is none


def test_a_foreign_word_is_found_at_once_behind_a_long_one(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes(b"a" * 100_000 + b" M\xfcller " + b"b" * 100_000)
    assert "check 'M\u00fcller'" in read_text(tmp_path / "l.csv")[1][0]


def rows_of(path: Path) -> list[dict[str, str]]:
    return [cells for _, cells in table_rows(read_text(path)[0], path, COLUMNS)]


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
        unicodedata.normalize("NFD", TEXT).encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
    ],
    ids=["utf-8", "mark", "utf-16", "utf-16-be", "bare utf-16-le", "bare utf-16-be", "utf-32", "NFD", "CRLF", "CR"],
)
def test_bytes_of_many_programs(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "l.csv"
    path.write_bytes(data)
    assert rows_of(path) == [CELLS] and read_text(path)[1] == ()


def test_windows_1252_is_read_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_bytes(TEXT.encode("cp1252"))
    text, (note,) = read_text(path)
    assert text == TEXT and "was read as Windows-1252: check 'M\u00fcller', or save it as UTF-8" in note


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04rest", "is a workbook or archive, not text; save its sheet as 'CSV UTF-8', or unpack it"),
        (TEXT.encode("cp1252") + b"\x81", "is not UTF-8 text"),
        (b"file\0organ\n", "is not text, it holds zero bytes"),
    ],
    ids=["xlsx", "neither", "zeros"],
)
def test_what_is_no_text(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "l.csv").write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_text(tmp_path / "l.csv")


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace(",", ";"),
        TEXT.replace(",", "\t"),
        "sep=;\n" + TEXT.replace(",", ";"),
        "\n ,,\n" + TEXT + "\n,,,,\n\n",
        TEXT.replace(HEAD, HEAD + ",,").replace("present", "present,,"),
        TEXT.replace("present", "present,,,"),
        TEXT.replace(HEAD, "File, ORGAN ,Start (s),end s,State"),
        TEXT.replace("M\u00fcller 1.mp4,leber", '"M\u00fcller 1.mp4", "leber"'),
    ],
    ids=["semicolons", "tabs", "sep=", "empty lines", "trailing commas", "and in rows", "header", "quotes"],
)
def test_tables_of_many_programs(text: str) -> None:
    assert [cells for _, cells in table_rows(text, Path("l.csv"), COLUMNS)] == [CELLS]


def test_rows_are_named_by_their_line_in_the_file() -> None:
    text = "sep=,\n\n" + HEAD + "\n\na,b,0,1,present\n"
    assert [where for where, _ in table_rows(text, Path("l.csv"), COLUMNS)] == ["l.csv, line 5"]


def test_an_apostrophe_before_a_formula_is_no_part_of_the_name() -> None:
    """`intervals.csv` writes it, so that a spreadsheet does not run the cell."""
    ((_, cells),) = table_rows(f"{HEAD}\n'-1.mp4,'liver,0,1,present\n", Path("l.csv"), COLUMNS)
    assert (cells["file"], cells["organ"]) == ("-1.mp4", "'liver")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEAD}\na.mp4,liver,0,5,1,5,present\n", "line 2: has 7 cells, the first line 5; put cells with a comma"),
        (f"{HEAD},,\na.mp4,liver,0,5,1,5,present\n", "line 2: has 7 cells, the first line 5"),
        (f"{HEAD},START S\n", "l.csv has two columns start_s"),
        (f"{HEAD},path,Path\n", "has two columns path"),
        ("file,organ,start,end,state\n", "lacks the column start_s"),
        ("", "lacks the column file"),
    ],
    ids=["decimal commas", "and trailing ones", "twice", "twice optional", "no unit", "empty"],
)
def test_tables_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(table_rows(text, Path("l.csv"), COLUMNS))
