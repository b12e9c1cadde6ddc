"""Counts in messages, and texts of files in them."""

from __future__ import annotations

import pytest

from seqcls.text.wording import count_of, cut, duration_of, short_reason, size_of, unseen, without_name


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (12_300, "12,300 entries")]
)
def test_the_noun_follows_the_number(number: int, shown: str) -> None:
    assert count_of(number, "entry", "entries") == shown
    assert count_of(number, "frame") == f"{number:,} frame{'' if number == 1 else 's'}"


def test_a_text_of_a_file_is_cut_to_what_a_line_holds() -> None:
    assert cut("x" * 60) == "x" * 60 and cut("x" * 20_000_000) == "x" * 59 + "…"
    assert cut(10**100) == "1" + "0" * 58 + "…" and cut("liver", 3) == "li…"


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 kB"), (999_400, "999 kB"), (999_600, "1.0 MB"), (123_456_789, "123 MB"), (1_234_567_890, "1.2 GB"), (2e12, "2000 GB")],
)  # fmt: skip
def test_sizes(size_bytes: float, text: str) -> None:
    assert size_of(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.9, "0 s"), (28.9, "28 s"), (99.9, "99 s"), (100, "1 min"), (5999, "99 min"), (6000, "1 h"), (172_799, "47 h"), (1e30, "11574 days")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration_of(seconds) == text


def test_unknown_is_not_said_to_be_absent() -> None:
    assert unseen(["absent"]) == "not in view" and unseen(["unknown", "unknown"]) == "unknown"
    assert unseen(["absent", "unknown"]) == "not in view where known"


@pytest.mark.parametrize(
    ("reason", "without", "short"),
    [
        ("igtl://h:1: no image for 2 s; is it on?", "no image for 2 s; is it on?", "no image for 2 s"),
        ("igtl://h:1/Image: cannot connect (refused)", "cannot connect (refused)", "cannot connect (refused)"),
        ("camera 0: cannot be opened; is it free?", "camera 0: cannot be opened; is it free?", "camera 0: cannot be opened"),
        ("not read: interrupted", "not read: interrupted", "not read: interrupted"),
        ("", "", ""),
    ],
)  # fmt: skip
def test_a_reason_stands_without_its_source_and_in_a_table_without_advice(
    reason: str, without: str, short: str
) -> None:
    assert without_name(reason, "igtl://h:1") == without and short_reason(reason, "igtl://h:1") == short
    assert without_name("camera 0: is gone", "camera 0") == "is gone"
