"""Timelines of video editing: OpenTimelineIO (https://opentimeline.io), and by its adapters EDL and Final Cut Pro XML.

Each organ is a track. A stretch in view is a clip of the organ's name that shows the same time of the source; a stretch
that is unknown is one, too, with a question mark behind the name; elsewhere the track is empty.

EDL (CMX 3600) and Final Cut Pro XML (version 7) count frames at a rate of television. Where the source has such a rate
steadily, or one of which such a rate is a multiple, these frames are those of the source; else they are sixtieths of a
second, to which edges are rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import seqcls
from seqcls.errors import OutputError
from seqcls.exports.steady_rate import steady_rate
from seqcls.files import write_text
from seqcls.text.foreign_text import for_terminal
from seqcls.text.organ_marks import organ_mark
from seqcls.third_party import library
from seqcls.timeline import Timeline
from seqcls.types import Interval

#: Rates that timecode has been defined for (SMPTE ST 12), slow ones first.
TELEVISION = (
    Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(48), Fraction(50),
    Fraction(60000, 1001), Fraction(60),
)  # fmt: skip
#: Where frames do not come evenly, or fit into none of these.
_SIXTIETHS = Fraction(60)
#: OpenTimelineIO itself takes any rate: microseconds, where frames do not come evenly.
_MICROSECONDS = Fraction(1_000_000)
#: An event's number has three digits, and timecode turns to 0 after a day.
_MAX_EVENTS, _MAX_TIMECODE_S = 999, 24 * 3600


def write_otio(timeline: Timeline, path: str | Path) -> None:
    """A timeline of OpenTimelineIO, whose media is the run's source; needs opentimelineio. Raises OutputError."""
    made = _otio(timeline, steady_rate(timeline) or _MICROSECONDS)
    write_text(path, library("opentimelineio").adapters.write_to_string(made, "otio_json") + "\n")


def write_fcp_xml(timeline: Timeline, path: str | Path) -> None:
    """As ``write_otio``, for Final Cut Pro 7, Premiere and Resolve. Needs otio-fcp-adapter besides."""
    _require_a_day(timeline)
    made = _otio(timeline, _television_rate(timeline))
    write_text(path, library("opentimelineio").adapters.write_to_string(made, "fcp_xml"))


def write_edl(timeline: Timeline, path: str | Path) -> None:
    """As ``write_otio``, of one organ, for programs that read CMX 3600. Needs otio-cmx3600-adapter besides."""
    _require_a_day(timeline)
    rate = _television_rate(timeline)
    made = _otio(timeline, rate)
    if len(made.find_clips()) > _MAX_EVENTS:
        raise OutputError(f"an EDL holds up to {_MAX_EVENTS} events, here are more: export --to otio instead")
    write_text(path, library("opentimelineio").adapters.write_to_string(made, "cmx_3600", rate=float(rate)))


def _require_a_day(timeline: Timeline) -> None:
    if not timeline.end_s < _MAX_TIMECODE_S:
        raise OutputError("timecode ends after 24 hours, this timeline later: export --to otio instead")


def _television_rate(timeline: Timeline) -> Fraction:
    own = steady_rate(timeline)
    multiples = [] if own is None else [rate for rate in TELEVISION if (rate / own).denominator == 1]
    return multiples[0] if multiples else _SIXTIETHS


def _otio(timeline: Timeline, rate: Fraction) -> Any:
    schema = library("opentimelineio").schema
    opentime = library("opentimelineio.opentime")
    hz = float(rate)

    def stretch(start: int, end: int) -> Any:
        return opentime.TimeRange(opentime.RationalTime(start, hz), opentime.RationalTime(end - start, hz))

    name = for_terminal(timeline.source.name)
    end = max(1, _frame(timeline.end_s, rate))
    about: dict[str, Any] = {"made_by": f"seqcls {seqcls.__version__}", "note": seqcls.DISCLAIMER}
    about |= {"verdict": timeline.report.verdict, "warnings": [for_terminal(note) for note in timeline.notes]}
    made = schema.Timeline(name, metadata={"seqcls": about})
    for organ in timeline.organs:
        track = schema.Track(for_terminal(organ), kind=schema.TrackKind.Video)
        made.tracks.append(track)
        reached = 0
        for interval, start, stop in _shown(timeline.of(organ), rate):
            if start > reached:
                track.append(schema.Gap(source_range=stretch(0, start - reached)))
            media = schema.ExternalReference(quote(name), available_range=stretch(0, max(end, stop)))
            media.name = name
            label = organ_mark(interval.organ, interval.state)
            own: dict[str, Any] = {"state": interval.state, "start_s": interval.start_s, "end_s": interval.end_s}
            own |= {"reason": for_terminal(interval.reason)} if interval.reason else {}
            track.append(schema.Clip(label, media, stretch(start, stop), metadata={"seqcls": own}))
            reached = stop
        if end > reached:
            track.append(schema.Gap(source_range=stretch(0, end - reached)))
    return made


def _shown(intervals: tuple[Interval, ...], rate: Fraction) -> Iterator[tuple[Interval, int, int]]:
    """What is in view or unknown, as [start, stop) in frames; nothing that holds a frame is shorter than one."""
    reached = 0
    for interval in intervals:
        if interval.state == "absent":
            continue
        start = max(reached, _frame(interval.start_s, rate))
        stop = max(_frame(interval.end_s, rate), start + (interval.start_index >= 0))
        if stop > start:
            yield interval, start, stop
            reached = stop


def _frame(time_s: float, rate: Fraction) -> int:
    # Half a frame always goes down, also where it is written with an error: else a presence changes its length. So a
    # clip that begins up to half a frame late keeps its frames' numbers.
    return max(0, math.ceil(time_s * float(rate) - 0.501))
