"""Scoring with ONNX Runtime on the processor; torch is not needed, not even to open a .safetensors model."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from seqcls.engines.base import Forward, PerImageEngine, processors, require_cpu, settle_int8
from seqcls.engines.onnx_graph import build, read_onnx
from seqcls.errors import EngineError, one_line
from seqcls.models.file import ModelHeader
from seqcls.models.folded import network


class ONNXEngine(PerImageEngine):
    """A model run by ONNX Runtime; see ``PerImageEngine``."""

    def __init__(
        self,
        model: Path | tuple[ModelHeader, Mapping[str, NDArray[Any]]],
        *,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        require_cpu("ONNX Runtime", device)
        if isinstance(model, Path):
            content, header, kept = read_onnx(model)
        else:
            content, header, kept = build(network(*model)).SerializeToString(), model[0], "fp32"
        precision = settle_int8(precision, kept, "ONNX Runtime", "onnx")
        if precision in ("bf16", "fp16"):
            raise EngineError(f"ONNX Runtime has no fast {precision} on a processor; use precision=fp32 or auto")
        self._pool = ThreadPoolExecutor(processors(), thread_name_prefix="seqcls-onnx")
        self._forward = forward_of(content)
        super().__init__(
            header,
            "ONNX Runtime",
            onnxruntime.__version__,
            "fp32" if precision == "auto" else precision,
            streamed=self._all,
            spread=partial(forward_of, content, processors()),
        )

    def _all(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        logits = np.empty((len(images), len(self.header.organs)), np.float32)
        futures = [self._pool.submit(self._forward, images[row : row + 1]) for row in range(len(images))]
        try:
            for row, future in enumerate(futures):
                logits[row] = future.result()[0]
        finally:
            for future in futures:
                future.cancel()  # after an error or Ctrl-C; what is done or under way is not touched
        return logits


def forward_of(model: bytes, threads: int = 1) -> Forward:
    """One image at a time, on so many threads, in the precision that the graph states."""
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
            (logits,) = session.run(["logits"], {"images": images})
        except Exception as error:
            raise RuntimeError(one_line(error)) from error
        return np.asarray(logits, np.float32)

    return forward
