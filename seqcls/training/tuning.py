"""A model tuned to clips: its scores calibrated anew on their frames, then its operating point on their stretches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import DataError
from seqcls.models.file import ModelHeader
from seqcls.postprocess import RawScores
from seqcls.training import operating_search
from seqcls.training.calibration import fit_calibration
from seqcls.training.header import logits_of
from seqcls.training.operating_point import figures_of, mean_event_f1, tune, tuning_record
from seqcls.training.operating_search import Figures, TuneOptions
from seqcls.training.scored_clips import ScoredClip
from seqcls.types import TIME_TOLERANCE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedModel:
    """The new header. before, after: figures of each organ on the clips, None where too little of it is labelled."""

    header: ModelHeader
    before: tuple[Figures | None, ...]
    after: tuple[Figures | None, ...]


def tune_model(header: ModelHeader, clips: Sequence[ScoredClip], options: TuneOptions) -> TunedModel:
    """The header with calibration, smoothing and intervals chosen on clips that the model scored, and the curve.

    By event F1 the result is never worse than the model as it is, where that one keeps to the delay. Raises DataError
    where no organ is labelled often enough, or a stated sensitivity is not reached.
    """
    before = figures_of(clips, header.organs, header.smoothing, header.intervals)
    if not any(before):
        presences, least = operating_search.MIN_EVENTS, operating_search.MIN_CLIPS
        raise DataError(
            f"no organ of {', '.join(header.organs)} is labelled with {presences} presences in {least} clips or more,"
            " and absence beside them: too few to tune on; label more"
        )
    anew = calibrated_anew(header, clips)
    tried = [(anew, [with_calibration(clip, header, anew) for clip in clips])]
    if anew != header.calibration:
        tried.append((header.calibration, list(clips)))
    found = [
        (calibration, tune(scored, header.organs, header.smoothing, header.intervals, options))
        for calibration, scored in tried
    ]
    calibration, tuned = found[0]
    worse = mean_event_f1(tuned.after) < mean_event_f1(before)
    within = all(one is None or one.delay_s <= options.max_delay_s + TIME_TOLERANCE_S for one in before)
    if options.sensitivity is None and worse and within:
        calibration, tuned = found[-1]
    changed = replace(
        header,
        calibration=calibration,
        smoothing=tuned.smoothing,
        intervals=tuned.intervals,
        operating_curve=tuned.curve,
        training={**header.training, "tuning": tuning_record(tuned, header.organs, clips, options)},
    )
    return TunedModel(header=changed, before=before, after=tuned.after)


def calibrated_anew(header: ModelHeader, clips: Sequence[ScoredClip]) -> tuple[tuple[float, float], ...]:
    """Per organ (a, b) fitted to the labelled frames of the clips; the model's own where they say too little."""
    names = np.repeat([clip.name for clip in clips], [len(clip.codes) for clip in clips])
    codes = np.concatenate([clip.codes for clip in clips])
    logits = np.concatenate([raw_logits(header, clip) for clip in clips])
    pairs = []
    for k, pair in enumerate(header.calibration):
        known = (codes[:, k] >= 0) & ~np.isnan(logits[:, k])
        fitted = fit_calibration(logits[known, k], codes[known, k], names[known])
        pairs.append(pair if fitted == (1.0, 0.0) else fitted)
    return tuple(pairs)


def with_calibration(clip: ScoredClip, header: ModelHeader, calibration: tuple[tuple[float, float], ...]) -> ScoredClip:
    """The clip as the model would have scored it with this calibration instead of the header's."""
    table, raw = clip.raw.table(), RawScores(clip.raw.organs)
    scores = replace(header, calibration=calibration).probabilities(raw_logits(header, clip))
    raw.add_frames(table.index, table.time_s, table.duration_s, scores, table.reason, table.measured)
    raw.gaps = clip.raw.gaps
    return replace(clip, raw=raw)


def raw_logits(header: ModelHeader, clip: ScoredClip) -> NDArray[np.float64]:
    """(T, K) what the network gave before the header's calibration, NaN where a frame was not scored."""
    slope, shift = np.array(header.calibration, np.float64).T
    logits: NDArray[np.float64] = (logits_of(clip.raw.table().raw).astype(np.float64) - shift) / slope
    return logits
