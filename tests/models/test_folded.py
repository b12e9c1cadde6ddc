"""The network as arrays: walked in plain numpy it gives what PyTorch gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seqcls.geometry import Geometry
from seqcls.models.file import ModelHeader
from seqcls.models.folded import Conv, Network, network
from seqcls.models.resnet import GrayResNet

SIZE = 40  # not a multiple of 32: odd planes on the way
Array = NDArray[np.float64]


def conv(x: Array, part: Conv) -> Array:
    """(C, H, W) -> (O, H', W') straight from the definition."""
    size, stride = part.weight.shape[-1], part.stride
    padded = np.pad(x, ((0, 0), (part.pad, part.pad), (part.pad, part.pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return np.tensordot(part.weight.astype(np.float64), windows, ((1, 2, 3), (0, 3, 4))) + part.bias[:, None, None]


def forward(net: Network, image: NDArray[np.uint8]) -> Array:
    """(S, S) uint8 -> (K,) logits."""
    x = np.maximum(conv(image[None].astype(np.float64) - net.shift, net.stem), 0)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    x = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2].max(axis=(-1, -2))
    for block in net.blocks:
        y = conv(np.maximum(conv(x, block.first), 0), block.second)
        x = np.maximum(y + (x if block.shortcut is None else conv(x, block.shortcut)), 0)
    return net.weight @ x.mean(axis=(1, 2)) + net.bias


@pytest.fixture(scope="module")
def trained() -> GrayResNet:
    """Batch norms that do something."""
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        model = GrayResNet(2, mean=0.3, std=0.4)
        for name, value in model.net.state_dict().items():
            if ("bn" in name or "downsample.1" in name) and value.is_floating_point():
                value.uniform_(0.5, 1.5)
    return model.eval()


def test_the_arrays_are_the_network(trained: GrayResNet) -> None:
    header = ModelHeader(organs=("a", "b"), geometry=Geometry(size=SIZE), mean=0.3, std=0.4)
    net = network(header, trained.tensors())
    images = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE), np.uint8)
    images[1] //= 3
    with torch.inference_mode():
        expected = trained(torch.from_numpy(images)).numpy()
    found = np.stack([forward(net, image) for image in images])
    assert np.abs(expected[0] - expected[1]).max() > 0.01 * np.abs(expected).max()
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_the_arrays_are_single_precision_and_whole(trained: GrayResNet) -> None:
    header = ModelHeader(organs=("a", "b"), geometry=Geometry(size=SIZE))
    net = network(header, trained.tensors())
    parts = [net.stem, *(p for b in net.blocks for p in (b.first, b.second, b.shortcut) if p is not None)]
    assert len(parts) == 20  # 17 convolutions on the way through and 3 shortcuts; with the head, 18 layers deep
    assert {array.dtype for part in parts for array in (part.weight, part.bias)} == {np.dtype(np.float32)}
    assert (net.size, net.weight.shape, net.bias.shape) == (SIZE, (2, 512), (2,))
