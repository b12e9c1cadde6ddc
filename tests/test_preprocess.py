"""The region in use along a clip: found, not found, sought again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.screens import Screen, screen

from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, Region, RegionFinder, overlap
from seqcls.preprocess import CHECK_EVERY, LOOK_EVERY, MIN_CHECKS, Preprocessor, with_region
from seqcls.types import Frame, Gap

WIDTH, HEIGHT = 160, 120
AUTO = Geometry(size=32)
NOTHING = Region(0, 0, WIDTH, HEIGHT, WIDTH, HEIGHT, kind="none", confidence=0.0)
USABLE = RegionFinder.USABLE_FRAMES
Image = NDArray[np.uint8]


def scan(kind: str, frames: int) -> list[Image]:
    drawn: Screen = screen(kind, width=WIDTH, height=HEIGHT, frames=USABLE)
    return list(itertools.islice(itertools.cycle(drawn.images), frames))


def worklist(frames: int) -> list[Image]:
    image = np.full((HEIGHT, WIDTH), 60, np.uint8)
    for row in range(10, HEIGHT, 12):
        cv2.putText(image, "DOE JANE 1970", (4, row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    return [image] * frames


def regions(images: Sequence[Image]) -> list[Region]:
    frames = [Frame(index, index / 30, 1 / 30, image) for index, image in enumerate(images)]
    found = []
    for item in with_region(frames, AUTO):
        assert not isinstance(item, Gap)
        found.append(item[1])
    return found


def test_nothing_found_is_a_state_of_its_own_and_the_search_goes_on() -> None:
    menu = RegionFinder.MAX_FRAMES + 2
    found = regions([*worklist(menu), *scan("convex", (2 * USABLE + 2) * LOOK_EVERY)])
    assert found[: menu + 1] == [NOTHING] * (menu + 1)
    (change,) = [at for at in range(1, len(found)) if found[at] != found[at - 1]]
    assert menu + USABLE - 1 <= change <= menu + USABLE + 1  # what moves is looked at frame by frame
    # On other frames of the same screen as a search from the start: as good as the same.
    assert overlap(found[-1], AUTO.find(scan("convex", USABLE))) > 0.95


def test_after_a_menu_another_screen_gets_another_region() -> None:
    away = (MIN_CHECKS + 1) * CHECK_EVERY
    images = [*scan("convex", USABLE), *worklist(away), *scan("linear", USABLE + CHECK_EVERY)]
    found = regions(images)
    assert found[: len(images) - USABLE] == [AUTO.find(scan("convex", USABLE))] * (len(images) - USABLE)
    assert overlap(found[-1], AUTO.find(scan("linear", USABLE))) > 0.95


def test_after_a_menu_the_same_screen_keeps_its_region() -> None:
    away = (MIN_CHECKS + 1) * CHECK_EVERY
    found = regions([*scan("convex", USABLE), *worklist(away), *scan("convex", 2 * USABLE)])
    assert set(found) == {AUTO.find(scan("convex", USABLE))}


def test_a_glimpse_of_a_menu_starts_no_search() -> None:
    found = regions([*scan("convex", USABLE), *worklist(CHECK_EVERY), *scan("linear", 3 * USABLE)])
    assert set(found) == {AUTO.find(scan("convex", USABLE))}


def test_a_stated_region_is_never_sought() -> None:
    whole = Geometry(size=32, region="none")
    frames = [Frame(index, index / 30, 1 / 30, image) for index, image in enumerate(worklist(60))]
    assert {item[1] for item in with_region(frames, whole) if not isinstance(item, Gap)} == {
        Region(0, 0, WIDTH, HEIGHT, WIDTH, HEIGHT)
    }


def test_no_thumbnail_is_taken_where_no_region_is_found() -> None:
    frames = [Frame(index, index / 30, 1 / 30, image) for index, image in enumerate(worklist(40))]
    stage = Preprocessor(AUTO, GateOptions(enabled=False))
    prepared = list(stage.prepare(frames))
    assert all(not isinstance(item, Gap) and item.image is not None for item in prepared)  # scored all the same
    assert stage.thumbnails.kept == [] and stage.regions == [NOTHING]


def test_a_region_that_is_found_is_not_sought_again(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []
    search = RegionFinder._search
    monkeypatch.setattr(RegionFinder, "_search", lambda self: (searched.append(0), search(self))[1])
    regions(scan("convex", 2 * USABLE))
    assert len(searched) == 1


def test_a_screen_that_stands_still_is_searched_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    push = RegionFinder.push
    monkeypatch.setattr(RegionFinder, "push", lambda self, image: (looked.append(0), push(self, image))[1])
    frames = RegionFinder.MAX_FRAMES + 40
    assert set(regions(worklist(frames))) == {NOTHING}
    assert len(looked) == RegionFinder.MAX_FRAMES + 40 // LOOK_EVERY
