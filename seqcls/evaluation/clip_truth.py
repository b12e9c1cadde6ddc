"""A clip's timeline beside its labels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.label_checks import clip_messages
from seqcls.datasets.labels import ClipLabels
from seqcls.evaluation.interval_metrics import ClipCounts, ClipIntervals, Span, counts_of, spans_of
from seqcls.evaluation.metrics import ratio
from seqcls.files import same_name
from seqcls.geometry import Region
from seqcls.reprocess import events_of
from seqcls.timeline import Timeline
from seqcls.types import TIME_TOLERANCE_S

PRESENT, ABSENT, IGNORE = 1, 0, -1
#: Readers leave out what is neither here nor there, around a begin: of a longer stretch nobody knows when it came.
MAX_MARGIN_S = 2.0
_CODES = {"present": PRESENT, "absent": ABSENT, "ignore": IGNORE, None: IGNORE}


@dataclass(frozen=True, slots=True, eq=False)
class ClipTruth:
    """A clip's timeline beside its labels: ``codes`` (T, K) int8, 1 present, 0 absent, -1 ignored or not labelled.

    file: the clip as the label file names it. messages: what a person should know of the clip and its labels. scanner:
    as the labels, else the clip's DICOM header, else its layout names it; scanner_from says which. site: as the labels
    name it, empty where they do not.
    """

    timeline: Timeline
    file: str
    patient: str
    codes: NDArray[np.int8]
    messages: tuple[str, ...] = ()
    scanner: str = ""
    scanner_from: str = ""
    site: str = ""

    def frames(self, column: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Truth and raw score of the organ's scorable frames: those that are labelled and were classified."""
        codes, scores = self.codes[:, column], scored(self.timeline)[:, column]
        scorable = (codes != IGNORE) & ~np.isnan(scores)
        return codes[scorable] == PRESENT, scores[scorable]

    def onset(self, column: int) -> float:
        """The score from which on the organ counts as present."""
        return self.timeline.provenance.intervals[column].onset

    def accuracy(self, column: int) -> float:
        """Share of the scorable frames on the right side of the organ's onset threshold; NaN without any."""
        truth, scores = self.frames(column)
        return ratio(int(((scores >= self.onset(column)) == truth).sum()), len(truth))

    def intervals(self, column: int) -> ClipIntervals:
        """The organ's stretches as labelled and as found. Where it is unknown, it counts as not found."""
        timeline = self.timeline
        return ClipIntervals(
            truth=self._labelled(column, PRESENT),
            prediction=tuple((i.start_s, i.end_s) for i in timeline.of(timeline.organs[column], "present")),
            ignore=self._labelled(column, IGNORE),
            start_s=timeline.start_s,
            end_s=timeline.end_s,
        )

    def counts(self, column: int, collar_s: float) -> ClipCounts:
        """What the clip adds to the organ's interval metrics. Raises DataError for more than can be paired."""
        timeline = self.timeline
        unknown = [(i.start_s, i.end_s) for i in timeline.of(timeline.organs[column], "unknown")]
        labelled = [*self._labelled(column, PRESENT), *self._labelled(column, ABSENT)]
        unknown_s = sum(_overlap(one, other) for one in unknown for other in labelled)
        counts = counts_of(self.intervals(column), collar_s)
        return replace(counts, unknown_s=unknown_s, delay_s=tuple(self._delays(column)))

    def _labelled(self, column: int, code: int) -> tuple[Span, ...]:
        return spans_of(self.codes[:, column] == code, self.timeline.scores.time_s, self.timeline.end_s)

    def _delays(self, column: int) -> list[float]:
        """For each labelled begin of a presence that was found: the seconds until a live run would have been certain
        that the organ is in view. Only behind a labelled absence, or at most MAX_MARGIN_S after one."""
        timeline = self.timeline
        organ = timeline.organs[column]
        final_s = {e.start_s: e.final_s for e in events_of(timeline) if e.organ == organ and e.state == "present"}
        found = [(i.start_s, i.end_s) for i in timeline.of(organ, "present")]
        absences_end_s = [end_s for _, end_s in self._labelled(column, ABSENT)]
        presences_end_s = [end_s for _, end_s in self._labelled(column, PRESENT)]
        delays = []
        for presence in self._labelled(column, PRESENT):
            first = next((one for one in found if _overlap(one, presence) > TIME_TOLERANCE_S), None)
            before_s = max((end_s for end_s in absences_end_s if end_s <= presence[0]), default=-math.inf)
            is_first = not any(before_s <= end_s <= presence[0] for end_s in presences_end_s)
            if is_first and presence[0] - before_s <= MAX_MARGIN_S and first is not None and first[0] in final_s:
                delays.append(final_s[first[0]] - presence[0])
        return delays


def scored(timeline: Timeline) -> NDArray[np.float64]:
    """(T, K), the raw scores of the frames that could be scored, NaN of the others, also where these have a score."""
    raw = timeline.scores.raw.astype(np.float64)
    raw[[reason != "" for reason in timeline.scores.reason]] = np.nan
    return raw


def _overlap(one: Span, other: Span) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def align_labels(timeline: Timeline, labels: ClipLabels) -> ClipTruth:
    """Set a timeline beside its labels. Raises DataError where they cannot be meant for this clip."""
    scores = timeline.scores
    codes = [
        [_CODES[labels.state_at(organ, int(index), float(time_s))] for organ in timeline.organs]
        for index, time_s in zip(scores.index, scores.time_s, strict=True)
    ]
    foreign = [name for name in labels.organs if not any(same_name(name, organ) for organ in timeline.organs)]
    messages = clip_messages(labels.file, labels, scores.time_s, timeline.end_s, timeline.report)
    if foreign:
        messages.append(
            f"labels of {', '.join(foreign)} are not compared: the model knows {', '.join(timeline.organs)}"
        )
    table = np.array(codes, np.int8).reshape(-1, len(timeline.organs))
    scanner, scanner_from = _scanner(timeline, labels)
    return ClipTruth(timeline, labels.file, labels.patient, table, tuple(messages), scanner, scanner_from, labels.site)


def _scanner(timeline: Timeline, labels: ClipLabels) -> tuple[str, str]:
    """Its name, and where that is from."""
    stated = dict(timeline.source.details).get("scanner", "")
    named = [(labels.scanner, "labels"), (stated, "DICOM header"), (layout_name(timeline.provenance.regions), "layout")]
    return next((pair for pair in named if pair[0]), ("", ""))


def layout_name(regions: tuple[Region, ...]) -> str:
    """What images of one screen have in common, where nothing names the scanner."""
    return f"{regions[0].kind} in {regions[0].width} x {regions[0].height}" if regions else ""
