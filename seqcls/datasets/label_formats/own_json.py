"""Labels by frame in JSON: `{"clips": [{"task": organ, "file": …, "segments": [{"start", "end", "label"}]}]}`, with
inclusive, 0-based frames; the timeline.json of a run; and its intervals.jsonl, an object per line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqcls.datasets.label_files import MAX_CELL, MAX_LINE
from seqcls.datasets.label_formats.found import (
    FoundLabels,
    entry,
    marked_frames,
    marked_times,
    number,
    require_few,
    stated_frames,
    whole,
)
from seqcls.datasets.label_formats.own_table import state_of
from seqcls.datasets.labelled_span import LabelledSpan
from seqcls.errors import DataError, one_line
from seqcls.files import nfc
from seqcls.files.json_text import parse_json
from seqcls.text.wording import cut
from seqcls.types import MAX_INDEX


def is_labels(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("clips"), list)


def read_labels_json(body: Any, path: Path) -> FoundLabels:
    """Raises DataError that names the segment."""
    spans, frames = list[LabelledSpan](), dict[str, int]()
    for place_of_clip, clip in enumerate(body["clips"]):
        where = f"{path}, clip {place_of_clip}"
        organ, file = (nfc(entry(clip, name, str, where)).strip() for name in ("task", "file"))
        patient = clip.get("patient")
        if isinstance(patient, bool) or not isinstance(patient, (str, int, type(None))):
            raise DataError(f"{where}: 'patient' must be a text or a number")
        if max(len(organ), len(file), len(str(patient))) > MAX_CELL:
            raise DataError(f"{where}: a text has more than {MAX_CELL:,} characters; shorten it")
        if not (organ and file):
            raise DataError(f"{where}: {'file' if organ else 'task'!r} is empty; fill it in")
        patient = "" if patient is None else nfc(str(patient)).strip()  # clips of unknown patients are not one patient
        if count := stated_frames(clip):
            frames[file] = count
        segments = entry(clip, "segments", list, where)
        require_few(len(spans) + len(segments), where)
        for at, segment in enumerate(segments):
            place = f"{where} ({cut(file)}), segment {at}"
            start, end = entry(segment, "start", int, place), entry(segment, "end", int, place)
            if not 0 <= start <= end:
                raise DataError(f"{place}: needs 0 <= start <= end, not {cut(start)} and {cut(end)}")
            if end > MAX_INDEX:
                raise DataError(f"{place}: no clip has a frame {cut(end)}")
            state = state_of(str(entry(segment, "label", int, place)), place)
            spans.append(
                LabelledSpan(file, organ, state, start_index=start, end_index=end, patient=patient, where=place)
            )
    return FoundLabels(spans, frames=frames)


def is_timeline(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("intervals"), list) and isinstance(body.get("source"), dict)


def read_timeline(body: Any, path: Path) -> FoundLabels:
    """Intervals by their frames; what is unknown is ignored. Raises DataError that names the interval."""
    source, spans = body["source"], list[LabelledSpan]()
    file = source.get("path") or source.get("name")
    if not isinstance(file, str):
        raise DataError(f"{path} names no clip; export the run again")
    require_few(len(body["intervals"]), str(path))
    for at, interval in enumerate(body["intervals"]):
        where = f"{path}, interval {at}"
        first, last = (
            (whole(interval.get(name), name, where) for name in ("start_index", "end_index"))
            if isinstance(interval, dict)
            else (-1, -1)
        )
        if first >= 0:
            state = state_of(entry(interval, "state", str, where), where)
            text = entry(interval, "organ", str, where)
            spans.append(marked_frames(file, f"{text}: {state}", first, last, where))
    return FoundLabels(spans)


def is_lines(text: str) -> bool:
    """Whether the first line is an interval of JSON Lines."""
    line = text.lstrip()[:MAX_LINE].partition("\n")[0]
    try:
        body = parse_json(line)
    except ValueError:
        return False
    return isinstance(body, dict) and {"organ", "state", "start_s", "end_s"} <= set(body)


def read_lines(text: str, path: Path) -> FoundLabels:
    """Intervals by their times; what is unknown is ignored. Raises DataError that names the line."""
    spans = list[LabelledSpan]()
    for row, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {row}"
        try:
            body: Any = parse_json(line)
        except ValueError as error:
            raise DataError(f"{where} is no JSON: {one_line(error)}") from None
        organ, state = (entry(body, name, str, where) for name in ("organ", "state"))
        start_s, end_s = (number(body.get(name), name, where) for name in ("start_s", "end_s"))
        file = body.get("path") or body.get("file")
        if not isinstance(file, str):
            raise DataError(f"{where} names no clip; export the run again")
        spans.append(marked_times(file, f"{organ}: {state_of(state, where)}", start_s, end_s, where))
        require_few(len(spans), str(path))
    return FoundLabels(spans)
