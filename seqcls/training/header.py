"""What a trained network needs besides its weights: calibration, thresholds, and a summary of how it came about."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from seqcls import __version__
from seqcls.datasets.dataset import FrameSet
from seqcls.errors import ModelError
from seqcls.evaluation.chance import chance_message
from seqcls.evaluation.metrics import FrameMetrics, auroc, bootstrap, frame_metrics
from seqcls.models.file import ModelHeader, read_header
from seqcls.models.trained_on import Role, TrainedOn, together
from seqcls.text.wording import count_of
from seqcls.training.calibration import fit_calibration, has_enough_evidence, operating_point
from seqcls.training.operating_point import Tuned, mean_event_f1, tune, tuning_record
from seqcls.training.operating_search import TuneOptions
from seqcls.training.options import NAMED_WEIGHTS, TrainOptions
from seqcls.training.sampler import Indices
from seqcls.training.scored_clips import clips_of_frames

#: Draws of the bootstrap.
ROUNDS = 200


def logits_of(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of the sigmoid, finite for float32's 0 and 1."""
    p = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.asarray(np.log(p / (1 - p)), np.float32)


def make_header(
    frames: FrameSet, rows: Indices, unseen: Indices, logits: NDArray[np.float32], summary: Mapping[str, object]
) -> tuple[ModelHeader, tuple[str, ...]]:
    """The header of a model trained on ``rows``, and messages for the user.

    Calibration and thresholds are chosen by ``logits`` (J, K) of the frames ``unseen`` (J,), from models that did not
    train on them, NaN where there is none; then smoothing, thresholds and durations together by the stretches that
    they give, of the organs of which enough is labelled. summary: how the training went, for the header's ``training``;
    what it was trained on is added.
    """
    pairs, intervals, messages = [], [], []
    plain = ModelHeader(organs=frames.organs, geometry=frames.geometry)
    for column, organ in enumerate(frames.organs):
        known = frames.mask[unseen, column] & ~np.isnan(logits[:, column])
        truth, clips = frames.targets[unseen[known], column], frames.clip[unseen[known]]
        pair = fit_calibration(logits[known, column], truth, clips)
        calibrated = replace(plain, calibration=(pair,) * len(frames.organs)).probabilities(logits[known])[:, column]
        pairs.append(pair)
        intervals.append(operating_point(calibrated, truth, clips))
        if not has_enough_evidence(truth, clips):
            messages.append(f"too few validation clips show {organ} both present and absent: default thresholds kept")
    plain = replace(plain, calibration=tuple(pairs), intervals=tuple(intervals))
    options = TuneOptions()
    whole = clips_of_frames(frames, unseen, plain.probabilities(logits))
    tuned = tune(whole, frames.organs, plain.smoothing, plain.intervals, options)
    if tuned.curve:
        summary = {**summary, "tuning": tuning_record(tuned, frames.organs, whole, options)}
        messages.append(_tuned(tuned, len(whole)))
    header = replace(
        plain,
        smoothing=tuned.smoothing,
        intervals=tuned.intervals,
        operating_curve=tuned.curve,
        regions=frames.regions,
        dataset_hash=frames.hash,
        version=__version__,
        training={**summary, "classes": _counts(frames, rows), "validation": _counts(frames, unseen)},
    )
    return header, tuple(messages)


def trained_on(frames: FrameSet, rows: Indices, held_out: Indices, options: TrainOptions) -> tuple[TrainedOn, ...]:
    """Marks of the frames for training and of those for validation, and of what the model that training started from
    has seen."""
    if options.fingerprints == "none":
        return ()
    roles: tuple[tuple[Role, Indices], ...] = (("training", rows), ("validation", held_out))
    own = []
    for role, part in roles:
        if not len(part):
            continue
        clips = np.unique(frames.clip[part]).tolist()
        # A clip that is its own patient, and a folder's name, name nobody.
        patients = np.setdiff1d(frames.patient[part], frames.clip).tolist() if options.fingerprints == "all" else []
        digests = [frames.digests[clip] for clip in clips if clip in frames.digests]
        own.append(TrainedOn.of(frames.hash, (frames.images[row] for row in part), digests, patients, role))
    before: tuple[TrainedOn, ...] = ()
    if options.weights not in NAMED_WEIGHTS:
        with contextlib.suppress(ModelError):  # weights of another program, or early layers alone
            before = read_header(options.weights).trained_on
    return together(own, before)


def _tuned(tuned: Tuned, clips: int) -> str:
    before, after = mean_event_f1(tuned.before), mean_event_f1(tuned.after)
    where = f"on {count_of(clips, 'validation clip')}"
    if after == before:
        return f"event F1 {after:.3f} {where}; no other smoothing, thresholds and durations are better by an event"
    return f"smoothing, thresholds and durations are tuned: event F1 {before:.3f} -> {after:.3f} {where}"


def metrics_by_organ(
    frames: FrameSet, rows: Indices, scores: NDArray[np.float32], header: ModelHeader
) -> tuple[FrameMetrics, ...]:
    """Per organ, of (len(rows), K) probabilities, at the header's thresholds."""
    return tuple(
        frame_metrics(frames.targets[rows, k], scores[:, k], frames.mask[rows, k], threshold=options.onset)
        for k, options in enumerate(header.intervals)
    )


def chance_messages(frames: FrameSet, rows: Indices, scores: NDArray[np.float32]) -> tuple[str, ...]:
    """For each organ whose (len(rows), K) scores are no better than chance on frames that were held out, say so."""
    messages = []
    for column, organ in enumerate(frames.organs):
        known = frames.mask[rows, column] & ~np.isnan(scores[:, column])
        own = rows[known]
        truth = frames.targets[own, column]
        area = bootstrap(partial(_auroc_of, truth, scores[known, column]), frames.patient[own], rounds=ROUNDS)
        messages.append(chance_message(organ, truth, frames.clip[own], area))
    return tuple(filter(None, messages))


def _auroc_of(truth: NDArray[np.float32], score: NDArray[np.float32], index: Indices) -> float:
    return auroc(truth[index], score[index])


def _counts(frames: FrameSet, rows: Indices) -> dict[str, object]:
    counts: dict[str, object] = {
        "frames": len(rows),
        "clips": len(np.unique(frames.clip[rows])),
        "patients": len(np.unique(frames.patient[rows])),
    }
    return counts | dict(zip(frames.organs, frames.counts(rows), strict=True))
