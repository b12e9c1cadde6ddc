"""Frame metrics and their spread between patients, against examples worked out by hand."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest

from seqcls.evaluation.metrics import (
    Estimate,
    auroc,
    average_precision,
    bootstrap,
    frame_metrics,
    metrics_over_groups,
    ratio,
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
        "f1": pytest.approx(4 / 6),
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

    estimate = bootstrap(mean, groups, rounds=200)
    assert seen == {0.0, 0.5, 1.0}
    assert estimate == Estimate(value=0.5, low=0.0, high=1.0, groups=2, rounds=200)
    assert estimate == bootstrap(mean, groups, rounds=200)


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
        bootstrap(lambda index, rows=rows: rows.append(index.tolist()) or 0.0, [*"abcdefgh"], rounds=20, **seed)
        drawn.append(rows)
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0][0] == list(range(8))  # all of them once, then 20 draws of 8
    assert len(drawn[0]) == 21 and all(len(draw) == 8 and set(draw) <= set(range(8)) for draw in drawn[0])
    assert set().union(*drawn[0][1:]) == set(range(8))


def test_a_draw_is_measured_once() -> None:
    """Two groups can be drawn in three ways."""
    drawn: list[list[int]] = []
    estimate = bootstrap(lambda index: drawn.append(index.tolist()) or float(index.sum()), ["b", "a"], rounds=60)
    assert sorted(drawn[1:]) == [[0, 0], [1, 0], [1, 1]] and estimate.rounds == 60


def test_draws_without_both_classes_are_left_out() -> None:
    truth, score = np.array([1, 0]), np.array([0.9, 0.1])
    estimate = bootstrap(lambda index: auroc(truth[index], score[index]), ["a", "b"], rounds=40)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, 1.0, 1.0)
    assert 10 < estimate.rounds < 30  # half of the draws take one patient twice


@pytest.mark.parametrize("groups", [["a", "a"], []], ids=["one group", "nothing"])
def test_bootstrap_of_less_than_two_groups_gives_no_interval(groups: list[str]) -> None:
    estimate = bootstrap(lambda index: float(len(index)), groups)
    assert asdict(estimate) == {
        "value": len(groups),
        "low": NAN,
        "high": NAN,
        "groups": len(set(groups)),
        "rounds": 0,
    }


def test_metrics_over_patients() -> None:
    truth, score, patients = [1, 0, 1, 0], [0.9, 0.6, 0.8, 0.1], np.array(["P1", "P1", "P2", "P2"])
    frames, area, accuracy = metrics_over_groups(truth, score, patients, threshold=0.6, rounds=40)
    assert (frames.accuracy, frames.threshold, frames.auroc) == (0.75, 0.6, 1.0)
    assert area == Estimate(value=1.0, low=1.0, high=1.0, groups=2, rounds=40)
    assert accuracy == Estimate(value=0.75, low=0.5, high=1.0, groups=2, rounds=40)
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
