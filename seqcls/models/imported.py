"""A ResNet-18 that another program trained, made into a model: the same probabilities from one gray plane.

The network that is imported takes three planes, each normalised as n_c = (v - m_c) / s_c with v = pixel / 255. Of a
gray image its first convolution gives

    sum_c W_c * n_c  =  (sum_c W_c s / s_c) * g  +  (sum_c W_c (m - m_c) / s_c) * 1,      g = (v - m) / s

inside of the image, and 0 in the zeros that pad it. So a first plane g and a second one of ones, both padded with
zeros, with the weights in brackets, give the same everywhere, the edges included. The second is left out where it has
no weight, as with the same mean for all planes.

Of a softmax over two classes the probability of the second is sigmoid(z1 - z0): one output with the difference of
weights and biases gives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcls import __version__
from seqcls.errors import ModelError, UsageError, one_line
from seqcls.files import on_disk
from seqcls.geometry import Geometry
from seqcls.models.checkpoint import Checkpoint, read_checkpoint
from seqcls.models.file import MAX_MEAN, MAX_STD, ModelHeader, Tensors, misfit, resnet18_shapes
from seqcls.models.networks import are_several
from seqcls.models.resnet import IMAGENET_MEAN, IMAGENET_STD, GrayResNet, start_from
from seqcls.models.tensor_table import read_table
from seqcls.models.twin import file_digest
from seqcls.text.wording import count_of, names_of

#: A last layer that stands in a row of layers, behind a dropout for instance.
_IN_A_ROW = re.compile(r"fc\.\d+\.(weight|bias)")
#: Weights of the second plane below it are what float64 makes of 0.
_NOTHING = 1e-12
_SHOWN = 3
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What a checkpoint does not say of itself. Raises UsageError."""

    organs: tuple[str, ...]
    """Names, in the order of the outputs."""
    present_class: Literal[0, 1] | None = None
    """Of a softmax over two classes, which one is presence. None: 1, as torchvision's ImageFolder numbers ``thyroid
    absent`` and ``thyroid present``, by the alphabet."""
    geometry: Geometry = field(default_factory=Geometry)
    """The side of the image that it was trained with, and where the ultrasound is."""
    mean: tuple[float, ...] | None = None
    """What was taken off pixel / 255, one for all planes or one for each. None: ImageNet's, for three planes."""
    std: tuple[float, ...] | None = None
    """What the rest was divided by."""

    def __post_init__(self) -> None:
        if self.present_class not in (None, 0, 1):
            raise UsageError(f"present_class must be 0 or 1, not {self.present_class}")
        if (self.mean is None) != (self.std is None):
            raise UsageError("mean and std go together: state both, or neither for ImageNet's")
        for name, values, fits in (("mean", self.mean, _is_mean), ("std", self.std, _is_std)):
            if values is not None and not (len(values) in (1, 3) and all(map(fits, values))):
                bounds = f"within {MAX_MEAN} of 0" if name == "mean" else f"of 1/{MAX_STD} to {MAX_STD}"
                raise UsageError(f"{name} takes one number or three, {bounds}, not {values}")


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A model file's two parts. head: how its outputs are read, for a person. notes: what else he must know."""

    header: ModelHeader
    tensors: Tensors
    head: str
    notes: tuple[str, ...]


def import_checkpoint(path: Path, options: ImportOptions) -> Imported:
    """A torchvision ResNet-18 as a model that gives the same probabilities of gray images.

    path: what ``torch.save`` wrote, or a .safetensors. Calibration is none, thresholds and durations are the defaults.
    Raises ModelError for what cannot be read or is another network, UsageError for options that do not fit it.
    """
    path = on_disk(path)
    _require_foreign(path)
    found = read_checkpoint(path)
    state = _arrays(found.tensors, path)
    organs = len(options.organs)
    planes, outputs = _require_resnet18(state, path, organs)
    means, stds = _normalisation(options, planes, path)
    mean, std = round(float(np.mean(means)), 12), round(float(np.mean(stds)), 12)
    tensors = {name: state[name] for name in resnet18_shapes(1)}
    tensors["conv1.weight"] = gray_stem(state["conv1.weight"], means, stds, mean, std)
    head = "a sigmoid for each organ" if organs > 1 else "a sigmoid"
    if outputs == 2 and organs == 1:
        present = 1 if options.present_class is None else options.present_class
        for name in ("fc.weight", "fc.bias"):
            tensors[name] = (state[name][present] - state[name][1 - present])[None]
        head = f"a softmax over two classes, of which {present} is presence"
    elif options.present_class is not None:
        raise UsageError(f"present_class is for a softmax over two classes of one organ; {path.name} has {head}")
    header = ModelHeader(
        organs=options.organs,
        geometry=options.geometry,
        mean=mean,
        std=std,
        training={
            "weights": f"{path.name}, which another program trained",
            "imported": {
                "file": path.name,
                "sha256": _digest(path),
                "head": head,
                "planes": planes,
                "mean": [round(float(value), 6) for value in means],
                "std": [round(float(value), 6) for value in stds],
            },
        },
        version=__version__,
    )
    stored = {name: np.ascontiguousarray(value, np.float32) for name, value in tensors.items()}
    if problem := misfit(stored, organs):
        raise ModelError(f"{path} cannot be imported: {problem}")
    return Imported(header, stored, head, (*_notes(found), *_doubts(organs)))


def import_weights(path: Path) -> Tensors:
    """The weights of a torchvision ResNet-18, or of its early layers alone, under its names and as they are: for a
    training to start from. path: as for ``import_checkpoint``. Raises ModelError."""
    path = on_disk(path)
    _require_foreign(path)
    found = {name: value.astype(np.float32) for name, value in _arrays(read_checkpoint(path).tensors, path).items()}
    start_from(GrayResNet(1), {name: torch.from_numpy(value) for name, value in found.items()}, path.name)
    return {name: found[name] for name in resnet18_shapes(1) if name in found}


def gray_stem(weight: Floats, means: Floats, stds: Floats, mean: float, std: float) -> Floats:
    """(64, C, 7, 7) for planes with these means and deviations (C,), as (64, 1, 7, 7) for one normalised by mean and
    std, or (64, 2, 7, 7) for that and a plane of ones."""
    gray = (weight * (std / stds)[:, None, None]).sum(axis=1)
    ones = (weight * ((mean - means) / stds)[:, None, None]).sum(axis=1)
    planes = [gray] if np.abs(ones).max() < _NOTHING else [gray, ones]
    return np.stack(planes, axis=1)


def _require_foreign(path: Path) -> None:
    if path.suffix.lower() != ".safetensors" or not path.is_file():
        return
    try:
        texts, entries = read_table(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not a whole safetensors file ({one_line(error)}); copy it again") from error
    if "seqcls" in texts or are_several(entries):
        raise ModelError(f"{path} is a model of seqcls already; use it as it is")


def _arrays(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Floats]:
    """In float64, with the last layer under ``fc``, without what counts batches."""
    rows = [name for name in tensors if _IN_A_ROW.fullmatch(name)]
    one_layer = len({name.rpartition(".")[0] for name in rows}) == 1
    state = {}
    for name, value in tensors.items():
        if name.endswith("num_batches_tracked"):
            continue
        if not value.dtype.is_floating_point or value.layout != torch.strided or value.is_meta:
            kind = str(value.dtype).removeprefix("torch.")
            raise ModelError(f"{path} cannot be imported: its {name[:60]} is {kind}, no plain array of floats")
        renamed = f"fc.{name.rpartition('.')[2]}" if one_layer and name in rows else name
        state[renamed] = value.detach().double().numpy()
    return state


def _require_resnet18(state: Mapping[str, Floats], path: Path, organs: int) -> tuple[int, int]:
    """Its planes and its outputs. Raises ModelError that names the first part which does not fit."""
    outputs = len(state["fc.bias"]) if "fc.bias" in state and state["fc.bias"].ndim == 1 else organs
    expected = resnet18_shapes(outputs)
    another = f"{path} is not torchvision's ResNet-18: "
    for name, shape in expected.items():
        if name not in state:
            beside = [other for other in state if other not in expected]
            seen = f"; it has {names_of([other[:60] for other in beside], _SHOWN)}" if beside else ""
            raise ModelError(f"{another}{name} is missing{seen}")
        found = state[name].shape
        fits = found == shape or (name == "conv1.weight" and found in ((64, 1, 7, 7), (64, 3, 7, 7)))
        if not fits:
            wanted = (64, 3, 7, 7) if name == "conv1.weight" else shape
            raise ModelError(f"{another}{name} is {_shape(found)} instead of {_shape(wanted)}")
    if extra := [name for name in state if name not in expected]:
        raise ModelError(f"{another}it has {names_of([name[:60] for name in extra], _SHOWN)} as well")
    if outputs != organs and not (outputs == 2 and organs == 1):
        last = f"{path} has {count_of(outputs, 'output')} for {count_of(organs, 'organ')}"
        hint = "a softmax over more than two classes cannot be imported" if outputs > 2 else "name as many organs"
        raise ModelError(f"{last}: it takes a sigmoid for each organ, or a softmax over two classes for one; {hint}")
    return int(state["conv1.weight"].shape[1]), outputs


def _normalisation(options: ImportOptions, planes: int, path: Path) -> tuple[Floats, Floats]:
    """(C,) each."""
    if options.mean is None or options.std is None:
        if planes == 1:
            raise UsageError(f"{path.name} takes one gray plane: state the mean and std that it was trained with")
        return np.array(IMAGENET_MEAN, np.float64), np.array(IMAGENET_STD, np.float64)
    if planes == 1 and len(options.mean) + len(options.std) > 2:
        raise UsageError(f"{path.name} takes one gray plane: state one mean and one std")
    means, stds = (np.broadcast_to(np.array(values, np.float64), planes) for values in (options.mean, options.std))
    return means, stds


def _notes(found: Checkpoint) -> tuple[str, ...]:
    if not found.others:
        return ()
    taken = f"the weights under {found.place[:60]!r} are taken"
    return (f"{taken}; there are others under {names_of([place[:60] for place in found.others], _SHOWN)}",)


def _doubts(organs: int) -> tuple[str, ...]:
    if organs < 2:
        return ()
    return (
        "a checkpoint does not say whether it was trained with sigmoids, which is taken here, or with a softmax, whose"
        " probabilities would be others: the two classes of one organ take a single name in --organs",
    )


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {one_line(error)}; copy it again") from error


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"


def _is_mean(value: float) -> bool:
    return abs(value) <= MAX_MEAN


def _is_std(value: float) -> bool:
    return 1 / MAX_STD <= value <= MAX_STD
