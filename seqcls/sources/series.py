"""Which DICOM study and series a file belongs to, and whether it holds an image, read from its header.

The identifiers are shortened to a hash: they name nobody, and stay the same from run to run.
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from seqcls.sources.dicom_header import read_header
from seqcls.sources.dicom_instances import Instance, instance_of
from seqcls.text.foreign_text import whole_characters

_DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True, slots=True)
class DicomFacts:
    """study, series: short names such as study-1a2b3c4d, empty where the file states none. lacks: why the file holds no
    image, empty where it does or where the header cannot be read."""

    study: str = ""
    series: str = ""
    lacks: str = ""
    instance: Instance | None = None
    """Of a file of one image: its place among others of the series."""


def dicom_facts(path: Path) -> DicomFacts:
    """Reads the header only. Raises nothing: what is wrong with the file is found when it is opened."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scanners bend the standard daily
            data = read_header(path).data
            if "DirectoryRecordSequence" in data or str(data.get("SOPClassUID", "")) == _DIRECTORY:
                return DicomFacts(lacks="DICOMDIR")
            if "SOPClassUID" in data and not ("Rows" in data and "Columns" in data):
                return DicomFacts(lacks="DICOM without an image")
            study, series = data.get("StudyInstanceUID"), data.get("SeriesInstanceUID")
            facts = DicomFacts(_short("study", study), _short("series", series))
            with contextlib.suppress(Exception):
                return replace(facts, instance=instance_of(data))
            return facts
    except Exception:  # pydicom raises nearly anything
        return DicomFacts()


def _short(kind: str, uid: object) -> str:
    return f"{kind}-{hashlib.sha256(whole_characters(str(uid)).encode()).hexdigest()[:8]}" if uid else ""
