"""What stands on both sides of the split is named, and so is its kin on one side."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.scenes import frame_set, scenes

from seqcls.datasets.data_checks.finding import Finding
from seqcls.datasets.data_checks.leakage import (
    contradictions,
    leakage,
    leaked_rows,
    lone_images,
    same_clips,
    twins_of,
)
from seqcls.datasets.dataset import FrameSet


def leaks(frames: FrameSet) -> list[Finding]:
    return list(leakage(frames, twins_of(frames)))


def test_a_clean_set_has_none() -> None:
    frames = scenes()
    twins = twins_of(frames)
    assert not [*leakage(frames, twins), *same_clips(frames, twins), *contradictions(frames, twins)]


def test_a_patient_on_both_sides_is_named() -> None:
    frames = scenes()
    (one,) = leaks(replace(frames, patient=np.where(frames.clip == "c5.mp4", "p1", frames.patient)))
    assert one.level == "leak" and one.kind == "patient on both sides"
    assert "1 patient stands on both sides of the split: p1;" in one.text
    assert one.frames == (("p1", "16 frames in train and 16 frames in validation"),)


def test_a_clip_on_both_sides_is_named_and_its_frames_too() -> None:
    frames = scenes()
    split = frames.split.copy()
    split[[3, 4]] = "validation"
    clip, patient, twins = leaks(replace(frames, split=split))
    assert (clip.kind, twins.kind) == ("clip on both sides", "near-duplicate across the split")
    assert "p0" in patient.text
    assert "c0.mp4" in clip.text and "c0.mp4, frame 3, c0.mp4, frame 4" in twins.text


@pytest.mark.parametrize(("name", "named"), [("thyroid", False), ("pat07", True)])
def test_names_of_images_name_a_patient_only_with_a_number(name: str, named: bool) -> None:
    """thyroid_0001.png lies on both sides of many a folder."""
    frames = scenes()
    assert frames.facts is not None
    facts = replace(frames.facts, clips="read from names")
    same = np.full(len(frames.clip), name)
    found = [one.kind for one in leaks(replace(frames, clip=same, patient=same, facts=facts))]
    assert found == ["clip on both sides"] * named


def named(frames: FrameSet, clips: list[str]) -> FrameSet:
    assert frames.facts is not None
    names = np.array(clips)
    return replace(frames, clip=names, patient=names, facts=replace(frames.facts, clips="read from names"))


def test_names_by_which_each_image_is_a_clip_are_told() -> None:
    """96 images: 95 are a clip each, as ``neck00_000003_crop.png`` has them; with 3 of a clip none is."""
    frames = scenes()
    count = len(frames.clip)
    (one,) = lone_images(named(frames, [f"neck_{max(1, at):06d}_crop" for at in range(count)]))
    assert one.level == "look" and one.kind == "names that tell no clip"
    told = f"{count} of {count} images are in a clip of 2 images at most, as their names tell it ({count - 1} clips"
    assert told in one.text and "CLIP_NUMBER" in one.text
    assert not [*lone_images(named(frames, [f"neck{at // 3}" for at in range(count)])), *lone_images(frames)]
    few = named(frames, [f"neck{at}" for at in range(count)]).of_rows(np.arange(9))
    assert not [*lone_images(few)] and few.group_name == "clip" and frames.group_name == "patient"


def test_a_copy_encoded_again_is_named_with_its_twin() -> None:
    frames = scenes()
    images = frames.images.copy()
    images[90] = cv2.imdecode(cv2.imencode(".jpg", images[7], [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_GRAYSCALE)
    one = leaks(replace(frames, images=images))[0]
    assert one.text.startswith("1 of 32 validation frames shows the same as a training frame: c5.mp4, frame 10")
    assert one.frames[0][0] == "c5.mp4, frame 10" and one.frames[0][1].startswith("as c0.mp4, frame ")
    assert one.rows[0] == 90 and one.rows[1] < 8 and len(one.frames) == 1
    assert leaked_rows(replace(frames, images=images)).tolist() == [90]


def test_one_recording_under_two_names_is_named() -> None:
    frames = scenes(patients=4, frames=8, validation=0)
    images = frames.images.copy()
    images[16:24] = images[:8]
    twice = frame_set(images, 4, 8, 0)
    (one,) = same_clips(twice, twins_of(twice))
    assert one.text.startswith("c0.mp4 and c2.mp4 look like one recording under two names")
    assert not leaks(twice)  # there is no other side


def test_one_image_with_two_labels_is_named() -> None:
    frames = scenes(patients=3, frames=8, validation=0)
    images = frames.images.copy()
    images[9] = images[6]
    same = replace(frames, images=images)
    (one,) = contradictions(same, twins_of(same))
    assert one.text.startswith("1 image labelled node present and node absent: c0.mp4, frame 6;")
    assert one.frames == (("c0.mp4, frame 6", "present; absent as c1.mp4, frame 1"),)
