"""Networks that know something without having been trained: random features, and a head fitted by least squares."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seqcls.datasets.dataset import FrameSet
from seqcls.geometry import Geometry
from seqcls.models.file import ModelHeader
from seqcls.models.resnet import GrayResNet, build
from seqcls.smoothing import SmoothingOptions

SIZE = 32
HEADER = ModelHeader(
    organs=("liver",), geometry=Geometry(size=SIZE), smoothing=SmoothingOptions(kind="none"), version="test"
)


#: Of three organs, with calibrations that do something.
HEADER_OF_3 = ModelHeader(
    organs=("a", "b", "c"), geometry=Geometry(size=SIZE), calibration=((1.5, 0.3), (0.7, -0.2), (1.0, 0.0))
)


def needs(*libraries: str) -> pytest.MarkDecorator:
    """A mark: skip where one of these cannot be imported."""
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


def disc_frames() -> FrameSet:
    """Six clips of 40 frames at 10 Hz; the organ, a bright disc, is in view in frames 12 to 29. The last is held out."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    images = rng.random((240, SIZE, SIZE)) * 80
    present = np.tile((np.arange(40) >= 12) & (np.arange(40) < 30), 6)
    for at in np.flatnonzero(present):
        y, x = rng.uniform(10, 22, 2)
        images[at] += 160 * ((rows - y) ** 2 + (columns - x) ** 2 < 49)
    clip = np.repeat([f"c{number}" for number in range(6)], 40)
    return FrameSet(
        images=images.astype(np.uint8),
        targets=present[:, None].astype(np.float32),
        mask=np.ones((240, 1), np.bool_),
        clip=clip,
        patient=clip,
        split=np.where(clip == "c5", "validation", "train"),
        time_s=np.tile(np.arange(40) / 10, 6),
        organs=("liver",),
        geometry=HEADER.geometry,
    )


def patterns() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """34 images of noise, and whether the left half is dark, the lower half, and whether it is bright at all."""
    rng, half = np.random.default_rng(1), SIZE // 2
    images = rng.random((34, SIZE, SIZE)) * 160
    images[::2, :, :half] /= 4
    images[::3, half:] /= 4
    images[::4] += 90
    number = np.arange(34)
    targets = np.stack([number % 2 == 0, number % 3 == 0, number % 4 == 0], axis=1)
    return images.astype(np.uint8), targets.astype(np.float32)


def fitted(images: NDArray[np.uint8], targets: NDArray[np.float32], seed: int = 1) -> GrayResNet:
    """A network whose logits are about 3 where ``targets`` (N, K) are 1, and about -3 where they are 0.

    Its batch norms do something. Weights are as small as they can be, or scores would hang on the last bits.
    """
    net, _ = build(targets.shape[1], seed=seed)
    net.eval()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        for name, value in net.net.state_dict().items():
            if ("bn" in name or "downsample.1" in name) and value.is_floating_point():
                value.uniform_(0.8, 1.2)
        features = net.features(torch.from_numpy(images)).double().numpy()  # (N, 512)
        mean = features.mean(axis=0)
        inside = (features - mean).T @ (features - mean)
        ridge = 10 * np.trace(inside) / len(inside) * np.eye(len(inside))
        weight = np.linalg.solve(inside + ridge, (features - mean).T @ (6 * targets - 3)).T  # (K, 512)
        net.net.fc.weight.copy_(torch.from_numpy(weight))
        net.net.fc.bias.copy_(torch.from_numpy(-weight @ mean))
    return net
