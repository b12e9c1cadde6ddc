"""Training on a GPU, in one call of less than 8 minutes: images/s of the bare network, of seqcls, and of the loop that
everybody writes first (plain_training.py); the time from clips to a model, and the AUROC of both on patients left out.

    python scripts/bench_gpu_training.py -o OUT --clips CLIPS --labels LABELS --patients REGEX
    python scripts/bench_gpu_training.py -o OUT --smoke    # without a GPU, in two minutes: whether the script works

Without --clips, on phantoms. Every figure stands on a line of its own as soon as it is known, the card's name first.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seqcls.cores import LIBRARIES

# Before any is loaded, as the command line does.
os.environ.update({**LIBRARIES, **os.environ})

import bench_training
import numpy as np
import plain_training
import torch

from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import FrameSet, frames_from_clips
from seqcls.datasets.labels import ClipLabels, read_labels, with_patients
from seqcls.doctor import processor
from seqcls.evaluation.metrics import auroc
from seqcls.geometry import Geometry
from seqcls.models.resnet import choose_device
from seqcls.phantom import SweepOptions, write_labels, write_sweep
from seqcls.training.augment import augment
from seqcls.training.crossvalidation import cross_validate, grouping, split_groups
from seqcls.training.options import TrainOptions
from seqcls.training.train import train

#: No part begins after this, so that the whole ends within 8 minutes.
LAST_BEGIN_S = 390.0


def show(line: str) -> None:
    print(line, flush=True)


def labelled_clips(arguments: argparse.Namespace) -> list[tuple[Path, ClipLabels]]:
    """Those given, else phantoms, drawn into the output folder."""
    folder, labels = arguments.clips, arguments.labels
    if folder is None:
        folder = arguments.output / "phantoms"
        labels = folder / "labels.csv"
        if not labels.exists():
            folder.mkdir(parents=True, exist_ok=True)
            seconds = 3.0 if arguments.smoke else 20.0
            options = [SweepOptions(patient=patient, duration_s=seconds) for patient in range(4)]
            write_labels(labels, [write_sweep(folder / f"pat{one.patient}.mp4", one) for one in options])
    return match_clips(with_patients(read_labels(labels), arguments.patients), folder, labels)


def augmentation(options: TrainOptions, size: int) -> Callable[[], None]:
    device = choose_device(options.device)
    images = torch.randint(0, 256, (options.batch_size, size, size), dtype=torch.uint8, device=device)
    targets = torch.zeros(options.batch_size, 1, device=device)
    generator = torch.Generator(device=device).manual_seed(0)
    return lambda: augment(images, targets, targets == 0, options.augment, generator) and None


def rate(work: Callable[[], None], batch: int, steps: int, device: torch.device) -> float:
    """Images per second, after a few steps that do not count."""
    for _ in range(min(5, steps)):
        work()
    began_s = plain_training.clock_s(device)
    for _ in range(steps):
        work()
    return batch * steps / (plain_training.clock_s(device) - began_s)


def training_rate(frames: FrameSet, options: TrainOptions, steps: int) -> float:
    """Images per second of the middle steps of a training; reading, start and calibration are not among them."""
    device, marks = choose_device(options.device), list[float]()

    def mark(done: int, total: int) -> None:
        if done in (total // 4, total - total // 4):
            marks.append(plain_training.clock_s(device))

    train(frames, replace(options, epochs=1, samples_per_epoch=steps * options.batch_size), on_step=mark)
    count = steps - 2 * (steps // 4)
    return options.batch_size * count / (marks[1] - marks[0])


def has_compiler() -> bool:
    from importlib.util import find_spec

    return torch.cuda.is_available() and find_spec("triton") is not None


def rates(frames: FrameSet, tree: Path, arguments: argparse.Namespace) -> None:
    device, size, steps = choose_device(arguments.device), arguments.size, arguments.steps
    blind = replace(frames, split=np.full(len(frames.split), "train"))
    base = TrainOptions(weights="none", device=arguments.device, progressive=0)
    for batch in arguments.batches:
        options = replace(base, batch_size=batch)
        found = {
            "bare network": rate(bench_training.network_step(options, size, compiled=False), batch, steps, device),
            "augmentation alone": rate(augmentation(options, size), batch, steps, device),
            "seqcls": training_rate(blind, options, 2 * steps),
        }
        for name, images_per_s in found.items():
            show(f"batch {batch}, {name}: {images_per_s:,.0f} images/s")
    if has_compiler():
        batch = arguments.batches[-1]
        began_s = time.perf_counter()
        step = bench_training.network_step(replace(base, batch_size=batch), size, compiled=True)
        compiled, took_s = rate(step, batch, steps, device), time.perf_counter() - began_s
        show(f"batch {batch}, bare network, compiled: {compiled:,.0f} images/s ({took_s:.0f} s with compiling)")
    rows = range(len(frames.images))
    _, plain = plain_training.train(
        tree, rows, size=size, batch=arguments.batches[-1], steps=max(4, steps // 4), seed=0, device=device
    )
    show(f"batch {arguments.batches[-1]}, plain loop: {plain:,.0f} images/s")


def plain_areas(frames: FrameSet, tree: Path, arguments: argparse.Namespace, steps: int, seed: int) -> float:
    """AUROC of the plain loop, pooled over the patients left out in turn, those that seqcls leaves out."""
    device, size = choose_device(arguments.device), arguments.size
    patients, labels = plain_training.patients_of(tree), plain_training.labels_of(tree)
    _, groups = grouping(frames)
    found = np.full(len(labels), np.nan, np.float32)
    for left_out in split_groups(frames, groups, "groups"):
        tested = np.isin(patients, [plain_training.plain_name(name) for name in left_out])
        if len(np.unique(labels[~tested])) < 2:
            continue
        model, _ = plain_training.train(
            tree, np.flatnonzero(~tested), size=size, batch=32, steps=steps, seed=seed, device=device
        )
        found[tested] = plain_training.scores(model, tree, np.flatnonzero(tested), size=size, device=device)
    return auroc(labels[~np.isnan(found)] == 1, found[~np.isnan(found)])


def main(arguments: argparse.Namespace) -> None:
    began_s = time.perf_counter()
    out: Path = arguments.output
    out.mkdir(parents=True, exist_ok=True)
    device = choose_device(arguments.device)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU"
    show(f"{card}; {processor()}, {os.cpu_count()} cores; PyTorch {torch.__version__}; {arguments.size} px")
    clips = labelled_clips(arguments)
    frames = frames_from_clips(clips, Geometry(size=arguments.size))
    frames = frames.of_organs(frames.organs[:1])
    frames = frames.of_rows(np.flatnonzero(frames.mask[:, 0]))
    read_s = time.perf_counter() - began_s
    show(f"{len(frames.images)} frames of {len(clips)} clips read in {read_s:.1f} s")
    tree = out / f"tree{arguments.size}"
    if not tree.exists():
        plain_training.write_tree(tree, frames.images, frames.targets[:, 0] > 0.5, frames.patient.tolist())
    rates(frames, tree, arguments)
    options = TrainOptions(
        weights="none", device=arguments.device, epochs=arguments.epochs, samples_per_epoch=arguments.samples
    )
    steps = options.epochs * options.steps_per_epoch(len(frames.images))
    everything = range(len(frames.images))
    folder = clips[0][0].parent.resolve()
    data = [str(folder), "--labels", str((arguments.labels or folder / "labels.csv").resolve())]
    data += [] if arguments.patients is None else ["--patients", arguments.patients]
    data += [
        "--size",
        str(arguments.size),
        "--epochs",
        str(options.epochs),
        "--samples-per-epoch",
        str(arguments.samples),
    ]
    here = Path(__file__).resolve().parent.parent
    whole = bench_training.trained(
        bench_training.Way(here), out / "organ.safetensors", [*data, "--device", arguments.device], 0, None
    )
    show(f"clips to model, seqcls train: {whole.clock_s:.1f} s")
    plain_s = time.perf_counter()
    plain_training.train(tree, everything, size=arguments.size, batch=32, steps=steps, seed=0, device=device)
    show(f"clips to model, plain loop: {read_s + time.perf_counter() - plain_s:.1f} s, of which reading {read_s:.1f} s")
    # As many steps as by default, each of a batch that fills the chip.
    batch = arguments.batches[-1]
    large = replace(
        options, batch_size=batch, samples_per_epoch=options.samples_per_epoch * batch // options.batch_size
    )
    areas: dict[str, list[float]] = {"seqcls": [], f"seqcls, batches of {batch}": [], "plain loop": []}
    for seed in range(arguments.seeds):
        if time.perf_counter() - began_s > LAST_BEGIN_S:
            show(f"stopped after {seed} seeds: time is up")
            break
        for name, way in zip(areas, (options, large), strict=False):
            result = cross_validate(frames, replace(way, seed=seed), "groups")
            areas[name].append(result.auroc[0].value)
        areas["plain loop"].append(plain_areas(frames, tree, arguments, steps, seed))
        show(
            f"seed {seed}, AUROC on patients left out: " + ", ".join(f"{name} {a[-1]:.4f}" for name, a in areas.items())
        )
    for name, found in areas.items():
        if found:
            show(f"{name}: AUROC {statistics.mean(found):.4f} ({min(found):.4f} to {max(found):.4f})")
    show(f"all of it: {time.perf_counter() - began_s:.0f} s on {card}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--patients", help="as for `seqcls train`")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--batches", type=int, nargs="*", default=[32, 256])
    parser.add_argument("--steps", type=int, default=200, help="of each rate")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--samples", type=int, default=1024, help="images an epoch")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="tiny, on the CPU: whether the script works")
    given = parser.parse_args()
    if given.smoke:
        given.device, given.size, given.batches, given.steps, given.epochs, given.samples, given.seeds = (
            "cpu", 32, [8], 4, 2, 32, 1,
        )  # fmt: skip
    sys.exit(main(given))
