"""Engines turn prepared pictures into probabilities; one per inference library, all with the same few members."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import EngineError, UsageError
from seqcls.modelfile import ModelHeader, read_model

#: A model file, or its two parts.
Model = str | Path | tuple[ModelHeader, Mapping[str, NDArray[Any]]]


class Engine(Protocol):
    """A model ready to score; holds no state of any run."""

    header: ModelHeader
    #: Library, device and precision, in words.
    description: str

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S) uint8 to calibrated probabilities (N, K) float32; a frame's result is its own, whoever its mates.

        Raises EngineError for pictures of another shape or type, and when the library refuses.
        """
        ...


def _torch(model: tuple[ModelHeader, Mapping[str, NDArray[Any]]], device: str, precision: str) -> Engine:
    try:
        from seqcls.engines.torch_engine import TorchEngine
    except ImportError as error:
        raise EngineError(f"PyTorch cannot be used ({error}); pip install torch torchvision") from error
    return TorchEngine(*model, device=device, precision=precision)


#: In the order in which ``auto`` tries them.
ENGINES: dict[str, Callable[[tuple[ModelHeader, Mapping[str, NDArray[Any]]], str, str], Engine]] = {
    "torch": _torch,
}


def open_engine(model: Model, *, engine: str = "auto", device: str = "auto", precision: str = "auto") -> Engine:
    """An engine for a model file, or for a header with its tensors.

    engine: a key of ``ENGINES`` or ``auto``; device: auto, cpu, cuda, mps; precision: auto, fp32, bf16, fp16.
    Raises ModelError for the file, EngineError for the device or library, UsageError for unknown names.
    """
    if engine not in ("auto", *ENGINES):
        raise UsageError(f"unknown engine {engine!r}: choose one of {', '.join(('auto', *ENGINES))}")
    opened = model if isinstance(model, tuple) else read_model(model)
    name = next(iter(ENGINES)) if engine == "auto" else engine
    return ENGINES[name](opened, device, precision)
