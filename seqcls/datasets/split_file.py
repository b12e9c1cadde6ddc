"""A split that is kept: who is for training, who for validation, and in which fold each is left out, as a JSON file.

The same file serves `extract`, `train`, its cross-validation, and whoever wants to repeat an experiment on the same
data. People may read and change it: ``sides`` and ``folds`` have a line for each patient.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from seqcls import __version__
from seqcls.datasets.frame_table import STATES, Row
from seqcls.datasets.labels import ClipLabels
from seqcls.datasets.split import SHARE, Unit, folds_of, grouping_of, hold_out
from seqcls.errors import DataError, UsageError, one_line
from seqcls.files import nfc
from seqcls.files.json_record import record_from
from seqcls.files.json_text import MAX_BYTES, parse_json, write_json
from seqcls.files.named_files import read_regular
from seqcls.text.foreign_text import whole_characters
from seqcls.text.wording import count_of, cut, names_of

FORMAT = 1
#: Characters of a name: the time to compose accents grows with the square of how many pile up.
MAX_NAME = 1000
Side = Literal["train", "validation"]
SIDES: tuple[Side, ...] = ("train", "validation")


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """What is to be split: N items (frames, or labelled stretches of clips) with the patient and the clip of each, and
    the states that it is labelled with: pairs of an organ and whether it is present."""

    patients: NDArray[np.str_]
    clips: NDArray[np.str_]
    states: tuple[tuple[tuple[str, bool], ...], ...]

    @classmethod
    def of_rows(cls, rows: Sequence[Row]) -> Labelled:
        """Of frames on disk."""
        return cls._of((row.patient, row.clip, row.states) for row in rows)

    @classmethod
    def of_clips(cls, clips: Sequence[tuple[Path, ClipLabels]]) -> Labelled:
        """Of labelled clips, none of which is read: a stretch is an item, however long."""
        found = []
        for _, labels in clips:
            spans = [(span.organ, str(span.state)) for span in labels.spans if span.state != "ignore"]
            rest = [(organ, labels.rest) for organ in labels.organs if labels.rest not in (None, "ignore")]
            found += [(labels.patient, labels.file, ((organ, s == "present"),)) for organ, s in (*spans, *rest)]
        return cls._of(found)

    @classmethod
    def _of(cls, items: Iterable[tuple[str, str, tuple[tuple[str, bool], ...]]]) -> Labelled:
        kept = list(items)
        patients = np.array([nfc(patient) for patient, _, _ in kept], np.str_)
        return cls(patients, np.array([nfc(clip) for _, clip, _ in kept], np.str_), tuple(own for _, _, own in kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Each group (a patient, or a clip of the only one) with its side, and the fold in which it is left out, from 1.

    folds: empty where there are none. data: hash of the groups and the states that each showed when the split was made.
    name, digest, content: of the file that it was read from, the second its SHA-256.
    """

    unit: Unit
    sides: Mapping[str, Side]
    folds: Mapping[str, int]
    method: str
    seed: int
    data: str
    name: str = ""
    digest: str = ""
    content: bytes = field(default=b"", repr=False)

    @property
    def held_out(self) -> frozenset[str]:
        """The groups for validation."""
        return frozenset(name for name, side in self.sides.items() if side == "validation")

    def group_of(self, patient: str, clip: str) -> str:
        return patient if self.unit == "patient" else clip

    def groups_of(self, patients: NDArray[np.str_], clips: NDArray[np.str_]) -> NDArray[np.str_]:
        """(N,) each frame's group, spelt as here."""
        names, place = np.unique(patients if self.unit == "patient" else clips, return_inverse=True)
        return np.array([nfc(str(name)) for name in names])[place]

    def parts(self, folds: int | Literal["groups"]) -> tuple[tuple[str, ...], ...]:
        """The groups of each fold. Raises UsageError where these are not so many as ``folds`` asks for."""
        named = f"the split {self.name}"
        if not self.folds:
            raise UsageError(f"{named} has no folds: make it again with `seqcls split --folds {folds}`")
        count = max(self.folds.values())
        parts = [tuple(sorted(n for n, fold in self.folds.items() if fold == f)) for f in range(1, count + 1)]
        wanted = len(self.sides) if folds == "groups" else min(folds, len(self.sides))
        if count != wanted:
            raise UsageError(f"{named} has {count_of(count, 'fold')}, and {folds} are asked for: ask for {count}")
        return tuple(parts)

    def require_match(self, groups: Iterable[str]) -> None:
        """Raise DataError unless the data consist of the very groups of this split; it names those that do not."""
        found = {nfc(name) for name in groups}
        new, gone = sorted(found - self.sides.keys()), sorted(self.sides.keys() - found)
        if new or gone:
            parts = [f"new: {names_of(new)}"] * bool(new) + [f"missing: {names_of(gone)}"] * bool(gone)
            raise DataError(
                f"{self.name} was made for other {self.unit}s than these ({'; '.join(parts)}): make the split again"
                " with `seqcls split`, or name the data that it was made for"
            )

    def changes(self, data: Labelled) -> str:
        """A sentence where the groups are the same but show other states than when the split was made, else ""."""
        names = data.patients if self.unit == "patient" else data.clips
        if data_hash(shown_by(names, data.states)) == self.data:
            return ""
        return f"the labels have changed since {self.name} was made: sides and folds stay, whatever they show now"

    def summary(self) -> dict[str, object]:
        """For a model's header."""
        return {
            "file": self.name, "sha256": self.digest, "unit": self.unit, "method": self.method, "seed": self.seed,
        }  # fmt: skip


def make_split(
    data: Labelled, *, share: float | None = None, folds: int | Literal["groups"] | None = None, seed: int = 0
) -> tuple[Split, str]:
    """Hold out a share of the patients so that both sides show every organ present and absent, and deal all of them out
    to folds; and a sentence for the user where nobody is held out.

    share: 0 for none, None for a fifth where there are enough. folds: how many, ``groups``: each by itself, None: none.
    Raises DataError where the data cannot be split so.
    """
    unit, names = grouping_of(data.patients, data.clips)
    shown = shown_by(names, data.states)
    held, message = hold_out(shown, share, seed)
    present = np.array([any(there for _, there in states) for states in data.states], np.bool_)
    parts = () if folds is None else folds_of(names, present, folds)
    kept = SHARE if share is None else share
    method = f"{kept:g} of the {unit}s for validation, every state on both sides" if held else "nobody for validation"
    if parts:
        alone = len(parts) == len(shown)
        method += f"; each {unit} a fold" if alone else f"; {len(parts)} folds with presence spread evenly"
    split = Split(
        unit=unit,
        sides={name: "validation" if name in held else "train" for name in sorted(shown)},
        folds={name: number for number, part in enumerate(parts, 1) for name in part},
        method=method,
        seed=seed,
        data=data_hash(shown),
    )
    return split, message


def shown_by(names: NDArray[np.str_], states: Sequence[Sequence[tuple[str, bool]]]) -> dict[str, set[tuple[str, str]]]:
    """Per group, the organs and states that its items are labelled with."""
    shown: dict[str, set[tuple[str, str]]] = {nfc(str(name)): set() for name in names}
    for name, own in zip(names, states, strict=True):
        shown[nfc(str(name))].update((organ, STATES[present]) for organ, present in own)
    return shown


def data_hash(shown: Mapping[str, Iterable[tuple[str, str]]]) -> str:
    """The same for the same labels, whether of clips or of frames cut out of them."""
    lines = sorted(f"{name}\t{organ}\t{state}" for name, states in shown.items() for organ, state in states)
    return hashlib.sha256("\n".join(map(whole_characters, lines)).encode()).hexdigest()


def write_split(split: Split, path: str | Path) -> None:
    """Raises OutputError."""
    body = {
        "format": FORMAT, "unit": split.unit, "method": split.method, "seed": split.seed, "data": split.data,
        "version": __version__, "sides": split.sides, "folds": dict(sorted(split.folds.items())),
    }  # fmt: skip
    write_json(path, body)


def read_split(path: str | Path) -> Split:
    """Raises DataError, which says what is wrong with the file."""
    path = Path(path)
    try:
        content = read_regular(path, MAX_BYTES)
        body = parse_json(content.decode("utf-8-sig"))
        if not isinstance(body, dict) or record_from(int, body["format"], "format") != FORMAT:
            raise ValueError(f"this seqcls reads splits of format {FORMAT}")
        sides = _named(body, "sides", str)
        folds = _named(body, "folds", int)
        if wrong := [name for name, side in sides.items() if side not in SIDES]:
            raise ValueError(f"{cut(wrong[0])} is for {cut(sides[wrong[0]])!r}, not for train or validation")
        if not sides:
            raise ValueError("it names nobody")
        numbers = sorted(set(folds.values()))
        if folds and (folds.keys() != sides.keys() or numbers != list(range(1, len(numbers) + 1))):
            raise ValueError("the folds are not numbered from 1 without a gap, or not all of those in sides have one")
        return Split(
            unit=record_from(cast("Any", Unit), body["unit"], "unit"),
            sides=cast("dict[str, Side]", sides),
            folds=folds,
            method=record_from(str, body["method"], "method"),
            seed=record_from(int, body["seed"], "seed"),
            data=record_from(str, body["data"], "data"),
            name=path.name,
            digest=hashlib.sha256(content).hexdigest(),
            content=content,
        )
    except FileNotFoundError:
        raise DataError(f"no split at {path}; make one with `seqcls split DATA -o {path}`") from None
    except KeyError as error:
        raise DataError(f"{path} is no split: {error.args[0]} is missing; make it with `seqcls split`") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no split ({one_line(error)}); make it with `seqcls split`") from error


def _named(body: Mapping[str, Any], field: str, kind: type[Any]) -> dict[str, Any]:
    entries = record_from(dict, body[field], field)
    if long := next((name for name in entries if len(name) > MAX_NAME), None):
        raise ValueError(f"{field}.{cut(long)} has {len(long):,} characters, more than {MAX_NAME:,}")
    return {nfc(name): record_from(kind, value, f"{field}.{cut(name)}") for name, value in entries.items()}
