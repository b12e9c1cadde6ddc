"""How much a further patient is worth: accuracy on unseen synthetic patients against how many were learned from.

    python scripts/learning_curve.py -o /tmp/curve              # a minute: a linear model on the demo's early layers
    python scripts/learning_curve.py -o /tmp/curve --network    # hours: trainings, resumed where they were left

Each patient is one sweep of 12 s with 48 frames. Of a pool of --pool patients so many are drawn, --draws times, and all
are tested on the same --unseen others. The linear model is that of the data checks (a logistic regression); the
networks start from the demo's early layers and leave them as they are, at 48 pixels, with the same 96 steps whatever
the number of patients. `seqcls check` quotes the first table (seqcls/datasets/data_checks/learning_curve.py).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.data_checks.wrong_labels import fit, reduced
from seqcls.datasets.dataset import FrameSet, frames_from_clips
from seqcls.datasets.labels import read_labels
from seqcls.demo import TRAINING
from seqcls.evaluation.metrics import frame_metrics
from seqcls.geometry import Geometry
from seqcls.phantom import write_labels, write_sweep
from seqcls.training.crossvalidation import score_frames
from seqcls.training.embedding import embed
from seqcls.training.options import AugmentOptions, TrainOptions
from seqcls.training.train import train

PATIENTS = (1, 2, 3, 5, 8, 12, 16)
FIRST_UNSEEN = 1000
SIZE = 64
_NONE = np.empty(0, np.int64)
NETWORK = TrainOptions(
    weights="early",
    frozen_stages=2,
    label_smoothing=0.0,
    epochs=6,
    samples_per_epoch=512,
    augment=AugmentOptions(strength=0.15, curtain=0.0),
)


def draw(folder: Path, patients: range, size: int) -> FrameSet:
    """The frames of one sweep per patient, all for training; the clips are kept from an earlier run."""
    if not (folder / "labels.csv").exists():
        truths = [
            write_sweep(folder / f"neck{patient:04d}.mp4", replace(TRAINING, patient=patient)) for patient in patients
        ]
        write_labels(folder / "labels.csv", truths)
    clips = match_clips(read_labels(folder / "labels.csv"), folder, folder / "labels.csv")
    frames = frames_from_clips(
        [(path, replace(labels, patient=labels.file)) for path, labels in clips], Geometry(size=size)
    )
    return replace(frames, split=np.full(len(frames.split), "train"))


def drawn(known: FrameSet, count: int, seed: int) -> NDArray[np.int64]:
    """Rows of so many patients, who show every organ present and absent together: else nothing could be learned."""
    random = np.random.default_rng([seed, count])
    while True:
        names = random.permutation(np.unique(known.patient))[:count]
        rows = np.flatnonzero(np.isin(known.patient, names))
        if not any(0 in counts.values() for counts in known.counts(rows)):
            return rows


def figures(unseen: FrameSet, scores: NDArray[np.float32]) -> list[float]:
    """AUROC and accuracy, means over the organs."""
    metrics = [frame_metrics(unseen.targets[:, k], scores[:, k], unseen.mask[:, k]) for k in range(len(unseen.organs))]
    return [statistics.mean(m.auroc for m in metrics), statistics.mean(m.accuracy for m in metrics)]


def linear(known: FrameSet, unseen: FrameSet, draws: int) -> list[dict[str, float]]:
    """All runs of the linear model."""
    both = reduced(np.concatenate([embed(known.images), embed(unseen.images)]))
    both /= np.maximum(both.std(axis=0), 1e-9)
    values, others = both[: len(known.images)], both[len(known.images) :]
    runs = []
    for count in PATIENTS:
        for seed in range(draws):
            rows = drawn(known, count, seed)
            scores = np.zeros(unseen.targets.shape, np.float32)
            for k in range(len(known.organs)):
                own = rows[known.mask[rows, k]]
                scores[:, k] = fit(values[own], known.targets[own, k] > 0.5, others)
            area, accuracy = figures(unseen, scores)
            runs.append({"patients": count, "seed": seed, "auroc": area, "accuracy": accuracy})
    return runs


def networks(known: FrameSet, unseen: FrameSet, draws: int, log: Path) -> list[dict[str, float]]:
    """All runs of trainings; those of the log are not made again."""
    runs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    for seed in range(draws):
        for count in PATIENTS:
            if any((run["seed"], run["patients"]) == (seed, count) for run in runs):
                continue
            options = replace(NETWORK, seed=seed)
            result = train(known, options, train_index=drawn(known, count, seed), validation_index=_NONE)
            area, accuracy = figures(unseen, score_frames(result, unseen.images, options))
            runs.append({"patients": count, "seed": seed, "auroc": area, "accuracy": accuracy})
            with log.open("a") as stream:
                stream.write(json.dumps(runs[-1]) + "\n")
    return runs


def show(runs: Sequence[dict[str, float]]) -> None:
    for count in PATIENTS:
        own = [run for run in runs if run["patients"] == count]
        if own:
            areas, shares = ([run[name] for run in own] for name in ("auroc", "accuracy"))
            print(
                f"{count:>3} patients: AUROC mean {statistics.mean(areas):.3f}, worst {min(areas):.3f};"
                f" accuracy mean {statistics.mean(shares):.3f}, worst {min(shares):.3f} ({len(own)} draws)"
            )


def main(arguments: argparse.Namespace) -> int:
    out: Path = arguments.output
    size = 48 if arguments.network else SIZE
    known = draw(out / "pool", range(arguments.pool), size)
    unseen = draw(out / "unseen", range(FIRST_UNSEEN, FIRST_UNSEEN + arguments.unseen), size)
    if arguments.network:
        show(networks(known, unseen, arguments.draws, out / "runs.jsonl"))
    else:
        show(linear(known, unseen, arguments.draws))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--pool", type=int, default=20)
    parser.add_argument("--unseen", type=int, default=20)
    parser.add_argument("--draws", type=int, default=10)
    sys.exit(main(parser.parse_args()))
