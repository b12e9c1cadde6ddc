"""The clips and frames on which a model did worst, and what may be shown of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.evaluation.clip_truth import PRESENT, ClipTruth
from seqcls.evaluation.evaluate import Evaluation
from seqcls.evaluation.scored_frames import ScoredFrames
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, outline_mask
from seqcls.geometry.crop import letterbox
from seqcls.rendering.kept_frames import kept_frames
from seqcls.sources import open_source

#: Clips, and frames of each organ, that are listed.
MOST_CLIPS, MOST_FRAMES = 10, 8
#: Frames of one clip that are listed lie this far apart, or this many frames where no times are known.
APART_S, APART = 1.0, 20
Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstClip:
    """One organ in one clip. accuracy: by frame. missed, false_events: presences."""

    file: str
    organ: str
    accuracy: float
    missed: int
    false_events: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorstFrame:
    """A frame on the wrong side of the threshold. row: in the evaluation's frames. image (S, S) uint8: the ultrasound
    region as the network sees it, and inside (S, S) bool what of it is the region; None where nothing may be shown."""

    organ: str
    row: int
    clip: str
    index: int
    time_s: float
    present: bool
    score: float
    image: Image | None = None
    inside: NDArray[np.bool_] | None = None


def worst_clips(evaluation: Evaluation) -> tuple[WorstClip, ...]:
    """Those with the lowest accuracy by frame, of all that are not faultless."""
    found = []
    for organ in evaluation.organs:
        column = evaluation.frames.organs.index(organ.organ)
        for clip in evaluation.clips:
            share = clip.accuracy(column)
            if math.isnan(share):
                continue
            counts = clip.counts(column, 0.2)
            missed = counts.presences - counts.found
            if share < 1 or missed or counts.false_events:
                found.append(
                    WorstClip(
                        file=clip.file,
                        organ=organ.organ,
                        accuracy=share,
                        missed=missed,
                        false_events=counts.false_events,
                    )
                )
    return tuple(sorted(found, key=lambda one: (one.accuracy, one.file, one.organ))[:MOST_CLIPS])


def worst_frames(frames: ScoredFrames) -> tuple[WorstFrame, ...]:
    """Of each organ the frames that are most wrong, not two of one moment."""
    chosen: list[WorstFrame] = []
    for column, organ in enumerate(frames.organs):
        rows = frames.rows(column)
        present, score = frames.codes[rows, column] == PRESENT, frames.score[rows, column]
        wrong = (score >= frames.thresholds[column]) != present
        error = np.abs(score - present)[wrong]
        own: list[WorstFrame] = []
        for row in rows[wrong][np.argsort(-error, kind="stable")].tolist():
            one = WorstFrame(
                organ=organ,
                row=row,
                clip=str(frames.clip[row]),
                index=int(frames.index[row]),
                time_s=float(frames.time_s[row]),
                present=bool(frames.codes[row, column] == PRESENT),
                score=float(frames.score[row, column]),
            )
            if not any(_near(one, other) for other in own):
                own.append(one)
            if len(own) == MOST_FRAMES:
                break
        chosen += own
    return tuple(chosen)


def _near(one: WorstFrame, other: WorstFrame) -> bool:
    if one.clip != other.clip:
        return False
    apart_s = abs(one.time_s - other.time_s)
    return abs(one.index - other.index) < APART if math.isnan(apart_s) else apart_s < APART_S


def images_of_clips(
    worst: Sequence[WorstFrame], clips: Sequence[ClipTruth], paths: Mapping[str, Path], geometry: Geometry
) -> dict[tuple[str, int], tuple[Image, NDArray[np.bool_]]]:
    """What may be shown of these frames, by clip and index: each clip that has one of them is decoded again.

    ``paths``: where each clip lies, by its name. ``geometry``: the model's. Raises SourceError.
    """
    wanted: dict[str, set[int]] = {}
    for one in worst:
        wanted.setdefault(one.clip, set()).add(one.index)
    found: dict[tuple[str, int], tuple[Image, NDArray[np.bool_]]] = {}
    for clip in clips:
        left = wanted.get(clip.file, set())
        if not left:
            continue
        gate = clip.timeline.provenance.gate
        with open_source(paths[clip.file]) as source:
            for kept in kept_frames(source, geometry, GateOptions() if gate is None else gate):
                if kept.frame.index in left and kept.image is not None:
                    mask = outline_mask(kept.region)
                    whole = (
                        np.full(kept.image.shape, 255, np.uint8) if mask is None else (mask > 0).astype(np.uint8) * 255
                    )
                    inside = letterbox(whole, geometry.size) > 0
                    found[clip.file, kept.frame.index] = letterbox(kept.image, geometry.size), inside
                if kept.frame.index >= max(left):
                    break
    return found


def images_of_folder(
    worst: Sequence[WorstFrame], images: Image, *, extracted: bool
) -> dict[tuple[str, int], tuple[Image, NDArray[np.bool_]]]:
    """The same of frames of a folder (N, S, S). Only what `extract` wrote is known to hold nothing but the region."""
    if not extracted:
        return {}
    return {(one.clip, one.index): (images[one.index], _hull(images[one.index])) for one in worst}


def _hull(image: Image) -> NDArray[np.bool_]:
    """What lies inside the outline, which is convex but for the curve beneath a probe."""
    points = cv2.findNonZero(image)
    inside = np.zeros(image.shape, np.uint8)
    if points is not None:
        cv2.fillConvexPoly(inside, cv2.convexHull(points), 1)
    return inside > 0
