"""From frames to the engine's images: find the ultrasound region, ask the gate, cut out and scale."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.gate import Gate, GateOptions, is_not_ultrasound
from seqcls.geometry import Geometry, Region, RegionFinder, overlap, region_warnings
from seqcls.keepable import TextWatch
from seqcls.types import Frame, Gap

#: Most images kept of a run, each with its time, for its timeline's picture.
THUMBNAILS = 64
#: Where no region was found and the screen stands still, every so manieth frame is searched: 24 of them cost 0.1 s.
LOOK_EVERY = 4
#: A screen moves when more than this share of its pixels changes by so many levels.
MOVES, MOVES_BY = 0.02, 6
#: Every so manieth frame is checked for menus, and from so many checks in a row on somebody was in one: 1 s at 32 Hz.
CHECK_EVERY, MIN_CHECKS = 8, 4
#: From this overlap on a region found again is the one in use, found on other frames.
SAME_REGION = 0.8
#: Images that are looked at for text: over 4 s. Later ones cost time; a name usually stands there from the beginning.
WATCHED = 40
Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False)
class PreprocessedFrame:
    """A frame on its way to the engine: ``image`` (S, S) uint8, or None when it cannot be scored, for ``reason``."""

    index: int
    time_s: float
    duration_s: float
    image: NDArray[np.uint8] | None
    reason: str


class _Search:
    """The region in use for images of one size, sought again where it may be another by now."""

    def __init__(self, geometry: Geometry, hint: Box | None) -> None:
        self.region: Region | None = None
        self._geometry, self._hint = geometry, hint
        self._finder: RegionFinder | None = RegionFinder(geometry, hint)
        self._passed = self._not_ultrasound = 0
        self._before: Image | None = None
        self._moved = False

    def push(self, image: Image) -> None:
        """Take the next image into account: ``region`` may be known, or another, from this one on."""
        self._passed += 1
        if self.region is None and self._finder is not None:
            self.region = self._finder.push(image)
            if self.region is not None and self.region.is_found:
                self._finder = None
        elif self._geometry.region == "auto" and self.region is not None:
            self._look_again(image, self.region)

    def finish(self) -> Region:
        """The region of the images so far, of which there were too few."""
        assert self._finder is not None, "the first search goes on until a region is known"
        self.region = self._finder.finish()
        return self.region

    def _look_again(self, image: Image, region: Region) -> None:
        if region.is_found and self._passed % CHECK_EVERY == 0:
            # Who comes back from a menu may come back to another screen, and what was found may have been the menu.
            away = self._not_ultrasound
            self._not_ultrasound = away + 1 if is_not_ultrasound(image, region) else 0
            if self._not_ultrasound:
                self._finder = None
            elif away >= MIN_CHECKS:
                self._finder = RegionFinder(self._geometry, self._hint)
        if not region.is_found:
            moved = self._moves(image)
            if not moved and self._passed % LOOK_EVERY != 0:
                return
            if self._finder is None or moved != self._moved:  # a menu among the frames would hide the ultrasound
                self._finder = RegionFinder(self._geometry, self._hint)
            self._moved = moved
        found = None if self._finder is None else self._finder.push(image)
        if found is None:
            return
        self._finder = None
        new = not region.is_found or overlap(region, found) < SAME_REGION
        if found.is_found and new and not is_not_ultrasound(image, found):
            self.region = found

    def _moves(self, image: Image) -> bool:
        """Whether the image is unlike the one before it: speckle moves, menus stand still."""
        before, self._before = self._before, image[::8, ::8].copy()
        if before is None or before.shape != self._before.shape:
            return False
        return bool(np.mean(cv2.absdiff(before, self._before) > MOVES_BY) > MOVES)


def with_region(
    items: Iterable[Frame | Gap], geometry: Geometry, hint: Box | None = None
) -> Generator[tuple[Frame, Region] | Gap, None, None]:
    """Each frame with its ultrasound region; gaps keep their place.

    Items wait until the region is known, anew for each image size. Where nothing is found they go on with a region of
    kind "none", and the search with them; it also begins anew, without waiting, when ultrasound returns after a menu.
    hint: a region stated by the source, in pixels (x0, y0, x1, y1), for the first size only. Raises GeometryError where
    a stated region does not fit.
    """
    search = _Search(geometry, hint)
    size: tuple[int, ...] = ()
    waiting: list[Frame | Gap] = []
    for item in items:
        if isinstance(item, Frame):
            if size and item.image.shape[:2] != size:
                if waiting:
                    yield from _paired(waiting, search.finish())
                search, waiting = _Search(geometry, None), []
            size = item.image.shape[:2]
            search.push(item.image)
        elif not waiting:
            yield item
            continue
        waiting.append(item)
        if search.region is not None:
            yield from _paired(waiting, search.region)
            waiting = []
    if waiting:
        yield from _paired(waiting, search.finish())


def _paired(items: list[Frame | Gap], region: Region) -> Iterator[tuple[Frame, Region] | Gap]:
    return (item if isinstance(item, Gap) else (item, region) for item in items)


class Preprocessor:
    """This stage of one run, and what it saw on the way.

    region: the one in use, None until it is found. regions: all there were, MAX_REGIONS at most. received: frames
    taken. start_s, end_s: of everything taken, gaps too. thumbnails: (time_s, image). hint: as for ``with_region``.
    """

    MAX_REGIONS = 100  # a feed that changes its size again and again must not fill memory

    def __init__(self, geometry: Geometry, gate: GateOptions, hint: Box | None = None) -> None:
        self._geometry = geometry
        self._gate = gate
        self._hint = hint
        self.region: Region | None = None
        self.regions: list[Region] = []
        self.received = 0
        self.start_s: float | None = None
        self.end_s = 0.0
        self._text = TextWatch(WATCHED)
        self.thumbnails = EvenSample[tuple[float, NDArray[np.uint8]]](THUMBNAILS)

    def prepare(self, frames: Iterable[Frame | Gap]) -> Generator[PreprocessedFrame | Gap, None, None]:
        """Find the region, ask the gate, letterbox; see ``with_region``."""
        gate = Gate(self._gate)
        for item in with_region(self._counted(frames), self._geometry, self._hint):
            if isinstance(item, Gap):
                yield item
                continue
            frame, region = item
            self._note(region)
            reason = frame.damaged if frame.damaged else gate.check(frame.image, region, frame.time_s)
            image = None if reason else self._geometry.apply(frame.image, region)
            if image is not None and region.is_found:
                self.thumbnails.offer((frame.time_s, image))
                if self._text.wants(frame.time_s):
                    self._text.add(self._geometry.crop(frame.image, region), region, frame.time_s)
            yield PreprocessedFrame(frame.index, frame.time_s, frame.duration_s, image, reason)

    def warnings(self, trained: Sequence[Region]) -> tuple[str, ...]:
        """What a reader must know: of the regions (see ``region_warnings``), and of text inside them."""
        return (*region_warnings(self.regions, trained), *self._text.warnings())

    def _note(self, region: Region) -> None:
        if region is not self.region:
            self.region = region
            if region not in self.regions and len(self.regions) < self.MAX_REGIONS:
                self.regions.append(region)

    def _counted(self, frames: Iterable[Frame | Gap]) -> Iterator[Frame | Gap]:
        for item in frames:
            if isinstance(item, Gap):
                start_s, end_s = item.start_s, item.end_s
            else:
                start_s, end_s = item.time_s, item.time_s + item.duration_s
                self.received += 1
            self.start_s = start_s if self.start_s is None else self.start_s
            self.end_s = max(self.end_s, end_s)
            yield item


class EvenSample(Generic[Item]):
    """At most ``most`` items, evenly spread over a sequence whose length nobody knows beforehand."""

    def __init__(self, most: int) -> None:
        self.kept: list[Item] = []
        self._most = most
        self._offered = 0
        self._every = 1

    def offer(self, item: Item) -> None:
        if self._offered % self._every == 0:
            self.kept.append(item)
        self._offered += 1
        if len(self.kept) > self._most:
            self.kept = self.kept[::2]
            self._every *= 2
