"""`seqcls tune`: another operating point for a model, on whole labelled clips; or, of data, a search for the options of
training (``search``)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options, tables
from seqcls.cli.options import INPUT, OUTPUT, Panel
from seqcls.errors import UsageError
from seqcls.files.output_lock import only_writer
from seqcls.training.options import TrainOptions

if TYPE_CHECKING:
    from seqcls.models.file import ModelHeader
    from seqcls.training.operating_search import Figures

TUNING = Panel("Operating point of a MODEL: what matters, and how late it may come")
SEARCH = Panel("Search over DATA: which hyper-parameters, how long")
_T = TrainOptions()


def tune(
    what: Annotated[
        Path,
        typer.Argument(metavar="MODEL|DATA", help="A model file, which stays as it is; or what `train` learns from."),
    ],
    clips: Annotated[
        Path | None, typer.Argument(metavar="[CLIPS]", help="For a MODEL: labelled clips it was not trained on.")
    ] = None,
    labels: Annotated[
        Path | None,
        INPUT("FILE", "As for `evaluate`, or for `train`. A MODEL needs them.", "--labels", "-l"),
    ] = None,
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
    search: Annotated[
        list[str] | None,
        SEARCH(
            "NAME=RANGE", "Narrow or fix: lr=1e-4..3e-3, size=64,112, optimizer=adamw; may be repeated.", "--search"
        ),
    ] = None,
    trials: Annotated[int | None, SEARCH("N", "In all, those of earlier runs included. Default: 20.", min=1)] = None,
    timeout: Annotated[float | None, SEARCH("MINUTES", "No trial begins later than this.")] = None,
    folds: Annotated[
        int | None, SEARCH("N", "Parts of the patients that each trial leaves out. Default: 3.", min=2)
    ] = None,
    seeds: Annotated[
        int | None, SEARCH("N", "Trainings each of the best and the defaults, compared. Default: 3; 0: none.", min=0)
    ] = None,
    seed: Annotated[int | None, SEARCH("N", "Of the search. Default: 0.", min=0)] = None,
    organ: Annotated[list[str] | None, SEARCH("NAME", "Learn this organ only; may be repeated.")] = None,
    split: Annotated[
        Path | None,
        SEARCH("FILE", "From `seqcls split`: its validation side takes part in no trial, the best is judged on it."),
    ] = None,
    layouts: Annotated[Path | None, SEARCH("FILE", "Known screens, as for `train`.", "--layouts")] = None,
    settings: Annotated[
        list[str] | None, SEARCH("NAME=VALUE", "Of all trainings, as for `train`; may be repeated.", "--set")
    ] = None,
    weights: Annotated[
        str | None, SEARCH("auto|imagenet|early|none|FILE", "Where trainings start, as for `train`.")
    ] = None,
    samples_per_epoch: Annotated[int | None, SEARCH("N", "As for `train`; fewer search faster.", min=0)] = None,
    batch_size: Annotated[int | None, SEARCH("N", "As for `train`.", min=2)] = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    output: Annotated[
        Path | None, OUTPUT("PATH", "Default: MODEL-tuned.safetensors, or the folder DATA-study.", "-o", "--output")
    ] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Choose a model's smoothing, thresholds and durations together, on whole labelled clips, within a delay.

    Of a folder of frames or clips instead of a model it searches the hyper-parameters of training; the same command
    goes on where it was stopped or killed.
    """
    of_model = {
        "--max-delay": max_delay, "--sensitivity": sensitivity, "--outside": outside or None, "CLIPS": clips,
        "--precision": None if precision == "auto" else precision, "--hash-names": hash_names,
    }  # fmt: skip
    of_search = {
        "--search": search, "--trials": trials, "--timeout": timeout, "--folds": folds, "--seeds": seeds,
        "--seed": seed,
        "--organ": organ, "--split": split, "--layouts": layouts, "--set": settings,
        "--weights": weights, "--samples-per-epoch": samples_per_epoch, "--batch-size": batch_size,
    }  # fmt: skip
    if what.suffix.lower() == ".safetensors":
        _refuse(of_search, "a search over DATA", f"{what.name} is a model")
        if clips is None or labels is None:
            raise UsageError("a model is tuned on labelled clips: seqcls tune MODEL CLIPS --labels FILE")
        _operating_point(
            what,
            clips,
            labels,
            patients,
            outside,
            max_delay,
            sensitivity,
            device,
            precision,
            output,
            hash_names,
            overwrite,
        )
        return
    _refuse(
        {name: value for name, value in of_model.items() if name != "--hash-names"},
        "a MODEL",
        f"{what} is no .safetensors",
    )
    from seqcls.cli.search import Asked, search_command

    search_command(
        Asked(
            data=what,
            labels=labels,
            patients=patients,
            spaces=search or [],
            trials=20 if trials is None else trials,
            timeout_min=timeout,
            folds=3 if folds is None else folds,
            seeds=3 if seeds is None else seeds,
            seed=0 if seed is None else seed,
            organs=organ or [],
            split=split,
            layouts=layouts,
            settings=settings or [],
            weights=_T.weights if weights is None else weights,
            samples_per_epoch=samples_per_epoch,
            batch_size=batch_size,
            device=device,
            output=output,
            overwrite=overwrite,
        )
    )


def _refuse(given: Mapping[str, object], kind: str, because: str) -> None:
    stated = [name for name, value in given.items() if value is not None]
    if stated:
        raise UsageError(f"{stated[0]} is for {kind}, and {because}; leave it out")


def _operating_point(
    model: Path,
    clips: Path,
    labels: Path,
    patients: str | None,
    outside: bool,
    max_delay: float | None,
    sensitivity: float | None,
    device: str,
    precision: str,
    output: Path | None,
    hash_names: Path | None,
    overwrite: bool,
) -> None:
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
    options.refuse_inputs(target, model)
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
