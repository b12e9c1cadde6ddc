"""Labels that are likely wrong are named, and right ones are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.scenes import pixels, scenes

from seqcls.datasets.data_checks.wrong_labels import Scores, likely_wrong, neighbours, suspects


def test_confident_learning_by_hand() -> None:
    """Mean score of the present 0.7, of absence among the absent 0.7: both thresholds are MIN_SURE, 0.9."""
    truth = np.array([True, True, True, False, False, False])
    scores = np.array([0.95, 0.95, 0.2, 0.05, 0.05, 0.8])
    assert np.flatnonzero(suspects(truth, scores)).tolist() == []
    assert np.flatnonzero(suspects(truth, np.array([0.95, 0.95, 0.05, 0.05, 0.05, 0.92]))).tolist() == [2, 5]
    assert not suspects(np.ones(3, bool), np.zeros(3)).any()


def test_neighbours_are_nearest_and_never_the_frame_itself() -> None:
    values = np.arange(40, dtype=np.float32)[:, None]
    found = neighbours(values)
    assert sorted(found[20].tolist()) == [16, 17, 18, 19, 21, 22, 23, 24]
    assert all(row not in found[row] for row in range(40))


@pytest.mark.parametrize("count", [9, 30, 400, 1003])
def test_neighbours_are_those_of_all_distances(count: int) -> None:
    """Sought by groups of columns, against distances that are sorted; the last columns are in no whole group."""
    values = np.random.default_rng(count).standard_normal((count, 3)).astype(np.float32)
    apart = ((values[:, None] - values[None]) ** 2).sum(axis=2) + np.where(np.eye(count, dtype=bool), np.inf, 0.0)
    assert np.array_equal(np.sort(neighbours(values)), np.sort(np.argsort(apart)[:, :8]))


def test_clean_labels_give_no_finding() -> None:
    frames = scenes(patients=8, frames=24)
    assert not list(likely_wrong(frames, pixels(frames.images)))


@pytest.mark.parametrize("patients", [8, 1])
def test_a_tenth_of_the_labels_flipped(patients: int) -> None:
    """Also of one patient, of whom nothing can be left out. Most are found, and hardly anything else."""
    frames = scenes(patients=patients, frames=24 if patients > 1 else 96, validation=0)
    rng = np.random.default_rng(3)
    wrong = rng.choice(len(frames.images), len(frames.images) // 10, replace=False)
    targets = frames.targets.copy()
    targets[wrong] = 1 - targets[wrong]
    (one,) = likely_wrong(replace(frames, targets=targets), pixels(frames.images))
    assert one.kind == "likely wrong label" and one.level == "look"
    right = len(set(one.rows) & set(wrong.tolist()))
    assert right >= 0.6 * len(wrong) and right >= 0.9 * len(one.rows)
    assert one.frames[0][1].startswith("labelled node ")


def test_scores_of_networks_are_used_where_there_are_some() -> None:
    """A whole stretch of a clip labelled wrongly is seen by scores alone: its neighbours are wrong, too."""
    frames = scenes(patients=6, frames=16, validation=0)
    scores = np.where(frames.targets > 0.5, 0.97, 0.03).astype(np.float32)
    targets = frames.targets.copy()
    targets[2] = 1.0
    (one,) = likely_wrong(replace(frames, targets=targets), None, Scores(scores, "the judges"))
    assert one.text == "1 label of node is likely wrong, by the judges: c0.mp4, frame 2; look at them" and one.rows == (
        2,
    )


def test_scores_that_tell_nothing_apart_name_nobody() -> None:
    frames = scenes(patients=6, frames=16, validation=0)
    scores = np.random.default_rng(0).random((96, 1)).astype(np.float32)
    assert not list(likely_wrong(frames, None, Scores(scores, "dice")))
