"""`seqcls agree`: how far two readers agree, or readers and a model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options, tables
from seqcls.cli.options import INPUT, OUTPUT
from seqcls.cli.results import require_finished
from seqcls.errors import UsageError
from seqcls.files.output_lock import only_writer

if TYPE_CHECKING:
    from seqcls.evaluation.agreement import Agreement, FrameTimes, Reading
    from seqcls.pseudonyms import Pseudonyms


def agree(
    readings: Annotated[
        list[Path],
        typer.Argument(metavar="READING...", help="Two or more: label files, or folders that `seqcls run` wrote."),
    ],
    clips: Annotated[
        Path | None,
        INPUT("DIR", "Folder of the clips, to compare frames. Default: seconds, unless a reading is a run."),
    ] = None,
    output: Annotated[Path | None, OUTPUT("DIR", "Also write agreement.json there.", "-o", "--output")] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Compare two readers, or readers and a model: Cohen's kappa, events found, differences at the edges.

    The first of each pair is the one that the other is measured against. What
    two readers reach is the most that a model can be measured against.
    """
    from seqcls.evaluation.agreement import agree as compare
    from seqcls.evaluation.agreement import read_reading
    from seqcls.files.json_text import write_json

    if len(readings) < 2:
        raise UsageError("agree compares two readings or more: name another label file or run")
    names = options.pseudonyms(hash_names, [] if clips is None else [clips], [*readings, output])
    require_finished(*readings)
    target = None if output is None else output / "agreement.json"
    with only_writer(output, is_folder=True):
        if target is not None:
            options.check_outputs(target, overwrite=overwrite)
        read = [read_reading(path) for path in readings]
        find = None if clips is None else _frames_below(clips, readings[0], read[0], names)
        if names is not None:
            read = [_without_names(one, f"reading {number}", names) for number, one in enumerate(read, start=1)]
        found = [compare(one, other, find) for one, other in itertools.combinations(read, 2)]
        show_agreements(found, people=[not reading.frames for reading in read])
        if target is not None:
            records = [one.to_dict() for one in found]
            for record in records if names is not None else ():
                record["messages"] = [names.hide(message) for message in record["messages"]]  # type: ignore[union-attr]
            write_json(target, {"pairs": records})
            console.notify(f"wrote {target}")


def _without_names(reading: Reading, name: str, names: Pseudonyms) -> Reading:
    """The same under pseudonyms, which are shown for the clips' names from now on."""
    names.remember(*(clip.file for clip in reading.clips))
    frames = {names.path(file): times for file, times in reading.frames.items()}
    return replace(reading, name=name, clips=tuple(map(names.labels, reading.clips)), frames=frames)


def _frames_below(
    clips: Path, label_file: Path, first: Reading, names: Pseudonyms | None
) -> Callable[[str], FrameTimes | None]:
    """Finds a clip of the first reading below the folder, and decodes it for the times of its frames."""
    from seqcls.datasets.clip_files import match_clips
    from seqcls.evaluation.agreement import FrameTimes

    found = {
        labels.file if names is None else names.path(labels.file): path
        for path, labels in match_clips(first.clips, clips, label_file)
    }
    known: dict[str, FrameTimes] = {}

    def find(file: str) -> FrameTimes | None:
        if file not in known and file in found:
            with console.progress(f"reading {file}", None):
                known[file] = FrameTimes.of_clip(found[file])
        return known.get(file)

    return find


def show_agreements(found: Sequence[Agreement], people: Sequence[bool] = ()) -> None:
    """Two lines for each pair and organ. ``people``: which readings are no model's, in the order of the pairs."""
    sides = list(itertools.combinations(people, 2)) or [(False, False)] * len(found)
    out = console.results()
    for one, (first, second) in zip(found, sides, strict=True):
        most = ", the most that a model can be measured against" if first and second and not all(people) else ""
        out.print(f"{one.first} / {one.second}{most}")
        for organ in one.organs:
            i, kappa = organ.intervals, organ.kappa
            spread = tables.range_of(kappa, digits=3)
            moments = f"{organ.moments:.0f} frames" if one.by_frame else f"{organ.moments:.1f} s"
            out.print(
                f"  {organ.organ}: kappa {tables.figure(kappa.value, 3)}{spread}, {organ.agreement:.1%} of {moments}"
                f" alike, present {organ.present[0]:.1%} / {organ.present[1]:.1%}"
            )
            out.print(
                f"  {' ' * len(organ.organ)}  presences found {i.found} of {i.presences} by {i.predictions},"
                f" {i.false_events} of these beside,"
                f" event F1 {tables.figure(i.event_f1, 3)}, onset/offset differ by median"
                f" {tables.figure(i.onset_median_s, 3)}/{tables.figure(i.offset_median_s, 3)} s, later by mean"
                f" {tables.figure(organ.onset_bias_s, 3)}/{tables.figure(organ.offset_bias_s, 3)} s"
            )
    for message in dict.fromkeys(message for one in found for message in one.messages):
        console.warn(message)
    if not all(one.by_frame for one in found):
        console.notify("seconds were compared: --clips DIR, the folder of the clips, compares frames")
