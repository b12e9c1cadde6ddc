"""What every engine offers, and what they share."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import EngineError, UsageError, one_line
from seqcls.models.file import ModelHeader

PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
#: So many calls with a single picture in a row make it a live feed.
LIVE_AFTER = 4
#: (n, S, S) uint8 to (n, K) float32 raw logits.
Forward = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class Engine(Protocol):
    """A model ready to score; holds no state of any run."""

    header: ModelHeader

    @property
    def description(self) -> str:
        """Library, device and precision, in words."""
        ...

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S) uint8 to calibrated probabilities (N, K) float32; a frame's result is its own, whoever its mates.

        Raises EngineError for pictures of another shape or type, and when the library refuses.
        """
        ...


def require_pictures(images: NDArray[Any], size: int) -> None:
    """Raise EngineError unless ``images`` is (N, size, size) uint8."""
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (size, size):
        raise EngineError(f"the model takes (N, {size}, {size}) uint8, not {images.shape} {images.dtype}")


def require_precision(precision: str) -> None:
    """Raise UsageError for one that does not exist."""
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")


def needs_conversion(library: str, path: str) -> EngineError:
    """What to raise where int8 is asked of a model that was never quantised."""
    return EngineError(
        f"this model has no int8 form for {library}: make one with "
        f"`seqcls convert MODEL --to {path} --precision int8 --calibrate DATA` and run that"
    )


def processors() -> int:
    """How many processors this process may use; OMP_NUM_THREADS, where set, says so for every engine."""
    stated = os.environ.get("OMP_NUM_THREADS", "")
    if stated.isdigit() and int(stated) > 0:
        return int(stated)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class PerImageEngine:
    """An engine that gives its library one picture at a time, several at once, each on one thread; see ``Engine``.

    A batch would make a picture's kernels, and so its last bits, depend on how many mates it has. One picture per
    processor avoids that, and scales better than a batch spread over all threads. Only a live feed would wait for one
    busy processor while the others idle: its single pictures are spread over all threads, once that has been seen to
    give the same bits. Calls from several threads wait for each other.
    """

    def __init__(self, header: ModelHeader, library: str, *, streamed: Forward, spread: Callable[[], Forward]) -> None:
        """library: for messages. streamed: many pictures, each on one thread. spread: makes what spreads a single."""
        self.header = header
        self.description = library
        self._library = library
        self._streamed, self._make_spread = streamed, spread
        self._spread: Forward | None = None
        self._singles = 0
        self._lock = threading.Lock()

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S) uint8 to calibrated probabilities (N, K) float32. Raises EngineError."""
        require_pictures(images, self.header.geometry.size)
        try:
            with self._lock:
                return self.header.probabilities(self._logits(np.ascontiguousarray(images)))
        except RuntimeError as error:
            raise EngineError(f"{self._library} failed ({one_line(error)}); try --engine torch") from error

    def _logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._singles = self._singles + 1 if len(images) == 1 else 0
        if self._singles == LIVE_AFTER and processors() > 1:
            self._spread = self._agreeing_spread()
        if self._spread is not None and len(images) == 1:
            return self._spread(images)
        return self._streamed(images)

    def _agreeing_spread(self) -> Forward | None:
        size = self.header.geometry.size
        probe = np.random.default_rng(0).integers(0, 256, (3, size, size), np.uint8)
        probe[1:] //= np.array([2, 8], np.uint8)[:, None, None]
        spread = self._make_spread()
        alone = np.concatenate([spread(picture[None]) for picture in probe])
        return spread if np.array_equal(alone, self._streamed(probe)) else None
