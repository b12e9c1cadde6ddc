"""A clip by the fold that did not see it: the edges and figures that a person finds by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from seqcls.errors import DataError
from seqcls.geometry import Geometry
from seqcls.models.file import ModelHeader
from seqcls.smoothing import SmoothingOptions
from seqcls.training.fold_scores import FoldScores
from seqcls.training.fold_timeline import NOT_LABELLED, fold_timeline

HEADER = ModelHeader(organs=("liver",), geometry=Geometry(), smoothing=SmoothingOptions(kind="none"))
#: 10 frames a second from 0.5 s: a second without, a second with, one that nobody labelled, a second without.
TIME_S = np.concatenate([0.5 + np.arange(20) / 10, 3.5 + np.arange(10) / 10])
LABELS = np.repeat([0, 1, 0], 10).astype(np.int8)


def frames(scores: np.ndarray, labels: np.ndarray = LABELS) -> FoldScores:
    return FoldScores(
        organs=("kidney", "liver"),
        clip=np.full(30, "a.mp4"),
        patient=np.full(30, "P1"),
        fold=np.full(30, 2),
        time_s=TIME_S,
        scores=np.stack([np.full(30, np.nan), scores], axis=1).astype(np.float32),
        labels=np.stack([np.full(30, -1), labels], axis=1).astype(np.int8),
    )


def test_the_timeline_and_its_labels_by_hand() -> None:
    """Found from the 12th frame on, 0.2 s late, and for 0.3 s in the last second, where nothing is labelled present."""
    scores = np.where((np.arange(30) >= 12) & (np.arange(30) < 20) | (np.arange(30) >= 27), 0.9, 0.1)
    shown = fold_timeline(frames(scores), HEADER, "organ.safetensors")
    timeline = shown.timeline
    assert [(i.state, round(i.start_s, 6), round(i.end_s, 6), i.reason) for i in timeline.intervals] == [
        ("absent", 0.5, 1.7, ""),
        ("present", 1.7, 2.5, ""),
        ("unknown", 2.5, 3.5, NOT_LABELLED),
        ("absent", 3.5, 4.2, ""),
        ("present", 4.2, 4.5, ""),
    ]
    assert timeline.organs == ("liver",) and timeline.provenance.model == "fold 2 of organ.safetensors"
    assert timeline.warnings == ("by the model of fold 2, which saw no frame of this clip",)
    assert timeline.frame_counts.received == timeline.frame_counts.classified == 30
    assert timeline.coverage == pytest.approx(0.75)
    (found,), (by_frame,) = shown.intervals, shown.frames
    assert (found.presences, found.found, found.false_events) == (1, 1, 1)
    assert (found.onset_median_s, found.offset_median_s) == pytest.approx((0.2, 0.0))
    assert (by_frame.count, by_frame.accuracy) == (30, pytest.approx(25 / 30))
    labelled = shown.labelled()
    assert labelled.organs == ("liver", "liver (labels)") and labelled.scored_organs == ("liver",)
    assert [(i.state, round(i.start_s, 6), round(i.end_s, 6)) for i in labelled.of("liver (labels)")] == [
        ("absent", 0.5, 1.5),
        ("present", 1.5, 2.5),
        ("unknown", 2.5, 3.5),
        ("absent", 3.5, 4.5),
    ]
    assert shown.to_dict()["organs"][0]["frames"]["count"] == 30 and shown.to_dict()["fold"] == 2


def test_the_model_s_calibration_and_thresholds_are_used() -> None:
    """Scores of 0.6 are logits of 0.405: with (1, -1) they are 0.355, below every onset of one half."""
    scores = np.where(LABELS == 1, 0.6, 0.1)
    assert fold_timeline(frames(scores), HEADER).timeline.of("liver", "present")
    shown = fold_timeline(frames(scores), replace(HEADER, calibration=((1.0, -1.0),)))
    assert not shown.timeline.of("liver", "present")
    assert float(shown.timeline.scores.raw[12, 0]) == pytest.approx(0.3556, abs=1e-3)


def test_what_makes_no_timeline_is_said() -> None:
    own = frames(np.full(30, 0.5))
    with pytest.raises(DataError, match=r"^the frames of a.mp4 have no times, so they make no timeline: extract"):
        fold_timeline(
            FoldScores(**{**{n: getattr(own, n) for n in own.__slots__}, "time_s": np.full(30, np.nan)}), HEADER
        )
    with pytest.raises(DataError, match=r"^a.mp4 was in no fold that could be trained"):
        fold_timeline(own, replace(HEADER, organs=("kidney",)))
    with pytest.raises(DataError, match=r"^the cross-validation knows no spleen, the model does"):
        fold_timeline(own, replace(HEADER, organs=("spleen",)))
    for name, values, why in (
        ("fold", np.repeat([1, 2], 15), "folds (1 and 2)"),
        ("patient", np.repeat(["P1", "P2"], 15), "patients (P1 and P2)"),
    ):
        twice = FoldScores(**{**{n: getattr(own, n) for n in own.__slots__}, name: values})
        with pytest.raises(DataError, match=rf"^a.mp4 is of several {re.escape(why)}: train with --folds again"):
            fold_timeline(twice, HEADER)


def test_one_frame_alone() -> None:
    own = frames(np.full(30, 0.9))
    one = FoldScores(organs=own.organs, **{n: getattr(own, n)[:1] for n in own.__slots__ if n != "organs"})
    shown = fold_timeline(one, HEADER)
    assert len(shown.timeline.scores.index) == 1 and shown.frames[0].count == 1
