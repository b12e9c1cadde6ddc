"""Edges in whole milliseconds part the same frames as before, whatever the rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.errors import UsageError
from seqcls.exports.marks import MillisecondEdges, marks
from seqcls.timeline import Timeline


def at(times_s: list[float], made: Timeline) -> Timeline:
    """The timeline with its frames shown at other times, and its intervals with them."""
    ends_s = np.append(times_s, times_s[-1] + 0.001)
    scores = replace(made.scores, time_s=np.array(times_s))
    moved = tuple(
        replace(i, start_s=float(ends_s[i.start_index]), end_s=float(ends_s[i.end_index + 1])) for i in made.intervals
    )
    return replace(made, intervals=moved, scores=scores, start_s=times_s[0], end_s=float(ends_s[-1]))


def test_an_edge_is_rounded_down_where_the_nearest_millisecond_lies_behind_the_frame() -> None:
    made = at([k / 120 for k in range(8)], timeline(liver="..PPPP.."))
    (present,) = made.of("liver", "present")
    assert (present.start_s, present.end_s) == (pytest.approx(1 / 60), pytest.approx(0.05))
    assert MillisecondEdges(made).of(present) == (16, 50)  # the frames 2 and 6 are shown at 16.67 and 50 ms


def test_every_frame_keeps_its_state_at_any_rate() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        steps_s = random.uniform(0.0011, 0.05, 40)
        pattern = "".join(random.choice(list("P."), 40))
        made = at(np.cumsum(steps_s).tolist(), timeline(liver=pattern))
        edges = MillisecondEdges(made)
        for interval in made.intervals:
            start_ms, end_ms = edges.of(interval)
            inside = (made.scores.time_s >= start_ms / 1000 - 1e-6) & (made.scores.time_s < end_ms / 1000 - 1e-6)
            assert np.flatnonzero(inside).tolist() == list(range(interval.start_index, interval.end_index + 1))


def test_frames_that_milliseconds_cannot_tell_apart_are_refused() -> None:
    made = at([0.0001 * k for k in range(1, 9)], timeline(liver="..PPPP.."))
    with pytest.raises(UsageError, match=r"do not tell the frames at 0\.000300 s and before it apart: export to csv"):
        MillisecondEdges(made).of(made.of("liver", "present")[0])


def test_an_organ_that_is_never_in_view_is_marked_as_absent_once() -> None:
    found = marks(timeline(liver="..PPP?..", kidney="........"))
    assert [(m.text, m.interval.start_index, m.interval.end_index) for m in found] == [
        ("liver", 2, 4),
        ("liver?", 5, 5),
        ("kidney?", 5, 5),
    ]
    only = marks(timeline(liver="....", kidney="PPPP"))[0]
    assert only.text == "liver: absent" and (only.interval.start_index, only.interval.end_index) == (0, 3)
