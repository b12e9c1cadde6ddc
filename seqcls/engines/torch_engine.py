"""Scoring with PyTorch on a CPU, an NVIDIA or an Apple GPU."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_eval

from seqcls.engines.base import require_images, settle_int8
from seqcls.errors import EngineError, one_line
from seqcls.models.file import ModelHeader, each_network
from seqcls.models.resnet import GrayResNet, choose_device, choose_precision

#: Most images in one forward pass on a GPU.
FULL_BATCH = 16


class TorchEngine:
    """A model run by PyTorch; see ``Engine``.

    Libraries pick their kernels by batch size, and then the same image gets scores that differ in the last bits: a live
    run, one frame at a time, would differ from an offline one, in full batches. On a CPU therefore every image goes
    alone: batches that agreed on some images were seen to differ on others. On a GPU, where a single image leaves most
    of it idle, those batch sizes are used that are seen at the start to agree with the full one to the bit; smaller
    batches are filled up.

    On an NVIDIA GPU the network is recorded once for each batch size and replayed, because so small a network takes
    less time to compute than to launch; where it cannot be recorded it is launched. Tried on an H100 with a chain of 18
    convolutions at 112 px: the same bits, and 0.5 instead of 1.1 ms for a single image.
    """

    def __init__(
        self,
        header: ModelHeader,
        tensors: Mapping[str, NDArray[Any]],
        *,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.header = header
        self._device = choose_device(device)
        self._dtype = choose_precision(settle_int8(precision, "fp32", "PyTorch"), self._device)
        models = [_ready(header, own) for own in each_network(header, tensors)]
        heads = [model.net.fc for model in models]
        # (K, 512), or of several networks side by side: the mean of their logits is one product.
        self._weight = np.concatenate([head.weight.detach().double().numpy() for head in heads], axis=1) / len(heads)
        self._bias = np.mean([head.bias.detach().double().numpy() for head in heads], axis=0)
        self._record = self._device.type == "cuda"
        self._recorded: dict[int, Callable[[Tensor], Tensor]] = {}
        self._lock = threading.Lock()  # a recording has one input and one output
        try:
            self._models = [
                model.to(self._device, self._dtype).to(memory_format=torch.channels_last) for model in models
            ]
            self._sizes = (1,) if self._device.type == "cpu" else self._agreeing_sizes()
        except RuntimeError as error:
            raise EngineError(f"{self._device} refuses the model ({one_line(error)}); try device=cpu") from error
        self.precision = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[self._dtype]
        self.description = f"PyTorch {torch.__version__}, {self._device}, {self.precision}"

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S) uint8 to calibrated probabilities (N, K) float32. Raises EngineError."""
        return self._answers(images)[:, : len(self.header.organs)]

    def answers(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same with the novelty as a last column; see ``Engine``."""
        return self._answers(images)

    def _answers(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        size = self.header.geometry.size
        require_images(images, size)
        out = np.empty((len(images), len(self.header.organs) + (self.header.novelty is not None)), np.float32)
        for start in range(0, len(images), self._sizes[-1]):
            part = images[start : start + self._sizes[-1]]
            filled = next(size for size in self._sizes if size >= len(part))
            if filled > len(part):
                part = np.concatenate([part, np.zeros((filled - len(part), size, size), np.uint8)])
            try:
                out[start : start + self._sizes[-1]] = self._forward(part)[: len(images) - start]
            except RuntimeError as error:
                raise EngineError(f"{self._device} failed ({one_line(error)}); try device=cpu") from error
        return out

    def _forward(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        # Without TensorFloat-32, in which NVIDIA's convolutions compute by default: fp32 means fp32.
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with self._lock, exact, torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(images)).to(self._device)
            features = self._features(batch).float().cpu().numpy().astype(np.float64)  # (N, D + 512 for each network)
        # Row by row in float64, not a matrix product: BLAS sums in another order for every number of rows.
        logits = (features[:, None, -self._weight.shape[1] :] * self._weight).sum(axis=-1) + self._bias
        if self.header.novelty is None:
            return self.header.probabilities(logits)
        return self.header.with_novelty(logits, features[:, : self.header.novelty.features])

    def _features(self, batch: Tensor) -> Tensor:
        if not self._record:
            return self._pooled(batch)
        if len(batch) not in self._recorded:
            self._recorded[len(batch)] = record(self._pooled, batch)
        return self._recorded[len(batch)](batch)

    def _pooled(self, batch: Tensor) -> Tensor:
        first, *others = self._models
        stages = () if self.header.novelty is None else self.header.novelty.stages
        features = first.pooled(batch, (*stages, 4))
        return torch.cat([features, *(other.features(batch) for other in others)], dim=1) if others else features

    def _agreeing_sizes(self) -> tuple[int, ...]:
        """Batch sizes, ascending up to the full one, that give its results to the bit, wherever an image stands."""
        size = self.header.geometry.size
        images = np.random.default_rng(0).integers(0, 256, (FULL_BATCH, size, size), np.uint8)
        full = self._forward(images)

        def agrees(count: int) -> bool:
            parts = [self._forward(images[start : start + count]) for start in range(0, FULL_BATCH, count)]
            return np.array_equal(np.concatenate(parts), full)

        return (*filter(agrees, (1, 2, 4, 8)), FULL_BATCH)


def record(function: Callable[[Tensor], Tensor], example: Tensor) -> Callable[[Tensor], Tensor]:
    """``function`` as a CUDA graph for inputs like ``example``; ``function`` itself where that fails.

    Each call's result is overwritten by the next.
    """
    try:
        return cast(Callable[[Tensor], Tensor], torch.cuda.make_graphed_callables(function, (example.clone(),)))
    except RuntimeError:
        return function


def _ready(header: ModelHeader, tensors: Mapping[str, NDArray[Any]]) -> GrayResNet:
    """One network of the model, for inference."""
    model = GrayResNet(len(header.organs), mean=header.mean, std=header.std)
    model.load(dict(tensors))
    _fuse_norms(model.eval())
    return model


def _fuse_norms(model: GrayResNet) -> None:
    """Fold every batch norm into the convolution before it: the same function, a fifth less time."""
    for owner in list(model.net.modules()):
        for (conv, before), (norm, part) in pairwise(list(owner.named_children())):
            if isinstance(part, torch.nn.BatchNorm2d):
                setattr(owner, conv, fuse_conv_bn_eval(before, part))
                setattr(owner, norm, torch.nn.Identity())
