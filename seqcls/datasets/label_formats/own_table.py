"""Tables of labels: `file,organ,start_s,end_s,state`, and the intervals.csv of a run."""

from __future__ import annotations

from pathlib import Path

from seqcls.datasets.label_files import table_rows
from seqcls.datasets.label_formats.found import FoundLabels
from seqcls.datasets.label_times import seconds_of
from seqcls.datasets.labelled_span import Label, LabelledSpan
from seqcls.errors import DataError
from seqcls.text.wording import cut

COLUMNS = ("file", "organ", "start_s", "end_s", "state")
#: Either by name, or as 1, 0 and -1; unknown as a run writes it.
_STATES: dict[str, Label] = {
    "present": "present",
    "absent": "absent",
    "ignore": "ignore",
    "1": "present",
    "0": "absent",
    "-1": "ignore",
    "unknown": "ignore",
}


def read(text: str, path: Path) -> FoundLabels:
    """Raises DataError that names the row."""
    return FoundLabels([_span(cells, where) for where, cells in table_rows(text, path, COLUMNS)])


def _span(cells: dict[str, str], where: str) -> LabelledSpan:
    for name in COLUMNS:
        if not cells[name]:
            raise DataError(f"{where}: {name} is empty; fill it in, or remove the row")
    start_s, end_s = (seconds_of(cells[name], name, where) for name in ("start_s", "end_s"))
    if end_s <= start_s:
        raise DataError(f"{where}: end_s {end_s:g} is not after start_s {start_s:g}; are they swapped?")
    if cells["patient"].lower() in _STATES and not cells["patient"].isdecimal():
        raise DataError(
            f"{where}: the patient is {cut(cells['patient'])!r}; put numbers with a decimal comma into quotes"
        )
    state, file = state_of(cells["state"], where), cells["path"] or cells["file"]
    return LabelledSpan(
        file, cells["organ"], state, start_s, end_s, patient=cells["patient"], where=where, scanner=cells["scanner"],
        site=cells["site"],
    )  # fmt: skip


def state_of(text: str, where: str) -> Label:
    """The state that a cell or a number means. Raises DataError."""
    state = _STATES.get(text.lower().removesuffix(".0"))  # a column of numbers with empty cells holds fractions
    if state is None:
        raise DataError(f"{where}: state {cut(text)!r} is none of present, absent, ignore")
    return state
