"""Files of labels, own and of annotation tools: known by what they hold, whatever they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqcls.datasets.label_files import table_header
from seqcls.datasets.label_formats import (
    audacity,
    boris,
    boris_table,
    cues,
    cvat,
    elan,
    fiftyone,
    label_studio,
    own_json,
    own_table,
)
from seqcls.datasets.label_formats.found import FoundLabels
from seqcls.errors import DataError, one_line
from seqcls.files.json_text import parse_json
from seqcls.files.xml_text import parse_xml

#: For messages.
NAMES = (
    "a table of labels (.csv), labels by frame (.json), a timeline.json, BORIS (project or table of aggregated events),"
    " ELAN, Label Studio, CVAT for video, FiftyOne, WebVTT, SRT or Audacity"
)
#: By what tells them apart, and what reads them.
_JSON = (
    (own_json.is_labels, own_json.read_labels_json),
    (own_json.is_timeline, own_json.read_timeline),
    (boris.is_project, boris.read),
    (label_studio.is_label_studio, label_studio.read),
    (fiftyone.is_fiftyone, fiftyone.read),
)
_XML = ((elan.is_elan, elan.read), (cvat.is_cvat, cvat.read))


def found_labels(text: str, path: Path) -> FoundLabels:
    """The labels in the text of a file; ``path`` for messages. Raises DataError that names the place."""
    begin = text.lstrip()[:1]
    if begin in ("{", "[") or path.suffix.lower() == ".json":
        return _from_json(text, path)
    if begin == "<":
        return _from_xml(text, path)
    if cues.is_cues(text):
        return cues.read(text, path)
    if audacity.is_audacity(text):
        return audacity.read(text, path)
    header = table_header(text)
    if boris_table.is_boris(header):
        return boris_table.read(text, path)
    if not set(header) & set(own_table.COLUMNS) and path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise DataError(f"{path} is none of the label files that are read: {NAMES}")
    return own_table.read(text, path)


def _from_json(text: str, path: Path) -> FoundLabels:
    if own_json.is_lines(text):
        return own_json.read_lines(text, path)
    try:
        body: Any = parse_json(text)
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {one_line(error)}") from error
    for fits, read in _JSON:
        if fits(body):
            return read(body, path)
    raise DataError(f'{path} has no list "clips", and is none of the other label files that are read: {NAMES}')


def _from_xml(text: str, path: Path) -> FoundLabels:
    try:
        root = parse_xml(text)
    except ValueError as error:
        raise DataError(f"{path} is not XML that is read: {one_line(error)}") from error
    for fits, read in _XML:
        if fits(root):
            return read(root, path)
    raise DataError(f"{path} is XML, but neither of ELAN nor of CVAT; the label files that are read: {NAMES}")
