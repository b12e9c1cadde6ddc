"""CVAT for video 1.1: each stretch a track with a box over the whole image, closed by a box that is `outside`.

Format: https://docs.cvat.ai/docs/manual/advanced/xml_format/. CVAT has no labels of stretches, and tags of single
frames are no part of its format for videos. Frames count from 0.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from seqcls.errors import UsageError
from seqcls.exports.marks import Mark, frame_count, marks
from seqcls.files.xml_text import write_xml
from seqcls.timeline import Timeline


def write_cvat(timeline: Timeline, path: str | Path) -> None:
    """Write one timeline. Raises OutputError, and UsageError where the size of the images is not known."""
    source, frames, found = timeline.source, frame_count(timeline), marks(timeline)
    if not (source.width and source.height):
        raise UsageError(
            f"CVAT needs the size of the images, which {source.title} does not state; name a proxy's file with --clip"
        )
    root = Element("annotations")
    _add(root, "version", "1.1")
    task = SubElement(SubElement(root, "meta"), "task")
    _add(task, "name", source.title)
    _add(task, "size", str(frames))
    _add(task, "mode", "interpolation")
    _add(task, "start_frame", "0")
    _add(task, "stop_frame", str(max(0, frames - 1)))
    labels = SubElement(task, "labels")
    for text in dict.fromkeys([*timeline.organs, *(mark.text for mark in found)]):
        label = SubElement(labels, "label")
        _add(label, "name", text)
        _add(label, "type", "rectangle")
        SubElement(label, "attributes")
    size = SubElement(task, "original_size")
    _add(size, "width", str(source.width))
    _add(size, "height", str(source.height))
    _add(task, "source", source.title)
    for number, mark in enumerate(mark for mark in found if mark.interval.start_index >= 0):
        _add_track(root, number, mark, frames, (source.width, source.height))
    write_xml(path, root)


def _add(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text


def _add_track(root: Element, number: int, mark: Mark, frames: int, size: tuple[int, int]) -> None:
    """Behind the last frame of the clip there is none to close the track at: it ends with the clip."""
    track = SubElement(root, "track", {"id": str(number), "label": mark.text, "source": "auto"})
    behind = mark.interval.end_index + 1
    for frame, outside in [(mark.interval.start_index, 0), (behind, 1)][: 2 if behind < frames else 1]:
        box = {"frame": frame, "outside": outside, "occluded": 0, "keyframe": 1}
        corners = {"xtl": "0.00", "ytl": "0.00", "xbr": f"{size[0]:.2f}", "ybr": f"{size[1]:.2f}", "z_order": "0"}
        SubElement(track, "box", {**{name: str(value) for name, value in box.items()}, **corners})
