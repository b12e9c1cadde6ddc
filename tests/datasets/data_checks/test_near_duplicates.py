"""Frames that show the same, whatever a codec, a gain or a crop did to them, and no others."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.scenes import scenes

from seqcls.datasets.data_checks import near_duplicates as module
from seqcls.datasets.data_checks.near_duplicates import details, find_twins

Image = NDArray[np.uint8]


def jpeg(image: Image) -> Image:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_GRAYSCALE)  # type: ignore[return-value]


def smaller(image: Image) -> Image:
    return cv2.resize(cv2.resize(image, (36, 36), interpolation=cv2.INTER_AREA), (48, 48))  # type: ignore[return-value]


def brighter(image: Image) -> Image:
    return np.clip(image * 1.15, 0, 255).astype(np.uint8)


def cut(image: Image) -> Image:
    return cv2.resize(image[1:, :-1], (48, 48))  # type: ignore[return-value]


@pytest.mark.parametrize("change", [jpeg, smaller, brighter, cut])
def test_a_frame_that_was_encoded_again_is_found(change: Callable[[Image], Image]) -> None:
    """And it alone: six patients of 16 frames are like nobody else."""
    images = scenes().images
    both = np.concatenate([images, change(images[21])[None]])
    groups = np.r_[np.repeat(np.arange(6), 16), 9]
    twins = find_twins(both, groups, (groups == 9).astype(np.int64))
    assert set(twins.second.tolist()) == {96}
    assert set(twins.first.tolist()) <= set(range(16, 24))  # its neighbours, in which no organ is, look alike
    assert twins.correlation.min() >= module.MIN_CORRELATION


def test_detail_of_what_shows_nothing_is_nothing() -> None:
    found = details(np.stack([np.zeros((48, 48), np.uint8), np.full((48, 48), 80, np.uint8), scenes().images[0]]))
    assert not found[:2].any() and np.linalg.norm(found[2]) == pytest.approx(1)


def test_embeddings_that_are_far_apart_part_twins() -> None:
    images = scenes(patients=1, frames=2).images
    both, groups = np.concatenate([images[:1], images[:1]]), np.array([0, 1])
    assert len(find_twins(both, groups, groups)) == 1
    assert len(find_twins(both, groups, groups, np.array([[1, 0], [0, 1]], np.float32))) == 0


def test_blocks_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.tile(scenes(patients=4, frames=4).images, (2, 1, 1))
    groups = np.arange(len(images)) // 4
    whole = find_twins(images, groups, groups * 0)
    monkeypatch.setattr(module, "_BLOCK", 5)
    parts = find_twins(images, groups, groups * 0)
    pairs = [sorted(zip(one.first.tolist(), one.second.tolist(), strict=True)) for one in (whole, parts)]
    assert pairs[0] == pairs[1] and {(i, i + 16) for i in range(16)} <= set(pairs[0])


def test_many_pairs_take_little_memory() -> None:
    """Of frames that are all alike there are many times as many pairs: their embeddings are compared part by part."""
    features = np.random.default_rng(0).standard_normal((50, 512)).astype(np.float32)
    first, second = (np.random.default_rng(seed).integers(0, 50, 60_000) for seed in (1, 2))
    tracemalloc.start()
    found = module._cosine(features, first, second)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    one, other = features[first[-1]], features[second[-1]]
    assert found[-1] == pytest.approx(one @ other / np.linalg.norm(one) / np.linalg.norm(other), abs=1e-6)
    assert most < 80e6, "all at once 250 MB"
