"""Cross-validation: folds of whole patients, scores by models that never saw them, and a note on what has none."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import tiny_network
from support.frame_sets import QUICK, frame_set

from seqcls.datasets.dataset import FrameSet
from seqcls.errors import DataError
from seqcls.training import crossvalidation as module
from seqcls.training import train as training
from seqcls.training.crossvalidation import cross_validate, grouping, split_groups, write_scores
from seqcls.training.fold_scores import read_fold_scores
from seqcls.training.options import TrainOptions


@pytest.fixture
def brightness(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Models that answer with the share of bright pixels, at once; returns the rows that each one was trained on."""
    trained: list[np.ndarray] = []

    def train(part: FrameSet, options: TrainOptions, *, train_index: np.ndarray, **_: Any) -> Any:
        trained.append(train_index)
        return SimpleNamespace(organs=part.organs, interrupted=len(trained) == options.epochs, history=())

    def score_frames(result: Any, images: np.ndarray, options: TrainOptions, rows: np.ndarray) -> np.ndarray:
        return np.repeat((images[rows] > 180).mean(axis=(1, 2))[:, None] * 20, len(result.organs), axis=1)

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module, "score_frames", score_frames)
    monkeypatch.setattr(module, "ROUNDS", 20)
    return trained


def test_leaving_patients_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "build", tiny_network.build)
    monkeypatch.setattr(module, "GrayResNet", lambda outputs, **_: tiny_network.TinyNetwork(outputs))
    monkeypatch.setattr(module, "ROUNDS", 20)
    frames = frame_set(clips=4)
    seen: list = []
    outcome = cross_validate(frames, replace(QUICK, epochs=1, samples_per_epoch=16), on_fold=seen.append)
    assert [fold.groups for fold in outcome.folds] == [("p0",), ("p1",)]
    assert seen == [*outcome.folds]
    assert outcome.unit == "patient"
    assert not np.isnan(outcome.scores[:, 0]).any()
    for fold in outcome.folds:
        assert set(frames.patient[fold.index]) == set(fold.groups)
        assert fold.result.metrics is None  # nothing held out decided anything
        assert fold.result.header.training["classes"]["patients"] == 1
        assert fold.result.header.trained_on == ()  # nobody keeps this model
    # Every row was scored by the model that did not see it.
    fold = outcome.folds[1]
    own = tiny_network.TinyNetwork(2)
    own.load(fold.result.tensors)
    logits = training.predict(own, frames.images[fold.index], QUICK)
    assert outcome.scores[fold.index] == pytest.approx(fold.result.header.probabilities(logits), abs=1e-6)
    assert outcome.metrics[0].count == len(frames.images)
    assert outcome.auroc[0].groups == 2


def test_what_only_a_kept_model_needs_is_not_made_for_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a fold's model nothing but the scores is used: the reference of novelty took as long as 16 steps."""
    monkeypatch.setattr(training, "build", tiny_network.build)
    monkeypatch.setattr(module, "GrayResNet", lambda outputs, **_: tiny_network.TinyNetwork(outputs))
    monkeypatch.setattr(module, "ROUNDS", 20)
    made: list[int] = []
    real = training.fit_novelty
    monkeypatch.setattr(training, "fit_novelty", lambda *given: (made.append(len(given[1])), real(*given))[1])
    frames, options = frame_set(clips=4, frames=6), replace(QUICK, epochs=1, samples_per_epoch=16)
    scores = cross_validate(frames, options).scores
    assert made == []
    rows = np.flatnonzero(frames.patient == "p1")
    kept = training.train(frames, options, train_index=rows, validation_index=rows[:0])
    assert made == [12] and kept.header.trained_on and "too few patients" in kept.messages[-1]
    others = np.flatnonzero(frames.patient == "p0")
    assert scores[others].tobytes() == module.score_frames(kept, frames.images, options, others).tobytes()


def test_pooled_metrics_are_those_of_all_scores(brightness: list[np.ndarray]) -> None:
    """Pixels of a disc are 81 of 1024, which makes a score of 1.6 and more."""
    frames = frame_set()
    outcome = cross_validate(frames, replace(QUICK, epochs=99))
    assert [sorted(set(frames.patient[rows])) for rows in brightness] == [["p1", "p2"], ["p0", "p2"], ["p0", "p1"]]
    right = (outcome.scores[:, 0] >= 0.5) == (frames.targets[:, 0] > 0.5)
    assert outcome.accuracy[0].value == outcome.metrics[0].accuracy == pytest.approx(right.mean())
    assert (outcome.accuracy[0].groups, outcome.accuracy[0].rounds) == (3, 0)  # too few for an interval
    bar = frames.mask[:, 1]
    assert outcome.metrics[1].count == bar.sum() == 48 and outcome.auroc[1].groups == 2
    assert outcome.folds[2].metrics[1] is not None and outcome.folds[2].metrics[1].count == 0
    assert [fold.metrics[0].count for fold in outcome.folds if fold.metrics[0]] == [24, 24, 24]
    assert outcome.notes == () and not outcome.interrupted


def test_presence_in_one_patient_only_is_noted_not_averaged(brightness: list[np.ndarray]) -> None:
    frames = frame_set()
    targets = frames.targets.copy()
    targets[frames.patient != "p0", 0] = 0.0
    outcome = cross_validate(replace(frames, targets=targets), replace(QUICK, epochs=99))
    assert outcome.notes == ("only p0 shows disc present, so disc is not tested there",)
    left_out = frames.patient == "p0"
    assert np.isnan(outcome.scores[left_out, 0]).all()
    assert not np.isnan(outcome.scores[~left_out, 0]).any()
    assert not np.isnan(outcome.scores[left_out, 1]).any()
    assert outcome.folds[0].metrics[0] is None
    assert outcome.folds[0].result.organs == ("bar",)  # type: ignore[attr-defined]
    assert math.isnan(outcome.auroc[0].value)  # no presence was ever tested


def test_absence_in_one_patient_only_is_noted_too(brightness: list[np.ndarray]) -> None:
    frames = frame_set()
    frames = frames.of_organs(["disc"])
    targets = np.where((frames.patient == "p2")[:, None], frames.targets, 1.0).astype(np.float32)
    outcome = cross_validate(replace(frames, targets=targets), replace(QUICK, epochs=99))
    assert outcome.notes == ("only p2 shows disc absent, so disc is not tested there",)
    assert [fold.groups for fold in outcome.folds] == [("p0",), ("p1",)]


def test_no_patient_can_be_left_out(brightness: list[np.ndarray]) -> None:
    frames = frame_set(clips=4).of_organs(["disc"])
    targets = np.where(frames.patient == "p0", 1.0, 0.0).astype(np.float32)[:, None]
    with pytest.raises(DataError, match=r"^no patient can be left out: only p0 shows disc present, .*; only p1 shows"):
        cross_validate(replace(frames, targets=targets), replace(QUICK, epochs=99))


def folds_of(present: dict[str, int], folds: int | str) -> tuple[tuple[str, ...], ...]:
    """Every group has 10 frames, so many of them with presence."""
    frames = frame_set(clips=len(present), frames=10).of_organs(["disc"])
    groups = np.repeat([*present], 10)
    targets = np.concatenate([np.arange(10) < count for count in present.values()]).astype(np.float32)[:, None]
    return split_groups(replace(frames, targets=targets), groups, folds)  # type: ignore[arg-type]


def test_folds_share_presence_out() -> None:
    """Of 21 frames with presence in 50: 10 and 11 in 30 and 20."""
    assert folds_of({"a": 1, "b": 2, "c": 6, "d": 9, "e": 3}, 2) == (("a", "c", "e"), ("b", "d"))
    assert folds_of({"a": 0, "b": 0, "c": 0, "d": 0}, 2) == (("a", "c"), ("b", "d"))


@pytest.mark.parametrize("folds", ["groups", 3, 7])
def test_each_group_by_itself(folds: int | str) -> None:
    assert folds_of({"a": 1, "b": 2, "c": 3}, folds) == (("a",), ("b",), ("c",))


def test_frames_that_are_not_labelled_show_no_presence() -> None:
    frames = frame_set(clips=12)
    frames = replace(frames, mask=frames.mask & [True, False])
    parts = split_groups(frames, frames.patient, 3)
    assert sorted(name for part in parts for name in part) == [f"p{number}" for number in range(6)]
    assert [len(part) for part in parts] == [2, 2, 2]
    with pytest.raises(DataError, match=r"^1 folds leave nothing to compare; ask for 2 or more$"):
        split_groups(frames, frames.patient, 1)


def test_one_patient_is_split_by_clip_and_one_clip_not_at_all() -> None:
    frames = frame_set(clips=4)
    alone = replace(frames, patient=np.full(len(frames.patient), "p"))
    unit, groups = grouping(alone)
    assert unit == "clip" and np.array_equal(groups, frames.clip)
    assert grouping(frames)[0] == "patient"
    with pytest.raises(DataError, match="one clip"):
        cross_validate(replace(alone, clip=np.full(len(frames.clip), "c")), QUICK)


def test_cross_validation_stops_between_folds(brightness: list[np.ndarray]) -> None:
    outcome = cross_validate(frame_set(), QUICK, should_stop=lambda: len(brightness) == 1)
    assert outcome.interrupted and len(outcome.folds) == 1
    assert cross_validate(frame_set(), QUICK, should_stop=lambda: True).folds == ()


def test_a_fold_that_was_interrupted_does_not_count(brightness: list[np.ndarray]) -> None:
    outcome = cross_validate(frame_set(), replace(QUICK, epochs=2))
    assert outcome.interrupted and [fold.groups for fold in outcome.folds] == [("p0",)]


def test_the_table_of_scores_holds_no_formula(tmp_path: Path) -> None:
    """Frame 0 was left out in fold 2; frame 1 in none. The second organ is labelled in neither."""
    frames = replace(frame_set(clips=2, frames=1), organs=("=disc", "bar"), mask=np.array([[True, False]] * 2))
    frames = replace(frames, clip=np.array(["=1+1.mp4", "a,b"]), patient=np.array(["@p", "\x1bq"]))
    folds = [SimpleNamespace(number=2, index=np.array([0]))]
    result: Any = SimpleNamespace(scores=np.array([[0.5, np.nan], [0.25, 1e-9]], np.float32), folds=folds)
    assert write_scores(result, frames, tmp_path).read_text(encoding="utf-8").splitlines() == [
        "clip,patient,fold,time_s,'=disc,bar,'=disc label,bar label",
        "'=1+1.mp4,'@p,2,0,0.5,,1,", '"a,b",\\x1bq,,0,0.25,9.99999972e-10,0,',
    ]  # fmt: skip
    again = read_fold_scores(tmp_path / "cross-validation.csv")
    assert again.organs == frames.organs and again.clips == ("=1+1.mp4", "a,b")
    assert np.array_equal(again.scores, result.scores, equal_nan=True) and again.fold.tolist() == [2, 0]
    assert again.labels.tolist() == [[1, -1], [0, -1]]
