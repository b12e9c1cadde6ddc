"""FiftyOne: labels.json of a FiftyOneTemporalDetectionDataset; frames count from 1, both ends inside.

Format: https://docs.voxel51.com/user_guide/import_datasets.html#fiftyonetemporaldetectiondataset. To import it:
`fo.Dataset.from_dir(dataset_type=fo.types.FiftyOneTemporalDetectionDataset, data_path=CLIPS, labels_path=FILE)`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from seqcls.exports.marks import Mark, marks
from seqcls.files.json_text import write_json
from seqcls.timeline import Timeline


def write_fiftyone(timeline: Timeline, path: str | Path) -> None:
    """Write one timeline. Raises OutputError."""
    detections = [_detection(mark) for mark in marks(timeline) if mark.interval.start_index >= 0]
    # A clip is named by its path below the folder of clips, without the suffix.
    folder, slash, name = timeline.source.title.rpartition("/")
    stem = name.rpartition(".")[0] or name
    write_json(path, {"labels": {f"{folder}{slash}{stem}": detections}})


def _detection(mark: Mark) -> dict[str, Any]:
    interval = mark.interval
    found: dict[str, Any] = {"label": mark.text, "support": [interval.start_index + 1, interval.end_index + 1]}
    return found if math.isnan(interval.mean_score) else {**found, "confidence": round(interval.mean_score, 4)}
