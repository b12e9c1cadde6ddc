"""Random changes to training images that another patient, probe or scanner setting could have made.

Everything works on a whole batch at once, in float32 of 0..1, and multiplies rather than adds: what is black (outside
the sector, or no echo) stays black, as it does on a scanner.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, conv2d, grid_sample, interpolate

from seqcls.training.options import AugmentOptions

#: How steep soft edges are, per side of the image: a few pixels wide.
_SHADOW_TOP, _WEDGE_EDGE = 40.0, 60.0


def augment(
    images: Tensor, targets: Tensor, known: Tensor, options: AugmentOptions, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Changed images, and what is now to be learned from them.

    images (N, S, S) uint8, or float of 0..255, to (N, S, S) float32 of 0..255; targets (N, K) float32 of 0 or 1; known
    (N, K) bool: what is labelled. Only a curtain changes the latter two. ``generator`` must be of the images' device.
    """
    images = images.float()
    draw = _Draw(images, options, generator)
    if options.strength == 0:
        mirrored = draw.chance(0.5 if options.flip else 0.0)
        return torch.where(mirrored, images.flip(-1), images), targets, known
    changed = _tone(_move(images / 255, draw), draw)
    changed, shown, scorable = _curtain(changed, targets, known, draw)
    changed = _texture(changed, draw)
    changed = changed * _shadows(draw) * _sides(draw)
    changed = torch.where(_box(draw), 0.0, changed) * 255
    clean = draw.chance(options.clean)
    row = clean.view(-1, 1)
    return torch.where(clean, images, changed), torch.where(row, targets, shown), torch.where(row, known, scorable)


class _Draw:
    """Random numbers per image, shaped (N, 1, 1). across (1, 1, S), along (1, S, 1): places 0..1 of pixels' centres."""

    def __init__(self, images: Tensor, options: AugmentOptions, generator: torch.Generator) -> None:
        self.options, self.generator, self.device = options, generator, images.device
        self.count, height, width = images.shape
        self.across = ((torch.arange(width, device=self.device) + 0.5) / width).view(1, 1, -1)
        self.along = ((torch.arange(height, device=self.device) + 0.5) / height).view(1, -1, 1)

    def even(self, low: float = -1.0, high: float = 1.0) -> Tensor:
        return torch.rand(self.count, 1, 1, device=self.device, generator=self.generator) * (high - low) + low

    def chance(self, share: float) -> Tensor:
        return torch.rand(self.count, 1, 1, device=self.device, generator=self.generator) < share

    def chosen(self, share: float) -> Tensor:
        """Which images get a change that ``share`` of them get at full strength."""
        return self.chance(min(1.0, share * self.options.strength))

    def noise(self, height: int, width: int) -> Tensor:
        return torch.randn(self.count, height, width, device=self.device, generator=self.generator)

    def order(self) -> Tensor:
        return torch.randperm(self.count, device=self.device, generator=self.generator)


def _move(images: Tensor, draw: _Draw) -> Tensor:
    """Rotation, zoom, stretch, shift and mirroring in one resampling; what comes in from outside is black."""
    options, strength = draw.options, draw.options.strength
    angle = draw.even() * math.radians(options.rotation_deg) * strength
    zoom = draw.even() * options.scale * strength
    deep = zoom + draw.even() * options.stretch * strength
    # The side is 2 long in the places of affine_grid; probes slide across more than they lift.
    right, down = draw.even() * 2 * options.shift * strength, draw.even() * options.shift * strength
    mirror = torch.where(draw.chance(0.5 if options.flip else 0.0), -1.0, 1.0)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    # From places in the result to places in the image.
    across = torch.cat([mirror * cosine * torch.exp(-zoom), -sine * torch.exp(-deep), right], dim=2)
    along = torch.cat([mirror * sine * torch.exp(-zoom), cosine * torch.exp(-deep), down], dim=2)
    maps = torch.cat([across, along], dim=1)  # (N, 2, 3)
    places = affine_grid(maps, [len(images), 1, *images.shape[1:]], align_corners=False)
    return grid_sample(images.unsqueeze(1), places, mode="bilinear", align_corners=False).squeeze(1)


def _tone(images: Tensor, draw: _Draw) -> Tensor:
    """Rejection of weak echoes, gamma, gain, and gain curves over depth (time-gain compensation) and across."""
    options, strength, (height, width) = draw.options, draw.options.strength, images.shape[1:]
    floor = draw.even(0, 1) * min(0.9, options.reject * strength)
    images = ((images - floor) / (1 - floor)).clamp_min(0)
    images = images.clamp_min(1e-4).pow(torch.exp(draw.even() * options.gamma * strength)) * (images > 0)
    gain = draw.even() * options.gain * strength
    deep = _curve(draw, height) * options.depth_gain * strength
    wide = _curve(draw, width) * options.lateral_gain * strength
    return (images * torch.exp(gain + deep.transpose(1, 2) + wide)).clamp(0, 1)


def _curve(draw: _Draw, size: int) -> Tensor:
    """(N, 1, S) smooth random curve through four standard normal knots."""
    return interpolate(draw.noise(1, 4), size=size, mode="linear", align_corners=True)


def _curtain(images: Tensor, targets: Tensor, known: Tensor, draw: _Draw) -> tuple[Tensor, Tensor, Tensor]:
    """Behind a slanted, more or less soft edge another image of the batch begins, as lung slides before liver.

    An organ is present where either image shows it, but not scorable where too little is left of those that do.
    Kin to CutMix (Yun et al. 2019, 10.1109/ICCV.2019.00612), without its in-between targets.
    """
    across, along = draw.across, draw.along
    used = draw.chosen(draw.options.curtain)
    edge = draw.even(0.2, 0.8) + draw.even(-0.4, 0.4) * (along - 0.5)
    own = torch.sigmoid((across - edge) * torch.exp(draw.even(math.log(8), math.log(60))))
    own = torch.where(draw.chance(0.5), own, 1 - own)
    other = draw.order()
    mixed = images * own + images[other] * (1 - own)
    left = own.mean(dim=(1, 2)).unsqueeze(1)  # (N, 1)
    shown = targets * left + targets[other] * (1 - left)
    scorable = known & known[other] & ((shown == 0) | (shown >= draw.options.curtain_least))
    changed = used.view(-1, 1)
    return (
        torch.where(used, mixed, images),
        torch.where(changed, (shown > 0).to(targets.dtype), targets),
        torch.where(changed, scorable, known),
    )


def _texture(images: Tensor, draw: _Draw) -> Tensor:
    """Blur or sharpening, as of another frequency, and multiplied noise, fine or coarse, as speckle is."""
    options = draw.options
    amount = draw.even(-1, 1) * min(1.0, options.sharpen * options.strength) * draw.chance(0.6)
    images = images + amount * (images - _blur(images))
    fine = draw.noise(*images.shape[1:])
    grain = torch.where(draw.chance(0.5), fine, _blur(fine) * 2.5)
    return (images * (1 + draw.even(0, 1) * options.speckle * options.strength * grain)).clamp(0, 1)


def _blur(images: Tensor) -> Tensor:
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=images.device) / 16
    return conv2d(images.unsqueeze(1), (row[:, None] * row)[None, None], padding=2).squeeze(1)


def _shadows(draw: _Draw) -> Tensor:
    """Up to two soft dark strips that fan out downwards from some depth on: bone, gas, lost contact."""
    across, along = draw.across, draw.along
    light = torch.ones(1, 1, 1, device=draw.device)
    for _ in range(2):
        used = draw.chosen(draw.options.shadow)
        centre = 0.5 + (draw.even(0, 1) - 0.5) * (0.4 + 1.2 * along)
        strip = torch.exp(-((across - centre) / draw.even(0.03, 0.15)).square())
        depth = torch.sigmoid((along - draw.even(0, 0.5)) * _SHADOW_TOP)
        light = light * (1 - used * draw.even(0.3, 1.0) * strip * depth)
    return light


def _sides(draw: _Draw) -> Tensor:
    """One side or both are black beyond a scan line: a narrower sector, or no contact there."""
    across, along = draw.across, draw.along
    used = draw.chosen(draw.options.wedge)
    half = draw.even(0.15, 0.5) / 2
    left = torch.sigmoid((across - (0.5 - half - draw.even(0.1, 0.75) * along)) * _WEDGE_EDGE)
    right = torch.sigmoid((0.5 + half + draw.even(0.1, 0.75) * along - across) * _WEDGE_EDGE)
    both, is_left = draw.chance(0.4), draw.chance(0.5)
    light = torch.where(both | is_left, left, 1.0) * torch.where(both | ~is_left, right, 1.0)
    return torch.where(used, light, 1.0)


def _box(draw: _Draw) -> Tensor:
    """(N, S, S) bool: a box to be blacked out (cutout, DeVries and Taylor 2017, arXiv 1708.04552)."""
    across, along = draw.across, draw.along
    used = draw.chosen(draw.options.cutout)
    wide = (across - draw.even(0, 1)).abs() < draw.even(0.05, 0.175)
    deep = (along - draw.even(0, 1)).abs() < draw.even(0.05, 0.175)
    return used & wide & deep
