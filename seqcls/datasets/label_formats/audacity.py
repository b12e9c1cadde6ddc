"""Audacity's label track: begin and end in seconds and the label's text, with tabs between them; no clip is named.

Format: https://manual.audacityteam.org/man/importing_and_exporting_labels.html
"""

from __future__ import annotations

import re
from pathlib import Path

from seqcls.datasets.label_formats.found import FoundLabels, marked_times, own_name, require_few
from seqcls.datasets.label_times import seconds_of
from seqcls.datasets.labelled_span import LabelledSpan
from seqcls.errors import DataError
from seqcls.text.foreign_text import from_csv
from seqcls.text.wording import count_of, cut

_ROW = re.compile(r"(-?\d+(?:[.,]\d+)?)\t(-?\d+(?:[.,]\d+)?)(?:\t(.*))?")
#: Behind a label that is bound to some frequencies.
_FREQUENCIES = "\\\t"


def is_audacity(text: str) -> bool:
    # Without a list of all lines, of which there may be millions.
    begin = len(text) - len(text.lstrip())
    start, end = text.rfind("\n", 0, begin) + 1, text.find("\n", begin)
    return bool(_ROW.fullmatch(text[start : len(text) if end < 0 else end].rstrip("\r")))


def read(text: str, path: Path) -> FoundLabels:
    """Raises DataError that names the line."""
    spans, points = list[LabelledSpan](), 0
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.rstrip("\r")
        if not line.strip() or line.startswith(_FREQUENCIES):
            continue
        where = f"{path}, line {number}"
        row = _ROW.fullmatch(line)
        if row is None:
            raise DataError(f"{where}: {cut(line)!r} is no label of Audacity: begin, end and text with tabs between")
        start_s, end_s = (seconds_of(row[at], name, where) for at, name in ((1, "begin"), (2, "end")))
        if start_s == end_s:
            points += 1
            continue
        spans.append(marked_times(own_name(path), from_csv(row[3] or ""), start_s, end_s, where))
        require_few(len(spans), where)
    notes = (f"{path}: {count_of(points, 'label')} of no length left out",) * bool(points)
    return FoundLabels(spans, marks_only=True, names_clip=False, notes=notes)
