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


def test_every_organ_gets_its_turn_in_batches_smaller_than_their_number() -> None:
    """Of batches of 2, each has one organ, present and absent; both organs get about as many."""
    frames = frame_set()
    frames = replace(frames, mask=np.ones_like(frames.mask), targets=np.nan_to_num(frames.targets))
    sampler = Sampler(frames, np.arange(len(frames.clip)), np.random.default_rng(0), balance=True)
    drawn = np.concatenate([sampler.draw(2) for _ in range(400)])
    # The first organ's presence is drawn from halves of clips; the second's from every other frame of all.
    late = np.arange(len(frames.clip)) % 12 >= 6
    assert 0.6 < late[drawn[::2]].mean() < 0.9


def test_what_is_drawn_goes_by_the_generator_alone_whose_state_can_be_kept(frames: FrameSet) -> None:
    rows = np.flatnonzero(frames.split == "train")
    sampler = Sampler(frames, rows, np.random.default_rng(3), balance=True)
    sampler.draw(30)
    state = sampler.random.bit_generator.state
    following = [sampler.draw(10) for _ in range(3)]
    other = Sampler(frames, rows, np.random.default_rng(0), balance=True)
    other.random.bit_generator.state = state
    assert all(np.array_equal(drawn, other.draw(10)) for drawn in following)
    mixed = np.random.default_rng(0).permutation(rows)  # the order in which the rows are given does not count
    again = Sampler(frames, mixed, np.random.default_rng(3), balance=True)
    again.draw(30)
    assert np.array_equal(frames.clip[again.draw(10)], frames.clip[following[0]])


@pytest.mark.parametrize("seed", range(5))
def test_draws_are_as_likely_as_the_rule_says(seed: int) -> None:
    """An organ, a class, clips of both classes or of one, a clip, a frame: the chance of each frame by hand."""
    random = np.random.default_rng(seed)
    frames = frame_set(clips=6, frames=5)
    targets = (random.random((30, 1)) < random.random(6)[random.integers(0, 6, 30)][:, None]).astype(np.float32)
    targets[:2, 0] = 0, 1
    mask = random.random((30, 1)) < 0.8
    mask[:2] = True
    frames = replace(frames.of_organs(["disc"]), targets=targets, mask=mask)
    expected = np.zeros(30)
    states = {name: set(targets[(frames.clip == name) & mask[:, 0], 0]) for name in set(frames.clip)}
    both = {name for name, shown in states.items() if len(shown) == 2}
    of_both, known = np.isin(frames.clip, list(both)), mask[:, 0]
    least = min(of_both[known & (targets[:, 0] == state)].mean() for state in (0, 1))
    for state in (0, 1):
        inside = known & (targets[:, 0] == state)
        kinds = [sorted({*frames.clip[inside & of_both]}), sorted({*frames.clip[inside & ~of_both]})]
        share = min(0.5, 8 * least) if all(kinds) else float(bool(kinds[0]))
        for kind, weight in zip(kinds, (share, 1 - share), strict=True):
            for name in kind:
                chosen = inside & (frames.clip == name)
                expected[chosen] = 0.5 * weight / len(kind) / chosen.sum()
    assert expected.sum() == pytest.approx(1)
    sampler = Sampler(frames, random.permutation(30), np.random.default_rng(seed), balance=True)
    drawn = np.bincount(sampler.draw(40_000), minlength=30) / 40_000
    assert drawn == pytest.approx(expected, abs=0.012)


def test_a_large_set_is_sorted_once_and_drawn_from_without_a_loop() -> None:
    """300,000 frames of 3,000 clips and two organs: no pass over the frames for each clip, no draw for each row."""
    count = 300_000
    random = np.random.default_rng(0)
    small = frame_set(clips=2, frames=1)
    large = replace(
        small,
        images=np.broadcast_to(small.images[:1], (count, *small.images.shape[1:])),
        targets=(random.random((count, 2)) < 0.3).astype(np.float32),
        mask=np.ones((count, 2), bool),
        clip=np.char.mod("clip%04d", np.arange(3000)).repeat(100),
        split=np.full(count, "train"),
    )
    calls = 0

    class Counting:
        """Stands for a generator, and counts what is asked of it."""

        def __getattr__(self, name: str) -> object:
            nonlocal calls
            calls += 1
            return getattr(random, name)

    sampler = Sampler(large, np.arange(count), Counting(), balance=True)  # type: ignore[arg-type]
    assert len(set(sampler.draw(4096))) > 3900
    assert calls <= 16
