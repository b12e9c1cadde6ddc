"""What every engine offers, and what they share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqcls.cores import cores
from seqcls.errors import EngineError, UsageError, one_line
from seqcls.models.file import ModelHeader

#: What to compute in. ``auto`` resolves to one of the others by the kind of processor. int8 is for convolutions: what
#: is between and behind them stays in fp32.
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
#: So many calls with a single image in a row make it a live feed; adaptive sampling was seen to make 8.
LIVE_AFTER = 12
#: A .safetensors model's two parts.
Parts = tuple[ModelHeader, Mapping[str, NDArray[Any]]]
#: (n, S, S) uint8 to (n, K) float32 raw logits, followed by D features where the model tells the novelty.
Forward = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class Engine(Protocol):
    """A model ready to score; holds no state of any run."""

    header: ModelHeader

    @property
    def precision(self) -> str:
        """What it computes in: fp32, bf16, fp16 or int8, never ``auto``."""
        ...

    @property
    def description(self) -> str:
        """Library, device and precision, for people."""
        ...

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S) uint8 to calibrated probabilities (N, K) float32; an image's result does not depend on the others.

        Raises EngineError for images of another shape or type, and when the library refuses.
        """
        ...

    def answers(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S) uint8 to (N, K + 1): the same, and the novelty. Only where the header has one.

        Raises EngineError as ``scores`` does.
        """
        ...


def answers(engine: Engine, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, S, S) uint8 to (N, K) as ``Engine.scores``; with a last column, the novelty, where the model tells it."""
    return engine.scores(images) if engine.header.novelty is None else engine.answers(images)


def test_images(size: int) -> NDArray[np.uint8]:
    """(4, S, S): black, white, noise, and noise that is dark above: as unlike as images can be."""
    noise = np.random.default_rng(0).integers(0, 256, (2, size, size), np.uint8)
    noise[1, : size // 2] //= 8
    return np.concatenate([np.zeros((1, size, size), np.uint8), np.full((1, size, size), 255, np.uint8), noise])


def require_images(images: NDArray[Any], size: int) -> None:
    """Raise EngineError unless ``images`` is (N, size, size) uint8."""
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (size, size):
        raise EngineError(f"the model takes (N, {size}, {size}) uint8, not {images.shape} {images.dtype}")


def settle_int8(precision: str, kept: str, library: str, target: str = "openvino") -> str:
    """The precision asked for, or int8 where the weights are ``kept`` in it: then there is no other.

    target: what to convert to, for the message. Raises UsageError for an unknown precision, EngineError where the
    model does not have the one asked for.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    if kept == "int8":
        if precision not in ("auto", "int8"):
            raise EngineError(f"this model was converted to int8; run the .safetensors for {precision}")
        return "int8"
    if precision == "int8":
        raise EngineError(
            f"this model has no int8 form for {library}: make one with "
            f"`seqcls convert MODEL --to {target} --precision int8 --calibrate DATA` and run that"
        )
    return precision


@contextlib.contextmanager
def needs(library: str, advice: str) -> Iterator[None]:
    """Around the import of what needs ``library``; raises EngineError with the advice where that fails."""
    try:
        yield
    except ImportError as error:
        raise EngineError(f"{library} cannot be used ({error}); {advice}") from error


class PerImageEngine:
    """An engine that gives its library one image at a time, several at once, each on one thread; see ``Engine``.

    In a batch, an image's kernels, and so its last bits, would depend on how many others there are. One image per
    processor avoids that, and scales better than a batch spread over all threads. Only a live feed would wait for one
    busy processor while the others idle: its single images are spread over all threads, once that has been seen to
    give the same bits. Calls from several threads wait for each other.
    """

    def __init__(
        self,
        header: ModelHeader,
        library: str,
        version: str,
        precision: str,
        *,
        forward: Forward,
        spread: Callable[[], Forward],
    ) -> None:
        """library: its name. forward: a single image, from several threads at once. spread: makes what spreads one."""
        self.header = header
        self.precision = precision
        self.description = f"{library} {version}, cpu, {precision}"
        self._library = library
        self._width = len(header.organs) + (0 if header.novelty is None else header.novelty.features)
        self._forward, self._make_spread = forward, spread
        self._pool = ThreadPoolExecutor(cores(), thread_name_prefix="seqcls-engine")
        self._spread: Forward | None = None
        self._singles = 0
        self._is_set_up = False
        self._lock = threading.Lock()

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S) uint8 to calibrated probabilities (N, K) float32. Raises EngineError."""
        return self.header.probabilities(self._outputs(images)[:, : len(self.header.organs)])

    def answers(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same with the novelty as a last column; see ``Engine``."""
        outputs, organs = self._outputs(images), len(self.header.organs)
        return self.header.with_novelty(outputs[:, :organs], outputs[:, organs:])

    def _outputs(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, K + D), see ``Forward``."""
        require_images(images, self.header.geometry.size)
        try:
            with self._lock:
                return self._forwarded(np.ascontiguousarray(images))
        except RuntimeError as error:
            raise EngineError(f"{self._library} failed ({one_line(error)}); try engine=torch") from error

    def _forwarded(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._singles = self._singles + 1 if len(images) == 1 else 0
        if self._singles == LIVE_AFTER and cores() > 1:
            self._spread = self._agreeing_spread()
        if self._spread is not None and len(images) == 1:
            return self._spread(images)
        return self._streamed(images)

    def _streamed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        # The very first alone: OpenVINO's binding sets itself up by it, and two threads that came first together were
        # seen to wait for each other for ever, one with Python's lock, one with its own.
        first = [] if self._is_set_up else [self._row(image[None]) for image in images[:1]]
        self._is_set_up = self._is_set_up or bool(first)
        rows = self._pool.map(self._row, images[len(first) :, None])
        return np.concatenate([np.empty((0, self._width), np.float32), *first, *rows])

    def _row(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(1, K + D) of one image: what a graph states of its outputs need not be true."""
        outputs = self._forward(image)
        if outputs.shape != (1, self._width):
            raise EngineError(
                f"{self._library} makes {outputs.shape} of an image instead of (1, {self._width}): the model is"
                " damaged; make it again with `seqcls convert`"
            )
        return outputs

    def _agreeing_spread(self) -> Forward | None:
        size = self.header.geometry.size
        probe = np.random.default_rng(0).integers(0, 256, (3, size, size), np.uint8)
        probe[1:] //= np.array([2, 8], np.uint8)[:, None, None]
        spread = self._make_spread()
        alone = np.concatenate([spread(image[None]) for image in probe])
        return spread if np.array_equal(alone, self._streamed(probe)) else None
