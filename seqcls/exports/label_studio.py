"""Label Studio: one task, its stretches as regions of a TimelineLabels control; frames count from 1, both ends inside.

Format: https://labelstud.io/tags/timelinelabels and https://labelstud.io/guide/predictions. The labelling interface is
that of the template for videos: `<Video name="video" value="$video" frameRate="$fps"/>`, and a TimelineLabels control
called timelineLabels for it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from urllib.parse import quote

from seqcls.exports.marks import Mark, frame_count, marks, stated_rate
from seqcls.files.json_text import write_json
from seqcls.timeline import Timeline


def write_label_studio(timeline: Timeline, path: str | Path) -> None:
    """A task with a prediction: Label Studio shows it, and annotators begin with it. Raises OutputError."""
    prediction = {"model_version": timeline.provenance.model or "seqcls", "result": _results(timeline)}
    write_json(path, [{**_task(timeline), "predictions": [prediction]}])


def write_label_studio_annotations(timeline: Timeline, path: str | Path) -> None:
    """A task that is annotated already, as Label Studio exports it. Raises OutputError."""
    annotation = {"result": _results(timeline), "was_cancelled": False, "ground_truth": False}
    write_json(path, [{**_task(timeline), "annotations": [annotation]}])


def _task(timeline: Timeline) -> dict[str, Any]:
    name = timeline.source.title
    # How Label Studio serves files of its own disk; the folder is the one that its storage is set to.
    served = f"/data/local-files/?d={quote(name)}"
    return {"data": {"video": served, "file": name, "frames": frame_count(timeline), "fps": stated_rate(timeline)}}


def _results(timeline: Timeline) -> list[dict[str, Any]]:
    return [_result(number, mark) for number, mark in enumerate(marks(timeline)) if mark.interval.start_index >= 0]


def _result(number: int, mark: Mark) -> dict[str, Any]:
    interval = mark.interval
    result: dict[str, Any] = {
        "id": f"seqcls{number}",
        "from_name": "timelineLabels",
        "to_name": "video",
        "type": "timelinelabels",
        "value": {
            "ranges": [{"start": interval.start_index + 1, "end": interval.end_index + 1}],
            "timelinelabels": [mark.text],
        },
    }
    return result if math.isnan(interval.mean_score) else {**result, "score": round(interval.mean_score, 4)}
