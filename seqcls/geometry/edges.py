"""Where a linear picture ends: it reaches up to the panels around it, and its edges lie where the image steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqcls.geometry.evidence import Evidence
from seqcls.geometry.masks import Points
from seqcls.geometry.panels import lit_part


def up_to_panels(corners: Points, evidence: Evidence) -> Points:
    """A linear picture in a screen of panels without a rim of its own reaches up to them, also where it is dark.

    It has no rim where panels begin right behind two of its sides at least. Print in between keeps it away, and it does
    not reach into black bars around the screen.
    """
    height, width = evidence.panel.shape
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    columns, rows = evidence.panel[y0 : y1 + 1].mean(axis=0), evidence.panel[:, x0 : x1 + 1].mean(axis=1)
    down, across = lit_part(np.where(evidence.panel, np.uint8(255), evidence.mean))
    room = [
        _room(columns[across.start : x0][::-1]),
        _room(rows[down.start : y0][::-1]),
        _room(columns[x1 + 1 : across.stop]),
        _room(rows[y1 + 1 : down.stop]),
    ]
    close = 0.015 * max(height, width)
    if sum(side <= close and panel for side, panel in room) < 2:
        return corners
    most = 0.2 * (x1 - x0), 0.2 * (y1 - y0)
    left, top, right, bottom = (side if side <= most[n % 2] else 0 for n, (side, _) in enumerate(room))
    # Faint letters flicker and are no overlay, but they are seen; so is the picture's own edge.
    printed = evidence.seen.copy()
    printed[max(0, y0 - 3) : y1 + 4, max(0, x0 - 3) : x1 + 4] = False
    printed |= evidence.overlay
    between = (
        printed[y0 : y1 + 1, x0 - left : x0],
        printed[y0 - top : y0, x0 : x1 + 1],
        printed[y0 : y1 + 1, x1 + 1 : x1 + 1 + right],
        printed[y1 + 1 : y1 + 1 + bottom, x0 : x1 + 1],
    )
    left, top, right, bottom = (
        0 if strip.size and strip.mean() > 0.01 else side
        for side, strip in zip((left, top, right, bottom), between, strict=True)
    )
    x0, y0, x1, y1 = x0 - left, y0 - top, x1 + right, y1 + bottom
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.int32)


def _room(panel: NDArray[np.float64]) -> tuple[int, bool]:
    """How far it is to the first line of which more than half is panel, or to the end, and which of both."""
    lines = np.flatnonzero(panel > 0.5)
    return (int(lines[0]), True) if len(lines) else (len(panel), False)


def snapped(corners: Points, evidence: Evidence) -> Points:
    """The sides of a box moved to where the image steps, where it does so nearby: the outermost clear step counts."""
    (x0, y0), (x1, y1) = (int(v) for v in corners.min(axis=0)), (int(v) for v in corners.max(axis=0))
    mean = evidence.mean.astype(np.float32)
    columns = np.abs(np.diff(mean[y0 : y1 + 1], axis=1)).mean(axis=0)
    rows = np.abs(np.diff(mean[:, x0 : x1 + 1], axis=0)).mean(axis=1)
    x0, x1 = _step(columns, x0), evidence.mean.shape[1] - 1 - _step(columns[::-1], evidence.mean.shape[1] - 1 - x1)
    y0, y1 = _step(rows, y0), evidence.mean.shape[0] - 1 - _step(rows[::-1], evidence.mean.shape[0] - 1 - y1)
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.int32)


def _step(change: NDArray[np.float32], place: int) -> int:
    """The first line of the picture, within 8 of ``place``, behind the first step of at least half the largest one.

    ``change``: per line, how much it differs from the next one.
    """
    first = max(0, place - 8)
    near = change[first : place + 8]
    if not place or not len(near) or near.max() < 4:
        return place
    return first + int(np.flatnonzero(near >= 0.5 * near.max())[0]) + 1
