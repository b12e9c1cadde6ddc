"""Scoring with ONNX Runtime on the processor; torch is not needed, not even to open a .safetensors model."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.cores import cores
from seqcls.engines.base import Forward, Parts, PerImageEngine, settle_int8
from seqcls.engines.onnx_graph import build, read
from seqcls.errors import EngineError, one_line
from seqcls.models.folded import network
from seqcls.third_party import library

onnxruntime = library("onnxruntime")


class ONNXEngine(PerImageEngine):
    """A model run by ONNX Runtime; see ``PerImageEngine``."""

    def __init__(self, model: Path | Parts, precision: str = "auto") -> None:
        if isinstance(model, Path):
            content, header, kept = read(model)
        else:
            content, header, kept = build(network(*model)).SerializeToString(), model[0], "fp32"
        precision = settle_int8(precision, kept, "ONNX Runtime", "onnx")
        if precision in ("bf16", "fp16"):
            raise EngineError(f"ONNX Runtime has no fast {precision} on a processor; use precision=fp32 or auto")
        precision = "fp32" if precision == "auto" else precision
        spread = partial(forward_of, content, cores())
        version = onnxruntime.__version__
        super().__init__(header, "ONNX Runtime", version, precision, forward=forward_of(content), spread=spread)


def forward_of(model: bytes, threads: int = 1) -> Forward:
    """A single image on so many threads, in the precision that the graph states; for several callers at once."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # On Arm it would compute fp32 in bfloat16 where a build made that its default.
    options.add_session_config_entry("mlas.enable_gemm_fastmath_arm64_bfloat16", "0")
    # Threads that spin while they wait take the processor from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base but this one
        raise EngineError(f"ONNX Runtime refuses the model ({one_line(error)}); try engine=torch") from error

    def forward(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        try:
            given = session.run(None, {"images": images})
        except Exception as error:
            raise RuntimeError(one_line(error)) from error
        return np.concatenate(given, axis=1, dtype=np.float32)

    return forward
