"""What pixels show of their layout, tried on images drawn here."""

from __future__ import annotations

import numpy as np
from support.dicom_files import in_color, ultrasound

from seqcls.sources import dicom_content as content

GRAY = ultrasound(2)
FRAME = GRAY[1]
BARS = np.repeat(np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 128, 128]], np.uint8), 400, 0).reshape(
    40, 40, 3
)


def test_gray_is_told_in_both_kinds_of_color() -> None:
    assert content.color_of(in_color(FRAME, "rgb")) == "rgb" and content.color_of(in_color(FRAME, "ybr")) == "ybr"
    black = np.zeros((8, 8), np.uint8)
    assert content.color_of(in_color(black, "rgb")) == "rgb" and content.color_of(in_color(black, "ybr")) == "ybr"


def test_pure_colors_are_no_ybr_and_one_color_tells_nothing() -> None:
    assert content.color_of(BARS) == "rgb"
    assert content.color_of(np.full((8, 8, 3), (90, 110, 130), np.uint8)) == ""


def test_chroma_has_little_detail() -> None:
    tinted = in_color(FRAME, "ybr") + np.array([30, 12, 20], np.uint8)  # no pixel is gray in either kind
    assert content.color_of(np.clip(tinted, 0, 255)) == "ybr"


def test_layouts_are_told_by_gray_by_tint_and_not_by_one_color() -> None:
    tinted = (in_color(FRAME, "rgb") * np.array([1.0, 0.8, 0.6])).astype(np.uint8)
    for image in (in_color(FRAME, "rgb"), in_color(FRAME, "ybr"), tinted):
        assert content.layout_of(image.ravel(), 64) == "pixel"
        assert content.layout_of(image.transpose(2, 0, 1).ravel(), 64) == "plane"
    stripes = np.repeat(np.linspace(0, 255, 48).astype(np.uint8), 64 * 3)  # each row is gray and flat
    assert content.layout_of(stripes, 64) != "plane" and content.has_detail(stripes, 64)
    assert not content.has_detail(np.full(900, 90, np.uint8), 10)
    assert content.layout_of(np.full(300, 90, np.uint8), 10) == "" and content.layout_of(np.zeros(3, np.uint8), 1) == ""


def test_422_is_told_by_its_chroma() -> None:
    pairs = FRAME.reshape(48, 32, 2)
    gray = np.concatenate([pairs, np.full_like(pairs, 128)], -1)
    tinted = np.concatenate([pairs, np.full_like(pairs, 128) + (pairs // 60)], -1)
    for packed in (gray, tinted):
        assert content.luma_of_422(packed.ravel()) == (0, 1)
        assert content.luma_of_422(packed[..., [2, 0, 3, 1]].ravel()) == (1, 3)  # Cb Y Cr Y
        assert content.luma_of_422(packed[..., [0, 2, 1, 3]].ravel()) == (0, 2)  # Y Cb Y Cr
    assert content.luma_of_422(FRAME.ravel()) is None and content.luma_of_422(np.zeros(0, np.uint8)) is None


def test_420_is_luma_and_then_half_as_much_chroma() -> None:
    chroma = np.full(48 * 32, 128, np.uint8)
    assert content.is_420(np.concatenate([FRAME.ravel(), chroma]), 48 * 64, 64)
    assert not content.is_420(np.concatenate([chroma, FRAME.ravel()]), 48 * 64, 64)
    assert not content.is_420(np.resize(GRAY, 48 * 96), 48 * 64, 64)


def test_rows_are_alike_at_their_own_length() -> None:
    data = GRAY.ravel()
    assert (
        content.best_row_bytes(data, [64, 48, 96]) == 64
        and content.best_row_bytes(np.zeros(999, np.uint8), [64, 48]) == 0
    )
    assert (
        content.fits_rows(data, 64, surely=True)
        and not content.fits_rows(data, 61)
        and not content.fits_rows(data, 37, surely=True)
    )
    # From 0, 1, 2, 3 ... each byte changes by 3 to the third one after it.
    assert content.row_change(np.arange(100, dtype=np.uint8), 3) == 3.0


def test_a_sign_shows_where_neighbours_lie_at_both_ends_of_the_range() -> None:
    ramp = np.arange(0, 254, 3) + np.arange(3)[:, None]  # 126, 129 and 127, 130 and 125, 128 cross the middle
    signed = ramp ^ 128  # 254, 1 and so on; 255 and 0 are taken for black and white
    assert content.sign_of(ramp, 8) == "unsigned" and content.sign_of(signed, 8) == "surely signed"
    assert content.sign_of(ramp * 16, 12) == "unsigned" and content.sign_of(signed * 16, 12) == "surely signed"
    letters = np.where(np.arange(200) // 5 % 2, 255, 0)[None]  # black beside white is no sign
    assert content.sign_of(letters, 8) == "" and content.sign_of(letters ^ 128, 8) == ""
    # Letters beside an image: 40 changes from black to white, and one over the middle.
    assert content.sign_of(np.concatenate([letters, np.full_like(letters, 9)], 1), 8) == ""


def test_bytes_in_the_wrong_order_are_rough() -> None:
    words = FRAME.astype(np.uint16) * 16
    assert content.roughness(words.byteswap()) > 3 * content.roughness(words)
    # 0, 1, 0, 1 changes by all of its range from column to column, and not from row to row; 256 times that as well.
    bars = np.tile([0, 1], 8)[None].repeat(4, 0)
    assert content.roughness(bars) == content.roughness(256 * bars) == 1.0
    turned = FRAME.reshape(-1, 2)[:, ::-1].ravel()
    assert content.neater(turned, FRAME.ravel(), 64, 1, False) and not content.neater(
        FRAME.ravel(), turned, 64, 1, False
    )


def test_bits_that_belong_to_a_value_run_over_and_an_overlay_does_not() -> None:
    deep = FRAME.astype(np.uint16) * 16
    overlaid = deep.copy()
    overlaid[20:30] |= 0xF000
    assert content.continues_above(deep, 8) and content.continues_above(deep << 4, 12)
    assert not content.continues_above(overlaid, 12) and content.continues_above(deep << 4, 4)  # the lowest are 0


def test_what_lies_around_is_black_or_white_or_not_known() -> None:
    screen = FRAME // 2
    screen[2:9, 4:8] = 255  # a letter
    assert content.surround(screen) == "black" and content.surround(255 - screen) == "white"
    assert content.surround(4080 - screen.astype(np.uint16) * 16) == "white"
    page = np.full((96, 128), 255, np.uint8)
    page[20:76, 30:98] = 0
    page[24:72, 32:96] = FRAME
    assert content.surround(page) == "white in part"
    bright = 90 + FRAME[24:, 28:36] // 2  # within the sector: gray around, white in it
    assert content.surround(bright) == "" and content.surround(np.full((9, 9), 255)) == ""
