"""A set of very many frames: how long it takes to start, to start again and to train on, and in how much memory.

    python scripts/large_set.py -o /tmp/large                       # draws 300,000 frames (1.8 GB), then measures
    python scripts/large_set.py -o /tmp/large --frames 20000        # a smaller one

Draws a few phantom sweeps whole, then as many frames as wanted: each is one of theirs, moved, turned and scaled a
little, with gain, gamma and speckle of its own, as a JPEG file below OUT/large (kept for the next call); and a small
set of the same patients below OUT/small. Then, each in a process of its own, `seqcls train` as the command line starts
it: the first start, which writes the cache, up to the first step; the second start; a training on all, and one on the
small set, held in memory (--no-cache); and these two once more, so that what else runs on the machine shows. Each has
seconds from the start of the process to the first step, images per second of the clock and of processor time, the
largest resident memory, the process's own (anonymous) and mapped files apart, and the validation figures of the model,
on patients held out. Linux.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seqcls.phantom import SweepOptions
from seqcls.phantom.sweep import sweep

PATIENTS, HELD_OUT = 48, 8
SWEEP = SweepOptions(patient=0, width=240, height=180, duration_s=8.0, rate_hz=4.0, overlay=False)
#: Of the images on disk. Validation is a tenth of a set, but no more than so many frames: each epoch looks at them all.
WIDTH, HEIGHT, MAX_VALIDATION = 160, 120, 3000
#: Side of a field of speckle that frames take their part of, and how many there are.
FIELD, FIELDS = 512, 8
ORGAN, STATES = "thyroid", ("present", "absent")


def draw(out: Path, count: int) -> None:
    """As many frames as wanted, in folders that `train` reads."""
    held = min(count // 10, MAX_VALIDATION)
    for side in ("train", "validation"):
        for state in STATES:
            (out / side / f"{ORGAN} {state}").mkdir(parents=True)
    shares = [np.array_split(np.arange(held), HELD_OUT), np.array_split(np.arange(count - held), PATIENTS - HELD_OUT)]
    counts = [len(part) for parts in shares for part in parts]
    with ProcessPoolExecutor(2) as pool:
        for _ in pool.map(_draw_patient, [out] * PATIENTS, range(PATIENTS), counts):
            pass


def _draw_patient(out: Path, patient: int, count: int) -> None:
    cv2.setNumThreads(1)
    random = np.random.default_rng(patient)
    stills = [one for one in sweep(replace(SWEEP, patient=patient)) if one.states[ORGAN] in STATES]
    # Speckle is correlated over some pixels, and its amplitude is Rayleigh distributed.
    fields = [
        cv2.GaussianBlur(random.rayleigh(0.8, (FIELD, FIELD)).astype(np.float32), (0, 0), 0.8) for _ in range(FIELDS)
    ]
    levels = np.linspace(0, 1, 256, dtype=np.float32)
    side = "validation" if patient < HELD_OUT else "train"
    for number in range(count):
        still = stills[int(random.integers(len(stills)))]
        angle, scale, shift = random.uniform(-4, 4), random.uniform(0.95, 1.08), random.uniform(-6, 6, 2)
        matrix = cv2.getRotationMatrix2D((SWEEP.width / 2, SWEEP.height / 2), angle, scale)
        matrix[:, 2] += shift
        matrix *= WIDTH / SWEEP.width
        image = cv2.warpAffine(still.image, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        gray = 255 * random.uniform(0.75, 1.25) * levels ** random.uniform(0.85, 1.2)
        y, x = random.integers(0, FIELD - HEIGHT), random.integers(0, FIELD - WIDTH)
        field = fields[int(random.integers(FIELDS))][y : y + HEIGHT, x : x + WIDTH]
        image = np.minimum(gray[image] * field, 255).astype(np.uint8)
        path = out / side / f"{ORGAN} {still.states[ORGAN]}" / f"p{patient:02d}_{number:06d}.jpg"
        path.write_bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())


class Memory:
    """The largest resident memory by kind while it watches, in MB: of the process alone, of mapped files, and both."""

    def __init__(self) -> None:
        self.most = {"RssAnon": 0.0, "RssFile": 0.0, "VmRSS": 0.0}
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            for line in Path("/proc/self/status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in self.most:
                    self.most[name] = max(self.most[name], int(value.split()[0]) / 1024)
            time.sleep(0.2)


class Started(Exception):  # noqa: N818 - no error: the training is about to begin, and nothing more is asked
    """Ends the command where only its start is measured."""


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One line of the table: `seqcls train` in this process, which began at ``arguments.began_s``."""
    memory = Memory()
    from seqcls.cli import check
    from seqcls.cli import train as command
    from seqcls.training import train as training

    what, true_train = arguments.measure, training.train
    if arguments.no_checks:
        check.checked = _unchecked  # type: ignore[assignment]
    small = "small" in what
    model = arguments.output / f"{'small' if small else 'large'}.safetensors"
    found: dict[str, Any] = {"what": what}
    steps = list[tuple[float, float, int]]()

    def train(frames: Any, options: Any, **others: Any) -> Any:
        found.update(
            frames=len(frames.images), start_s=time.time() - arguments.began_s, start_cpu_s=time.process_time()
        )
        found["start_mb"] = dict(memory.most)
        memory.most.update(dict.fromkeys(memory.most, 0.0))
        if "start" in what:
            raise Started
        others["on_step"] = lambda done, total: steps.append((time.perf_counter(), time.process_time(), done))
        return true_train(frames, options, **others)

    training.train = train  # type: ignore[assignment]
    size = ["--size", str(arguments.size), "--epochs", str(arguments.epochs)]
    given = [str(arguments.output / ("small" if small else "large")), "-o", str(model), *size, "--overwrite"]
    given += ["--weights", "none", "--samples-per-epoch", str(arguments.samples), *["--no-cache"] * small]
    try:
        _call(command.train, given)
    except Started:
        return found
    # Steps of one epoch follow each other; between two of them lies the validation.
    each = arguments.samples // 32
    clock = [after[0] - before[0] for before, after in itertools.pairwise(steps) if before[2] % each]
    worked = [after[1] - before[1] for before, after in itertools.pairwise(steps) if before[2] % each]
    found["images_per_s"], found["images_per_cpu_s"] = 32 / np.median(clock), 32 / np.median(worked)
    with (arguments.output / f"{model.stem}-training/history.csv").open() as stream:
        found["auroc"] = [round(float(row["auroc"]), 4) for row in csv.DictReader(stream)]
    return {**found, "train_mb": dict(memory.most)}


def _unchecked(frames: Any, **_: Any) -> Any:
    """As after checks that found nothing."""
    from seqcls.datasets.data_checks import DataCheck

    nothing: dict[str, Any] = dict.fromkeys(("set_aside", "findings", "balance", "parts", "independent"), ())
    kept = np.arange(len(frames.images))
    return DataCheck(frames=frames, whole=frames, site_from="", leaked=0, kept=kept, features=None, **nothing)


def _call(function: Any, given: list[str]) -> None:
    """As the command line does, but for its handling of exceptions."""
    import typer

    app = typer.Typer()
    app.command()(function)
    app(given, standalone_mode=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=300_000)
    parser.add_argument("--small", type=int, default=6000)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--samples", type=int, default=2048, help="images in an epoch")
    parser.add_argument("--draw", action="store_true", help="draw, and measure nothing")
    parser.add_argument("--no-checks", action="store_true", help="without the data checks, most of a first start")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--began-s", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments)))
        return
    for name, count in (("small", arguments.small), ("large", arguments.frames)):
        if not (arguments.output / name).exists():
            began_s = time.perf_counter()
            draw(arguments.output / name, count)
            print(f"drew {count:,} frames in {time.perf_counter() - began_s:.0f} s", flush=True)
    whats = ("first start", "second start", "train all", "train small", "train all", "train small")
    for what in () if arguments.draw else whats:
        command = [sys.executable, __file__, *sys.argv[1:], "--measure", what, "--began-s", str(time.time())]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        print(done.stdout.strip().splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
