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
    """Calls ``opening`` in a thread at once; whatever is asked of it waits for the answer, or raises its error.

    See ``Engine``. The program does not end before the thread: an interpreter that ends while a thread is inside a
    C++ library aborts ("FATAL: exception not rethrown") instead of telling its exit code.
    """

    def __init__(self, header: ModelHeader, opening: Callable[[], Engine]) -> None:
        self.header = header
        self._opened: Future[Engine] = Future()
        threading.Thread(target=self._open, args=(opening,), name="seqcls-engine").start()

    @property
    def precision(self) -> str:
        return self._opened.result().precision

    @property
    def description(self) -> str:
        return self._opened.result().description

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._opened.result().scores(images)

    def answers(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._opened.result().answers(images)

    def _open(self, opening: Callable[[], Engine]) -> None:
        try:
            self._opened.set_result(opening())
        except BaseException as error:  # whatever it is, it belongs to whoever asks
            self._opened.set_exception(error)
