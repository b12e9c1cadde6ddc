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

from seqcls.engines.base import Forward, PerImageEngine, processors, require_cpu, settle_int8
from seqcls.engines.openvino_graph import build, core, read_ir
from seqcls.errors import EngineError, one_line
from seqcls.models.file import ModelHeader
from seqcls.models.folded import network

#: What the library is told to compute in, and what it calls the capability. Of an int8 model this is for the rest.
_TYPES = {"fp32": ov.Type.f32, "bf16": ov.Type.bf16, "fp16": ov.Type.f16, "int8": ov.Type.f32}
_CAPABILITIES = {"bf16": "BF16", "fp16": "FP16"}


class OpenVINOEngine(PerImageEngine):
    """A model run by OpenVINO; see ``PerImageEngine``."""

    def __init__(
        self,
        model: Path | tuple[ModelHeader, Mapping[str, NDArray[Any]]],
        *,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        require_cpu("OpenVINO", device)
        if isinstance(model, Path):
            self._model, header, kept = read_ir(model)
        else:
            self._model, header, kept = build(network(*model)), model[0], "fp32"
        precision = _choose(core(), settle_int8(precision, kept, "OpenVINO"))
        streams = processors()
        # Twice as many requests as streams, so that none waits for Python to bring the next image.
        self._queue = ov.AsyncInferQueue(_compile(self._model, precision, streams=streams), 2 * streams)
        self._queue.set_callback(_keep)
        spread = partial(forward_of, self._model, precision)
        version = ov.get_version().split("-")[0]
        super().__init__(header, "OpenVINO", version, precision, streamed=self._all, spread=spread)

    def _all(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        logits = np.empty((len(images), len(self.header.organs)), np.float32)
        try:
            for row in range(len(images)):
                self._queue.start_async({0: images[row : row + 1]}, logits[row])
        finally:
            self._queue.wait_all()  # on Ctrl-C too: nothing is left under way
        return logits


def forward_of(model: ov.Model, precision: str) -> Forward:
    """One image at a time, each spread over all threads."""
    request = _compile(model, precision, streams=1).create_infer_request()

    def forward(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        request.infer({0: images})
        return np.array(request.get_output_tensor(0).data)

    return forward


def _compile(model: ov.Model, precision: str, *, streams: int) -> ov.CompiledModel:
    """Raises EngineError where the library refuses the model, or does not compute in what it is told to."""
    options = {
        # Never left to the library, whose own default is half precision wherever the processor has it.
        "INFERENCE_PRECISION_HINT": _TYPES[precision],
        "NUM_STREAMS": str(streams),
        "INFERENCE_NUM_THREADS": processors(),
        # Threads tied to processors wait for whatever else runs there: decoding, another seqcls.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        compiled = core().compile_model(model, "CPU", options)
    except RuntimeError as error:
        raise EngineError(f"OpenVINO refuses the model ({one_line(error)}); try engine=torch") from error
    found = compiled.get_property("INFERENCE_PRECISION_HINT")
    if found != _TYPES[precision]:
        raise EngineError(f"OpenVINO computes in {found.to_string()} here, not in {precision}; use precision=fp32")
    return compiled


def _keep(request: ov.InferRequest, row: NDArray[np.float32]) -> None:
    row[:] = request.get_output_tensor(0).data[0]


def _choose(library: ov.Core, precision: str) -> str:
    """The precision itself; for ``auto`` bf16 where that is fast, else fp32. Raises EngineError: not on this processor.

    fp16 is never chosen: a score may overflow in it.
    """
    can = library.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "auto":
        return "bf16" if "BF16" in can and _fast_bfloat16(library) else "fp32"
    if precision in _CAPABILITIES and _CAPABILITIES[precision] not in can:
        raise EngineError(f"this processor has no {precision}; use precision=fp32 or auto")
    return precision


def _fast_bfloat16(library: ov.Core) -> bool:
    """Whether this processor, given that it has bfloat16, computes it faster than float32; as in ``models.resnet``.

    Having the instructions is not enough: two cores of Intel Sapphire Rapids without AMX score ResNet-18 at 224 px with
    49 instead of 85 frames/s in bfloat16, of AMD Genoa with 118 instead of 60.
    """
    if "intel" not in str(library.get_property("CPU", "FULL_DEVICE_NAME")).lower():
        return platform.machine().lower() in ("x86_64", "amd64")
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
