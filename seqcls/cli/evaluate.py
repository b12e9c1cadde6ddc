"""`seqcls evaluate`: how well a model does on labelled clips, or on a folder of frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from seqcls.cli import console, options
from seqcls.cli.agree import show_agreements
from seqcls.cli.evaluation_table import show_evaluation
from seqcls.cli.extract import labelled_clips
from seqcls.cli.options import INPUT, OUTPUT, Panel
from seqcls.errors import DataError, UsageError
from seqcls.files.output_lock import only_writer
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.datasets.labels import ClipLabels
    from seqcls.detector import Detector
    from seqcls.evaluation.agreement import Agreement, Reading
    from seqcls.evaluation.clip_truth import ClipTruth
    from seqcls.evaluation.evaluate import Evaluation
    from seqcls.pseudonyms import Pseudonyms

FIGURES = Panel("Figures: how they are made")
#: Of event F1.
MAX_COLLAR_S = 10.0


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model file.")],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Folder with labelled clips, or one clip, with --labels; or a folder of frames as train takes it.",
        ),
    ],
    labels: Annotated[
        Path | None,
        INPUT(
            "FILE",
            "Of clips: CSV (file,organ,start_s,end_s,state[,patient,scanner,site]), JSON with frame ranges, or what an"
            " annotation tool wrote.",
            "--labels",
            "-l",
        ),
    ] = None,
    part: Annotated[
        str,
        INPUT("validation|train|all", "Of a folder of frames: which of them. Where none is for validation: all."),
    ] = "validation",
    patients: options.Patients = None,
    outside: options.Outside = False,
    second: Annotated[
        Path | None,
        INPUT("FILE", "Labels of a second reader of the same clips: how far both agree stands beside the model."),
    ] = None,
    collar: Annotated[
        float, FIGURES("SECONDS", "Event F1: by how much a presence may begin or end earlier or later.")
    ] = 0.2,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    output: Annotated[
        Path | None,
        OUTPUT(
            "DIR", "Also write evaluation.json, curves, a model card and a CLAIM checklist there.", "-o", "--output"
        ),
    ] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Run a model on labelled clips or frames: metrics by frame and by presence, with confidence intervals over
    patients."""
    from seqcls.detector import load
    from seqcls.evaluation.files import Evaluated, evaluation_paths, write_evaluation
    from seqcls.models.digest import weights_digest
    from seqcls.models.file import read_header

    if not 0 < collar <= MAX_COLLAR_S:
        raise UsageError(f"--collar takes seconds above 0 and up to {MAX_COLLAR_S:g}, not {collar:g}")
    if second is not None and labels is None:
        raise UsageError("--second goes with clips and their --labels")
    header = read_header(model)
    names = options.pseudonyms(hash_names, [data], [model, labels, output])
    with only_writer(output, is_folder=True):
        if output is not None:
            options.check_outputs(*evaluation_paths(output), overwrite=overwrite)
        opened = partial(load, model, device=device, precision=precision)
        beside: list[Agreement] = []
        if labels is None:
            evaluation = _of_frames(opened, data, part, names)
        else:
            found = labelled_clips(data, labels, patients, outside=outside, names=names)
            reader = None if second is None else _second_reader(second, names)
            evaluation = _of_clips(opened(), found, collar)
            beside = [] if reader is None else _agreements(evaluation, [clip for _, clip in found], reader)
        show_evaluation(evaluation)
        if beside:
            show_agreements(beside)
        if output is not None:
            if names is not None:
                evaluation = evaluation.hidden_by(names.hide)
            made = Evaluated(header=header, name=model.name, digest=weights_digest(model))
            for path in write_evaluation(evaluation, made, output, beside):
                console.notify(f"wrote {path}")


def _of_clips(detector: Detector, clips: Sequence[tuple[Path, ClipLabels]], collar_s: float) -> Evaluation:
    """With a line for each clip."""
    from seqcls.evaluation.evaluate import evaluate_clips

    out = console.results()
    with console.progress("evaluating", len(clips), "clips") as advance:
        counted = itertools.count(1)

        def show(truth: ClipTruth) -> None:
            advance(next(counted))
            out.print(clip_line(truth))

        return evaluate_clips(detector, clips, collar_s=collar_s, on_clip=show)


def _of_frames(opened: Callable[[], Detector], data: Path, part: str, names: Pseudonyms | None) -> Evaluation:
    from seqcls.datasets.dataset import labelled_organs, load_frames
    from seqcls.evaluation.evaluate import evaluate_frames

    try:
        labelled_organs(data)
    except DataError as error:
        raise DataError(f"{error}. Clips need their labels: --labels FILE") from error
    detector = opened()
    with console.progress("reading", None, "frames") as advance:
        frames = load_frames(
            data, detector.header.geometry, for_training=False, progress=lambda done, total: advance(done)
        )
    if names is not None:
        names.remember(*np.unique(frames.clip).tolist())
        names.remember_patients(*np.unique(frames.patient).tolist())
        frames = replace(
            frames,
            clip=np.array([names.path(clip) for clip in frames.clip.tolist()]),
            patient=np.array([names.of(patient, "patient") for patient in frames.patient.tolist()]),
        )
    chosen = frames.split == part
    if part == "all" or (part == "validation" and not chosen.any()):
        chosen = np.ones(len(frames.split), np.bool_)
    if not chosen.any():
        raise DataError(f"{data} holds no frame for {part}")
    evaluation = evaluate_frames(detector, frames, np.flatnonzero(chosen))
    return replace(evaluation, notes=(*frames.messages, *evaluation.notes))


def _second_reader(path: Path, names: Pseudonyms | None) -> Reading:
    from seqcls.evaluation.agreement import Reading, read_reading

    read = read_reading(path)
    return Reading("second reader", read.clips if names is None else tuple(map(names.labels, read.clips)))


def _agreements(evaluation: Evaluation, labels: Sequence[ClipLabels], second: Reading) -> list[Agreement]:
    """The two readers beside each other, which is the most that a model can be measured against, then the model
    beside each of them, on the same frames."""
    from seqcls.evaluation.agreement import FrameTimes, Reading, agree, of_timelines

    timelines = [clip.timeline for clip in evaluation.clips]
    frames = {clip.file: FrameTimes.of(clip.timeline) for clip in evaluation.clips}
    first = Reading("labels", tuple(labels), frames)
    model = of_timelines("model", timelines, [clip.file for clip in evaluation.clips])
    return [agree(first, second), agree(first, model), agree(second, model)]


def clip_line(truth: ClipTruth) -> str:
    timeline = truth.timeline
    shares = (f"{organ} {truth.accuracy(k):.3f}" for k, organ in enumerate(timeline.organs))
    found = sum(i.state == "present" for i in timeline.intervals)
    return f"{truth.file}: frame accuracy {', '.join(shares)}; {count_of(found, 'presence')} reported"
