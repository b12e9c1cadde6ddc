"""Post-processing frame by frame, by hand-computed values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.journals import OFF, exactly
from support.scored import EVERY, ORGANS, Item, frame, raw_of

from seqcls.intervals import IntervalOptions
from seqcls.postprocess import PostProcess, RawScores, certain_after_s
from seqcls.smoothing import SmoothingOptions
from seqcls.types import Event, Gap, ScoreTable


def rows(table: ScoreTable) -> list[tuple[object, ...]]:
    """One tuple a frame, NaN as None, scores to 6 digits."""

    def shown(scores: list[float]) -> list[float | None]:
        return [None if math.isnan(s) else round(s, 6) for s in scores]

    columns = (table.index, table.time_s, table.duration_s, table.raw, table.smooth, table.measured)
    index, time_s, duration_s, raw, smooth, measured = (column.tolist() for column in columns)
    cells = zip(index, time_s, duration_s, map(shown, raw), map(shown, smooth), table.reason, measured, strict=True)
    return list(cells)


MIXED: list[Item] = [
    frame(3, 0.5, 0.25, 0.75),
    Gap(0.6, 0.9, "lost"),
    frame(4, 0.9, reason="black"),
    frame(6, 1.0, 0.5, 0.125, measured=False),
]


def test_a_table_holds_every_frame_as_it_came() -> None:
    table = raw_of(MIXED).table()
    assert rows(table) == [
        (3, 0.5, 0.1, [0.25, 0.75], [0.25, 0.75], "", True),
        (4, 0.9, 0.1, [None, None], [None, None], "black", True),
        (6, 1.0, 0.1, [0.5, 0.125], [0.5, 0.125], "", False),
    ]
    assert table.organs == ORGANS
    dtypes = [c.dtype for c in (table.index, table.time_s, table.duration_s, table.raw, table.smooth, table.measured)]
    assert dtypes == [np.int64, np.float64, np.float64, np.float32, np.float32, np.bool_]
    assert raw_of(MIXED).gaps == [(1, Gap(0.6, 0.9, "lost"))]


def test_many_frames_are_added_as_one_by_one() -> None:
    raw = RawScores(ORGANS)
    scores = np.array([[0.25, 0.75], [0.5, 0.125]], np.float32)
    raw.add_frames(np.array([3, 4]), np.array([0.5, 0.6]), np.array([0.1, 0.2]), scores)
    raw.add(Gap(0.8, 1.0, "lost"))
    raw.add(frame(9, 1.0, 1.0, 0.0, reason="odd"))
    assert rows(raw.table()) == [
        (3, 0.5, 0.1, [0.25, 0.75], [0.25, 0.75], "", True),
        (4, 0.6, 0.2, [0.5, 0.125], [0.5, 0.125], "", True),
        (9, 1.0, 0.1, [1.0, 0.0], [1.0, 0.0], "odd", True),
    ]
    assert raw.gaps == [(2, Gap(0.8, 1.0, "lost"))]
    assert raw.scored.tolist() == [True, True, True] and len(raw) == 4
    raw.add_frames(np.array([10]), np.array([1.1]), np.array([0.1]), scores[:1], ["dim"], np.array([False]))
    assert rows(raw.table())[3:] == [(10, 1.1, 0.1, [0.25, 0.75], [0.25, 0.75], "dim", False)]
    assert raw_of(MIXED).scored.tolist() == [True, False, True]


def test_items_come_in_stream_order_from_a_frame_on() -> None:
    """A gap goes with the frame that follows it."""
    last = Gap(1.1, 1.5, "end")
    raw = raw_of([*MIXED, last])
    assert [exactly(item) for item in raw.items()] == [exactly(item) for item in [*MIXED, last]]
    for first_row, place in ((1, 1), (2, 3), (3, 4)):
        assert [exactly(item) for item in raw.items(first_row)] == [exactly(item) for item in [*MIXED, last][place:]]
    assert list(RawScores(ORGANS).items()) == []


def test_events_of_each_organ_and_the_latest_frame() -> None:
    smoothing = SmoothingOptions(kind="mean", window_s=0.2, look_ahead_s=0.1)
    process = PostProcess(
        ORGANS, smoothing, [IntervalOptions(min_present_s=0.1), IntervalOptions(onset=0.8, min_present_s=0.2)]
    )
    assert process.latest is None
    # Smoothed: 0.3 0.3 (liver) and 0.9 0.9 (kidney), then the gap, then 0.5 and 0.1.
    events = [e for item in (frame(0, 0.0, 0.0, 1.0), frame(1, 0.1, 0.6, 0.8)) for e in process.push(item)]
    assert events == [] and process.latest is None
    events += process.push(frame(2, 0.25, 0.9, 0.1))
    assert process.latest is not None
    assert (process.latest.index, process.latest.scores.tolist()) == (1, pytest.approx([0.3, 0.9]))  # type: ignore[union-attr]
    events += process.push(Gap(0.4, 1.0, "lost"))
    events += process.push(frame(3, 1.0, reason="black"))
    events += process.close(1.1)
    assert events == [
        Event("liver", "absent", 0.0, 0, 0.0),
        Event("kidney", "present", 0.0, 0, 0.25),
        Event("liver", "present", 0.25, 2, 0.4),
        Event("liver", "unknown", 0.4, 3, 1.0, "lost"),
        Event("kidney", "absent", 0.25, 2, 1.0),
        Event("kidney", "unknown", 0.4, 3, 1.0, "lost"),
        Event("liver", "unknown", 1.0, 3, 1.0, "black"),
        Event("kidney", "unknown", 1.0, 3, 1.0, "black"),
    ]
    assert rows(process.table()) == [
        (0, 0.0, 0.1, [0.0, 1.0], [0.3, 0.9], "", True),
        (1, 0.1, 0.1, [0.6, 0.8], [0.3, 0.9], "", True),
        (2, 0.25, 0.1, [0.9, 0.1], [0.9, 0.1], "", True),
        (3, 1.0, 0.1, [None, None], [None, None], "black", True),
    ]
    assert process.latest.index == 3


def test_scores_are_kept_only_where_wanted() -> None:
    kept = PostProcess(ORGANS, OFF, EVERY)
    watched = PostProcess(ORGANS, OFF, EVERY, keep=False)
    for process in (kept, watched):
        found = [(e.organ, e.state) for item in MIXED for e in process.push(item)]
        liver, kidney = ["absent", "unknown", "unknown"], ["absent", "unknown", "unknown", "absent"]
        # 0.1 s of the kidney at first: whether it counts is certain with the last frame, which shows none.
        assert found == [*(("liver", state) for state in liver), *(("kidney", state) for state in kidney)]
        assert process.latest is not None and process.latest.index == 6
    assert len(kept.table().index) == 3
    with pytest.raises(AssertionError, match=r"^this run keeps no scores$"):
        watched.table()
    assert len(watched.smooth) == 0


def test_as_many_options_as_organs() -> None:
    with pytest.raises(ValueError, match="zip"):
        PostProcess(ORGANS, OFF, [IntervalOptions()])


def test_a_change_is_certain_after_the_look_ahead_and_the_longer_duration() -> None:
    """0.25 + max(0.3, 0.2) s; twice the padding more. An organ in view from 1 s on is certain a frame later at most."""
    smoothing, options = SmoothingOptions(), IntervalOptions()
    assert certain_after_s(smoothing, options) == pytest.approx(0.55)
    assert certain_after_s(smoothing, IntervalOptions(min_absent_s=0.5, pad_s=0.1)) == pytest.approx(0.95)
    process, events = PostProcess(("liver",), smoothing, [options]), []
    for index in range(40):
        events += process.push(frame(index, index * 0.05, float(20 <= index < 32)))
    events += process.close(2.0)
    present = next(event for event in events if event.state == "present")
    assert present.final_s - present.start_s <= 0.55 + 0.05 + 1e-6
