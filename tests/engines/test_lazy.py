"""An engine that opens while a clip is read."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from seqcls.engines.base import Engine
from seqcls.engines.lazy import LazyEngine, begin_opening
from seqcls.errors import EngineError
from seqcls.geometry import Geometry
from seqcls.models.file import ModelHeader

HEADER = ModelHeader(organs=("liver",), geometry=Geometry(size=32))


class Ones:
    header, precision, description = HEADER, "fp32", "ones"

    def scores(self, images: np.ndarray) -> np.ndarray:
        return np.ones((len(images), 1), np.float32)


def test_it_is_opened_aside_and_asked_like_any_other() -> None:
    may_open = threading.Event()

    def opening() -> Engine:
        may_open.wait()
        return Ones()

    engine = LazyEngine(HEADER, opening)
    assert not [one for one in threading.enumerate() if one.name == "seqcls-engine"], "it may never be needed"
    begin_opening(engine)
    begin_opening(engine)
    (thread,) = (one for one in threading.enumerate() if one.name == "seqcls-engine")
    # The interpreter waits for it: one that ends while a thread is inside a C++ library aborts.
    assert not thread.daemon
    may_open.set()
    assert engine.precision == "fp32" and engine.description == "ones"
    assert engine.scores(np.zeros((2, 32, 32), np.uint8)).tolist() == [[1.0], [1.0]]
    thread.join()


def test_what_opening_raises_is_raised_to_whoever_asks() -> None:
    def opening() -> Engine:
        raise EngineError("no such device")

    engine = LazyEngine(HEADER, opening)
    for _ in range(2):
        with pytest.raises(EngineError, match="no such device"):
            engine.scores(np.zeros((1, 32, 32), np.uint8))
