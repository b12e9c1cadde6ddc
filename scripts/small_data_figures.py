"""Which way of training does best on few patients: every arm with 5 seeds, each patient left out in turn.

    python scripts/small_data_figures.py --clips FOLDER -o out              # the full protocol: a GPU, about an hour
    python scripts/small_data_figures.py --clips FOLDER -o out --reduced    # one CPU core, about an hour and a half
    python scripts/small_data_tables.py out                                 # the tables of what is done so far

FOLDER holds the real clips: intervals.json and clips/, of which those without labels serve for pretraining. Phantoms
are drawn. Every training adds one line with its scores to out/results.jsonl; a run that was interrupted goes on where
it was, and seeds come one after the other, so that the tables compare like with like at any time.

Arms that differ only in what is made of the same training share it: the weights of the last step; their exponential
average, "ema" here, the default when the rule was written; their uniform average over the last half of the steps with
the statistics of the batch norms measured anew on unchanged images, "mean" here, the default since it won; each of
these over several seeds as a mean of logits; and every smoother. Trainings of their own have the augmentation of
geometry alone, and the start from contrastive pretraining on all clips of the patients that are not left out, labelled
or not.

THE STOP RULE, written before the first training. Accuracy is the share of a left-out patient's labelled frames on the
right side of 0.5, pooled over the patients that can be left out. Against the default, over the same seeds:

1. An arm becomes the default if its mean accuracy is better by more than one standard error of the paired
   differences, its worst seed is not worse than the default's worst, and it costs at most 1.1 times the time to train
   and to run. One standard error, because a default is a choice that has to be made either way and 5 seeds show no
   more; the worst seed, because whoever trains once may get it; the cost, because a slower default is paid by all.
2. An arm that costs more than that (several networks in one model, pretraining) never becomes the default. It becomes
   a command of its own if it is better by more than two standard errors and its worst is not worse: it is then a
   choice that somebody pays for on purpose.
3. A smoother becomes the default if, at the default's delay or less, its mean event F1 on unseen phantoms is better by
   more than one standard error, and it has no more false events on the real clips.
4. What does neither leaves the program. No seed is repeated and no arm added once figures are known; an arm that was
   not measured to the end has not won.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from safetensors.numpy import save_file
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, normalize
from torch.optim.swa_utils import update_bn

from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import FrameSet
from seqcls.datasets.labels import ClipLabels, read_labels, with_patients
from seqcls.files.output_lock import only_writer
from seqcls.geometry import Geometry
from seqcls.layouts import with_layouts
from seqcls.models.file import Tensors
from seqcls.models.resnet import GrayResNet, build
from seqcls.phantom import SweepOptions, write_labels, write_sweep
from seqcls.preprocess import with_region
from seqcls.sources import open_source
from seqcls.training import fit, training_state
from seqcls.training.augment import augment
from seqcls.training.averaging import WeightAverage
from seqcls.training.options import AugmentOptions, TrainOptions
from seqcls.training.prediction import predict
from seqcls.training.sampler import Sampler
from seqcls.training.train import train
from seqcls.types import Frame

SEEDS = 5
#: Per step, of the exponential average.
DECAY = 0.97
#: Numbers of the phantoms that a model trains on, tunes itself on, and never saw.
TRAINED, TUNED, UNSEEN = 0, 500, 1000
#: What geometry alone leaves of the augmentation.
GEOMETRY = AugmentOptions(
    gamma=0, gain=0, depth_gain=0, lateral_gain=0, reject=0, sharpen=0, speckle=0, shadow=0, wedge=0, cutout=0,
    curtain=0,
)  # fmt: skip
CODES = {"present": 1, "absent": 0, "ignore": -1, None: -1}
#: Pretraining: distance of the frames of a pair, temperature of the loss, area of the crops.
APART_S, TEMPERATURE, CROPS = 1.5, 0.1, (0.4, 1.0)
TONE = AugmentOptions(
    rotation_deg=0, shift=0, scale=0, stretch=0, shadow=0, wedge=0, cutout=0, curtain=0, sharpen=0.5, speckle=0.1
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How large everything is. ``every``: of the frames of the real clips; ``pretrain_steps``: of one pair a clip."""

    size: int = 224
    weights: str = "imagenet"
    epochs: int = 12
    samples_per_epoch: int = 1024
    batch_size: int = 32
    every: int = 1
    norm_batches: int = 32
    pretrain_steps: int = 1000
    phantom_size: int = 112
    phantom_weights: str = "none"
    phantom_frozen: int = 0
    phantom_epochs: int = 16
    phantom_samples: int = 1024
    phantom_augment: float = 0.3
    patients: int = 48
    tuned: int = 10
    unseen: int = 20
    train_rate_hz: float = 12.5
    rate_hz: float = 25.0
    duration_s: float = 20.0
    phantom_trainings: tuple[str, ...] = ("full", "geometry")
    phantom_weights_scored: tuple[str, ...] = ("ema", "mean", "last", "ema, clean norms")


#: Small images and few steps, from the early layers that the demo starts from.
REDUCED = Protocol(
    size=64, weights="early", epochs=3, samples_per_epoch=128, batch_size=16, every=8, norm_batches=4,
    pretrain_steps=60, phantom_size=64, phantom_weights="early", phantom_frozen=2, phantom_epochs=4,
    phantom_samples=256, phantom_augment=0.15, patients=24, tuned=6, unseen=12, train_rate_hz=4.0, rate_hz=12.5,
    duration_s=12.0, phantom_trainings=("full",), phantom_weights_scored=("ema", "mean"),
)  # fmt: skip


@dataclass(frozen=True)
class Work:
    """One training. ``left_out``: the patient whose frames are scored; "unseen" of phantoms."""

    data: str
    left_out: str
    seed: int
    training: str


# Frames


def read_frames(clips: Sequence[tuple[Path, ClipLabels]], organs: tuple[str, ...], size: int, every: int) -> FrameSet:
    """Every n-th frame of the clips, labelled or not: ``mask`` is False where it is not."""
    geometry = with_layouts(Geometry(size=size), [lambda path=path: open_source(path) for path, _ in clips])
    images, codes, names, patients, times = [], [], [], [], []
    for path, labels in clips:
        with open_source(path) as source:
            frames = (item for item in source if isinstance(item, Frame) and not item.damaged)
            for item in with_region(frames, geometry, source.info.region):
                frame, region = item
                if frame.index % every:
                    continue
                images.append(geometry.apply(frame.image, region))
                codes.append([CODES[labels.state_at(organ, frame.index, frame.time_s)] for organ in organs])
                names.append(labels.file)
                patients.append(labels.patient)
                times.append(frame.time_s)
        print(f"read {labels.file}", file=sys.stderr, flush=True)
    table = np.array(codes, np.int8)
    return FrameSet(
        images=np.stack(images),
        targets=(table == 1).astype(np.float32),
        mask=table >= 0,
        clip=np.array(names),
        patient=np.array(patients),
        split=np.full(len(table), "train"),
        time_s=np.array(times),
        organs=organs,
        geometry=Geometry(size=size),
    )


def kept_frames(path: Path, read: Any) -> FrameSet:
    """From the file that an earlier run left, else read now and left there."""
    parts = ("images", "targets", "mask", "clip", "patient", "split", "time_s", "organs")
    if not path.exists():
        frames = read()
        unfinished = path.with_name(f"{path.stem}-unfinished.npz")
        np.savez(unfinished, **{part: np.asarray(getattr(frames, part)) for part in parts})
        unfinished.replace(path)
    with np.load(path) as kept:
        arrays = {part: kept[part] for part in parts}
    organs = tuple(arrays.pop("organs").tolist())
    return FrameSet(**arrays, organs=organs, geometry=Geometry(size=arrays["images"].shape[1]))


def real_frames(folder: Path, protocol: Protocol) -> FrameSet:
    """Of the labelled clips, then of the others, each of which is a patient of its own."""
    label_file = folder / "intervals.json"
    clips = match_clips(with_patients(read_labels(label_file), r"(pat\d+)"), folder, label_file)
    labelled = {path.name for path, _ in clips}
    others = [path for path in sorted((folder / "clips").iterdir()) if path.name not in labelled]
    clips += [(path, ClipLabels(path.name, path.name, ())) for path in others]
    return read_frames(clips, ("organ",), protocol.size, protocol.every)


def phantom_frames(folder: Path, protocol: Protocol) -> FrameSet:
    """Drawn into ``folder`` and read again, as any clip."""
    truths = []
    folder.mkdir(exist_ok=True)
    for first, count, rate_hz in (
        (TRAINED, protocol.patients, protocol.train_rate_hz),
        (TUNED, protocol.tuned, protocol.rate_hz),
        (UNSEEN, protocol.unseen, protocol.rate_hz),
    ):
        for patient in range(first, first + count):
            options = SweepOptions(
                patient=patient, width=480, height=360, rate_hz=rate_hz, duration_s=protocol.duration_s
            )
            truths.append(write_sweep(folder / f"neck{patient:04d}.mp4", options))
    write_labels(folder / "labels.csv", truths)
    clips = match_clips(read_labels(folder / "labels.csv"), folder, folder / "labels.csv")
    return read_frames(clips, ("thyroid", "trachea"), protocol.phantom_size, 1)


def phantom_number(patient: str) -> int:
    return int(patient.removeprefix("phantom-"))


# What is trained and what is scored


def foldable(frames: FrameSet) -> list[str]:
    """The patients without whom the others still show every organ present and absent."""
    return [
        str(name)
        for name in np.unique(frames.patient[frames.mask.any(axis=1)])
        if all(all(counts.values()) for counts in frames.counts(rows_of(frames, str(name))[0]))
    ]


def rows_of(frames: FrameSet, left_out: str) -> tuple[np.ndarray, np.ndarray]:
    """The rows to train on, and all those of the patient left out, labelled or not."""
    labelled = frames.mask.any(axis=1)
    if left_out == "unseen":
        numbers = np.array([phantom_number(patient) for patient in frames.patient])
        return np.flatnonzero(labelled & (numbers < TUNED)), np.flatnonzero(numbers >= TUNED)
    theirs = frames.patient == left_out
    return np.flatnonzero(labelled & ~theirs), np.flatnonzero(theirs)


def options_of(work: Work, protocol: Protocol, weights: str) -> TrainOptions:
    changes = GEOMETRY if work.training == "geometry" else AugmentOptions()
    if work.data == "phantom":
        return TrainOptions(
            weights=weights,
            frozen_stages=protocol.phantom_frozen,
            epochs=protocol.phantom_epochs,
            samples_per_epoch=protocol.phantom_samples,
            batch_size=protocol.batch_size,
            augment=replace(changes, strength=protocol.phantom_augment),
            seed=work.seed,
        )
    return TrainOptions(
        weights=weights,
        epochs=protocol.epochs,
        samples_per_epoch=protocol.samples_per_epoch,
        batch_size=protocol.batch_size,
        augment=changes,
        seed=work.seed,
    )


class Weights(WeightAverage):
    """Watches the weights during a training: those of the last step, their exponential average, and their mean over the
    last half of the steps, which is ``model``."""

    def __init__(self, model: GrayResNet, steps: int) -> None:
        super().__init__(model, steps)
        self.ema, self._steps = copy.deepcopy(model).eval(), steps
        self.last: Tensors = {}

    def update(self, model: GrayResNet, step: int) -> None:
        super().update(model, step)
        if step == self._steps - 1:
            self.last = model.tensors()
        decay = min(DECAY, (1 + step) / (10 + step))  # a shorter memory in the first steps
        with torch.no_grad():
            for kept, new in zip(self.ema.state_dict().values(), model.state_dict().values(), strict=True):
                if kept.is_floating_point():
                    kept.lerp_(new, 1 - decay)


def network(tensors: Tensors, organs: int) -> GrayResNet:
    model = GrayResNet(organs)
    model.load(tensors)
    return model


def with_clean_norms(tensors: Tensors, frames: FrameSet, rows: np.ndarray, seed: int, batches: int) -> Tensors:
    """The same weights, the statistics of whose batch norms are those of unchanged images, drawn as in training."""
    model = network(tensors, len(frames.organs))
    sampler = Sampler(frames, rows, np.random.default_rng(seed), balance=True)
    update_bn((torch.from_numpy(frames.images[sampler.draw(32)]) for _ in range(batches)), model)
    return model.eval().tensors()


def learn(work: Work, frames: FrameSet, options: TrainOptions, protocol: Protocol) -> dict[str, Any]:
    """Train once; logits of the scored rows by each set of weights, and what it cost in seconds of the processor."""
    rows, scored = rows_of(frames, work.left_out)
    watched: list[Weights] = []

    def watch(model: GrayResNet, steps: int) -> Weights:
        watched.append(Weights(model, steps))
        return watched[0]

    began_s, cpu_s = time.perf_counter(), time.process_time()
    with (
        patch.object(training_state, "WeightAverage", watch),
        patch.object(fit, "with_norms", lambda model, batches, frozen: model),
    ):
        train(frames, options, train_index=rows, validation_index=np.empty(0, np.int64))
    (seen,) = watched
    seconds = {"train": time.perf_counter() - began_s, "train_cpu": time.process_time() - cpu_s}
    cpu_s = time.process_time()
    mean = with_clean_norms(seen.model.tensors(), frames, rows, work.seed, protocol.norm_batches)
    seconds["norms_cpu"] = time.process_time() - cpu_s
    ema = seen.ema.tensors()
    clean = with_clean_norms(ema, frames, rows, work.seed, protocol.norm_batches)
    weights = {"ema": ema, "mean": mean, "last": seen.last, "ema, clean norms": clean}
    logits = {}
    for name in protocol.phantom_weights_scored if work.data == "phantom" else weights:
        cpu_s = time.process_time()
        found = predict(network(weights[name], len(frames.organs)), frames.images[scored], options)
        seconds["score_cpu"] = time.process_time() - cpu_s
        logits[name] = [[round(float(logit), 3) for logit in row] for row in found]
    return {"logits": logits, "seconds": {name: round(value, 2) for name, value in seconds.items()}}


# Pretraining


def pretrain(frames: FrameSet, left_out: str, protocol: Protocol, path: Path) -> None:
    """Weights that tell clips apart: two crops of frames of one clip belong together, those of other clips do not.

    InfoNCE over pairs (van den Oord et al. 2018, arXiv 1807.03748; Chen et al. 2020, arXiv 2002.05709), with pairs of
    frames from within a video (VanBerlo et al. 2024, arXiv 2403.07715). A batch holds one pair of each clip.
    """
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    clips = [np.flatnonzero(frames.clip == name) for name in np.unique(frames.clip[frames.patient != left_out])]
    model, _ = build(1, weights=protocol.weights)
    head = torch.nn.Sequential(torch.nn.Linear(512, 512), torch.nn.ReLU(), torch.nn.Linear(512, 128))
    parts = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parts, lr=1e-3, weight_decay=0.05)
    began_s = time.process_time()
    for step in range(protocol.pretrain_steps):
        share = step / protocol.pretrain_steps
        optimizer.param_groups[0]["lr"] = 1e-3 * min(1.0, 0.05 + share / 0.1) * 0.5 * (1 + math.cos(math.pi * share))
        first = np.array([rng.choice(rows) for rows in clips])
        near = [
            rows[np.abs(frames.time_s[rows] - frames.time_s[at]) <= APART_S]
            for at, rows in zip(first, clips, strict=True)
        ]
        second = np.array([rng.choice(rows) for rows in near])
        views = torch.cat([view(frames.images[rows], generator) for rows in (first, second)])
        answer = normalize(head(model.train().features(views)), dim=1)
        alike = answer @ answer.T / TEMPERATURE
        alike.fill_diagonal_(-math.inf)
        partner = torch.arange(len(views)).roll(len(clips))
        loss = cross_entropy(alike, partner)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(parts, 5.0)
        optimizer.step()
        if step % 20 == 0:
            print(f"pretraining without {left_out}: step {step}, loss {float(loss):.3f}", file=sys.stderr, flush=True)
    tensors = {name: value for name, value in model.tensors().items() if not name.startswith("fc.")}
    unfinished = path.with_suffix(".unfinished")
    save_file(tensors, unfinished, metadata={"cpu_s": f"{time.process_time() - began_s:.1f}"})
    unfinished.replace(path)


def view(images: np.ndarray, generator: torch.Generator) -> torch.Tensor:
    """(N, S, S) float32 of 0..255: a random part of each image at full size, mirrored or not, in another tone."""
    x = torch.from_numpy(images).float()
    draw = torch.rand(4, len(x), generator=generator)
    side = (CROPS[0] + (CROPS[1] - CROPS[0]) * draw[0]).sqrt()
    mirror = torch.where(draw[3] < 0.5, -1.0, 1.0)
    maps = torch.zeros(len(x), 2, 3)
    maps[:, 0, 0], maps[:, 1, 1] = side * mirror, side
    maps[:, 0, 2], maps[:, 1, 2] = (1 - side) * (2 * draw[1] - 1), (1 - side) * (2 * draw[2] - 1)
    places = affine_grid(maps, [len(x), 1, *x.shape[1:]], align_corners=False)
    x = grid_sample(x.unsqueeze(1), places, align_corners=False).squeeze(1)
    nothing = torch.zeros(len(x), 1)
    return augment(x, nothing, nothing.bool(), TONE, generator)[0]


# All of it, a line for each training


def all_work(real: Sequence[str], protocol: Protocol, seeds: int) -> Iterator[Work]:
    """Training by training, each seed by seed: what costs most, for the least hope, at the end."""
    for seed, left_out in itertools.product(range(seeds), real):
        yield Work("real", left_out, seed, "full")
    for seed, left_out in itertools.product(range(seeds), real):
        yield Work("real", left_out, seed, "geometry")
    for seed, name in itertools.product(range(seeds), protocol.phantom_trainings):
        yield Work("phantom", "unseen", seed, name)
    for seed, left_out in itertools.product(range(seeds), real):
        yield Work("real", left_out, seed, "pretrained")


def record_of(protocol: Protocol) -> dict[str, Any]:
    """For JSON, without the folders in which weights lie."""
    plain = {name: Path(value).name if isinstance(value, str) else value for name, value in asdict(protocol).items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}


def read_results(path: Path) -> dict[Work, dict[str, Any]]:
    """What is done; a line that a kill cut off is not."""
    done = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:  # empty, or cut off
            continue
        done[Work(*(record[name] for name in ("data", "left_out", "seed", "training")))] = record
    return done


def main(arguments: argparse.Namespace) -> int:
    protocol = REDUCED if arguments.reduced else Protocol()
    protocol = protocol if arguments.epochs is None else replace(protocol, epochs=arguments.epochs)
    out: Path = arguments.output
    with only_writer(out, is_folder=True):
        results = out / "results.jsonl"
        done = read_results(results)
        if any(record["protocol"] != record_of(protocol) for record in done.values()):
            raise SystemExit(f"{out} holds results of another protocol; name another folder")
        frames = {"real": kept_frames(out / "real.npz", lambda: real_frames(arguments.clips, protocol))}
        work = list(all_work(foldable(frames["real"]), protocol, arguments.seeds))
        for count, one in enumerate(work, start=1):
            if one in done:
                continue
            if one.data not in frames:
                frames[one.data] = kept_frames(out / "phantom.npz", lambda: phantom_frames(out / "phantoms", protocol))
            weights = protocol.weights if one.data == "real" else protocol.phantom_weights
            if one.training == "pretrained":
                start = out / f"pretrained-{Path(one.left_out).name}.safetensors"
                if not start.exists():
                    pretrain(frames["real"], one.left_out, protocol, start)
                weights = str(start)
            found = learn(one, frames[one.data], options_of(one, protocol, weights), protocol)
            with results.open("a") as file:
                # The line before may have been cut off.
                file.write("\n" + json.dumps({**asdict(one), "protocol": record_of(protocol), **found}) + "\n")
                file.flush()
                os.fsync(file.fileno())
            print(f"{count}/{len(work)} {one} {found['seconds']}", flush=True)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder with intervals.json and clips/")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--epochs", type=int, help="of the real clips; default: the protocol's")
    parser.add_argument("--reduced", action="store_true", help="small images and few steps, for one CPU core")
    sys.exit(main(parser.parse_args()))
