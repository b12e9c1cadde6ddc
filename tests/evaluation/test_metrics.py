"""Frame metrics and their spread between patients, against examples worked out by hand."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_score

from seqcls.evaluation.metrics import (
    BINS,
    Estimate,
    auroc,
    average_precision,
    bootstrap,
    brier,
    calibration_error,
    draws,
    frame_metrics,
    metrics_over_groups,
    ratio,
    refusal,
    reliability,
)

NAN = pytest.approx(math.nan, nan_ok=True)


def test_auroc_counts_pairs_in_the_right_order_and_ties_half() -> None:
    # Pairs of a present and an absent frame: 0.9 beats both, 0.4 beats 0.1 and ties with 0.4.
    assert auroc([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1]) == pytest.approx(3.5 / 4)
    assert auroc([0.0, 1.0], [-3.0, 2.0]) == 1.0


def test_average_precision_is_the_step_sum() -> None:
    # By falling score: hit (1 of 1), miss, hit (2 of 3): 1/2 * 1 + 1/2 * 2/3.
    assert average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]) == pytest.approx(5 / 6)
    assert average_precision([1, 1], [0.2, 0.1]) == 1.0


@pytest.mark.parametrize("truth", [[], [0, 0], [1, 1]], ids=["none", "absent only", "present only"])
def test_a_missing_class_gives_nan_and_no_warning(truth: list[int]) -> None:
    assert math.isnan(auroc(truth, [0.4] * len(truth)))
    assert math.isnan(average_precision(truth, [0.4] * len(truth))) == (1 not in truth)


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_not_finite_gives_nan(score: float) -> None:
    assert math.isnan(auroc([0, 1], [0.5, score]))
    assert math.isnan(average_precision([0, 1], [0.5, score]))


def test_frame_metrics_by_hand() -> None:
    #        hit  miss hit  true absent, false present, true absent, true absent, and one that nobody labelled
    truth = [1, 1, 1, 0, 0, 0, 0, 1]
    score = [0.9, 0.4, 0.5, 0.1, 0.6, 0.2, 0.3, 0.0]
    result = frame_metrics(truth, score, [True] * 7 + [False])
    assert asdict(result) == {
        "count": 7,
        "present": 3,
        "threshold": 0.5,
        "auroc": pytest.approx(10 / 12),  # 0.9: 4 of 4, 0.5 and 0.4: 3 of 4 each
        "auprc": pytest.approx((1 / 1 + 2 / 3 + 3 / 4) / 3),
        "accuracy": pytest.approx(5 / 7),
        "sensitivity": pytest.approx(2 / 3),
        "specificity": pytest.approx(3 / 4),
        "precision": pytest.approx(2 / 3),
        "f1": pytest.approx(4 / 6),
        # (0.1² + 0.6² + 0.5² + 0.1² + 0.6² + 0.2² + 0.3²) / 7
        "brier": pytest.approx((0.01 + 0.36 + 0.25 + 0.01 + 0.36 + 0.04 + 0.09) / 7),
        "ece": pytest.approx((0.1 + 0.6 + 0.5 + 0.1 + 0.6 + 0.2 + 0.3) / 7),  # each in a bin of its own but 0.2, 0.3
        "true_present": 2,
        "false_present": 1,
        "false_absent": 1,
        "true_absent": 3,
    }


def test_scores_are_compared_in_double_precision() -> None:
    """0.7 as float32 is a little less."""
    result = frame_metrics(np.float32([0.5, 0.6]), np.float32([0.7, 0.7]), threshold=0.7)
    assert (result.present, result.sensitivity, result.specificity) == (1, 0.0, 1.0)


def test_the_threshold_itself_counts_as_present() -> None:
    result = frame_metrics([1, 0], [0.7, 0.69], threshold=0.7)
    assert (result.threshold, result.accuracy) == (0.7, 1.0)


# truth, score -> accuracy, sensitivity, specificity, F1
ONE_SIDED = {
    "none": ([], [], (math.nan, math.nan, math.nan, math.nan)),
    "absent only": ([0, 0], [0.4, 0.6], (0.5, math.nan, 0.5, 0.0)),
    "absent only, found so": ([0, 0], [0.4, 0.4], (1.0, math.nan, 1.0, math.nan)),
    "present only": ([1, 1, 1], [0.4, 0.6, 0.6], (2 / 3, 2 / 3, math.nan, 4 / 5)),
}


@pytest.mark.parametrize(("truth", "score", "expected"), ONE_SIDED.values(), ids=ONE_SIDED.keys())
def test_frames_of_one_class(truth: list[int], score: list[float], expected: tuple[float, ...]) -> None:
    result = frame_metrics(truth, score)
    found = result.accuracy, result.sensitivity, result.specificity, result.f1
    assert found == pytest.approx(expected, nan_ok=True)
    assert (result.count, result.present) == (len(truth), sum(truth))


def test_bootstrap_draws_whole_groups() -> None:
    # Frames within a group agree, so only the groups' means can come out.
    values, groups = np.array([0.0] * 50 + [1.0] * 50), ["a"] * 50 + ["b"] * 50
    seen: set[float] = set()

    def mean(index: np.ndarray) -> float:
        seen.add(float(values[index].mean()))
        return float(values[index].mean())

    estimate = bootstrap(mean, groups, rounds=200, min_groups=2)
    assert seen == {0.0, 0.5, 1.0}
    assert estimate == Estimate(value=0.5, low=0.0, high=1.0, groups=2, rounds=200)
    assert estimate == bootstrap(mean, groups, rounds=200, min_groups=2)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    """101 groups of the values 0, 0.01, ..., 1: the mean's standard error is 0.2915 / sqrt(101) = 0.0290."""
    values = np.arange(101) / 100
    estimate = bootstrap(lambda index: float(values[index].mean()), [str(n) for n in range(101)])
    assert (estimate.groups, estimate.rounds) == (101, 1000)
    assert estimate.value == pytest.approx(0.5)
    # 1.96 standard errors to either side; 1.645 of them, which a 90 % interval has, would be 0.0477.
    assert estimate.low == pytest.approx(0.5 - 0.0569, abs=0.004)
    assert estimate.high == pytest.approx(0.5 + 0.0569, abs=0.004)
    drawn: list[float] = []  # all draws differ here
    bootstrap(lambda index: drawn.append(float(values[index].mean())) or drawn[-1], [str(n) for n in range(101)])
    assert (estimate.low, estimate.high) == pytest.approx(np.percentile(drawn[1:], [2.5, 97.5]).tolist())
    narrow = bootstrap(lambda index: float(values[index].mean()), [str(n) for n in range(101)], level=0.5)
    assert narrow.low == pytest.approx(0.5 - 0.6745 * 0.0290, abs=0.004)
    assert narrow.high == pytest.approx(0.5 + 0.6745 * 0.0290, abs=0.004)


def test_the_draws_depend_on_the_seed_alone() -> None:
    drawn: list[list[list[int]]] = []
    for seed in ({}, {"seed": 0}, {"seed": 1}):
        rows: list[list[int]] = []
        bootstrap(lambda index, rows=rows: rows.append(index.tolist()) or 0.0, [*"abcdefghij"], rounds=20, **seed)
        drawn.append(rows)
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0][0] == list(range(10))  # all of them once, then 20 draws of 10
    assert len(drawn[0]) == 21 and all(len(draw) == 10 and set(draw) <= set(range(10)) for draw in drawn[0])
    assert set().union(*drawn[0][1:]) == set(range(10))


def test_draws_without_both_classes_are_left_out() -> None:
    truth, score = np.array([1, 0]), np.array([0.9, 0.1])
    estimate = bootstrap(lambda index: auroc(truth[index], score[index]), ["a", "b"], rounds=40, min_groups=2)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, 1.0, 1.0)
    assert 10 < estimate.rounds < 30  # half of the draws take one patient twice


@pytest.mark.parametrize("count", [0, 1, 9])
def test_no_interval_over_fewer_than_ten_groups(count: int) -> None:
    estimate = bootstrap(lambda index: float(len(index)), [str(n) for n in range(count)] * 2)
    assert asdict(estimate) == {"value": 2 * count, "low": NAN, "high": NAN, "groups": count, "rounds": 0}
    assert refusal(count) == f"n/a: {count} patient{'s' * (count != 1)}; an interval needs 10"
    assert refusal(10) == "" and bootstrap(lambda index: 1.0, [str(n) for n in range(10)], rounds=3).low == 1.0


def test_draws_take_every_group_as_often_as_any() -> None:
    drawn = draws(4, 5000)
    assert drawn.shape == (5000, 4) and (drawn.sum(axis=1) == 4).all()
    assert drawn.mean(axis=0) == pytest.approx([1.0] * 4, abs=0.05)
    assert np.array_equal(drawn, draws(4, 5000)) and draws(4, 0).shape == (0, 4)


def test_calibration_error_by_hand() -> None:
    """Two frames of the bin 0.8 to 0.867, mean 0.84, one of them present; one at 0.1, absent."""
    truth, score = [1, 0, 0], [0.86, 0.82, 0.1]
    assert calibration_error(truth, score) == pytest.approx((2 * 0.34 + 0.1) / 3)
    found = reliability(truth, score)
    assert found.count.tolist() == [0, 1, *[0] * 10, 2, 0, 0]
    assert (found.score[12], found.present[12]) == (pytest.approx(0.84), 0.5) and math.isnan(found.score[5])
    assert math.isnan(calibration_error([], [])) and math.isnan(calibration_error([1], [math.nan]))
    assert math.isnan(brier([], [])) and brier([1, 0], [1.0, 0.5]) == pytest.approx(0.125)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_bins_are_those_of_scikit_learn(frames: list[tuple[bool, int]]) -> None:
    """Scores on the edges of bins included."""
    truth, score = np.array([t for t, _ in frames]), np.array([s / 30 for _, s in frames])
    found = reliability(truth, score)
    present, mean = calibration_curve(truth, score, n_bins=BINS)
    here = found.count > 0
    assert found.present[here] == pytest.approx(present) and found.score[here] == pytest.approx(mean)
    m = frame_metrics(truth, score)
    assert m.precision == pytest.approx(precision_score(truth, score >= 0.5, zero_division=math.nan), nan_ok=True)
    assert (m.true_present, m.false_present) == (
        int((truth & (score >= 0.5)).sum()),
        int((~truth & (score >= 0.5)).sum()),
    )


def test_metrics_over_patients() -> None:
    truth, score, patients = [1, 0] * 10, [0.9, 0.6, 0.8, 0.1] * 5, np.array([f"P{n // 2}" for n in range(20)])
    frames, area, accuracy = metrics_over_groups(truth, score, patients, threshold=0.6, rounds=40)
    assert (frames.accuracy, frames.threshold, frames.auroc) == (0.75, 0.6, 1.0)
    assert area == Estimate(value=1.0, low=1.0, high=1.0, groups=10, rounds=40)
    assert (accuracy.value, accuracy.groups) == (0.75, 10) and 0.5 <= accuracy.low < 0.75 < accuracy.high <= 1.0
    default, _, accuracy = metrics_over_groups([1.0, 0.0], [0.5, 0.49], np.array(["P1", "P2"]), rounds=1)
    assert (default.threshold, accuracy.value) == (0.5, 1.0)


def test_metrics_over_no_patient_are_nan() -> None:
    frames, area, accuracy = metrics_over_groups([], [], np.array([], str), rounds=5)
    assert frames.count == area.groups == accuracy.groups == 0
    assert math.isnan(area.value) and math.isnan(accuracy.value) and math.isnan(accuracy.low)


def test_a_ratio_of_nothing_is_nan() -> None:
    assert ratio(3, 4) == 0.75
    assert ratio(0, 1) == 0.0
    assert math.isnan(ratio(0, 0))
