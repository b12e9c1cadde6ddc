"""Random changes to training pictures that another patient, probe or scanner setting could have made.

Everything works on a whole batch at once, in float32 of 0..255. B-mode is log-compressed, so gain adds, dynamic range
multiplies, and speckle is noise of the same size at every brightness (Kaplan and Ma 1994, 10.1121/1.408577). What is
exactly black (outside the sector, or no echo) stays so, as it does on a scanner.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from seqcls.trainoptions import AugmentOptions


def augment(images: Tensor, options: AugmentOptions, generator: torch.Generator) -> Tensor:
    """(N, S, S) uint8 to (N, S, S) float32 of 0..255, changed at random; ``generator`` must be of the same device."""
    pictures = images.float()
    if not options.active:
        return pictures
    draw = _Draw(len(images), images.device, generator)
    pictures = _move(pictures, options, draw)
    if options.strength == 0:
        return pictures
    echo = pictures > 1.0
    pictures = _tone(pictures, options, draw)
    pictures = _speckle(pictures, options, draw)
    pictures = _hide(pictures, options, draw)
    return torch.where(echo, pictures, 0.0).clamp_(0, 255)


class _Draw:
    """Random numbers per picture, shaped (N, 1, 1)."""

    def __init__(self, count: int, device: torch.device, generator: torch.Generator) -> None:
        self.count, self.device, self.generator = count, device, generator

    def even(self, low: float = -1.0, high: float = 1.0) -> Tensor:
        return torch.rand(self.count, 1, 1, device=self.device, generator=self.generator) * (high - low) + low

    def factor(self, most: float) -> Tensor:
        """Even on a log scale between 1 / (1 + most) and 1 + most."""
        return torch.exp(self.even() * math.log1p(most))

    def chance(self, share: float) -> Tensor:
        return torch.rand(self.count, 1, 1, device=self.device, generator=self.generator) < share

    def noise(self, height: int, width: int) -> Tensor:
        return torch.randn(self.count, height, width, device=self.device, generator=self.generator)


def _move(pictures: Tensor, options: AugmentOptions, draw: _Draw) -> Tensor:
    """Rotation, scale, stretch, shear, shift and mirroring in one resampling; what comes in from outside is black."""
    strength = options.strength
    angle = draw.even() * math.radians(options.rotation_deg) * strength
    zoom, stretch = draw.factor(options.scale * strength), draw.factor(options.stretch * strength)
    # A shift is a share of the side, and the side is 2 long in the places of affine_grid.
    shear, right, down = (draw.even() * strength * most for most in (options.shear, *(2 * options.shift,) * 2))
    mirror = torch.where(draw.chance(0.5 if options.flip else 0.0), -1.0, 1.0)
    if strength == 0:
        return torch.where(mirror < 0, pictures.flip(-1), pictures)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    # From places in the result to places in the picture, both in -1..1.
    across = torch.cat([mirror * zoom * stretch * cosine, mirror * zoom * (shear - sine), right], dim=2)
    along = torch.cat([zoom / stretch * sine, zoom / stretch * cosine, down], dim=2)
    maps = torch.cat([across, along], dim=1)  # (N, 2, 3)
    places = affine_grid(maps, [len(pictures), 1, *pictures.shape[1:]], align_corners=False)
    return grid_sample(pictures.unsqueeze(1), places, mode="bilinear", align_corners=False).squeeze(1)


def _tone(pictures: Tensor, options: AugmentOptions, draw: _Draw) -> Tensor:
    """Gamma, dynamic range (about mid-gray), gain, and time-gain compensation (a slope or a bend over depth)."""
    strength, height = options.strength, pictures.shape[1]
    bent = (pictures / 255).clamp_min_(1e-4).pow_(draw.factor(options.gamma * strength)).mul_(255)
    depth = torch.linspace(-1, 1, height, device=pictures.device).view(1, height, 1)
    slope = draw.even() * depth + draw.even() * (depth.square() - 1 / 3)
    gain = draw.even() * options.gain * strength + slope * (options.tgc * strength / 2)
    return (bent - 64) * draw.factor(options.contrast * strength) + 64 + gain


def _speckle(pictures: Tensor, options: AugmentOptions, draw: _Draw) -> Tensor:
    """Noise with the grain of speckle, wider than deep, on some; blur, as of a lower frequency, on others."""
    height, width = pictures.shape[1:]
    grain = draw.noise(height, (width + 1) // 2).unsqueeze(1)
    grain = interpolate(grain, size=(height, width), mode="bilinear", align_corners=False).squeeze(1)
    noisy = pictures + grain * draw.even(0, options.speckle * options.strength)
    soft = torch.nn.functional.avg_pool2d(pictures.unsqueeze(1), 3, 1, 1, count_include_pad=False).squeeze(1)
    return torch.where(draw.chance(min(1.0, options.blur * options.strength)), soft, noisy)


def _hide(pictures: Tensor, options: AugmentOptions, draw: _Draw) -> Tensor:
    """A soft dark strip from a random depth downwards (bone, gas, lost contact), and a black box."""
    height, width = pictures.shape[1:]
    across = torch.linspace(0, 1, width, device=pictures.device).view(1, 1, width)
    along = torch.linspace(0, 1, height, device=pictures.device).view(1, height, 1)
    strip = torch.exp(-((across - draw.even(0, 1)) / draw.even(0.03, 0.12)).square())
    strip = strip * torch.sigmoid((along - draw.even(0, 0.6)) * 30) * draw.even(0.4, 1.0)
    shaded = draw.chance(min(1.0, options.shadow * options.strength))
    pictures = pictures * torch.where(shaded, 1 - strip, 1.0)
    wide = (across - draw.even(0, 1)).abs() < draw.even(0.05, 0.18)
    deep = (along - draw.even(0, 1)).abs() < draw.even(0.05, 0.18)
    return torch.where(wide & deep & draw.chance(min(1.0, options.cutout * options.strength)), 0.0, pictures)
