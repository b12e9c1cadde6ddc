"""BORIS: the table of aggregated events, and a whole project that BORIS opens. Times have three decimals.

Columns and fields are those of BORIS 9 (project format 7.0); frames count from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import seqcls
from seqcls.exports.marks import Mark, MillisecondEdges, began, marks, stated_rate
from seqcls.files import csv_text, write_text
from seqcls.files.json_text import write_json
from seqcls.text.foreign_text import for_terminal
from seqcls.timeline import Timeline

#: As in BORIS 9; the columns of independent variables and of modifiers are left out, as BORIS does where there is none.
COLUMNS = (
    "Observation id", "Observation date", "Description", "Observation type", "Source", "Time offset (s)",
    "Coding duration", "Media duration (s)", "FPS (frame/s)", "Subject",
    "Observation duration by subject by observation", "Behavior", "Behavioral category", "Behavior type", "Start (s)",
    "Stop (s)", "Duration (s)", "Media file name", "Image index start", "Image index stop", "Image file path start",
    "Image file path stop", "Comment start", "Comment stop",
)  # fmt: skip
_Event = tuple[int, int, Mark]


def write_boris_table(timeline: Timeline, path: str | Path) -> None:
    """Tab-separated, a row per stretch. Raises OutputError, UsageError for frames that milliseconds do not tell
    apart."""
    events, source = _events(timeline), timeline.source
    coding_ms = events[-1][1] - events[0][0] if events else 0
    in_all_ms = sum(end_ms - start_ms for start_ms, end_ms, _ in events)
    of_observation = (
        source.title, began(timeline)[:19].replace("T", " "), seqcls.DISCLAIMER, "Media file",
        f"player #1:{source.title}", "0.000", _seconds(coding_ms), f"{timeline.end_s:.3f}",
        f"{stated_rate(timeline):.3f}",
    )  # fmt: skip
    rows: list[Sequence[str]] = [COLUMNS]
    for start_ms, end_ms, mark in events:
        rows.append(
            (
                *of_observation, "No focal subject", _seconds(in_all_ms), mark.text, "Not defined", "STATE",
                _seconds(start_ms), _seconds(end_ms), _seconds(end_ms - start_ms), source.title,
                *(_index(at) for at in _indices(mark)), "", "", mark.interval.reason, "",
            )
        )  # fmt: skip
    write_text(path, csv_text(rows, delimiter="\t"))


def write_boris_project(timeline: Timeline, path: str | Path) -> None:
    """A project with one observation, whose media file is looked for beside the project. Raises as
    ``write_boris_table``."""
    events, name = _events(timeline), timeline.source.title
    codes = dict.fromkeys([*(for_terminal(organ) for organ in timeline.organs), *(mark.text for _, _, mark in events)])
    date = began(timeline)[:19]
    body = {
        "time_format": "hh:mm:ss",
        "project_date": date,
        "project_name": name,
        "project_description": seqcls.DISCLAIMER,
        "project_format_version": "7.0",
        "subjects_conf": {},
        "behaviors_conf": {str(number): _behavior(number, code) for number, code in enumerate(codes)},
        "observations": {name: _observation(timeline, events, date)},
        "behavioral_categories": [],
        "behavioral_categories_config": {},
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    write_json(path, body)


def _events(timeline: Timeline) -> list[_Event]:
    """Begin and end in ms of each mark, in order of time."""
    edges = MillisecondEdges(timeline)
    found = [(*edges.of(mark.interval), mark) for mark in marks(timeline)]
    return sorted((event for event in found if event[0] < event[1]), key=lambda event: event[:2])


def _behavior(number: int, code: str) -> dict[str, Any]:
    key = str(number + 1) if number < 9 else ""  # which the annotator presses
    empty = dict.fromkeys(("description", "color", "category", "excluded", "coding map"), "")
    return {"type": "State event", "key": key, "code": code, "modifiers": {}, **empty}


def _observation(timeline: Timeline, events: Sequence[_Event], date: str) -> dict[str, Any]:
    name = timeline.source.title
    rows = []
    for start_ms, end_ms, mark in events:
        for ms, index in zip((start_ms, end_ms), _indices(mark), strict=True):
            rows.append([ms / 1000, "", mark.text, "", "", "NA" if index < 0 else index])
    return {
        "file": {"1": [name]},
        "type": "MEDIA",
        "date": date,
        "description": "; ".join((f"input {timeline.report.verdict}", *timeline.notes)),
        "time offset": 0.0,
        "events": sorted(rows, key=lambda row: row[:3]),
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "media_creation_date_as_offset": False,
        "media_scan_sampling_duration": 0,
        "image_display_duration": 1,
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": {name: timeline.end_s},
            "fps": {name: stated_rate(timeline)},
            "hasVideo": {name: True},
            "hasAudio": {name: False},
            "offset": {"1": 0.0},
        },
    }


def _indices(mark: Mark) -> tuple[int, int]:
    """The frame that is shown at the begin, and at the end, which is the first one behind."""
    first, last = mark.interval.start_index, mark.interval.end_index
    return (first, last + 1) if first >= 0 else (-1, -1)


def _index(index: int) -> str:
    return "NA" if index < 0 else str(index)


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"
