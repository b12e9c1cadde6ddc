"""`seqcls folds show`: a clip as the model saw it that had not been trained on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options, tables
from seqcls.cli.options import OUTPUT
from seqcls.errors import UsageError
from seqcls.files.output_lock import only_writer
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.models.file import ModelHeader
    from seqcls.pseudonyms import Pseudonyms
    from seqcls.training.fold_scores import FoldScores
    from seqcls.training.fold_timeline import FoldTimeline

#: What the page of a clip says below a strip of labels.
HINT = "as labelled; the sliders do not change it"


def folds(
    action: Annotated[str, typer.Argument(metavar="show", help="What to do with the folds: show.")],
    clip: Annotated[
        str | None,
        typer.Argument(metavar="[CLIP]", help="Its name in the cross-validation. Without: all, worst first."),
    ] = None,
    model: options.Model = None,
    output: Annotated[
        Path | None, OUTPUT("DIR", "Also write timeline.png, report.html and fold.json there.", "-o", "--output")
    ] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show a clip's timeline by the fold that did not see it, beside its labels; after `train --folds`."""
    from seqcls.models.file import read_header
    from seqcls.training.fold_scores import NAME, read_fold_scores

    if action != "show":
        raise UsageError(f"folds takes show, not {action!r}: seqcls folds show CLIP")
    if clip is None and output is not None:
        raise UsageError("-o is for one clip; name it")
    path = options.find_model(model)
    header = read_header(path)
    table = read_fold_scores(path.with_name(f"{path.stem}-training") / NAME)
    names = options.pseudonyms(hash_names, table.clips, [model, output])
    if clip is None:
        _show_all(table, header, names)
        return
    from seqcls.training.fold_timeline import fold_timeline

    shown = _hidden(fold_timeline(table.of_clip(clip), header, path.name), names)
    with only_writer(output, is_folder=True):
        if output is not None:
            options.check_outputs(output / "fold.json", overwrite=overwrite)
        show_fold(shown)
        if output is not None:
            _write(shown, header, output)
            console.notify(f"wrote {output}")


def show_fold(shown: FoldTimeline) -> None:
    """Strips of what was found and of the labels, the intervals, and a line of figures for each organ."""
    out, timeline = console.results(), shown.timeline
    out.print(f"{timeline.source.title}: left out in fold {shown.fold}, patient {shown.patient}")
    out.print(tables.timeline_strips(shown.labelled(), out.width))
    out.print(tables.interval_table(timeline))
    for organ, m, i in zip(timeline.organs, shown.frames, shown.intervals, strict=True):
        out.print(
            f"{organ}: accuracy {tables.figure(m.accuracy, 3)}, AUROC {tables.figure(m.auroc, 3)} on"
            f" {count_of(m.count, 'labelled frame')}; presences found {i.found} of {i.presences}, false events"
            f" {i.false_events}, onset/offset error median {tables.figure(i.onset_median_s, 2)}"
            f"/{tables.figure(i.offset_median_s, 2)} s"
        )


def _hidden(shown: FoldTimeline, names: Pseudonyms | None) -> FoldTimeline:
    """Under pseudonyms where there are some; a clip may be its own patient."""
    if names is None:
        return shown
    clip, patient = shown.timeline.source.name, shown.patient
    hidden = names.file(clip) if patient == clip else names.of(patient, "patient")
    return replace(shown, timeline=names.timeline(shown.timeline), patient=hidden)


def _show_all(table: FoldScores, header: ModelHeader, names: Pseudonyms | None) -> None:
    """A line per clip, the worst first: which of them to look at."""
    from seqcls.errors import DataError
    from seqcls.training.fold_timeline import fold_timeline

    found, left_out = list["FoldTimeline"](), 0
    for name in table.clips:
        try:
            found.append(_hidden(fold_timeline(table.of_clip(name), header), names))
        except DataError:  # in no fold, or without times
            left_out += 1
    organs = header.organs
    lines = []
    for one in found:
        accuracy = dict(zip(one.timeline.organs, (m.accuracy for m in one.frames), strict=True))
        missed = sum(i.presences - i.found for i in one.intervals)
        false = sum(i.false_events for i in one.intervals)
        known = [value for value in accuracy.values() if value == value]
        cells = (tables.figure(accuracy.get(organ, float("nan")), 3) for organ in organs)
        row = (one.timeline.source.title, one.patient, str(one.fold), str(missed), str(false), *cells)
        lines.append((min(known, default=1.0), row))
    heads = ("clip", "patient", "fold", "missed", "false", *(f"{organ} accuracy" for organ in organs))
    console.results().print(tables.table(heads, (row for _, row in sorted(lines)), words=2))
    if left_out:
        console.warn(
            f"{count_of(left_out, 'clip')} left out: in no fold that could be trained, or frames without times"
        )


def _write(shown: FoldTimeline, header: ModelHeader, folder: Path) -> None:
    from seqcls.exports.timeline_png import write_picture
    from seqcls.files.json_text import write_json
    from seqcls.report.page import GivenStrip, ReportOptions, write_report

    given = tuple(GivenStrip(name, intervals, HINT) for name, intervals in shown.label_strips().items())
    remark = "Scores of labelled frames alone, by a model that was trained without this clip. There are no pictures."
    write_picture(shown.labelled(), folder / "timeline.png")
    write_report(shown.timeline, folder / "report.html", ReportOptions(remarks=(remark,), header=header, given=given))
    write_json(folder / "fold.json", shown.to_dict())
