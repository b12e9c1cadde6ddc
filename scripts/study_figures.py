"""A search for hyper-parameters on synthetic patients: killed, gone on with, and judged on patients it never saw.

    python scripts/study_figures.py -o /tmp/study        # half an hour of one core that others use too

A child searches --trials trials over --patients patients from the demo's early layers, with few steps; once
--kill-after trials have ended it is killed (SIGKILL) in the middle of the next one, and a second child goes on. The
best and the defaults are then trained with --seeds seeds and compared on --unseen other patients. What is printed, and
written to figures.json, says whether the best beats the defaults by more than the spread of seeds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import FrameSet, frames_from_clips
from seqcls.datasets.labels import read_labels
from seqcls.demo import TRAINING
from seqcls.geometry import Geometry
from seqcls.phantom import write_labels, write_sweep
from seqcls.training.options import TrainOptions
from seqcls.training.search import SearchOptions, search
from seqcls.training.search_files import DATABASE, write_search
from seqcls.training.search_space import default_space, narrowed
from seqcls.training.study import Trial

FIRST_UNSEEN = 1000
OPTIONS = TrainOptions(weights="early", samples_per_epoch=128, epochs=6, device="cpu", precision="fp32")
SPACE = narrowed(default_space(OPTIONS), ["size=48,64", "epochs=2..10"])


def draw(folder: Path, patients: int, unseen: int) -> None:
    """One sweep per patient, kept from an earlier run."""
    if (folder / "labels.csv").exists():
        return
    numbers = [*range(patients), *range(FIRST_UNSEEN, FIRST_UNSEEN + unseen)]
    truths = [write_sweep(folder / f"neck{one:04d}.mp4", replace(TRAINING, patient=one)) for one in numbers]
    write_labels(folder / "labels.csv", truths)


def load(folder: Path, size: int) -> FrameSet:
    """The unseen patients are the validation side, which no trial takes."""
    clips = match_clips(read_labels(folder / "labels.csv"), folder, folder / "labels.csv")
    frames = frames_from_clips(
        [(path, replace(labels, patient=labels.file)) for path, labels in clips], Geometry(size=size)
    )
    unseen = np.array([int(name[4:8]) >= FIRST_UNSEEN for name in frames.patient])
    return replace(frames, split=np.where(unseen, "validation", "train"))


def child(folder: Path, trials: int, seeds: int) -> None:
    def show(trial: Trial, done: int) -> None:
        print(f"trial {trial.number} {trial.state} {trial.auroc:.4f} ({done} done)", flush=True)

    chosen = SearchOptions(trials=trials, seeds=seeds, folds=2)
    result = search(
        lambda size: load(folder / "clips", size), OPTIONS, SPACE, folder / DATABASE, chosen, size=64,
        on_trial=show, on_step=lambda line: print(line, flush=True),
    )  # fmt: skip
    write_search(result, SPACE, OPTIONS, folder)
    compared = result.comparison
    assert compared is not None, "nobody interrupts it"
    figures = {
        "trials": [asdict(trial) for trial in result.trials],
        "importance": result.importance,
        "default": compared.default,
        "best": compared.best,
        "unseen patients": compared.held_out,
        "verdict": compared.verdict,
    }
    (folder / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    print(result.best.values)
    print(compared.verdict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--kill-after", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--patients", type=int, default=6)
    parser.add_argument("--unseen", type=int, default=8)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(asked.output, asked.trials, asked.seeds)
        return 0
    (asked.output / "clips").mkdir(parents=True, exist_ok=True)
    draw(asked.output / "clips", asked.patients, asked.unseen)
    (asked.output / DATABASE).unlink(missing_ok=True)
    began_s = time.monotonic()
    command = [sys.executable, __file__, "-o", str(asked.output), "--child"]
    command += ["--trials", str(asked.trials), "--seeds", str(asked.seeds)]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    for line in first.stdout:
        print(line, end="")
        if f"({asked.kill_after} done)" in line:
            time.sleep(1.0)  # the next one has begun
            first.kill()
            break
    first.wait()
    print(f"killed after {asked.kill_after} trials: exit code {first.returncode}; the same command again")
    second = subprocess.run(command, check=False)
    print(f"{time.monotonic() - began_s:.0f} s in all")
    return second.returncode


if __name__ == "__main__":
    sys.exit(main())
