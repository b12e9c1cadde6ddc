"""Training at 224 pixels against the plain loop of plain_loop.py; a part of bench.py.

seqcls trains on the same frames, with its own augmentation, which costs time that the plain loop does not spend.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import plain_loop
import torch

from seqcls.bench import Case, Result, measure
from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import load_frames
from seqcls.datasets.extract import ExtractOptions, extract
from seqcls.datasets.labels import read_labels
from seqcls.evaluation.metrics import auroc
from seqcls.geometry import Geometry
from seqcls.phantom import SweepOptions, write_labels, write_sweep
from seqcls.training.options import AugmentOptions, TrainOptions
from seqcls.training.train import train

STEPS = 10
SIZE, BATCH = plain_loop.SIZE, plain_loop.BATCH
PATIENTS, HELD_OUT = 22, 6
EPOCHS, SAMPLES = 5, 512
#: Less augmentation than by default: phantoms differ enough among themselves.
OPTIONS = TrainOptions(
    weights="none", device="cpu", epochs=EPOCHS, samples_per_epoch=SAMPLES, augment=AugmentOptions(strength=0.3)
)
WAYS = {"seqcls": OPTIONS, "seqcls, progressive 0.75": replace(OPTIONS, progressive=0.75)}


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
