"""What the model gets of an image: cut out, gray, blanked, scaled."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from support.screens import screen

from seqcls.errors import GeometryError
from seqcls.geometry import Geometry, Region, to_gray
from seqcls.geometry.crop import crop, is_blank, letterbox

AUTO, WHOLE = Geometry(size=64), Geometry(size=64, region="none")


@pytest.mark.parametrize("size", [224, 64, 333])
@pytest.mark.parametrize("box", [(3, 5, 478, 352), (0, 0, 480, 360), (100, 100, 151, 133)])
def test_a_stored_crop_gives_the_same_picture(size: int, box: tuple[int, int, int, int]) -> None:
    image = screen("phased", ("text",), frames=1).images[0]
    region = Region(*box, 480, 360, ((120, 110), (150, 132), (104, 128)), "phased")
    geometry, plain = Geometry(size=size), Geometry(size=size, region="none")
    crop = geometry.crop(image, region)
    assert crop.flags.c_contiguous and crop.shape == (box[3] - box[1], box[2] - box[0])
    np.testing.assert_array_equal(geometry.apply(image, region), plain.apply(crop, plain.find([crop])))


@pytest.mark.parametrize(
    ("height", "width"), [(100, 200), (200, 100), (64, 64), (30, 40), (501, 999), (64, 1), (700, 300)]
)
def test_the_letterbox_does_not_stretch(height: int, width: int) -> None:
    out = letterbox(np.full((height, width), 200, np.uint8), 64)
    rows, columns = np.flatnonzero(out.any(axis=1)), np.flatnonzero(out.any(axis=0))
    assert out.shape == (64, 64) and out.dtype == np.uint8
    scale = 64 / max(height, width)
    assert abs(len(rows) - height * scale) <= 1 and abs(len(columns) - width * scale) <= 1
    assert abs((rows[0] + rows[-1]) / 2 - 31.5) <= 0.5 and abs((columns[0] + columns[-1]) / 2 - 31.5) <= 0.5
    assert (out[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == 200).all()


def test_fine_patterns_do_not_alias() -> None:
    """A grating far finer than the small pixels must turn gray; INTER_LINEAR alone leaves moiré of full contrast."""
    x = np.arange(1000)
    grating = np.tile((127.5 + 127.5 * np.sin(2 * np.pi * x / 2.1)).astype(np.uint8), (1000, 1))
    direct = cv2.resize(grating, (224, 224), interpolation=cv2.INTER_LINEAR)
    assert direct.std() > 40 and letterbox(grating, 224).std() < 8


def test_close_to_area_averaging() -> None:
    image = screen("full", frames=1, width=1024, height=768).images[0]
    area = cv2.resize(image, (224, 168), interpolation=cv2.INTER_AREA)
    difference = np.abs(letterbox(image, 224)[28:196].astype(float) - area)
    assert difference.mean() < 3


@pytest.mark.parametrize(
    ("bgr", "gray"), [((200, 0, 0), 23), ((0, 200, 0), 117), ((0, 0, 200), 60)], ids=["blue", "green", "red"]
)
def test_color_is_weighed_as_the_eye_does(bgr: tuple[int, int, int], gray: int) -> None:
    """0.114, 0.587 and 0.299 of 200."""
    image = np.full((32, 32, 3), bgr, np.uint8)
    assert (to_gray(image) == gray).all() and to_gray(image).shape == (32, 32)
    assert WHOLE.crop(image, WHOLE.find([image]))[0, 0] == gray


def test_the_crop_is_the_box_and_black_outside_the_outline() -> None:
    image = np.arange(1, 201, dtype=np.uint8).reshape(10, 20)
    crop = AUTO.crop(image, Region(3, 2, 6, 5, 20, 10))
    assert crop.tolist() == [[44, 45, 46], [64, 65, 66], [84, 85, 86]]
    crop = AUTO.crop(image, Region(3, 2, 6, 5, 20, 10, ((3, 2), (5, 2), (3, 4)), "linear"))
    assert crop.tolist() == [[44, 45, 46], [64, 65, 0], [84, 0, 0]] and crop.dtype == np.uint8


def test_an_image_of_another_size_is_refused() -> None:
    message = r"^a region of 20x10 is not for an image of 30x12$"
    with pytest.raises(GeometryError, match=message):
        crop(np.zeros((12, 30, 3), np.uint8), Region(3, 2, 6, 5, 20, 10))


def test_a_wide_image_has_bars_above_and_below() -> None:
    """32 x 16 pixels become 16 x 8: the mean of every 2 x 2, in rows 4 to 11."""
    image = np.repeat(np.arange(0, 64, 2, dtype=np.uint8)[None], 16, axis=0)
    expected = np.zeros((16, 16), np.uint8)
    expected[4:12] = np.arange(1, 64, 4)
    np.testing.assert_array_equal(letterbox(image, 16), expected)
    np.testing.assert_array_equal(letterbox(np.ascontiguousarray(image.T), 16), expected.T)


def test_the_odd_row_or_column_is_dropped_and_the_odd_pixel_is_below() -> None:
    """17 x 33 pixels become 8 x 16, at columns 4 to 11; 15 x 32 to 8 x 16."""
    image = np.full((33, 17), 100, np.uint8)
    image[32], image[:, 16] = 255, 255
    out = letterbox(image, 16)
    assert (out[:, 4:12] == 100).all() and not out[:, :4].any() and not out[:, 12:].any()
    assert (letterbox(image[:32], 16)[:, 4:12] == 100).all()  # twice the size: halved once, nothing left to interpolate
    tall = letterbox(np.full((16, 9), 100, np.uint8), 16)
    assert np.flatnonzero(tall.any(axis=0)).tolist() == list(range(3, 12))


def test_two_rows_are_halved_too() -> None:
    """The mean of four columns, not of the middle two."""
    image = np.tile(np.array([0, 100, 100, 0], np.uint8), (2, 16))
    assert letterbox(image, 16).max(axis=0).tolist() == [50] * 16


def test_small_images_are_enlarged_and_thin_ones_keep_a_pixel() -> None:
    assert np.flatnonzero(letterbox(np.full((4, 8), 9, np.uint8), 16).any(axis=1)).tolist() == list(range(4, 12))
    assert letterbox(np.full((1, 100), 9, np.uint8), 16).any(axis=1).sum() == 1
    assert letterbox(np.full((100, 1), 9, np.uint8), 16).any(axis=0).sum() == 1


@pytest.mark.parametrize(("lit", "blank"), [(2, True), (3, False)])
def test_an_image_is_blank_below_two_thousandths_of_lit_pixels(lit: int, blank: bool) -> None:
    """Every fourth pixel of every fourth row counts: 30 * 40 of these, hence 2.4."""
    image = np.full((120, 160), 24, np.uint8)
    image[::4, ::4].ravel()[:lit] = 25
    image[0, 0 : 4 * lit : 4] = 25
    assert is_blank(image) is blank
    image[1:, 1:] = 255
    image[::4] = image[:, ::4] = 0
    assert is_blank(image)


@pytest.mark.parametrize(("lit", "blank"), [(7, True), (8, False)])
def test_two_thousandths_themselves_are_not_blank(lit: int, blank: bool) -> None:
    """Of 50 * 80 pixels, 8."""
    image = np.zeros((200, 320), np.uint8)
    image[0, 0 : 4 * lit : 4] = 25
    assert is_blank(image) is blank
