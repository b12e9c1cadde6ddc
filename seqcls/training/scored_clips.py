"""Clips whose frames are scored, beside their labels: what a model's options are chosen on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.dataset import FrameSet
from seqcls.evaluation.clip_truth import IGNORE, ClipTruth, scored
from seqcls.evaluation.interval_metrics import Span
from seqcls.postprocess import RawScores
from seqcls.reprocess import raw_scores
from seqcls.training.sampler import Indices
from seqcls.types import TIME_TOLERANCE_S, Gap

#: Frames further apart say too little about an edge, for which 0.2 s counts in event F1.
MAX_STEP_S = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class ScoredClip:
    """A clip's raw scores beside its labels: ``codes`` (T, K) int8, 1 present, 0 absent, -1 ignored or not labelled.

    name: the clip's. missing: stretches of which there is no frame, and which are ignored.
    """

    name: str
    raw: RawScores
    codes: NDArray[np.int8]
    start_s: float
    end_s: float
    missing: tuple[Span, ...] = ()


def scored_clip(truth: ClipTruth) -> ScoredClip:
    """A clip that was analysed, beside its labels."""
    timeline = truth.timeline
    scores = replace(timeline.scores, raw=scored(timeline).astype(np.float32))
    timeline = replace(timeline, scores=scores)
    return ScoredClip(truth.file, raw_scores(timeline), truth.codes, timeline.start_s, timeline.end_s)


def clips_of_frames(frames: FrameSet, rows: Indices, scores: NDArray[np.float32]) -> list[ScoredClip]:
    """The clips that these rows are of, with their scores (len(rows), K), NaN where there is none.

    None where the frames' times are not known, or they lie too far apart to say when an event begins. Stretches without
    a frame, of which nothing was labelled, are gaps.
    """
    clips = []
    for name in np.unique(frames.clip[rows]):
        of_clip = np.flatnonzero(frames.clip[rows] == name)
        of_clip = of_clip[np.argsort(frames.time_s[rows[of_clip]], kind="stable")]
        time_s = frames.time_s[rows[of_clip]]
        steps_s = np.diff(time_s)
        if len(time_s) < 2 or not np.isfinite(time_s).all() or (steps_s <= 0).any():
            return []
        step_s = float(np.median(steps_s))
        if step_s > MAX_STEP_S + TIME_TOLERANCE_S:
            return []
        apart = np.append(steps_s > 1.5 * step_s, False)
        duration_s = np.where(apart, step_s, np.append(steps_s, step_s))
        raw = RawScores(frames.organs)
        raw.add_frames(np.arange(len(time_s)), time_s, duration_s, scores[of_clip])
        missing = [(float(time_s[at] + step_s), float(time_s[at + 1])) for at in np.flatnonzero(apart)]
        raw.gaps = [
            (int(at) + 1, Gap(*span, "not labelled")) for at, span in zip(np.flatnonzero(apart), missing, strict=True)
        ]
        present = frames.targets[rows[of_clip]] > 0.5
        codes = np.where(frames.mask[rows[of_clip]], present, IGNORE).astype(np.int8)
        clips.append(ScoredClip(str(name), raw, codes, float(time_s[0]), float(time_s[-1] + step_s), tuple(missing)))
    return clips
