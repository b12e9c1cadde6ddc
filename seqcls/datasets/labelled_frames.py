"""The labelled frames of a clip, one after the other, each with the clip's ultrasound region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from seqcls.datasets.labels import ClipLabels
from seqcls.errors import DataError
from seqcls.geometry import Geometry, Region, RegionFinder
from seqcls.sources import open_source
from seqcls.types import Frame, SourceReport


class ClipReading:
    """What one clip came to, filled in while ``labelled_frames`` reads it."""

    def __init__(self) -> None:
        self.region: Region | None = None
        self.report = SourceReport("unknown")
        self.frames = 0
        self.labelled_to = -1

    def messages(self, name: str) -> list[str]:
        """What a person should know."""
        said = []
        if self.report.verdict in ("truncated", "damaged"):
            said.append(f"{name} is {self.report.verdict}: {'; '.join(self.report.reasons)}; the rest is used")
        if self.labelled_to >= self.frames:
            said.append(f"{name} has {self.frames} frames, but is labelled up to frame {self.labelled_to}")
        return said


def labelled_frames(
    path: Path, labels: ClipLabels, geometry: Geometry, reading: ClipReading
) -> Iterator[tuple[Frame, Region, tuple[tuple[str, bool], ...]]]:
    """Frames that are labelled present or absent for an organ, each with the clip's region and its states."""
    reading.labelled_to = labels.last_index()
    with closing(open_source(path)) as source:
        finder, region = RegionFinder(geometry, source.info.region), None
        held: list[Frame] = []
        for item in source:
            if not isinstance(item, Frame):
                continue
            reading.frames += 1
            if held and item.image.shape != held[0].image.shape:
                raise DataError(f"{path.name} changes its picture size at frame {item.index}; cut it there first")
            if region is None:
                region = finder.push(item.image)
                held.append(item)
                if region is None:
                    continue
                ready = held
            else:
                ready = [item]
            yield from _labelled(ready, labels, region)
        if region is None and held:
            region = finder.finish()
            yield from _labelled(held, labels, region)
        reading.region, reading.report = region, source.report()


def groups_of(clips: Sequence[tuple[Path, ClipLabels]]) -> dict[str, set[tuple[str, str]]]:
    """Per patient: which organs are labelled present or absent in any clip."""
    groups: dict[str, set[tuple[str, str]]] = {}
    for _, labels in clips:
        shown = {(span.organ, str(span.state)) for span in labels.spans if span.state != "ignore"}
        groups.setdefault(labels.patient, set()).update(shown)
    return groups


def _labelled(
    frames: Sequence[Frame], labels: ClipLabels, region: Region
) -> Iterator[tuple[Frame, Region, tuple[tuple[str, bool], ...]]]:
    for frame in frames:
        found = [(organ, labels.state_at(organ, frame.index, frame.time_s)) for organ in labels.organs]
        states = tuple((organ, state == "present") for organ, state in found if state in ("present", "absent"))
        if states and not frame.damaged:
            yield frame, region, states
