"""Labels of clips: which stretch shows which organ.

CSV: `file,organ,start_s,end_s,state` and optionally `patient` and `path`, which leads to the file; seconds, half-open;
state is present, absent or ignore (or 1, 0, -1). The intervals.csv of a run is such a table; unknown is ignored.
JSON: `{"clips": [{"task": organ, "file": …, "patient": …, "segments": [{"start": 0, "end": 91, "label": 1}, …]}, …]}`
with inclusive, 0-based frame ranges. What no span covers is not labelled.
"""

from __future__ import annotations

import bisect
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from seqcls.datasets.label_files import MAX_CELL, MAX_ROWS, read_text, table_rows
from seqcls.datasets.label_times import seconds_of
from seqcls.errors import DataError, UsageError, one_line
from seqcls.files import nfc, on_disk
from seqcls.files.json_text import parse_json
from seqcls.text.foreign_text import for_terminal
from seqcls.types import MAX_INDEX, TIME_TOLERANCE_S, require_organs

Label = Literal["present", "absent", "ignore"]
#: Either by name, or as 1, 0 and -1.
_STATES: dict[str, Label] = dict(zip((*get_args(Label), "1", "0", "-1"), 2 * get_args(Label), strict=True))
_STATES["unknown"] = "ignore"  # as a run writes it
_COLUMNS = ("file", "organ", "start_s", "end_s", "state")
#: An organ's name becomes a folder's name, on Windows too.
_UNFIT_FOR_FOLDERS = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
#: Not seen, and not typed on purpose: soft hyphen, spaces without width, word joiner, mark of the byte order.
_UNSEEN = re.compile("[\u00ad\u200b\u2060\ufeff]")


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
    """All labels of one clip, organ by organ in time order.

    ``frames``: how many the clip has, as the label file states it; 0 where it does not. ``notes``: for the user.
    """

    file: str
    patient: str
    spans: tuple[LabelledSpan, ...]
    frames: int = 0
    notes: tuple[str, ...] = ()

    _by_organ: Mapping[str, tuple[list[float], list[LabelledSpan]]] = field(init=False, repr=False, compare=False)
    """By the name of the organ, composed: where its spans begin, and the spans in that order."""

    def __post_init__(self) -> None:
        ordered = _by_organ(self.spans)
        object.__setattr__(
            self, "_by_organ", {nfc(organ): ([s.limits[0] for s in own], own) for organ, own in ordered.items()}
        )

    @property
    def organs(self) -> tuple[str, ...]:
        return tuple(sorted({own[0].organ for _, own in self._by_organ.values()}))

    def state_at(self, organ: str, index: int, time_s: float) -> Label | None:
        """The organ's label for one frame, None where there is none."""
        begins, spans = self._by_organ.get(nfc(organ), ([], []))
        if not spans:
            return None
        # There may be as many spans as frames, so they are not gone through for each of them.
        behind = bisect.bisect_right(begins, index if spans[0].by_frame else time_s + TIME_TOLERANCE_S)
        return next((span.state for span in spans[max(0, behind - 2) : behind] if span.covers(index, time_s)), None)


def _by_organ(spans: Iterable[LabelledSpan]) -> dict[str, list[LabelledSpan]]:
    """Each organ's spans in time order."""
    by_organ: dict[str, list[LabelledSpan]] = {}
    for span in spans:
        by_organ.setdefault(span.organ, []).append(span)
    return {organ: sorted(own, key=lambda span: span.limits) for organ, own in by_organ.items()}


def read_labels(path: str | Path) -> list[ClipLabels]:
    """Read a label file, one entry per clip in file order. Raises DataError that names the row."""
    path = on_disk(path)
    text, notes = read_text(path)
    if path.suffix.lower() == ".json":
        spans, frames = _from_json(text, path)
    elif path.suffix.lower() in (".csv", ".tsv", ".txt"):
        spans, frames = [_span(cells, where) for where, cells in table_rows(text, path, _COLUMNS)], dict[str, int]()
    else:
        raise DataError(f"{path}: labels are read from .csv or .json, not {path.suffix}")
    if not spans:
        raise DataError(f"{path} holds no label; the columns are {','.join(_COLUMNS)}")
    _refuse_organ_names(spans, path)
    by_clip: dict[str, list[LabelledSpan]] = {}
    for span in spans:
        by_clip.setdefault(span.file, []).append(span)
    return [replace(_clip(file, own, path), frames=frames.get(file, 0), notes=notes) for file, own in by_clip.items()]


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
            compiled = re.compile(nfc(pattern))
        except re.error as error:
            raise UsageError(f"patients={pattern!r} is not a regular expression: {error}") from error
        if compiled.groups != 1:
            raise UsageError(f"patients={pattern!r} must have one group in parentheses, as '(pat[0-9]+)'")
    known = []
    for clip in clips:
        found = compiled.search(PurePosixPath(clip.file).name) if compiled is not None else None
        # A clip that the pattern does not know is its own patient: one clip of a volunteer among patients' clips.
        patient = clip.patient or (found and found.group(1)) or clip.file
        known.append(replace(clip, patient=patient))
    return known


def _span(cells: dict[str, str], where: str) -> LabelledSpan:
    """One row of a CSV."""
    for name in _COLUMNS:
        if not cells[name]:
            raise DataError(f"{where}: {name} is empty; fill it in, or remove the row")
    start_s, end_s = (seconds_of(cells[name], name, where) for name in ("start_s", "end_s"))
    if end_s <= start_s:
        raise DataError(f"{where}: end_s {end_s:g} is not after start_s {start_s:g}; are they swapped?")
    if cells["patient"].lower() in _STATES and not cells["patient"].isdecimal():
        raise DataError(f"{where}: the patient is {cells['patient']!r}; put numbers with a decimal comma into quotes")
    state, file = _state(cells["state"], where), cells["path"] or cells["file"]
    return LabelledSpan(file, cells["organ"], state, start_s, end_s, patient=cells["patient"], where=where)


def _from_json(text: str, path: Path) -> tuple[list[LabelledSpan], dict[str, int]]:
    """The spans, and the number of frames of each clip that states it."""
    try:
        body = parse_json(text)
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {one_line(error)}") from error
    if not isinstance(body, dict) or not isinstance(body.get("clips"), list):
        hint = "; name the intervals.csv beside it" if isinstance(body, dict) and "intervals" in body else ""
        raise DataError(f'{path} has no list "clips"{hint}')
    spans, frames = list[LabelledSpan](), dict[str, int]()
    for number, clip in enumerate(body["clips"]):
        where = f"{path}, clip {number}"
        organ, file = (nfc(_field(clip, name, str, where)).strip() for name in ("task", "file"))
        if max(len(organ), len(file), len(str(clip.get("patient")))) > MAX_CELL:
            raise DataError(f"{where}: a text has more than {MAX_CELL:,} characters; shorten it")
        if not (organ and file):
            raise DataError(f"{where}: {'file' if organ else 'task'!r} is empty; fill it in")
        patient = clip.get("patient")
        if isinstance(patient, bool) or not isinstance(patient, (str, int, type(None))):
            raise DataError(f"{where}: 'patient' must be a text or a number")
        patient = "" if patient is None else nfc(str(patient)).strip()  # clips of unknown patients are not one patient
        if isinstance(count := clip.get("frames"), int):
            frames[file] = count
        segments = _field(clip, "segments", list, where)
        if len(spans) + len(segments) > MAX_ROWS:
            raise DataError(f"{where}: there are more than {MAX_ROWS:,} segments; divide the file into several")
        for at, segment in enumerate(segments):
            place = f"{where} ({file}), segment {at}"
            start, end = _field(segment, "start", int, place), _field(segment, "end", int, place)
            if not 0 <= start <= end:
                raise DataError(f"{place}: needs 0 <= start <= end, not {start} and {end}")
            if end > MAX_INDEX:
                raise DataError(f"{place}: no clip has a frame {end}")
            state = _state(str(_field(segment, "label", int, place)), place)
            spans.append(
                LabelledSpan(file, organ, state, start_index=start, end_index=end, patient=patient, where=place)
            )
    return spans, frames


def _field(body: Any, name: str, kind: type, where: str) -> Any:
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{where}: {name!r} is missing or not of type {kind.__name__}")
    return value


def _state(text: str, where: str) -> Label:
    state = _STATES.get(text.lower().removesuffix(".0"))  # a column of numbers with empty cells holds fractions
    if state is None:
        raise DataError(f"{where}: state {text!r} is none of {', '.join(get_args(Label))}")
    return state


def _refuse_organ_names(spans: Sequence[LabelledSpan], path: Path) -> None:
    """Two spellings would be two outputs of the network, and one folder where upper and lower case are the same."""
    spelt: dict[str, LabelledSpan] = {}
    try:
        require_organs(tuple({span.organ for span in spans}))
    except UsageError as error:
        raise DataError(f"{path}: {error}") from None
    for span in spans:
        if unseen := _UNSEEN.search(span.organ):
            raise DataError(f"{span.where}: organ {span.organ!r} holds {unseen[0]!r}, which nobody sees; type it anew")
        unfit = _UNFIT_FOR_FOLDERS.search(span.organ)
        if unfit or for_terminal(span.organ) != span.organ:
            what = repr(unfit[0]) if unfit else "what nobody sees, or what steers a terminal"
            raise DataError(f"{span.where}: organ {span.organ!r} must not hold {what}: folders are named after it")
        first = spelt.setdefault(re.sub(r"[_\s-]+", " ", span.organ).strip().casefold(), span)
        if first.organ != span.organ:
            raise DataError(f"{span.where}: organ {span.organ!r} is {first.organ!r} in {first.where}: spell it alike")


def _refuse_overlaps(spans: Sequence[LabelledSpan], path: Path) -> None:
    """Two labels for one moment cannot both be right, and equal ones are a sign of a file pasted together twice."""
    for organ, own in _by_organ(spans).items():
        if len({span.by_frame for span in own}) > 1:
            raise DataError(f"{path}: {own[0].file}: {organ} is labelled both by frame and by second")
        for one, other in itertools.pairwise(own):
            if other.limits[0] < one.limits[1] - TIME_TOLERANCE_S:
                twins = "; if these are two clips of one name, fill in a column path" * (other.limits[0] == 0)
                raise DataError(f"{other.where}: overlaps {one.where} for {organ}; make them meet or remove one{twins}")
