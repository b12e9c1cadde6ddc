"""One model of several: the mean of their calibrated logits, which spreads less between trainings than each of them.

The calibration a * logit + b of each goes into its last layer, so the model itself needs none. docs/models.md says what
becomes of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls import __version__
from seqcls.errors import ModelError, UsageError
from seqcls.geometry import Geometry
from seqcls.intervals import IntervalOptions
from seqcls.models.digest import weights_digest
from seqcls.models.file import ModelHeader, Tensors, each_network, read_model
from seqcls.models.networks import MAX_NETWORKS, joined
from seqcls.models.trained_on import together
from seqcls.smoothing import SmoothingOptions
from seqcls.text.wording import names_of

#: How near to 0 and 1 a threshold is taken for the mean, where its logit would be infinite.
_NEAREST = 1e-6
#: Names in a message.
_SHOWN = 3
#: In the summary of a training, what a single network reached.
_FIGURES = ("best_epoch", "best_auroc", "tuning")
_DURATIONS = ("min_present_s", "min_absent_s", "pad_s")
_TUNE = "`seqcls tune` chooses them anew"


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """A model file's two parts, and what a person must know of what was lost."""

    header: ModelHeader
    tensors: Tensors
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Network:
    """One network with its calibration in its last layer, and the header of the model that it comes from."""

    name: str
    header: ModelHeader
    digest: str
    tensors: Tensors


def merge(models: Sequence[Path]) -> Merged:
    """The mean of 2 to MAX_NETWORKS networks; a model that is a mean itself counts as its networks.

    Raises ModelError for files that cannot be used or do not go together, UsageError where there are too few or many.
    """
    networks = [network for model in models for network in _networks_of(model)]
    if len(models) < 2:
        raise UsageError(f"a mean is of two or more models, not of {models[0].name if models else 'none'} alone")
    if len(networks) > MAX_NETWORKS:
        raise UsageError(f"{len(networks)} networks are more than the {MAX_NETWORKS} that a model can have; name fewer")
    for number, network in enumerate(networks):
        _require_alike(networks[0], network)
        if (twin := next((one for one in networks[:number] if one.digest == network.digest), None)) is not None:
            raise ModelError(
                f"{network.name} has the same weights as {twin.name}: each network counts once; leave one of them out"
            )
    # The reference of what is unlike training is measured by the first.
    networks.sort(key=lambda network: network.header.novelty is None)
    headers = [network.header for network in networks]
    smoothing, intervals, notes = _options(headers)
    header = replace(
        headers[0],
        networks=tuple(network.digest for network in networks),
        calibration=(),
        smoothing=smoothing,
        intervals=intervals,
        operating_curve=(),
        regions=tuple(dict.fromkeys(region for one in headers for region in one.regions)),
        training=_common(headers),
        trained_on=together(*(one.trained_on for one in headers)),
        dataset_hash=headers[0].dataset_hash if len({one.dataset_hash for one in headers}) == 1 else "",
        version=__version__,
    )
    notes += _losses(networks)
    return Merged(header, joined([network.tensors for network in networks]), tuple(notes))


def _networks_of(model: Path) -> list[_Network]:
    header, tensors = read_model(model)
    digests = header.networks if header.networks else (weights_digest(model),)
    slope, shift = np.array(header.calibration, np.float64).T  # (K,), (K,)
    return [
        _Network(str(model), header, digest, _calibrated(own, slope, shift))
        for digest, own in zip(digests, each_network(header, tensors), strict=True)
    ]


def _calibrated(tensors: Tensors, slope: NDArray[np.float64], shift: NDArray[np.float64]) -> Tensors:
    """``tensors`` whose logits are slope * logit + shift."""
    weight, bias = slope[:, None] * tensors["fc.weight"], slope * tensors["fc.bias"] + shift
    return {**tensors, "fc.weight": weight.astype(np.float32), "fc.bias": bias.astype(np.float32)}


def _require_alike(first: _Network, other: _Network) -> None:
    """Raises ModelError where the two see other images, or give other outputs."""
    for what, one, another in zip(
        ("organs", "image size", "ultrasound region", "known screens", "scaling of gray levels"),
        _seen(first.header),
        _seen(other.header),
        strict=True,
    ):
        if one != another:
            shown = "" if what == "known screens" else f": {another} in the one, {one} in the other"
            why = "only models that are alike in this can be merged"
            raise ModelError(f"{other.name} and {first.name} differ in {what}{shown}; {why}")


def _seen(header: ModelHeader) -> tuple[object, ...]:
    geometry: Geometry = header.geometry
    scaling = f"mean {header.mean:g}, std {header.std:g}"
    return ", ".join(header.organs), geometry.size, str(geometry.region), geometry.layouts, scaling


def _options(headers: Sequence[ModelHeader]) -> tuple[SmoothingOptions, tuple[IntervalOptions, ...], list[str]]:
    """How scores become intervals, and what is lost of it: what all have, else the mean of the thresholds, and the
    default of everything else."""
    smoothing, notes = headers[0].smoothing, []
    if any(one.smoothing != smoothing for one in headers):
        smoothing = SmoothingOptions()
        notes.append(f"the models differ in smoothing: the mean has the default, {smoothing.kind}; {_TUNE}")
    intervals = []
    for k, organ in enumerate(headers[0].organs):
        each = [one.intervals[k] for one in headers]
        onset, offset = (_mean_threshold([getattr(one, name) for one in each]) for name in ("onset", "offset"))
        durations = {name: getattr(each[0], name) for name in _DURATIONS}
        if any(getattr(one, name) != value for one in each for name, value in durations.items()):
            durations = {name: getattr(IntervalOptions(), name) for name in _DURATIONS}
            notes.append(f"the models differ in the durations of {organ}: the mean has the defaults; {_TUNE}")
        intervals.append(IntervalOptions(onset=onset, offset=offset, **durations))
    return smoothing, tuple(intervals), notes


def _mean_threshold(values: Sequence[float]) -> float:
    """Of thresholds of probabilities, taken between their logits, as the scores are; what all have stays exact."""
    if len(set(values)) == 1:
        return values[0]
    near = np.clip(np.array(values, np.float64), _NEAREST, 1 - _NEAREST)
    return round(float(1 / (1 + np.exp(-np.mean(np.log(near / (1 - near)))))), 6)


def _common(headers: Sequence[ModelHeader]) -> Mapping[str, object]:
    """What all say of their training alike, also of its options; no figure, for that of the mean is not known."""
    summaries = [dict(one.training) for one in headers]
    options = [summary.pop("options", None) for summary in summaries]
    common = {name: value for name, value in _same_in_all(summaries).items() if name not in _FIGURES}
    if leaked := [n for one in headers if isinstance(n := one.training.get("leaked_frames"), int)]:
        common["leaked_frames"] = max(leaked)
    if all(isinstance(one, Mapping) for one in options) and (shared := _same_in_all(options)):  # type: ignore[arg-type]
        common["options"] = shared
    return common


def _same_in_all(several: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first, *others = several
    return {name: value for name, value in first.items() if all(name in one and one[name] == value for one in others)}


def _losses(networks: Sequence[_Network]) -> list[str]:
    """What the mean does not have of its parts."""
    notes = []
    if any(one.header.operating_curve for one in networks):
        notes.append("the operating points are of single networks and left out; `seqcls tune` finds those of the mean")
    if networks[0].header.novelty is not None:
        notes.append(f"frames unlike training are found by {Path(networks[0].name).name} alone")
    without = list(dict.fromkeys(one.name for one in networks if not one.header.trained_on))
    if 0 < len(without) < len({one.name for one in networks}):
        models = f"{names_of([Path(name).name for name in without], _SHOWN)} {'keeps' if len(without) == 1 else 'keep'}"
        notes.append(f"{models} no marks of the training data: evaluate cannot notice what that was")
    return notes
