from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from support.frame_sets import frame_set

from seqcls.datasets.dataset import FrameSet
from seqcls.novelty import FEATURES
from seqcls.training import novelty_fit
from seqcls.training.novelty_fit import fit_novelty
from seqcls.training.sampler import evenly

SETS = frame_set(clips=10)


def drawn(frames: FrameSet, strange: str = "") -> NDArray[np.float32]:
    """(N, D) features, alike for every frame but those of the patient ``strange``."""
    roots = np.random.default_rng(1).normal(4.0, 0.1, (len(frames.images), FEATURES))
    roots[frames.patient == strange] += 1.0
    return (roots**2).astype(np.float32)


def rows_of(frames: FrameSet, split: str) -> NDArray[np.int64]:
    return np.flatnonzero(frames.split == split)


def test_alike_patients_lie_within_the_limit_and_others_beyond() -> None:
    told = drawn(SETS)
    novelty, message = fit_novelty(SETS, rows_of(SETS, "train"), rows_of(SETS, "validation"), lambda rows: told[rows])
    assert (
        novelty is not None and novelty.held_out == "1 patient of the validation and 2 left out in turn"
    )  # of which bar is seen
    assert novelty.false_alarms <= 0.01 and message.startswith("frames unlike the training become unknown")
    assert (novelty.scores(told) < 0.5).mean() >= 0.99
    assert (novelty.scores(drawn(SETS, "p0"))[SETS.patient == "p0"] > 0.9).all()


def test_every_clip_counts_alike() -> None:
    """A clip of many frames moves the centre no further than one of few: 4 and 6 make 5."""
    weights = novelty_fit._weights(np.array(["a", "a", "a", "b"]))
    assert weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])
    moments = novelty_fit._Moments.of(np.array([[4.0], [4.0], [4.0], [6.0]]), weights)
    assert moments.first[0] / moments.weight == pytest.approx(5.0)
    less = moments.without(novelty_fit._Moments.of(np.array([[6.0]]), np.ones(1)))
    assert (less.weight, less.first[0], less.second[0, 0]) == pytest.approx((1.0, 4.0, 16.0))


def test_the_limit_is_a_prediction_for_one_more_patient() -> None:
    # mean 0; squares 4 * 0.15^2 + 2 * 0.1^2 over 4 + 2 - 1, half as much again for the one more
    spread = math.sqrt((0.09 + 0.02) / 5 * 1.5)
    assert novelty_fit._limit([math.exp(-0.1), math.exp(0.1)]) == pytest.approx(math.exp(2.33 * spread))
    assert novelty_fit._limit([1.0] * 50) < novelty_fit._limit([1.0] * 3)


@pytest.mark.parametrize(("clips", "why"), [(4, "2 patients"), (2, "2 clips")])
def test_with_too_few_patients_it_refuses(clips: int, why: str) -> None:
    frames = frame_set(clips=clips)
    told = drawn(frames)
    novelty, message = fit_novelty(frames, np.arange(len(told)), np.empty(0, np.int64), lambda rows: told[rows])
    assert novelty is None and why in message and "too few" in message


def test_the_only_ones_that_show_a_state_are_not_left_out() -> None:
    """Without p0 nobody but p1 shows the organ: what is then left tells nothing of one more like p0."""
    shows = np.isin(SETS.patient, ["p0", "p1"])
    frames = replace(SETS.of_organs(["disc"]), targets=shows[:, None].astype(np.float32))
    told = drawn(frames, "p0")
    novelty, _ = fit_novelty(frames, np.arange(len(told)), np.empty(0, np.int64), lambda rows: told[rows])
    assert novelty is not None and novelty.held_out == "3 patients left out in turn"


def test_long_clips_are_looked_at_evenly() -> None:
    rows = evenly(SETS.clip, np.arange(len(SETS.clip)), 30)
    assert rows[:6].tolist() == [0, 5, 11, 12, 17, 23]


def test_neighbours_in_a_long_clip_add_nothing_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six patients of 400 frames that change slowly, as those of a clip do: the limit of two fifths of them is that
    of all within 0.6 %."""
    random = np.random.default_rng(0)
    frames = frame_set(clips=6, frames=400)
    knots = random.normal(0, 0.3, (6, 41, FEATURES))
    at = np.arange(400) / 10.0
    below, share = at.astype(int), (at % 1)[:, None]
    roots = np.concatenate([(1 - share) * own[below] + share * own[below + 1] for own in knots])
    told = ((4 + roots + random.normal(0, 0.05, roots.shape)) ** 2).astype(np.float32)
    clips = replace(frames.of_organs(["disc"]), patient=frames.clip, targets=np.tile([[0.0], [1.0]], (1200, 1)))
    limits = []
    for most in (2400, novelty_fit.MAX_FRAMES):
        monkeypatch.setattr(novelty_fit, "MAX_FRAMES", most)
        novelty, _ = fit_novelty(clips, np.arange(2400), np.empty(0, np.int64), lambda rows: told[rows])
        assert novelty is not None and novelty.held_out == "6 patients left out in turn"
        limits.append(novelty.limit)
    assert limits[1] == pytest.approx(limits[0], rel=0.006) and limits[1] != limits[0]
