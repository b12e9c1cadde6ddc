"""Text that stands still is seen, speckle and tissue are not taken for it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.screens import screen

from seqcls.burnt_in_text import BurntInText, TextBox, written_lines
from seqcls.geometry import Geometry, outline_mask

Image = NDArray[np.uint8]


@cache
def ultrasound() -> tuple[Image, Image]:
    """(30, h, w) cut out of a drawn screen, and the mask of their region."""
    images = screen("convex", (), frames=30).images
    region = Geometry().find(images)
    mask = outline_mask(region)
    assert mask is not None
    return np.stack([Geometry().crop(image, region) for image in images]), mask


def looked_at(images: Image, mask: Image | None = None, step_s: float = 0.1) -> BurntInText:
    text = BurntInText(mask)
    for number, image in enumerate(images):
        text.add(np.ascontiguousarray(image), number * step_s)
    text.finish()
    return text


def written(images: Image, words: str, scale: float = 0.5, shade: int = 255) -> tuple[Image, tuple[int, int]]:
    at = round(images.shape[2] * 0.35), round(images.shape[1] * 0.6)
    done = images.copy()
    for image in done:
        cv2.putText(image, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, shade, 1, cv2.LINE_AA)
    return done, at


def test_ultrasound_alone_holds_no_text() -> None:
    images, mask = ultrasound()
    text = looked_at(images, mask)
    assert not text.found and not text.unsure and text.warnings() == []


@pytest.mark.parametrize(("scale", "shade"), [(0.35, 255), (0.5, 255), (0.5, 170), (0.9, 200)])
def test_a_name_is_found_where_it_stands(scale: float, shade: int) -> None:
    images, mask = ultrasound()
    named, (x, y) = written(images, "DOE JANE", scale, shade)
    text = looked_at(named, mask)
    assert text.found
    box = text.found[0]
    assert abs(box.x0 - x) < 12 and abs(box.y1 - y) <= 3 and box.start_s == 0.0
    assert "look for names" in text.warnings()[0]


def test_a_name_that_is_there_for_two_seconds_is_found_in_its_time() -> None:
    images, mask = ultrasound()
    named, _ = written(images, "DOE JANE")
    text = looked_at(np.concatenate([images, named[:24], images]), mask)
    assert len(text.found) == 1 and 2.4 <= text.found[0].start_s <= 4.0 and text.found[0].end_s <= 6.5


def test_text_that_moves_with_the_tissue_is_no_overlay() -> None:
    images, mask = ultrasound()
    moving = images.copy()
    for number, image in enumerate(moving):
        cv2.putText(image, "DOE JANE", (120 + 3 * number, 180), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1, cv2.LINE_AA)
    assert not looked_at(moving, mask).found


def test_marks_and_single_letters_are_no_names() -> None:
    images, mask = ultrasound()
    marked = images.copy()
    for image in marked:
        cv2.putText(image, "V", (150, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
        for k in range(6):
            image[40 + 20 * k : 42 + 20 * k, 120:124] = 255
    assert not looked_at(marked, mask).found


def test_what_stands_still_is_unsure_but_plain_text_is_found() -> None:
    images, mask = ultrasound()
    still = looked_at(np.repeat(images[:1], 12, axis=0), mask)
    assert still.unsure and "cannot be told" in still.warnings()[0]
    named = looked_at(np.repeat(written(images, "DOE JANE")[0][:1], 12, axis=0), mask)
    assert named.found and "looks like text" in named.warnings()[0]


def test_too_few_images_leave_it_open() -> None:
    images, mask = ultrasound()
    assert looked_at(images[:3], mask).unsure
    assert BurntInText().unsure


def test_images_that_follow_at_once_are_passed_over() -> None:
    """At 500 images a second every 50th is looked at; a clock that goes back does no harm."""
    images, mask = ultrasound()
    fast = looked_at(images, mask, step_s=0.002)
    assert fast.unsure
    fast.add(images[0], -1.0)


def marked(images: Image, letters: int, first: int) -> Image:
    """So many letters L in a row, from one image on."""
    done = images.copy()
    for image in done[first:]:
        for k in range(letters):
            image[200:210, 150 + 12 * k : 152 + 12 * k] = image[208:210, 150 + 12 * k : 156 + 12 * k] = 255
    return done


@pytest.mark.parametrize(
    ("images", "letters", "first", "last", "found_s"),
    [
        (18, 3, 13, 18, None),
        (18, 4, 13, 18, 1.3),
        (18, 3, 6, 18, None),
        (18, 3, 0, 18, 0.0),
        (26, 3, 0, 13, None),
        (26, 4, 0, 13, 0.0),
        (26, 3, 0, 19, 0.0),
        (26, 3, 7, 26, 0.7),
        (39, 3, 7, 32, 0.7),
        (13, 3, 0, 13, 0.0),
        (9, 3, 0, 9, 0.0),
    ],
)
def test_three_letters_have_to_stay_for_longer_than_speckle_does(
    images: int, letters: int, first: int, last: int, found_s: float | None
) -> None:
    """Windows are of 13 images; three letters are found from 18 or 19 on, four at once. A clip that holds no more is
    judged by what it holds."""
    drawn, mask = ultrasound()
    shown = np.concatenate([drawn, drawn[::-1]])[:images].copy()
    shown[:last] = marked(shown[:last], letters, first)
    found = looked_at(shown, mask).found
    assert [box.start_s for box in found] == ([] if found_s is None else [pytest.approx(found_s)])


@pytest.mark.parametrize(("first", "again", "is_found"), [(3, 3, True), (3, 2, True), (2, 3, True), (3, 0, False)])
def test_three_letters_are_text_where_two_are_seen_in_another_window(first: int, again: int, is_found: bool) -> None:
    """For 13 images at the beginning and for 13 at the end of 52: four windows, none of which the next confirms."""
    drawn, mask = ultrasound()
    shown = np.concatenate([drawn, drawn[::-1]])[:52].copy()
    shown[:13], shown[39:] = marked(shown[:13], first, 0), marked(shown[39:], again, 0)
    assert bool(looked_at(shown, mask).found) == is_found


def test_a_clock_that_goes_back_again_and_again_is_looked_at_too() -> None:
    images, mask = ultrasound()
    named, _ = written(images, "DOE JANE")
    text = BurntInText(mask)
    for number, image in enumerate(named[:24]):
        text.add(np.ascontiguousarray(image), float(number % 2))
    assert text.found


def test_lines_are_boxes_of_letters() -> None:
    page = np.zeros((60, 200), np.uint8)
    for k in range(4):
        page[20:30, 40 + 12 * k : 42 + 12 * k] = 255
        page[28:30, 40 + 12 * k : 46 + 12 * k] = 255  # an L, 6 wide and 10 high
    assert written_lines(page, np.zeros_like(page)) == [(40, 20, 82, 30)]
    assert written_lines(page, np.full_like(page, 41)) == []  # it flickers
    assert written_lines(page // 8, np.zeros_like(page)) == []  # it hardly stands out


def test_one_line_seen_again_is_one_box() -> None:
    images, mask = ultrasound()
    named, _ = written(np.concatenate([images, images]), "DOE JANE")
    (box,) = looked_at(named, mask).found
    assert box == TextBox(box.x0, box.y0, box.x1, box.y1, 0.0, pytest.approx(5.9))


@pytest.mark.real
def test_real_clips_hold_no_text_inside_their_region(real_clips: Path) -> None:
    from seqcls.preprocess import with_region
    from seqcls.sources import open_source
    from seqcls.types import Gap

    for path in (real_clips / "clips" / "examples_ybr_color.dcm", real_clips / "clips" / "Vir_whitelung_h1n1.mp4"):
        text: BurntInText | None = None
        with open_source(path) as source:
            for item in with_region(source, Geometry(), source.info.region):
                assert not isinstance(item, Gap)
                frame, region = item
                text = BurntInText(outline_mask(region)) if text is None else text
                text.add(Geometry().crop(frame.image, region), frame.time_s)
        assert text is not None
        text.finish()
        assert not text.found
