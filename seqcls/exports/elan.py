"""ELAN 3.0 (.eaf): a tier per organ whose annotations say present, absent or unknown, in whole milliseconds.

Format: https://www.mpi.nl/tools/elan/EAFv3.0.xsd
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

import seqcls
from seqcls.exports.marks import MillisecondEdges, began
from seqcls.files.xml_text import write_xml
from seqcls.text.foreign_text import for_terminal
from seqcls.timeline import Timeline
from seqcls.types import Interval

_TYPE = "organ"


def write_elan(timeline: Timeline, path: str | Path) -> None:
    """Write one timeline. The clip is named relative to the file. Raises OutputError, UsageError for frames that
    milliseconds do not tell apart."""
    edges = MillisecondEdges(timeline)
    rows = {organ: [(edges.of(i), i) for i in timeline.of(organ)] for organ in timeline.organs}
    rows = {organ: [(ms, i) for ms, i in own if ms[0] < ms[1]] for organ, own in rows.items()}
    slots = sorted({ms for own in rows.values() for edge, _ in own for ms in edge})
    names = {ms: f"ts{number}" for number, ms in enumerate(slots, start=1)}
    root = Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": f"seqcls {seqcls.__version__}",
            "DATE": began(timeline),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )
    header = SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    beside = f"./{timeline.source.title}"
    mime = mimetypes.guess_type(timeline.source.name)[0] or "video/*"
    SubElement(header, "MEDIA_DESCRIPTOR", {"MEDIA_URL": beside, "MIME_TYPE": mime, "RELATIVE_MEDIA_URL": beside})
    SubElement(header, "PROPERTY", {"NAME": "note"}).text = seqcls.DISCLAIMER
    order = SubElement(root, "TIME_ORDER")
    for ms, name in names.items():
        SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": name, "TIME_VALUE": str(ms)})
    number = 0
    for organ, own in rows.items():
        tier = SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": _TYPE, "TIER_ID": for_terminal(organ)})
        for (start_ms, end_ms), interval in own:
            number += 1
            _add_annotation(tier, f"a{number}", names[start_ms], names[end_ms], interval)
    SubElement(
        root, "LINGUISTIC_TYPE", {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": _TYPE, "TIME_ALIGNABLE": "true"}
    )
    write_xml(path, root)


def _add_annotation(tier: Element, name: str, start: str, end: str, interval: Interval) -> None:
    ends = {"ANNOTATION_ID": name, "TIME_SLOT_REF1": start, "TIME_SLOT_REF2": end}
    annotation = SubElement(SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", ends)
    SubElement(annotation, "ANNOTATION_VALUE").text = interval.state
