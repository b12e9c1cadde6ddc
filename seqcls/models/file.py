"""One model, one file: safetensors with everything needed to use it in a JSON header. Read without torch.

The header lies in the safetensors metadata under ``seqcls``; the tensors are the network's, in float32, under
torchvision's names; of several networks see ``networks``, of imported ones ``imported``. Nothing here ever unpickles
anything. What `seqcls convert` makes of a model carries the same header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import ModelError, SeqclsError, UsageError, one_line
from seqcls.files import atomic_path, on_disk
from seqcls.files.json_record import at_most, record_from
from seqcls.files.json_text import json_text, parse_json
from seqcls.geometry import Geometry, Region
from seqcls.intervals import IntervalOptions
from seqcls.models.converted import CONVERTED, notes_of
from seqcls.models.networks import MAX_NETWORKS, apart, joined
from seqcls.models.operating_curve import MAX_POINTS, OperatingPoint
from seqcls.models.tensor_table import MAX_TABLE_BYTES, read_table
from seqcls.models.trained_on import MAX_SETS, TrainedOn
from seqcls.novelty import Novelty
from seqcls.smoothing import SmoothingOptions
from seqcls.types import require_organs

#: 1 kept the regions inside ``training``. 3 has several networks, and is for them alone: all others read 2 as well.
FORMAT, FORMAT_OF_SEVERAL = 2, 3
KEY = "seqcls"
Tensors = dict[str, NDArray[Any]]

#: ImageNet's normalisation averaged over red, green and blue: what gray images are normalised with.
GRAY_MEAN, GRAY_STD = 0.449, 0.226
#: (pixel / 255 - mean) / std: the mean's distance from 0; std, and its inverse. Beyond them float32 knows no contrast.
MAX_MEAN, MAX_STD = 10, 1000
#: Of a calibration (a, b): a, and its inverse; b's distance from 0. `train` gives 4 and 30 at most.
MAX_SLOPE, MAX_SHIFT = 1000, 1000
#: The first convolution of an imported network whose second plane is of ones, see ``imported``; others have one plane.
STEM_OF_TWO = (64, 2, 7, 7)
#: conv1 to layer2, which learned from synthetic sweeps (``scripts/make_demo_stem.py``): where a training starts that
#: has no other weights, and what the data checks compare images by.
EARLY_LAYERS = Path(__file__).parent / "early_layers.safetensors"
#: Of every weight, its distance from 0: those of trained networks lie below 100, and the largest are variances.
MAX_WEIGHT = 1_000_000
_DIGEST = re.compile("[0-9a-f]{64}")
_PICKLES = (".pt", ".pth", ".pkl", ".ckpt", ".bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHeader:
    """Everything about a model but its weights. Raises ModelError where the parts do not fit each other."""

    organs: tuple[str, ...]
    """K names, in the order of the outputs."""
    geometry: Geometry
    """How an image becomes (S, S) uint8."""
    mean: float = GRAY_MEAN
    """The network's input is (pixel / 255 - mean) / std."""
    std: float = GRAY_STD
    """See ``mean``."""
    arch: str = "resnet18"
    """Which network it is."""
    networks: tuple[str, ...] = field(default=(), metadata=at_most(MAX_NETWORKS))
    """Of a model that gives the mean logit of several: SHA-256 of the weights of the model that each of them was.
    Empty: it is a single one. The features that ``novelty`` takes are those of the first."""
    calibration: tuple[tuple[float, float], ...] = ()
    """Per organ (a, b): probability = sigmoid(a * logit + b). Empty: (1, 0)."""
    smoothing: SmoothingOptions = field(default_factory=SmoothingOptions)
    """How scores are smoothed where nothing else is stated."""
    intervals: tuple[IntervalOptions, ...] = ()
    """When scores count as presence, per organ. Empty: the defaults."""
    operating_curve: tuple[OperatingPoint, ...] = field(default=(), metadata=at_most(MAX_POINTS))
    """What other thresholds and delays gave on the clips that it was tuned on. Empty: it was not tuned."""
    novelty: Novelty | None = None
    """What its training frames look like inside the network; None where that is not known."""
    regions: tuple[Region, ...] = ()
    """The different ultrasound regions of the training clips."""
    training: Mapping[str, object] = field(default_factory=dict)
    """Summary for people; of it, code reads only which training made the model and whether it was interrupted."""
    trained_on: tuple[TrainedOn, ...] = field(default=(), metadata=at_most(MAX_SETS))
    """Marks of the clips, frames and patients that it was trained and validated on, and of those of the model that it
    started from; for ``trained_on.seen_in_training``. Empty where not known."""
    dataset_hash: str = ""
    """Of the frames trained on."""
    version: str = ""
    """Of the seqcls that wrote it."""
    format: int = FORMAT
    """Of the header itself; follows from the rest."""

    def __post_init__(self) -> None:
        count = len(self.organs)
        try:
            require_organs(self.organs)
        except UsageError as error:
            raise ModelError(str(error)) from None
        if not count or len(set(self.organs)) != count or not all(self.organs):
            raise ModelError(f"a model needs one or more distinct organ names, not {list(self.organs)}")
        if self.arch != "resnet18":
            raise ModelError(f"unknown network {self.arch!r}: this seqcls knows resnet18")
        if len(self.networks) == 1 or len({*self.networks}) < len(self.networks):
            raise ModelError("a mean is of two or more networks, each of them once")
        if not all(_DIGEST.fullmatch(digest) for digest in self.networks):
            raise ModelError("networks must be SHA-256 digests in hex")
        object.__setattr__(self, "format", FORMAT_OF_SEVERAL if self.networks else FORMAT)
        # Empty means "not tuned": the identity and the stated defaults.
        if not self.calibration:
            object.__setattr__(self, "calibration", ((1.0, 0.0),) * count)
        if not self.intervals:
            object.__setattr__(self, "intervals", (IntervalOptions(),) * count)
        if len(self.calibration) != count:
            raise ModelError(f"calibration must hold (a, b) for each of {count} organs, not {len(self.calibration)}")
        for organ, pair in zip(self.organs, self.calibration, strict=True):
            if not _is_calibration(pair):
                raise ModelError(
                    f"calibration of {organ} must be (a, b) with a in 1/{MAX_SLOPE}..{MAX_SLOPE} and b within"
                    f" {MAX_SHIFT} of 0, not {_shown(pair)}"
                )
        if len(self.intervals) != count:
            raise ModelError(f"{len(self.intervals)} sets of interval options for {count} organs")
        if not abs(self.mean) <= MAX_MEAN:
            raise ModelError(f"mean must lie within {MAX_MEAN} of 0, not be {self.mean:g}")
        if not 1 / MAX_STD <= self.std <= MAX_STD:
            raise ModelError(f"std must lie in 1/{MAX_STD}..{MAX_STD}, not be {self.std:g}")

    @property
    def network_count(self) -> int:
        """How many networks score an image."""
        return max(1, len(self.networks))

    def probabilities(self, logits: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float32]:
        """Calibrated probabilities (N, K) float32 of raw logits (N, K), by way of float64.

        float32 sigmoids differ in the last bit with an element's place in its vector; after rounding these do not.
        Raises ValueError where K is another number than that of the organs.
        """
        slope, shift = np.array(self.calibration, np.float64).T  # (K,), (K,)
        odds = slope * np.asarray(logits, np.float64) + shift
        # exp never overflows: its argument is -|odds|.
        small = np.exp(-np.abs(odds))
        result: NDArray[np.float32] = (np.where(odds >= 0, 1.0, small) / (1 + small)).astype(np.float32)
        return result

    def with_novelty(
        self, logits: NDArray[np.float32] | NDArray[np.float64], features: NDArray[np.float32] | NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """(N, K + 1) float32: the probabilities of logits (N, K), and the novelty of features (N, D).

        Raises ValueError for a model without novelty.
        """
        if self.novelty is None:
            raise ValueError("this model knows nothing of its training frames")
        return np.concatenate([self.probabilities(logits), self.novelty.scores(features)[:, None]], axis=1)

    def to_json(self) -> str:
        """The header as one JSON text."""
        record = asdict(self) | {"geometry": self.geometry.to_dict()}
        if self.novelty is None:  # an older seqcls reads it all the same
            del record["novelty"]
        if not self.networks:
            del record["networks"]
        return json_text(record, indent=None)

    @classmethod
    def from_json(cls, text: str) -> ModelHeader:
        """The header from its JSON text; raises ModelError with the reason, without a file name."""
        try:
            record = parse_json(text)
            written = record["format"]
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(f"its header is not the JSON of a seqcls model ({one_line(error)})") from error
        if not isinstance(written, int) or not 1 <= written <= FORMAT_OF_SEVERAL:
            known = FORMAT_OF_SEVERAL
            raise ModelError(f"it has format {str(written)[:60]}, this seqcls reads up to {known}; update seqcls")
        try:
            if written == 1:
                record["regions"] = record["training"].pop("regions", ())
            if "geometry" in record:
                record["geometry"] = Geometry.from_dict(record["geometry"])
            return record_from(cls, record)
        except (SeqclsError, TypeError, ValueError, KeyError, AttributeError) as error:
            why = one_line(error)
            raise ModelError(f"its header is damaged ({why}); copy the model again, or update seqcls") from error


def resnet18_shapes(outputs: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of a gray ResNet-18 (He et al. 2016, 10.1109/CVPR.2016.90) with K outputs."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 1, 7, 7), **_norm("bn1", 64)}
    before = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            name = f"layer{stage}.{block}"
            shapes |= {f"{name}.conv1.weight": (width, before, 3, 3), **_norm(f"{name}.bn1", width)}
            shapes |= {f"{name}.conv2.weight": (width, width, 3, 3), **_norm(f"{name}.bn2", width)}
            if before != width:
                shapes |= {f"{name}.downsample.0.weight": (width, before, 1, 1), **_norm(f"{name}.downsample.1", width)}
            before = width
    return shapes | {"fc.weight": (outputs, 512), "fc.bias": (outputs,)}


def write_model(path: str | Path, header: ModelHeader, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write a model atomically, as float32. Raises ModelError for tensors that do not fit the header, OutputError."""
    stored = {name: np.ascontiguousarray(tensor, dtype=np.float32) for name, tensor in tensors.items()}
    if problem := misfit(stored, len(header.organs), header.network_count):
        raise ModelError(f"refusing to write {path}: {problem}")
    from safetensors.numpy import save  # a run with a converted model needs none of it

    content = save(stored, metadata={KEY: header.to_json()})
    if (length := int.from_bytes(content[:8], "little")) > MAX_TABLE_BYTES:
        raise ModelError(
            f"refusing to write {path}: its header has {length >> 20} MB, more than the {MAX_TABLE_BYTES >> 20} MB that"
            " one can have; leave out marks of training data"
        )
    with atomic_path(path) as temporary:
        # Not by its own save_file, which makes a file of its own that no umask governs and that a kill leaves behind.
        temporary.write_bytes(content)


def read_header(path: str | Path) -> ModelHeader:
    """The header alone, of a .safetensors or a converted .xml or .onnx. Raises ModelError."""
    path = on_disk(path)
    if path.suffix.lower() in CONVERTED:
        return header_of(notes_of(path)["header"], path)
    return _read(path, with_tensors=False)[0]


def header_of(text: str, path: Path) -> ModelHeader:
    """The header from the text found in ``path``, which the ModelError names."""
    try:
        return ModelHeader.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path} cannot be used: {error}") from error


def read_model(path: str | Path) -> tuple[ModelHeader, Tensors]:
    """Header and float32 tensors. Raises ModelError, which names the file, for anything damaged or foreign."""
    header, tensors = _read(on_disk(path), with_tensors=True)
    if problem := misfit(tensors, len(header.organs), header.network_count):
        raise ModelError(f"{path} cannot be used: {problem}; train or copy it again")
    return header, tensors


def each_network(header: ModelHeader, tensors: Mapping[str, NDArray[Any]]) -> list[Tensors]:
    """The tensors of every network of a model under torchvision's names; they have been checked against the header."""
    return apart(tensors, header.network_count)


def _read(path: Path, *, with_tensors: bool) -> tuple[ModelHeader, Tensors]:
    if not path.is_file():
        raise ModelError(f"no model at {path}; train one with `seqcls train` or name another")
    if path.suffix.lower() in CONVERTED:
        raise ModelError(f"{path} is a converted model, which can be run only; name the .safetensors it was made from")
    if path.suffix.lower() == ".bin" and path.with_suffix(".xml").is_file():
        raise ModelError(f"{path} holds weights alone; name {path.with_suffix('.xml').name}, which goes with it")
    if path.suffix.lower() in _PICKLES:
        raise ModelError(
            f"{path} may be a pickle, which can run code and is never loaded as a model; "
            f"`seqcls import {path.name} --organs NAME -o MODEL` makes a model of a ResNet-18 in it"
        )
    from safetensors import SafetensorError, safe_open  # a converted model is none

    try:
        texts, entries = read_table(path)
        text = texts.get(KEY)
        if with_tensors and text and (odd := next((n for n, one in entries.items() if one.type != "F32"), None)):
            raise ModelError(f"{path} cannot be used: {odd[:60]} is {entries[odd].type} instead of F32; copy it again")
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in entries} if with_tensors and text else {}
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{path} is not a whole safetensors file ({one_line(error)}); copy it again or train anew"
        ) from error
    if text is None:
        raise ModelError(
            f"{path} holds tensors but no seqcls header, so it is no seqcls model; "
            f"`seqcls train --weights {path.name}` can start from it"
        )
    return header_of(text, path), tensors


def misfit(tensors: Mapping[str, NDArray[Any]], outputs: int, networks: int = 1) -> str:
    """Why the tensors are not those of one or more networks of K outputs, or ""."""
    expected = joined([resnet18_shapes(outputs)] * networks)
    if missing := sorted(expected.keys() - tensors.keys()):
        return f"{len(missing)} tensors are missing, {missing[0]} among them"
    if extra := sorted(tensors.keys() - expected.keys()):
        return f"{len(extra)} tensors are not part of resnet18, {extra[0]} among them"
    for name, shape in expected.items():
        tensor = tensors[name]
        if tensor.shape != shape and not (shape == (64, 1, 7, 7) and tensor.shape == STEM_OF_TWO):
            return f"{name} has shape {tuple(tensor.shape)} instead of {shape}"
        if tensor.dtype != np.float32:
            return f"{name} is {tensor.dtype} instead of float32"
        if not np.isfinite(tensor).all():
            return f"{name} holds NaN or infinite values"
        if name.endswith("running_var") and (tensor < 0).any():
            return f"{name} holds a negative variance"
        if (largest := float(np.abs(tensor).max())) > MAX_WEIGHT:
            return f"{name} holds a weight of {largest:.3g}, more than {MAX_WEIGHT:,}"
    return ""


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}


def _is_calibration(pair: Sequence[float]) -> bool:
    return len(pair) == 2 and 1 / MAX_SLOPE <= pair[0] <= MAX_SLOPE and abs(pair[1]) <= MAX_SHIFT


def _shown(pair: Sequence[float]) -> str:
    return f"({', '.join(f'{value:g}' for value in pair)})"
