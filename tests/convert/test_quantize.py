"""Quantization: which frames its calibration sees, and that it counts nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.networks import disc_frames, needs

from seqcls.convert.quantize import calibration_rows
from seqcls.datasets.dataset import FrameSet


@pytest.fixture(scope="module")
def frames() -> FrameSet:
    return disc_frames()


@needs("nncf")
def test_quantizing_counts_nobody(tmp_path: Path) -> None:
    """NNCF sets up Google Analytics when it is imported, unless it cannot."""
    code = (
        "from seqcls.convert.quantize import _without_telemetry\n"
        "with _without_telemetry(): import nncf\n"
        "from nncf.telemetry.wrapper import telemetry; from unittest.mock import MagicMock\n"
        "print(isinstance(telemetry, MagicMock))"
    )
    home = {**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=home, capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr
    assert not (tmp_path / "intel").exists()


def test_calibration_is_spread_over_states_and_clips(frames: FrameSet) -> None:
    rows = calibration_rows(frames, 40)
    assert len(rows) <= 40 and set(frames.split[rows]) == {"train"}
    for clip in ("c0", "c1", "c2", "c3", "c4"):
        states = frames.targets[rows[frames.clip[rows] == clip], 0]
        assert set(states) == {0.0, 1.0} and 0.4 <= states.mean() <= 0.6
    few = replace(frames, split=np.full(len(frames.split), "validation"))
    assert len(calibration_rows(few, 7)) == 7
