"""Names that are distinct on every disk; those of clips of presences are known again, and no others are."""

from __future__ import annotations

import pytest

from seqcls.files.safe_names import clip_name, distinct, is_clip_name


@pytest.mark.parametrize(("organ", "start_s"), [("liver", 0.0), ("a b/../c", 86400.5 * 30), ("\u00e4", 1.0), ("", 2.0)])
def test_a_clip_s_name_is_known_again(organ: str, start_s: float) -> None:
    name = clip_name(organ, start_s)
    assert is_clip_name(name) and is_clip_name(name.replace(".mp4", "-2.mp4"))
    assert is_clip_name(name.replace(".mp4", "-sheet.png")) and is_clip_name(name.replace(".mp4", "-2-sheet.png"))


@pytest.mark.parametrize(
    "name",
    ["liver.mp4", "liver-00-00-01.mp4", "liver-00-00-01.000.mov", "liver-00-00-01.000 best.mp4", "00-00-01.000.mp4",
     "liver-00-00-01.000.mp4.part", "my liver-00-00-01.000.mp4", ".seqcls-0123456789abcdef.part.mp4"],
)  # fmt: skip
def test_a_person_s_file_is_not_taken_for_one(name: str) -> None:
    assert not is_clip_name(name)


def test_a_name_that_is_taken_gets_the_next_free_number() -> None:
    """Also where it is taken in other letters, or a number is taken already."""
    taken = {"scores.csv"}
    names = ["a", "A", "a-3", "a", "a", "Scores.csv"]
    assert [distinct(name, taken) for name in names] == ["a", "A-2", "a-3", "a-4", "a-5", "Scores.csv-2"]
    assert taken == {"scores.csv", "a", "a-2", "a-3", "a-4", "a-5", "scores.csv-2"}
