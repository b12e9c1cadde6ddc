"""What of a frame may be kept or shown."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from support.screens import screen

from seqcls.errors import GeometryError
from seqcls.gate import GateOptions
from seqcls.geometry import Region
from seqcls.keepable import TextWatch, is_keepable, keepable

GATE = GateOptions()
SCAN = screen("full", width=200, height=100, frames=1).images[0]
WHOLE = Region(0, 0, 200, 100, 200, 100)


def worklist() -> np.ndarray:
    """Names on gray, as a scanner's menu shows them."""
    image = np.full((100, 200), 60, np.uint8)
    for row in range(10, 100, 12):
        cv2.putText(image, "DOE JANE 1970", (4, row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    return image


def test_the_region_alone_is_kept() -> None:
    region = Region(20, 10, 120, 90, 200, 100, ((20, 10), (119, 10), (20, 89)))
    kept = keepable(SCAN, region, GATE)
    assert kept is not None and kept.shape == (80, 100)
    assert kept[0, 0] == SCAN[10, 20] and kept[79, 99] == 0


def test_without_a_region_nothing_is_kept_whatever_the_gate_says() -> None:
    nothing = Region(0, 0, 200, 100, 200, 100, kind="none", confidence=0.0)
    assert keepable(SCAN, nothing, GATE) is None
    assert keepable(SCAN, nothing, GateOptions(enabled=False)) is None
    assert not is_keepable(SCAN, nothing, GATE) and is_keepable(SCAN, WHOLE, GATE)
    assert keepable(SCAN, WHOLE, GATE) is not None  # the whole image, stated or found


def test_a_worklist_inside_the_region_is_not_kept_unless_asked_for() -> None:
    assert keepable(worklist(), WHOLE, GATE) is None
    assert keepable(cv2.cvtColor(worklist(), cv2.COLOR_GRAY2BGR).astype(np.uint8), WHOLE, GATE) is None
    for off in (GateOptions(enabled=False), GateOptions(not_ultrasound=False)):
        kept = keepable(worklist(), WHOLE, off)
        assert kept is not None and np.array_equal(kept, worklist())


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(GeometryError, match="200x100 is not for an image of 100x100"):
        keepable(SCAN[:, :100], WHOLE, GateOptions(enabled=False))


def named(images: int, step_s: float = 0.1) -> list[tuple[np.ndarray, float]]:
    """Moving speckle with a name written over it."""
    drawn = screen("full", width=200, height=100, frames=24).images
    made = []
    for number in range(images):
        image = drawn[number % 24].copy()
        cv2.putText(image, "DOE JANE", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
        made.append((image, number * step_s))
    return made


@pytest.mark.parametrize("most", [None, 40])
def test_a_name_inside_the_region_is_warned_of(most: int | None) -> None:
    watch = TextWatch(most)
    for image, time_s in named(14):
        if watch.wants(time_s):
            watch.add(image, WHOLE, time_s)
    [warning] = watch.warnings()
    assert "what looks like text stands still inside the region" in warning and watch.found


def test_a_name_in_a_region_that_was_soon_another_is_warned_of() -> None:
    watch = TextWatch()
    for image, time_s in named(8):
        watch.add(image, WHOLE, time_s)
    other = Region(0, 0, 100, 100, 200, 100)
    for number, image in enumerate(screen("full", width=200, height=100, frames=4).images):
        watch.add(image[:, :100].copy(), other, 0.8 + number / 10)
    assert watch.warnings()


def test_speckle_alone_is_not_warned_of() -> None:
    watch = TextWatch()
    for number, image in enumerate(screen("full", width=200, height=100, frames=24).images):
        watch.add(image, WHOLE, number / 10)
    assert watch.warnings() == [] and not watch.found


def test_only_so_many_images_are_looked_at_and_no_more_than_ten_a_second() -> None:
    watch, times_s = TextWatch(3), [0.0, 0.04, 0.1, 0.16, 0.2, 0.3]
    taken = []
    for time_s in times_s:
        if watch.wants(time_s):
            taken.append(time_s)
            watch.add(SCAN, WHOLE, time_s)
    assert taken == [0.0, 0.1, 0.2]
