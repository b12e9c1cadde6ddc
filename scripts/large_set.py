"""A set of very many frames: how long it takes to read, to start again, and to train on, and in how much memory.

    python scripts/large_set.py -o /tmp/large --frames 300000 --size 112

Draws phantom sweeps of some patients once, then as many frames as wanted, each one of theirs, moved and with gain and
speckle of its own, as JPEG files below OUT/data (kept for the next call). Then, each in a process of its own: the first
start, which writes the cache; the second; a training on all frames and one on a small set of them, in memory. Prints
seconds, images per second, the largest resident memory of the process's own (anonymous) and of mapped files, which the
system takes back when it needs it, and the AUROC on patients held out. Linux.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from seqcls.datasets.dataset import load_frames
from seqcls.geometry import Geometry
from seqcls.phantom import SweepOptions
from seqcls.phantom.sweep import sweep
from seqcls.training.options import TrainOptions
from seqcls.training.train import train

PATIENTS, HELD_OUT, SWEEP = 40, 8, SweepOptions(patient=0, width=240, height=180, duration_s=8.0, rate_hz=4.0)
SMALL = 1500
STATES = ("present", "absent")


def draw(out: Path, count: int) -> None:
    """As many frames as wanted, in folders that `train` reads."""
    random = np.random.default_rng(0)
    drawn = [(patient, one) for patient in range(PATIENTS) for one in sweep(replace(SWEEP, patient=patient))]
    known = [(p, one.image, one.states["thyroid"] == "present") for p, one in drawn if one.states["thyroid"] in STATES]
    for number in range(count):
        patient, image, present = known[number % len(known)]
        side = "validation" if patient < HELD_OUT else "train"
        folder = out / side / f"thyroid {'present' if present else 'absent'}"
        folder.mkdir(parents=True, exist_ok=True)
        moved = np.roll(image, random.integers(-6, 7, 2), axis=(0, 1)) * random.uniform(0.7, 1.3)
        moved = np.clip(moved * random.normal(1, 0.1, image.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"p{patient}_{number:07d}.jpg"), moved, [cv2.IMWRITE_JPEG_QUALITY, 85])


class Memory:
    """The largest resident memory by kind while it watches, in MB."""

    def __init__(self) -> None:
        self.most = {"RssAnon": 0.0, "RssFile": 0.0}
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            for line in Path("/proc/self/status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in self.most:
                    self.most[name] = max(self.most[name], int(value.split()[0]) / 1024)
            time.sleep(0.2)


def measure(data: Path, size: int, what: str, epochs: int) -> dict[str, object]:
    """One line of the table."""
    memory, began_s = Memory(), time.perf_counter()
    frames = load_frames(data, Geometry(size=size), skip_corrupt=True, cache=True)
    found: dict[str, object] = {"what": what, "frames": len(frames.images), "start_s": time.perf_counter() - began_s}
    if what.startswith("train"):
        if what == "train small":
            rows = np.flatnonzero(frames.split == "train")[:: max(1, len(frames.images) // SMALL)]
            held = np.flatnonzero(frames.split == "validation")[:: max(1, len(frames.images) // SMALL)]
            frames = frames.of_rows(np.sort(np.concatenate([rows, held])))
            frames = replace(frames, images=np.asarray(frames.images))
        options = TrainOptions(epochs=epochs, samples_per_epoch=1024, weights="none", fingerprints="none")
        began_s = time.perf_counter()
        rows = np.flatnonzero(frames.split == "train")
        held = np.flatnonzero(frames.split == "validation")[
            :: max(1, int((frames.split == "validation").sum()) // 2000)
        ]
        result = train(frames, options, train_index=rows, validation_index=held)
        found["train_s"] = time.perf_counter() - began_s
        found["images_per_s"] = float(np.median([epoch.images_per_s for epoch in result.history]))
        found["auroc"] = result.history[-1].auroc
    return {**found, **memory.most}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=300_000)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    data = arguments.output / "data"
    if arguments.measure:
        print(json.dumps(measure(data, arguments.size, arguments.measure, arguments.epochs)))
        return
    if not data.exists():
        began_s = time.perf_counter()
        draw(data, arguments.frames)
        print(f"drew {arguments.frames:,} frames in {time.perf_counter() - began_s:.0f} s", flush=True)
    for what in ("first start", "second start", "train all", "train small"):
        command = [sys.executable, __file__, *sys.argv[1:], "--measure", what]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
