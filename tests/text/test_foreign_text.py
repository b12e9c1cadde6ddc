"""Foreign text steers nothing, wherever it is written."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcls.files import write_csv
from seqcls.files.json_text import json_line, json_text
from seqcls.text.foreign_text import (
    for_csv,
    for_dicom,
    for_image,
    for_name,
    for_page,
    for_srt,
    for_terminal,
    for_vtt,
    from_csv,
    from_name,
    visible_json,
)

#: C0 and C1, a change of the writing direction, a line separator, a byte that is no UTF-8, half a character.
EVIL = "e\x1b]0;x\x07\r\n\x7f\x9b2J\u061c\u202e\u2066\u2028\ufff9\udce4\ud800"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("größe 1.mp4", "größe 1.mp4"),
        ("10\u202f30\u00a0h.png", "10\u202f30\u00a0h.png"),  # blanks of other widths, as in a Mac's screenshots
        ("क्\u200dष क्\u200cष র\u200d্য", "क्\u200dष क्\u200cष র\u200d্য"),  # joiners beside a virama
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian
        ("👩\u200d⚕\ufe0f 👍🏽 1\ufe0f\u20e3", "👩\u200d⚕\ufe0f 👍🏽 1\ufe0f\u20e3"),
        ("👩🏽\u200d❤\ufe0f\u200d👨", "👩🏽\u200d❤\ufe0f\u200d👨"),
        ("\u1820\u180b", "\u1820\u180b"),  # Mongolian
        ("क्ष\u200d a\u200db دا\u200cد \u200c", r"क्ष\u200d a\u200db دا\u200cد \u200c"),  # where they change nothing
        ("😀\ufe0f\u200d😀 葛\U000e0100 a\ufe0f", r"😀\ufe0f\u200d😀 葛\U000e0100 a\ufe0f"),
        ("a\u200b\ufeffb\u00adc\U000e0041\u3164\u2060", r"a\u200b\ufeffb\u00adc\U000e0041\u3164\u2060"),
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


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a\x1b", r"a\x1b"),
        (r"a\x1b", r"a\\x1b"),
        ("\\\x1b", r"\\\x1b"),  # a backslash before an escape
        (r"\\x1b", r"\\\\x1b"),
        (r"\xff\xfe", r"\\xff\\xfe"),
        ("\udcff\udcfe", r"\xff\xfe"),
        (r"C:\Users\Doe\IM_01 \xg \u12", r"C:\Users\Doe\IM_01 \xg \u12"),  # nothing to be taken for one
        ("\\क्\u200dष", "\\क्\u200dष"),
    ],
)
def test_two_names_stay_two(name: str, kept: str) -> None:
    assert for_name(name) == kept == for_terminal(kept) and from_name(kept) == name


LETTERS = [*"\\\\x1bfuUn0\n\x1b\x9b\u200d\u200c\ufe0f्😀❤ب\udcff\ud800\U000e0041"]


@settings(max_examples=400, deadline=None)
@given(st.text(st.sampled_from(LETTERS), max_size=14))
def test_every_name_comes_back(name: str) -> None:
    """So no two are written alike; and what is written steers nothing, however often it is written."""
    kept = for_name(name)
    assert from_name(kept) == name and for_terminal(kept) == kept and from_csv(for_csv(kept)) == kept


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
        ("\u200b=1", r"\u200b=1"),
        ("\ufeff=1", r"\ufeff=1"),
        ("\u00ad=1;\u200d=2", r"\u00ad=1;\u200d=2"),
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
    value = {"a\u202e": EVIL[:-2] + "ö", "b": ["\x7f\U000e0041 👩\u200d⚕"]}
    text = json_text(value)
    assert "ö" in text and "👩\u200d⚕" in text
    assert all(character == "\n" or character.isprintable() for character in text.replace("\u200d⚕", ""))
    assert json.loads(text) == value
    assert visible_json('"ä"') == '"ä"'


def test_json_holds_whole_characters() -> None:
    """Other languages' readers refuse half of one; the byte of a name that is no UTF-8 is written out."""
    for write in (json_text, json_line):
        assert json.loads(write({"\udce4": ["a\ud800", "🫀"]})) == {r"\xe4": [r"a\ud800", "🫀"]}


def test_a_value_of_dicom_is_one_value() -> None:
    """A backslash would part it in two."""
    assert for_dicom("a\\b\u2028") == "a\uff3cb\uff3cu2028"
