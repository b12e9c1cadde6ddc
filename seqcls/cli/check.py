"""`seqcls check`: whether frames are fit to be trained on; `train` asks the same before its first epoch."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options, tables
from seqcls.cli.options import INPUT, OUTPUT
from seqcls.errors import DataError
from seqcls.files.output_lock import only_writer
from seqcls.text.wording import count_of
from seqcls.training.options import SIZE_SCRATCH

if TYPE_CHECKING:
    from seqcls.datasets.data_checks import DataCheck
    from seqcls.datasets.data_checks.balance import Balance
    from seqcls.datasets.dataset import FrameSet
    from seqcls.pseudonyms import Pseudonyms

#: How findings are called in lines.
WORDS = {"leak": "stop", "look": "look", "advice": "note"}


def check(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder of frames, or with --labels a folder of clips (or one clip).")
    ],
    labels: Annotated[Path | None, INPUT("FILE", "Labels of the clips.", "--labels", "-l")] = None,
    patients: options.Patients = None,
    organ: Annotated[list[str] | None, INPUT("NAME", "This organ only; may be repeated.")] = None,
    split: Annotated[Path | None, INPUT("FILE", "Sides as `seqcls split` keeps them.", "--split")] = None,
    layouts: options.Layouts = None,
    keep_odd: Annotated[
        bool, INPUT("", "Keep odd images (menus, outliers in size, colour, brightness) in the set.", "--keep-odd")
    ] = False,
    output: Annotated[
        Path | None, OUTPUT("DIR", "Also write data-check.html and data-check.json there.", "-o", "--output")
    ] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Look for what spoils a training: damaged and odd images, leakage between the sides of the split, wrong labels.

    Nothing is changed. Exit code 1: something stands on both sides of the
    split, and `train` would stop; 3: an image cannot be read.
    """
    from seqcls.cli.training_data import known_clips, load
    from seqcls.datasets.split_file import read_split

    if not data.exists():
        raise DataError(f"{data}: no such file or folder; check the name")
    names = options.pseudonyms(hash_names, [data], [labels, output])
    with only_writer(output, is_folder=True):
        if output is not None:
            from seqcls.report.data_check import PAGE, RECORD

            options.check_outputs(output / PAGE, output / RECORD, overwrite=overwrite)
        kept = None if split is None else read_split(split)
        clips = known_clips(data, labels, patients, organ, names)
        frames = load(data, clips, organ, SIZE_SCRATCH, options.known_layouts(layouts), kept)
        frames = frames if names is None or clips is not None else _renamed(frames, names)
        found = checked(frames, keep_odd=keep_odd)
        show_check(found)
        where = "" if output is None else write_check(found, output)
        if where:
            console.notify(f"wrote {where}")
        refuse(found, where if where else "the lines above")
        if frames.facts is not None and frames.facts.unreadable:
            raise typer.Exit(3)


def checked(frames: FrameSet, *, keep_odd: bool, labels: bool = True, folder: Path | None = None) -> DataCheck:
    """All checks; ``labels`` False where scores of networks will tell more of the labels than those of the checks.
    ``folder``: where the result is kept, and taken from the next time."""
    from seqcls.datasets.data_checks import check_frames
    from seqcls.datasets.data_checks.kept_checks import KeptChecks, versions
    from seqcls.training.embedding import embed

    kept = None
    if folder is not None:
        kept = KeptChecks(folder, frames, {"keep_odd": keep_odd, "labels": labels, **versions("torch")})
    found = None if kept is None else kept.read()
    if found is None:
        with console.progress("checking", len(frames.images)) as advance:
            found = check_frames(frames, lambda images: embed(images, advance), keep_odd=keep_odd, labels=labels)
        if kept is not None:
            kept.keep(found)
    for message in () if kept is None else kept.messages:
        console.warn(message)
    return found


def write_check(found: DataCheck, folder: Path) -> str:
    """The page and the record, where there is something to list; the path of the page."""
    from seqcls.report.data_check import write_data_check

    return str(write_data_check(found, folder, "data check"))


def refuse(found: DataCheck, report: str) -> None:
    """Raise DataError where something stands on both sides of the split."""
    from seqcls.datasets.data_checks import refuse_leakage

    refuse_leakage(found, report)


def _counts(one: Balance) -> tuple[int | None, ...]:
    return one.frames, one.present, one.absent, one.presences, one.clips, one.patients, one.sites


def show_check(found: DataCheck) -> None:
    """Tables of 80 columns, then a line for each finding."""
    out = console.results()
    heads = ("side", "organ", "frames", "present", "absent", "presences", "clips", "patients", "sites")
    rows = [
        (
            {"validation": "valid"}.get(one.split, one.split),
            one.organ,
            *("-" if value is None else str(value) for value in _counts(one)),
        )
        for one in found.balance
    ]
    out.print(tables.table(heads, rows, words=2))
    for one in found.balance:
        if one.split == "train":
            out.print(
                f"{one.organ}: {count_of(one.patients_present, 'patient')} with it in view, worth"
                f" {one.patients_worth:.1f} with as many frames each"
            )
    for organ, frames, icc, effect in found.independent:
        if not math.isnan(frames):
            out.print(
                f"{organ}: {frames:,.0f} independent training frames (correlation within a clip {icc:.2f}, design"
                f" effect {effect:.0f})"
            )
    out.print(f"sites are known from {found.site_from}")
    for finding in found.findings:
        out.print(f"{WORDS[finding.level]}: {console.in_flags(finding.text)}")
    leaks, looks = len(found.of("leak")), len(found.of("look"))
    out.print(f"findings that stop training: {leaks}, to look at: {looks}")


def warn_of(found: DataCheck) -> None:
    """The same for `train`, on stderr, with warnings before advice."""
    for finding in found.of("leak", "look"):
        console.warn(finding.text)
    for finding in found.of("advice"):
        console.notify(finding.text)


def _renamed(frames: FrameSet, names: Pseudonyms) -> FrameSet:
    """Of a folder of frames: the names of its files, clips and patients under pseudonyms."""
    import numpy as np

    assert frames.facts is not None
    names.remember(*frames.facts.name.tolist(), *np.unique(frames.clip).tolist())
    names.remember_patients(*np.unique(frames.patient).tolist())
    facts = replace(
        frames.facts,
        name=np.array([names.path(name) for name in frames.facts.name.tolist()]),
        unreadable=tuple(map(names.path, frames.facts.unreadable)),
    )
    of_clip = {name: names.path(name) for name in np.unique(frames.clip).tolist()}
    of_patient = {name: names.of(name, "patient") for name in np.unique(frames.patient).tolist()}
    return replace(
        frames,
        facts=facts,
        clip=np.array([of_clip[name] for name in frames.clip.tolist()]),
        patient=np.array([of_patient[name] for name in frames.patient.tolist()]),
    )
