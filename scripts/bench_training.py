"""Training on this machine: the loop's step against the bare network, from clips to a model against another checkout,
and, as a part of bench.py, the rate against the plain loop of plain_loop.py.

    python scripts/bench_training.py -o OUT                                  # the step, at 112 and 224 pixels
    python scripts/bench_training.py -o OUT --sizes --clips CLIPS --labels LABELS --patients REGEX --folds 2 \\
        --against CHECKOUT --way '--progressive 0.75' --seeds 3 -- --size 64     # clips to model, and its accuracy

CHECKOUT is a folder that holds another version of seqcls (`git worktree add CHECKOUT COMMIT`). What follows `--` goes
to every `seqcls train`; a --way, which may be repeated, to one of this version instead of its defaults. All take turns,
in processes of their own, and are compared in processor time, which other programs disturb less, and by the clock.
Frames that an earlier start has kept in CLIPS (.seqcls-cache) are removed before each. An empty --sizes leaves out the
steps. --timed 1 trains without folds, for the time from clips to model, with the first seed alone.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqcls.cores import LIBRARIES

# Before any is loaded, as the command line does.
os.environ.update({**LIBRARIES, **os.environ})

import numpy as np
import plain_loop
import torch

from seqcls.bench import Case, Result, measure
from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import FrameSet, load_frames
from seqcls.datasets.extract import ExtractOptions, extract
from seqcls.datasets.frame_table import CACHE_FOLDER
from seqcls.datasets.labels import read_labels
from seqcls.evaluation.metrics import auroc
from seqcls.geometry import Geometry
from seqcls.models.resnet import build, choose_device, choose_precision
from seqcls.phantom import SweepOptions, write_labels, write_sweep
from seqcls.training.fold_scores import read_fold_scores
from seqcls.training.optimizer import open_optimizer
from seqcls.training.options import AugmentOptions, TrainOptions
from seqcls.training.train import train

STEPS = 10
SIZE, BATCH = plain_loop.SIZE, plain_loop.BATCH
PATIENTS, HELD_OUT = 22, 6
EPOCHS, SAMPLES = 5, 512
#: Less augmentation than by default: phantoms differ enough among themselves.
OPTIONS = TrainOptions(
    weights="none",
    device="cpu",
    epochs=EPOCHS,
    samples_per_epoch=SAMPLES,
    progressive=0,
    augment=AugmentOptions(strength=0.3),
)
WAYS = {"seqcls": OPTIONS, "seqcls, progressive 0.75": replace(OPTIONS, progressive=0.75)}
#: Of a loop's steps, so many at each end are not timed: what was drawn ahead, and what warms up.
ENDS = 4


WORDS = {"processor_s": "processor time", "clock_s": "time by the clock"}


@dataclass(frozen=True)
class Took:
    """Seconds, by the clock and of all processors."""

    clock_s: float
    processor_s: float


def timed_since(began: Took) -> Took:
    now = now_s()
    return Took(now.clock_s - began.clock_s, now.processor_s - began.processor_s)


def now_s() -> Took:
    return Took(time.perf_counter(), time.process_time())


def synchronized(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def random_frames(size: int, count: int = 256) -> FrameSet:
    """Noise with labels: what a step costs does not depend on what is seen."""
    random = np.random.default_rng(0)
    return FrameSet(
        images=random.integers(0, 256, (count, size, size), np.uint8),
        targets=(np.arange(count)[:, None] % 2).astype(np.float32),
        mask=np.ones((count, 1), bool),
        clip=np.array([f"clip{row // 16}" for row in range(count)]),
        patient=np.array([f"patient{row // 64}" for row in range(count)]),
        split=np.full(count, "train"),
        time_s=np.arange(count) / 25.0,
        organs=("organ",),
        geometry=Geometry(size=size),
    )


def network_step(options: TrainOptions, size: int, *, compiled: bool = False) -> Callable[[], None]:
    """Forward, loss, backward and optimizer on one batch that lies on the device, as seqcls trains."""
    device = choose_device(options.device)
    dtype = choose_precision(options.precision, device)
    model = build(1)[0].to(device).train()
    forward = torch.compile(model) if compiled else model
    optimizer = open_optimizer(model, options)
    images = torch.randint(0, 256, (options.batch_size, size, size), device=device).float()
    targets = torch.arange(options.batch_size, device=device).view(-1, 1) % 2.0

    def step() -> None:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = forward(images)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def bare_steps(options: TrainOptions, size: int) -> Callable[[int], Took]:
    """Per step of ``network_step``."""
    device, step = choose_device(options.device), network_step(options, size)

    def steps(count: int) -> Took:
        step()
        synchronized(device)
        began = now_s()
        for _ in range(count):
            step()
        synchronized(device)
        took = timed_since(began)
        return Took(took.clock_s / count, took.processor_s / count)

    return steps


def loop_steps(options: TrainOptions, size: int) -> Callable[[int], Took]:
    """Steps of the training itself, the middle ones of a training of ``count`` more; per step."""
    frames, device = random_frames(size), choose_device(options.device)

    def steps(count: int) -> Took:
        marks: list[Took] = []

        def mark(done: int, total: int) -> None:
            if done in (ENDS, ENDS + count):
                synchronized(device)
                marks.append(now_s())

        samples = (count + 2 * ENDS) * options.batch_size
        train(frames, replace(options, epochs=1, samples_per_epoch=samples), on_step=mark)
        began, ended = marks
        return Took((ended.clock_s - began.clock_s) / count, (ended.processor_s - began.processor_s) / count)

    return steps


def step_ratios(options: TrainOptions, sizes: Sequence[int], repeats: int, steps: int) -> list[str]:
    """Lines: for each size the medians of the bare step and of the loop's, and of the ratios of their turns."""
    lines = []
    for size in sizes:
        bare, loop = bare_steps(options, size), loop_steps(options, size)
        turns = [(bare(steps), loop(steps)) for _ in range(repeats)]
        for what in ("processor_s", "clock_s"):
            alone, whole = ([getattr(took, what) for took in side] for side in zip(*turns, strict=True))
            ratios = [ours / its for its, ours in zip(alone, whole, strict=True)]
            lines.append(
                f"{size} px, batch {options.batch_size}, a step in {WORDS[what]}: bare network"
                f" {1000 * statistics.median(alone):.0f} ms, in training {1000 * statistics.median(whole):.0f} ms,"
                f" ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
            )
    return lines


@dataclass(frozen=True)
class Way:
    """A version of seqcls, and options of `seqcls train` for it alone."""

    checkout: Path
    options: tuple[str, ...] = ()


def trained(way: Way, out: Path, data: Sequence[str], seed: int, folds: str | None) -> Took:
    """`seqcls train` of a checkout, in a process of its own."""
    checkout = way.checkout
    shutil.rmtree(Path(data[0]) / CACHE_FOLDER, ignore_errors=True)
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
    command = [sys.executable, "-m", "seqcls", "train", *data, *way.options, "--seed", str(seed)]
    command += ["-o", str(out.resolve()), "--overwrite", *([] if folds is None else ["--folds", folds])]
    before, began = os.times(), time.perf_counter()
    # In the checkout: the folder that a program is started in comes before PYTHONPATH.
    done = subprocess.run(command, env=environment, cwd=checkout, capture_output=True)
    clock_s, after = time.perf_counter() - began, os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr.decode()}")
    spent = [getattr(after, name) - getattr(before, name) for name in ("children_user", "children_system")]
    return Took(clock_s, sum(spent))


def fold_figures(model: Path) -> tuple[float, float]:
    """AUROC and accuracy on patients left out, pooled, means over the organs."""
    table = read_fold_scores(model.with_name(f"{model.stem}-training") / "cross-validation.csv")
    areas, right = [], []
    for scores, labels in zip(table.scores.T, table.labels.T, strict=True):
        use = (labels >= 0) & ~np.isnan(scores)
        areas.append(auroc(labels[use] == 1, scores[use]))
        right.append(float(np.mean((scores[use] > 0.5) == (labels[use] == 1))))
    return float(np.mean(areas)), float(np.mean(right))


def clips_to_model(
    out: Path, ways: dict[str, Way], data: Sequence[str], seeds: int, folds: str, timed: int
) -> list[str]:
    """Lines: time from clips to model in each way, without and with cross-validation, and its accuracy. ``timed``: with
    so many of the seeds without cross-validation, too."""
    plain: dict[str, list[Took]] = {name: [] for name in ways}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for seed in range(seeds):
        for number, (name, way) in enumerate(ways.items()):
            model = out / f"way{number}" / f"seed{seed}.safetensors"
            model.parent.mkdir(parents=True, exist_ok=True)
            if seed < timed:
                plain[name].append(trained(way, model, data, seed, folds=None))
                alone = plain[name][-1]
                show(
                    f"seed {seed}, {name}: clips to model {alone.clock_s:.0f} s, {alone.processor_s:.0f} s of processor"
                    " time"
                )
            whole = trained(way, model, data, seed, folds=folds)
            figures[name].append(fold_figures(model))
            show(
                f"seed {seed}, {name}: with folds {whole.clock_s:.0f} s, {whole.processor_s:.0f} s of processor time;"
                f" AUROC {figures[name][-1][0]:.4f}, accuracy {figures[name][-1][1]:.4f}"
            )
    lines = []
    for name in ways:
        clock_s, processor_s = (
            statistics.median(getattr(took, what) for took in plain[name]) for what in ("clock_s", "processor_s")
        )
        areas, right = zip(*figures[name], strict=True)
        lines.append(
            f"{name}: clips to model {clock_s:.0f} s, {processor_s:.0f} s of processor time; patients left out: AUROC"
            f" {statistics.mean(areas):.4f} ({min(areas):.4f} to {max(areas):.4f}), accuracy"
            f" {statistics.mean(right):.4f} ({min(right):.4f} to {max(right):.4f})"
        )
    last, *others = reversed(ways)
    for name in reversed(others):
        for what in ("clock_s", "processor_s"):
            ratios = [
                getattr(new, what) / getattr(old, what) for new, old in zip(plain[name], plain[last], strict=True)
            ]
            lines.append(f"clips to model in {WORDS[what]}, {name} to {last}: {statistics.median(ratios):.2f}")
    return lines


def draw_data(folder: Path) -> Path:
    """Frames of phantom patients, as `seqcls extract` writes them."""
    data, clips = folder / "training-data", folder / "training-clips"
    if not data.exists():
        clips.mkdir(parents=True, exist_ok=True)
        truths = [
            write_sweep(clips / f"neck{patient}.mp4", SweepOptions(patient=patient, rate_hz=12.5))
            for patient in range(300, 300 + PATIENTS)
        ]
        write_labels(clips / "labels.csv", truths)
        found = match_clips(read_labels(clips / "labels.csv"), clips, clips / "labels.csv")
        extract(found, data, ExtractOptions(validation=HELD_OUT / PATIENTS, geometry=Geometry(size=SIZE)))
    return data


def plain_auroc(data: Path, model: Any) -> float:
    """Mean over the organs, on the patients held out."""
    held_out = plain_loop.Folder(data, "validation")
    model.eval()
    with torch.inference_mode():
        parts = [model(x) for x, _ in torch.utils.data.DataLoader(held_out, batch_size=64)]
    logits, known = torch.cat(parts).numpy(), held_out.states != ""
    areas = [auroc(held_out.targets[use, k], logits[use, k]) for k, use in enumerate(known.T)]
    return float(np.mean(areas))


def rates(folder: Path, plain: Any, repeats: int) -> list[Result]:
    """Images per second of a few steps each, model building included on both sides; reading the data set is not."""
    data = draw_data(folder)
    frames = load_frames(data, Geometry(size=SIZE))
    blind = replace(frames, split=np.full(len(frames.split), "train"))  # the rate of learning, not of validating

    def few(options: TrainOptions) -> Case:
        name = next(name for name, way in WAYS.items() if way is options)
        short = replace(options, epochs=1, samples_per_epoch=STEPS * BATCH)

        def work() -> int:
            train(blind, short)
            return STEPS * BATCH

        return Case(name, work)

    cases = [plain.case("plain training", "training", data, STEPS), *(few(options) for options in WAYS.values())]
    return measure(cases, repeats)


def areas(folder: Path, seeds: int) -> dict[str, list[float]]:
    """Validation AUROC, mean over the organs, of every way of training with every seed; the same number of steps."""
    data = draw_data(folder)
    frames = load_frames(data, Geometry(size=SIZE))
    found: dict[str, list[float]] = {name: [] for name in ("plain training", *WAYS)}
    for seed in range(seeds):
        found["plain training"].append(plain_auroc(data, plain_loop.train(data, EPOCHS * SAMPLES // BATCH, seed)))
        for name, options in WAYS.items():
            metrics = train(frames, replace(options, seed=seed)).metrics
            assert metrics is not None, "patients are held out"
            found[name].append(float(np.mean([organ.auroc for organ in metrics])))
    return found


def facts_of(found: dict[str, list[float]]) -> dict[str, str]:
    """For the list of facts."""
    return {
        f"{name}, validation AUROC": f"{statistics.mean(values):.4f} (seeds: {', '.join(f'{v:.4f}' for v in values)})"
        for name, values in found.items()
    }


def show(line: str) -> None:
    print(line, flush=True)


def main(arguments: argparse.Namespace) -> None:
    arguments.output.mkdir(parents=True, exist_ok=True)
    options = TrainOptions(
        weights="none",
        device=arguments.device,
        precision=arguments.precision,
        batch_size=arguments.batch,
        progressive=0,
    )
    device = choose_device(options.device)
    show(f"{torch.get_num_threads()} threads, {device}, {choose_precision(options.precision, device)}")
    for line in step_ratios(options, arguments.sizes, arguments.repeats, arguments.steps):
        show(line)
    if arguments.clips is not None:
        data = [str(arguments.clips.resolve()), "--labels", str(arguments.labels.resolve())]
        data += [] if arguments.patients is None else ["--patients", arguments.patients]
        data += arguments.options
        here = Path(__file__).resolve().parent.parent
        ways = {
            " ".join(["this", *shlex.split(way)]): Way(here, tuple(shlex.split(way))) for way in arguments.way or [""]
        }
        ways |= {} if arguments.against is None else {"other": Way(arguments.against.resolve())}
        timed = arguments.seeds if arguments.timed is None else arguments.timed
        for line in clips_to_model(arguments.output, ways, data, arguments.seeds, arguments.folds, timed):
            show(line)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="*", default=[112, 224])
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--patients")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--way", action="append", help="options of this version; may be repeated. Default: none")
    parser.add_argument("--folds", default="groups", help="as for `seqcls train`")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--timed", type=int, help="so many seeds without folds, too. Default: all")
    parser.add_argument("options", nargs="*", help="after --: for `seqcls train`")
    main(parser.parse_args())
