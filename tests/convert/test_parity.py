"""The comparison of a converted model with the original: every difference counts, in frames and in intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.networks import HEADER, disc_frames

from seqcls.convert.parity import parity_report
from seqcls.datasets.dataset import FrameSet


@pytest.fixture(scope="module")
def frames() -> FrameSet:
    return disc_frames()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"mean": 0.03}, "drift"),
        ({"mean": float("nan")}, "drift"),
        ({"auroc_after": 0.9}, "AUROC"),
        ({"gained": 1}, "1 interval gained"),
        ({"lost": 2}, "2 lost"),
    ],
    ids=str,
)
def test_every_kind_of_difference_counts(frames: FrameSet, change: dict[str, float], problem: str) -> None:
    scores = frames.targets * 0.8 + 0.1
    parity = parity_report(HEADER, scores, scores, origin="validation", frames=frames)
    assert parity.problems(0.02) == []
    spoilt = replace(parity, organs=(replace(parity.organs[0], **change),))  # type: ignore[arg-type]
    (found,) = spoilt.problems(0.02)
    assert problem in found


def test_flipped_frames_and_intervals_are_counted(frames: FrameSet) -> None:
    before = frames.targets * 0.8 + 0.1
    after = before.copy()
    after[12:30] = before.min()  # the first clip's presence is gone
    after[40:44] = before.max()  # and another is there that was not
    parity = parity_report(HEADER, before, after, origin="validation", frames=frames)
    (organ,) = parity.organs
    assert (organ.flipped, organ.intervals, organ.gained, organ.lost) == (22, 6, 1, 1)
    assert organ.mean == pytest.approx(0.8 * 22 / 240) and organ.largest == pytest.approx(0.8)
    # Of 108 frames with the organ 18 score low, of 132 without 4 score high: 90 / 108 * 128 / 132 and half the ties.
    assert organ.auroc_after == pytest.approx(90 / 108 * 128 / 132 + (90 * 4 + 18 * 128) / (2 * 108 * 132))


def test_a_presence_torn_in_two_is_one_gained(frames: FrameSet) -> None:
    before = frames.targets * 0.8 + 0.1
    after = before.copy()
    after[19:23] = 0.1
    parity = parity_report(HEADER, before, after, origin="validation", frames=frames)
    assert (parity.organs[0].gained, parity.organs[0].lost) == (1, 0)


def test_what_was_not_labelled_is_no_presence(frames: FrameSet) -> None:
    """Frames 18 to 23 of a presence are missing: what lies between is unknown, not bridged."""
    kept = np.r_[0:18, 24:40]
    arrays = ("images", "targets", "mask", "clip", "patient", "split", "time_s")
    part = replace(frames, **{name: getattr(frames, name)[kept] for name in arrays})
    scores = part.targets * 0.8 + 0.1
    parity = parity_report(HEADER, scores, scores, origin="validation", frames=part)
    assert parity.organs[0].intervals == 2


def test_what_the_default_precision_adds_is_kept_apart(frames: FrameSet) -> None:
    """It lies between the converted model's own scores, and is no reason to refuse the model."""
    before = frames.targets * 0.8 + 0.1
    by_default = before.copy()
    by_default[:24] += 0.05
    parity = parity_report(HEADER, before, before, by_default=by_default, origin="validation", frames=frames)
    (organ,) = parity.organs
    assert (organ.largest, organ.mean) == (0.0, 0.0)
    assert (organ.default_largest, organ.default_mean) == pytest.approx((0.05, 0.005), abs=1e-6)
    assert parity.problems(0.001) == []


def test_without_labels_there_is_no_auroc(frames: FrameSet) -> None:
    scores = frames.targets * 0.8 + 0.1
    blind = replace(frames, mask=np.zeros_like(frames.mask))
    for shown in (blind, None):
        (organ,) = parity_report(HEADER, scores, scores, origin="random", frames=shown).organs
        assert (organ.auroc_before, organ.auroc_after, organ.auroc_change) == (None, None, 0.0)
