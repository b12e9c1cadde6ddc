"""How much there is of what: figures by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.scenes import scenes

from seqcls.datasets.data_checks.balance import (
    advice,
    balance_of,
    equal_weights,
    few_frames,
    independent_frames,
    intraclass_correlation,
    parts_of,
    presences,
    sites_of,
)
from seqcls.datasets.dataset import FrameSet


def kinds(frames: FrameSet) -> list[str]:
    return [one.kind for one in few_frames(balance_of(frames), frames)]


def test_a_row_per_side_and_organ() -> None:
    train, held = balance_of(scenes())
    assert (train.split, train.frames, train.present, train.absent) == ("train", 64, 32, 32)
    assert (train.presences, train.clips, train.patients, train.patients_worth, train.sites) == (4, 4, 4, 4.0, 1)
    assert (held.split, held.frames, held.patients) == ("validation", 32, 2)


def test_parts_hold_what_each_patient_clip_and_site_shows() -> None:
    parts = {(one.unit, one.name): one for one in parts_of(scenes(patients=2, frames=4, validation=1))}
    assert parts["patient", "p1"].states == (("node", 2, 2),) and parts["clip", "c0.mp4"].frames == 4
    assert parts["site", "640x480"].frames == 8


def test_presences_are_runs_and_a_pause_parts_them() -> None:
    frames = scenes(patients=1, frames=8, validation=0)
    targets = np.array([0, 1, 1, 0, 1, 1, 1, 1], np.float32)[:, None]
    frames, rows = replace(frames, targets=targets), np.arange(8)
    assert presences(frames, 0, rows) == 2
    later = frames.time_s + np.where(rows >= 6, 5.0, 0.0)
    assert presences(replace(frames, time_s=later), 0, rows) == 3
    assert presences(replace(frames, time_s=np.full(8, np.nan)), 0, rows[::-1].copy()) == 2  # by the number in the name
    single = replace(frames, time_s=np.full(8, np.nan), clip=np.array([f"{n}.png" for n in range(8)]))
    assert presences(single, 0, rows) is None


def test_patients_of_unequal_weight() -> None:
    """Kish: (90 + 5 + 5)^2 / (90^2 + 5^2 + 5^2) = 10000 / 8150."""
    assert equal_weights(np.repeat(["a", "b", "c"], [90, 5, 5])) == pytest.approx(10000 / 8150)
    assert equal_weights(np.array([], str)) == 0.0


def test_intraclass_correlation_by_hand() -> None:
    """Groups (1, 3) and (5, 7): means 2 and 6, grand 4; MSB = 2 * (4 + 4) / 1 = 16, MSW = 4 / 2 = 2; n0 = 2;
    (16 - 2) / (16 + 2) = 7/9."""
    values, groups = np.array([[1], [3], [5], [7]], np.float32), np.array(["a", "a", "b", "b"])
    assert intraclass_correlation(values, groups) == pytest.approx(7 / 9)
    assert math.isnan(intraclass_correlation(values, np.array(["a"] * 4)))
    assert math.isnan(intraclass_correlation(values, np.array(list("abcd"))))


def test_frames_that_are_all_alike_count_as_one_a_clip() -> None:
    """Each clip shows one value: ICC 1, design effect m = 16, and 64 frames count as 4."""
    frames = scenes()
    features = np.array([[float(name[1])] for name in frames.clip], np.float32)
    count, icc, effect = independent_frames(frames, features, 0)
    assert (count, icc, effect) == pytest.approx((4.0, 1.0, 16.0))


def test_the_site_is_what_the_labels_state_else_the_scanner_else_the_size() -> None:
    frames = scenes(patients=2, frames=2, validation=0)
    assert sites_of(frames)[0].tolist() == ["640x480"] * 4 and "size of the image" in sites_of(frames)[1]
    stated = replace(frames, scanner=np.array(["a", "a", "", ""]))
    assert sites_of(stated)[0].tolist() == ["a", "a", "not stated", "not stated"] and "scanner" in sites_of(stated)[1]
    assert "site" in sites_of(replace(stated, site=np.array(["x"] * 4)))[1]


def test_missing_and_lonely_states_are_named() -> None:
    frames = scenes(patients=5, frames=24)
    assert kinds(frames) == []
    shown = frames.targets.copy()
    shown[frames.split == "validation"] = 0
    assert kinds(replace(frames, targets=shown)) == ["missing class"]
    shown = frames.targets * 0
    shown[-10:] = 1
    shown[7] = 1
    assert kinds(replace(frames, targets=shown)) == ["one image"]
    shown[8:12] = 1
    assert kinds(replace(frames, targets=shown)) == ["few images"]


def test_an_organ_on_one_side_is_named() -> None:
    frames = scenes(patients=5, frames=24)
    two = replace(frames, organs=("node", "vein"), targets=np.repeat(frames.targets, 2, axis=1))
    held = frames.split == "validation"
    for known, text in ((~held, "vein is in training only"), (held, "vein is in validation only")):
        own = replace(two, mask=np.stack([np.ones(len(held), bool), known], axis=1))
        (one,) = few_frames(balance_of(own), own)
        assert one.kind == "organ on one side" and one.text.startswith(text)


def test_advice_is_no_finding() -> None:
    frames = scenes(patients=4, frames=8, validation=0)
    site = np.repeat(["north", "south", "south", "south"], 8)
    only = replace(frames, site=site, targets=np.where((site == "north")[:, None], 1.0, frames.targets))
    found = {one.kind: one.text for one in advice(balance_of(only), only)}
    assert (
        set(found) == {"no validation", "site with one state"}
        and "site north: node present only" in found["site with one state"]
    )
    assert {one.level for one in advice(balance_of(only), only)} == {"advice"}
