"""From evidence to outline: of all that may be the ultrasound, the shape that fits best, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from seqcls.geometry.confidence import confidence
from seqcls.geometry.edges import snapped, up_to_panels
from seqcls.geometry.evidence import Evidence
from seqcls.geometry.fit import BEST_FIT, GOOD_FIT, Fit, fit
from seqcls.geometry.masks import Mask, Points, area, components, dense, drawn
from seqcls.geometry.tissue import MIN_AREA, candidates


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """``corners``: (n, 2) int32, convex, in reduced pixels. ``kind``: as in Region. ``whole``: the image was cut down
    to the ultrasound before. ``confidence``: 0 to 1."""

    corners: Points
    kind: str
    whole: bool
    confidence: float


def outline(evidence: Evidence) -> Outline | None:
    """The ultrasound's outline, or None where nothing is found."""
    best: Fit | None = None
    for tissue in candidates(evidence):
        found = fit(tissue, evidence)
        better = best is None or found.quality > best.quality
        if best is not None and best.quality >= GOOD_FIT:  # then only what is better still, and hardly smaller
            better = found.quality > best.quality + 0.02 and area(found.corners) >= 0.85 * area(best.corners)
        best = found if better or best is None else best
        if best.whole or best.quality >= BEST_FIT:
            break
    if best is None:
        return None
    best = _with_twin(best, evidence)
    if best.kind == "linear" and not best.whole:
        best = replace(best, corners=snapped(up_to_panels(best.corners, evidence), evidence))
    return Outline(best.corners, best.kind, best.whole, confidence(best, evidence))


def _with_twin(one: Fit, evidence: Evidence) -> Fit:
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
        other = fit(labels == label, evidence)
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
