"""The shape that an ultrasound picture has: two straight sides, and the fan or rectangle between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcls.geometry.masks import Mask, drawn


@dataclass(frozen=True, slots=True)
class Side:
    """The line x = offset + slope * y along one side of the sector, ``support`` rows of evidence ending on it."""

    offset: float
    slope: float
    support: int

    def at(self, y: float) -> float:
        return self.offset + self.slope * y


def sides(tissue: Mask) -> tuple[Side, Side] | None:
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
    firm = 0.3 * len(rows)
    left, right = _with_counterpart(left, right, firm, start + end)
    if left is None or right is None:
        return None
    if abs(left.slope + right.slope) < 0.1 or min(left.support, right.support) >= firm:
        return left, right
    if max(left.support, right.support) < firm:
        return None
    if left.support >= right.support:
        return left, Side(start + end - left.offset, -left.slope, 0)
    return Side(start + end - right.offset, -right.slope, 0), right


def _with_counterpart(
    left: Side | None, right: Side | None, firm: float, across: float
) -> tuple[Side | None, Side | None]:
    """Where one side of a fan has no line at all, the firm other one is mirrored. ``across``: first and last column of
    the probe's face, added."""
    if left is None and right is not None and right.support >= firm and right.slope >= 0.1:
        return Side(across - right.offset, -right.slope, 0), right
    if right is None and left is not None and left.support >= firm and left.slope <= -0.1:
        return left, Side(across - left.offset, -left.slope, 0)
    return left, right


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
    free = np.where(slope < -0.1, 0.03 * len(y), 0)  # rows of a fan's face that touch the probe beside it
    worth = near - 30 * np.maximum(0, (away < -blur).sum(axis=1) - free)
    best = int(worth.argmax())
    on = (np.abs(away[best]) <= 2.0) & usable
    if worth[best] <= 0 or on.sum() < 12:
        return None
    fit = np.polyfit(y[on], x[on], 1)
    return Side(float(fit[1]), float(fit[0]), int(near[best]))


def completed(tissue: Mask, left: Side, right: Side, to_bottom: bool = False) -> tuple[Mask, str]:
    """The whole fan or rectangle between the sides, no deeper and no wider than its evidence on either half.

    ``to_bottom``: down to the image's last row, where nothing but ultrasound can be.
    """
    y, x = np.nonzero(tissue)
    spread = right.slope - left.slope
    if spread < 0.1:
        top, bottom = _reach(y, (right.offset - left.offset) * np.ones(tissue.shape[0]))
        bottom = tissue.shape[0] - 1 if to_bottom else bottom
        corners = [(left.at(top), top), (right.at(top), top), (right.at(bottom), bottom), (left.at(bottom), bottom)]
        return drawn(np.array(corners), tissue.shape), "linear"
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
    filled = drawn(fan, tissue.shape)
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


def between_sides(shape: tuple[int, ...], left: Side, right: Side) -> Mask:
    """(h, w) bool: what lies between the sides of an image of this shape, and up to 3 pixels outside."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray(
        (columns >= left.offset + left.slope * rows - 3) & (columns <= right.offset + right.slope * rows + 3)
    )
