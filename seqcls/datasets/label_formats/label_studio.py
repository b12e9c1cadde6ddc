"""Label Studio: regions of a TimelineLabels control, in the export JSON or JSON-MIN; frames from 1, both ends inside.

Format: https://labelstud.io/tags/timelinelabels
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqcls.datasets.label_formats.found import (
    FoundLabels,
    clip_of_url,
    entry,
    marked_frames,
    require_few,
    stated_frames,
    whole,
)
from seqcls.datasets.labelled_span import LabelledSpan
from seqcls.errors import DataError
from seqcls.files import nfc
from seqcls.text.wording import cut

_REGION = "timelinelabels"


def is_label_studio(body: Any) -> bool:
    tasks = body if isinstance(body, list) else [body]
    return bool(tasks) and all(isinstance(task, dict) for task in tasks) and any(map(_is_task, tasks))


def _is_task(task: dict[str, Any]) -> bool:
    whole_task = isinstance(task.get("data"), dict) and ("annotations" in task or "predictions" in task)
    return whole_task or "annotation_id" in task or any(_is_regions(value) for value in task.values())


def _is_regions(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and _REGION in one for one in value)


def read(body: Any, path: Path) -> FoundLabels:
    """Raises DataError that names the task and the region."""
    spans, notes, frames = list[LabelledSpan](), list[str](), dict[str, int]()
    for number, task in enumerate(body if isinstance(body, list) else [body]):
        where = f"{path}, task {cut(task.get('id', number)) if isinstance(task, dict) else number}"
        if not isinstance(task, dict):
            raise DataError(f"{where} is no task of Label Studio; export it again as JSON")
        data = task["data"] if isinstance(task.get("data"), dict) else task
        file, before = _clip(data, where), len(spans)
        left_out = 0
        for region, place in _regions(task, where, notes):
            labels = region.get(_REGION)
            if not (isinstance(labels, list) and isinstance(region.get("ranges"), list)):
                left_out += 1
                continue
            require_few(len(spans) + len(labels) * len(region["ranges"]), where)
            for label in labels:
                if not isinstance(label, str):
                    raise DataError(f"{place}: a label is no text")
                spans += [_span(file, label, of, place) for of in region["ranges"]]
        if left_out:
            notes.append(f"{where}: {left_out} regions that are no stretch of a timeline are left out")
        if len(spans) == before:
            notes.append(f"{where}: nothing is marked in {cut(file)}, so it is not labelled")
        elif count := stated_frames(data):
            frames[nfc(file).strip()] = count
    return FoundLabels(spans, marks_only=True, frames=frames, notes=tuple(notes))


def _span(file: str, label: str, of: Any, where: str) -> LabelledSpan:
    if not isinstance(of, dict):
        raise DataError(f"{where}: a range is no pair of start and end")
    start, end = whole(of.get("start"), "start", where), of.get("end")
    end = start if end is None else whole(end, "end", where)
    if start < 1:
        raise DataError(f"{where}: frames of Label Studio count from 1, not {cut(start)}")
    return marked_frames(file, label, start - 1, end - 1, where)


def _clip(data: dict[str, Any], where: str) -> str:
    """As `data` names it: in the field that seqcls writes, in one called video, or in the first that holds a text."""
    for name in ("file", "video", *data):
        if isinstance(value := data.get(name), str) and value.strip():
            return clip_of_url(value)
    raise DataError(f"{where}: its data name no video")


def _regions(task: dict[str, Any], where: str, notes: list[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """What was marked, as one person or a model did, and where it stands."""
    if not isinstance(task.get("data"), dict):  # JSON-MIN
        results = [one for value in task.values() if _is_regions(value) for one in value]
        yield from ((one, f"{where}, region {at}") for at, one in enumerate(results))
        return
    given = task.get("annotations")
    done = (
        [one for one in given if isinstance(one, dict) and not one.get("was_cancelled")]
        if isinstance(given, list)
        else []
    )
    best = [one for one in done if one.get("ground_truth")]
    chosen = best if len(best) == 1 else done
    if len(chosen) > 1:
        raise DataError(f"{where} has {len(chosen)} annotations; mark one as ground truth, or export one of them")
    if not chosen and isinstance(predicted := task.get("predictions"), list) and predicted:
        chosen = [one for one in predicted if isinstance(one, dict)]
        if len(chosen) > 1:
            raise DataError(f"{where} has {len(chosen)} predictions and no annotation; export one of them")
        notes.append(f"{where} has no annotation: its prediction is taken")
    for one in chosen:
        for at, result in enumerate(entry(one, "result", list, where)):
            value = result.get("value") if isinstance(result, dict) else None
            if isinstance(value, dict):
                yield value, f"{where}, region {cut(result.get('id', at))}"
