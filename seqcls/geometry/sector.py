"""From evidence to outline: the dense part of the image that moves, and the fan or rectangle that it fills."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.geometry.evidence import Evidence, Mask

Points = NDArray[np.int32]

#: A component smaller than this part of the image is no ultrasound.
MIN_AREA = 0.04
#: A smaller one that moves may be a digit of a clock.
MIN_PART = 0.002


@dataclass(frozen=True, slots=True)
class Side:
    """The line x = offset + slope * y along one side of the sector, ``support`` rows of evidence ending on it."""

    offset: float
    slope: float
    support: int

    def at(self, y: float) -> float:
        return self.offset + self.slope * y


def outline(evidence: Evidence) -> tuple[Points, str] | None:
    """Corners (n, 2) int32 of a convex outline in reduced pixels and its kind, or None where nothing is found."""
    tissue = _tissue(evidence)
    if tissue is None:
        return None
    sides = _sides(tissue)
    if sides is not None:
        tissue = _with_fragments(tissue, evidence, *sides)
        sides = _sides(tissue) or sides
    hull = _hull(tissue)
    if sides is None:
        return hull, "convex"
    filled, kind = _completed(tissue, *sides)
    if _is_cropped(_hull(filled | tissue), evidence):
        filled, kind = _completed(tissue, *sides, to_bottom=True)
    filled &= evidence.inside
    extra = filled & ~_drawn(hull, tissue.shape)
    if (extra & evidence.overlay).sum() > 0.002 * tissue.size:
        return hull, kind
    beyond = tissue & ~_wider(filled, 0.004)
    return _hull(filled if beyond.sum() <= 0.002 * tissue.sum() else filled | tissue), kind


def cuts(box: Mask, whole: Points) -> bool:
    """Whether the box cuts a good part of an outline off, but not most of it."""
    drawn = _drawn(whole, box.shape)
    return bool(0.4 <= (drawn & box).sum() / drawn.sum() <= 0.95)


def covers(whole: Points, part: Points, shape: tuple[int, ...]) -> bool:
    """Whether the outline ``part`` lies, but for a fifth, in the outline ``whole``."""
    drawn = _drawn(part, shape)
    return bool((drawn & _drawn(whole, shape)).sum() >= 0.8 * drawn.sum())


def _tissue(evidence: Evidence) -> Mask | None:
    """The main component; only what moves, where what is seen goes far beyond that (a lit panel around the sector)."""
    seen = _main(_dense(evidence.seen | evidence.active), evidence.active)
    if seen is None:
        return None
    moving = _large(_dense(evidence.active) & seen)
    if moving is None or _area(_hull(moving)) < MIN_AREA * moving.size:
        return seen
    around = _hull(moving)
    beyond = seen & evidence.overlay & ~_wider(_drawn(around, seen.shape), 0.02)
    if _area(_hull(seen)) > 1.35 * _area(around) or beyond.sum() > 0.01 * seen.sum():
        return moving
    return seen


def _components(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(h, w) labels of the connected components, 0 outside of them, and (n,) their areas, that of label 0 as 0."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = np.asarray(stats[:, cv2.CC_STAT_AREA], np.int32)
    areas[0] = 0
    return np.asarray(labels, np.int32), areas


def _large(mask: Mask) -> Mask | None:
    """The components of at least 0.2 % of the image: smaller ones may be digits."""
    labels, areas = _components(mask)
    good = areas >= MIN_PART * mask.size
    return good[labels] if good.any() else None


def _is_cropped(hull: Points, evidence: Evidence) -> bool:
    """Whether the image was already cut down to the sector: hardly a rim, and nothing printed outside."""
    (height, width), (x, y, w, h) = evidence.seen.shape, cv2.boundingRect(hull)
    narrow = max(x / width, y / height, 1 - (x + w) / width) <= 0.03 and 1 - (y + h) / height <= 0.1
    outside = ~_wider(_drawn(hull, evidence.seen.shape), 0.004)
    printed = (evidence.overlay | _dense(evidence.seen)) & outside
    return narrow and bool(evidence.inside.all()) and int(printed.sum()) <= 0.0002 * printed.size


def _dense(mask: Mask) -> Mask:
    """Without text, ticks and traces: a pixel stays where at least half of its neighbourhood is set."""
    side = max(5, round(0.024 * max(mask.shape))) | 1
    dense = cv2.blur(mask.astype(np.float32), (side, side), borderType=cv2.BORDER_REPLICATE) >= 0.5
    kept: Mask = dense & mask
    return kept


def _main(mask: Mask, active: Mask) -> Mask | None:
    """The component with the largest area, where what moves counts four times."""
    labels, areas = _components(mask)
    moving = np.bincount(labels[active & mask], minlength=len(areas))
    found: Mask = (labels == (areas + 3 * moving).argmax()) & mask
    return found if found.any() and _area(_hull(found)) >= MIN_AREA * mask.size else None


def _hull(mask: Mask) -> Points:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(cv2.convexHull(np.concatenate(contours))[:, 0, :], np.int32)


def _area(hull: Points) -> float:
    return float(cv2.contourArea(hull)) + 0.5 * float(cv2.arcLength(hull, True)) + 1  # of pixels, not of their centres


def _drawn(corners: NDArray[np.float64] | Points, shape: tuple[int, ...]) -> Mask:
    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, [np.asarray(np.round(corners * 16.0), np.int32)], 1, shift=4)
    return canvas > 0


def _wider(mask: Mask, part: float) -> Mask:
    """The mask grown by a part of the image's longer side."""
    side = 2 * max(1, round(part * max(mask.shape))) + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def _sides(tissue: Mask) -> tuple[Side, Side] | None:
    """Both sides as straight lines; a side that lies in the dark mirrors the other one."""
    rows = np.flatnonzero(tissue.any(axis=1))
    first = tissue[rows].argmax(axis=1)
    last = tissue.shape[1] - 1 - tissue[rows, ::-1].argmax(axis=1)
    width = tissue.shape[1]
    blur = max(3.0, 0.015 * width)  # codecs smear deep noise over their blocks
    left = _line(rows, first, first > 1, blur)
    mirrored = _line(rows, width - 1 - last, last < width - 2, blur)
    right = None if mirrored is None else Side(width - 1 - mirrored.offset, -mirrored.slope, mirrored.support)
    # The face of the probe echoes over its whole width, whatever lies in the dark below.
    face = max(1, len(rows) // 12)
    start, end = float(first[:face].min()), float(last[:face].max())
    left = Side(0, 0, 0) if left is None and start <= 1 else left
    right = Side(width - 1, 0, 0) if right is None and end >= width - 2 else right
    if left is None or right is None:
        return None
    firm = 0.3 * len(rows)
    if abs(left.slope + right.slope) < 0.1 or min(left.support, right.support) >= firm:
        return left, right
    if max(left.support, right.support) < firm:
        return None
    if left.support >= right.support:
        return left, Side(start + end - left.offset, -left.slope, 0)
    return Side(start + end - right.offset, -right.slope, 0), right


def _line(y: NDArray[np.intp], x: NDArray[np.intp], usable: NDArray[np.bool_], blur: float) -> Side | None:
    """The line that most of the edge points lie on, among those that widen with depth and cut nothing off."""
    choice = np.flatnonzero(usable)
    if len(choice) < 12:
        return None
    sample = choice[np.unique(np.linspace(0, len(choice) - 1, 40).round().astype(int))]
    i, j = (sample[place] for place in np.triu_indices(len(sample), 1))
    i, j = i[y[j] - y[i] >= 6], j[y[j] - y[i] >= 6]
    slope = (x[j] - x[i]) / (y[j] - y[i])
    widens = (slope <= 0.05) & (slope > -4)
    i, slope = i[widens], slope[widens]
    if not len(slope):
        return None
    offset = x[i] - slope * y[i]
    away = x - (offset[:, None] + slope[:, None] * y)  # (lines, rows), negative: outside
    near = ((np.abs(away) <= 2.0) & usable).sum(axis=1)
    worth = near - 30 * (away < -blur).sum(axis=1)
    best = int(worth.argmax())
    on = (np.abs(away[best]) <= 2.0) & usable
    if worth[best] <= 0 or on.sum() < 12:
        return None
    fit = np.polyfit(y[on], x[on], 1)
    return Side(float(fit[1]), float(fit[0]), int(near[best]))


def _with_fragments(tissue: Mask, evidence: Evidence, left: Side, right: Side) -> Mask:
    """Adds what moves between the sides but is separated by a dark band from the rest (deep noise below a shadow)."""
    labels, areas = _components(_dense(evidence.active))
    columns = np.arange(tissue.shape[1])
    rows = np.arange(tissue.shape[0])[:, None]
    between = (columns >= left.offset + left.slope * rows - 3) & (columns <= right.offset + right.slope * rows + 3)
    inside = np.bincount(labels[between], minlength=len(areas))
    good = (areas >= MIN_PART * tissue.size) & (inside >= 0.8 * areas)
    result: Mask = tissue | good[labels]
    return result


def _completed(tissue: Mask, left: Side, right: Side, to_bottom: bool = False) -> tuple[Mask, str]:
    """The whole fan or rectangle between the sides, no deeper and no wider than its evidence on either half.

    ``to_bottom``: down to the image's last row, where nothing but ultrasound can be.
    """
    y, x = np.nonzero(tissue)
    spread = right.slope - left.slope
    if spread < 0.1:
        top, bottom = _reach(y, (right.offset - left.offset) * np.ones(tissue.shape[0]))
        bottom = tissue.shape[0] - 1 if to_bottom else bottom
        corners = [(left.at(top), top), (right.at(top), top), (right.at(bottom), bottom), (left.at(bottom), bottom)]
        return _drawn(np.array(corners), tissue.shape), "linear"
    apex_y = (left.offset - right.offset) / spread
    apex_x = left.at(apex_y)
    radius = np.hypot(x - apex_x, y - apex_y).round().astype(np.intp)
    angle = np.linspace(np.arctan(left.slope), np.arctan(right.slope), 64)
    near, far = _reach(radius, (angle[-1] - angle[0]) * np.arange(radius.max() + 1))
    kind = "phased" if near < 0.2 * far else "convex"
    if to_bottom:
        far = max(far, int(tissue.shape[0] - apex_y))
    way = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    arc = (apex_x, apex_y) + far * way
    fan = np.concatenate([arc, [(apex_x, apex_y) + near * way[-1], (apex_x, apex_y) + near * way[0]]])
    filled = _drawn(fan, tissue.shape)
    rows = np.flatnonzero(np.bincount(y) > 0.01 * tissue.shape[1])
    reach = max(apex_x - x.min(), x.max() - apex_x) + 1
    row, column = np.ogrid[: tissue.shape[0], : tissue.shape[1]]
    filled &= (row >= rows[0]) & ((row <= rows[-1]) | to_bottom)
    filled &= (column >= int(apex_x - reach)) & (column <= int(apex_x + reach))
    return filled, kind


def _reach(place: NDArray[np.intp], full: NDArray[np.float64]) -> tuple[int, int]:
    """First and last depth at which at least a twentieth of the ``full`` width is tissue: a marker dot is narrower."""
    filled = np.bincount(place, minlength=len(full)) >= np.maximum(1, 0.05 * full)
    found = np.flatnonzero(filled)
    return int(found[0]), int(found[-1])
