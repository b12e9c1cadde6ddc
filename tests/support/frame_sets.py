"""Frames of drawn discs and bars, labelled, in memory; and options that train on them within seconds."""

from __future__ import annotations

import cv2
import numpy as np

from seqcls.datasets.dataset import FrameSet
from seqcls.geometry import Geometry
from seqcls.training.options import AugmentOptions, TrainOptions

SIZE = 32
CALM = AugmentOptions(strength=0.2)
QUICK = TrainOptions(
    epochs=4, batch_size=16, samples_per_epoch=32, lr=2e-3, weights="none", device="cpu", precision="fp32", augment=CALM,
)  # fmt: skip


def frame_set(clips: int = 6, frames: int = 12, seed: int = 0) -> FrameSet:
    """Organ "disc": a bright disc in the second half of even clips. "bar": labelled in clips 0..3 only, in odd frames.

    Patient p holds clips 2p and 2p + 1; the last patient's are for validation.
    """
    rng = np.random.default_rng(seed)
    count = clips * frames
    clip, index = np.divmod(np.arange(count), frames)
    images = rng.integers(30, 110, (count, SIZE, SIZE), np.uint8)
    disc, bar = (clip % 2 == 0) & (index >= frames // 2), index % 2 == 1
    for image, has_disc, has_bar in zip(images, disc, bar, strict=True):
        if has_disc:
            cv2.circle(image, (int(rng.integers(10, 22)), int(rng.integers(8, 14))), 5, 230, -1)
        if has_bar:
            cv2.rectangle(image, (int(rng.integers(3, 10)), 25), (27, 28), 200, -1)
    mask = np.stack([np.ones(count, bool), clip < 4], axis=1)
    targets = np.where(mask, np.stack([disc, bar], axis=1), np.nan).astype(np.float32)
    return FrameSet(
        images=images,
        targets=targets,
        mask=mask,
        clip=np.array([f"clip{number}" for number in clip]),
        patient=np.array([f"p{number // 2}" for number in clip]),
        split=np.where(clip >= clips - 2, "validation", "train"),
        time_s=index / 25.0,
        organs=("disc", "bar"),
        geometry=Geometry(size=SIZE),
        hash="abc",
    )
