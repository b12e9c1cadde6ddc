"""Augmentation: each change does what it is named for, and nothing else happens."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from seqcls.errors import UsageError
from seqcls.training.augment import augment
from seqcls.training.options import AugmentOptions

SIZE = 32
OFF = {f.name: 0.0 for f in fields(AugmentOptions) if f.name not in ("strength", "flip")}


def images(count: int = 64) -> torch.Tensor:
    """A bright disc left of the middle in a gray sector, black outside."""
    y, x = np.mgrid[:SIZE, :SIZE]
    image = np.where(np.abs(x - 16) < 3 + y * 0.4, 80, 0)
    image[(x - 11) ** 2 + (y - 18) ** 2 < 12] = 200
    return torch.from_numpy(np.repeat(image[None].astype(np.uint8), count, 0))


def apply(images: torch.Tensor, options: AugmentOptions, seed: int = 0) -> torch.Tensor:
    nothing = torch.zeros(len(images), 1)
    return augment(images, nothing, nothing == 0, options, torch.Generator().manual_seed(seed))[0]


def changed(count: int = 64, **options: object) -> torch.Tensor:
    """Pictures after the stated changes alone."""
    return apply(images(count), AugmentOptions(**{**OFF, "flip": False, **options}))


def test_strength_zero_is_the_identity() -> None:
    out = apply(images(), AugmentOptions(strength=0, flip=False))
    assert torch.equal(out, images().float())
    assert out.dtype == torch.float32


def test_a_share_of_the_images_stays_as_it_is() -> None:
    images = torch.randint(0, 256, (300, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    targets, known = torch.arange(300.0).view(-1, 1) % 2, torch.arange(300).view(-1, 1) % 3 > 0
    out, shown, judged = augment(images, targets, known, AugmentOptions(clean=0.3), torch.Generator().manual_seed(0))
    clean = (out == images).flatten(1).all(dim=1)
    assert 60 < int(clean.sum()) < 120
    assert torch.equal(shown[clean], targets[clean])
    assert torch.equal(judged[clean], known[clean])
    assert not torch.equal(judged, known)


def test_all_amounts_zero_change_nothing_to_speak_of() -> None:
    assert (changed() - images().float()).abs().max() < 0.05


def test_a_seed_gives_the_same_images_again_and_each_image_its_own_change() -> None:
    first, again, other = (apply(images(), AugmentOptions(clean=0), seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(torch.unique(first.flatten(1), dim=0)) == len(first)
    assert first.min() >= 0
    assert first.max() <= 255


def test_flip_mirrors_about_half_of_them_exactly() -> None:
    out = apply(images(200), AugmentOptions(strength=0))
    same = (out == images(200)).flatten(1).all(dim=1)
    mirrored = (out == images(200).flip(-1)).flatten(1).all(dim=1)
    assert bool((same ^ mirrored).all())
    assert 70 < int(mirrored.sum()) < 130


TONES = ["gain", "depth_gain", "lateral_gain", "gamma", "reject", "speckle", "sharpen", "shadow", "wedge", "cutout"]


@pytest.mark.parametrize("name", TONES)
def test_what_is_black_stays_black(name: str) -> None:
    out = changed(**{name: 0.5})
    outside = torch.nn.functional.max_pool2d((images() > 0).float(), 5, 1, 2) == 0  # beyond the reach of the blur
    assert out[outside].abs().max() < 0.01
    assert (out - images()).abs().max() > 1  # but something happened


def disc(out: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Centre of what is bright, (N,) x and y."""
    weight = (out > 140).float()
    y, x = torch.meshgrid(torch.arange(SIZE).float(), torch.arange(SIZE).float(), indexing="ij")
    total = weight.sum((1, 2)).clamp_min(1)
    return (weight * x).sum((1, 2)) / total, (weight * y).sum((1, 2)) / total


def test_shift_moves_by_at_most_its_share() -> None:
    x, y = disc(changed(shift=0.1, count=200))
    assert 2.5 < float((x - 11).abs().max()) <= 0.1 * SIZE + 0.5
    assert 1 < float((y - 18).abs().max()) <= 0.05 * SIZE + 0.5  # probes lift less than they slide


def test_scale_changes_the_size_both_ways() -> None:
    area = (changed(scale=0.25, count=200) > 140).sum((1, 2)) / (images(1) > 140).sum()
    assert 0.45 < float(area.min()) < 0.8
    assert 1.25 < float(area.max()) < 1.9


def test_rotation_keeps_size_and_distance_from_the_middle() -> None:
    out = changed(rotation_deg=30.0, count=200)
    x, y = disc(out)
    radius = ((x - 15.5) ** 2 + (y - 15.5) ** 2).sqrt()
    assert float((radius - radius[0]).abs().max()) < 0.7
    angle = torch.rad2deg(torch.atan2(y - 15.5, x - 15.5) - np.arctan2(18 - 15.5, 11 - 15.5))
    angle = (angle + 180) % 360 - 180
    assert 25 < float(angle.abs().max()) < 33


def test_gain_multiplies_a_whole_image() -> None:
    factor = changed(gain=0.4)[:, images()[0] == 80] / 80
    assert float(factor.std(dim=1).max()) < 1e-3
    logarithms = factor.mean(dim=1).log()
    assert 0.3 < float(logarithms.max()) < 0.401
    assert -0.401 < float(logarithms.min()) < -0.3


def test_depth_gain_changes_along_depth_only_and_lateral_gain_across_only() -> None:
    along, across = (changed(**{name: 0.3}) / images() for name in ("depth_gain", "lateral_gain"))
    strip = along[:, :, 15:17]
    assert float(strip.std(dim=2).max()) < 1e-3
    assert float((strip[:, -1] - strip[:, 0]).abs().max()) > 0.3
    strip = across[:, 29:, 8:24]
    assert float(strip.std(dim=1).max()) < 1e-3
    assert float((strip[:, :, -1] - strip[:, :, 0]).abs().max()) > 0.1


def test_rejection_takes_weak_echoes_first() -> None:
    out = changed(reject=0.5, count=200)
    assert int((out[:, 31, 16] == 0).sum()) > 20  # 80 of 255 is below some floors
    assert bool((out[:, 18, 11] > 100).all())


def test_sharpening_goes_both_ways() -> None:
    contrast = changed(sharpen=1.0)[:, 18, 11] - changed(sharpen=1.0)[:, 18, 16]
    assert float(contrast.min()) < 115
    assert float(contrast.max()) > 122


def test_shadow_darkens_downwards() -> None:
    share = changed(shadow=1.0, count=200)[:, :, 16] / 80
    assert float(share.max()) <= 1.001
    assert float((share[:, -1] - share[:, 0]).min()) < -0.4


def test_wedge_blackens_the_sides_and_never_the_middle() -> None:
    white = torch.full((200, SIZE, SIZE), 200, dtype=torch.uint8)
    out = apply(white, AugmentOptions(**{**OFF, "flip": False, "wedge": 1.0}))
    assert bool((out[:, :, 16] > 150).all())
    left, right = out[:, 0, 0] < 10, out[:, 0, -1] < 10
    assert bool((left | right).all())
    assert 40 < int((left & right).sum()) < 120


def test_cutout_is_one_black_box() -> None:
    white = torch.full((50, SIZE, SIZE), 200, dtype=torch.uint8)
    black = apply(white, AugmentOptions(**{**OFF, "flip": False, "cutout": 1.0})) == 0
    rows, columns = black.any(dim=2).sum(dim=1), black.any(dim=1).sum(dim=1)
    assert torch.equal(black.sum(dim=(1, 2)), rows * columns)
    assert int(rows.max()) <= 0.35 * SIZE + 1
    assert int(rows.max()) > 5


def test_a_curtain_shows_two_images_and_says_what_holds_of_them() -> None:
    # Present images are bright, absent ones dark, so what is left of presence can be read off.
    count = 400
    present = torch.arange(count) % 2 == 0
    images = torch.where(present, 200, 50).to(torch.uint8).view(-1, 1, 1).expand(count, SIZE, SIZE).contiguous()
    known = torch.arange(count).view(-1, 1) % 5 != 0
    options = AugmentOptions(**{**OFF, "flip": False, "curtain": 1.0, "curtain_least": 0.5})
    out, targets, judged = augment(
        images, present.float().view(-1, 1), known, options, torch.Generator().manual_seed(0)
    )
    share = (out.mean(dim=(1, 2)) - 50) / 150
    pure_absent, pure_present, mostly, partly = share < 0.001, share > 0.999, share > 0.51, share < 0.49
    assert bool((targets[pure_absent] == 0).all())
    assert bool((targets[~pure_absent] == 1).all())
    mixed = ~pure_absent & ~pure_present
    assert not bool(judged[mixed & partly].any())
    assert 0.5 < float(judged[mixed & mostly].float().mean()) < 0.75  # both labelled: 0.8 * 0.8
    assert int(mixed.sum()) > 150
    assert not bool(judged[~known].any())


def test_a_curtain_is_drawn_over_its_share_only() -> None:
    images = torch.arange(200, dtype=torch.uint8).view(-1, 1, 1).expand(200, SIZE, SIZE).contiguous()
    nothing = torch.zeros(200, 1)
    options = AugmentOptions(**{**OFF, "flip": False, "curtain": 0.3})
    out, targets, judged = augment(images, nothing, nothing == 0, options, torch.Generator().manual_seed(0))
    touched = (out - images).abs().amax(dim=(1, 2)) > 0.5
    assert 30 < int(touched.sum()) < 90
    assert bool(judged.all())
    assert not bool(targets.any())


def test_strength_scales_the_amounts() -> None:
    weak, full = (float(changed(gain=0.4, strength=s)[:, 31, 16].div(80).log().abs().mean()) for s in (0.25, 1.0))
    assert weak == pytest.approx(full / 4, rel=0.05)


@pytest.mark.parametrize(
    "wrong", [{"strength": -1}, {"gain": float("nan")}, {"shadow": 1.5}], ids=["negative", "nan", "share above 1"]
)
def test_impossible_options_are_refused(wrong: dict) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} must be"):
        AugmentOptions(**wrong)
