"""The labelled frames of a clip, one after the other, each with the clip's ultrasound region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from seqcls.datasets.label_checks import clip_messages
from seqcls.datasets.labels import ClipLabels
from seqcls.errors import DataError
from seqcls.geometry import Geometry, Region, region_warnings
from seqcls.preprocess import with_region
from seqcls.sources import Source, open_source
from seqcls.types import Frame, Gap, SourceReport


class LabelledClip:
    """The frames that are labelled present or absent for an organ: each with the clip's region and its states.

    ``region``, ``report`` and ``messages`` are known once they were iterated over. Raises DataError where the size of
    the images changes, SourceError for what cannot be read.
    """

    def __init__(self, path: Path, labels: ClipLabels, geometry: Geometry) -> None:
        self.region: Region | None = None
        self.report = SourceReport("unknown")
        self._path, self._labels, self._geometry = path, labels, geometry
        self._time_s: list[float] = []
        self._end_s = 0.0

    def __iter__(self) -> Iterator[tuple[Frame, Region, tuple[tuple[str, bool], ...]]]:
        labels = self._labels
        with open_source(self._path) as source:
            for item in with_region(self._of_one_size(source), self._geometry, source.info.region):
                assert not isinstance(item, Gap), "gaps are left out below"
                frame, self.region = item
                found = [(organ, labels.state_at(organ, frame.index, frame.time_s)) for organ in labels.organs]
                states = tuple((organ, state == "present") for organ, state in found if state in ("present", "absent"))
                if states and not frame.damaged:
                    yield frame, self.region, states
            self.report = source.report()

    def _of_one_size(self, source: Source) -> Iterator[Frame]:
        shape: tuple[int, ...] = ()
        for item in source:
            self._end_s = item.end_s if isinstance(item, Gap) else item.time_s + item.duration_s
            if isinstance(item, Frame):
                self._time_s.append(item.time_s)
                if shape and item.image.shape != shape:
                    raise DataError(
                        f"{self._labels.file} changes its image size at frame {item.index}; cut it there first"
                    )
                shape = item.image.shape
                yield item

    def messages(self) -> list[str]:
        """For the user. Raises DataError where the labels cannot be meant for this clip."""
        name = self._labels.file
        messages = clip_messages(name, self._labels, np.array(self._time_s), self._end_s, self.report)
        regions = () if self.region is None else (self.region,)
        return [*messages, *(f"{name}: {warning}" for warning in region_warnings(regions, ()))]


def groups_of(clips: Sequence[tuple[Path, ClipLabels]]) -> dict[str, set[tuple[str, str]]]:
    """Per patient: which organs are labelled present or absent in any clip."""
    groups: dict[str, set[tuple[str, str]]] = {}
    for _, labels in clips:
        shown = {(span.organ, str(span.state)) for span in labels.spans if span.state != "ignore"}
        shown |= {(organ, labels.rest) for organ in labels.organs if labels.rest}
        groups.setdefault(labels.patient, set()).update(shown)
    return groups
