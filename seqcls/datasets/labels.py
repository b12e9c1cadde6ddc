"""Labels of clips: which stretch shows which organ.

CSV: `file,organ,start_s,end_s,state` and optionally `patient`; seconds, half-open; state is present, absent or ignore
(or 1, 0, -1). JSON: `{"clips": [{"task": organ, "file": …, "patient": …, "segments": [{"start": 0, "end": 91,
"label": 1}, …]}, …]}` with inclusive, 0-based frame ranges. What no span covers is not labelled.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from seqcls.errors import DataError, UsageError, one_line
from seqcls.types import TIME_TOLERANCE_S

Label = Literal["present", "absent", "ignore"]
#: Either by name, or as 1, 0 and -1.
_STATES: dict[str, Label] = dict(zip((*get_args(Label), "1", "0", "-1"), 2 * get_args(Label), strict=True))
_COLUMNS = ("file", "organ", "start_s", "end_s", "state")
#: An organ's name becomes a folder's name, on Windows too.
_UNFIT_FOR_FOLDERS = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


@dataclass(frozen=True, slots=True)
class LabelledSpan:
    """One row of a label file: a stretch [start_s, end_s), or the frames start_index to end_index inclusive.

    Spans by time have indices of -1, spans by frame have NaN times. ``where`` names the row for messages.
    """

    file: str
    organ: str
    state: Label
    start_s: float = math.nan
    end_s: float = math.nan
    start_index: int = -1
    end_index: int = -1
    patient: str = ""
    where: str = ""

    @property
    def by_frame(self) -> bool:
        return self.start_index >= 0

    @property
    def limits(self) -> tuple[float, float]:
        """Half-open, in frames or in seconds."""
        return (self.start_index, self.end_index + 1) if self.by_frame else (self.start_s, self.end_s)

    def covers(self, index: int, time_s: float) -> bool:
        """Whether the frame lies inside; a microsecond decides in favour of the later span."""
        if self.by_frame:
            return self.start_index <= index <= self.end_index
        return self.start_s - TIME_TOLERANCE_S <= time_s < self.end_s - TIME_TOLERANCE_S


@dataclass(frozen=True, slots=True)
class ClipLabels:
    """All labels of one clip, organ by organ in time order."""

    file: str
    patient: str
    spans: tuple[LabelledSpan, ...]

    @property
    def organs(self) -> tuple[str, ...]:
        return tuple(sorted({span.organ for span in self.spans}))

    def state_at(self, organ: str, index: int, time_s: float) -> Label | None:
        """The organ's label for one frame, None where there is none."""
        for span in self.spans:
            if span.organ == organ and span.covers(index, time_s):
                return span.state
        return None

    def last_index(self) -> int:
        """The highest frame that a span by frame names, -1 when there is none."""
        return max((span.end_index for span in self.spans), default=-1)


def read_labels(path: str | Path) -> list[ClipLabels]:
    """Read a label file, one entry per clip in file order. Raises DataError that names the row."""
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"no label file at {path}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {one_line(error)}; name a .csv or .json file") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}); save it as 'CSV UTF-8'") from error
    if "\0" in text:
        raise DataError(f"{path} is not text, it holds zero bytes; save it as 'CSV UTF-8'")
    if path.suffix.lower() == ".json":
        spans = _from_json(text, path)
    elif path.suffix.lower() in (".csv", ".tsv", ".txt"):
        spans = _from_csv(text, path)
    else:
        raise DataError(f"{path}: labels are read from .csv or .json, not {path.suffix}")
    if not spans:
        raise DataError(f"{path} holds no label; the columns are {','.join(_COLUMNS)}")
    _refuse_organ_names(spans)
    return [
        _clip(file, [span for span in spans if span.file == file], path)
        for file in dict.fromkeys(span.file for span in spans)
    ]


def _clip(file: str, spans: list[LabelledSpan], path: Path) -> ClipLabels:
    _refuse_overlaps(spans, path)
    patients = sorted({span.patient for span in spans if span.patient})
    if len(patients) > 1:
        raise DataError(f"{path}: {file} has more than one patient ({', '.join(patients)}); name the one it is of")
    ordered = sorted(spans, key=lambda span: (span.organ, span.limits))
    return ClipLabels(file, "".join(patients), tuple(ordered))


def with_patients(clips: Iterable[ClipLabels], pattern: str | None) -> list[ClipLabels]:
    """Fill in who is who: the label file's word, else the group of ``pattern`` in the file name, else the clip itself.

    Raises UsageError for a pattern that is no regular expression with one group, DataError where it does not match.
    """
    compiled = None
    if pattern is not None:
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise UsageError(f"patients={pattern!r} is not a regular expression: {error}") from error
        if compiled.groups != 1:
            raise UsageError(f"patients={pattern!r} must have one group in parentheses, as '(pat[0-9]+)'")
    known = []
    for clip in clips:
        found = compiled.search(PurePosixPath(clip.file).name) if compiled is not None else None
        # A clip that the pattern does not know is its own patient: one clip of a volunteer among patients' clips.
        patient = clip.patient or (found and found.group(1)) or clip.file
        known.append(ClipLabels(clip.file, patient, clip.spans))
    return known


def match_clips(
    labels: Sequence[ClipLabels], root: str | Path, label_file: str | Path
) -> list[tuple[Path, ClipLabels]]:
    """Find each labelled clip: below ``root``, beside the label file, or by a file name that is unique below ``root``.

    Raises DataError that names the first clip which is not there, or is named twice in different ways: its labels would
    contradict each other unseen, and its frames could stand on both sides of a split.
    """
    root, beside = Path(root), Path(label_file).parent
    if not root.exists():
        raise DataError(f"no folder or clip at {root}")
    if root.is_file():
        return [(root, _labels_of(root, labels, label_file))]
    by_name: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        by_name.setdefault(path.name, []).append(path)
    found, taken = [], dict[Path, str]()
    for clip in labels:
        relative = _relative(clip.file)
        direct = [base / relative for base in (root, root.parent, beside) if (base / relative).exists()]
        named = by_name.get(relative.name, [])
        if not direct and len(named) > 1:
            raise DataError(f"{label_file} names {clip.file}, and {root} holds {len(named)} files of that name")
        if not direct and not named:
            raise DataError(f"{label_file} names {clip.file}, which is not in {root}; mend the name or the folder")
        path = (direct or named)[0]
        other = taken.setdefault(path.resolve(), clip.file)
        if other != clip.file:
            raise DataError(f"{label_file} names one clip both {other} and {clip.file}: name it in one way")
        found.append((path, clip))
    return found


def _labels_of(clip: Path, labels: Sequence[ClipLabels], label_file: str | Path) -> ClipLabels:
    own = [known for known in labels if _relative(known.file).name == clip.name]
    if len(own) > 1:
        own = [known for known in own if clip.resolve().as_posix().endswith("/" + _relative(known.file).as_posix())]
    if not own:
        raise DataError(f"{label_file} has no label for {clip.name}")
    if len(own) > 1:
        raise DataError(f"{label_file} names {clip.name} as {' and '.join(k.file for k in own)}: name it in one way")
    return own[0]


def _relative(file: str) -> Path:
    """As the label file says, with either kind of slash."""
    return Path(*PurePosixPath(file.replace("\\", "/")).parts)


def _from_csv(text: str, path: Path) -> list[LabelledSpan]:
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [(name or "").strip().lower() for name in rows.fieldnames or ()]
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise DataError(f"{path} lacks the column {missing[0]}; the first line must be {','.join(_COLUMNS)}[,patient]")
    rows.fieldnames = header
    spans = []
    try:
        for row in rows:
            cells = {name: (row.get(name) or "").strip() for name in (*_COLUMNS, "patient")}
            if any(cells.values()):
                spans.append(_span(cells, f"{path}, line {rows.line_num}"))
    except csv.Error as error:  # a quote that is never closed makes the rest one cell, refused at 128 KiB
        raise DataError(f"{path}, line {rows.line_num}: {error}; look for a quote that is not closed") from error
    return spans


def _span(cells: dict[str, str], where: str) -> LabelledSpan:
    """One row of a CSV."""
    for name in _COLUMNS:
        if not cells[name]:
            raise DataError(f"{where}: {name} is empty; fill it in, or remove the row")
    start_s, end_s = (_seconds(cells[name], name, where) for name in ("start_s", "end_s"))
    if end_s <= start_s:
        raise DataError(f"{where}: end_s {end_s:g} is not after start_s {start_s:g}; are they swapped?")
    state = _state(cells["state"], where)
    return LabelledSpan(cells["file"], cells["organ"], state, start_s, end_s, patient=cells["patient"], where=where)


def _from_json(text: str, path: Path) -> list[LabelledSpan]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("clips"), list):
        raise DataError(f'{path} has no list "clips"')
    spans = []
    for number, clip in enumerate(body["clips"]):
        where = f"{path}, clip {number}"
        organ, file = (_field(clip, name, str, where).strip() for name in ("task", "file"))
        if not (organ and file):
            raise DataError(f"{where}: {'file' if organ else 'task'!r} is empty; fill it in")
        patient = clip.get("patient")
        if isinstance(patient, bool) or not isinstance(patient, (str, int, type(None))):
            raise DataError(f"{where}: 'patient' must be a text or a number")
        patient = "" if patient is None else str(patient).strip()  # clips of unknown patients are not one patient
        for at, segment in enumerate(_field(clip, "segments", list, where)):
            place = f"{where} ({file}), segment {at}"
            start, end = _field(segment, "start", int, place), _field(segment, "end", int, place)
            if not 0 <= start <= end:
                raise DataError(f"{place}: needs 0 <= start <= end, not {start} and {end}")
            state = _state(str(_field(segment, "label", int, place)), place)
            spans.append(
                LabelledSpan(file, organ, state, start_index=start, end_index=end, patient=patient, where=place)
            )
    return spans


def _field(body: Any, name: str, kind: type, where: str) -> Any:
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{where}: {name!r} is missing or not of type {kind.__name__}")
    return value


def _state(text: str, where: str) -> Label:
    state = _STATES.get(text.lower())
    if state is None:
        raise DataError(f"{where}: state {text!r} is none of {', '.join(get_args(Label))}")
    return state


def _seconds(text: str, name: str, where: str) -> float:
    try:
        value = float(text.replace(",", "."))  # Excel writes decimal commas where that is the custom
    except ValueError:
        raise DataError(f"{where}: {name} {text!r} is not a number of seconds") from None
    if not (math.isfinite(value) and value >= 0):
        raise DataError(f"{where}: {name} must be 0 or more seconds, not {text}")
    return value


def _refuse_organ_names(spans: Sequence[LabelledSpan]) -> None:
    """Two spellings would be two outputs of the network, and one folder where upper and lower case are the same."""
    spelt: dict[str, LabelledSpan] = {}
    for span in spans:
        if unfit := _UNFIT_FOR_FOLDERS.search(span.organ):
            raise DataError(
                f"{span.where}: organ {span.organ!r} must not hold {unfit[0]!r}: folders are named after it"
            )
        first = spelt.setdefault(re.sub(r"[_\s-]+", " ", span.organ).strip().casefold(), span)
        if first.organ != span.organ:
            raise DataError(f"{span.where}: organ {span.organ!r} is {first.organ!r} in {first.where}: spell it alike")


def _refuse_overlaps(spans: Sequence[LabelledSpan], path: Path) -> None:
    """Two labels for one moment cannot both be right, and equal ones are a sign of a file pasted together twice."""
    for organ in {span.organ for span in spans}:
        own = sorted((span for span in spans if span.organ == organ), key=lambda span: span.limits)
        if len({span.by_frame for span in own}) > 1:
            raise DataError(f"{path}: {own[0].file}: {organ} is labelled both by frame and by second")
        for one, other in itertools.pairwise(own):
            if other.limits[0] < one.limits[1] - TIME_TOLERANCE_S:
                raise DataError(f"{other.where}: overlaps {one.where} for {organ}; make them meet or remove one")
