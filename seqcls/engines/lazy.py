"""An engine that a thread opens, so that reading a clip need not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from seqcls.engines.base import Engine
from seqcls.models.file import ModelHeader


class LazyEngine:
    """Calls ``opening`` in a thread, after ``begin`` or as soon as anything is asked of it; what is asked waits for the
    answer, or raises its error.

    See ``Engine``. The program does not end before the thread: an interpreter that ends while a thread is inside a
    C++ library aborts ("FATAL: exception not rethrown") instead of telling its exit code.
    """

    def __init__(self, header: ModelHeader, opening: Callable[[], Engine]) -> None:
        self.header = header
        self._opening, self._begins = opening, threading.Lock()
        self._opened: Future[Engine] = Future()

    def begin(self) -> None:
        """Have the thread open it now, unless that was done before."""
        if self._begins.acquire(blocking=False):  # never released: it begins once
            threading.Thread(target=self._open, name="seqcls-engine").start()

    @property
    def precision(self) -> str:
        return self._engine().precision

    @property
    def description(self) -> str:
        return self._engine().description

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._engine().scores(images)

    def answers(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._engine().answers(images)

    def _engine(self) -> Engine:
        self.begin()
        return self._opened.result()

    def _open(self) -> None:
        try:
            self._opened.set_result(self._opening())
        except BaseException as error:  # whatever it is, it belongs to whoever asks
            self._opened.set_exception(error)


def begin_opening(engine: Engine) -> None:
    """Let it be opened while something else is done, where it is not yet."""
    if isinstance(engine, LazyEngine):
        engine.begin()
