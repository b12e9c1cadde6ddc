"""`seqcls find`: which clips of an archive fulfil an expression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import seqcls
from seqcls.cli import console, options, tables
from seqcls.cli.options import OUTPUT
from seqcls.cli.results import require_finished
from seqcls.errors import UsageError
from seqcls.files import csv_text, write_text
from seqcls.files.json_text import json_text
from seqcls.files.output_lock import only_writer
from seqcls.text.foreign_text import for_terminal, from_name
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.archive.index import ArchiveIndex
    from seqcls.archive.query import FoundClip
    from seqcls.pseudonyms import Pseudonyms

#: Rows of the table on a terminal.
MOST = 200


def find(
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder with the runs of many clips, as `seqcls run` wrote it.")
    ],
    expression: Annotated[
        str,
        typer.Argument(
            metavar="EXPRESSION",
            help="As 'thyroid > 2 s and not trachea', 'coverage < 0.9', 'verdict = damaged'. Default: all clips.",
        ),
    ] = "",
    maybe: Annotated[
        bool, OUTPUT("", "Also clips that may fulfil it, as too much of them is unknown.", "--maybe")
    ] = False,
    to: Annotated[str | None, OUTPUT("table|csv|json", "Default: table, or by the suffix of -o.", "--to")] = None,
    output: Annotated[
        Path | None, OUTPUT("FILE", "A .csv or .json file. Default: it is printed.", "-o", "--output")
    ] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Find the clips of an archive in which organs are in view as an expression says.

    A name alone is true of a clip where the organ is in view at any time, `thyroid > 2 s` where it is so for
    more than 2 s in all. Conditions on a moment stand in parentheses: '(thyroid and not trachea) > 2 s'.
    Keeps an index in OUT, index.parquet and clips.parquet, and brings it up to date first.
    """
    from seqcls.archive.index import archive_index, require_libraries
    from seqcls.archive.query import find as find_clips

    kind = _kind(to, output)
    require_libraries()
    names = options.pseudonyms(hash_names, [], [folder, output])
    require_finished(folder)
    with only_writer(output, is_folder=False):
        if output is not None:
            options.check_outputs(output, overwrite=overwrite)
        with console.progress("reading runs", None, "runs") as advance:
            index = archive_index(folder, advance, keep=names is None)
        if names is not None:
            found_names = {one for column in ("run", "path") for one in index.clips[column].to_pylist()}
            names.remember(*map(from_name, found_names | {run for run, _ in index.unread}))
        for run, why in index.unread:
            console.warn(f"left out: {run}: {why}")
        if index.not_kept:
            console.warn(f"the index is not kept, the next search reads all runs again: {index.not_kept}")
        found = find_clips(index, expression, intervals=kind == "json")
        shown = [clip for clip in found.clips if clip.surely or maybe]
        open_ones = sum(not clip.surely for clip in found.clips)
        shown = shown if names is None else [_hashed(clip, names) for clip in shown]
        said = expression if names is None else names.hide(expression)
        _give(shown, found.named, said, index, kind, output)
    more = f"; {open_ones:,} more may, where they are unknown: add --maybe" if open_ones and not maybe else ""
    lacking = f"; besides {index.shortfall}" if str(index.shortfall) else ""
    console.notify(f"{len(shown):,} of {count_of(index.clips.num_rows, 'clip')}{more}{lacking}")
    if index.unread:
        raise typer.Exit(1)


def _kind(to: str | None, output: Path | None) -> str:
    """table, csv or json. Raises UsageError."""
    if output is None:
        return "table" if to is None else to
    by_suffix = output.suffix.lower().removeprefix(".")
    if by_suffix not in ("csv", "json") or to not in (None, by_suffix):
        raise UsageError(
            f"-o takes a .csv or a .json file, not {output}" if to != "table" else "--to table has no file"
        )
    return by_suffix


def _hashed(clip: FoundClip, names: Pseudonyms) -> FoundClip:
    return replace(clip, run=names.path(from_name(clip.run)), path=names.path(from_name(clip.path)))


def _give(
    clips: Sequence[FoundClip],
    named: Sequence[str],
    expression: str,
    index: ArchiveIndex,
    kind: str,
    output: Path | None,
) -> None:
    """Print or write them."""
    if kind == "table":
        _show(clips, named)
        return
    text = csv_text(_rows(clips, named)) if kind == "csv" else _json(clips, expression, index)
    if output is None:
        print(text, end="")  # noqa: T201  # the result of this command
    else:
        write_text(output, text)
        print(for_terminal(str(output)))  # noqa: T201


def _show(clips: Sequence[FoundClip], named: Sequence[str]) -> None:
    results = console.results()
    most = MOST if results.is_terminal else len(clips)
    heads = ("run", "match", *map(console.shown, named), "length", "scorable", "input")
    rows = (
        (
            clip.run,
            _match(clip),
            *(_seconds(clip.in_view_s[name]) for name in named),
            tables.clock(clip.duration_s),
            f"{clip.coverage:.1%}" if clip.coverage is not None else "-",
            clip.verdict,
        )
        for clip in clips[:most]
    )
    if clips:
        results.print(tables.table(heads, rows, words=2))
    if len(clips) > most:
        console.notify(f"{len(clips) - most:,} more are not shown: add -o FILE, or --to csv")


def _match(clip: FoundClip) -> str:
    return "yes" if clip.surely else "maybe"


def _seconds(length_s: float | None) -> str:
    return "-" if length_s is None else f"{length_s:.2f} s"


def _rows(clips: Sequence[FoundClip], named: Sequence[str]) -> Iterator[Sequence[Any]]:
    from seqcls.exports.csv_cells import score_cell, seconds_cell

    yield (
        "run",
        "path",
        "match",
        "verdict",
        "coverage",
        "duration_s",
        "scanner",
        *(f"{name} in_view_s" for name in named),
    )
    for clip in clips:
        lengths_s = (clip.in_view_s[name] for name in named)
        yield (
            clip.run,
            clip.path,
            _match(clip),
            clip.verdict,
            "" if clip.coverage is None else score_cell(clip.coverage),
            seconds_cell(clip.duration_s),
            clip.scanner,
            *("" if length_s is None else seconds_cell(length_s) for length_s in lengths_s),
        )


def _json(clips: Sequence[FoundClip], expression: str, index: ArchiveIndex) -> str:
    body = {
        "made_by": f"seqcls {seqcls.__version__}",
        "note": seqcls.DISCLAIMER,
        "expression": expression,
        "searched": index.clips.num_rows,
        "without_timeline": len(index.shortfall.missing),
        "changed_since": len(index.shortfall.changed),
        "clips": [
            {
                "run": clip.run,
                "path": clip.path,
                "match": _match(clip),
                "verdict": clip.verdict,
                "coverage": clip.coverage,
                "duration_s": clip.duration_s,
                "scanner": clip.scanner,
                "in_view_s": clip.in_view_s,
                "present": clip.intervals,
            }
            for clip in clips
        ],
    }
    return json_text(body) + "\n"
