"""Frames of a folder, scored as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.fakes import SIZE, detector
from support.frame_sets import frame_set

from seqcls.errors import DataError
from seqcls.evaluation.evaluate import evaluate_frames
from seqcls.evaluation.scored_frames import score_frames
from seqcls.models.trained_on import TrainedOn


def test_frames_are_scored_in_their_order_and_only_for_what_they_are_labelled() -> None:
    """Of the model's organs the folder knows "bar" alone, and labels it in clips 0 to 3."""
    frames = frame_set()
    images = np.zeros((len(frames.images), SIZE, SIZE), np.uint8)
    images[:] = np.where(frames.targets[:, 1] > 0.5, 230, 20)[:, None, None]
    site = np.where(frames.clip == "clip0", "north", "south")
    model = detector(("liver", "bar"))  # brightness is the liver, darkness the bar
    frames = replace(frames, images=images, site=site)
    rows = np.arange(0, len(frames.images), 2)
    scored = score_frames(model, frames, rows)
    assert scored.organs == ("liver", "bar") and scored.codes.shape == scored.score.shape == (len(rows), 2)
    assert (scored.codes[:, 0] == -1).all() and scored.rows(0).tolist() == []
    expected = np.where(frames.mask[rows, 1], np.nan_to_num(frames.targets[rows, 1]), -1)
    assert np.array_equal(scored.codes[:, 1], expected)
    assert scored.score[:, 1] == pytest.approx(1 - images[rows, 0, 0] / 255, abs=1e-6)
    found = evaluate_frames(model, frames, np.arange(len(frames.images)))
    assert [organ.organ for organ in found.organs] == ["bar"] and found.clips == ()
    (bar,) = found.organs
    assert (bar.frames.count, bar.intervals, bar.frames.auroc) == (48, None, 0.0)
    assert "edit" not in bar.spread and {(g.by, g.name) for g in found.subgroups} == {
        ("site", "north"),
        ("site", "south"),
    }


def test_frames_that_were_trained_on_are_counted() -> None:
    frames = frame_set()
    images = np.random.default_rng(0).integers(0, 255, (len(frames.images), SIZE, SIZE), np.uint8)
    frames = replace(frames, images=images, organs=("liver", "bar"))
    model = detector(("liver", "bar"))
    marks = TrainedOn.of("data", images[:20], patients=["p2"])  # clip 0, most of clip 1, and a patient of clips 4 and 5
    model = replace(model, header=replace(model.header, trained_on=(marks,)))
    found = evaluate_frames(model, frames, np.arange(len(images)))
    assert found.frames_seen == 20 and found.caveats[0] == "20 of 72 frames of the folder were trained on"
    assert {name: seen for name, seen in found.seen.items() if seen} == {
        "clip0": ("frames",), "clip1": ("frames",), "clip4": ("patient",), "clip5": ("patient",)
    }  # fmt: skip


def test_frames_of_other_organs_are_an_error() -> None:
    with pytest.raises(DataError, match="the model knows liver, kidney, the frames are labelled for disc, bar"):
        evaluate_frames(detector(), frame_set(), np.arange(3))
