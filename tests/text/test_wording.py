"""Counts in messages, and texts of files in them."""

from __future__ import annotations

import pytest

from seqcls.text.wording import count_of, cut


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (12_300, "12,300 entries")]
)
def test_the_noun_follows_the_number(number: int, shown: str) -> None:
    assert count_of(number, "entry", "entries") == shown
    assert count_of(number, "frame") == f"{number:,} frame{'' if number == 1 else 's'}"


def test_a_text_of_a_file_is_cut_to_what_a_line_holds() -> None:
    assert cut("x" * 60) == "x" * 60 and cut("x" * 20_000_000) == "x" * 59 + "…"
    assert cut(10**100) == "1" + "0" * 58 + "…" and cut("liver", 3) == "li…"
