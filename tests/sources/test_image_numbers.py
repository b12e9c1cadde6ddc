"""Numbers in names as places on a time axis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from seqcls.sources.image_numbers import ImagePlaces, image_places, numbered_places


@pytest.mark.parametrize(
    ("names", "slots", "remark"),
    [
        ("f0001 f0002 f0003", (0, 1, 2), ""),
        ("f0001 f0002 f0005", (0, 1, 4), ""),
        ("f1 f2 f3 f6 f7 f9", (0, 1, 2, 5, 6, 8), ""),
        ("f8 f9 f10 f12", (0, 1, 2, 4), ""),
        ("f0 f10 f20 f30", (0, 1, 2, 3), "step by 10"),
        ("f1 f3 f5 f11", (0, 1, 2, 5), "step by 2"),  # a sequence of which every second was kept, with a hole
        ("f1 f9", (0, 1), ""),  # two numbers do not show what the step is
        ("f1 f2 f7 f19", (0, 1, 2, 3), "step unevenly"),
        ("p1_f1 p1_f2 p1_f4", (0, 1, 3), ""),
        ("f1_40ms f2_80ms f5_200ms", (0, 1, 4), ""),
        ("p1_f1 p1_f2 p2_f1", (0, 1, 2), ""),  # neither of the two numbers counts the images
        ("20240101_120000 20240101_120001 20240101_120003", (0, 1, 3), ""),
        ("a b c", (0, 1, 2), ""),
        ("f1 f2 f3 f10003", (0, 1, 2, 10002), ""),
        ("f1 f2 f3 f990000000000000000", (0, 1, 2, 3), "step unevenly"),  # no hole of a thousand years
    ],
)
def test_a_number_is_a_place_where_the_numbers_count(names: str, slots: Sequence[int], remark: str) -> None:
    found = image_places([Path(f"{name}.png") for name in names.split()])
    assert found.slots == tuple(slots)
    assert remark in found.remark and bool(found.remark) == bool(remark)


def test_one_image_in_two_formats_is_remarked_on() -> None:
    found = image_places([Path(f"f{number}{suffix}") for number in (1, 2) for suffix in (".jpg", ".png")])
    assert found.slots == (0, 1, 2, 3) and "f1.jpg and f1.png have the same number" in found.remark


def test_in_a_pattern_the_numbers_are_places_unless_they_are_thinned_out() -> None:
    paths = [Path(f"{k}.png") for k in range(3)]
    assert numbered_places([1, 2, 7], paths) == ImagePlaces((0, 1, 6))
    assert numbered_places([1, 4, 13], paths).slots == (0, 1, 4)
    assert numbered_places([1, 9], paths[:2]) == ImagePlaces((0, 8))
    assert numbered_places([1, 8, 18], paths) == ImagePlaces((0, 7, 17)), "uneven, but a pattern was asked for"
    assert numbered_places([0, 25, 50], paths).slots == (0, 1, 2)
    assert "same number" in numbered_places([1, 1], [Path("f1.png"), Path("f01.png")]).remark
