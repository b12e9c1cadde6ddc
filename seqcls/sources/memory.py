"""Frames and plain images from memory as a source: checked, given times, and counted like any other input."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.sources.base import Clip
from seqcls.types import TIME_TOLERANCE_S, Frame, Gap, SourceInfo, require_image

Image = NDArray[np.uint8]


class MemorySource(Clip):
    """Iterates over ``Frame`` and ``Gap`` items with times of their own, or over plain images at a stated rate.

    Images are (H, W) uint8 gray or (H, W, 3) uint8 BGR, all of one size, in a list, an iterator or one array
    (N, H, W[, 3]); they are copied, so that the caller may use the same array for the next one. Image i is at
    ``i / rate_hz`` seconds. Raises UsageError for anything else; while iterating also for times that do not increase.
    """

    name = "frames"

    def __init__(self, items: Iterable[Frame | Gap | Image], rate_hz: float | None = None) -> None:
        super().__init__()
        if rate_hz is not None:
            require_rate(rate_hz)
        self.info = SourceInfo(name=self.name, kind="frames", rate_hz=rate_hz)
        self._given = _require_many(items)
        self._rate_hz = rate_hz

    def _items(self) -> Iterator[Frame | Gap]:
        last: Frame | Gap | None = None
        for given in self._given:
            item = given if isinstance(given, (Frame, Gap)) else self._timed(given)
            _require_order(last, item)
            if isinstance(given, Frame) and self._rate_hz is not None:
                raise UsageError("a Frame has a time of its own: leave rate_hz out, or give plain images")
            last = item
            yield item

    def _timed(self, image: object) -> Frame:
        index = self._delivered
        require_image(image, f"image {index}")
        assert isinstance(image, np.ndarray)
        if self._rate_hz is None:
            raise UsageError("plain images have no times: state how many there are per second, as rate_hz=25")
        if self._shape and image.shape[:2] != self._shape:
            raise UsageError(
                f"image {index} has {image.shape[:2]} pixels after {self._shape}: give images of one size,"
                " or Frame items where the source really changes"
            )
        self._shape = image.shape[:2]
        return Frame(index, index / self._rate_hz, 1 / self._rate_hz, np.array(image, order="C"))


def _require_order(last: Frame | Gap | None, item: Frame | Gap) -> None:
    if isinstance(item, Gap) and not -math.inf < item.start_s <= item.end_s < math.inf:
        raise UsageError(f"a gap from {item.start_s} to {item.end_s} s: give finite times, the earlier one first")
    if isinstance(last, Frame) and isinstance(item, Frame):
        if not (item.time_s > last.time_s and item.index > last.index):
            raise UsageError(
                f"frame {item.index} at {item.time_s:g} s does not come after frame {last.index} at"
                f" {last.time_s:g} s: give frames in order, with times and indices that increase"
            )
    elif last is not None:
        begins_s = item.start_s if isinstance(item, Gap) else item.time_s
        before_s = last.end_s if isinstance(last, Gap) else last.time_s
        if begins_s < before_s - TIME_TOLERANCE_S:
            raise UsageError(f"what begins at {begins_s:g} s is given after {before_s:g} s: give items in order")


def require_rate(rate_hz: float) -> None:
    """Raise UsageError unless this is a number of frames per second."""
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, (int, float)) or not math.isfinite(rate_hz):
        raise UsageError(f"rate_hz must be a number of frames per second, not {rate_hz!r}")
    if not 0 < rate_hz <= 10_000:
        raise UsageError(f"the rate must lie between 0 and 10,000 frames per second, not {rate_hz:g}")


def _require_many(items: object) -> Iterable[Frame | Gap | Image]:
    """Raise UsageError for what is no collection of frames, also for a single image: its rows are no images."""
    if isinstance(items, np.ndarray):
        if items.ndim == 2 or (items.ndim == 3 and items.shape[-1] in (3, 4)):
            raise UsageError(f"an array of shape {items.shape} is one image: give a list of images, or (N, H, W[, 3])")
        if items.ndim not in (3, 4):
            raise UsageError(f"an array of shape {items.shape} holds no images: give (N, H, W) or (N, H, W, 3) uint8")
    elif isinstance(items, (Frame, Gap, str, bytes)) or not isinstance(items, Iterable):
        raise UsageError(
            f"frames are given as a list or an iterator of frames or images, not as {type(items).__name__}"
        )
    return items
