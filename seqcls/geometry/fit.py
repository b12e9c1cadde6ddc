"""The shape that a part of an image fills, and how well: a fan or a rectangle, with the probe above or below."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from seqcls.geometry.evidence import Evidence
from seqcls.geometry.masks import Mask, Points, components, dense, drawn, hull, iou, wider
from seqcls.geometry.sector import Side, between_sides, completed, sides
from seqcls.geometry.tissue import MIN_PART

#: A shape that agrees so well with its evidence may be the right one, and from BEST_FIT on it is.
GOOD_FIT, BEST_FIT = 0.85, 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """``quality``: how well the shape agrees with the hull of the evidence for it, and keeps off panels, 0 to 1."""

    corners: Points
    kind: str
    quality: float
    whole: bool


def fit(tissue: Mask, evidence: Evidence) -> Fit:
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


def _upright(tissue: Mask, evidence: Evidence) -> Fit:
    found = sides(tissue)
    if found is not None:
        tissue = _with_fragments(tissue, evidence, *found)
        found = sides(tissue) or found
    around = hull(tissue)
    inside = drawn(around, tissue.shape)
    if found is None:
        solid = float((tissue & inside).sum() / inside.sum())
        return Fit(around, "convex", 0.8 * solid, _is_whole(around, evidence))
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
        return Fit(around, kind, 0.8 * quality, whole)
    beyond = tissue & ~wider(filled, 0.004)
    shape = hull(filled if beyond.sum() <= 0.002 * tissue.sum() else filled | tissue)
    covered = drawn(shape, tissue.shape)
    return Fit(shape, kind, quality * off_panels(covered, evidence), whole)


def _with_fragments(tissue: Mask, evidence: Evidence, left: Side, right: Side) -> Mask:
    """Adds what lies between the sides, moves and is separated by a dark band from the rest: deep noise, of which some
    stands still, below a shadow."""
    between = between_sides(tissue.shape, left, right)
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


def _lit_half(shape: tuple[int, ...], left: Side, right: Side) -> Mask:
    """Where evidence can be compared with a shape: on the side of the firm line, where the other lies in the dark."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    middle = (left.offset + right.offset + (left.slope + right.slope) * rows) / 2
    if right.support < 0.3 * left.support:
        return np.asarray(columns <= middle)
    if left.support < 0.3 * right.support:
        return np.asarray(columns >= middle)
    return np.ones(shape, bool)


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


def off_panels(shape: Mask, evidence: Evidence) -> float:
    """1 for a shape without panels in it, 0 for one that is half panel."""
    return max(0.0, 1 - 2 * float((evidence.panel & shape).sum() / shape.sum()))
