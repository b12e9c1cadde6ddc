"""What can be chosen about training. Apart from the training itself, so that the command line needs no torch for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from seqcls.errors import UsageError

Optimizer = Literal["adamw", "adam", "sgd"]
Schedule = Literal["cosine", "constant"]
Loss = Literal["bce", "focal"]

#: Side of the square picture: what ImageNet networks were trained at, and what random weights learn fastest from.
SIZE_PRETRAINED, SIZE_SCRATCH = 224, 112


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentOptions:
    """How far training pictures are changed; every amount is drawn afresh per picture, times ``strength``.

    strength: 0 leaves every picture as it is. clean: share of the pictures that are left as they are at any strength,
    so that batch norms and thresholds fit unchanged pictures too. flip: mirror every second one of the others left to
    right, whatever the strength; switch it off where the side matters.
    rotation_deg, shift (share of the side across, half of it along), scale and stretch (logarithms of the zoom and of
    depth against width).
    gamma and gain (logarithms), depth_gain and lateral_gain (deviation of the logarithm of a smooth curve down or
    across the picture), reject (gray level 0..1 below which all turns black).
    sharpen (from as much blur to as much sharpening, on 6 of 10 pictures), speckle (relative deviation).
    shadow, wedge, cutout, curtain: share of the pictures that get dark strips along the beams, black sides, a black
    box, or a part of another picture behind a slanted edge; curtain_least: share of the area that must be left of the
    pictures that show an organ for it to count as present, below which it is not judged.
    """

    strength: float = 1.0
    clean: float = 0.0
    flip: bool = True
    rotation_deg: float = 15.0
    shift: float = 0.15
    scale: float = 0.35
    stretch: float = 0.25
    gamma: float = 0.7
    gain: float = 0.5
    depth_gain: float = 0.45
    lateral_gain: float = 0.3
    reject: float = 0.12
    sharpen: float = 1.0
    speckle: float = 0.3
    shadow: float = 0.6
    wedge: float = 0.5
    cutout: float = 0.4
    curtain: float = 0.5
    curtain_least: float = 0.35

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            _require(self, name, least=0)
        for name in ("clean", "shadow", "wedge", "cutout", "curtain", "curtain_least"):
            _require(self, name, most=1)

    @property
    def active(self) -> bool:
        """Whether any picture is changed at all."""
        return self.strength > 0 or self.flip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How a network is trained; the defaults are for a small data set and random or ImageNet weights.

    weights: ``auto`` (ImageNet's, if they can be had), ``imagenet``, ``none``, or the path of a file; import_pickle:
    the file may be a .pth.
    samples_per_epoch: frames drawn per epoch, so that an epoch means the same for few and for many frames; 0: as many
    as there are. balance: draw organs, then classes, then clips alike, and a frame among those; else any frame.
    warmup: share of all steps in which the learning rate rises. focal_gamma: exponent of the focal loss (Lin et al.
    2017, 10.1109/ICCV.2017.324). label_smoothing: targets are moved this far towards one half.
    mixup: alpha of its beta distribution (Zhang et al. 2018, arXiv 1710.09412), 0 switches it off.
    ema: decay per step of the averaged weights that are kept in the end, 0 keeps the last ones. freeze_epochs: only
    the last layer learns for so long. progressive: share of all steps, the first ones, taken with pictures of half
    the side, a quarter of the work each (Tan and Le 2021, arXiv 2104.00298). patience: stop after so many epochs
    without a better validation, 0 never. clip_norm: longest gradient, 0 any.
    """

    epochs: int = 12
    samples_per_epoch: int = 1024
    batch_size: int = 32
    lr: float = 1e-3
    optimizer: Optimizer = "adamw"
    weight_decay: float = 0.05
    schedule: Schedule = "cosine"
    warmup: float = 0.1
    loss: Loss = "bce"
    focal_gamma: float = 2.0
    label_smoothing: float = 0.05
    balance: bool = True
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    mixup: float = 0.0
    dropout: float = 0.0
    ema: float = 0.97
    clip_norm: float = 5.0
    freeze_epochs: int = 0
    progressive: float = 0.0
    patience: int = 0
    weights: str = "auto"
    import_pickle: bool = False
    device: str = "auto"
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("samples_per_epoch", 0), ("batch_size", 2), ("freeze_epochs", 0)):
            _require(self, name, least=least)
        for name in ("patience", "seed", "weight_decay", "focal_gamma", "mixup", "clip_norm"):
            _require(self, name, least=0)
        for name in ("warmup", "dropout", "ema", "label_smoothing", "progressive"):
            _require(self, name, least=0, below=1)
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise UsageError(f"lr must be above 0, not {self.lr}")
        for name, kind in (("optimizer", Optimizer), ("schedule", Schedule), ("loss", Loss)):
            if getattr(self, name) not in get_args(kind):
                raise UsageError(f"unknown {name} {getattr(self, name)!r}: choose one of {', '.join(get_args(kind))}")


def _require(options: Any, name: str, *, least: float = 0, most: float = math.inf, below: float = math.inf) -> None:
    value = getattr(options, name)
    if not (math.isfinite(value) and least <= value <= most and value < below):
        upper = f" and below {below:g}" if below < math.inf else f" and at most {most:g}" if most < math.inf else ""
        raise UsageError(f"{name} must be {least:g} or more{upper}, not {value}")
