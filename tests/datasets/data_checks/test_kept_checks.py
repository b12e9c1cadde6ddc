"""What the checks found, kept: the same findings, and never those of other frames or options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.scenes import pixels, scenes

from seqcls.datasets.data_checks import DataCheck, check_frames
from seqcls.datasets.data_checks.kept_checks import KEPT, KeptChecks, versions
from seqcls.datasets.dataset import FrameSet

OPTIONS: Mapping[str, Any] = {"keep_odd": False, **versions("torch")}


@pytest.fixture(scope="module")
def frames() -> FrameSet:
    """A blank image, and a validation frame that is a training frame."""
    made = scenes(frames=12)
    images = made.images.copy()
    images[3], images[70] = 0, images[10]
    return replace(made, images=images, hash="abc")


@pytest.fixture(scope="module")
def found(frames: FrameSet) -> DataCheck:
    return check_frames(frames, pixels)


def test_what_was_found_comes_back(frames: FrameSet, found: DataCheck, tmp_path: Path) -> None:
    kept = KeptChecks(tmp_path, frames, OPTIONS)
    assert kept.read() is None and not kept.messages
    kept.keep(found)
    again = KeptChecks(tmp_path, frames, OPTIONS).read()
    assert again is not None and not kept.messages
    assert again.findings == found.findings and any(one.level == "leak" for one in found.findings)
    assert again.set_aside == found.set_aside and again.balance == found.balance and again.parts == found.parts
    assert again.to_dict() == found.to_dict() and again.site_from == found.site_from
    assert again.leaked == found.leaked == 1
    assert again.kept.tolist() == found.kept.tolist()
    assert np.array_equal(again.frames.images, found.frames.images) and again.whole is frames


@pytest.mark.parametrize(
    "change", ["hash", "targets", "split", "clip", "time_s", "facts", "geometry", "site", "options"]
)
def test_of_anything_else_nothing_is_known(frames: FrameSet, found: DataCheck, tmp_path: Path, change: str) -> None:
    KeptChecks(tmp_path, frames, OPTIONS).keep(found)
    options = {**OPTIONS, "keep_odd": True} if change == "options" else OPTIONS
    other: dict[str, Any] = {}
    if change == "hash":
        other["hash"] = "abd"
    elif change == "facts":
        assert frames.facts is not None
        other["facts"] = replace(frames.facts, ultrasound=np.arange(len(frames.images)) != 5)
    elif change == "geometry":
        other["geometry"] = replace(frames.geometry, region="none")
    elif change == "site":
        other["site"] = np.full(len(frames.images), "A")
    elif change != "options":
        column = getattr(frames, change).copy()
        column[0] = column[-1]
        if change == "targets":
            column[0] = 1 - frames.targets[0]
        other[change] = column
    kept = KeptChecks(tmp_path, replace(frames, **other), options)
    assert kept.read() is None and not kept.messages


@pytest.mark.parametrize("damage", ["cut", "text", "key", "value"])
def test_what_is_damaged_is_named_and_not_taken(
    frames: FrameSet, found: DataCheck, tmp_path: Path, damage: str
) -> None:
    kept = KeptChecks(tmp_path, frames, OPTIONS)
    kept.keep(found)
    (path,) = tmp_path.iterdir()
    body = json.loads(path.read_text())
    if damage == "value":
        body["found"]["findings"] = []
    elif damage == "key":
        body["key"] = "0" * 64
    path.write_text({"cut": path.read_text()[:-9], "text": "x"}.get(damage) or json.dumps(body))
    assert kept.read() is None and "the checks are done anew" in kept.messages[0]
    kept.keep(found)
    assert kept.read() is not None


def test_the_newest_stay_and_a_folder_that_cannot_be_is_no_error(
    frames: FrameSet, found: DataCheck, tmp_path: Path
) -> None:
    for number in range(KEPT + 2):
        KeptChecks(tmp_path, frames, {"number": number}).keep(found)
    assert len(list(tmp_path.iterdir())) == KEPT
    assert KeptChecks(tmp_path, frames, {"number": KEPT + 1}).read() is not None
    (tmp_path / "file").write_text("")
    kept = KeptChecks(tmp_path / "file", frames, OPTIONS)
    kept.keep(found)
    assert len(kept.messages) == 1 and "is not kept" in kept.messages[0]
