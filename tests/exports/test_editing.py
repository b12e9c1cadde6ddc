"""Timelines of video editors: tracks, clips at the source's own time, and frames that are the source's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.errors import OutputError
from seqcls.exports.editing import write_edl, write_fcp_xml, write_otio
from seqcls.exports.formats import of_organ
from seqcls.exports.timebase import of_media
from seqcls.timeline import Timeline

otio = pytest.importorskip("opentimelineio")
TWO = timeline(name="neck 1.mp4", liver="..PPPP??", node="........")


def at_rate(made: Timeline, hz: float) -> Timeline:
    """The timeline of ``timeline``, at 10 Hz, so much faster or slower."""
    scale = 10 / hz
    intervals = tuple(replace(i, start_s=i.start_s * scale, end_s=i.end_s * scale) for i in made.intervals)
    scores = replace(made.scores, time_s=made.scores.time_s * scale, duration_s=made.scores.duration_s * scale)
    return replace(made, end_s=made.end_s * scale, intervals=intervals, scores=scores)


def clips(path: Path, **how: Any) -> list[tuple[str, float, float, float]]:
    """Name, first frame, frames and rate, of the source."""
    found = otio.adapters.read_from_file(str(path), **how).find_clips()
    shown = [(clip.name, clip.source_range) for clip in found]
    return [(name, r.start_time.value, r.duration.value, round(r.duration.rate, 3)) for name, r in shown]


def test_each_organ_is_a_track_and_each_presence_a_clip_of_the_media(tmp_path: Path) -> None:
    write_otio(of_media(TWO, Path("somewhere/proxy.mp4")), tmp_path / "t.otio")
    made = otio.adapters.read_from_file(str(tmp_path / "t.otio"))
    assert [track.name for track in made.tracks] == ["liver", "node"]
    assert [(type(item).__name__, item.name, item.duration().value) for item in made.tracks[0]] == [
        ("Gap", "", 2.0), ("Clip", "liver", 4.0), ("Clip", "liver?", 2.0)
    ]  # fmt: skip
    liver, unknown, _ = made.find_clips()
    assert liver.media_reference.target_url == "proxy.mp4" and liver.media_reference.available_range.duration.value == 8
    assert (
        liver.range_in_parent() == liver.source_range
        and liver.source_range.start_time == otio.opentime.RationalTime(2, 10)
    )
    assert unknown.metadata["seqcls"]["reason"] == "black"
    write_otio(TWO, tmp_path / "u.otio")
    assert (
        next(iter(otio.adapters.read_from_file(str(tmp_path / "u.otio")).find_clips())).media_reference.target_url
        == "neck%201.mp4"
    )


@pytest.mark.parametrize(
    ("hz", "rate", "first", "count"),
    [
        (25, 25.0, 2, 4),
        (10, 30.0, 6, 12),
        (20, 60.0, 6, 12),
        (30000 / 1001, 29.97, 2, 4),
        (15000 / 1001, 29.97, 4, 8),
        (43, 60.0, 3, 5),
    ],
    ids=str,
)
def test_frames_are_those_of_the_source_where_television_has_its_rate(
    tmp_path: Path, hz: float, rate: float, first: int, count: int
) -> None:
    """At 43 Hz, 2 / 43 s are 2.8 sixtieths, and 6 / 43 s 8.4."""
    made = at_rate(of_organ(TWO, "liver"), hz)
    write_fcp_xml(made, tmp_path / "t.xml")
    assert clips(tmp_path / "t.xml")[0] == ("liver", first, count, rate)
    exact = {29.97: 30000 / 1001}.get(rate, rate)
    write_edl(made, tmp_path / "t.edl")
    assert clips(tmp_path / "t.edl", rate=exact)[0] == ("liver", first, count, rate)


def test_frames_that_come_unevenly_are_placed_by_time(tmp_path: Path) -> None:
    scores = replace(TWO.scores, time_s=np.array([0.0, 0.1, 0.2, 0.23, 0.3, 0.33, 0.6, 0.7]))
    write_otio(replace(TWO, scores=scores), tmp_path / "t.otio")
    assert clips(tmp_path / "t.otio")[0] == ("liver", 200_000, 400_000, 1e6)


def test_one_frame_of_no_length_is_one_frame_long(tmp_path: Path) -> None:
    made = timeline(liver="P")
    made = replace(made, end_s=0.0, intervals=tuple(replace(i, end_s=0.0) for i in made.intervals))
    write_otio(made, tmp_path / "t.otio")
    assert clips(tmp_path / "t.otio") == [("liver", 0, 1, 25)]


def test_what_timecode_and_an_edl_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="999 events, here are more: export --to otio"):
        write_edl(timeline(liver="PPP..." * 1000), tmp_path / "t.edl")
    for write in (write_edl, write_fcp_xml):
        with pytest.raises(OutputError, match="24 hours"):
            write(replace(TWO, end_s=86_400.0), tmp_path / "t")


@pytest.mark.parametrize(("hz", "late_s"), [(25, 0.02), (30, 1 / 60), (24, 1 / 48), (25, 0.020001), (25, 0.019999)])
def test_half_a_frame_late_a_presence_keeps_its_frames(tmp_path: Path, hz: int, late_s: float) -> None:
    """Frames 13 to 15 lie at 13.5 to 15.5 frames: three of them, from the 13th; half to even made it two."""
    made = timeline(liver="." * 4 + "PPPP" + "." * 5 + "PPP" + "....")
    place = lambda time_s: round(late_s + round(time_s * 10) / hz, 6)  # noqa: E731 - of a timeline at 10 Hz
    own = tuple(replace(i, start_s=place(i.start_s), end_s=place(i.end_s)) for i in made.intervals)
    times = late_s + np.arange(20) / hz
    scores = replace(made.scores, time_s=times, duration_s=np.full(20, 1 / hz))
    source = replace(made.source, rate_hz=float(hz))
    write_otio(
        replace(made, intervals=own, scores=scores, source=source, start_s=late_s, end_s=late_s + 20 / hz),
        tmp_path / "t.otio",
    )
    assert clips(tmp_path / "t.otio") == [("liver", 4, 4, hz), ("liver", 13, 3, hz)]
