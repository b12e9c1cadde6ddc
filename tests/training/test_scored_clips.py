"""Clips to tune on: their times, gaps and labels, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.frame_sets import frame_set
from support.timelines import timeline

from seqcls.datasets.labels import ClipLabels, LabelledSpan
from seqcls.evaluation.clip_truth import align_labels
from seqcls.training.scored_clips import clips_of_frames, scored_clip
from seqcls.types import Gap


def test_frames_become_clips_with_gaps_where_nothing_was_labelled() -> None:
    """Twelve frames at 25 Hz; those of 0.12 s to 0.36 s are missing. They are given in any order."""
    frames = frame_set()
    rows = np.flatnonzero(frames.clip == "clip4")[[11, 10, 9, 2, 1, 0]]
    scores = np.arange(12, dtype=np.float32).reshape(6, 2) / 20
    (clip,) = clips_of_frames(frames, rows, scores)
    table = clip.raw.table()
    assert table.time_s == pytest.approx([0, 0.04, 0.08, 0.36, 0.4, 0.44])
    assert table.duration_s == pytest.approx([0.04] * 6)
    assert table.raw[0].tolist() == scores[5].tolist()
    ((row, gap),) = clip.raw.gaps
    assert row == 3 and gap == Gap(pytest.approx(0.12), pytest.approx(0.36), "not labelled")
    assert clip.missing == ((pytest.approx(0.12), pytest.approx(0.36)),)
    assert (clip.name, clip.start_s, clip.end_s) == ("clip4", 0, pytest.approx(0.48))
    # "disc" is in view in the second half of even clips; "bar" is not labelled in this one.
    assert clip.codes.T.tolist() == [[0, 0, 0, 1, 1, 1], [-1] * 6]


def test_without_times_that_say_when_there_is_nothing_to_tune_on() -> None:
    frames = frame_set()
    rows, scores = np.arange(24), np.zeros((24, 2), np.float32)
    assert len(clips_of_frames(frames, rows, scores)) == 2
    assert clips_of_frames(replace(frames, time_s=frames.time_s * 5), rows, scores) == []  # 0.2 s apart
    assert clips_of_frames(replace(frames, time_s=frames.time_s * np.nan), rows, scores) == []
    assert clips_of_frames(replace(frames, time_s=frames.time_s * 0), rows, scores) == []


def test_a_clip_that_was_analysed() -> None:
    labels = ClipLabels("clip.mp4", "P1", (LabelledSpan("clip.mp4", "liver", "present", 0.2, 0.4),))
    clip = scored_clip(align_labels(timeline(liver="..PP."), labels))
    assert clip.codes[:, 0].tolist() == [-1, -1, 1, 1, -1]
    assert clip.raw.table().raw[:, 0] == pytest.approx([0.1, 0.1, 0.9, 0.9, 0.1])
    assert (clip.start_s, clip.end_s) == (0, pytest.approx(0.5))
