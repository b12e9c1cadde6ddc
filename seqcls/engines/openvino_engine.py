"""Scoring with OpenVINO on the processor; torch is not needed, not even to open a .safetensors model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqcls.cores import cores
from seqcls.engines.base import Forward, Parts, PerImageEngine, settle_int8
from seqcls.engines.openvino_graph import build, core, read
from seqcls.errors import EngineError, one_line
from seqcls.models.bfloat16 import fast_bfloat16
from seqcls.models.folded import network
from seqcls.third_party import library

if TYPE_CHECKING:
    import openvino as ov
else:
    ov = library("openvino")

#: What the library is told to compute in, and what it calls the capability. Of an int8 model this is for the rest.
_TYPES = {"fp32": ov.Type.f32, "bf16": ov.Type.bf16, "fp16": ov.Type.f16, "int8": ov.Type.f32}
_CAPABILITIES = {"bf16": "BF16", "fp16": "FP16"}


class OpenVINOEngine(PerImageEngine):
    """A model run by OpenVINO; see ``PerImageEngine``."""

    def __init__(self, model: Path | Parts, precision: str = "auto") -> None:
        if isinstance(model, Path):
            graph, header, notes = read(model)
        else:
            graph, header, notes = build(network(*model)), model[0], {"precision": "fp32", "proof": ""}
        #: See ``models.twin``; empty where the model is none.
        self.proof = notes["proof"]
        precision = _choose(settle_int8(precision, notes["precision"], "OpenVINO"))
        spread = partial(forward_of, graph, precision)
        version = ov.get_version().split("-")[0]
        forward = forward_of(graph, precision, streams=cores())
        super().__init__(header, "OpenVINO", version, precision, forward=forward, spread=spread)


def forward_of(model: ov.Model, precision: str, streams: int = 1) -> Forward:
    """A single image on all threads divided by ``streams``; for so many callers at once."""
    compiled = _compile(model, precision, streams=streams)
    free: SimpleQueue[ov.InferRequest] = SimpleQueue()
    outputs = len(compiled.outputs)
    for _ in range(streams):
        free.put(compiled.create_infer_request())
    # The first array that OpenVINO ever makes of a tensor sets up its use of NumPy, and two threads at that at once
    # wait for each other for ever: one for Python's lock, the other, which holds it, for the set-up.
    assert ov.Tensor(np.zeros(1, np.uint8)).data.size == 1, "an array is made here, in one thread"

    def forward(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        request = free.get()
        try:
            request.infer({0: images})
            given = [np.array(request.get_output_tensor(at).data) for at in range(outputs)]
            return np.concatenate(given, axis=1) if outputs > 1 else given[0]
        finally:
            free.put(request)

    return forward


def _compile(model: ov.Model, precision: str, *, streams: int) -> ov.CompiledModel:
    """Raises EngineError where the library refuses the model, or does not compute in what it is told to."""
    options = {
        # Never left to the library, whose own default is half precision wherever the processor has it.
        "INFERENCE_PRECISION_HINT": _TYPES[precision],
        "NUM_STREAMS": str(streams),
        "INFERENCE_NUM_THREADS": cores(),
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


def _choose(precision: str) -> str:
    """The precision itself; for ``auto`` bf16 where that is fast, else fp32. Raises EngineError: not on this processor.

    fp16 is never chosen: a score may overflow in it.
    """
    can = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "auto":
        return "bf16" if "BF16" in can and fast_bfloat16() else "fp32"
    if precision in _CAPABILITIES and _CAPABILITIES[precision] not in can:
        raise EngineError(f"this processor has no {precision}; use precision=fp32 or auto")
    return precision
