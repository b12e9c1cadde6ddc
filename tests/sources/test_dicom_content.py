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
    assert content.is_422(np.concatenate([pairs, np.full_like(pairs, 128)], -1).ravel())
    assert not content.is_422(FRAME.ravel()) and not content.is_422(np.zeros(0, np.uint8))


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


def test_the_middle_is_crossed_by_unsigned_values_alone() -> None:
    assert content.crosses_middle(np.arange(256), 8) and not content.crosses_middle(np.array([0, 100, 200, 255]), 8)


def test_bytes_in_the_wrong_order_are_rough() -> None:
    words = FRAME.astype(np.uint16) * 16
    assert content.smoother(words.byteswap(), words) and not content.smoother(words, words.byteswap())
    turned = FRAME.reshape(-1, 2)[:, ::-1].ravel()
    assert content.neater(turned, FRAME.ravel(), 64, 1, False) and not content.neater(
        FRAME.ravel(), turned, 64, 1, False
    )
