"""Metrics of draws of patients against those of the same frames and clips, drawn one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcls.evaluation.interval_metrics import ClipCounts, ClipIntervals, counts_of, pooled
from seqcls.evaluation.metrics import draws, frame_metrics
from seqcls.evaluation.tallies import FrameTally, IntervalTally, differences, estimates

FRAMES = ("auroc", "auprc", "accuracy", "sensitivity", "specificity", "precision", "f1", "brier", "ece")


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 5), st.integers(2, 12))
@settings(max_examples=60, deadline=None)
def test_frames_of_a_draw_are_measured_as_scikit_learn_does(seed: int, count: int, patients: int, levels: int) -> None:
    """With ties, missing classes and patients who are drawn twice or never."""
    random = np.random.default_rng(seed)
    truth, score = random.random(count) < 0.5, random.integers(0, levels, count) / levels
    patient = random.integers(0, patients, count)
    tally = FrameTally(truth, score, patient, patients, 0.4)
    weights = np.concatenate([np.ones((1, patients), np.int64), draws(patients, 3, seed)])
    found = tally.values(weights)
    for row, weight in enumerate(weights):
        rows = np.repeat(np.arange(count), weight[patient])
        expected = frame_metrics(truth[rows], score[rows], threshold=0.4)
        for name in FRAMES:
            assert found[name][row] == pytest.approx(getattr(expected, name), nan_ok=True), name


def clips(seed: int, count: int) -> list[ClipCounts]:
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        edges = np.sort(random.choice(100, (2, 2 * int(random.integers(1, 4))), replace=False)) / 10
        spans = [tuple(map(tuple, one.reshape(-1, 2).tolist())) for one in edges]
        made.append(counts_of(ClipIntervals(truth=spans[0], prediction=spans[1], end_s=10.0)))
    return made


def test_clips_of_a_draw_are_measured_as_clips_are() -> None:
    own, patient = clips(3, 7), np.array([0, 0, 1, 2, 2, 3, 3])
    weights = np.concatenate([np.ones((1, 4), np.int64), draws(4, 20)])
    found = IntervalTally(own, patient, 4).values(weights)
    for row, weight in enumerate(weights):
        expected = pooled([clip for clip, of in zip(own, patient, strict=True) for _ in range(weight[of])])
        values = {"f1_10": expected.f1_at[0], "f1_25": expected.f1_at[1], "f1_50": expected.f1_at[2]}
        values["found_share"] = expected.found / expected.presences
        names = ("edit", "event_f1", "false_events_per_min", "missed_events_per_min", "onset_median_s", "offset_p90_s")
        for name, value in {**values, **{name: getattr(expected, name) for name in names}}.items():
            assert found[name][row] == pytest.approx(value, nan_ok=True), name


def a_tally(right: int, patients: int = 12) -> FrameTally:
    """Two frames of each patient, both right but for the patients from ``right`` on."""
    truth = np.tile([True, False], patients)
    patient = np.repeat(np.arange(patients), 2)
    score = np.where((patient < right) == truth, 0.9, 0.1)
    return FrameTally(truth, score, patient, patients, 0.5)


def test_intervals_over_patients_need_ten_of_them() -> None:
    found = estimates([a_tally(9)], 12, rounds=200)["accuracy"]
    assert (found.value, found.groups, found.rounds) == (0.75, 12, 200) and found.low < 0.75 < found.high
    assert found == estimates([a_tally(9)], 12, rounds=200)["accuracy"]  # by the seed alone
    assert found != estimates([a_tally(9)], 12, rounds=200, seed=1)["accuracy"]
    few = estimates([a_tally(7, 9)], 9)["accuracy"]
    assert few.value == pytest.approx(7 / 9) and math.isnan(few.low) and few.rounds == 0


def test_differences_are_of_the_same_draws() -> None:
    """The second model errs on one patient more: never better in any draw, whoever is drawn."""
    found = differences([a_tally(9)], [a_tally(8)], 12, rounds=300)["accuracy"]
    assert found.value == pytest.approx(-1 / 12) and found.high <= 0 and found.low >= -0.5
    assert found == differences([a_tally(9)], [a_tally(8)], 12, rounds=300)["accuracy"]
    same = differences([a_tally(9)], [a_tally(9)], 12, rounds=50)
    assert all((one.low, one.high) == (0, 0) for one in same.values())
