"""Stand-ins that compute something visible: brightness is the classifier, a gray level is the organ."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from support.novelties import reference

from seqcls.detector import Detector
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry
from seqcls.intervals import IntervalOptions
from seqcls.models.file import ModelHeader
from seqcls.smoothing import SmoothingOptions
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

SIZE = 16


class BrightnessEngine:
    """First organ: mean brightness / 255. Second organ: its complement. Remembers the batch sizes that it was given."""

    precision = "fp32"
    description = "brightness"

    def __init__(self, header: ModelHeader) -> None:
        self.header = header
        self.batches: list[int] = []

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert images.dtype == np.uint8 and images.shape[1:] == (SIZE, SIZE)
        self.batches.append(len(images))
        bright = images.reshape(len(images), -1).mean(axis=1) / 255
        return np.stack([bright, 1 - bright], axis=1).astype(np.float32)[:, : len(self.header.organs)]

    def answers(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Images of middling brightness are unlike all that it was trained on."""
        scores = self.scores(images)
        novelty = np.where(np.abs(scores[:, :1] - 0.5) < 0.1, np.float32(0.75), np.float32(0.125))
        return np.concatenate([scores, novelty], axis=1)


def detector(
    organs: tuple[str, ...] = ("liver", "kidney"),
    smoothing: SmoothingOptions | None = None,
    intervals: IntervalOptions | None = None,
    gate: bool = False,
    novelty: bool = False,
) -> Detector:
    known = reference() if novelty else None
    header = ModelHeader(organs=organs, geometry=Geometry(size=SIZE, region="none"), version="test", novelty=known)
    return Detector(
        header=header,
        engine=BrightnessEngine(header),
        smoothing=SmoothingOptions(kind="none") if smoothing is None else smoothing,
        intervals=(IntervalOptions() if intervals is None else intervals,) * len(organs),
        gate=GateOptions(enabled=gate),
    )


def frames(
    levels: Sequence[float | None], rate_hz: float = 10.0, size: tuple[int, int] = (32, 32)
) -> Iterator[Frame | Gap]:
    """One frame per level (0..1); None is a damaged frame. A little texture keeps frames from being all alike."""
    rng = np.random.default_rng(0)
    for index, level in enumerate(levels):
        image = np.clip(rng.normal(255 * (0.5 if level is None else level), 3, size), 0, 255).astype(np.uint8)
        yield Frame(index, index / rate_hz, 1 / rate_hz, image, "corrupt packet" if level is None else "")


class Replay:
    """A source made of frames."""

    def __init__(self, items: Iterable[Frame | Gap]) -> None:
        self.info = SourceInfo(name="probe", kind="stream")
        self._items = items
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Frame | Gap]:
        return iter(self._items)

    def report(self) -> SourceReport:
        return SourceReport("complete")

    def close(self) -> None:
        self.closed.set()

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
