"""Augmentation: each change does what it is named for, and nothing else happens."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve1d, map_coordinates

from seqcls.errors import UsageError
from seqcls.training import augment as module
from seqcls.training.augment import Numbers, augment
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


def plainly(images: np.ndarray, options: AugmentOptions, numbers: Numbers) -> tuple[np.ndarray, np.ndarray]:
    """The same changes, image by image in float64 of 0..1, each formula as it reads in a book; and what share of each
    image the curtain leaves."""
    even = iter(numbers.even.squeeze((2, 3)).double().numpy())  # (N,) at a time
    count, size = len(images), images.shape[1]
    s = options.strength
    y, x = (np.mgrid[:size, :size] + 0.5) / size  # places 0..1

    def between(low: float = -1.0, high: float = 1.0) -> np.ndarray:
        return next(even) * (high - low) + low

    def chance(share: float) -> np.ndarray:
        return next(even) < share

    def sigmoid(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    def blur(image: np.ndarray) -> np.ndarray:
        row = np.array([1, 4, 6, 4, 1]) / 16
        return convolve1d(convolve1d(image, row, 0, mode="constant"), row, 1, mode="constant")

    angle, zoom, stretch = between() * math.radians(options.rotation_deg) * s, between() * options.scale * s, between()
    right, down, mirrored = between() * options.shift * s, between() * options.shift * s / 2, chance(options.flip / 2)
    wide, deep = np.exp(-zoom), np.exp(-zoom - stretch * options.stretch * s)
    floor = between(0, 1) * min(0.9, options.reject * s)
    gamma, gain = np.exp(between() * options.gamma * s), between() * options.gain * s
    at = np.linspace(0, 3, size)
    toned = []
    for i, image in enumerate(images):
        u, v = x - 0.5, y - 0.5
        cosine, sine, side = np.cos(angle[i]), np.sin(angle[i]), -1 if mirrored[i] else 1
        across = side * cosine * wide[i] * u - sine * deep[i] * v + right[i] + 0.5
        along = side * sine * wide[i] * u + cosine * deep[i] * v + down[i] + 0.5
        moved = map_coordinates(image / 255.0, [along * size - 0.5, across * size - 0.5], order=1, mode="grid-constant")
        heard = np.maximum(moved - floor[i], 0) / (1 - floor[i])
        down_curve, across_curve = (np.interp(at, range(4), knots) for knots in numbers.knots[i].double().numpy())
        curves = down_curve[:, None] * options.depth_gain * s + across_curve * options.lateral_gain * s
        toned.append(np.clip(heard ** gamma[i] * np.exp(gain[i] + curves), 0, 1))
    used, edge, slant = chance(min(1, options.curtain * s)), between(0.2, 0.8), between(-0.4, 0.4)
    steep, own_side = np.exp(between(math.log(8), math.log(60))), chance(0.5)
    amount, textured, noise = between() * min(1, options.sharpen * s), chance(0.6), between(0, 1) * options.speckle * s
    shadows = [
        (chance(min(1, options.shadow * s)), between(-0.5, 0.5), between(0.03, 0.15), between(0, 0.5), between(0.3, 1))
        for _ in range(2)
    ]
    wedge, half = chance(min(1, options.wedge * s)), between(0.15, 0.5) / 2
    left_slant, right_slant, both, is_left = between(0.1, 0.75), between(0.1, 0.75), chance(0.4), chance(0.5)
    box, box_x, box_wide = chance(min(1, options.cutout * s)), between(0, 1), between(0.05, 0.175)
    box_y, box_deep = between(0, 1), between(0.05, 0.175)
    clean = chance(options.clean)
    assert next(even, None) is None  # all are used
    results, shares = [], []
    for i, image in enumerate(images):
        own = sigmoid((x - edge[i] - slant[i] * (y - 0.5)) * steep[i])
        own = np.ones_like(x) if not used[i] else own if own_side[i] else 1 - own
        shares.append(own.mean())
        out = toned[i] * own + toned[numbers.order[i]] * (1 - own)
        out = out + (amount[i] * textured[i]) * (out - blur(out))
        grain = numbers.grain[i].double().numpy()
        out = np.clip(out * (1 + noise[i] * (blur(grain) * 2.5 if i < count // 2 else grain)), 0, 1)
        for shadow, aside, width, begins, strength in shadows:
            strip = np.exp(-(((x - 0.5 - aside[i] * (0.4 + 1.2 * y)) / width[i]) ** 2))
            out = out * (1 - shadow[i] * strength[i] * strip * sigmoid((y - begins[i]) * 40))
        left = sigmoid((x - (0.5 - half[i] - left_slant[i] * y)) * 60)
        right_edge = sigmoid((0.5 + half[i] + right_slant[i] * y - x) * 60)
        if wedge[i]:
            out = out * (left if both[i] or is_left[i] else 1) * (right_edge if both[i] or not is_left[i] else 1)
        if box[i]:
            out = np.where((abs(x - box_x[i]) < box_wide[i]) & (abs(y - box_y[i]) < box_deep[i]), 0, out)
        results.append(image if clean[i] else out * 255)
    return np.stack(results), np.array(shares)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "options",
    [AugmentOptions(), AugmentOptions(strength=1.7, clean=0.2, shadow=1, wedge=1, cutout=1, curtain=1)],
    ids=["default", "strong"],
)
def test_few_passes_give_what_the_plain_formulas_give(options: AugmentOptions, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (21, 24, 24), dtype=torch.uint8, generator=random) * (torch.arange(24) > 5)
    targets = torch.randint(0, 2, (21, 1), generator=random).float()
    numbers = Numbers.draw(images, random)
    expected, shares = plainly(images.numpy(), options, numbers)
    known = targets >= 0
    exact = replace(numbers, even=numbers.even.double(), knots=numbers.knots.double(), grain=numbers.grain.double())
    out, shown, judged = module.changed(images.double(), targets, known, options, exact)
    assert out.numpy() == pytest.approx(expected, abs=1e-7)
    quick = module.changed(images.float(), targets, known, options, numbers)[0]
    edges = (quick - out).abs() > 0.02  # of a box, where float32 may fall on the other side
    assert int(edges.sum()) < 30
    clean = (out == images).flatten(1).all(dim=1)
    kept = torch.from_numpy(shares)
    left = targets[:, 0].double() * kept + targets[numbers.order, 0].double() * (1 - kept)
    assert torch.equal(shown[~clean, 0] > 0, left[~clean] > 0)
    assert torch.equal(judged[~clean, 0], ((left == 0) | (left >= options.curtain_least))[~clean])


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
