"""Labelled frames with a model's scores, whether they come from clips or from a folder of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqcls.analysis import BATCH
from seqcls.datasets.dataset import FrameSet
from seqcls.detector import Detector
from seqcls.errors import DataError
from seqcls.evaluation.clip_truth import IGNORE, PRESENT, ClipTruth, scored
from seqcls.files import nfc


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredFrames:
    """N frames and K organs.

    codes (N, K) int8: 1 present, 0 absent, -1 not to be scored. score (N, K) float64, 0..1, NaN where there is none.
    clip, patient, scanner, site (N,) str; index (N,): the frame's number in its clip or its folder; time_s (N,), NaN
    where not known. thresholds (K,): the score from which on an organ counts as present.
    """

    organs: tuple[str, ...]
    codes: NDArray[np.int8]
    score: NDArray[np.float64]
    clip: NDArray[np.str_]
    patient: NDArray[np.str_]
    scanner: NDArray[np.str_]
    site: NDArray[np.str_]
    index: NDArray[np.int64]
    time_s: NDArray[np.float64]
    thresholds: tuple[float, ...]

    def rows(self, column: int) -> NDArray[np.int64]:
        """The frames of one organ that are labelled and have a score."""
        return np.flatnonzero((self.codes[:, column] != IGNORE) & ~np.isnan(self.score[:, column]))

    def part(self, rows: NDArray[np.bool_]) -> ScoredFrames:
        """These frames alone."""
        names = ("codes", "score", "clip", "patient", "scanner", "site", "index", "time_s")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


def frames_of_clips(clips: Sequence[ClipTruth]) -> ScoredFrames:
    """The frames of one or more clips of one model."""
    counts = [len(clip.codes) for clip in clips]

    def each(name: str) -> NDArray[np.str_]:
        return np.repeat(np.array([getattr(clip, name) for clip in clips], np.str_), counts)

    first = clips[0].timeline
    tables = [clip.timeline.scores for clip in clips]
    return ScoredFrames(
        organs=first.organs,
        codes=np.concatenate([clip.codes for clip in clips]),
        score=np.concatenate([scored(clip.timeline) for clip in clips]),
        clip=each("file"),
        patient=each("patient"),
        scanner=each("scanner"),
        site=each("site"),
        index=np.concatenate([table.index for table in tables]),
        time_s=np.concatenate([table.time_s for table in tables]),
        thresholds=tuple(clips[0].onset(column) for column in range(len(first.organs))),
    )


def score_frames(detector: Detector, frames: FrameSet, rows: NDArray[np.int64]) -> ScoredFrames:
    """Score the frames ``rows`` (J,) of a folder. Raises DataError where it is labelled for no organ of the model."""
    known = [nfc(organ) for organ in frames.organs]
    columns = [known.index(nfc(organ)) if nfc(organ) in known else -1 for organ in detector.organs]
    if max(columns) < 0:
        raise DataError(
            f"the model knows {', '.join(detector.organs)}, the frames are labelled for {', '.join(frames.organs)}:"
            " nothing to compare"
        )
    parts = [detector.engine.scores(frames.images[rows[at : at + BATCH]]) for at in range(0, len(rows), BATCH)]
    codes = np.full((len(rows), len(columns)), IGNORE, np.int8)
    for own, column in enumerate(columns):
        if column >= 0:
            present = (frames.targets[rows, column] > 0.5).astype(np.int8) * PRESENT
            codes[:, own] = np.where(frames.mask[rows, column], present, IGNORE)
    nothing = np.zeros(len(rows), np.str_)
    return ScoredFrames(
        organs=detector.organs,
        codes=codes,
        score=np.concatenate(parts).astype(np.float64) if parts else np.empty(codes.shape),
        clip=frames.clip[rows],
        patient=frames.patient[rows],
        scanner=nothing if frames.scanner is None else frames.scanner[rows],
        site=nothing if frames.site is None else frames.site[rows],
        index=rows,
        time_s=frames.time_s[rows],
        thresholds=tuple(options.onset for options in detector.intervals),
    )
