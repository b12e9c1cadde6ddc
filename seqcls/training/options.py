"""What can be chosen about training. Apart from the training itself, so that the command line needs no torch for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from seqcls.errors import UsageError
from seqcls.types import DEVICES, PRECISIONS

Optimizer = Literal["adamw", "adam", "sgd"]
Schedule = Literal["cosine", "constant"]
Loss = Literal["bce", "focal"]
Fingerprints = Literal["all", "no-names", "none"]

#: Side of the square image: what ImageNet networks were trained at, and what others learn fastest from.
SIZE_PRETRAINED, SIZE_SCRATCH = 224, 112
#: Weights that are no path of a file.
NAMED_WEIGHTS = ("auto", "imagenet", "early", "none")


def default_size(weights: str) -> int:
    """Side of the images of a training that starts from these; of ``auto``, once that is decided."""
    return SIZE_SCRATCH if weights in ("early", "none") else SIZE_PRETRAINED


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentOptions:
    """How far training images are changed; every amount is drawn afresh per image, times ``strength``."""

    strength: float = 1.0
    """0 changes nothing but the side (``flip``)."""
    clean: float = 0.0
    """Share of images left as they are at any strength, so that batch norms and thresholds fit unchanged images too."""
    flip: bool = True
    """Mirror every second one of the others left to right, whatever the strength; off where the side matters."""
    rotation_deg: float = 15.0
    shift: float = 0.15
    """Share of the side across, half of it along."""
    scale: float = 0.35
    """Logarithm of the zoom."""
    stretch: float = 0.25
    """Logarithm of depth against width."""
    gamma: float = 0.7
    """Logarithm of the exponent."""
    gain: float = 0.5
    """Logarithm of the factor."""
    depth_gain: float = 0.45
    """Deviation of the logarithm of a smooth gain curve down the image."""
    lateral_gain: float = 0.3
    """The same across the image."""
    reject: float = 0.12
    """Gray level 0..1 below which all turns black."""
    sharpen: float = 1.0
    """From as much blur to as much sharpening, on 6 of 10 images."""
    speckle: float = 0.3
    """Relative deviation of multiplied noise."""
    shadow: float = 0.6
    """Share of images with dark strips along the beams."""
    wedge: float = 0.5
    """Share of images with black sides."""
    cutout: float = 0.4
    """Share of images with a black box."""
    curtain: float = 0.5
    """Share of images with a part of another image behind a slanted edge."""
    curtain_least: float = 0.35
    """Share of the area that images which show an organ must keep for it to be present; below, it is unscored."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            _require(self, name, least=0)
        for name in ("clean", "shadow", "wedge", "cutout", "curtain", "curtain_least"):
            _require(self, name, most=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How a network is trained; the defaults are for a small data set and random or ImageNet weights, those of
    ``options_from`` for others, too."""

    epochs: int = 12
    samples_per_epoch: int = 1024
    """Frames drawn per epoch, so that an epoch means the same for few and for many; 0: as many as there are."""
    batch_size: int = 32
    lr: float = 1e-3
    """The highest learning rate."""
    optimizer: Optimizer = "adamw"
    weight_decay: float = 0.05
    schedule: Schedule = "cosine"
    warmup: float = 0.1
    """Share of all steps in which the learning rate rises."""
    loss: Loss = "bce"
    focal_gamma: float = 2.0
    """Exponent of the focal loss (Lin et al. 2017, 10.1109/ICCV.2017.324)."""
    label_smoothing: float = 0.05
    """Targets are moved this far towards one half."""
    balance: bool = True
    """Draw organs, then classes, then clips alike, and a frame among those; else any frame."""
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    clip_norm: float = 5.0
    """Longest gradient, 0 any."""
    freeze_epochs: int = 0
    """Only the last layer learns for so long."""
    frozen_stages: int = 0
    """The first so many of the four stages never learn, norms included: 1 is conv1, bn1 and layer1, 2 layer2 too, 4 all
    but the last layer. For good weights and little time: fewer gradients are computed."""
    progressive: float = 0.0
    """Share of all steps, the first ones, taken with images of half the side, a quarter of the work each (Tan and Le
    2021, arXiv 2104.00298)."""
    patience: int = 0
    """Stop after so many epochs without a better validation, 0 never. In a cross-validation the first folds say how
    many epochs are enough for the others, and for a model without validation (``plateau``)."""
    weights: str = "auto"
    """``auto`` (ImageNet's where they were downloaded before, else early), ``imagenet``, ``early`` (layers that come
    with seqcls and learned from synthetic sweeps), ``none``, or the path of a safetensors file; it may hold early
    layers alone."""
    device: str = "auto"
    precision: str = "auto"
    seed: int = 0
    fingerprints: Fingerprints = "all"
    """What the model file keeps, as salted hashes, so that an evaluation on the same data is noticed: ``all`` (clips,
    frames, patients), ``no-names`` (no patients: whoever guesses a name can look for it), or ``none``."""

    def steps_per_epoch(self, frames: int) -> int:
        """Batches per epoch when there are so many frames to train on."""
        return max(1, (self.samples_per_epoch if self.samples_per_epoch else frames) // self.batch_size)

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("samples_per_epoch", 0), ("batch_size", 2), ("freeze_epochs", 0)):
            _require(self, name, least=least)
        for name in ("patience", "seed", "weight_decay", "focal_gamma", "clip_norm"):
            _require(self, name, least=0)
        _require(self, "frozen_stages", most=4)
        for name in ("warmup", "label_smoothing", "progressive"):
            _require(self, name, least=0, below=1)
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise UsageError(f"lr must be above 0, not {self.lr}")
        for name, known in (
            ("optimizer", get_args(Optimizer)), ("schedule", get_args(Schedule)), ("loss", get_args(Loss)),
            ("fingerprints", get_args(Fingerprints)), ("device", DEVICES), ("precision", PRECISIONS),
        ):  # fmt: skip
            if getattr(self, name) not in known:
                raise UsageError(f"unknown {name} {getattr(self, name)!r}: choose one of {', '.join(known)}")


def _require(options: Any, name: str, *, least: float = 0, most: float = math.inf, below: float = math.inf) -> None:
    value = getattr(options, name)
    if not (math.isfinite(value) and least <= value <= most and value < below):
        upper = f" and below {below:g}" if below < math.inf else f" and at most {most:g}" if most < math.inf else ""
        raise UsageError(f"{name} must be {least:g} or more{upper}, not {value}")


#: Where a training starts from the early layers that come with seqcls, a third of the images is enough (measured:
#: docs/benchmarks.md, "Training").
_FROM_EARLY = TrainOptions(weights="early", epochs=8, batch_size=16, samples_per_epoch=512)


def options_from(weights: str) -> TrainOptions:
    """What `seqcls train` takes by default when it starts from these weights; of ``auto``, once that is decided."""
    return _FROM_EARLY if weights == "early" else TrainOptions(weights=weights)
