"""Labels of tools as a label file: in seconds, complete, and without folders that lead to somebody's disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqcls.datasets.import_labels import ClipTimes, file_names, in_frames, in_seconds, write_labels_csv
from seqcls.datasets.labelled_span import LabelledSpan, filled
from seqcls.datasets.labels import ClipLabels
from seqcls.errors import DataError
from seqcls.types import SourceReport

#: Frames 0, 1, 2 and 5 of a clip: two are lost, and the last lasts long.
TIMES = ClipTimes(np.array([0, 1, 2, 5]), np.array([0.2, 0.3, 0.4, 0.7]), 1.0, SourceReport("complete"))


def frames(first: int, last: int, state: str = "present", organ: str = "liver", file: str = "a.mp4") -> LabelledSpan:
    return LabelledSpan(file, organ, state, start_index=first, end_index=last, where=f"row {first}")  # type: ignore[arg-type]


def of(*spans: LabelledSpan, **more: object) -> ClipLabels:
    return replace(ClipLabels(spans[0].file, "", spans, rest="absent"), **more)  # type: ignore[arg-type]


def rows(labels: ClipLabels) -> list[tuple[str, float, float]]:
    return [(span.state, span.start_s, span.end_s) for span in labels.spans]


def test_frames_begin_at_their_own_times_and_gaps_belong_to_the_frame_before() -> None:
    assert rows(in_seconds(of(frames(1, 3)), TIMES)) == [
        ("absent", 0.2, 0.3),
        ("present", 0.3, 0.7),
        ("absent", 0.7, 1.0),
    ]
    assert rows(in_seconds(of(frames(5, 5)), TIMES))[-1] == ("present", 0.7, 1.0)


def test_a_mark_on_lost_frames_is_left_out_and_said() -> None:
    made = in_seconds(of(frames(3, 4)), TIMES)
    assert rows(made) == [("absent", 0.2, 1.0)]
    assert made.notes[-1] == "a.mp4: no frame of the clip begins within row 3: left out"


def test_own_labels_stay_as_they_are() -> None:
    own = of(LabelledSpan("a.mp4", "liver", "present", 0.5, 0.6), rest=None)
    assert rows(in_seconds(own)) == rows(in_seconds(own, TIMES)) == [("present", 0.5, 0.6)]


def test_a_stated_end_is_taken_without_the_clip() -> None:
    marked = of(LabelledSpan("a.mp4", "liver", "ignore", 0.5, 0.6), end_s=2.0)
    assert rows(in_seconds(marked)) == [("absent", 0.0, 0.5), ("ignore", 0.5, 0.6), ("absent", 0.6, 2.0)]
    assert in_seconds(marked).notes == ()


def test_labels_of_another_clip_are_refused() -> None:
    with pytest.raises(DataError, match="row 1: its labels count frames, whose times only the clip tells"):
        in_seconds(of(frames(1, 3)))
    with pytest.raises(DataError, match="are in seconds: write a"):
        in_frames(of(LabelledSpan("a.mp4", "liver", "present", 0.5, 0.6)))
    assert "is labelled up to frame 99" in in_frames(of(frames(1, 99)), TIMES).notes[0]


def test_what_lies_between_spans_is_filled_in_their_own_unit() -> None:
    own = [frames(2, 3), frames(4, 4, "ignore")]
    found = [(span.state, span.start_index, span.end_index) for span in filled(own, "absent", 0, 8)]
    assert found == [("absent", 0, 1), ("present", 2, 3), ("ignore", 4, 4), ("absent", 5, 7)]


def named(*files: str) -> list[ClipLabels]:
    return [of(frames(1, 1, file=file)) for file in files]


def test_files_are_named_without_the_folders_of_a_disk(tmp_path: Path) -> None:
    files = ("D:\\scans\\P1\\a.mp4", "/home/x/P2/a.mp4", "../../b.mp4", "P3/c.mp4")
    clips = [in_seconds(of(frames(1, 1, file=file)), TIMES) for file in files]
    assert list(file_names(clips).values()) == ["P1/a.mp4", "P2/a.mp4", "b.mp4", "P3/c.mp4"]
    secret = ("smb://u:p@srv/Doe Jane/x.mp4", "~/Doe Jane/y.mp4", "u:p@srv/Doe/z.mp4?key=1", "%2Fhome%2Fdoe%2Fw.mp4")
    assert list(file_names(named(*secret)).values()) == ["x.mp4", "y.mp4", "z.mp4", "w.mp4"]
    assert list(file_names(named("smb://s/A/x.mp4", "/B/x.mp4", "x.mp4")).values()) == ["A/x.mp4", "B/x.mp4", "x.mp4"]
    with pytest.raises(DataError, match="two clips of one name"):
        file_names(named("smb://s/x.mp4", "smb://t/x.mp4"))
    many = named(
        *(f"/home/doe/p{k}/x.mp4" for k in range(2_000))
    )  # each with each would take a second, of 20,000 minutes
    assert file_names(many)["/home/doe/p7/x.mp4"] == "p7/x.mp4"
    write_labels_csv(tmp_path / "l.csv", [replace(clips[0], patient="=1")])
    assert (tmp_path / "l.csv").read_text(encoding="utf-8").splitlines()[:2] == [
        "file,organ,start_s,end_s,state,patient",
        "a.mp4,liver,0.200000,0.300000,absent,'=1",
    ]
