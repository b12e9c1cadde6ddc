"""Frames that are not scorable: each gets a reason, becomes unknown, and never opens or lengthens an interval.

Thresholds were set on 21 real clips (4,824 frames, of which none is lost), on phantom sweeps with lost contact, and on
drawn screens; the figures stand beside them. Losing a good frame is worse than scoring a bad one: all lean that way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.geometry import Region, outline_mask, to_gray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

#: All reasons, in the order in which they are looked for.
REASONS = ("black", "not ultrasound", "no contact", "frozen")

_ROWS, _COLUMNS = 64, 96  # an image is looked at on about this grid: 0.1 ms instead of 2
_ONE_GRAY = 6  # levels within which a flat area is of one gray
_MAY_BE_EMPTY = (np.arange(256) >= 56) & (np.arange(256) <= 247 - _ONE_GRAY)  # others are a shadow, or saturated
_LIT = 16  # gray levels above which a pixel shows something: noise and codec ripples stay below


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """Which frames are not scorable. Raises UsageError for values that cannot be right."""

    enabled: bool = True
    """False lets every frame pass."""
    black: bool = True
    """Refuse frames that hold hardly anything above noise."""
    frozen: bool = True
    """Refuse frames that have stood still for ``freeze_s``."""
    no_contact: bool = True
    """Refuse frames of a probe in air."""
    not_ultrasound: bool = True
    """Refuse menus, text and other screens."""
    freeze_s: float = 1.0
    """How long the region must stand still to count as frozen, in seconds; the frames until then are scored."""

    def __post_init__(self) -> None:
        if not 0.2 <= self.freeze_s <= 3600:
            raise UsageError(f"freeze_s must be 0.2 to 3600 seconds, not {self.freeze_s:g}")


def is_not_ultrasound(image: Image, region: Region) -> bool:
    """Whether the gate calls this (H, W) or (H, W, 3) BGR uint8 image "not ultrasound": a menu, text, a photograph."""
    return _View(image, region).is_not_ultrasound()


class Gate:
    """Looks at one run's frames in their order; holds what the search for frozen stretches must remember."""

    def __init__(self, options: GateOptions) -> None:
        self._options = options
        self._anchor: Image | None = None
        self._anchor_s = 0.0

    def check(self, image: Image, region: Region, time_s: float) -> str:
        """ "" when the frame is scorable, else one of REASONS.

        ``image`` is (H, W) or (H, W, 3) BGR uint8, of the size that ``region`` was found in.
        """
        options = self._options
        if not options.enabled:
            return ""
        view = _View(image, region)
        still = self._still_since(view.grid, time_s)
        if options.black and view.is_black():
            return "black"
        if options.not_ultrasound and view.is_not_ultrasound():
            return "not ultrasound"
        if options.no_contact and view.has_no_contact():
            return "no contact"
        return "frozen" if options.frozen and time_s - still >= options.freeze_s else ""

    def _still_since(self, grid: Image, time_s: float) -> float:
        """Since when the images have been the same; frames that a conversion repeats are the same for a moment."""
        anchor = self._anchor
        if anchor is None or anchor.shape != grid.shape or time_s < self._anchor_s or _differ(anchor, grid):
            self._anchor, self._anchor_s = grid, time_s
        return self._anchor_s


def _differ(a: Image, b: Image) -> bool:
    """Whether more than a twentieth of what is lit has changed by more than 6 levels.

    Within a second at least a fifth of it does in every real clip. Of a frozen image beside a running clock at most
    2 % does after H.264 at crf 23, MPEG-2, MPEG-4, MJPEG or HEVC; 8 % at crf 30 with two key frames a second.
    """
    lit = int(np.count_nonzero(cv2.max(a, b) > _LIT))
    return int(np.count_nonzero(cv2.absdiff(a, b) > 6)) > 0.05 * lit


class _View:
    """An image's region, thinned out: ``rows`` (about 64, all columns) gray, and the ``grid`` (about 64, about 96)."""

    def __init__(self, image: Image, region: Region) -> None:
        self._sample = _sample(region)
        thin = image[region.y0 : region.y1 : self._sample.step_y, region.x0 : region.x1]
        self._color = thin[:, :: self._sample.step_x] if image.ndim == 3 else None
        self._rows = to_gray(np.ascontiguousarray(thin))
        self.grid: Image = self._rows[:, :: self._sample.step_x] * self._sample.grid

    def is_black(self) -> bool:
        """Hardly anything above noise: 0.5 % of the pixels; the darkest real image has 11 %."""
        return int(np.count_nonzero(self.grid > _LIT + 8)) < 0.005 * self._sample.pixels

    def has_no_contact(self) -> bool:
        """Air: a bright band at the face, and nothing below its echoes but noise.

        At 20 to 35 % of the depth less than 8 % of the pixels lie above 30 (real clips: at least 15 %), at 35 to 60 %
        less than 0.4 % (so much is left even behind bone, where sound does enter). Where the gain lifts the noise
        itself above 30, or the echoes of the face reach deeper, lost contact is not seen.
        """
        face, upper, middle = (self.grid[rows] for rows in self._sample.zones)
        of_face, of_upper, of_middle = self._sample.zone_pixels
        return (
            int(np.count_nonzero(face > 50)) > 0.05 * of_face
            and int(np.count_nonzero(upper > 30)) < 0.08 * of_upper
            and int(np.count_nonzero(middle > 30)) < 0.004 * of_middle
        )

    def is_not_ultrasound(self) -> bool:
        """Flat areas, hard strokes or strong colours, none of which speckle leaves. One column shows none of them."""
        if self._rows.shape[1] < 2:
            return False
        return self._is_flat() or self._is_written() or self._is_colourful() or self._holds_dialog()

    def _is_flat(self) -> bool:
        """Runs of 17 pixels within 2 levels over 40 % of the region; MPEG-2 leaves 15 % in the worst real clip."""
        line = np.ones((1, 17), np.uint8)
        spread = cv2.subtract(cv2.dilate(self._rows, line), cv2.erode(self._rows, line))
        flat = (spread[:, :: self._sample.step_x] <= 2) & (self.grid > _LIT)
        return int(np.count_nonzero(flat)) > 0.4 * self._sample.pixels

    def _is_written(self) -> bool:
        """Steps of 90 levels from pixel to pixel beside a fifth of the bright ones: text, icons. Real clips: 0.5 %."""
        here, before, inner = self._rows[:, 1:], self._rows[:, :-1], self._sample.inner
        steps = np.count_nonzero((cv2.absdiff(here, before) > 90) & inner)
        bright = np.count_nonzero((here > 90) & inner)
        return int(steps) > max(0.2 * bright, 0.002 * inner.size)

    def _holds_dialog(self) -> bool:
        """A box of one gray over a good part of the region: a tenth, or 8 % where strokes of letters stand on it.

        Averaged over some columns, noise of 3 levels on it is gone, speckle is not. In 215 real clips, some of MPEG-2,
        4.2 % at most is flat at one gray that is neither dark nor white, connected or not. Strokes stand beside a gray
        in 0.3 % of the pixels at most, letters in a dialog in 2 %.
        """
        inside = self._sample.columns
        small = _averaged(self._rows, self._sample.step_x)
        box = np.ones((3, 7), np.uint8)
        flat = (cv2.subtract(cv2.dilate(small, box), cv2.erode(small, box)) <= _ONE_GRAY) & (small > _LIT) & inside
        pixels = int(np.count_nonzero(inside))
        if int(np.count_nonzero(flat)) <= 0.08 * pixels:
            return False
        share = _by_gray(small[flat]) / pixels
        here, before, inner = self._rows[:, 1:], self._rows[:, :-1], self._sample.inner
        steps = (cv2.absdiff(here, before) > 50) & inner
        written = _by_gray(np.concatenate((here[steps], before[steps]))) > 0.01 * np.count_nonzero(inner)
        least = np.where(written, 0.08, np.where(_MAY_BE_EMPTY, 0.1, 1.0))
        gray = int((share - least).argmax())
        if share[gray] <= least[gray]:
            return False
        one = flat & (small >= gray) & (small <= gray + _ONE_GRAY)
        _, _, stats, _ = cv2.connectedComponentsWithStats(one.astype(np.uint8), connectivity=4)
        return bool(stats[1:, cv2.CC_STAT_AREA].max() > least[gray] * pixels)

    def _is_colourful(self) -> bool:
        """Channels 80 levels apart in 60 % of the region; a colour Doppler box is smaller, a tinted map paler."""
        if self._color is None:
            return False
        spread = self._color.max(axis=2) - self._color.min(axis=2)
        return int(np.count_nonzero((spread > 80) & self._sample.grid)) > 0.6 * self._sample.pixels


def _averaged(rows: Image, step: int) -> Image:
    """Each ``step`` columns as one; those left over at the end are left out."""
    height, width = rows.shape[0], rows.shape[1] // step
    small = cv2.resize(rows[:, : width * step], (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _by_gray(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(256,) how many values lie within _ONE_GRAY levels from each level on."""
    counts = np.concatenate((np.bincount(values, minlength=256), np.zeros(_ONE_GRAY, np.int64)))
    return np.convolve(counts, np.ones(_ONE_GRAY + 1, np.int64), "valid")


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Which pixels of a region are looked at. In the outline are those of grid (thinned), inner (all of the rows, but
    for their first) and columns (averaged)."""

    step_x: int
    step_y: int
    grid: Mask
    inner: Mask
    columns: Mask
    pixels: int
    zones: tuple[slice, slice, slice]
    zone_pixels: tuple[int, int, int]


@lru_cache(maxsize=64)
def _sample(region: Region) -> _Sample:
    height, width = region.y1 - region.y0, region.x1 - region.x0
    step_y, step_x = max(1, height // _ROWS), max(1, width // _COLUMNS)
    mask = outline_mask(region)
    full = np.ones((height, width), bool) if mask is None else mask > 0
    grid = full[::step_y, ::step_x]
    rows = grid.shape[0]
    if region.polygon:
        ys = [y for _, y in region.polygon]
        top, depth = (min(ys) - region.y0) / step_y, (max(ys) - min(ys)) / step_y
    else:
        top, depth = 0.0, float(rows)
    edges = [round(top + part * depth) for part in (0.0, 0.1, 0.2, 0.35, 0.6)]
    zones = (slice(edges[0], edges[1]), slice(edges[2], edges[3]), slice(edges[3], edges[4]))
    counts = [int(np.count_nonzero(grid[zone])) for zone in zones]
    columns = _averaged(np.where(full[::step_y], np.uint8(255), np.uint8(0)), step_x) == 255
    return _Sample(
        step_x, step_y, grid, full[::step_y, 1:], columns, int(np.count_nonzero(grid)), zones,
        (counts[0], counts[1], counts[2]),
    )  # fmt: skip
