"""Labelled frames of patients who look each like nobody else, in memory, into which a fault can be put."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.dataset import FrameSet
from seqcls.datasets.frame_facts import Seen, facts_of
from seqcls.geometry import Geometry

SIDE = 48


def scenes(patients: int = 6, frames: int = 16, validation: int = 2) -> FrameSet:
    """One clip per patient at 10 frames/s, the last ``validation`` ones held out; the organ "node", a bright disc, is in
    view from the middle of the clip on. Tissue is smooth noise that drifts by a fifth of a pixel a frame."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(patients):
        field = cv2.GaussianBlur(rng.standard_normal((SIDE + 16, SIDE + 16)).astype(np.float32), (0, 0), 2.0)
        field *= 35 / field.std()
        for index in range(frames):
            move = np.array([[1, 0, -index / 5], [0, 1, 0]], np.float32)
            tissue = cv2.warpAffine(field, move, (SIDE, SIDE))
            if index >= frames // 2:
                cv2.circle(tissue, (24, 20), 9, 60.0, -1)
            images.append(np.clip(90 + tissue, 30, 220).astype(np.uint8))
    return frame_set(np.stack(images), patients, frames, validation)


def frame_set(images: NDArray[np.uint8], patients: int, frames: int, validation: int) -> FrameSet:
    number, index = np.divmod(np.arange(patients * frames), frames)
    count = len(images)
    return FrameSet(
        images=images,
        targets=(index >= frames // 2).astype(np.float32)[:, None],
        mask=np.ones((count, 1), bool),
        clip=np.array([f"c{n}.mp4" for n in number]),
        patient=np.array([f"p{n}" for n in number]),
        split=np.where(number >= patients - validation, "validation", "train"),
        time_s=index / 10.0,
        organs=("node",),
        geometry=Geometry(size=SIDE),
        facts=facts_of([f"c{n}.mp4, frame {i}" for n, i in zip(number, index, strict=True)], [Seen(640, 480)] * count),
    )


def pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Stands in for the embeddings of a network: 12 x 12 pixels."""
    small = [cv2.resize(image, (12, 12), interpolation=cv2.INTER_AREA).ravel() for image in images]
    return np.stack(small).astype(np.float32) / 64
