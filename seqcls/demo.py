"""The whole path on synthetic neck sweeps: draw, extract, train, run on a patient never trained on, compare."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import load_frames
from seqcls.datasets.extract import ExtractOptions, extract
from seqcls.datasets.labels import read_labels
from seqcls.detector import load
from seqcls.evaluation.evaluate import Evaluation, align_labels, pooled_metrics
from seqcls.exports import write_run
from seqcls.exports.timeline_png import write_picture
from seqcls.geometry import Geometry
from seqcls.models.file import write_model
from seqcls.phantom import SweepOptions, write_labels, write_sweep
from seqcls.timeline import Timeline
from seqcls.training.options import AugmentOptions, TrainOptions
from seqcls.training.plots import write_history
from seqcls.training.train import Epoch, train

#: Nobody's number among those trained on.
UNSEEN = 1000
CLIPS, DATA, MODEL, RUN = "clips", "data", "neck.safetensors", "run"

#: A stage by name and size gives a function to report what is done; the command line draws it.
Stage = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """patients: how many to train on. size: side of the image. The defaults end within 4 minutes on two cores."""

    patients: int = 12
    duration_s: float = 14.0
    rate_hz: float = 12.5
    size: int = 96
    epochs: int = 10
    samples_per_epoch: int = 768
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class DemoResult:
    """The unseen patient's timeline, and how it compares with the exact truth."""

    timeline: Timeline
    evaluation: Evaluation


def demo(
    folder: str | Path, options: DemoOptions, stage: Stage, on_epoch: Callable[[Epoch], None] | None = None
) -> DemoResult:
    """Fill ``folder`` with clips/, labels.csv, data/, neck.safetensors and run/. Raises OutputError."""
    folder = Path(folder)
    with stage("drawing sweeps", options.patients + 1) as advance:
        _draw(folder, options, advance)
    with stage("extracting", 0) as advance:
        labels = read_labels(folder / "labels.csv")
        clips = match_clips(labels, folder / CLIPS, folder / "labels.csv")
        chosen = ExtractOptions(seed=options.seed, overwrite=True, geometry=Geometry(size=options.size))
        extract(clips, folder / DATA, chosen, on_frame=advance)
    frames = load_frames(folder / DATA, Geometry(size=options.size))
    train_options = TrainOptions(
        weights="none",
        epochs=options.epochs,
        samples_per_epoch=options.samples_per_epoch,
        augment=AugmentOptions(strength=0.3),  # phantoms differ enough among themselves
        seed=options.seed,
    )
    with stage("training", options.epochs * train_options.steps_per_epoch(len(frames.images))) as advance:
        result = train(frames, train_options, on_epoch=on_epoch, on_step=lambda done, total: advance(done))
    write_model(folder / MODEL, result.header, result.tensors)
    write_history(result.history, folder / "neck-training")
    unseen = folder / "unseen.mp4"
    with stage("running", 0) as advance:
        timeline = load(folder / MODEL).analyze(unseen, on_progress=lambda done, time_s: advance(done))
    write_run(timeline, folder / RUN, overwrite=True)
    write_picture(timeline, folder / RUN / "timeline.png")
    (truth,) = read_labels(folder / "unseen.csv")
    return DemoResult(timeline, pooled_metrics([align_labels(timeline, replace(truth, patient="unseen"))]))


def _draw(folder: Path, options: DemoOptions, advance: Callable[[int], None]) -> None:
    truths = []
    for patient in range(options.patients):
        sweep = SweepOptions(
            patient=patient, sweep=options.seed, duration_s=options.duration_s, rate_hz=options.rate_hz
        )
        truths.append(write_sweep(folder / CLIPS / f"neck{patient:02d}.mp4", sweep))
        advance(patient + 1)
    write_labels(folder / "labels.csv", truths)
    unseen = write_sweep(folder / "unseen.mp4", SweepOptions(patient=UNSEEN, sweep=options.seed))
    write_labels(folder / "unseen.csv", [unseen])
    advance(options.patients + 1)
