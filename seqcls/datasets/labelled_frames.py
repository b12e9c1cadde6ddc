"""The labelled frames of a clip, one after the other, each with the clip's ultrasound region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from seqcls.datasets.labels import ClipLabels
from seqcls.errors import DataError
from seqcls.geometry import Geometry, Region
from seqcls.preprocess import with_region
from seqcls.sources import Source, open_source
from seqcls.types import Frame, Gap, SourceReport


class ClipReading:
    """What one clip came to, filled in while ``labelled_frames`` reads it."""

    def __init__(self) -> None:
        self.region: Region | None = None
        self.report = SourceReport("unknown")
        self.frames = 0
        self.labelled_to = -1

    def messages(self, name: str) -> list[str]:
        """For the user."""
        messages = []
        if self.report.verdict in ("truncated", "damaged"):
            messages.append(f"{name} is {self.report.verdict}: {'; '.join(self.report.reasons)}; the rest is used")
        if self.labelled_to >= self.frames:
            messages.append(f"{name} has {self.frames} frames, but is labelled up to frame {self.labelled_to}")
        return messages


def labelled_frames(
    path: Path, labels: ClipLabels, geometry: Geometry, reading: ClipReading
) -> Iterator[tuple[Frame, Region, tuple[tuple[str, bool], ...]]]:
    """Frames that are labelled present or absent for an organ, each with the clip's region and its states."""
    reading.labelled_to = labels.last_index()
    with closing(open_source(path)) as source:
        for item in with_region(_of_one_size(source, path.name, reading), geometry, source.info.region):
            assert not isinstance(item, Gap), "gaps are left out below"
            frame, region = item
            reading.region = region
            found = [(organ, labels.state_at(organ, frame.index, frame.time_s)) for organ in labels.organs]
            states = tuple((organ, state == "present") for organ, state in found if state in ("present", "absent"))
            if states and not frame.damaged:
                yield frame, region, states
        reading.report = source.report()


def _of_one_size(source: Source, name: str, reading: ClipReading) -> Iterator[Frame]:
    """The source's frames, counted, without its gaps. Raises DataError where their size changes."""
    shape: tuple[int, ...] = ()
    for item in source:
        if isinstance(item, Frame):
            reading.frames += 1
            if shape and item.image.shape != shape:
                raise DataError(f"{name} changes its image size at frame {item.index}; cut it there first")
            shape = item.image.shape
            yield item


def groups_of(clips: Sequence[tuple[Path, ClipLabels]]) -> dict[str, set[tuple[str, str]]]:
    """Per patient: which organs are labelled present or absent in any clip."""
    groups: dict[str, set[tuple[str, str]]] = {}
    for _, labels in clips:
        shown = {(span.organ, str(span.state)) for span in labels.spans if span.state != "ignore"}
        groups.setdefault(labels.patient, set()).update(shown)
    return groups
