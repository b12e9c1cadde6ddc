"""FiftyOne: labels.json of a FiftyOneTemporalDetectionDataset; `support` holds the first and the last frame, from 1.

Format: https://docs.voxel51.com/user_guide/import_datasets.html#fiftyonetemporaldetectiondataset
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqcls.datasets.label_formats.found import (
    FoundLabels,
    clip_of_url,
    marked_frames,
    marked_times,
    number,
    require_few,
    whole,
)
from seqcls.datasets.labelled_span import LabelledSpan
from seqcls.errors import DataError
from seqcls.text.wording import cut


def is_fiftyone(body: Any) -> bool:
    labels = body.get("labels") if isinstance(body, dict) else None
    return isinstance(labels, dict) and all(isinstance(of_clip, (list, type(None))) for of_clip in labels.values())


def read(body: Any, path: Path) -> FoundLabels:
    """Raises DataError that names the clip and the detection."""
    classes, spans = body.get("classes"), list[LabelledSpan]()
    for file, detections in body["labels"].items():
        require_few(len(spans) + len(detections or ()), str(path))
        clip = clip_of_url(file)
        for at, detection in enumerate(detections or ()):
            where = f"{path}, {cut(file)}, detection {at}"
            label = detection.get("label") if isinstance(detection, dict) else None
            if isinstance(label, int) and isinstance(classes, list) and 0 <= label < len(classes):
                label = classes[label]
            if not isinstance(label, str):
                raise DataError(f"{where} has no label")
            if (ends := detection.get("support")) is not None:
                first, last = (whole(end, "support", where) for end in _pair(ends, "support", where))
                if first < 1:
                    raise DataError(f"{where}: frames of FiftyOne count from 1, not {first}")
                spans.append(marked_frames(clip, label, first - 1, last - 1, where))
            else:
                ends_s = _pair(detection.get("timestamps"), "timestamps", where)
                start_s, end_s = (number(end, "timestamps", where) for end in ends_s)
                spans.append(marked_times(clip, label, start_s, end_s, where))
    return FoundLabels(spans, marks_only=True)


def _pair(value: Any, name: str, where: str) -> list[Any]:
    if not (isinstance(value, list) and len(value) == 2):
        raise DataError(f"{where}: {name!r} is missing or no pair of numbers")
    return value
