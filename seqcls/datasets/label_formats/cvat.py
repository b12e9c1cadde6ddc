"""CVAT for video 1.1 (annotations.xml): a track is an object that is in view from a box on, until one is `outside`.

Format: https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/ and `xml_format`. Frames count from 0. Tracks of
one label may lie beside each other: the organ is in view while any of them is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import Element

from seqcls.datasets.label_formats.found import FoundLabels, clip_of_url, marked_frames, own_name, require_few
from seqcls.datasets.labelled_span import LabelledSpan, by_organ, filled
from seqcls.errors import DataError
from seqcls.files import nfc
from seqcls.text.wording import cut
from seqcls.types import MAX_INDEX

_FRAME = re.compile(r"\d{1,13}")


@dataclass(frozen=True, slots=True)
class _Task:
    """One clip, or the frames first to last of it that were there to be labelled; -1 where that is not stated."""

    file: str
    first: int = 0
    last: int = -1


def is_cvat(root: Element) -> bool:
    return root.tag == "annotations"


def read(root: Element, path: Path) -> FoundLabels:
    """Raises DataError that names the track."""
    if root.find("image") is not None:
        raise DataError(f"{path} is of CVAT for images; export it from CVAT as 'CVAT for video 1.1'")
    tasks = _tasks(root, path)
    named = all(task.file for task in tasks.values())
    tasks = {key: task if task.file else replace(task, file=own_name(path)) for key, task in tasks.items()}
    # A job is a part of its task, which may have more frames behind it.
    is_part = root.find("meta/job") is not None
    stretches = dict[tuple[str, str], list[tuple[int, int, str]]]()
    for track in root.findall("track"):
        where = f"{path}, track {cut(track.get('id', ''))}"
        task_id = track.get("task_id", "")
        if task_id not in tasks and len(tasks) > 1:
            raise DataError(f"{where}: it is of no task of this file; export the tasks one by one")
        key = task_id if task_id in tasks else next(iter(tasks))
        own = stretches.setdefault((key, track.get("label", "")), [])
        own += [(first, last, where) for first, last in _in_view(track, tasks[key].last, where)]
        require_few(len(own), where)
    marked, count = dict[str, list[LabelledSpan]](), 0
    for (key, label), found in stretches.items():
        spans = [marked_frames(tasks[key].file, label, first, last, where) for first, last, where in _joined(found)]
        marked.setdefault(key, []).extend(spans)
        require_few(count := count + len(spans), str(path))
    known = {key for key in marked if tasks[key].last >= 0}
    return FoundLabels(
        [span for key, spans in marked.items() for span in (_whole(spans, tasks[key]) if key in known else spans)],
        marks_only=True,
        names_clip=named,
        complete=frozenset(tasks[key].file for key in known),
        frames={tasks[key].file: tasks[key].last + 1 for key in known if not (is_part or tasks[key].first)},
    )


def _whole(spans: list[LabelledSpan], task: _Task) -> list[LabelledSpan]:
    """What CVAT shows no object in is absent; what lies outside of a task or a job nobody was shown."""
    return [one for own in by_organ(spans) for one in filled(own, "absent", task.first, task.last + 1)]


def _tasks(root: Element, path: Path) -> dict[str, _Task]:
    """By their ids. A file of a job, or one without a task, is one clip."""
    tasks = dict[str, _Task]()
    for task in [*root.iterfind("meta/task"), *root.iterfind("meta/project/tasks/task"), *root.iterfind("meta/job")]:
        first, stop, size = (_number(task, name, path) for name in ("start_frame", "stop_frame", "size"))
        last = stop if stop >= 0 else size - 1
        name = (task.findtext("source") or task.findtext("name") or "").strip()
        tasks[(task.findtext("id") or "").strip()] = _Task(nfc(clip_of_url(name)), max(0, first), max(-1, last))
    return tasks or {"": _Task(nfc(clip_of_url((root.findtext("meta/source") or "").strip())))}


def _number(task: Element, name: str, path: Path) -> int:
    """-1 where it is not stated."""
    text = (task.findtext(name) or "").strip()
    if not text:
        return -1
    if not _FRAME.fullmatch(text) or int(text) > MAX_INDEX:
        raise DataError(f"{path}: no clip has {name} {cut(text)}")
    return int(text)


def _in_view(track: Element, end: int, where: str) -> Iterator[tuple[int, int]]:
    """The stretches of one track, first and last frame inside.

    CVAT writes a shape for every frame, or key frames alone; a shape holds until the next. Behind the last one, a key
    frame holds until the end of the clip, as CVAT shows it.
    """
    shapes = dict[int, tuple[bool, bool]]()
    for shape in track:
        if (stated := shape.get("frame")) is None:
            continue
        if not _FRAME.fullmatch(stated):
            raise DataError(f"{where}: {cut(stated)!r} is no number of a frame")
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
        yield first, max(last, end) if shapes[last][1] else last


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
