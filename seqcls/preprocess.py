"""From frames to the engine's pictures: find the ultrasound region, ask the gate, cut out and scale."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.gate import Gate, GateOptions
from seqcls.geometry import Geometry, Region, RegionFinder
from seqcls.types import Frame, Gap


@dataclass(frozen=True, slots=True, eq=False)
class PreprocessedFrame:
    """A frame on its way to the engine: ``picture`` (S, S) uint8, or None when it cannot be judged, for ``reason``."""

    index: int
    time_s: float
    duration_s: float
    picture: NDArray[np.uint8] | None
    reason: str


class Preprocessor:
    """This stage of one run, and what it saw on the way.

    region: the one in use, None until it is found. regions: all there were, MAX_REGIONS at most. received: frames
    taken. start_s, end_s: of everything taken, gaps too. hint: a region stated by the source, in pixels (x0, y0, x1,
    y1).
    """

    MAX_REGIONS = 100  # a feed that changes its size again and again must not fill memory

    def __init__(self, geometry: Geometry, gate: GateOptions, hint: tuple[int, int, int, int] | None = None) -> None:
        self._geometry = geometry
        self._gate = gate
        self._hint = hint
        self.region: Region | None = None
        self.regions: list[Region] = []
        self.received = 0
        self.start_s: float | None = None
        self.end_s = 0.0
        self.thumbnails = Thumbnails()

    def prepare(self, frames: Iterable[Frame | Gap]) -> Generator[PreprocessedFrame | Gap, None, None]:
        """Find the region, ask the gate, letterbox. Items wait until the region is known, anew for each size."""
        geometry = self._geometry
        gate = Gate(self._gate)
        finder = RegionFinder(geometry, self._hint)
        region: Region | None = None
        size: tuple[int, ...] = ()
        held: list[Frame | Gap] = []
        for item in frames:
            self._account(item)
            if isinstance(item, Frame):
                if size and item.image.shape[:2] != size:
                    if held:
                        yield from self._judge(held, finder.finish(), gate)
                        held = []
                    finder, region = RegionFinder(geometry), None  # the hint was for the other size
                size = item.image.shape[:2]
                if region is None:
                    region = finder.push(item.image)
            held.append(item)
            if region is not None or not size:
                yield from self._judge(held, region, gate)
                held = []
        if held:
            yield from self._judge(held, finder.finish(), gate)

    def _judge(self, items: list[Frame | Gap], region: Region | None, gate: Gate) -> Iterator[PreprocessedFrame | Gap]:
        self.region = region if region is not None else self.region
        if region is not None and region not in self.regions and len(self.regions) < self.MAX_REGIONS:
            self.regions.append(region)
        for item in items:
            if isinstance(item, Gap):
                yield item
                continue
            assert region is not None, "frames are judged only once their region is known"
            reason = item.damaged if item.damaged else gate.check(item.image, region, item.time_s)
            picture = None if reason else self._geometry.apply(item.image, region)
            if picture is not None:
                self.thumbnails.offer(item.time_s, picture)
            yield PreprocessedFrame(item.index, item.time_s, item.duration_s, picture, reason)

    def _account(self, item: Frame | Gap) -> None:
        if isinstance(item, Gap):
            start_s, end_s = item.start_s, item.end_s
        else:
            start_s, end_s = item.time_s, item.time_s + item.duration_s
            self.received += 1
        self.start_s = start_s if self.start_s is None else self.start_s
        self.end_s = max(self.end_s, end_s)


class Thumbnails:
    """At most MOST pictures, evenly spread over a clip whose length nobody knows beforehand."""

    MOST = 32

    def __init__(self) -> None:
        self.kept: list[tuple[float, NDArray[np.uint8]]] = []
        self._offered = 0
        self._every = 1

    def offer(self, time_s: float, picture: NDArray[np.uint8]) -> None:
        if self._offered % self._every == 0:
            self.kept.append((time_s, picture))
        self._offered += 1
        if len(self.kept) > self.MOST:
            self.kept = self.kept[::2]
            self._every *= 2
