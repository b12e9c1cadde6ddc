"""A model's int8 twin, where it may stand for the model on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.engines.base import Engine, needs, test_images
from seqcls.errors import EngineError, ModelError
from seqcls.models.int8 import fast_int8
from seqcls.models.twin import MAX_STRAY, Proof, file_digest, twin_path

#: On a processor of which nothing is known, so many times as fast is faster.
_FASTER = 1.2


def open_proven_twin(model: Path, *, is_stated: bool = False) -> tuple[Engine | None, str]:
    """The twin of a .safetensors and why it may be used; or None and why not, empty where there is none.

    It must be of this file, faster here unless int8 ``is_stated``, and answer test images as where it
    was proven.
    """
    twin = twin_path(model)
    if not twin.is_file() or find_spec("openvino") is None:
        return None, ""
    if fast_int8() is False and not is_stated:
        return None, f"not its twin {twin.name}: int8 is no faster on this processor"
    with needs("OpenVINO", "pip install openvino, or use engine=torch"):
        from seqcls.engines.openvino_engine import OpenVINOEngine
    again = "make it again with `seqcls convert --precision int8`"
    try:
        engine = OpenVINOEngine(twin, "int8")
        proof = Proof.from_json(engine.proof)
        if proof.model != file_digest(model):
            return None, f"not {twin.name}, which is the twin of another training; {again}"
        if not is_stated and fast_int8() is None and proof.times_as_fast < _FASTER:
            return None, f"not its twin {twin.name}: int8 was no faster where it was made"
        stray = float(np.abs(logits(engine) - np.array(proof.logits)).max())
    except (ModelError, EngineError, OSError, ValueError) as error:
        what = "it holds no proof of how it compares" if isinstance(error, ValueError) else str(error)
        return None, f"not its twin {twin.name}: {what}; {again}"
    if not stray <= MAX_STRAY:
        return (
            None,
            f"not its twin {twin.name}: this processor computes it differently from where it was proven; {again}",
        )
    why = "as stated" if is_stated else "the fastest here"
    return engine, (
        f"twin {twin.name}, {why}: compared with the model on {proof.compared}, no interval gained or lost,"
        f" scores differ by {proof.drift:.4f} on average, {proof.largest:.4f} at most"
    )


def logits(engine: Engine) -> NDArray[np.float64]:
    """(4, K) of the test images, within those of probabilities of a millionth and all but a millionth."""
    scores = engine.scores(test_images(engine.header.geometry.size)).astype(np.float64)
    p = np.clip(scores, 1e-6, 1 - 1e-6)
    given: NDArray[np.float64] = np.log(p / (1 - p))
    return given
