"""The network as plain arrays, ready to be built in any inference library: walked by every graph builder. No torch.

A trained ResNet-18 holds 20 convolutions each followed by a batch norm. In use the norm is a fixed scale and shift per
channel, so it is folded into the convolution before it (in float64, rounded once):

    w' = w * gamma / sqrt(var + eps),    b' = beta - mean * gamma / sqrt(var + eps)

The pixels' normalisation (v / 255 - m) / s = (v - 255 m) / (255 s) is folded likewise: the scale into the first
convolution, while the shift stays in front of it, because the convolution's zero padding stands for a pixel of mean
gray and must come after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.models.file import ModelHeader, each_network

#: torchvision's, of every batch norm.
EPSILON = 1e-5
#: What the second plane holds, of a stem that takes two: a level such as pixels have, so that int8 keeps both.
SECOND_PLANE = 128.0
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """A convolution with bias: weight (O, I, k, k), bias (O,) float32; pads k // 2 zeros on every side."""

    weight: Array
    bias: Array
    stride: int

    @property
    def pad(self) -> int:
        return int(self.weight.shape[-1]) // 2


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """relu(second(relu(first(x))) + shortcut(x)); without a shortcut, x itself is added."""

    first: Conv
    second: Conv
    shortcut: Conv | None


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """(1, S, S) uint8 -> take off ``shift`` -> relu(stem) -> maximum of 3x3, stride 2, pad 1 -> blocks -> mean over

    the plane -> head. ``weight`` (K, 512) and ``bias`` (K,) float32 are the head's and give raw logits.

    ``pooled``: behind which blocks, in order, the mean over the plane is given beside the logits: together the features
    that ``Novelty`` takes. Empty where the model has no use for them.

    A stem whose weight has two planes takes a second one beside it, which is SECOND_PLANE everywhere: see ``imported``.

    ``others``: networks that see the same image; the model's logits are the sum of theirs and of this one's, because
    the head of each is divided by how many they are.
    """

    size: int
    shift: float
    stem: Conv
    blocks: tuple[Block, ...]
    weight: Array
    bias: Array
    pooled: tuple[int, ...] = ()
    others: tuple[Network, ...] = ()


def network(header: ModelHeader, tensors: Mapping[str, NDArray[Any]]) -> Network:
    """The network of a model file's two parts, which ``read_model`` has checked against each other."""
    first, *others = (_network(header, own) for own in each_network(header, tensors))
    stages = () if header.novelty is None else header.novelty.stages
    return replace(first, pooled=behind(stages), others=tuple(others))


def behind(stages: Sequence[int]) -> tuple[int, ...]:
    """The last block of each of these stages, 1 to 4."""
    return tuple(2 * stage - 1 for stage in stages)


def _network(header: ModelHeader, tensors: Mapping[str, NDArray[Any]]) -> Network:
    levels = (1 / (255 * header.std), 1 / SECOND_PLANE)[: tensors["conv1.weight"].shape[1]]
    stem = _fold(tensors, "conv1", "bn1", stride=2, scale=np.array(levels)[:, None, None])
    blocks = []
    for name in (f"layer{stage}.{number}" for stage in range(1, 5) for number in range(2)):
        narrows = f"{name}.downsample.0.weight" in tensors
        first = _fold(tensors, f"{name}.conv1", f"{name}.bn1", stride=2 if narrows else 1)
        second = _fold(tensors, f"{name}.conv2", f"{name}.bn2")
        shortcut = _fold(tensors, f"{name}.downsample.0", f"{name}.downsample.1", stride=2) if narrows else None
        blocks.append(Block(first, second, shortcut))
    return Network(
        size=header.geometry.size,
        shift=255 * header.mean,
        stem=stem,
        blocks=tuple(blocks),
        weight=np.asarray(tensors["fc.weight"], np.float32) / np.float32(header.network_count),
        bias=np.asarray(tensors["fc.bias"], np.float32) / np.float32(header.network_count),
    )


def _fold(
    tensors: Mapping[str, NDArray[Any]], conv: str, norm: str, *, stride: int = 1, scale: float | NDArray[Any] = 1.0
) -> Conv:
    gamma, beta, mean, var = (
        np.asarray(tensors[f"{norm}.{part}"], np.float64) for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gamma / np.sqrt(var + EPSILON)
    weight = np.asarray(tensors[f"{conv}.weight"], np.float64) * (scale * factor[:, None, None, None])
    return Conv(weight.astype(np.float32), (beta - mean * factor).astype(np.float32), stride)
