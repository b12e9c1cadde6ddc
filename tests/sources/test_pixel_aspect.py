"""Pixels that are not square: which ratios are believed, and what becomes of an image."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seqcls.sources.pixel_aspect import pixel_aspect, square_size, with_square_pixels

STATED = {(1, 1): 1.0, (4, 3): 4 / 3, (8, 9): 8 / 9, (16, 15): 16 / 15, (1, 2): 0.5, (32, 11): 32 / 11, (4, 1): 4.0}


@pytest.mark.parametrize("stated", STATED)
def test_what_recorders_state_is_believed(stated: tuple[int, int]) -> None:
    assert pixel_aspect(*stated) == (STATED[stated], "")


def test_what_comes_of_rounding_is_square() -> None:
    assert pixel_aspect(1088, 1080) == (1.0, "") and pixel_aspect(399, 400) == (1.0, "")


@pytest.mark.parametrize("stated", [(0, 1), (1, 0), (1, 1000), (1000, 1), (-4, 3), (math.nan, 1), (1, math.inf)])
def test_what_cannot_be_is_ignored_with_a_remark(stated: tuple[float, float]) -> None:
    aspect, remark = pixel_aspect(*stated)
    assert aspect == 1.0 and f"{stated[0]:g}:{stated[1]:g} is implausible" in remark


def test_one_side_grows_and_none_shrinks() -> None:
    assert square_size(720, 480, 8 / 9) == (720, 540) and square_size(720, 576, 16 / 15) == (768, 576)
    assert square_size(240, 240, 4 / 3) == (320, 240) and square_size(320, 240, 1.0) == (320, 240)


def test_an_image_is_stretched_about_the_middles_of_its_pixels() -> None:
    image = np.array([[0, 100]], np.uint8)
    # at -0.25, 0.25, 0.75 and 1.25, by Keys' cubic of -0.75: 100 * (0.2617 - 0.0352) at 0.25, and below 0 at -0.25
    assert with_square_pixels(image, 2.0).tolist() == [[0, 23, 77, 111]]
    assert with_square_pixels(image.T, 0.5).tolist() == [[0], [23], [77], [111]]
    color = np.dstack([image] * 3)
    assert with_square_pixels(color, 2.0).shape == (1, 4, 3) and with_square_pixels(image, 1.0) is image
