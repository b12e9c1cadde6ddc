"""`seqcls split`: who is for training and who for validation, decided once and kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seqcls.cli import console, options, tables
from seqcls.cli.options import OUTPUT, Panel
from seqcls.errors import DataError, UsageError
from seqcls.files.output_lock import only_writer

if TYPE_CHECKING:
    from seqcls.datasets.split_file import Labelled, Split

SPLIT = Panel("Split: who is held out, and how many times")


def split(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder of frames, or with --labels a folder of clips (or one clip).")
    ],
    labels: Annotated[Path | None, SPLIT("FILE", "Labels: split clips.", "--labels", "-l")] = None,
    patients: options.Patients = None,
    outside: options.Outside = False,
    validation: Annotated[
        float | None, SPLIT("SHARE", "Of the patients, 0 for none. Default: 0.2 where there are enough.")
    ] = None,
    folds: Annotated[
        str | None, SPLIT("N|groups", "Also deal the patients out to N folds, or make each of them one.")
    ] = None,
    seed: Annotated[int, SPLIT("N", "Decides who is held out; folds need no chance.", min=0)] = 0,
    output: Annotated[Path, OUTPUT("FILE", "Where the split is kept.", "-o", "--output")] = Path("split.json"),
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Decide once who is for training and validation, and in which fold: for extract, train and check --split."""
    from seqcls.datasets.split_file import make_split, write_split

    if output.suffix.lower() != ".json":
        raise UsageError(f"-o must end in .json, not {output.name}")
    if validation is not None and not 0 <= validation <= 0.5:
        raise UsageError(f"--validation must lie between 0 and 0.5, not {validation}")
    wanted = fold_count(folds)
    if not data.exists():
        raise DataError(f"{data}: no such file or folder; check the name")
    with only_writer(output, is_folder=False):
        options.check_outputs(output, overwrite=overwrite)
        labelled = _labelled(data, labels, patients, outside, hash_names, output)
        made, message = make_split(labelled, share=validation, folds=wanted, seed=seed)
        console.results().print(_table(made, labelled))
        if message:
            console.warn(message)
        write_split(made, output)
        console.notify(f"wrote {output}: {made.method}")


def fold_count(text: str | None) -> int | Literal["groups"] | None:
    """What --folds takes. Raises UsageError."""
    if text is None or text == "groups":
        return text  # type: ignore[return-value]  # the very word
    if not (text.isdecimal() and int(text) >= 2):
        raise UsageError(f"--folds takes 2 or more, or 'groups', not {text!r}")
    return int(text)


def _labelled(
    data: Path, labels: Path | None, patients: str | None, outside: bool, hash_names: Path | None, output: Path
) -> Labelled:
    """What is there to split; no image is read."""
    from seqcls.cli.extract import labelled_clips
    from seqcls.datasets.frame_table import read_table, read_tree
    from seqcls.datasets.split_file import Labelled

    if labels is not None:
        names = options.pseudonyms(hash_names, [data], [labels, output])
        return Labelled.of_clips(labelled_clips(data, labels, patients, outside=outside, names=names))
    if patients is not None or outside:
        raise UsageError("--patients and --outside are for clips: name their labels by --labels")
    if not data.is_dir():
        raise DataError(f"{data} is no folder of frames; to split clips, name their labels by --labels")
    if hash_names is not None:  # under others `train --split` would not find them again
        console.warn("--hash-names is for clips: the split holds the names that the frames have")
    return Labelled.of_rows(read_table(data) if (data / "frames.csv").is_file() else read_tree(data)[0])


def _table(made: Split, data: Labelled) -> object:
    """A line for each side and each fold: how many groups, and what these show."""
    names = data.patients if made.unit == "patient" else data.clips
    organs = sorted({organ for states in data.states for organ, _ in states})
    counts: Counter[tuple[str, str, bool]] = Counter()
    places: dict[str, set[str]] = {}
    for name, states in zip(names.tolist(), data.states, strict=True):
        for place in (made.sides[name], *([f"fold {made.folds[name]}"] if made.folds else [])):
            places.setdefault(place, set()).add(name)
            counts.update((place, organ, present) for organ, present in states)
    order = [*dict.fromkeys(made.sides.values()), *(f"fold {n}" for n in sorted(set(made.folds.values())))]
    rows = (
        (
            place,
            str(len(places[place])),
            *(f"{counts[place, organ, True]}/{counts[place, organ, False]}" for organ in organs),
        )
        for place in order
    )
    return tables.table(("", f"{made.unit}s", *(f"{organ} present/absent" for organ in organs)), rows)
