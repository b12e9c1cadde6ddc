"""Quantization: which frames its calibration sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.networks import disc_frames

from seqcls.convert.quantize import calibration_rows
from seqcls.datasets.dataset import FrameSet


@pytest.fixture(scope="module")
def frames() -> FrameSet:
    return disc_frames()


def test_calibration_is_spread_over_states_and_clips(frames: FrameSet) -> None:
    rows = calibration_rows(frames, 40)
    assert len(rows) <= 40 and set(frames.split[rows]) == {"train"}
    for clip in ("c0", "c1", "c2", "c3", "c4"):
        states = frames.targets[rows[frames.clip[rows] == clip], 0]
        assert set(states) == {0.0, 1.0} and 0.4 <= states.mean() <= 0.6
    few = replace(frames, split=np.full(len(frames.split), "validation"))
    assert len(calibration_rows(few, 7)) == 7
