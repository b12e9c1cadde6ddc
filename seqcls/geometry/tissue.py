"""Which part of an image may be the ultrasound: of the evidence, the main part, and what belongs to it."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.geometry.evidence import Evidence
from seqcls.geometry.masks import Mask, area, components, dense, drawn, hull
from seqcls.geometry.sector import between_sides, sides

#: A component smaller than this part of the image is no ultrasound.
MIN_AREA = 0.04
#: A smaller one that moves may be a digit of a clock.
MIN_PART = 0.002


def candidates(evidence: Evidence) -> Iterator[Mask]:
    """What may be the tissue: the main component of all that is seen, with smaller ones behind a shadow; it alone; the
    same without what hangs on it by a bridge narrower than a twentieth or a tenth of the image; what moves in it.

    The latter leave out what stands around the sector and touches it: text, a logo, small pictures, a photograph.
    """
    everything = dense(evidence.seen | evidence.active)
    seen = _main(everything, evidence.active)
    if seen is None:
        return
    joined = _with_companions(seen, everything, evidence)
    if joined is not None:
        yield joined
    yield seen
    side = max(seen.shape)
    closed = cv2.morphologyEx(seen.astype(np.uint8), cv2.MORPH_CLOSE, _window(0.025 * side))
    for bridge in (0.05, 0.1):
        opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, _window(bridge * side)) > 0
        compact = _main(opened & seen, evidence.active)
        if compact is not None:
            yield compact
    moving = large(dense(evidence.active) & seen)
    if moving is not None and area(hull(moving)) >= MIN_AREA * moving.size:
        yield moving


def _main(mask: Mask, active: Mask) -> Mask | None:
    """The component with the largest area, where what moves counts four times."""
    labels, areas = components(mask)
    moving = np.bincount(labels[active & mask], minlength=len(areas))
    found: Mask = (labels == (areas + 3 * moving).argmax()) & mask
    return found if found.any() and area(hull(found)) >= MIN_AREA * mask.size else None


def large(mask: Mask) -> Mask | None:
    """The components of at least 0.2 % of the image: smaller ones may be digits."""
    labels, areas = components(mask)
    good = areas >= MIN_PART * mask.size
    return good[labels] if good.any() else None


def _window(side: float) -> NDArray[np.uint8]:
    return np.ones((round(side) | 1, round(side) | 1), np.uint8)


def _with_companions(main: Mask, everything: Mask, evidence: Evidence) -> Mask | None:
    """With the smaller components that move too, where all together are a fan with sides alike and with little between
    them: the shadow of a rib parts it. Of a linear picture, where they stand beside it. None where there are none."""
    labels, areas = components(everything & ~main)
    others = everything & ~main
    moving = np.bincount(labels[evidence.active & others], minlength=len(areas))
    printed = np.bincount(labels[evidence.overlay & others], minlength=len(areas))
    size = int(main.sum())
    companions = (areas >= 0.01 * size) & (areas >= MIN_PART * main.size)
    alive = (moving >= 0.1 * areas) & (printed <= 0.3 * areas) & (areas <= 0.35 * size)
    for label in np.flatnonzero(companions & ~alive):
        alive[label] = _is_in_line(labels == label, main) or _completes_a_fan(labels == label, main)
    companions &= alive
    joined: Mask = main | companions[labels]
    found = sides(joined) if companions.any() else None
    if found is None:
        return None
    if abs(found[0].slope + found[1].slope) > 0.15:
        return None
    added = joined & ~main
    # A side that only mirrors the other one must hold what is added.
    if min(side.support for side in found) == 0 and (added & ~between_sides(added.shape, *found)).any():
        return None
    in_line = _is_in_line(added, main)
    if found[1].slope - found[0].slope < 0.1 and not (in_line or _stands_beside(added, main)):
        return None
    solid = joined.sum() / drawn(hull(joined), joined.shape).sum()
    firm = min(side.support for side in found) > 0 and found[1].slope - found[0].slope >= 0.3
    return joined if solid >= (0.5 if in_line else 0.6 if firm else 0.7) else None


def _stands_beside(other: Mask, main: Mask) -> bool:
    """Within the rows of the main part, and at least half as tall: what is printed is lower, or above it."""
    rows, own = np.flatnonzero(other.any(axis=1)), np.flatnonzero(main.any(axis=1))
    return bool(rows[0] >= own[0] - 3 and rows[-1] <= own[-1] + 3 and len(rows) >= 0.5 * len(own))


def _is_in_line(other: Mask, main: Mask) -> bool:
    """As wide as the main part, above or below it: a vessel or an eye without an echo parts a linear picture."""
    columns, own = np.flatnonzero(other.any(axis=0)), np.flatnonzero(main.any(axis=0))
    close = 0.02 * len(own)
    return bool(abs(columns[0] - own[0]) <= close and abs(columns[-1] - own[-1]) <= close)


def _completes_a_fan(other: Mask, main: Mask) -> bool:
    """Ends where a side of the fan is that mirrors the other one: nothing else does, whether it moves or not."""
    if other.sum() < 0.05 * main.sum():
        return False
    alone, found = sides(main), sides(main | other)
    if found is None or min(side.support for side in found) == 0 or found[1].slope - found[0].slope < 0.3:
        return False
    rows = np.flatnonzero(main.any(axis=1))
    face = np.flatnonzero(main[rows[: max(1, len(rows) // 12)]].any(axis=0))
    across = found[0].at(float(rows[0])) + found[1].at(float(rows[0]))
    even = abs(found[0].slope + found[1].slope) <= 0.05 and abs(across - face[0] - face[-1]) <= 0.05 * main.shape[1]
    return even and (alone is None or abs(alone[0].slope + alone[1].slope) > 0.15)
