"""BORIS: the table of aggregated events (TSV or CSV), a row per occurrence of a behavior, which names the organ.

Columns: https://www.boris.unito.it/user_guide/export_events/ ; older versions have `Media file` for `Source`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from seqcls.datasets.label_files import table_rows
from seqcls.datasets.label_formats.boris_times import MediaClock
from seqcls.datasets.label_formats.found import FoundLabels, clip_of_url, marked_times, require_few
from seqcls.datasets.label_times import seconds_of
from seqcls.datasets.labelled_span import LabelledSpan
from seqcls.errors import DataError
from seqcls.text.wording import count_of, cut

_REQUIRED = ("observation_id", "behavior", "behavior_type", "start_s", "stop_s")
_OPTIONAL = ("media_file_name", "source", "media_file", "time_offset_s", "media_duration_s")


def is_boris(header: Sequence[str]) -> bool:
    return {"behavior", "behavior_type"} <= set(header)


def read(text: str, path: Path) -> FoundLabels:
    """Raises DataError that names the line."""
    spans, points, clock = list[LabelledSpan](), 0, MediaClock([])
    for where, cells in table_rows(text, path, _REQUIRED, _OPTIONAL):
        kind = cells["behavior_type"].upper()
        if kind == "POINT":
            points += 1
            continue
        if kind != "STATE":
            raise DataError(
                f"{where}: behavior type {cut(cells['behavior_type'])!r}; export BORIS's *aggregated* events"
            )
        start_s, stop_s = (seconds_of(cells[name], name, where) for name in ("start_s", "stop_s"))
        if (media := _media(cells)) != clock.media:  # rows of one observation follow each other
            clock = MediaClock(media)
        offset_s = float(cells["time_offset_s"]) if _is_number(cells["time_offset_s"]) else 0.0
        for file, begin_s, end_s in clock.parts(start_s, stop_s, offset_s, where):
            spans.append(marked_times(file, cells["behavior"], begin_s, end_s, where))
            require_few(len(spans), where)
    notes = (f"{path}: {count_of(points, 'point event')} left out, which last no time",) * bool(points)
    return FoundLabels(spans, marks_only=True, notes=notes)


def _media(cells: dict[str, str]) -> list[tuple[str, float]]:
    """The files of the first player with their lengths; one that bears the observation's name where none is named."""
    first, _, _ = cells["source"].partition("|")
    files = first.removeprefix("player #1:").split(";") if first.startswith("player #") else []
    lengths = cells["media_duration_s"].partition("|")[0].split(";")
    known = [cells[name] for name in ("media_file_name", "media_file") if cells[name] not in ("", "NA", "Not found")]
    # One name may hold what stands between several.
    if len(files) == len(lengths) > 1 and (not known or known[0] in files):
        each = zip(files, lengths, strict=True)
        return [(clip_of_url(file), float(length) if _is_number(length) else math.nan) for file, length in each]
    return [(clip_of_url([*known, *files, cells["observation_id"]][0]), math.nan)]


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("-").isdecimal() and len(text) < 20
