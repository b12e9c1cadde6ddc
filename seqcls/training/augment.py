"""Random changes to training images that another patient, probe or scanner setting could have made.

Everything works on a whole batch at once, in as few passes over its pixels as possible, and multiplies rather than
adds: what is black (outside the sector, or no echo) stays black, as it does on a scanner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, pad

from seqcls.training.options import AugmentOptions

#: How steep soft edges are, per side of the image: a few pixels wide.
_SHADOW_TOP, _WEDGE_EDGE = 40.0, 60.0


#: So far beyond a soft edge nothing is left of it: the sigmoid is 1 in float32.
_BEYOND = 100.0
#: Random numbers of 0..1 that an image takes.
_EVEN = 39


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What chance decides of a batch of N images: even (_EVEN, N, 1, 1) of 0..1, and standard normal knots (N, 2, 4) of
    two curves and grain (N, S, S); order (N,): whose part of the image is behind a curtain. Of one float type."""

    even: Tensor
    knots: Tensor
    grain: Tensor
    order: Tensor

    @classmethod
    def draw(cls, images: Tensor, generator: torch.Generator) -> Numbers:
        """All at once: many small draws take longer than the large ones."""
        count, device = len(images), images.device
        return cls(
            even=torch.rand(_EVEN, count, 1, 1, device=device, generator=generator),
            knots=torch.randn(count, 2, 4, device=device, generator=generator),
            grain=torch.randn(images.shape, device=device, generator=generator),
            order=torch.randperm(count, device=device, generator=generator),
        )


def augment(
    images: Tensor, targets: Tensor, known: Tensor, options: AugmentOptions, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Changed images, and what is now to be learned from them.

    images (N, S, S) uint8, or float of 0..255, to (N, S, S) float32 of 0..255; targets (N, K) float32 of 0 or 1; known
    (N, K) bool: what is labelled. Only a curtain changes the latter two. ``generator`` must be of the images' device.
    """
    images = images.float()
    if options.strength == 0:
        chance = torch.rand(len(images), 1, 1, device=images.device, generator=generator)
        return torch.where(chance < 0.5 * options.flip, images.flip(-1), images), targets, known
    return changed(images, targets, known, options, Numbers.draw(images, generator))


def changed(
    images: Tensor, targets: Tensor, known: Tensor, options: AugmentOptions, numbers: Numbers
) -> tuple[Tensor, Tensor, Tensor]:
    """As ``augment``, of float images of 0..255 and by these numbers, in their float type."""
    draw = _Draw(images, options, numbers)
    out = _tone(_move(images, draw), draw)
    out, shown, scorable = _curtain(out, targets, known, draw)
    out = _texture(out, draw)
    _darken(out, draw)
    out.addcmul_(out, _box(draw), value=-1)
    clean = draw.chance(options.clean)
    row = clean.view(-1, 1)
    return torch.where(clean, images, out), torch.where(row, targets, shown), torch.where(row, known, scorable)


class _Draw:
    """Random numbers per image, shaped (N, 1, 1). across (1, 1, S), along (1, S, 1): places 0..1 of pixels' centres."""

    def __init__(self, images: Tensor, options: AugmentOptions, numbers: Numbers) -> None:
        self.options, self.numbers = options, numbers
        self._even = iter(numbers.even)
        height, width = images.shape[1:]
        self.across = _places(width, images).view(1, 1, -1)
        self.along = _places(height, images).view(1, -1, 1)

    def even(self, low: float = -1.0, high: float = 1.0) -> Tensor:
        even: Tensor = next(self._even)
        return even * (high - low) + low

    def chance(self, share: float) -> Tensor:
        return torch.lt(next(self._even), share)

    def chosen(self, share: float) -> Tensor:
        """Which images get a change that ``share`` of them get at full strength."""
        return self.chance(min(1.0, share * self.options.strength))

    def slope(self, across: Tensor | float, along: Tensor, start: Tensor) -> Tensor:
        """(N, S, S): ``start`` and what is added per side across and along, in one pass over the pixels."""
        return across * self.across + (along * self.along + start)


def _places(size: int, like: Tensor) -> Tensor:
    return (torch.arange(size, device=like.device, dtype=like.dtype) + 0.5) / size


def _move(images: Tensor, draw: _Draw) -> Tensor:
    """Rotation, zoom, stretch, shift and mirroring in one resampling; what comes in from outside is black."""
    options, strength = draw.options, draw.options.strength
    angle = draw.even() * math.radians(options.rotation_deg) * strength
    zoom = draw.even() * options.scale * strength
    deep = zoom + draw.even() * options.stretch * strength
    # The side is 2 long; probes slide across more than they lift.
    right, down = draw.even() * 2 * options.shift * strength, draw.even() * options.shift * strength
    mirror = torch.where(draw.chance(0.5 if options.flip else 0.0), -1.0, 1.0)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    # From places in the result to places in the image, both -1..1 as grid_sample takes them.
    across = mirror * cosine * torch.exp(-zoom), -sine * torch.exp(-deep), right
    along = mirror * sine * torch.exp(-zoom), cosine * torch.exp(-deep), down
    places = images.new_empty(*images.shape, 2)
    for axis, (x, y, start) in enumerate((across, along)):
        places[..., axis] = draw.slope(2 * x, 2 * y, start - x - y)
    return grid_sample(images.unsqueeze(1), places, mode="bilinear", align_corners=False).squeeze(1)


def _tone(images: Tensor, draw: _Draw) -> Tensor:
    """Rejection of weak echoes, gamma, gain, and gain curves over depth (time-gain compensation) and across.

    Of logarithms, gamma is a factor and all gains are one sum; that of black is minus infinity, and black again.
    """
    options, strength, (height, width) = draw.options, draw.options.strength, images.shape[1:]
    floor = draw.even(0, 1) * min(0.9, options.reject * strength)
    gamma = torch.exp(draw.even() * options.gamma * strength)
    gain = draw.even() * options.gain * strength + math.log(255) - gamma * torch.log(255 * (1 - floor))
    knots = draw.numbers.knots
    deep = _curve(knots[:, :1], height) * options.depth_gain * strength
    wide = _curve(knots[:, 1:], width) * options.lateral_gain * strength
    light = (images - 255 * floor).clamp_min_(0).log_()
    return light.mul_(gamma).add_(deep.transpose(1, 2) + gain).add_(wide).exp_().clamp_max_(255)


def _curve(knots: Tensor, size: int) -> Tensor:
    """(N, 1, S) smooth curve through (N, 1, 4) knots."""
    return interpolate(knots, size=size, mode="linear", align_corners=True)


def _curtain(images: Tensor, targets: Tensor, known: Tensor, draw: _Draw) -> tuple[Tensor, Tensor, Tensor]:
    """Behind a slanted, more or less soft edge another image of the batch begins, as lung slides before liver.

    An organ is present where either image shows it, but not scorable where too little is left of those that do.
    Kin to CutMix (Yun et al. 2019, 10.1109/ICCV.2019.00612), without its in-between targets.
    """
    used = draw.chosen(draw.options.curtain)
    edge, slant = draw.even(0.2, 0.8), draw.even(-0.4, 0.4)
    steep = torch.exp(draw.even(math.log(8), math.log(60)))
    steep = torch.where(draw.chance(0.5), steep, -steep) * used
    start = torch.where(used, steep * (0.5 * slant - edge), _BEYOND)
    own = draw.slope(steep, -steep * slant, start).sigmoid_()
    other = draw.numbers.order
    mixed = images[other].lerp_(images, own)
    left = own.mean(dim=(1, 2)).unsqueeze(1)  # (N, 1)
    shown = targets * left + targets[other] * (1 - left)
    scorable = known & known[other] & ((shown == 0) | (shown >= draw.options.curtain_least))
    changed = used.view(-1, 1)
    return (
        mixed,
        torch.where(changed, (shown > 0).to(targets.dtype), targets),
        torch.where(changed, scorable, known),
    )


def _texture(images: Tensor, draw: _Draw) -> Tensor:
    """Blur or sharpening, as of another frequency, and multiplied noise, fine or coarse, as speckle is.

    The noise of the first half of a batch is coarse: what an image shows does not depend on its place.
    """
    options, grain = draw.options, draw.numbers.grain
    amount = draw.even(-1, 1) * min(1.0, options.sharpen * options.strength) * draw.chance(0.6)
    images = _blur(images).lerp_(images, 1 + amount)
    half, speckle = len(grain) // 2, draw.even(0, 1) * options.speckle * options.strength
    noise = torch.cat([_blur(grain[:half]).mul_(2.5), grain[half:]]).mul_(speckle)
    return images.addcmul_(images, noise).clamp_(0, 255)


def _blur(images: Tensor) -> Tensor:
    """By 1 4 6 4 1 along and across: the sum of neighbours, four times."""
    images = pad(images, (2, 2, 2, 2))
    for _ in range(4):
        images = images[:, 1:] + images[:, :-1]
    for _ in range(4):
        images = images[:, :, 1:] + images[:, :, :-1]
    return images.mul_(1 / 256)


def _darken(images: Tensor, draw: _Draw) -> None:
    """In place: up to two soft dark strips that fan out downwards from some depth on, as of bone, gas or lost contact;
    and black beyond a scan line on one side or both, as of a narrower sector, or no contact there."""
    for _ in range(2):
        used, aside = draw.chosen(draw.options.shadow), draw.even(-0.5, 0.5)
        narrow = 1 / draw.even(0.03, 0.15)
        strip = draw.slope(narrow, -1.2 * aside * narrow, -(0.5 + 0.4 * aside) * narrow).square_().neg_().exp_()
        depth = torch.sigmoid((draw.along - draw.even(0, 0.5)) * _SHADOW_TOP)
        images.addcmul_(images, strip.mul_(depth * used * -draw.even(0.3, 1.0)))
    used, half = draw.chosen(draw.options.wedge), draw.even(0.15, 0.5) / 2
    left, right = (_WEDGE_EDGE * draw.even(0.1, 0.75) for _ in range(2))
    both, is_left = draw.chance(0.4), draw.chance(0.5)
    from_left = torch.where(used & (both | is_left), _WEDGE_EDGE * (half - 0.5), _BEYOND)
    from_right = torch.where(used & (both | ~is_left), _WEDGE_EDGE * (half + 0.5), _BEYOND)
    images.mul_(draw.slope(_WEDGE_EDGE, left, from_left).sigmoid_())
    images.mul_(draw.slope(-_WEDGE_EDGE, right, from_right).sigmoid_())


def _box(draw: _Draw) -> Tensor:
    """(N, S, S) of 0 and 1: a box to be blacked out (cutout, DeVries and Taylor 2017, arXiv 1708.04552)."""
    across, along = draw.across, draw.along
    used = draw.chosen(draw.options.cutout)
    wide = (across - draw.even(0, 1)).abs() < draw.even(0.05, 0.175)
    deep = (along - draw.even(0, 1)).abs() < draw.even(0.05, 0.175)
    return (used & wide).to(across.dtype) * deep
