"""The text of a mark says again what it was made of."""

from __future__ import annotations

import pytest

from seqcls.text.organ_marks import organ_mark, parsed_mark


@pytest.mark.parametrize(
    ("state", "text"), [("present", "left lobe"), ("absent", "left lobe: absent"), ("ignore", "left lobe?")]
)
def test_there_and_back(state: str, text: str) -> None:
    assert organ_mark("left lobe", state) == text and parsed_mark(text) == ("left lobe", state)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (" liver ", ("liver", "present")),
        ("liver: Unknown", ("liver", "ignore")),
        ("liver:present", ("liver", "present")),
        ("liver: left", ("liver: left", "present")),  # whether that may be an organ is decided elsewhere
        ("", ("", "present")),
    ],
)
def test_as_people_write_them(text: str, read: tuple[str, str]) -> None:
    assert parsed_mark(text) == read


def test_what_steers_a_line_is_written_out() -> None:
    assert organ_mark("a\tb\u2028", "present") == r"a\tb\u2028"
