"""ELAN (.eaf): times in whole milliseconds, a tier per organ whose annotations say present, absent or unknown; or
tiers of any name whose annotations are marks (`liver`, `liver?`, `liver: absent`).

Format: https://www.mpi.nl/tools/elan/EAFv3.0.xsd
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from seqcls.datasets.label_formats.found import FoundLabels, clip_of_url, marked_times, own_name, require_few
from seqcls.datasets.labelled_span import LabelledSpan
from seqcls.errors import DataError
from seqcls.files import nfc
from seqcls.text.organ_marks import WRITTEN_STATES
from seqcls.text.wording import cut
from seqcls.types import MAX_TIME_S

_MILLISECONDS = re.compile(r"\d{1,13}")


def is_elan(root: Element) -> bool:
    return root.tag == "ANNOTATION_DOCUMENT"


def read(root: Element, path: Path) -> FoundLabels:
    """Raises DataError that names the tier and the annotation."""
    header = root.find("HEADER")
    header = Element("HEADER") if header is None else header
    if (unit := header.get("TIME_UNITS", "milliseconds")) != "milliseconds":
        raise DataError(f"{path} counts {cut(unit)}; only milliseconds are read, as ELAN writes them by default")
    file, origin_ms = _media(header, path)
    slots = _slots(root, path)
    spans, notes = list[LabelledSpan](), list[str]()
    for tier in root.iter("TIER"):
        name = tier.get("TIER_ID", "")
        rows = list(_annotations(tier, slots, f"{path}, tier {cut(name)!r}"))
        require_few(len(spans) + len(rows), str(path))
        values = [text.strip().lower() for text, _, _, _ in rows]
        of_itself = name.strip().lower()
        of_states = [value in WRITTEN_STATES or value in ("", of_itself) for value in values]
        if not rows:
            notes.append(f"{path}: tier {cut(name)!r} holds no annotation in time, so it says nothing")
        elif any(of_states) and not all(of_states):
            first = rows[of_states.index(not of_states[0])]
            raise DataError(
                f"{first[3]}: {cut(first[0])!r} beside {cut(rows[0][0])!r}: the annotations of a tier are either all"
                " states of the organ that it is named after, or all names of organs"
            )
        for text, start_ms, end_ms, where in rows:
            if all(of_states):
                text = f"{name}: {WRITTEN_STATES.get(text.strip().lower(), 'present')}"
            start_s, end_s = ((ms + origin_ms) / 1000 for ms in (start_ms, end_ms))
            spans.append(marked_times(file or own_name(path), text, start_s, end_s, where))
    return FoundLabels(spans, marks_only=True, names_clip=bool(file), notes=tuple(notes))


def _media(header: Element, path: Path) -> tuple[str, int]:
    """The clip, "" where none is named, and at which of its milliseconds the annotations' time begins."""
    described = header.findall("MEDIA_DESCRIPTOR")
    described.sort(key=lambda media: not media.get("MIME_TYPE", "").startswith("video"))
    for media in described[:1]:
        file = clip_of_url(media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL") or "")
        origin = media.get("TIME_ORIGIN", "0")
        if not _MILLISECONDS.fullmatch(origin):
            raise DataError(f"{path}: TIME_ORIGIN {cut(origin)!r} is no number of milliseconds")
        return nfc(file), int(origin)
    return "", 0


def _slots(root: Element, path: Path) -> dict[str, int]:
    """The time of each slot in ms; slots without one are left out."""
    slots = dict[str, int]()
    for slot in root.iter("TIME_SLOT"):
        name, value = slot.get("TIME_SLOT_ID", ""), slot.get("TIME_VALUE")
        if value is None:
            continue
        if not _MILLISECONDS.fullmatch(value) or int(value) > MAX_TIME_S * 1000:
            raise DataError(f"{path}, time slot {cut(name)!r}: {cut(value)!r} is no number of milliseconds")
        slots[name] = int(value)
    return slots


def _annotations(tier: Element, slots: dict[str, int], where: str) -> Iterator[tuple[str, int, int, str]]:
    """Text, begin and end in ms, and place of each annotation that has a time of its own."""
    for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
        place = f"{where}, annotation {cut(annotation.get('ANNOTATION_ID', ''))}"
        ends = [slots.get(annotation.get(name, "")) for name in ("TIME_SLOT_REF1", "TIME_SLOT_REF2")]
        start_ms, end_ms = ends
        if start_ms is None or end_ms is None:
            raise DataError(f"{place} has no begin or no end; give it one in ELAN")
        yield annotation.findtext("ANNOTATION_VALUE", "") or "", start_ms, end_ms, place
