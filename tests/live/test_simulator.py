"""A phantom sweep played live, over the network, gives the intervals of the same sweep analysed offline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from support import simulator
from support.feeds import PATIENT, nothing_left  # noqa: F401 - a fixture
from support.simulator import RATE_HZ, Picture, detector, phantom

from seqcls.feeds.open import open_live
from seqcls.journal import create_journal, read_journal
from seqcls.live.options import LiveOptions
from seqcls.live.session import LiveSession
from seqcls.phantom import ORGANS
from seqcls.postprocess import RawScores
from seqcls.reprocess import post_process
from seqcls.timeline import Timeline
from seqcls.types import Frame

#: Pictures by which times may be moved and no stretch of the sweep is lost by it: its shortest has 7.
SHORTEST = 4
Play = Callable[[list[Picture]], AbstractContextManager[str]]


def offline() -> Timeline:
    return detector().analyze(phantom().frames())


def offline_at(live: Timeline, numbers: Sequence[int]) -> Timeline:
    """What analysing gives of the same pictures, each at the time at which it came.

    A sender's clock has to be trusted first, and times are those of arrival until then: a busy machine moves them.
    """
    whole, at = offline(), live.scores
    raw = RawScores(whole.organs)
    raw.add_frames(at.index, at.time_s, at.duration_s, whole.scores.raw[np.asarray(numbers)])
    used = whole.provenance
    scores, intervals = post_process(raw, used.smoothing, used.intervals, live.end_s)
    return replace(whole, scores=scores, intervals=tuple(intervals))


def runs(states: Sequence[bool]) -> list[tuple[bool, int, int]]:
    """(state, first, last) of each stretch."""
    found, start = [], 0
    for state, same in groupby(states):
        length = len(list(same))
        found.append((state, start, start + length - 1))
        start += length
    return found


def stretches(timeline: Timeline, numbers: Sequence[int], last: int) -> list[tuple[str, str, int, int]]:
    """Organ, state, first and last picture by the numbers in them; what holds no picture (waiting) is left out.

    A run may take a frame more before it ends: the probe over RTSP shows the last pictures twice.
    """
    return [
        (i.organ, i.state, numbers[i.start_index], numbers[min(i.end_index, last)])
        for i in timeline.intervals
        if i.start_index >= 0
    ]


def watched(url: str, path: Path, frames: int) -> tuple[Timeline, list[int]]:
    """A live run that ends when so many frames came; and the numbers of the pictures, in the order of the frames."""
    made, numbers, enough = detector(), {}, threading.Event()

    def taken(frame: Frame) -> None:
        numbers[frame.index] = simulator.number(frame.image)
        if len(numbers) == frames:
            enough.set()

    source = open_live(url, on_state=lambda *_: None, **PATIENT)
    journal = create_journal(path, organs=made.organs, provenance=made.provenance, source=source.info)
    options = LiveOptions(keep="every", duration_s=30.0)
    session = LiveSession(made, source, options=options, journal=journal, on_taken=taken, should_stop=enough.is_set)
    summary = session.run()
    timeline = read_journal(path).timeline()
    assert enough.is_set(), f"{len(numbers)} frames came"
    assert summary.frame_counts.balanced and summary.frame_counts == timeline.frame_counts
    # Nothing is dropped with --keep every; the frame_counts, the journal and what was taken say the same.
    assert (
        timeline.frame_counts.received == timeline.frame_counts.classified == len(numbers) == len(timeline.scores.index)
    )
    assert sorted(numbers) == list(range(len(numbers)))
    return timeline, [numbers[index] for index in range(len(numbers))]


def test_the_sweep_has_edges_and_offline_finds_them_all() -> None:
    """Else the comparisons below would prove nothing."""
    found = offline()
    for organ in ORGANS:
        truth = [("present" if state else "absent", first, last) for state, first, last in runs(phantom().truth[organ])]
        assert [(i.state, i.start_index, i.end_index) for i in found.of(organ)] == truth and len(truth) >= 2
    assert {i.state for i in found.intervals} == {"present", "absent"}


@pytest.mark.parametrize(
    "play",
    [simulator.over_igtl, simulator.over_pyigtl, simulator.over_mjpeg, simulator.over_rtsp],
    ids=["OpenIGTLink", "pyigtl", "MJPEG over HTTP", "RTSP"],
)
def test_intervals_are_those_of_the_sweep_offline(play: Play, tmp_path: Path) -> None:
    if play is simulator.over_pyigtl:
        pytest.importorskip("pyigtl")
    sweep = phantom()
    with play(sweep.pictures) as url:
        live, numbers = watched(url, tmp_path / "run.journal", len(sweep.pictures))
    last = len(sweep.pictures) - 1
    assert numbers[: last + 1] == list(range(last + 1)), "every picture came, in order"
    found, nominal = stretches(live, numbers, last), stretches(offline(), range(last + 1), last)
    assert found == stretches(offline_at(live, numbers), numbers, last)
    # By the clock: a picture arrives when it is sent, give or take what a busy machine needs.
    first_s = live.scores.time_s[0]
    late_s = live.scores.time_s[: last + 1] - first_s - np.arange(last + 1) / RATE_HZ
    assert np.abs(late_s).max() < 2.0
    # An edge moves by one picture at most, as long as times were moved against each other by less than two; else by no
    # more pictures than they were (drawn at random 150 times each: 0 below one picture, 1 at two, 2 at three).
    moved = int(np.ptp(late_s) * RATE_HZ)
    if moved < SHORTEST:
        assert [one[:2] for one in found] == [one[:2] for one in nominal]
        edges = np.subtract([one[2:] for one in found], [one[2:] for one in nominal])
        assert np.abs(edges).max() <= max(1, moved), (found, nominal, late_s)


def test_what_is_dropped_is_declared_and_moves_an_edge_by_no_more(tmp_path: Path) -> None:
    """An engine too slow for the feed, which comes as fast as the socket allows."""
    made, sweep, numbers = detector(), phantom(), {}
    go, enough = threading.Event(), threading.Event()
    scores = made.engine.scores

    def slow(images: np.ndarray) -> np.ndarray:
        go.wait(20)  # until the feed is through
        return scores(images)

    made.engine.scores = slow  # type: ignore[method-assign]
    arrived: list[int] = []

    def frame(item: Frame) -> None:
        arrived.append(simulator.number(item.image))
        if len(arrived) == len(sweep.pictures):
            go.set()
            enough.set()

    def taken(item: Frame) -> None:
        numbers[item.index] = simulator.number(item.image)

    with simulator.over_igtl(sweep.pictures) as url:
        source = open_live(url, on_state=lambda *_: None, **PATIENT)
        session = LiveSession(
            made, source, options=LiveOptions(waiting=8, duration_s=30.0), on_frame=frame, on_taken=taken,
            should_stop=enough.is_set,
        )  # fmt: skip
        frame_counts = session.run().frame_counts
    assert arrived == list(range(len(sweep.pictures)))
    assert frame_counts.balanced and frame_counts.received == len(arrived) and frame_counts.classified == len(numbers)
    assert frame_counts.dropped == len(arrived) - len(numbers) > 20
    assert all(numbers[index] == index for index in numbers), "a frame keeps its number whatever is dropped before it"
