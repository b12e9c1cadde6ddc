"""`seqcls evaluate`: how well a model does on labelled clips."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options, tables
from seqcls.cli.agree import show_agreements
from seqcls.cli.options import INPUT, OUTPUT
from seqcls.files.output_lock import only_writer
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.datasets.labels import ClipLabels
    from seqcls.evaluation.agreement import Agreement, Reading
    from seqcls.evaluation.evaluate import ClipTruth, Evaluation


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model file.")],
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="Folder with labelled clips, or one clip.")],
    labels: options.Labels,
    patients: options.Patients = None,
    outside: options.Outside = False,
    second: Annotated[
        Path | None,
        INPUT("FILE", "Labels of a second reader of the same clips: how far both agree stands beside the model."),
    ] = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    output: Annotated[Path | None, OUTPUT("DIR", "Also write evaluation.json there.", "-o", "--output")] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Run a model on labelled clips: frame and interval metrics, with confidence intervals over patients."""
    from seqcls.cli.extract import labelled_clips
    from seqcls.detector import load
    from seqcls.evaluation.agreement import Reading, read_reading
    from seqcls.evaluation.evaluate import evaluate_clips
    from seqcls.files.json_text import write_json
    from seqcls.models.file import read_header

    read_header(model)
    names = options.pseudonyms(hash_names, [clips], [model, labels, output])
    found = labelled_clips(clips, labels, patients, outside=outside, names=names)
    reader = None
    if second is not None:
        read = read_reading(second)
        hidden = read.clips if names is None else tuple(map(names.labels, read.clips))
        reader = Reading("second reader", hidden)
    target = None if output is None else output / "evaluation.json"
    with only_writer(output, is_folder=True):
        if target is not None:
            options.check_outputs(target, overwrite=overwrite)
        detector = load(model, device=device, precision=precision)
        out = console.results()
        with console.progress("evaluating", len(found), "clips") as advance:
            counted = itertools.count(1)

            def show(truth: ClipTruth) -> None:
                advance(next(counted))
                out.print(clip_line(truth))

            evaluation = evaluate_clips(detector, found, on_clip=show)
        show_evaluation(evaluation)
        beside = [] if reader is None else _agreements(evaluation, [clip for _, clip in found], reader)
        if beside:
            show_agreements(beside)
        if target is not None:
            record = evaluation.to_dict()
            if beside:
                record["agreement"] = [one.to_dict() for one in beside]
            if names is not None:
                record["messages"] = [names.hide(message) for message in record["messages"]]
            write_json(target, record)
            console.notify(f"wrote {target}")


def _agreements(evaluation: Evaluation, labels: Sequence[ClipLabels], second: Reading) -> list[Agreement]:
    """The two readers beside each other, which is the most that a model can be measured against, then the model
    beside each of them, on the same frames."""
    from seqcls.evaluation.agreement import FrameTimes, Reading, agree, of_timelines

    timelines = [clip.timeline for clip in evaluation.clips]
    frames = {clip.file: FrameTimes.of(clip.timeline) for clip in evaluation.clips}
    first = Reading("labels", tuple(labels), frames)
    model = of_timelines("model", timelines, [clip.file for clip in evaluation.clips])
    return [agree(first, second), agree(first, model), agree(second, model)]


def show_evaluation(evaluation: Evaluation) -> None:
    """Two tables: by frame, by interval."""
    out = console.results()
    for o in evaluation.organs:
        m, i = o.frames, o.intervals
        out.print(
            f"{o.organ}: AUROC {m.auroc:.4f}{tables.range_of(o.auroc)},"
            f" accuracy {m.accuracy:.4f}{tables.range_of(o.accuracy)}, sensitivity {m.sensitivity:.4f},"
            f" specificity {m.specificity:.4f} ({count_of(m.count, 'labelled frame')}, {m.present} present)",
        )
        out.print(
            f"{' ' * len(o.organ)}  presences found {i.found} of {i.presences}, false events {i.false_events}"
            f" ({i.false_events_per_min:.2f}/min), segmental F1@10/25/50"
            f" {'/'.join(tables.figure(f, 3) for f in i.f1_at)}, edit {i.edit:.3f},"
            f" onset/offset error median {tables.figure(i.onset_median_s, 3)}/{tables.figure(i.offset_median_s, 3)} s,"
            f" p90 {tables.figure(i.onset_p90_s, 3)}/{tables.figure(i.offset_p90_s, 3)} s",
        )
    for message in evaluation.messages:
        console.warn(message)


def clip_line(truth: ClipTruth) -> str:
    timeline = truth.timeline
    shares = (f"{organ} {truth.accuracy(k):.3f}" for k, organ in enumerate(timeline.organs))
    found = sum(i.state == "present" for i in timeline.intervals)
    return f"{truth.file}: frame accuracy {', '.join(shares)}; {count_of(found, 'presence')} reported"
