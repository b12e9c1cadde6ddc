"""Whether one model of two organs, learned from two separately labelled sets, equals two models of one organ each.

    python scripts/masked_loss_figures.py -o /tmp/masked      # about 12 minutes on 2 cores

Half of the synthetic patients is labelled for the thyroid alone, the other half for the trachea alone. Three models
are trained: of the thyroid on one half, of the trachea on the other, and of both on all, where a frame's loss counts
the organ that it is labelled for (``masked_loss``). The joint one gets the steps of the two others together. All are
compared on frames of patients that none has seen, over several seeds: AUROC, and accuracy at one half. figures.json
keeps every figure. The same command again goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import FrameSet, frames_from_clips
from seqcls.datasets.labels import ClipLabels, read_labels, with_patients
from seqcls.evaluation.metrics import frame_metrics
from seqcls.files.json_text import read_json, write_json
from seqcls.geometry import Geometry
from seqcls.phantom import SweepOptions, write_labels, write_sweep
from seqcls.training.crossvalidation import score_frames
from seqcls.training.options import AugmentOptions, TrainOptions
from seqcls.training.train import train

FIRST_UNSEEN = 1000
SIZE = 64
Clips = list[tuple[Path, ClipLabels]]


def drawn(folder: Path, patients: range) -> Clips:
    """A sweep of 12 s per patient, and its labels; kept from an earlier run into the same folder."""
    table = folder / "labels.csv"
    if not table.exists():
        truths = [
            write_sweep(
                folder / f"neck{patient:04d}.mp4",
                SweepOptions(patient=patient, width=480, height=360, duration_s=12.0, rate_hz=4.0),
            )
            for patient in patients
        ]
        write_labels(table, truths)
    return match_clips(with_patients(read_labels(table), None), folder, table)


def labelled_for(organ: str, clips: Clips) -> Clips:
    """As if a reader had looked for this organ alone."""
    return [
        (path, replace(labels, spans=tuple(span for span in labels.spans if span.organ == organ)))
        for path, labels in clips
    ]


def for_training(clips: Clips) -> FrameSet:
    frames = frames_from_clips(clips, Geometry(size=SIZE))
    return replace(frames, split=np.full(len(frames.split), "train"))


def figures(frames: FrameSet, unseen: FrameSet, samples: int, seed: int) -> dict[str, dict[str, float]]:
    """Per organ of a model trained on ``frames``: AUROC and accuracy on frames of patients that it has not seen."""
    options = TrainOptions(
        weights="early",
        frozen_stages=2,
        epochs=4,
        samples_per_epoch=samples,
        label_smoothing=0.0,
        augment=AugmentOptions(strength=0.15, curtain=0.0),
        seed=seed,
    )
    scores = score_frames(train(frames, options), unseen.images, options)
    found = {}
    for column, organ in enumerate(frames.organs):
        own = unseen.organs.index(organ)
        metrics = frame_metrics(unseen.targets[:, own], scores[:, column], unseen.mask[:, own])
        found[organ] = {"auroc": metrics.auroc, "accuracy": metrics.accuracy}
    return found


def main(arguments: argparse.Namespace) -> int:
    began, out = time.monotonic(), arguments.output
    clips = drawn(out / "clips", range(arguments.patients))
    unseen = for_training(drawn(out / "unseen", range(FIRST_UNSEEN, FIRST_UNSEEN + arguments.unseen)))
    organs = unseen.organs
    halves = [labelled_for(organ, clips[place :: len(organs)]) for place, organ in enumerate(organs)]
    alone = [for_training(half) for half in halves]
    joint = for_training([clip for half in halves for clip in half])
    kept = out / "figures.json"
    done = read_json(kept) if kept.exists() else {}
    for seed in range(arguments.seeds):
        for name, frames in (*zip(organs, alone, strict=True), ("joint", joint)):
            key = f"{name}, seed {seed}"
            if key not in done:
                done[key] = figures(frames, unseen, arguments.samples * len(frames.organs), seed)
                write_json(kept, done)
            print(f"[{time.monotonic() - began:5.0f} s] {key}: {done[key]}", flush=True)
    for organ in organs:
        for metric in ("auroc", "accuracy"):
            one, both = (
                np.array([done[f"{name}, seed {seed}"][organ][metric] for seed in range(arguments.seeds)])
                for name in (organ, "joint")
            )
            print(
                f"{organ} {metric}: alone {one.mean():.4f} ({one.min():.4f} to {one.max():.4f}),"
                f" joint {both.mean():.4f} ({both.min():.4f} to {both.max():.4f}),"
                f" difference {(both - one).mean():+.4f}"
            )
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=16)
    parser.add_argument("--unseen", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=416, help="frames drawn per epoch and organ, of 4 epochs")
    sys.exit(main(parser.parse_args()))
