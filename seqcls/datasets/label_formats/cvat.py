"""CVAT for video 1.1 (annotations.xml): a track is an object that is in view from a box on, until one is `outside`.

Format: https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/ and `xml_format`. Frames count from 0. Tracks of
one label may lie beside each other: the organ is in view while any of them is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from seqcls.datasets.label_formats.found import FoundLabels, clip_of_url, marked_frames, own_name, require_few
from seqcls.datasets.labelled_span import LabelledSpan
from seqcls.errors import DataError
from seqcls.types import MAX_INDEX

_FRAME = re.compile(r"\d{1,13}")


@dataclass(frozen=True, slots=True)
class _Task:
    """One clip. frames: how many it has; 0 where that is not stated."""

    file: str
    frames: int


def is_cvat(root: Element) -> bool:
    return root.tag == "annotations"


def read(root: Element, path: Path) -> FoundLabels:
    """Raises DataError that names the track."""
    if root.find("image") is not None:
        raise DataError(f"{path} is of CVAT for images; export it from CVAT as 'CVAT for video 1.1'")
    tasks = _tasks(root, path)
    stretches = dict[tuple[str, str], list[tuple[int, int, str]]]()
    for track in root.findall("track"):
        where = f"{path}, track {track.get('id', '')[:40]}"
        task_id = track.get("task_id", "")
        if task_id not in tasks and len(tasks) > 1:
            raise DataError(f"{where}: it is of no task of this file; export the tasks one by one")
        key = task_id if task_id in tasks else next(iter(tasks))
        own = stretches.setdefault((key, track.get("label", "")), [])
        own += [(first, last, where) for first, last in _in_view(track, tasks[key].frames, where)]
        require_few(len(own), where)
    spans = list[LabelledSpan]()
    for (key, label), found in stretches.items():
        file = tasks[key].file or own_name(path)
        spans += [marked_frames(file, label, first, last, where) for first, last, where in _joined(found)]
        require_few(len(spans), str(path))
    frames = {task.file or own_name(path): task.frames for task in tasks.values() if task.frames}
    named = all(task.file for task in tasks.values())
    return FoundLabels(spans, marks_only=True, names_clip=named, frames=frames)


def _tasks(root: Element, path: Path) -> dict[str, _Task]:
    """By their ids. A file of a job, or one without a task, is one clip."""
    tasks = dict[str, _Task]()
    for task in [*root.iterfind("meta/task"), *root.iterfind("meta/project/tasks/task"), *root.iterfind("meta/job")]:
        size = (task.findtext("size") or "").strip()
        stop = (task.findtext("stop_frame") or "").strip()
        frames = int(stop) + 1 if _FRAME.fullmatch(stop) else int(size) if _FRAME.fullmatch(size) else 0
        if frames > MAX_INDEX:
            raise DataError(f"{path}: no clip has {frames} frames")
        name = (task.findtext("source") or task.findtext("name") or "").strip()
        tasks[(task.findtext("id") or "").strip()] = _Task(clip_of_url(name), frames)
    if not tasks:
        source = (root.findtext("meta/source") or "").strip()
        tasks[""] = _Task(clip_of_url(source), 0)
    return tasks


def _in_view(track: Element, frames: int, where: str) -> Iterator[tuple[int, int]]:
    """The stretches of one track, first and last frame inside.

    CVAT writes a shape for every frame, or key frames alone; a shape holds until the next. Behind the last one, a key
    frame holds until the end of the clip, as CVAT shows it.
    """
    shapes = dict[int, tuple[bool, bool]]()
    for shape in track:
        if (stated := shape.get("frame")) is None:
            continue
        if not _FRAME.fullmatch(stated):
            raise DataError(f"{where}: {stated[:40]!r} is no number of a frame")
        shapes[int(stated)] = (shape.get("outside", "0") == "1", shape.get("keyframe", "1") == "1")
    ordered = sorted(shapes)
    first = -1
    for frame in ordered:
        outside = shapes[frame][0]
        if first >= 0 and outside:
            yield first, frame - 1
            first = -1
        elif first < 0 and not outside:
            first = frame
    if first >= 0:
        last = ordered[-1]
        yield first, max(last, frames - 1) if shapes[last][1] else last


def _joined(stretches: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """One of those that meet or overlap."""
    first, last, where = -1, -2, ""
    for one in sorted(stretches):
        if first >= 0 and one[0] <= last + 1:
            last = max(last, one[1])
            continue
        if first >= 0:
            yield first, last, where
        first, last, where = one
    if first >= 0:
        yield first, last, where
