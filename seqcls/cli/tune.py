"""`seqcls tune`: another operating point for a model, on whole labelled clips."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options, tables
from seqcls.cli.options import OUTPUT, Panel
from seqcls.errors import UsageError
from seqcls.files.output_lock import only_writer

if TYPE_CHECKING:
    from seqcls.models.file import ModelHeader
    from seqcls.training.operating_search import Figures

TUNING = Panel("Operating point: what matters, and how late it may come")


def tune(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model file, which stays as it is.")],
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="Labelled clips that it was not trained on.")],
    labels: options.Labels,
    patients: options.Patients = None,
    outside: options.Outside = False,
    max_delay: Annotated[
        float | None,
        TUNING("SECONDS", "How late a change may be certain. Default: 0.55, as without tuning.", min=0),
    ] = None,
    sensitivity: Annotated[
        float | None,
        TUNING("SHARE", "Of the time in view that must be found; then the most specific. Default: the best event F1."),
    ] = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    output: Annotated[
        Path | None, OUTPUT("MODEL", "Model file to write. Default: MODEL-tuned.safetensors.", "-o", "--output")
    ] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Choose a model's smoothing, thresholds and durations together, on whole labelled clips, within a delay."""
    from seqcls.cli.extract import labelled_clips
    from seqcls.detector import load
    from seqcls.evaluation.evaluate import evaluate_clips
    from seqcls.models.file import read_model, write_model
    from seqcls.training.operating_search import TuneOptions
    from seqcls.training.scored_clips import scored_clip
    from seqcls.training.tuning import tune_model

    chosen = TuneOptions(sensitivity=sensitivity)
    chosen = chosen if max_delay is None else replace(chosen, max_delay_s=max_delay)
    target = model.with_name(f"{model.stem}-tuned.safetensors") if output is None else output
    if target.suffix != ".safetensors":
        raise UsageError(f"-o must end in .safetensors, not {target.name}")
    header, tensors = read_model(model)
    names = options.pseudonyms(hash_names, [clips], [model, labels, output])
    found = labelled_clips(clips, labels, patients, outside=outside, names=names)
    with only_writer(target, is_folder=False):
        options.check_outputs(target, overwrite=overwrite)
        detector = load(model, device=device, precision=precision, exact=True)
        with console.progress("scoring", len(found), "clips") as advance:
            counted = itertools.count(1)
            evaluation = evaluate_clips(detector, found, on_clip=lambda truth: advance(next(counted)))
        for message in (*evaluation.caveats, *evaluation.messages):
            console.warn(message if names is None else names.hide(message))
        tuned = tune_model(header, [scored_clip(clip) for clip in evaluation.clips], chosen)
        write_model(target, tuned.header, tensors)
        show_tuning(tuned.header, tuned.before, tuned.after)
        console.notify(f"wrote {target}")


def show_tuning(header: ModelHeader, before: Sequence[Figures | None], after: Sequence[Figures | None]) -> None:
    """A table of each organ before and after, then what the model now does."""
    out = console.results()
    rows = []
    for organ, *both in zip(header.organs, before, after, strict=True):
        for when, figures in zip(("before", "tuned"), both, strict=True):
            shown = (math.nan,) * 4 if figures is None else (
                figures.event_f1, figures.sensitivity, figures.specificity, figures.delay_s,
            )  # fmt: skip
            rows.append((organ, when, *(tables.figure(value, 3) for value in shown)))
    heads = ("organ", "", "event F1", "sensitivity", "specificity", "delay (s)")
    out.print(tables.table(heads, rows, words=2))
    smoothing = header.smoothing
    seconds = ", ".join(
        f"{name.removesuffix('_s').replace('_', ' ')} {getattr(smoothing, name):g} s" for name in smoothing.uses
    )
    out.print(f"smoothing: {smoothing.kind}{', ' * bool(seconds)}{seconds}")
    for organ, one, figures in zip(header.organs, header.intervals, after, strict=True):
        kept = "" if figures is not None else " (too little is labelled: kept)"
        out.print(
            f"{organ}: presence begins at {one.onset:g} and ends below {one.offset:g}, lasts {one.min_present_s:g} s or"
            f" more, absence {one.min_absent_s:g} s or more{kept}"
        )
