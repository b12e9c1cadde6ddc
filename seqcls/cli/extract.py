"""`seqcls inspect` and `seqcls extract`: looking at clips, and making training frames of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console
from seqcls.cli.options import parse_region
from seqcls.errors import OutputError

if TYPE_CHECKING:
    from seqcls.datasets.labels import ClipLabels


def inspect(
    clip: Annotated[str, typer.Argument(metavar="CLIP", help="Clip, DICOM or image folder.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PNG", help="Contact sheet. [default: NAME-sheet.png]")
    ] = None,
    region: Annotated[str, typer.Option(help="Ultrasound region: auto, none, or x0,y0,x1,y1 in pixels.")] = "auto",
    show_all: Annotated[
        bool, typer.Option("--show-all", help="Draw what lies outside the region too: names may be burnt in there.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the contact sheet.")] = False,
) -> None:
    """Tell a clip's facts, and draw a contact sheet with the ultrasound region found in it."""
    from seqcls.contact_sheet import inspect_clip
    from seqcls.geometry import Geometry

    target = Path(f"{Path(clip).stem}-sheet.png") if output is None else output
    if target.exists() and not overwrite:
        raise OutputError(f"{target} is there already: add --overwrite, or choose another file with -o")
    report = inspect_clip(clip, Geometry(region=parse_region(region)), target, show_all=show_all)
    out = console.results()
    for name, value in report.facts():
        out.print(f"{name:<22} {value}", markup=False)
    console.say(f"wrote {target}")
    if report.report.verdict in ("truncated", "damaged"):
        raise typer.Exit(3)


def extract(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="Folder with the clips, or one clip.")],
    labels: Annotated[
        Path, typer.Option("--labels", "-l", help="CSV (file,organ,start_s,end_s,state) or JSON with frame ranges.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DATA", help="Folder for the frames.")],
    patients: Annotated[
        str | None,
        typer.Option(
            help="Regular expression whose group is the patient in a file name, as '(pat[0-9]+)'."
            " [default: the labels' patient column, else each clip its own]"
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(help="Share of patients held out, 0 for none. [default: 0.2 where there are enough]"),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Keep every n-th labelled frame.")] = 1,
    region: Annotated[str, typer.Option(help="Ultrasound region: auto, none, or x0,y0,x1,y1 in pixels.")] = "auto",
    seed: Annotated[int, typer.Option(help="Chooses who is held out.")] = 0,
    split_frames_at_random: Annotated[
        bool,
        typer.Option(
            "--leaky-random-split",
            help="Split by frame, not by patient: it overstates accuracy by 5 to 30 %.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier extraction.")] = False,
) -> None:
    """Cut labelled clips into frames for training: cropped to the ultrasound region, split by patient."""
    from seqcls.datasets.extract import ExtractOptions
    from seqcls.datasets.extract import extract as extract_frames
    from seqcls.geometry import Geometry

    found = labelled_clips(clips, labels, patients)
    options = ExtractOptions(
        geometry=Geometry(region=parse_region(region)),
        every=every,
        validation=validation,
        seed=seed,
        leaky_random_split=split_frames_at_random,
        overwrite=overwrite,
    )
    with console.progress("extracting", None) as advance:
        summary = extract_frames(found, output, options, on_frame=advance)
    out = console.results()
    for split in ("train", "validation"):
        for organ in summary.organs:
            present, absent = (summary.counts.get((split, organ, state), 0) for state in ("present", "absent"))
            if present or absent:
                out.print(f"{split:<11} {organ}: {present} present, {absent} absent", markup=False)
    for message in summary.messages:
        console.warn(message)
    console.say(f"wrote {output}: {summary.frames} frames of {summary.clips} clips")


def labelled_clips(clips: Path, labels: Path, patients: str | None) -> list[tuple[Path, ClipLabels]]:
    """The clips that a label file names, found, with their patients."""
    from seqcls.datasets.labels import match_clips, read_labels, with_patients

    return match_clips(with_patients(read_labels(labels), patients), clips, labels)
