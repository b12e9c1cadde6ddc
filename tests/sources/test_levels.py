"""One scale for a set of deep images."""

from __future__ import annotations

import numpy as np
import pytest

from seqcls.sources.levels import Levels, SetLevels, levels_of


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([[100, 300], [200, 500]], Levels(100, 500)),
        ([[7, 7]], Levels(0, 255)),
        ([[800, 800]], Levels(0, 1023)),
        ([[0x8000, 0x8000]], Levels(0, 65535)),
        ([[0, 0]], Levels(0, 1)),
        ([], Levels(0, 1)),
    ],
)
def test_least_to_greatest(values: list[list[int]], levels: Levels) -> None:
    assert levels_of(np.array(one, np.uint16) for one in values) == levels


def test_what_is_no_number_takes_no_part_and_becomes_black() -> None:
    image = np.array([np.nan, np.inf, -1.0, 1.0, 3.0], np.float32)
    levels = levels_of([image])
    assert levels == Levels(-1.0, 3.0)
    assert levels.apply(image).tolist() == [0, 255, 0, 128, 255]


def test_the_levels_of_a_set_are_found_once_and_when_asked_for() -> None:
    asked = []

    def images() -> list[np.ndarray]:  # type: ignore[type-arg]
        asked.append(1)
        return [np.array([1, 5], np.uint16)]

    levels = SetLevels(images)
    assert levels.found is None and not asked
    assert levels.find() == levels.find() == levels.found == Levels(1, 5) and len(asked) == 1
