"""What OpenVINO is told to compute in, on processors of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ov = pytest.importorskip("openvino")
module = pytest.importorskip("seqcls.engines.openvino_engine")

from seqcls.errors import EngineError  # noqa: E402

ANY = ["FP32", "INT8", "BIN"]
#: What the processor can, whether it is quick in bfloat16, and what ``auto`` means on it.
PROCESSORS = {
    "quick in bf16": ([*ANY, "BF16"], True, "bf16"),
    "slow in bf16": ([*ANY, "BF16"], False, "fp32"),
    "without, or kept from it by a setting": (ANY, True, "fp32"),
    "64-bit Arm": ([*ANY, "FP16"], False, "fp32"),
}


class Core:
    """Stands in for OpenVINO's: answers what a processor is, and keeps what a network is compiled with."""

    def __init__(self, can: list[str], computes: Any = None) -> None:
        self.properties = {"OPTIMIZATION_CAPABILITIES": can}
        self.computes = computes
        self.options: dict[str, Any] = {}

    def get_property(self, device: str, name: str) -> Any:
        return self.properties[name]

    def compile_model(self, model: object, device: str, options: dict[str, Any]) -> SimpleNamespace:
        self.options = options
        found = options["INFERENCE_PRECISION_HINT"] if self.computes is None else self.computes
        return SimpleNamespace(get_property={"INFERENCE_PRECISION_HINT": found}.__getitem__)


@pytest.mark.parametrize(("can", "quick", "auto"), PROCESSORS.values(), ids=PROCESSORS.keys())
def test_auto_is_a_precision_by_name(monkeypatch: pytest.MonkeyPatch, can: list[str], quick: bool, auto: str) -> None:
    monkeypatch.setattr(module, "fast_bfloat16", lambda: quick)
    monkeypatch.setattr(module, "core", lambda: Core(can))
    assert module._choose("auto") == auto
    assert [module._choose(stated) for stated in ("fp32", "int8")] == ["fp32", "int8"]
    for stated in ("bf16", "fp16"):
        if stated.upper() in can:
            assert module._choose(stated) == stated
        else:
            with pytest.raises(EngineError, match=f"no {stated}; use precision=fp32 or auto"):
                module._choose(stated)


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("fp32", ov.Type.f32), ("bf16", ov.Type.bf16), ("fp16", ov.Type.f16), ("int8", ov.Type.f32)],
)
def test_the_library_is_told_what_to_compute_in(
    monkeypatch: pytest.MonkeyPatch, precision: str, expected: object
) -> None:
    core = Core([])
    monkeypatch.setattr(module, "core", lambda: core)
    module._compile(object(), precision, streams=2)
    assert core.options["INFERENCE_PRECISION_HINT"] == expected


def test_a_library_that_computes_in_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "core", lambda: Core([], computes=ov.Type.bf16))
    with pytest.raises(EngineError, match="computes in bf16 here, not in fp32"):
        module._compile(object(), "fp32", streams=1)


_TWO_CLOSED_IN_THEIR_ORDER = """
import faulthandler, gc, signal
import numpy as np
from seqcls.engines.openvino_engine import OpenVINOEngine
from seqcls.models.untrained import random_model

signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
model = random_model(32)
image = np.zeros((1, 32, 32), np.uint8)
first, second = OpenVINOEngine(model), OpenVINOEngine(model)
first.scores(image), second.scores(image)
del first
gc.collect()
del second
gc.collect()
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows gives no stack to signals")
def test_ctrl_c_after_two_engines_were_closed() -> None:
    """In a process of its own: where it goes wrong, that process ends with a segmentation fault."""
    code = _TWO_CLOSED_IN_THEIR_ORDER
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
