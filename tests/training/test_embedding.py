"""Embeddings: one for each image, and what the processor computes in turns them by less than any check asks for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.frame_sets import frame_set

from seqcls.training import embedding as module
from seqcls.training.embedding import embed

SETS = frame_set(clips=4)


def test_bfloat16_turns_embeddings_by_less_than_any_check_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(module, "choose_precision", lambda precision, device, dtype=dtype: dtype)
        found[dtype] = embed(SETS.images, done.append).astype(np.float64)
    exact, quick = found.values()
    assert exact.shape == quick.shape == (48, 512) and done == [48, 48]
    assert 0 < np.abs(exact - quick).max() < 0.03 * exact.max()
    cosines = (exact * quick).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(quick, axis=1)
    assert cosines.min() > 0.9995


def test_an_image_alone_is_embedded_as_among_others() -> None:
    alone = np.concatenate([embed(image[None]) for image in SETS.images[:3]])
    assert np.allclose(alone, embed(SETS.images)[:3], atol=0.02 * alone.max())
