"""`seqcls evaluate`: how well a model does on labelled clips, or on a folder of frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from seqcls.cli import console, options
from seqcls.cli.agree import show_agreements
from seqcls.cli.evaluation_table import show_comparison, show_evaluation
from seqcls.cli.extract import labelled_clips
from seqcls.cli.options import INPUT, OUTPUT, Panel
from seqcls.cli.results import require_finished
from seqcls.errors import DataError, UsageError
from seqcls.files.output_lock import only_writer
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.datasets.labels import ClipLabels
    from seqcls.detector import Detector
    from seqcls.evaluation.agreement import Agreement, Reading
    from seqcls.evaluation.clip_truth import ClipTruth
    from seqcls.evaluation.evaluate import Evaluation
    from seqcls.evaluation.extras import Extras
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
    against: Annotated[
        Path | None,
        FIGURES("MODEL", "Compare with this model on the same data: every difference, by a paired bootstrap."),
    ] = None,
    collar: Annotated[
        float, FIGURES("SECONDS", "Event F1: by how much a presence may begin or end earlier or later.")
    ] = 0.2,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    exact: options.Exact = False,
    output: Annotated[
        Path | None,
        OUTPUT(
            "DIR",
            "Also write a page, evaluation.json, curves, a model card and a CLAIM checklist there.",
            "-o",
            "--output",
        ),
    ] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Run a model on labelled clips or frames: metrics by frame and by presence, with confidence intervals over
    patients."""
    from seqcls.detector import load
    from seqcls.evaluation.compare import compare
    from seqcls.evaluation.extras import Extras
    from seqcls.evaluation.files import Evaluated, evaluation_paths, write_evaluation
    from seqcls.models.digest import weights_digest
    from seqcls.models.file import read_header

    if not 0 < collar <= MAX_COLLAR_S:
        raise UsageError(f"--collar takes seconds above 0 and up to {MAX_COLLAR_S:g}, not {collar:g}")
    if second is not None and labels is None:
        raise UsageError("--second goes with clips and their --labels")
    require_finished(data, *([] if second is None else [second]))
    header = read_header(model)
    if against is not None:
        read_header(against)
    names = options.pseudonyms(hash_names, [data], [model, against, labels, output])
    with only_writer(output, is_folder=True):
        if output is not None:
            options.check_outputs(*evaluation_paths(output), overwrite=overwrite)

        def opened(path: Path) -> Detector:
            detector = load(path, device=device, precision=precision, exact=exact)
            console.notify(f"engine {detector.engine.description}")
            return detector

        found = None if labels is None else labelled_clips(data, labels, patients, outside=outside, names=names)
        measure = partial(_measure, data=data, part=part, clips=found, collar_s=collar, names=names)
        measured = measure(opened, model)
        evaluation, extras = measured.evaluation, Extras()
        if against is not None:
            other = measure(opened, against, quiet=True).evaluation
            compared = compare(evaluation, other, collar_s=collar)
            extras = replace(extras, against=against.name, comparison=compared)
        if second is not None:
            agreements = _agreements(evaluation, [clip for _, clip in found or ()], _second_reader(second, names))
            extras = replace(extras, agreements=agreements)
        show_evaluation(evaluation)
        show_comparison(extras.comparison, extras.against)
        if extras.agreements:
            show_agreements(extras.agreements)
        if output is not None:
            if names is not None:
                evaluation = evaluation.hidden_by(names.hide)
            extras = _with_worst(extras, evaluation, measured, model)
            for remark in extras.remarks:
                console.notify(remark)
            made = Evaluated(header=header, name=model.name, digest=weights_digest(model))
            for path in write_evaluation(evaluation, made, output, extras):
                console.notify(f"wrote {path}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Measured:
    """An evaluation, and where its images are: the clips by their names, or those of the frames of a folder."""

    evaluation: Evaluation
    paths: Mapping[str, Path]
    images: NDArray[np.uint8] | None = None
    extracted: bool = False


def _measure(
    opened: Callable[[Path], Detector],
    model: Path,
    *,
    data: Path,
    part: str,
    clips: Sequence[tuple[Path, ClipLabels]] | None,
    collar_s: float,
    names: Pseudonyms | None,
    quiet: bool = False,
) -> _Measured:
    """``quiet``: without a line for each clip."""
    if clips is None:
        return _of_frames(partial(opened, model), data, part, names)
    evaluation = _of_clips(opened(model), clips, collar_s, quiet=quiet)
    return _Measured(evaluation=evaluation, paths={labels.file: path for path, labels in clips})


def _with_worst(extras: Extras, evaluation: Evaluation, measured: _Measured, model: Path) -> Extras:
    """With the worst clips and frames, what may be shown of these, and what the network looked at."""
    from seqcls.evaluation.explain import grad_cam, why_not
    from seqcls.evaluation.worst import images_of_clips, images_of_folder, worst_clips, worst_frames
    from seqcls.models.file import read_header

    frames = worst_frames(evaluation.frames)
    if measured.images is None:
        images = images_of_clips(frames, evaluation.clips, measured.paths, read_header(model).geometry)
    else:
        images = images_of_folder(frames, measured.images, extracted=measured.extracted)
    shown = [images.get((one.clip, one.index)) for one in frames]
    frames = tuple(
        one if pair is None else replace(one, image=pair[0], inside=pair[1])
        for one, pair in zip(frames, shown, strict=True)
    )
    extras = replace(extras, clips=worst_clips(evaluation), frames=frames)
    rows = [at for at, one in enumerate(frames) if one.image is not None]
    if not rows:
        return extras
    why = why_not(model)
    if why:
        return replace(extras, remarks=(*extras.remarks, why))
    columns = [evaluation.frames.organs.index(frames[at].organ) for at in rows]
    heats: list[NDArray[np.float32] | None] = [None] * len(frames)
    for at, heat in zip(rows, grad_cam(model, np.stack([shown[at][0] for at in rows]), columns), strict=True):  # type: ignore[index]
        heats[at] = heat
    return replace(extras, heats=heats)


def _of_clips(
    detector: Detector, clips: Sequence[tuple[Path, ClipLabels]], collar_s: float, *, quiet: bool
) -> Evaluation:
    from seqcls.evaluation.evaluate import evaluate_clips

    out = console.results()
    with console.progress("evaluating", len(clips), "clips") as advance:
        counted = itertools.count(1)

        def show(truth: ClipTruth) -> None:
            advance(next(counted))
            if not quiet:
                out.print(clip_line(truth))

        return evaluate_clips(detector, clips, collar_s=collar_s, on_clip=show)


def _of_frames(opened: Callable[[], Detector], data: Path, part: str, names: Pseudonyms | None) -> _Measured:
    from seqcls.datasets.dataset import labelled_organs, load_frames
    from seqcls.evaluation.evaluate import evaluate_frames

    try:
        labelled_organs(data)
    except DataError as error:
        raise DataError(f"{error}. Clips need their labels: --labels FILE") from error
    detector = opened()
    with console.progress("reading", None, "frames") as advance:
        frames = load_frames(
            data,
            detector.header.geometry,
            for_training=False,
            skip_corrupt=True,
            progress=lambda done, total: advance(done),
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
    evaluation = replace(evaluation, notes=(*frames.messages, *evaluation.notes))
    extracted = (data / "frames.csv").is_file()
    return _Measured(evaluation=evaluation, paths={}, images=frames.images, extracted=extracted)


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
