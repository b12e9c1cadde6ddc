"""Calibration and thresholds: against the formulas written out again, and against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from seqcls.intervals import IntervalOptions
from seqcls.training.calibration import (
    choose_threshold,
    fit_calibration,
    frame_weights,
    has_enough_evidence,
    operating_point,
)

Data = tuple[np.ndarray, np.ndarray, np.ndarray]


def scores_of(shift: float, count: int = 400, clips: int = 8) -> Data:
    rng = np.random.default_rng(0)
    truth = np.arange(count) % 2
    return (
        rng.normal(np.where(truth, 2, -2) + shift, 1.0),
        truth,
        np.array([f"c{i * clips // count}" for i in range(count)]),
    )


def uneven() -> Data:
    """Three clips of 40, 24 and 2 frames; only the first two show presence, in 12 and 10 frames."""
    rng = np.random.default_rng(5)
    clips = np.repeat(["a", "b", "c"], [40, 24, 2])
    truth = np.concatenate([np.arange(40) < 12, np.arange(24) < 10, [0, 0]]).astype(np.float32)
    return rng.normal(np.where(truth, 1.5, -0.5), 1.2), truth, clips


# Weights and evidence


def test_weights_are_even_over_classes_and_clips() -> None:
    weights = frame_weights([0, 0, 0, 0, 1], ["a", "a", "a", "b", "b"])
    assert weights == pytest.approx([1 / 12, 1 / 12, 1 / 12, 1 / 4, 1 / 2])
    weights = frame_weights([1, 0, 1, 1], ["a", "a", "b", "c"])
    assert weights == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6])


def test_weights_of_one_class_sum_to_one_half() -> None:
    assert frame_weights([1, 1], ["a", "b"]) == pytest.approx([1 / 4, 1 / 4])
    assert frame_weights([0, 0], ["a", "a"]) == pytest.approx([1 / 4, 1 / 4])


# clips and frames of presence, clips and frames of absence -> enough?
EVIDENCE = {
    "just enough": (2, 20, 2, 20, True),
    "many frames of one clip": (1, 400, 2, 20, False),
    "absence in one clip": (2, 20, 1, 400, False),
    "19 frames of presence": (2, 19, 2, 20, False),
    "19 frames of absence": (2, 20, 2, 19, False),
    "no presence": (0, 0, 2, 40, False),
}


@pytest.mark.parametrize(("clips1", "frames1", "clips0", "frames0", "enough"), EVIDENCE.values(), ids=EVIDENCE.keys())
def test_evidence_is_counted_in_clips_and_in_frames(
    clips1: int, frames1: int, clips0: int, frames0: int, enough: bool
) -> None:
    truth = [1] * frames1 + [0] * frames0
    clips = [f"p{i % clips1}" for i in range(frames1)] + [f"a{i % clips0}" for i in range(frames0)]
    assert has_enough_evidence(truth, clips) is enough
    assert (fit_calibration(np.where(truth, 3.0, 1.0), truth, clips) != (1.0, 0.0)) is enough
    assert (operating_point(np.where(truth, 0.9, 0.2), truth, clips) != IntervalOptions()) is enough


def test_logits_of_a_network_are_fitted_in_double_precision() -> None:
    logits, truth, clips = uneven()
    logits = logits.astype(np.float32)
    assert fit_calibration(logits, truth, clips) == fit_calibration(logits.astype(np.float64), truth, clips)


def test_truth_between_the_classes_is_cut_at_one_half() -> None:
    logits, truth, clips = uneven()
    assert fit_calibration(logits, np.where(truth, 0.6, 0.5), clips) == fit_calibration(logits, truth, clips)
    assert has_enough_evidence([0.6] * 20 + [0.5] * 20, ["a", "b"] * 20)
    assert frame_weights([0.6, 0.5], ["a", "a"]) == pytest.approx([0.5, 0.5])
    # From 0.21 to 0.9: 0.5 + (0.555 - 0.5) / 9.
    assert choose_threshold([0.9, 0.2], [0.6, 0.5], ["a", "a"]) == 0.506


@pytest.mark.parametrize("few", ["one clip of a class", "few frames", "none"])
def test_little_evidence_changes_nothing(few: str) -> None:
    logits, truth, clips = scores_of(2.0)
    keep = {
        "one clip of a class": (truth == 0) | (clips == "c3"),
        "few frames": np.arange(400) < 30,
        "none": np.zeros(400, bool),
    }[few]
    assert not has_enough_evidence(truth[keep], clips[keep])
    assert fit_calibration(logits[keep], truth[keep], clips[keep]) == (1.0, 0.0)
    assert operating_point(logits[keep], truth[keep], clips[keep]) == IntervalOptions()


# Calibration


def by_search(logits: np.ndarray, truth: np.ndarray, clips: np.ndarray) -> tuple[float, float]:
    """The same maximum, found by trying: every weight, target and prior written out."""
    pairs = sorted(set(zip(clips.tolist(), truth.tolist(), strict=True)))
    of_class = {label: sum(one[1] == label for one in pairs) for label in (0, 1)}

    def loss(theta: np.ndarray) -> float:
        a, centre = math.exp(theta[0]), theta[1]
        total = 0.5 * (theta[0] / 0.7) ** 2 + 0.5 * (centre / 2.0) ** 2
        for clip, label in pairs:
            target = (len(pairs) + 1) / (len(pairs) + 2) if label else 1 / (len(pairs) + 2)
            odds = a * (logits[(clips == clip) & (truth == label)] - centre)
            entropy = -target * -np.logaddexp(0, -odds) - (1 - target) * -np.logaddexp(0, odds)
            total += len(pairs) / 2 / of_class[label] * float(entropy.mean())
        return total

    best = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    return math.exp(best[0]), -math.exp(best[0]) * best[1]


@pytest.mark.parametrize("data", [uneven(), scores_of(1.5, count=80, clips=4)], ids=["uneven", "even"])
def test_the_fit_is_the_maximum_of_the_posterior(data: Data) -> None:
    assert fit_calibration(*data) == pytest.approx(by_search(*data), abs=1e-5)


def test_the_fit_does_not_move() -> None:
    """Models must not change with a version of a library."""
    assert fit_calibration(*uneven()) == pytest.approx((0.8715107091448, -0.2938828228691), abs=1e-9)


def test_platts_targets_keep_a_clear_case_modest() -> None:
    """4 clips that show both classes: 8 pairs, hence targets of 9/10 and 1/10, which are odds of 9.

    Logits of 1 and -1 leave the centre at 0, and the slope where the prior and 8 pairs agree:
    log a / 0.49 = 8 * a * (9/10 - sigmoid(a)).
    """
    truth = np.tile([0, 1], 40)
    clips = np.repeat(["a", "b", "c", "d"], 20)
    a, b = fit_calibration(np.where(truth, 1.0, -1.0), truth, clips)
    assert b == pytest.approx(0.0, abs=1e-9)
    assert math.log(a) / 0.49 == pytest.approx(8 * (0.9 - 1 / (1 + math.exp(-a))) * a, abs=1e-7)
    assert a == pytest.approx(1.56462, abs=1e-5)


def test_calibration_takes_a_shift_away() -> None:
    a, b = fit_calibration(*scores_of(1.5))
    assert -b / a == pytest.approx(1.5, abs=0.35)  # where the probability is one half
    assert a > 0


def test_the_slope_stays_between_a_quarter_and_four() -> None:
    logits, truth, clips = scores_of(0.0)
    assert fit_calibration(logits * 1e6, truth, clips)[0] == pytest.approx(0.25)
    many = np.repeat([f"c{i}" for i in range(200)], 2)
    a, b = fit_calibration(np.tile([0.29, 0.31], 200), np.tile([0, 1], 200), many)
    assert a == pytest.approx(4.0) and b == pytest.approx(-4.0 * 0.3, abs=0.02)


def test_classes_that_do_not_overlap_keep_the_fit_finite() -> None:
    _, truth, clips = scores_of(0.0)
    a, b = fit_calibration(np.where(truth, 9.0, -9.0), truth, clips)
    assert 0.1 < a < 4
    assert abs(b) < 0.5


def test_presence_being_rare_moves_nothing() -> None:
    logits, truth, clips = scores_of(0.0, count=2000)
    rare = (truth == 0) | (np.arange(2000) % 10 == 1)
    a, b = fit_calibration(logits[rare], truth[rare], clips[rare])
    assert abs(b / a) < 0.3


# Thresholds


@pytest.mark.parametrize(("clips_each", "value"), [(4, 0.527), (8, 0.54), (800, 0.579)])
def test_the_threshold_is_the_middle_of_the_plateau_as_far_as_the_clips_go(clips_each: int, value: float) -> None:
    truth = np.repeat([0, 1], 10 * clips_each)
    clips = np.array([f"c{i // 10}" for i in range(20 * clips_each)])
    assert choose_threshold(np.where(truth, 0.9, 0.25), truth, clips) == value
    assert operating_point(np.where(truth, 0.9, 0.25), truth, clips) == IntervalOptions(
        onset=value, offset=round(0.7 * value, 3)
    )


# scores of the absent and of the present frames -> threshold
PLATEAUS = {
    # From 0.01 to 0.99.
    "any threshold does": ([0.0] * 20, [1.0] * 20, 0.5),
    # 0.5 - 0.09 * 20 / 28
    "the score itself is present": ([0.4] * 20, [0.41] * 20, 0.436),
    # Up to 0.2 one absent frame of 20 is wrong (0.975), from there to 0.6 none, then one present frame of 20.
    "only as good as the best": ([0.05] * 19 + [0.2], [0.6] + [0.9] * 19, 0.432),
    # From 0.06 to 0.3 and from 0.41 to 0.9 three quarters are right; 0.5 + (0.655 - 0.5) * 20 / 28.
    "the widest of two": ([0.05] * 10 + [0.4] * 10, [0.3] * 10 + [0.9] * 10, 0.611),
    # From 0.06 to 0.6 and from 0.71 to 0.9; 0.5 + (0.33 - 0.5) * 20 / 28.
    "also where it is the first": ([0.05] * 10 + [0.7] * 10, [0.6] * 10 + [0.9] * 10, 0.379),
    "none is better than another": ([1.0] * 20, [1.0] * 20, 0.5),
    "at most 0.7": ([0.97] * 800, [0.99] * 800, 0.7),
    "at least 0.3": ([0.01] * 800, [0.03] * 800, 0.3),
}


@pytest.mark.parametrize(("absent", "present", "expected"), PLATEAUS.values(), ids=PLATEAUS.keys())
def test_the_plateau(absent: list[float], present: list[float], expected: float) -> None:
    """Every frame is a clip of its own."""
    scores, truth = absent + present, [0] * len(absent) + [1] * len(present)
    assert choose_threshold(scores, truth, [f"c{i}" for i in range(len(scores))]) == expected


@pytest.mark.parametrize(("wrong", "value"), [(1, 0.574), (2, 0.389)])
def test_a_loss_of_half_a_percent_is_no_loss(wrong: int, value: float) -> None:
    """Of 100 present frames, each worth half a percent, ``wrong`` score 0.5 and the others 0.9.

    From 0.26 to 0.9, or to 0.5 only: 0.5 + (0.58 - 0.5) * 100 / 108, or 0.5 + (0.38 - 0.5) * 100 / 108.
    """
    scores = [0.25] * 100 + [0.5] * wrong + [0.9] * (100 - wrong)
    assert choose_threshold(scores, [0] * 100 + [1] * 100, [f"c{i}" for i in range(200)]) == value


def test_the_scarcer_class_decides_how_far_a_threshold_moves() -> None:
    """2 clips of presence and 50 of absence: 0.5 + (0.58 - 0.5) * 2 / 10."""
    truth = np.repeat([0, 1], [500, 20])
    clips = [f"a{i // 10}" for i in range(500)] + [f"p{i // 10}" for i in range(20)]
    assert choose_threshold(np.where(truth, 0.9, 0.25), truth, clips) == 0.516
    assert choose_threshold(np.where(truth, 0.25, 0.9), 1 - truth, clips) == 0.516
