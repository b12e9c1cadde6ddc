"""Batches hold organs, classes and clips alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.frame_sets import frame_set

from seqcls.datasets.dataset import FrameSet
from seqcls.training.sampler import Sampler, grouped


@pytest.fixture(scope="module")
def frames() -> FrameSet:
    return frame_set()


def test_balanced_draws_give_classes_and_clips_their_due(frames: FrameSet) -> None:
    rows = np.flatnonzero(frames.split == "train")
    drawn = Sampler(frames, rows, np.random.default_rng(0), balance=True).draw(4000)
    assert set(drawn) <= set(rows)
    by_organ = drawn.reshape(-1, 4)  # present and absent of the first organ, then of the second
    disc, bar = by_organ[:, :2].ravel(), by_organ[:, 2:].ravel()
    assert frames.targets[disc, 0].mean() == 0.5
    assert frames.targets[bar, 1].mean() == 0.5
    assert frames.mask[bar, 1].all()
    present = disc[frames.targets[disc, 0] > 0.5]
    shares = [float((frames.clip[present] == clip).mean()) for clip in ("clip0", "clip2")]
    assert shares == pytest.approx([0.5, 0.5], abs=0.05)
    anything = Sampler(frames, rows, np.random.default_rng(0), balance=False).draw(4000)
    assert frames.targets[anything, 0].mean() == pytest.approx(0.25, abs=0.03)


def test_a_clip_that_shows_both_classes_stands_for_neither() -> None:
    frames = frame_set(clips=8, frames=20)
    targets = frames.targets.copy()
    targets[np.isin(frames.clip, [f"clip{n}" for n in range(2, 8)]), 0] = 0  # absent only
    targets[frames.clip == "clip1", 0] = 1  # present only
    targets[frames.clip == "clip0", 0] = np.arange(20) < 4
    frames = replace(frames, targets=targets, mask=np.ones_like(frames.mask))
    frames = frames.of_organs(frames.organs[:1])
    rows = np.arange(len(frames.clip))
    drawn = Sampler(frames, rows, np.random.default_rng(0), balance=True).draw(4000)
    inside = drawn[frames.clip[drawn] == "clip0"]
    assert frames.targets[inside, 0].mean() == pytest.approx(0.5, abs=0.04)
    assert len(inside) / len(drawn) == pytest.approx(0.5, abs=0.04)


def test_a_single_frame_of_a_class_is_not_learned_by_heart() -> None:
    """The only frame of absence in a clip of presence is one of 121: with eight times its due, 8/121 of the draws; and
    so much of presence comes from this clip, too, so that it stands for neither."""
    frames = frame_set(clips=8, frames=20)
    targets = frames.targets.copy()
    targets[np.isin(frames.clip, [f"clip{n}" for n in range(2, 8)]), 0] = 0
    targets[frames.clip == "clip1", 0] = 1
    targets[frames.clip == "clip0", 0] = np.arange(20) > 0
    frames = replace(frames, targets=targets, mask=np.ones_like(frames.mask)).of_organs(frames.organs[:1])
    drawn = Sampler(frames, np.arange(160), np.random.default_rng(0), balance=True).draw(8000)
    present = frames.targets[drawn, 0] > 0.5
    shares = [float((frames.clip[drawn[of]] == "clip0").mean()) for of in (present, ~present)]
    assert shares == pytest.approx([8 / 121, 8 / 121], abs=0.015)


def test_a_clip_of_many_frames_counts_no_more_than_a_short_one() -> None:
    long = frame_set(clips=4, frames=40)
    rows = np.flatnonzero((long.clip != "clip0") | (np.arange(len(long.clip)) % 40 >= 38))  # clip0: 2 of 40 frames
    drawn = Sampler(long, rows, np.random.default_rng(0), balance=True).draw(4000).reshape(-1, 4)[:, 0]
    assert (long.clip[drawn] == "clip0").mean() == pytest.approx(0.5, abs=0.05)


def test_rows_are_grouped_as_one_comparison_for_each_name_would() -> None:
    random = np.random.default_rng(3)
    names, rows = random.choice(["b", "a", "zz", "c10", "c2"], 200), random.permutation(1000)[:200]
    expected = [rows[names == name] for name in np.unique(names)]
    found = grouped(rows, names)
    assert len(found) == 5 and all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert grouped(rows[:0], names[:0]) == []
