"""Scoring with OpenVINO on the processor; torch is not needed, not even to open a .safetensors model."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from seqcls.engines.base import Forward, PerImageEngine, needs_conversion, processors, require_precision
from seqcls.engines.openvino_graph import build, read_ir
from seqcls.errors import EngineError, one_line
from seqcls.models.file import ModelHeader
from seqcls.models.folded import network

#: What the library calls them: to compute in, and to ask whether the processor can.
_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
_CAPABILITIES = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16", "int8": "INT8"}


class OpenVINOEngine(PerImageEngine):
    """A model in OpenVINO's hands; see ``PerImageEngine``."""

    def __init__(
        self,
        model: Path | tuple[ModelHeader, Mapping[str, NDArray[Any]]],
        *,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        require_precision(precision)
        if device not in ("auto", "cpu"):
            raise EngineError(f"seqcls runs OpenVINO on the processor, not on {device}; use --device cpu")
        if isinstance(model, Path):
            self._model, header, kept = read_ir(model)
        else:
            self._model, header, kept = build(network(*model)), model[0], "fp32"
        self.precision = _choose(ov.Core(), precision, kept)
        streams = processors()
        # Twice as many requests as streams, so that none waits for Python to hand it the next picture.
        self._queue = ov.AsyncInferQueue(_compile(self._model, self.precision, streams=streams), 2 * streams)
        self._queue.set_callback(_keep)
        spread = partial(forward_of, self._model, self.precision)
        super().__init__(header, "OpenVINO", streamed=self._all, spread=spread)
        version = ov.get_version().split("-")[0]
        self.description = f"OpenVINO {version}, cpu, {self.precision}"

    def _all(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        logits = np.empty((len(images), len(self.header.organs)), np.float32)
        try:
            for row in range(len(images)):
                self._queue.start_async({0: images[row : row + 1]}, logits[row])
        finally:
            self._queue.wait_all()  # on Ctrl-C too: nothing is left under way
        return logits


def forward_of(model: ov.Model, precision: str = "fp32") -> Forward:
    """One picture at a time, each spread over all threads."""
    request = _compile(model, precision, streams=1).create_infer_request()

    def forward(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        request.infer({0: images})
        return np.array(request.get_output_tensor(0).data)

    return forward


def _compile(model: ov.Model, precision: str, *, streams: int) -> ov.CompiledModel:
    options = {
        # Said explicitly: left alone, OpenVINO computes in half precision wherever it can.
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "NUM_STREAMS": str(streams),
        "INFERENCE_NUM_THREADS": processors(),
        # Threads tied to processors wait for whatever else runs there: decoding, another seqcls.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        return ov.Core().compile_model(model, "CPU", options)
    except RuntimeError as error:
        raise EngineError(f"OpenVINO refuses the model ({one_line(error)}); try --engine torch") from error


def _keep(request: ov.InferRequest, row: NDArray[np.float32]) -> None:
    row[:] = request.get_output_tensor(0).data[0]


def _choose(core: ov.Core, precision: str, kept: str) -> str:
    """The precision to compute in, for weights kept in ``kept``. Raises EngineError."""
    if kept == "int8":
        if precision not in ("auto", "int8"):
            raise EngineError(f"this model was converted to int8; run the .safetensors for {precision}")
        return "int8"
    if precision == "int8":
        raise needs_conversion("OpenVINO", "openvino")
    can = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "auto":
        return "bf16" if "BF16" in can and _fast_bfloat16(core) else "fp32"
    if _CAPABILITIES[precision] not in can:
        raise EngineError(f"this processor has no {precision}; use --precision fp32 or auto")
    return precision


def _fast_bfloat16(core: ov.Core) -> bool:
    """Whether this processor, given that it has bfloat16, computes it faster than float32; the rule is ``model``'s.

    Having the instructions is not enough: two cores of Intel Sapphire Rapids without AMX score ResNet-18 at 224 px with
    49 instead of 85 frames/s in bfloat16, of AMD Genoa with 118 instead of 60.
    """
    if "intel" not in str(core.get_property("CPU", "FULL_DEVICE_NAME")).lower():
        return platform.machine().lower() in ("x86_64", "amd64")
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
