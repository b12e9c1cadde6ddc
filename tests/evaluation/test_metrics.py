"""Metrics against examples worked out by hand, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from seqcls.evaluation import metrics
from seqcls.evaluation.metrics import (
    ClipIntervals,
    bootstrap,
    edit_score,
    event_f1,
    frame_metrics,
    interval_metrics,
    segmental_f1,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40))
def test_areas_are_those_of_scikit_learn(frames: list[tuple[bool, int]]) -> None:
    truth, score = np.array([one for one, _ in frames]), np.array([value / 6 for _, value in frames])
    if truth.all() or not truth.any():
        assert math.isnan(metrics.auroc(truth, score))
    else:
        assert metrics.auroc(truth, score) == pytest.approx(roc_auc_score(truth, score))
    if truth.any():
        assert metrics.average_precision(truth, score) == pytest.approx(average_precision_score(truth, score))


def test_frame_figures_by_hand() -> None:
    #         hit  miss hit  quiet false quiet, and one nobody labelled
    truth = [1, 1, 1, 0, 0, 0, 1]
    score = [0.9, 0.4, 0.5, 0.1, 0.6, 0.2, 0.0]
    mask = [True] * 6 + [False]
    result = frame_metrics(truth, score, mask)
    assert (result.count, result.present) == (6, 3)
    assert result.accuracy == pytest.approx(4 / 6)
    assert result.sensitivity == pytest.approx(2 / 3)
    assert result.specificity == pytest.approx(2 / 3)
    assert result.f1 == pytest.approx(2 / 3)
    assert result.auroc == pytest.approx(7 / 9)


@pytest.mark.parametrize("truth", [[], [0, 0], [1, 1]], ids=["none", "absent only", "present only"])
def test_a_missing_class_gives_nan_and_no_warning(truth: list[int]) -> None:
    result = frame_metrics(truth, [0.4] * len(truth))
    assert math.isnan(result.auroc)
    assert math.isnan(result.sensitivity) == (1 not in truth)
    assert math.isnan(result.specificity) == (0 not in truth)


def test_bootstrap_draws_whole_groups() -> None:
    # Frames within a group agree, so only the groups' means can come out.
    values, groups = np.array([0.0] * 50 + [1.0] * 50), ["a"] * 50 + ["b"] * 50
    seen: set[float] = set()

    def mean(index: np.ndarray) -> float:
        seen.add(float(values[index].mean()))
        return float(values[index].mean())

    estimate = bootstrap(mean, groups, rounds=200)
    assert seen == {0.0, 0.5, 1.0}
    assert (estimate.value, estimate.low, estimate.high, estimate.groups, estimate.rounds) == (0.5, 0.0, 1.0, 2, 200)
    assert estimate == bootstrap(mean, groups, rounds=200)


def test_bootstrap_of_one_group_claims_nothing() -> None:
    estimate = bootstrap(lambda index: 1.0, ["a", "a"])
    assert estimate.value == 1.0
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


def clip(truth: list, prediction: list, ignore: list | None = None, end_s: float = 10.0) -> ClipIntervals:
    return ClipIntervals(truth=tuple(truth), prediction=tuple(prediction), ignore=tuple(ignore or []), end_s=end_s)


# truth, prediction, ignore -> F1 at IoU 0.5
SEGMENTS = {
    "same": ([(2, 6)], [(2, 6)], [], 1.0),
    "IoU exactly one half": ([(2, 6)], [(2, 4)], [], 1.0),
    "IoU below": ([(2, 6)], [(2, 3.9)], [], 0.0),
    "split in two, one counts": ([(2, 6)], [(2, 4.2), (4.5, 6)], [], 2 / 3),
    "two for one": ([(2, 6)], [(1, 5), (5, 9)], [], 2 / 3),
    "missed": ([(2, 6)], [], [], 0.0),
    "false": ([], [(2, 6)], [], 0.0),
    "nothing to find, nothing found": ([], [], [], math.nan),
    "false inside ignore": ([(2, 6)], [(2, 6), (7, 8)], [(6.5, 9)], 1.0),
    "ignored time counts for neither": ([(2, 4)], [(2, 9)], [(4, 9)], 1.0),
    "one event across an ignore span stays one": ([(2, 6)], [(2, 6)], [(3, 4)], 1.0),
    "truth wholly ignored": ([(2, 6)], [], [(1, 7)], math.nan),
}


@pytest.mark.parametrize(("truth", "prediction", "ignore", "expected"), SEGMENTS.values(), ids=SEGMENTS.keys())
def test_segmental_f1(truth: list, prediction: list, ignore: list, expected: float) -> None:
    assert segmental_f1([clip(truth, prediction, ignore)], 0.5) == pytest.approx(expected, nan_ok=True)


EDITS = {
    "same order, other times": ([(2, 6)], [(3, 9)], [], 1.0),  # APA, APA
    "one event too many": ([(2, 6)], [(2, 3), (4, 6)], [], 3 / 5),  # APA, APAPA
    "missed": ([(2, 6)], [], [], 1 / 3),  # APA, A
    "starts present": ([(0, 6)], [(1, 6)], [], 2 / 3),  # PA, APA
    "split inside an ignore span": ([(2, 6)], [(2, 3), (4, 6)], [(3, 4)], 1.0),
    "all ignored": ([(2, 6)], [(2, 3)], [(0, 10)], 1.0),
}


@pytest.mark.parametrize(("truth", "prediction", "ignore", "expected"), EDITS.values(), ids=EDITS.keys())
def test_edit_score(truth: list, prediction: list, ignore: list, expected: float) -> None:
    assert edit_score(clip(truth, prediction, ignore)) == pytest.approx(expected)


EVENTS = {
    "inside both collars": ([(2, 6)], [(2.2, 8)], [], 1.0),  # offset may be off by half of 4 s
    "onset late": ([(2, 6)], [(2.3, 6)], [], 0.0),
    "offset late": ([(2, 6)], [(2, 8.1)], [], 0.0),
    "unsure onset": ([(2, 6)], [(1.2, 6)], [(1, 2)], 1.0),
    # the first presence can only take the first prediction, so the second must take the other
    "as many pairs as can be had": ([(2, 4), (2.3, 4)], [(2.2, 4), (2.4, 4)], [], 1.0),
}


@pytest.mark.parametrize(("truth", "prediction", "ignore", "expected"), EVENTS.values(), ids=EVENTS.keys())
def test_event_f1(truth: list, prediction: list, ignore: list, expected: float) -> None:
    assert event_f1([clip(truth, prediction, ignore)]) == pytest.approx(expected)


def test_interval_figures_by_hand() -> None:
    first = clip([(2, 4), (6, 8)], [(2.1, 4.3), (9, 9.5)], [(8.9, 9.2)])
    second = clip([], [(5, 6)], end_s=20.0)
    result = interval_metrics([first, second])
    assert (result.clips, result.presences, result.found, result.predictions, result.false_events) == (2, 2, 1, 3, 2)
    assert result.false_events_per_min == pytest.approx(60 * 2 / 29.7)
    assert (result.onsets, result.offsets) == (1, 1)
    assert result.onset_median_s == pytest.approx(0.1)
    assert result.offset_p90_s == pytest.approx(0.3)
    assert result.f1_at == pytest.approx((0.4, 0.4, 0.4))


def test_edges_nobody_saw_have_no_error() -> None:
    result = interval_metrics([clip([(0, 10)], [(1, 9)]), clip([(1, 9)], [(2, 7)], [(0, 1), (9, 9.5)])])
    assert (result.onsets, result.offsets) == (0, 1)  # 0..1 is unsure up to the clip's start; 9..9.5 is not the end
    assert result.offset_median_s == pytest.approx(2.0)


def test_no_clips_give_nan() -> None:
    result = interval_metrics([])
    assert result.clips == 0
    assert math.isnan(result.edit)
    assert math.isnan(result.false_events_per_min)


def test_spans_of_frames() -> None:
    time_s = [0.0, 0.1, 0.3, 0.35, 0.5]
    assert metrics.spans_of([True, False, True, True, False], time_s, 0.6) == ((0.0, 0.1), (0.3, 0.5))
    assert metrics.spans_of([False, True], [0.0, 1.0], 2.5) == ((1.0, 2.5),)
    assert metrics.spans_of([], [], 0.0) == ()
