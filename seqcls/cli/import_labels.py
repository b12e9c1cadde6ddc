"""`seqcls import-labels`: labels of other tools as a label file of one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options
from seqcls.cli.options import INPUT, OUTPUT
from seqcls.errors import DataError, UsageError
from seqcls.files import same_name
from seqcls.files.output_lock import only_writer
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.datasets.import_labels import ClipTimes
    from seqcls.datasets.labels import ClipLabels


def import_labels(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Of BORIS (project or table), ELAN, Label Studio, CVAT for video, FiftyOne, Audacity, WebVTT or SRT;"
            " a label file or timeline.json of seqcls.",
        ),
    ],
    output: Annotated[
        Path | None, OUTPUT("FILE", "labels.csv, or labels.json by frame. Default: NAME-labels.csv.", "-o", "--output")
    ] = None,
    clip: Annotated[
        Path | None,
        INPUT("CLIP", "The labelled clip, or a folder with all of them: its frames' times are taken.", "--clip"),
    ] = None,
    timemap: Annotated[
        Path | None,
        INPUT("FILE", "timemap.csv of the proxy that was labelled: its times become the clip's.", "--timemap"),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Make a label file of what an annotation tool wrote, for extract, train and evaluate.

    What the tool lists is in view; what it does not list of an organ that it
    marks anywhere in a clip is absent.
    """
    from seqcls.datasets.import_labels import in_frames, in_seconds, write_labels_csv, write_labels_json
    from seqcls.datasets.labels import MAX_NOTES, read_labels
    from seqcls.sources.base import few
    from seqcls.timemap import TimeMap

    target = output if output is not None else Path(f"{file.stem}-labels.csv")
    suffix = target.suffix.lower()
    if suffix not in (".csv", ".json"):
        raise UsageError(f"{target} ends in neither .csv nor .json: labels are written as one of these")
    if suffix == ".json" and timemap is not None:
        raise UsageError("--timemap gives times, and a .json holds frames: write a .csv")
    with only_writer(target, is_folder=False):
        options.check_outputs(target, overwrite=overwrite)
        found = read_labels(file)
        if timemap is not None:
            clips = [in_seconds(_of_proxy(found, file, clip), timemap=TimeMap.read(timemap))]
        else:
            mapped = in_seconds if suffix == ".csv" else in_frames
            clips = [mapped(labels, times) for labels, times in _with_times(found, file, clip)]
        for note in few(list(dict.fromkeys(note for labels in clips for note in labels.notes)), MAX_NOTES):
            console.warn(note)
        (write_labels_csv if suffix == ".csv" else write_labels_json)(target, clips)
        rows = sum(len(labels.spans) for labels in clips)
        console.notify(f"wrote {target}: {count_of(rows, 'label')} of {count_of(len(clips), 'clip')}")


def _with_times(
    found: list[ClipLabels], file: Path, clip: Path | None
) -> Iterator[tuple[ClipLabels, ClipTimes | None]]:
    """The labels with the times of the clips that they are of, where these are at hand; of one clip alone its own."""
    if clip is None:
        yield from ((labels, None) for labels in found)
        return
    from seqcls.datasets.clip_files import match_clips
    from seqcls.datasets.import_labels import read_times

    for path, labels in match_clips(found, clip, file):
        with console.progress(f"reading {labels.file}", None) as advance:
            times = read_times(path, advance)
        yield _named_in_full(labels, path), times


def _named_in_full(labels: ClipLabels, path: Path) -> ClipLabels:
    """With the suffix of the clip's name, which some tools leave out: other label files of the clip have it."""
    if not path.suffix or not same_name(re.split(r"[/\\]", labels.file)[-1], path.stem):
        return labels
    file = f"{labels.file}{path.suffix}"
    return replace(labels, file=file, patient=file if labels.patient == labels.file else labels.patient)


def _of_proxy(found: list[ClipLabels], file: Path, clip: Path | None) -> ClipLabels:
    """The labels of the one proxy, under the name of the clip."""
    if clip is None:
        raise UsageError("--timemap needs --clip too: the labels bear the name of the proxy, not of the clip")
    if clip.is_dir():
        raise UsageError(f"--timemap is of one clip, and {clip} is a folder: name the clip with --clip")
    if len(found) > 1:
        names = ", ".join(labels.file for labels in found[:3])
        raise DataError(
            f"{file} holds labels of {len(found)} clips ({names}), a time map is of one: export one of them"
        )
    return replace(found[0], file=clip.name)
