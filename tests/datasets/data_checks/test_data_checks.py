"""All checks together: each fault that is put in is found and named, and a clean set has none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.scenes import pixels, scenes

from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.data_checks import check_frames, check_labels, refuse_leakage
from seqcls.datasets.dataset import frames_from_clips
from seqcls.datasets.labels import read_labels, with_patients
from seqcls.errors import DataError
from seqcls.geometry import Geometry


def test_a_clean_set_gives_advice_alone() -> None:
    check = check_frames(scenes(frames=24), pixels)
    assert check.of("leak", "look") == () and check.set_aside == ()
    refuse_leakage(check, "nowhere")
    (organ, count, icc, effect) = check.independent[0]
    assert organ == "node" and 4 <= count <= 96 and 0 < icc <= 1 and effect >= 1


def test_what_is_set_aside_is_left_out_and_rows_stay_those_of_the_whole() -> None:
    frames = scenes(frames=24)
    images = frames.images.copy()
    images[3], images[130] = 0, images[10]
    check = check_frames(replace(frames, images=images), pixels)
    assert len(check.frames.images) == 143 and check.kept.tolist() == [row for row in range(144) if row != 3]
    assert [one.name for one in check.set_aside] == ["c0.mp4, frame 3"]
    leak = check.of("leak")[0]
    assert leak.rows[0] == 130 and leak.frames[0][0] == "c5.mp4, frame 10"
    with pytest.raises(DataError, match=r"c5\.mp4, frame 10: the validation .* is in here; .*allow_leakage=True"):
        refuse_leakage(check, "here")


def test_odd_frames_are_kept_where_that_is_wanted_and_blank_ones_are_not() -> None:
    frames = scenes(frames=24)
    assert frames.facts is not None
    images = frames.images.copy()
    images[3] = 0
    odd = replace(frames, images=images, facts=replace(frames.facts, ultrasound=np.arange(144) != 9))
    assert [one.row for one in check_frames(odd).set_aside] == [3, 9]
    assert [one.row for one in check_frames(odd, keep_odd=True).set_aside] == [3]


def test_a_state_that_only_blank_images_show_is_named() -> None:
    frames = scenes(frames=24)
    images = np.where(frames.targets[:, :, None] > 0.5, np.uint8(0), frames.images)
    with pytest.raises(
        DataError, match=r"no training frame shows node present once 72 images are set aside, as c0\.mp4"
    ):
        check_frames(replace(frames, images=images))


def test_scores_of_networks_replace_those_of_the_simple_model() -> None:
    frames = scenes(frames=24)
    targets = frames.targets.copy()
    targets[30] = 1 - targets[30]
    check = check_frames(replace(frames, targets=targets), pixels, labels=False)
    assert not check.of("look")
    scores = np.where(frames.targets > 0.5, 0.97, 0.03).astype(np.float32)
    (one,) = check_labels(check, scores).of("look")
    assert one.rows == (30,) and "networks that have not seen their patients" in one.text


def test_the_record_is_plain() -> None:
    record = check_frames(scenes(frames=24)).to_dict()
    assert record["frames"] == 144 and record["balance"][0]["organ"] == "node"
    assert record["independent"] == []


@pytest.mark.real
def test_real_clips_of_two_patients_give_no_finding(real_clips: Path) -> None:
    labels = real_clips / "intervals.json"
    clips = match_clips(with_patients(read_labels(labels), r"(pat\d)"), real_clips, labels)
    wanted = [clip for clip in clips if any(name in clip[1].file for name in ("133043", "134240"))]
    check = check_frames(frames_from_clips(wanted, Geometry(size=64)), pixels)
    assert check.of("leak", "look") == () and {one.patients for one in check.balance} == {2}
