"""All that changes from step to step in a training, and how it becomes a checkpoint and comes back from one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcls import __version__
from seqcls.datasets.dataset import FrameSet
from seqcls.files import on_disk
from seqcls.models.file import Tensors
from seqcls.models.resnet import GrayResNet, choose_device, choose_precision
from seqcls.models.twin import file_digest
from seqcls.training.averaging import WeightAverage
from seqcls.training.batches import BatchesState
from seqcls.training.checkpoint_file import Checkpoint
from seqcls.training.epoch import Epoch, epoch_from
from seqcls.training.optimizer import lr_factor, open_optimizer
from seqcls.training.options import NAMED_WEIGHTS, TrainOptions
from seqcls.training.process_group import Processes
from seqcls.training.sampler import Indices, Sampler

#: Of what ``TrainingState.checkpoint`` makes.
FORMAT = 4
#: In ``bound_to``.
PATIENTS = "patients of the frames"


class TrainingState:
    """Where a training stands.

    rows: those trained on. clean: draws the images on which batch norms are measured. history: the epochs that have
    ended; best: the weights after the best of them. step: how many are done. losses, plain: of each step of the epoch
    that has begun, and seconds: that it has taken so far. batches: where those stand that were learned from. Of several
    processes all have the same, but for the batches; clean and best are used by the first one alone.
    """

    def __init__(
        self,
        model: GrayResNet,
        frames: FrameSet,
        rows: Indices,
        options: TrainOptions,
        processes: Processes | None = None,
    ) -> None:
        self.rows = rows
        self.processes = Processes() if processes is None else processes
        self.device = choose_device(options.device)
        self.dtype = choose_precision(options.precision, self.device)
        total = options.epochs * options.steps_per_epoch(len(rows))
        self.model = model.to(self.device)
        self.average = WeightAverage(model, total)
        self.clean = Sampler(frames, rows, np.random.default_rng([options.seed, 1]), balance=options.balance)
        self.optimizer = open_optimizer(model, options)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: lr_factor(step, total, options))
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        self.history: list[Epoch] = []
        self.best: Tensors | None = None
        self.step, self.seconds = 0, 0.0
        self.losses: list[Tensor] = []
        self.plain: list[Tensor] = []
        self.batches: BatchesState | None = None

    @property
    def best_epoch(self) -> int:
        """Its number, 0 before the first has ended."""
        return max((epoch.number for epoch in self.history if epoch.best), default=0)

    def autocast(self) -> torch.autocast:
        """What the network computes in."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def end_epoch(self, epoch: Epoch) -> None:
        """Take it up, and begin the next one."""
        self.history.append(epoch)
        self.losses, self.plain, self.seconds = [], [], 0.0

    def checkpoint(self, changes: Sequence[Tensor]) -> Checkpoint:
        """As it stands, copied. changes: of ``batches``, those of all processes, by rank."""
        tensors = {
            **_named("model", self.model.state_dict()),
            **_named("average", self.average.model.state_dict()),
            **_named("optimizer", _flat(self.optimizer.state_dict()["state"])),
            **{f"best/{name}": value for name, value in (self.best or {}).items()},
        }
        if self.losses:
            tensors |= _named("steps", {"losses": torch.stack(self.losses), "plain": torch.stack(self.plain)})
        schedule = self.schedule.state_dict()
        facts = {
            "lr": [group["lr"] for group in self.optimizer.param_groups],
            "schedule": {name: schedule[name] for name in ("last_epoch", "_step_count", "_last_lr")},
            "scaler": self.scaler.state_dict(),
            "clean": self.clean.random.bit_generator.state,
            "history": [asdict(epoch) for epoch in self.history],
            "seconds": self.seconds,
        }
        if self.batches is not None:
            facts["sampler"] = self.batches.sampler
            tensors["batches/changes"] = torch.stack(list(changes)).numpy()
        return Checkpoint(step=self.step, tensors=tensors, facts=facts)

    def restore(self, kept: Checkpoint) -> None:
        """Become what ``checkpoint`` was made of."""
        facts, parts = kept.facts, _parts(kept.tensors)
        self.model.load_state_dict(parts["model"])
        self.average.model.load_state_dict(parts["average"])
        self._restore_optimizer(parts.get("optimizer", {}), facts["lr"])
        self.schedule.load_state_dict({**facts["schedule"], "lr_lambdas": [None] * len(self.schedule.lr_lambdas)})
        self.scaler.load_state_dict(facts["scaler"])
        self.clean.random.bit_generator.state = facts["clean"]
        self.history = [epoch_from(plain) for plain in facts["history"]]
        self.best = {name: value.numpy() for name, value in parts["best"].items()} if "best" in parts else None
        self.step, self.seconds = kept.step, facts["seconds"]
        self.losses, self.plain = (
            list(parts["steps"][name].to(self.device)) if "steps" in parts else [] for name in ("losses", "plain")
        )
        self.batches = batches_state(kept, self.processes.rank)

    def _restore_optimizer(self, tensors: Mapping[str, Tensor], rates: list[float]) -> None:
        parameters = [value for group in self.optimizer.param_groups for value in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            place, _, key = name.partition("/")
            own = parameters[int(place)]
            # Fused optimizers go through weights and moments side by side, in the order in which they lie in memory.
            laid = torch.empty_like(own).copy_(value) if value.shape == own.shape else value
            state.setdefault(int(place), {})[key] = laid
        plain = self.optimizer.state_dict()
        for group, rate in zip(plain["param_groups"], rates, strict=True):
            group["lr"] = rate
        self.optimizer.load_state_dict({**plain, "state": state})


def bound_to(
    frames: FrameSet, rows: Indices, held_out: Indices, options: TrainOptions, processes: int = 1
) -> dict[str, Any]:
    """All that makes a training the same one, by names that a person understands. What explains most comes first:
    other organs are other labels, too."""
    device = choose_device(options.device)
    plain = asdict(options) | {
        "device": device.type,
        "precision": str(choose_precision(options.precision, device)),
    }
    return {
        "seqcls": f"{__version__}, checkpoint format {FORMAT}",
        "PyTorch": torch.__version__,
        "organs": list(frames.organs),
        "geometry": frames.geometry.to_dict(),
        "processes": processes,
        **plain,
        "content of the weights": start_digest(options),
        **of_frames(frames),
        "choice of frames": _digest(
            *(f"{len(part)} ".encode() + part.astype("<i8").tobytes() for part in (rows, held_out))
        ),
    }


def of_frames(frames: FrameSet) -> dict[str, Any]:
    """What is learned from, by names that a person understands: with anything else figures are others."""
    labels = np.where(frames.mask, np.where(frames.mask, frames.targets, 0), -1).astype(np.int8)
    return {
        "data": frames.hash,
        "clips of the frames": _digest(_bytes_of(frames.clip)),
        PATIENTS: _digest(_bytes_of(frames.patient)),
        "times of the frames": _digest(frames.time_s.astype("<f8").tobytes()),
        "labels": _digest(f"{labels.shape}".encode(), labels.tobytes()),
    }


def record_of(bound: Mapping[str, Any]) -> dict[str, Any]:
    """``bound_to`` as a model's header keeps it. A model travels: of the file that it started from there is the name
    alone, and nothing by which a patient's name could be guessed where marks of patients are not wanted."""
    left_out = () if bound["fingerprints"] == "all" else (PATIENTS,)
    kept = {name: value for name, value in bound.items() if name not in left_out}
    return {**kept, "weights": Path(bound["weights"]).name}


def batches_state(kept: Checkpoint, rank: int) -> BatchesState | None:
    """Where the batches of this process stand, None before the first. Raises ValueError where that is not told."""
    if not kept.step:
        return None
    if not isinstance(kept.facts["sampler"], Mapping):
        raise ValueError("it does not say where the sampler stands")
    changes = torch.from_numpy(kept.tensors["batches/changes"][rank])
    return BatchesState(step=kept.step, sampler=kept.facts["sampler"], changes=changes)


def start_digest(options: TrainOptions) -> str:
    """SHA-256 of the file whose weights the training starts from, "" where it starts from none."""
    path = on_disk(options.weights)
    return file_digest(path) if options.weights not in NAMED_WEIGHTS and path.is_file() else ""


def weights_digest(model: GrayResNet) -> str:
    """SHA-256 of all weights and running statistics."""
    digest = hashlib.sha256()
    for value in model.state_dict().values():
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _bytes_of(names: NDArray[np.str_]) -> bytes:
    return "\n".join(names.tolist()).encode("utf-8", "surrogatepass")


def _named(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arrays of their own, by name: a tensor goes on changing."""
    return {f"{part}/{name}": value.detach().cpu().numpy().copy() for name, value in tensors.items()}


def _flat(state: Mapping[int, Mapping[str, Tensor | None]]) -> dict[str, Tensor]:
    """Of each parameter, by its number, what the optimizer keeps. SGD has None for what has not moved yet."""
    return {f"{place}/{key}": value for place, own in state.items() for key, value in own.items() if value is not None}


def _parts(tensors: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        part, _, rest = name.partition("/")
        parts.setdefault(part, {})[rest] = torch.from_numpy(value)
    return parts
