"""Foreign text steers nothing, wherever it is written."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from seqcls.files import write_csv
from seqcls.files.json_text import json_line, json_text
from seqcls.text.foreign_text import (
    for_csv,
    for_image,
    for_page,
    for_srt,
    for_terminal,
    for_vtt,
    from_csv,
    visible_json,
)

#: C0 and C1, a change of the writing direction, a line separator, a byte that is no UTF-8, half a character.
EVIL = "e\x1b]0;x\x07\r\n\x7f\x9b2J\u061c\u202e\u2066\u2028\ufff9\udce4\ud800"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("größe 1.mp4", "größe 1.mp4"),
        ("10\u202f30\u00a0h.png", "10\u202f30\u00a0h.png"),  # blanks of other widths, as in a Mac's screenshots
        ("क्ष\u200d", "क्ष\u200d"),  # joiners are letters' business
        ("e\x1b[31mx\r\n\x9b2J", r"e\x1b[31mx\r\n\u009b2J"),
        ("gpj.\u202exe\u2028", r"gpj.\u202exe\u2028"),
        ("a\udce4.mp4", r"a\xe4.mp4"),
        ("a\udcf6.mp4", r"a\xf6.mp4"),  # stays another one
        ("a\ud800", r"a\ud800"),
        ("", ""),
    ],
)
def test_what_steers_a_terminal_is_written_out(name: str, shown: str) -> None:
    assert for_terminal(name) == shown == for_terminal(shown)


def test_letters_in_an_image_are_ascii() -> None:
    assert for_image("Größe\n") == r"Gr??e\n"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("liver", "liver"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-2", "'-2"),
        ("@sum", "'@sum"),
        ("\uff1d1", "'\uff1d1"),
        (" =1", "' =1"),
        ("'=1", "''=1"),
        ("'liver", "'liver"),
        ("a-b=c", "a-b=c"),
        ("a;=1", "a;'=1"),
        ("a; \t=1", r"a; \t=1"),
        ("a,=1", "a,=1"),
        ("\t=1", r"\t=1"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula_and_each_comes_back(text: str, cell: str) -> None:
    assert for_csv(text) == cell
    assert from_csv(cell) == for_terminal(text)


def test_every_table_is_free_of_formulas_and_keeps_its_figures(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [("=a", EVIL), (-0.5, "-0.500000"), ("-1e9", 'x, "y"\n'), ("", None)])
    text = (tmp_path / "t.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows == [["'=a", for_terminal(EVIL)], ["-0.5", "-0.500000"], ["'-1e9", 'x, "y"\\n'], ["", ""]]
    assert text.count("\n") == 4


@pytest.mark.parametrize(
    ("text", "srt", "vtt"),
    [
        ("liver · kidney?", "liver · kidney?", "liver · kidney?"),
        ("a --> b", "a --＞ b", "a --&gt; b"),
        ("<i>a</i>&amp;", "＜i＞a＜/i＞&amp;", "&lt;i&gt;a&lt;/i&gt;&amp;amp;"),
        ("{\\an8}a", "｛\\an8｝a", "{\\an8}a"),
        ("a\n\n2\r\u2028b\x1b", r"a 2 b\x1b", r"a 2 b\x1b"),
        (" \n", "?", "?"),
    ],
)
def test_a_subtitle_is_one_line_without_markup(text: str, srt: str, vtt: str) -> None:
    assert (for_srt(text), for_vtt(text)) == (srt, vtt)


def test_json_in_a_page_closes_no_script_and_means_the_same() -> None:
    value = {"</script><!--&\u2028'": EVIL[:-2]}
    text = for_page(json.dumps(value, ensure_ascii=False))
    assert not set(text) & set("<>&'\u2028\u2029") and json.loads(text) == value


def test_json_in_a_file_can_be_shown_and_means_the_same() -> None:
    value = {"a\u202e": EVIL[:-2] + "ö", "b": ["\x7f"]}
    text = json_text(value)
    assert all(character == "\n" or character.isprintable() for character in text) and "ö" in text
    assert json.loads(text) == value
    assert visible_json('"ä"') == '"ä"'


def test_json_holds_whole_characters() -> None:
    """Other languages' readers refuse half of one; the byte of a name that is no UTF-8 is written out."""
    for write in (json_text, json_line):
        assert json.loads(write({"\udce4": ["a\ud800", "🫀"]})) == {r"\xe4": [r"a\ud800", "🫀"]}
