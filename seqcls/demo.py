"""The whole path on synthetic neck sweeps: draw, extract, train, run on a patient never trained on, compare.

Training starts from early layers (conv1, bn1, layer1, layer2) that learned the same two organs on 694 other synthetic
patients, where real training starts from ImageNet's weights, and leaves them as they are. They were made by
``scripts/make_demo_stem.py``. Those patients have numbers of their own: the demo trains on none of them, and its unseen
patient is none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from seqcls.convert.make_twin import make_twin
from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import load_frames
from seqcls.datasets.extract import ExtractOptions, extract
from seqcls.datasets.labels import read_labels
from seqcls.detector import load
from seqcls.evaluation.clip_truth import align_labels
from seqcls.evaluation.evaluate import Evaluation, pooled_metrics
from seqcls.exports import write_run
from seqcls.exports.timeline_png import write_picture
from seqcls.geometry import Geometry
from seqcls.models.file import write_model
from seqcls.phantom import SweepOptions, write_labels, write_sweep
from seqcls.timeline import Timeline
from seqcls.training.epoch import Epoch
from seqcls.training.options import AugmentOptions, TrainOptions
from seqcls.training.plots import write_history
from seqcls.training.train import train

#: Nobody's number among those trained on, here or for the early layers (5000 and on).
UNSEEN = 1000
#: The model sees far fewer pixels than a screen has; smaller screens are drawn, written and read in half the time.
TRAINING = SweepOptions(patient=0, width=480, height=360, duration_s=12.0, rate_hz=4.0)
CLIPS, DATA, MODEL, RUN = "clips", "data", "neck.safetensors", "run"

#: A stage by name and size gives a function to report what is done; the command line draws it.
Stage = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """patients: how many to train on. size: side of the image. precision: to train and to run in. seed: other sweeps.

    sweeps, unseen: how those to train on and the one to run on are drawn; patients and sweeps are numbered by the demo.

    The defaults end within 4 minutes on two cores. They spend it on many patients rather than on many frames of each:
    neighbouring frames are nearly alike, patients are not.
    """

    patients: int = 48
    sweeps: SweepOptions = field(default_factory=lambda: TRAINING)
    unseen: SweepOptions = field(default_factory=lambda: SweepOptions(patient=UNSEEN))
    size: int = 64
    epochs: int = 5
    samples_per_epoch: int = 832
    validation: float = 0.1
    precision: str = "auto"
    seed: int = 0

    @property
    def training(self) -> TrainOptions:
        """How it trains."""
        return TrainOptions(
            weights="early",
            frozen_stages=2,
            epochs=self.epochs,
            samples_per_epoch=self.samples_per_epoch,
            label_smoothing=0.0,
            augment=AugmentOptions(strength=0.15, curtain=0.0),  # phantoms differ enough among themselves
            precision=self.precision,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True, eq=False)
class DemoResult:
    """The unseen patient's timeline, and how it compares with the exact truth."""

    timeline: Timeline
    twin: str
    """What became of the model's int8 twin, for people."""
    evaluation: Evaluation


def demo(
    folder: str | Path, options: DemoOptions, stage: Stage, on_epoch: Callable[[Epoch], None] | None = None
) -> DemoResult:
    """Fill ``folder`` with clips/, labels.csv, data/, neck.safetensors, its twin and run/. Raises OutputError."""
    folder = Path(folder)
    with stage("drawing sweeps", options.patients + 1) as advance:
        _draw(folder, options, advance)
    with stage("extracting", 0) as advance:
        labels = read_labels(folder / "labels.csv")
        clips = match_clips(labels, folder / CLIPS, folder / "labels.csv")
        chosen = ExtractOptions(
            geometry=Geometry(size=options.size), validation=options.validation, seed=options.seed, overwrite=True
        )
        extract(clips, folder / DATA, chosen, on_frame=advance)
    frames = load_frames(folder / DATA, Geometry(size=options.size))
    train_options = options.training
    with stage("training", options.epochs * train_options.steps_per_epoch(len(frames.images))) as advance:
        result = train(frames, train_options, on_epoch=on_epoch, on_step=lambda done, total: advance(done))
    write_model(folder / MODEL, result.header, result.tensors)
    write_history(result.history, folder / "neck-training")
    with stage("making the int8 twin", 0):
        _, twin = make_twin(folder / MODEL, frames)
    unseen = folder / "unseen.mp4"
    with stage("running", 0) as advance:
        detector = load(folder / MODEL, precision=options.precision)
        timeline = detector.analyze(unseen, on_progress=lambda done, time_s: advance(done))
    write_run(timeline, folder / RUN, overwrite=True)
    write_picture(timeline, folder / RUN / "timeline.png")
    (truth,) = read_labels(folder / "unseen.csv")
    return DemoResult(timeline, twin, pooled_metrics([align_labels(timeline, replace(truth, patient="unseen"))]))


def _draw(folder: Path, options: DemoOptions, advance: Callable[[int], None]) -> None:
    truths = []
    for patient in range(options.patients):
        sweep = replace(options.sweeps, patient=patient, sweep=options.seed)
        truths.append(write_sweep(folder / CLIPS / f"neck{patient:02d}.mp4", sweep))
        advance(patient + 1)
    write_labels(folder / "labels.csv", truths)
    unseen = write_sweep(folder / "unseen.mp4", replace(options.unseen, sweep=options.seed))
    write_labels(folder / "unseen.csv", [unseen])
    advance(options.patients + 1)
