"""Counts in messages."""

from __future__ import annotations

import pytest

from seqcls.text.wording import count_of


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (12_300, "12,300 entries")]
)
def test_the_noun_follows_the_number(number: int, shown: str) -> None:
    assert count_of(number, "entry", "entries") == shown
    assert count_of(number, "frame") == f"{number:,} frame{'' if number == 1 else 's'}"
