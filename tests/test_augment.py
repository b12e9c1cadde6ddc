"""Augmentation: each change does what it is named for, and nothing else happens."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from seqcls.augment import augment
from seqcls.errors import UsageError
from seqcls.trainoptions import AugmentOptions

SIZE = 32
OFF = {f.name: 0.0 for f in fields(AugmentOptions) if f.name not in ("strength", "flip")}


def pictures(count: int = 64) -> torch.Tensor:
    """A bright disc left of the middle in a gray sector, black outside."""
    y, x = np.mgrid[:SIZE, :SIZE]
    picture = np.where(np.abs(x - 16) < 3 + y * 0.4, 80, 0)
    picture[(x - 11) ** 2 + (y - 18) ** 2 < 12] = 200
    return torch.from_numpy(np.repeat(picture[None].astype(np.uint8), count, 0))


def changed(seed: int = 0, count: int = 64, **options: object) -> torch.Tensor:
    """Pictures after the stated changes alone."""
    stated = {**OFF, "flip": False, **options}
    return augment(pictures(count), AugmentOptions(**stated), torch.Generator().manual_seed(seed))


def test_strength_zero_is_the_identity() -> None:
    out = augment(pictures(), AugmentOptions(strength=0, flip=False), torch.Generator())
    assert torch.equal(out, pictures().float())
    assert out.dtype == torch.float32


def test_all_amounts_zero_change_nothing_to_speak_of() -> None:
    assert (changed() - pictures().float()).abs().max() < 0.05


def test_a_seed_gives_the_same_pictures_again_and_each_picture_its_own_change() -> None:
    options = AugmentOptions()
    first, again, other = (augment(pictures(), options, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(torch.unique(first.flatten(1), dim=0)) == len(first)
    assert first.min() >= 0
    assert first.max() <= 255


def test_flip_mirrors_about_half_of_them_exactly() -> None:
    out = augment(pictures(200), AugmentOptions(strength=0), torch.Generator().manual_seed(0))
    same = (out == pictures(200)).flatten(1).all(dim=1)
    mirrored = (out == pictures(200).flip(-1)).flatten(1).all(dim=1)
    assert bool((same ^ mirrored).all())
    assert 70 < int(mirrored.sum()) < 130


@pytest.mark.parametrize("name", ["gain", "tgc", "speckle", "contrast", "gamma", "shadow", "cutout", "blur"])
def test_what_is_black_stays_black(name: str) -> None:
    out = changed(
        **{name: 1.0 if name in ("shadow", "cutout", "blur") else 20.0 if name in ("gain", "tgc", "speckle") else 0.5}
    )
    assert out[pictures() == 0].abs().max() == 0
    assert (out - pictures()).abs().max() > 1  # but something happened


def disc(out: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Centre of what is bright, (N,) x and y."""
    weight = (out > 140).float()
    y, x = torch.meshgrid(torch.arange(SIZE).float(), torch.arange(SIZE).float(), indexing="ij")
    total = weight.sum((1, 2)).clamp_min(1)
    return (weight * x).sum((1, 2)) / total, (weight * y).sum((1, 2)) / total


def test_shift_moves_by_at_most_its_share() -> None:
    x, y = disc(changed(shift=0.1, count=200))
    assert 2.5 < float((x - 11).abs().max()) <= 0.1 * SIZE + 0.5
    assert 2.5 < float((y - 18).abs().max()) <= 0.1 * SIZE + 0.5


def test_scale_changes_the_size_both_ways() -> None:
    area = (changed(scale=0.25, count=200) > 140).sum((1, 2)) / (pictures(1) > 140).sum()
    assert 0.5 < float(area.min()) < 0.8
    assert 1.25 < float(area.max()) < 1.9


def test_rotation_keeps_size_and_distance_from_the_middle() -> None:
    out = changed(rotation_deg=30.0, count=200)
    x, y = disc(out)
    radius = ((x - 15.5) ** 2 + (y - 15.5) ** 2).sqrt()
    assert float((radius - radius[0]).abs().max()) < 0.7
    angle = torch.rad2deg(torch.atan2(y - 15.5, x - 15.5) - np.arctan2(18 - 15.5, 11 - 15.5))
    angle = (angle + 180) % 360 - 180
    assert 25 < float(angle.abs().max()) < 33


def test_gain_adds_one_level_to_a_whole_picture() -> None:
    difference = changed(gain=20.0) - pictures()
    inside = pictures()[0] == 80
    assert float(difference[:, inside].std(dim=1).max()) < 0.1
    assert 15 < float(difference[:, inside].mean(dim=1).abs().max()) <= 20.1


def test_gain_compensation_changes_along_depth_only() -> None:
    difference = (changed(tgc=40.0) - pictures())[:, :, 15:17]
    assert float(difference.std(dim=2).max()) < 0.1
    assert float((difference[:, -1] - difference[:, 0]).abs().max()) > 15


def test_shadow_darkens_downwards() -> None:
    share = changed(shadow=1.0, count=200)[:, :, 16] / 80
    assert float(share.max()) <= 1.001
    assert float((share[:, -1] - share[:, 0]).min()) < -0.4
    assert float((share[:, -1] - share[:, 0]).max()) < 0.2


def test_strength_scales_the_amounts() -> None:
    weak, full = (float((changed(gain=20.0, strength=s) - pictures()).abs().mean()) for s in (0.25, 1.0))
    assert weak == pytest.approx(full / 4, rel=0.05)


@pytest.mark.parametrize(
    "wrong", [{"strength": -1}, {"gain": float("nan")}, {"shadow": 1.5}], ids=["negative", "nan", "share above 1"]
)
def test_impossible_options_are_refused(wrong: dict) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} must be"):
        AugmentOptions(**wrong)
