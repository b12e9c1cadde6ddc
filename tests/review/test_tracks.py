"""Tracks: what the page may send, and when a span of frames begins and ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.review.tracks import FrameTimes, Span, Track, predicted, track_from


def span(first: int, behind: int, mark: str = "present", **more: Any) -> dict[str, Any]:
    return {"first": first, "behind": behind, "mark": mark, **more}


def test_what_the_page_sends() -> None:
    plain = {"spans": [span(0, 2), span(2, 5, "uncertain", by="model")], "opened": {"at": 7, "mark": "absent"}}
    track = track_from(plain, 10)
    assert track.spans == (Span(0, 2, "present"), Span(2, 5, "uncertain", "model"))
    assert track.opened is not None and track.opened.at == 7
    assert track_from({}, 10) == Track()


@pytest.mark.parametrize(
    "plain",
    [
        None,
        [],
        {"spans": [span(0, 11)]},
        {"spans": [span(3, 3)]},
        {"spans": [span(-1, 3)]},
        {"spans": [span(0, 5), span(4, 6)]},
        {"spans": [span(5, 6), span(0, 2)]},
        {"spans": [span(0, 5, "maybe")]},
        {"spans": [span(0, 5, by="god")]},
        {"spans": [{"first": 0.5, "behind": 2, "mark": "present"}]},
        {"spans": [span(0, 5, more=1)]},
        {"opened": {"at": 10, "mark": "present"}},
        {"opened": {"at": 1, "mark": "ignore"}},
    ],
)
def test_what_no_page_of_ours_sends(plain: Any) -> None:
    with pytest.raises(ValueError, match="track"):
        track_from(plain, 10)


def test_a_frame_ends_where_the_next_one_begins_but_for_a_hole() -> None:
    """Frames at 0, 0.1, 0.2 (shown for 0.0999 by rounding), then two are missing."""
    times = FrameTimes.of(np.array([0.0, 0.1, 0.2, 0.5]), np.array([0.1, 0.0999, 0.1, 0.1]))
    assert times.limits_s(Span(0, 2, "present")) == (0.0, 0.2)
    assert times.limits_s(Span(1, 3, "present")) == (0.1, pytest.approx(0.3))
    assert times.limits_s(Span(1, 4, "present")) == (0.1, 0.6)
    assert times.count == 4


def test_a_prediction_is_the_models_and_leaves_open_what_is_unknown() -> None:
    found = predicted(timeline(organ="......PPPPPP????......"), "organ")
    assert found.spans == (
        Span(0, 6, "absent", "model"),
        Span(6, 12, "present", "model"),
        Span(16, 22, "absent", "model"),
    )
