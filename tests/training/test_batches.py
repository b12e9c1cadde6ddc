"""Batches hold what was drawn, wherever the frames lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.frame_sets import QUICK, frame_set

from seqcls.training import batches as module
from seqcls.training.batches import DeviceFrames, fits, training_batches


@pytest.mark.parametrize("whole", [True, False], ids=["on the device", "sent as drawn"])
def test_rows_come_with_their_images_targets_and_labels(whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SENT", 10)  # of 72 frames
    frames = frame_set()
    rows = np.array([71, 3, 3, 40, 0])
    images, targets, known = DeviceFrames(frames, torch.device("cpu"), whole=whole).take(rows)
    assert images.dtype == torch.uint8
    assert np.array_equal(images.numpy(), frames.images[rows])
    assert np.array_equal(known.numpy(), frames.mask[rows])
    assert np.array_equal(targets.numpy(), np.where(frames.mask, frames.targets, 0)[rows])


def test_batches_are_the_same_wherever_the_frames_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = frame_set()
    rows = np.flatnonzero(frames.split == "train")
    sent = [batch.images for batch in training_batches(frames, rows, QUICK)]
    monkeypatch.setattr(module, "fits", lambda frames, device: True)
    assert all(
        torch.equal(one, batch.images) for one, batch in zip(sent, training_batches(frames, rows, QUICK), strict=True)
    )


@pytest.mark.parametrize(("free", "expected"), [(2.1, True), (1.9, False)])
def test_frames_lie_on_a_gpu_where_they_leave_half_of_its_free_memory(
    free: float, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = frame_set()
    own = int(free * frames.images.nbytes)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (own, 100 * own))
    assert fits(frames, torch.device("cuda")) == expected
    assert not fits(frames, torch.device("cpu"))
