"""`seqcls inspect` and `seqcls extract`: looking at clips, and making training frames of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options
from seqcls.cli.options import INPUT, OUTPUT, Panel, parse_region
from seqcls.errors import GeometryError, UsageError
from seqcls.files.output_lock import only_writer
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.datasets.labels import ClipLabels
    from seqcls.geometry import Region
    from seqcls.pseudonyms import Pseudonyms

SPLIT = Panel("Split: who is held out for validation")


def inspect(
    clip: Annotated[str, typer.Argument(metavar="CLIP", help="Clip, DICOM or image folder.")],
    region: options.Region = "auto",
    layouts: options.Layouts = None,
    remember: Annotated[
        bool, INPUT("", "Keep the region, found or stated, for every clip with this screen.", "--remember")
    ] = False,
    show_all: Annotated[
        bool, OUTPUT("", "Show what lies outside the region too: names may be burnt in there.", "--show-all")
    ] = False,
    output: Annotated[Path | None, OUTPUT("PNG", "Contact sheet. Default: NAME-sheet.png.", "-o", "--output")] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show a clip's facts, and draw a contact sheet with the ultrasound region found in it."""
    from seqcls.geometry import Geometry
    from seqcls.rendering.contact_sheet import inspect_clip
    from seqcls.sources.found import stem_of

    names = options.pseudonyms(hash_names, [clip], [output, layouts])
    new = remember and layouts is not None and not layouts.exists()
    geometry = Geometry(region=parse_region(region), layouts=() if new else options.known_layouts(layouts))
    shown = Path(clip).absolute().name if names is None else names.file(Path(clip).absolute().name)
    target = Path(f"{stem_of(shown)}-sheet.png") if output is None else output
    if target.suffix.lower() != ".png":
        raise UsageError(f"-o must end in .png, not {target.name}")
    options.check_outputs(target, overwrite=overwrite)
    report = inspect_clip(clip, geometry, target, show_all=show_all, title="" if names is None else shown)
    out = console.results()
    for name, value in report.facts():
        out.print(f"{name:<22} {console.in_flags(value)}")
    for warning in report.warnings:
        console.warn(warning)
    console.notify(f"wrote {target}")
    if remember:
        region_found = next((region for region in report.regions if region.is_found), report.regions[0])
        _remember(clip, region_found, Path(options.LAYOUTS) if layouts is None else layouts)
    if report.report.verdict in ("truncated", "damaged"):
        raise typer.Exit(3)


def _remember(clip: str, region: Region, path: Path) -> None:
    from seqcls.geometry import Geometry
    from seqcls.geometry.layout import confirmed
    from seqcls.layouts import look_at
    from seqcls.layouts import remember as keep

    layout = look_at(clip, Geometry())
    if layout is None:
        raise GeometryError(f"no ultrasound is found in {clip}, so its screen cannot be known again; use --region")
    with only_writer(path, is_folder=False):  # what another adds meanwhile would be lost
        count = keep(path, confirmed(layout, region))
    console.notify(f"wrote {path}: {count_of(count, 'layout')}; run, extract and train read it")


def extract(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="Folder with the clips, or one clip.")],
    labels: options.Labels,
    output: Annotated[Path, OUTPUT("DATA", "Folder for the frames.", "-o", "--output")],
    patients: options.Patients = None,
    outside: options.Outside = False,
    region: options.Region = "auto",
    layouts: options.Layouts = None,
    gate: Annotated[
        bool, INPUT("", "Whether menus and the like are left out: names stand in them.", "--gate/--no-gate")
    ] = True,
    every: Annotated[int, INPUT("N", "Keep every n-th labelled frame.", min=1)] = 1,
    validation: Annotated[
        float | None, SPLIT("SHARE", "Of the patients, 0 for none. Default: 0.2 where there are enough.")
    ] = None,
    seed: Annotated[int, SPLIT("N", "Decides who is held out.")] = 0,
    split: Annotated[
        Path | None, SPLIT("FILE", "Who is held out: from `seqcls split`, instead of the two above.", "--split")
    ] = None,
    leaky_random_split: Annotated[
        bool, SPLIT("", "Split by frame: it overstates accuracy by 5 to 30 %.", "--leaky-random-split")
    ] = False,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Cut labelled clips into frames for training: cropped to the ultrasound region, split by patient."""
    given = locals()
    from seqcls.datasets.extract import ExtractOptions
    from seqcls.datasets.extract import extract as extract_frames
    from seqcls.datasets.split_file import read_split
    from seqcls.gate import GateOptions
    from seqcls.geometry import Geometry

    geometry = Geometry(region=parse_region(region), layouts=options.known_layouts(layouts))
    extract_options = options.picked(
        ExtractOptions,
        given,
        geometry=geometry,
        gate=GateOptions(enabled=gate),
        split=None if split is None else read_split(split),
    )
    names = options.pseudonyms(hash_names, [clips], [labels, output])
    found = labelled_clips(clips, labels, patients, outside=outside, names=names)
    with only_writer(output.resolve(), is_folder=False):
        with console.progress("extracting", None) as advance:
            summary = extract_frames(found, output, extract_options, on_frame=advance, names=names)
        out = console.results()
        for side in ("train", "validation"):
            for organ in summary.organs:
                present, absent = (summary.counts.get((side, organ, state), 0) for state in ("present", "absent"))
                if present or absent:
                    out.print(f"{side:<11} {organ}: {present} present, {absent} absent")
        for message in summary.messages:
            console.warn(message)
        console.notify(f"wrote {output}: {count_of(summary.frames, 'frame')} of {count_of(summary.clips, 'clip')}")


def labelled_clips(
    clips: Path, labels: Path, patients: str | None, *, outside: bool = False, names: Pseudonyms | None = None
) -> list[tuple[Path, ClipLabels]]:
    """The clips that a label file names, found, with their patients; with ``names``, under pseudonyms. The label file
    may name clips by these, too: it may have been made from the outputs of a run."""
    from seqcls.datasets.clip_files import match_clips
    from seqcls.datasets.labels import read_labels, with_patients

    if names is None:
        return match_clips(with_patients(read_labels(labels), patients), clips, labels, outside=outside)
    from seqcls.pseudonyms import real_names

    paths = [path.relative_to(clips).as_posix() for path in clips.rglob("*")] if clips.is_dir() else [clips.name]
    names.remember(*paths)
    real = real_names(names, paths)
    known = [replace(clip, file=real.get(clip.file, clip.file)) for clip in read_labels(labels)]
    names.remember(*(clip.file for clip in known))
    known = with_patients(known, patients)
    names.remember_patients(*(clip.patient for clip in known if clip.patient != clip.file))
    found = match_clips(known, clips, labels, outside=outside)
    return [(path, names.labels(clip)) for path, clip in found]
