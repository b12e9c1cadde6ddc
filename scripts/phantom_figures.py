"""How well the whole path does on synthetic patients it has never seen, against exact truth.

    python scripts/phantom_figures.py -o /tmp/phantom                   # about 11 minutes on 2 cores
    python scripts/phantom_figures.py -o /tmp/phantom --demo --seed 1   # 6, as `seqcls demo` trains

Draws sweeps of --patients patients, extracts, trains as `seqcls train --weights none --augment 0.3` does (phantoms
differ enough among themselves), then runs on --unseen other patients and prints the figures, of the operating point
that was tuned on the held-out training patients and of the default one; figures.json keeps them. Everything is made by
the public functions that the command line uses.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import load_frames
from seqcls.datasets.extract import ExtractOptions, extract
from seqcls.datasets.labels import ClipLabels, read_labels
from seqcls.demo import DemoOptions
from seqcls.detector import load
from seqcls.evaluation.clip_truth import align_labels
from seqcls.evaluation.evaluate import Evaluation, evaluate_clips, pooled_metrics
from seqcls.files.json_text import write_json
from seqcls.geometry import Geometry
from seqcls.intervals import IntervalOptions
from seqcls.models.file import write_model
from seqcls.phantom import SweepOptions, write_labels, write_sweep
from seqcls.reprocess import replay
from seqcls.smoothing import SmoothingOptions
from seqcls.training.options import SIZE_SCRATCH, AugmentOptions, TrainOptions
from seqcls.training.train import train

FIRST_UNSEEN = 1000
RATE_HZ = 25.0


def draw(folder: Path, patients: range, rate_hz: float) -> list[tuple[Path, ClipLabels]]:
    """One sweep of 20 s per patient, and its labels; kept from an earlier run into the same folder."""
    if not (folder / "labels.csv").exists():
        folder.mkdir(parents=True, exist_ok=True)
        truths = [
            write_sweep(folder / f"neck{patient:04d}.mp4", SweepOptions(patient=patient, rate_hz=rate_hz))
            for patient in patients
        ]
        write_labels(folder / "labels.csv", truths)
    return match_clips(read_labels(folder / "labels.csv"), folder, folder / "labels.csv")


def show(evaluation: Evaluation) -> None:
    for organ in evaluation.organs:
        frames, intervals = organ.frames, organ.intervals
        assert intervals is not None, "clips were evaluated"
        onset, offset = intervals.onset_median_s * RATE_HZ, intervals.offset_median_s * RATE_HZ
        print(
            f"{organ.organ}: AUROC {frames.auroc:.4f}, accuracy {frames.accuracy:.4f},"
            f" event F1 {intervals.event_f1:.3f}, F1@50 {intervals.f1_at[2]:.3f}, edit {intervals.edit:.3f},"
            f" found {intervals.found}/{intervals.presences}, false {intervals.false_events},"
            f" onset/offset error median {onset:.1f}/{offset:.1f} frames",
            flush=True,
        )


def with_defaults(evaluation: Evaluation, labels: Sequence[ClipLabels]) -> Evaluation:
    """The same scores with the options of a model that nobody tuned."""
    timelines = [replay(clip.timeline, SmoothingOptions(), IntervalOptions()) for clip in evaluation.clips]
    return pooled_metrics([align_labels(one, own) for one, own in zip(timelines, labels, strict=True)])


def main(arguments: argparse.Namespace) -> int:
    began = time.monotonic()

    def said(what: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {what}", flush=True)

    out: Path = arguments.output
    clips = draw(out / "clips", range(arguments.patients), RATE_HZ / 2)
    unseen = draw(out / "unseen", range(FIRST_UNSEEN, FIRST_UNSEEN + arguments.unseen), RATE_HZ)
    said(f"drew {len(clips)} + {len(unseen)} sweeps")
    demo = DemoOptions(seed=arguments.seed)
    geometry = Geometry(size=demo.size if arguments.demo else arguments.size)
    extract(clips, out / "data", ExtractOptions(geometry=geometry, overwrite=True))
    frames = load_frames(out / "data", geometry)
    said(f"extracted {len(frames.images)} frames")
    options = TrainOptions(
        weights="none",
        epochs=arguments.epochs,
        augment=AugmentOptions(strength=arguments.augment),
        seed=arguments.seed,
    )
    options = demo.training if arguments.demo else options
    result = train(
        frames, options, on_epoch=lambda e: said(f"epoch {e.number}: loss {e.loss:.3f}, AUROC {e.auroc:.4f}")
    )
    model = out / "neck.safetensors"
    write_model(model, result.header, result.tensors)
    evaluation = evaluate_clips(load(model), unseen)
    said(f"ran on {len(unseen)} unseen patients")
    print("tuned:")
    show(evaluation)
    default = with_defaults(evaluation, [labels for _, labels in unseen])
    print("default smoothing, thresholds and durations:")
    show(default)
    write_json(out / "figures.json", {**evaluation.to_dict(), "default": default.to_dict()})
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=48)
    parser.add_argument("--unseen", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--augment", type=float, default=0.3)
    parser.add_argument("--size", type=int, default=SIZE_SCRATCH)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--demo", action="store_true", help="train as seqcls demo does; size, epochs, augment are its own"
    )
    sys.exit(main(parser.parse_args()))
