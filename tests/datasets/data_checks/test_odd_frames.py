"""What is set aside, and for which reason; and that a clean set loses nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.scenes import scenes

from seqcls.datasets.data_checks.odd_frames import odd_frames
from seqcls.datasets.dataset import FrameSet
from seqcls.datasets.frame_facts import FrameFacts


def facts(frames: FrameSet) -> FrameFacts:
    assert frames.facts is not None
    return frames.facts


def test_a_clean_set_loses_nothing() -> None:
    assert odd_frames(scenes()) == ()


@pytest.mark.parametrize(
    ("fault", "reason", "odd"),
    [
        ("black", "blank: hardly anything", False),
        ("flat", "blank: one gray level", False),
        ("menu", "not ultrasound", True),
        ("colour", "odd colour", True),
        ("size", "odd size", True),
        ("bright", "odd brightness: far brighter", True),
        ("dark", "odd brightness: far darker", True),
    ],
)
def test_each_odd_frame_is_named_with_its_reason(fault: str, reason: str, odd: bool) -> None:
    frames = scenes()
    images, own = frames.images.copy(), facts(frames)
    if fault in ("black", "flat"):
        images[5] = 0 if fault == "black" else 90
    elif fault in ("bright", "dark"):
        images = (images * 0.35).astype(np.uint8) + 30 if fault == "bright" else images
        images[5] = np.clip(images[5] * 3.5, 0, 255) if fault == "bright" else images[5] // 5 + 20
    elif fault == "menu":
        own = replace(own, ultrasound=np.arange(96) != 5)
    elif fault == "colour":
        own = replace(own, colour=np.where(np.arange(96) == 5, 0.4, 0.0))
    else:
        own = replace(own, width=np.where(np.arange(96) == 5, 800, 640), found=np.arange(96) != 5)
    (one,) = odd_frames(replace(frames, images=images, facts=own))
    assert (one.name, one.row, one.odd) == ("c0.mp4, frame 5", 5, odd) and one.reason.startswith(reason)


def test_two_scanners_and_a_doppler_clip_are_not_odd() -> None:
    frames = scenes()
    width = np.where(np.arange(96) < 16, 1024, 640)
    colour = np.where(np.arange(96) < 16, 0.3, 0.0)
    assert odd_frames(replace(frames, facts=replace(facts(frames), width=width, colour=colour))) == ()


def test_images_that_cannot_be_read_are_listed_last() -> None:
    frames = scenes()
    (one,) = odd_frames(replace(frames, facts=replace(facts(frames), unreadable=("train/node present/cut.png",))))
    assert (one.name, one.row) == ("train/node present/cut.png", -1) and "cannot be read" in one.reason
