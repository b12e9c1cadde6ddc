"""Whether the loop run -> look -> correct -> train pays, and what a correction costs, in key strokes.

    python scripts/loop_figures.py phantom [--folder DIR]
    python scripts/loop_figures.py real --clips FOLDER [--folder DIR]

phantom: a model of 3 synthetic patients runs on 5 others; what it found is put right through the page of
`seqcls review`, in a real headless Chromium, by real key strokes; then it is trained again with all 8. Event F1 on
patients that neither has seen, before and after. The 3 were swept with a linear probe, the 5 and those unseen with a
convex one (--probes linear convex): a model that comes to another department. Without that, nothing is left to gain:
from the demo's early layers 3 patients are enough to find every event of others swept likewise.

real: one patient is left out of training; one of this patient's clips, or more (--correct), is put right through the
page, and the model is trained again with it. Figures over the patient's other clips, before and after. It is also
labelled from nothing.

It is trained again both ways: from where the first model began, and from the first model itself, with --again-lr.

The reader is simulated: it knows the truth, presses the keys that a person would, and never errs. What that takes is
counted as in ``review_strokes.py``, with one look at each clip at its own pace.

Needs the test helpers of a checkout, Chromium, and some minutes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from review_strokes import Strokes, label
from support import browser
from support.reviews import page_ready

from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import load_frames
from seqcls.datasets.extract import ExtractOptions, extract
from seqcls.datasets.labels import ClipLabels, read_labels, with_patients
from seqcls.detector import load
from seqcls.evaluation.agreement import FrameTimes
from seqcls.evaluation.evaluate import evaluate_clips
from seqcls.evaluation.organ_metrics import OrganMetrics
from seqcls.exports import write_run
from seqcls.geometry import Geometry
from seqcls.models.file import write_model
from seqcls.phantom import SweepOptions, write_labels, write_sweep
from seqcls.review.clips import clips_to_review
from seqcls.review.server import ReviewServer
from seqcls.review.session import ReviewSession
from seqcls.training.options import AugmentOptions, TrainOptions
from seqcls.training.train import train

TRAINED, CORRECTED, UNSEEN = range(3), range(10, 15), range(1000, 1006)
SIZE = 64
Labelled = list[tuple[Path, ClipLabels]]


def model_of(
    clips: Labelled, folder: Path, name: str, weights: str, epochs: int, *, lr: float = TrainOptions().lr
) -> Path:
    """Extract and train, as the demo does, from its early layers ("demo"), random weights ("none") or another model."""
    geometry = Geometry(size=SIZE)
    extract(clips, folder / f"{name}-data", ExtractOptions(geometry=geometry, validation=0.0, overwrite=True))
    options = TrainOptions(
        weights="early" if weights == "demo" else weights,
        frozen_stages=0 if weights == "none" else 2,
        epochs=epochs,
        lr=lr,
        samples_per_epoch=832,
        label_smoothing=0.0,
        augment=AugmentOptions(strength=0.15, curtain=0.0),
    )
    result = train(load_frames(folder / f"{name}-data", geometry), options)
    path = folder / f"{name}.safetensors"
    write_model(path, result.header, result.tensors)
    return path


def figures(model: Path, clips: Labelled) -> str:
    def one(organ: OrganMetrics) -> str:
        i = organ.intervals
        assert i is not None, "clips were evaluated"
        return (
            f"{organ.organ}: event F1 {i.event_f1:.3f}, F1@50 {i.f1_at[2]:.3f}, found {i.found} of {i.presences},"
            f" {i.false_events} false, accuracy {organ.frames.accuracy:.3f}, AUROC {organ.frames.auroc:.3f}"
        )

    return "; ".join(map(one, evaluate_clips(load(model), clips).organs))


def corrected(
    model: Path, clips: Labelled, folder: Path, chromium: browser.Browser, *, from_nothing: bool = False
) -> tuple[Labelled, str]:
    """Run the model on the clips and put its answers right through the page; the labels that came of it, and the work.

    Raises AssertionError where a frame that is labelled is not as the reader meant it.
    """
    detector, places = load(model), [path for path, _ in clips]
    if not from_nothing:
        places = [folder / f"runs/{number:02d}" for number in range(len(clips))]
        for folder_of_run, (path, _) in zip(places, clips, strict=True):
            write_run(detector.analyze(path), folder_of_run, overwrite=True)
    known = {path.resolve(): labels for path, labels in clips}
    organs = sorted({organ for labels in known.values() for organ in labels.organs})
    found = clips_to_review(places, None if from_nothing else clips[0][0].parent)
    session = ReviewSession(found, folder / "review", "reader", organs=organs)
    server = ReviewServer(session)
    total = Strokes()
    try:
        page_ready(chromium, server.url)
        for place, clip in enumerate(session.clips):
            assert clip.path is not None
            done = label(chromium, place, known[clip.path.resolve()])
            total.moves += done.moves
            total.acts += done.acts
            total.length_s += done.length_s
        labels_path = session.store.labels_path
    finally:
        chromium.open("about:blank")
        server.close()
        session.close()
    made = match_clips(with_patients(read_labels(labels_path), None), clips[0][0].parent, labels_path)
    wrong = 0
    for path, labels in made:
        truth, frames = known[path.resolve()], FrameTimes.of_clip(path)
        for organ in truth.organs:
            for index, time_s in zip(frames.index.tolist(), frames.time_s.tolist(), strict=True):
                meant = truth.state_at(organ, index, time_s)
                wrong += meant in ("present", "absent") and labels.state_at(organ, index, time_s) != meant
    assert not wrong, f"{wrong} frames are not as the reader meant them"
    work = f"{total.moves + total.acts} key strokes, {total.acts} of them decisions, {total.minutes:.1f} min"
    return [(path, replace(labels, patient=known[path.resolve()].patient)) for path, labels in made], work


def again(before: Path, clips: Labelled, folder: Path, asked: argparse.Namespace) -> dict[str, Path]:
    """The models trained with the corrected clips, by where they began."""
    return {
        "from the start": model_of(clips, folder, "after", asked.weights, asked.epochs),
        "from the model": model_of(clips, folder, "after-more", str(before), asked.epochs, lr=asked.again_lr),
    }


def phantom(folder: Path, chromium: browser.Browser, asked: argparse.Namespace) -> None:
    first, later = (None if probe == "any" else probe for probe in asked.probes)

    def drawn(patients: Sequence[int], name: str, probe: Literal["linear", "convex"] | None) -> Labelled:
        truths = [
            write_sweep(
                folder / name / f"neck{patient:04d}.mp4",
                SweepOptions(patient=patient, width=480, height=360, duration_s=12.0, rate_hz=10.0, geometry=probe),
            )
            for patient in patients
        ]
        write_labels(folder / f"{name}.csv", truths)
        return match_clips(
            with_patients(read_labels(folder / f"{name}.csv"), None), folder / name, folder / f"{name}.csv"
        )

    known = drawn(TRAINED, "known", first)
    others, unseen = drawn(CORRECTED, "others", later), drawn(UNSEEN, "unseen", later)
    before = model_of(known, folder, "before", asked.weights, asked.epochs)
    print(f"{len(known)} patients:              {figures(before, unseen)}", flush=True)
    labels, work = corrected(before, others, folder, chromium)
    print(f"{len(others)} clips corrected: {work}", flush=True)
    for how, after in again(before, [*known, *labels], folder, asked).items():
        print(f"and {len(others)} corrected clips, {how}: {figures(after, unseen)}", flush=True)


def real(folder: Path, chromium: browser.Browser, asked: argparse.Namespace) -> None:
    clips: Path = asked.clips.resolve()
    read = with_patients(read_labels(clips / "intervals.json"), "(pat[0-9]+)")
    every = match_clips(read, clips, clips / "intervals.json")
    left_out = [one for one in every if one[1].patient == "pat2"]
    known = [one for one in every if one[1].patient != "pat2"]
    one = [clip for clip in left_out if any(part in clip[0].name for part in asked.correct)]
    rest = [clip for clip in left_out if clip not in one]
    before = model_of(known, folder, "before", asked.weights, asked.epochs)
    print(f"without the patient:     {figures(before, rest)}", flush=True)
    labels, work = corrected(before, one, folder / "corrected", chromium)
    print(f"{len(one)} clips corrected: {work}", flush=True)
    _, nothing = corrected(before, one, folder / "nothing", chromium, from_nothing=True)
    print(f"the same from nothing: {nothing}", flush=True)
    for how, after in again(before, [*known, *labels], folder, asked).items():
        print(f"and what was corrected, {how}: {figures(after, rest)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("phantom", "real"))
    parser.add_argument("--clips", type=Path, help="folder of the real clips with intervals.json")
    parser.add_argument("--folder", type=Path, help="where all that is made stays; default: it is removed")
    parser.add_argument("--weights", default="demo", help="what training starts from: demo (its early layers) or none")
    parser.add_argument("--epochs", type=int, default=2, help="of 832 images, before and after alike")
    parser.add_argument("--again-lr", type=float, default=3e-4, help="of the training that goes on from the model")
    parser.add_argument("--probes", nargs=2, choices=("linear", "convex", "any"), default=("linear", "convex"))
    parser.add_argument(
        "--correct", nargs="+", default=["134240"], help="of the real patient's clips, by parts of names"
    )
    asked = parser.parse_args()
    path = browser.find()
    if path is None or (asked.what == "real" and asked.clips is None):
        parser.error("needs Chromium (apt install chromium), and for real clips --clips")
    with tempfile.TemporaryDirectory() as scratch:
        folder = (asked.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        (Path(scratch) / "chromium").mkdir()
        chromium = browser.Browser(path, Path(scratch) / "chromium")
        chromium.screen(1280, 800)
        try:
            if asked.what == "phantom":
                phantom(folder, chromium, asked)
            else:
                real(folder, chromium, asked)
        finally:
            chromium.close()


if __name__ == "__main__":
    main()
