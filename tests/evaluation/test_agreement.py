"""Two readers against figures worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.datasets.labelled_span import LabelledSpan
from seqcls.datasets.labels import ClipLabels
from seqcls.errors import DataError
from seqcls.evaluation.agreement import FrameTimes, Reading, agree, cohen_kappa, of_timelines, read_reading
from seqcls.exports import write_run

STATES = {"P": "present", ".": "absent", "i": "ignore"}


def reading(name: str, file: str = "clip.mp4", by_frame: bool = False, **organs: str) -> Reading:
    """One character a frame at 10 Hz; blank is not labelled."""
    spans = [
        LabelledSpan(file, organ, STATES[c], start_index=k, end_index=k)  # type: ignore[arg-type]
        if by_frame
        else LabelledSpan(file, organ, STATES[c], k / 10, (k + 1) / 10)  # type: ignore[arg-type]
        for organ, strip in organs.items()
        for k, c in enumerate(strip)
        if c != " "
    ]
    return Reading(name, (ClipLabels(file, "", tuple(spans)),))


def frames(count: int) -> FrameTimes:
    return FrameTimes(np.arange(count), np.arange(count) / 10, count / 10)


A = "..PPPPPP............"
B = "....PPPPPP.........."


@pytest.mark.parametrize("by_frame", [False, True])
@pytest.mark.parametrize("with_frames", [False, True])
def test_figures_by_hand(by_frame: bool, with_frames: bool) -> None:
    """Of 20 frames 4 are present for both, 12 absent for both: 16 alike, 0.8; by chance 0.3 x 0.3 + 0.7 x 0.7 = 0.58;
    kappa (0.8 - 0.58) / (1 - 0.58) = 11 / 21."""
    first, second = reading("a", liver=A, by_frame=by_frame), reading("b", liver=B, by_frame=by_frame)
    found = agree(first, second, (lambda file: frames(20)) if with_frames else None)
    (organ,) = found.organs
    assert found.by_frame == (by_frame or with_frames)
    assert organ.agreement == pytest.approx(0.8) and organ.kappa.value == pytest.approx(11 / 21)
    assert organ.present == (pytest.approx(0.3), pytest.approx(0.3))
    unit = 1.0 if by_frame and not with_frames else 0.1  # without times, edges are counted in frames
    assert organ.onset_bias_s == pytest.approx(2 * unit) and organ.offset_bias_s == pytest.approx(2 * unit)
    assert organ.moments == pytest.approx(20 if found.by_frame else 2.0)
    assert (organ.intervals.presences, organ.intervals.found, organ.intervals.false_events) == (1, 1, 0)
    assert math.isnan(organ.kappa.low)  # one clip says nothing of others


def test_what_one_leaves_out_counts_for_neither() -> None:
    (organ,) = agree(reading("a", liver="PPPP....ii  "), reading("b", liver="PPii....PPPP")).organs
    assert organ.moments == pytest.approx(0.6) and organ.agreement == 1 and organ.kappa.value == 1


def test_the_other_way_round_only_the_edges_change_their_sign() -> None:
    one, other = reading("a", liver=A), reading("b", liver=B)
    (there,), (back,) = agree(one, other).organs, agree(other, one).organs
    assert there.kappa.value == back.kappa.value and there.intervals.event_f1 == back.intervals.event_f1
    assert there.onset_bias_s == -back.onset_bias_s


def test_kappa_without_meaning() -> None:
    ones = np.ones(3, np.int8)
    assert math.isnan(cohen_kappa(ones, ones, np.ones(3))) and math.isnan(cohen_kappa(ones[:0], ones[:0], np.ones(0)))
    assert cohen_kappa(np.array([1, 0], np.int8), np.array([0, 1], np.int8), np.ones(2)) == -1


def test_a_run_brings_its_frames_and_leaves_out_what_is_unknown(tmp_path: Path) -> None:
    write_run(timeline(liver="..PPPP??PP"), tmp_path / "run")
    run = read_reading(tmp_path / "run")
    found = agree(reading("a", liver="..PPPPPP.."), run)
    assert (found.first, found.second, found.by_frame) == ("a", "run", True)
    (organ,) = found.organs
    assert organ.moments == 8 and organ.agreement == pytest.approx(6 / 8)
    assert [clip.file for clip in read_reading(tmp_path).clips] == ["clip.mp4"]  # a folder of runs


def test_clips_meet_by_path_else_by_a_name_that_is_clear() -> None:
    strip = "PP.."
    found = agree(reading("a", file="x/clip.mp4", liver=strip), reading("b", file="CLIP.mp4", liver=strip))
    assert found.organs[0].agreement == 1
    two = Reading("b", (*reading("", "y/clip.mp4", liver=strip).clips, *reading("", "z/clip.mp4", liver=strip).clips))
    with pytest.raises(DataError, match="no clip in common"):
        agree(reading("a", file="x/clip.mp4", liver=strip), two)
    one = agree(reading("a", file="y/clip.mp4", liver=strip), two)
    assert one.messages == ("1 clip of one reading alone, such as z/clip.mp4: left out",)
    assert one.to_dict()["messages"] == ["1 clip of one reading alone, such as clip.mp4: left out"]


@pytest.mark.parametrize(("one", "other"), [("P1/neck.v2.mp4", "neck.v2"), ("neck.v2", "P1/Neck.v2.MP4")])
def test_a_name_without_its_suffix_is_of_the_clip_where_that_is_clear(one: str, other: str) -> None:
    """FiftyOne names clips so, and subtitles have no other name than their own."""
    first, second = reading("a", one, liver="PP.."), reading("b", other, liver="PP..")
    assert agree(first, second).organs[0].agreement == 1
    two = [reading("", f"neck.v2{suffix}", liver="PP..").clips[0] for suffix in (".mp4", ".avi")]
    with pytest.raises(DataError, match="no clip in common"):
        agree(reading("a", "x/neck.v2", liver="P."), Reading("c", tuple(two)))
    with pytest.raises(DataError, match="no clip in common"):
        agree(reading("a", "neck.avi", liver="P."), reading("b", "neck.mp4", liver="P."))


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one reading labels liver, the other spleen"):
        agree(reading("a", liver="P."), reading("b", spleen="P."))
    with pytest.raises(DataError, match=r"by frame and by second.*--clips"):
        agree(reading("a", liver="P."), reading("b", liver="P.", by_frame=True))
    with pytest.raises(DataError, match="label no moment"):
        agree(reading("a", liver="P  "), reading("b", liver="  P"))
    with pytest.raises(DataError, match="holds no run"):
        read_reading(tmp_path)


def test_intervals_of_confidence_are_over_clips() -> None:
    clips = [(A, B), (A, A), (B, B), (A, A)] * 3
    one, other = (
        Reading(str(k), tuple(reading("", f"{n}.mp4", liver=pair[k]).clips[0] for n, pair in enumerate(clips)))
        for k in (0, 1)
    )
    (organ,) = agree(one, other).organs
    assert organ.clips == 12 and organ.kappa.low < organ.kappa.value <= organ.kappa.high
    assert agree(one, of_timelines("model", [timeline("0.mp4", liver=B)])).organs[0].clips == 1
