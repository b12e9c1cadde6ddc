"""From evidence to outline: which part of the image is ultrasound, what shape it fills, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.geometry.evidence import Evidence
from seqcls.geometry.masks import Mask, Points, area, components, dense, drawn, hull, iou, wider
from seqcls.geometry.panels import lit_part
from seqcls.geometry.sector import Side, completed, sides

#: A component smaller than this part of the image is no ultrasound.
MIN_AREA = 0.04
#: A smaller one that moves may be a digit of a clock.
MIN_PART = 0.002
#: A shape that agrees so well with its evidence may be the right one, and from BEST_FIT on it is.
GOOD_FIT, BEST_FIT = 0.85, 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """``corners``: (n, 2) int32, convex, in reduced pixels. ``kind``: as in Region. ``whole``: the image was cut down
    to the ultrasound before. ``confidence``: 0 to 1."""

    corners: Points
    kind: str
    whole: bool
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """``quality``: how well the shape agrees with the hull of the evidence for it, and keeps off panels, 0 to 1."""

    corners: Points
    kind: str
    quality: float
    whole: bool


def outline(evidence: Evidence) -> Outline | None:
    """The ultrasound's outline, or None where nothing is found."""
    best: _Fit | None = None
    for tissue in _candidates(evidence):
        fit = _fit(tissue, evidence)
        better = best is None or fit.quality > best.quality
        if best is not None and best.quality >= GOOD_FIT:  # then only what is better still, and hardly smaller
            better = fit.quality > best.quality + 0.02 and area(fit.corners) >= 0.85 * area(best.corners)
        best = fit if better or best is None else best
        if best.whole or best.quality >= BEST_FIT:
            break
    if best is None:
        return None
    best = _with_twin(best, evidence)
    if best.kind == "linear" and not best.whole:
        best = replace(best, corners=_snapped(_up_to_panels(best.corners, evidence), evidence))
    return Outline(best.corners, best.kind, best.whole, _confidence(best, evidence))


def _with_twin(one: _Fit, evidence: Evidence) -> _Fit:
    """With a second picture of its shape and size beside it, as scanners show two planes."""
    (left, top), (right, bottom) = one.corners.min(axis=0), one.corners.max(axis=0)
    wide, tall = right - left + 1, bottom - top + 1
    if one.whole or wide > 0.55 * evidence.seen.shape[1]:
        return one
    labels, areas = components(dense(evidence.seen | evidence.active))
    own = int(np.bincount(labels[drawn(one.corners, labels.shape)], minlength=len(areas))[1:].max(initial=0))
    for label in np.flatnonzero((areas >= 0.4 * own) & (areas >= MIN_AREA / 2 * labels.size)):
        columns = np.flatnonzero((labels == label).any(axis=0))
        if columns[0] <= right - 0.1 * wide and columns[-1] >= left + 0.1 * wide:
            continue
        other = _fit(labels == label, evidence)
        (x0, y0), (x1, y1) = other.corners.min(axis=0), other.corners.max(axis=0)
        alike = (
            abs(y0 - top) <= 0.06 * tall and abs(y1 - bottom) <= 0.06 * tall and abs(x1 - x0 + 1 - wide) <= 0.15 * wide
        )
        if alike and min(abs(x0 - right), abs(left - x1)) <= 0.3 * wide:
            both = cv2.convexHull(np.concatenate([one.corners, other.corners]))[:, 0, :]
            return replace(one, corners=np.asarray(both, np.int32))
    return one


def cuts(box: Mask, whole: Points) -> bool:
    """Whether the box cuts a good part of an outline off, but not most of it."""
    inside = drawn(whole, box.shape)
    return bool(0.4 <= (inside & box).sum() / inside.sum() <= 0.95)


def covers(whole: Points, part: Points, shape: tuple[int, ...]) -> bool:
    """Whether the outline ``part`` lies, but for a fifth, in the outline ``whole``."""
    inside = drawn(part, shape)
    return bool((inside & drawn(whole, shape)).sum() >= 0.8 * inside.sum())


def _candidates(evidence: Evidence) -> Iterator[Mask]:
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
    moving = _large(dense(evidence.active) & seen)
    if moving is not None and area(hull(moving)) >= MIN_AREA * moving.size:
        yield moving


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
    if min(side.support for side in found) == 0 and (added & ~_between_sides(added.shape, *found)).any():
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


def _window(side: float) -> NDArray[np.uint8]:
    return np.ones((round(side) | 1, round(side) | 1), np.uint8)


def _fit(tissue: Mask, evidence: Evidence) -> _Fit:
    """The shape of the tissue, with the probe above or, where that is clearly better, below."""
    upright = _upright(tissue, evidence)
    enough = GOOD_FIT if upright.kind == "linear" else BEST_FIT  # a fan that is wider above is a good fit for both
    if upright.quality >= enough or upright.whole:
        return upright
    turned = _upright(tissue[::-1], _turned(evidence))
    if turned.quality < upright.quality + 0.05:
        return upright
    last = tissue.shape[0] - 1
    return replace(turned, corners=np.stack([turned.corners[:, 0], last - turned.corners[:, 1]], axis=1))


def _turned(evidence: Evidence) -> Evidence:
    """Upside down."""
    return Evidence(
        evidence.seen[::-1],
        evidence.active[::-1],
        evidence.overlay[::-1],
        evidence.panel[::-1],
        evidence.inside[::-1],
        evidence.still[::-1],
        evidence.mean[::-1],
        evidence.scale,
    )


def _upright(tissue: Mask, evidence: Evidence) -> _Fit:
    found = sides(tissue)
    if found is not None:
        tissue = _with_fragments(tissue, evidence, *found)
        found = sides(tissue) or found
    around = hull(tissue)
    inside = drawn(around, tissue.shape)
    if found is None:
        solid = float((tissue & inside).sum() / inside.sum())
        return _Fit(around, "convex", 0.8 * solid, _is_whole(around, evidence))
    filled, kind = completed(tissue, *found)
    whole = _is_whole(hull(filled | tissue), evidence)
    if whole:
        filled, kind = completed(tissue, *found, to_bottom=True)
    on_panel = filled & evidence.panel
    if on_panel.sum() <= 0.05 * filled.sum():  # where half of a fan is mirrored, it may be a little too wide
        filled &= ~on_panel
    filled &= evidence.inside
    extra = filled & ~inside
    compared = _lit_half(tissue.shape, *found)
    quality = iou(filled & compared, inside & compared)
    if (extra & evidence.overlay).sum() > 0.002 * tissue.size:
        return _Fit(around, kind, 0.8 * quality, whole)
    beyond = tissue & ~wider(filled, 0.004)
    shape = hull(filled if beyond.sum() <= 0.002 * tissue.sum() else filled | tissue)
    covered = drawn(shape, tissue.shape)
    return _Fit(shape, kind, quality * _off_panels(covered, evidence), whole)


def _off_panels(shape: Mask, evidence: Evidence) -> float:
    """1 for a shape without panels in it, 0 for one that is half panel."""
    return max(0.0, 1 - 2 * float((evidence.panel & shape).sum() / shape.sum()))


def _lit_half(shape: tuple[int, ...], left: Side, right: Side) -> Mask:
    """Where evidence can be compared with a shape: on the side of the firm line, where the other lies in the dark."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    middle = (left.offset + right.offset + (left.slope + right.slope) * rows) / 2
    if right.support < 0.3 * left.support:
        return np.asarray(columns <= middle)
    if left.support < 0.3 * right.support:
        return np.asarray(columns >= middle)
    return np.ones(shape, bool)


def _up_to_panels(corners: Points, evidence: Evidence) -> Points:
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


def _snapped(corners: Points, evidence: Evidence) -> Points:
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


def _room(panel: NDArray[np.float64]) -> tuple[int, bool]:
    """How far it is to the first line of which more than half is panel, or to the end, and which of both."""
    lines = np.flatnonzero(panel > 0.5)
    return (int(lines[0]), True) if len(lines) else (len(panel), False)


def _large(mask: Mask) -> Mask | None:
    """The components of at least 0.2 % of the image: smaller ones may be digits."""
    labels, areas = components(mask)
    good = areas >= MIN_PART * mask.size
    return good[labels] if good.any() else None


def _main(mask: Mask, active: Mask) -> Mask | None:
    """The component with the largest area, where what moves counts four times."""
    labels, areas = components(mask)
    moving = np.bincount(labels[active & mask], minlength=len(areas))
    found: Mask = (labels == (areas + 3 * moving).argmax()) & mask
    return found if found.any() and area(hull(found)) >= MIN_AREA * mask.size else None


def _with_fragments(tissue: Mask, evidence: Evidence, left: Side, right: Side) -> Mask:
    """Adds what lies between the sides, moves and is separated by a dark band from the rest: deep noise, of which some
    stands still, below a shadow."""
    between = _between_sides(tissue.shape, left, right)
    result: Mask = tissue.copy()
    for mask in (dense(evidence.active), dense(evidence.seen | evidence.active) & ~tissue):
        labels, areas = components(mask)
        if areas.max() < MIN_PART * tissue.size:
            continue
        inside = np.bincount(labels[between], minlength=len(areas))
        moving = np.bincount(labels[evidence.active], minlength=len(areas))
        good = (areas >= MIN_PART * tissue.size) & (inside >= 0.8 * areas) & (moving >= 0.3 * areas)
        result |= good[labels]
    return result


def _between_sides(shape: tuple[int, ...], left: Side, right: Side) -> Mask:
    """And up to 3 pixels outside."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray(
        (columns >= left.offset + left.slope * rows - 3) & (columns <= right.offset + right.slope * rows + 3)
    )


def _is_whole(corners: Points, evidence: Evidence) -> bool:
    """Whether the image was cut down to the ultrasound: that reaches the rims, and nothing stands around it."""
    (height, width), (x, y, w, h) = evidence.seen.shape, cv2.boundingRect(corners)
    if not evidence.inside.all() or evidence.panel.mean() > 0.02:
        return False
    outside = ~wider(drawn(corners, evidence.seen.shape), 0.004)
    printed = float(((evidence.overlay | dense(evidence.seen)) & outside).sum() / outside.size)
    across, down = (x, width - x - w), (y, height - y - h)
    reached = sum(rim <= 0.03 * width for rim in across) + sum(rim <= 0.03 * height for rim in down)
    part = w * h / (width * height)
    if printed <= 0.0002:
        return bool(reached >= 3 or (reached >= 1 and part >= 0.75))
    return bool(printed <= 0.005 and reached >= 2 and part >= 0.8)


def _confidence(fit: _Fit, evidence: Evidence) -> float:
    """0 to 1: whether the shape agrees with its evidence, holds what moves, is filled by it, ends where that ends and
    bears no print.

    Of 280 screens and clips whose region is known, right shapes agree by 0.86 and more and have tissue along 0.57 of
    their edge and more; where they agree by 0.76 or less, or have it along 0.45 or less, they are wrong.
    """
    shape = drawn(fit.corners, evidence.seen.shape)
    tissue, moving = dense(evidence.seen | evidence.active), _large(dense(evidence.active))
    filled = min(1.0, float((tissue & shape).sum() / shape.sum()) / 0.3)
    held = 1.0 if moving is None else float((moving & wider(shape, 0.01)).sum() / moving.sum())
    lively = 0.8 if moving is None else 1.0
    agreeing, ending = 1.0, 1.0
    if not fit.whole:
        agreeing = _between(fit.quality, 0.5, GOOD_FIT)
        ending = _between(_supported_edge(shape, tissue & shape, evidence), 0.35, 0.75)
    return round(filled * held * _off_panels(shape, evidence) * lively * agreeing * ending, 2)


def _between(value: float, none: float, full: float) -> float:
    """0 up to ``none``, 1 from ``full`` on."""
    return min(1.0, max(0.0, (value - none) / (full - none)))


def _supported_edge(shape: Mask, tissue: Mask, evidence: Evidence) -> float:
    """The part of a shape's edge that has tissue close by, of all that neither a panel nor the image's rim explains."""
    height, width = shape.shape
    edges, _ = cv2.findContours(shape.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    x, y = np.concatenate(edges)[:, 0].T
    open_edge = (np.minimum(x, width - 1 - x) > 0.03 * width) & (np.minimum(y, height - 1 - y) > 0.03 * height)
    open_edge &= ~wider(evidence.panel, 0.012)[y, x]
    if open_edge.sum() < 0.1 * len(x):
        return 1.0
    return float(wider(tissue, 0.015)[y, x][open_edge].mean())
