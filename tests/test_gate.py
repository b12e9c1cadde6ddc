"""What the gate refuses, and above all what it must not refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import picture
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.gate import Gate, GateOptions
from seqcls.geometry import Geometry, Region
from seqcls.sources import open_source
from seqcls.types import Frame

WHOLE = Region(0, 0, 96, 80, 96, 80)
RATE_HZ = 10.0


def check(images: list[NDArray[np.uint8]], options: GateOptions | None = None, region: Region = WHOLE) -> list[str]:
    gate = Gate(GateOptions() if options is None else options)
    return [gate.check(image, region, index / RATE_HZ) for index, image in enumerate(images)]


def test_a_living_picture_passes() -> None:
    assert check([picture(False, i) for i in range(40)]) == [""] * 40


def test_black_frames_are_named_at_once() -> None:
    black = np.full((80, 96), 4, np.uint8)
    assert check([picture(False, 0), black, picture(False, 2)]) == ["", "black", ""]


def test_a_dark_scan_is_not_black() -> None:
    dim = [(picture(False, i) * 0.25).astype(np.uint8) for i in range(10)]
    assert check(dim) == [""] * 10


def test_frozen_begins_after_its_time_and_ends_with_motion() -> None:
    images = [picture(True, i) for i in range(5)] + [picture(True, 5)] * 15 + [picture(True, i) for i in range(20, 25)]
    assert check(images) == [""] * 15 + ["frozen"] * 5 + [""] * 5


def test_a_clock_outside_the_region_does_not_hide_a_freeze() -> None:
    frozen = picture(True, 3)
    images = []
    for i in range(20):
        image = frozen.copy()
        image[:6, :20] = 255 if i % 2 else 0
        images.append(image)
    assert "frozen" in check(images, region=Region(0, 8, 96, 80, 96, 80))
    assert "frozen" not in check(images)


def test_frames_doubled_by_a_rate_conversion_are_not_frozen() -> None:
    assert check([picture(True, i // 3) for i in range(60)]) == [""] * 60


def test_slow_drift_is_motion() -> None:
    base = picture(True, 0).astype(np.float32)
    images = [np.clip(base + i / 5, 0, 255).astype(np.uint8) for i in range(40)]
    assert check(images) == [""] * 40


def test_it_can_be_switched_off_and_takes_colour() -> None:
    black = np.zeros((80, 96, 3), np.uint8)
    assert check([black]) == ["black"]
    assert check([black] * 30, GateOptions(enabled=False)) == [""] * 30


@pytest.mark.parametrize("wrong", [{"black_level": -1}, {"freeze_s": float("nan")}, {"still_level": -0.1}], ids=str)
def test_impossible_options(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        GateOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.real
def test_real_clips_lose_next_to_nothing(real_clips: Path) -> None:
    lost = total = 0
    for path in sorted((real_clips / "clips").iterdir()):
        frames = [item for item in open_source(path) if isinstance(item, Frame)]
        region = Geometry().find([frame.image for frame in frames[:24]])
        gate = Gate(GateOptions())
        lost += sum(bool(gate.check(frame.image, region, frame.time_s)) for frame in frames)
        total += len(frames)
    assert total > 4000 and lost / total < 0.005
