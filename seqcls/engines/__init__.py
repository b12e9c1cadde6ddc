"""Engines turn prepared images into probabilities; one per inference library, all with the same few members."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np

from seqcls.engines.base import Engine, Parts, answers, needs, test_images
from seqcls.engines.proven_twin import open_proven_twin
from seqcls.errors import EngineError, ModelError, UsageError
from seqcls.files import on_disk
from seqcls.models.converted import CONVERTED
from seqcls.models.file import read_header, read_model

__all__ = ["ENGINES", "Engine", "Model", "answers", "choose_engine", "open_engine"]

#: A model file, or its two parts.
Model = str | Path | Parts


def _openvino(model: Path | Parts, device: str, precision: str) -> Engine:
    with needs("OpenVINO", "pip install openvino, or use engine=torch"):
        from seqcls.engines.openvino_engine import OpenVINOEngine
    return OpenVINOEngine(model, precision)


def _torch(model: Path | Parts, device: str, precision: str) -> Engine:
    with needs("PyTorch", "pip install torch torchvision"):
        from seqcls.engines.torch_engine import TorchEngine
    assert not isinstance(model, Path), "PyTorch runs no converted model"
    return TorchEngine(*model, device=device, precision=precision)


def _onnx(model: Path | Parts, device: str, precision: str) -> Engine:
    with needs("ONNX Runtime", "pip install 'seqcls[onnx]'"):
        from seqcls.engines.onnx_engine import ONNXEngine
    return ONNXEngine(model, precision)


ENGINES: dict[str, Callable[[Path | Parts, str, str], Engine]] = {
    "openvino": _openvino,
    "torch": _torch,
    "onnx": _onnx,
}
#: Converted models run in one library only.
_ENGINE_OF = {".xml": "openvino", ".onnx": "onnx"}


def open_engine(
    model: Model, *, engine: str = "auto", device: str = "auto", precision: str = "auto", exact: bool = False
) -> Engine:
    """An engine for a model file (.safetensors, .xml, .onnx), or for a header with its tensors.

    engine: a key of ``ENGINES`` or ``auto``; device: auto, cpu, cuda, mps; precision: auto, fp32, bf16, fp16, int8.
    The library is told explicitly which precision to compute in; ``auto`` is the fastest here that is safe. The
    description says what was chosen, and after ``engine="auto"`` why. Of a .safetensors that may be its int8 twin, see
    ``models.twin``, where nothing is stated, and is where int8 is; not if ``exact``. Raises ModelError for the file,
    EngineError for the device or library, UsageError for unknown names.
    """
    if engine not in ("auto", *ENGINES):
        raise UsageError(f"unknown engine {engine!r}: choose one of {', '.join(('auto', *ENGINES))}")
    source = model if isinstance(model, tuple) else on_disk(model)
    suffix = source.suffix.lower() if isinstance(source, Path) else ""
    if suffix in CONVERTED and engine not in ("auto", _ENGINE_OF[suffix]):
        raise UsageError(f"{source} runs with engine={_ENGINE_OF[suffix]} only; name the .safetensors for {engine}")
    name, why = (_ENGINE_OF[suffix], "") if suffix in CONVERTED else (engine, "")
    if isinstance(source, Path) and suffix not in CONVERTED:
        read_header(source)  # a fault of the file is reported before one of the library
        if name == "auto":
            name, why = choose_engine(device)
        if name == "openvino" and not exact and (precision == "int8" or (precision == "auto" and engine == "auto")):
            twin, reason = open_proven_twin(source, is_stated=precision == "int8")
            if twin is not None:
                require_answers(twin, source.name)
                twin.description += f" ({reason})"  # type: ignore[misc]
                return twin
            if reason and precision == "int8":
                raise EngineError(f"{source.name} cannot be run in int8: {reason}")
            why += f"; {reason}" if reason else ""
        source = read_model(source)
    elif name == "auto":
        name, why = choose_engine(device)
    if name != "torch" and device not in ("auto", "cpu"):
        raise EngineError(f"seqcls runs {name} on the processor, not on {device}; use device=cpu")
    opened: Any = ENGINES[name](source, device, precision)
    require_answers(opened, source.name if isinstance(source, Path) else "the model")
    if why:
        opened.description += f" ({why})"
    return cast(Engine, opened)


def require_answers(engine: Engine, name: str) -> None:
    """Raises ModelError, which begins with ``name``, for a model that gives no number for four images as unlike as can
    be, or is as certain of an organ, to the last bit of float32, for each of them: it would be of any frame."""
    scores = engine.scores(test_images(engine.header.geometry.size))  # (4, K)
    again = f"in {engine.precision}; train, convert or copy it again"
    if not np.isfinite(scores).any(axis=0).all():
        raise ModelError(f"{name} cannot be used: it gives no number for any image {again}")
    for organ, column in zip(engine.header.organs, scores.T, strict=True):
        if column[0] in (0, 1) and (column == column[0]).all():
            raise ModelError(f"{name} cannot be used: the score of {organ} is {column[0]:g} for any image {again}")


def choose_engine(device: str = "auto") -> tuple[str, str]:
    """The engine that ``auto`` means on this machine, and why. Imports torch only where there may be a GPU for it."""
    if device not in ("auto", "cpu"):
        return "torch", f"for {device}"
    sight = device == "auto" and _gpu_in_sight()
    if sight and (found := _torch_device()) != "cpu":
        return "torch", f"for the {found} device"
    gpu = "PyTorch cannot use the GPU" if sight else "no GPU" if device == "auto" else "on the CPU"
    if find_spec("openvino") is None:
        return "torch", f"{gpu}, and OpenVINO is not installed"
    return "openvino", f"{gpu}: OpenVINO is the fastest"


def _gpu_in_sight() -> bool:
    """Whether this machine may have a GPU that PyTorch can use: an Apple one, or a driver."""
    # NVIDIA's on Linux, its container form, in Windows' subsystem for Linux, on Windows; AMD's.
    windows = Path(os.environ.get("SYSTEMROOT", "/"), "System32", "nvcuda.dll")
    places = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", windows, "/dev/kfd")
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return apple or any(Path(place).exists() for place in places)


def _torch_device() -> str:
    """cuda, mps or cpu, as PyTorch finds it."""
    try:
        from seqcls.models.resnet import choose_device
    except ImportError:
        return "cpu"
    return str(choose_device("auto").type)
