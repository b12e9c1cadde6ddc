"""What people are shown of one organ: bounded, and unknown without a running feed."""

from __future__ import annotations

import numpy as np
import pytest

from seqcls.intervals import IntervalOptions
from seqcls.live.organ_history import OrganHistory
from seqcls.live.snapshot import Span
from seqcls.types import Event, FrameScore


def test_what_is_shown_is_unknown_without_a_running_feed() -> None:
    history = OrganHistory("liver", IntervalOptions())
    history.changed(Event("liver", "present", 1.0, 10, 1.3))
    history.scored(FrameScore(20, 2.0, 0.1, np.array([0.9], np.float32)), 0)
    assert history.view("running").state == "present" and history.view("running").score == pytest.approx(0.9)
    for feed in ("connecting", "stalled", "retrying", "stopped"):
        shown = history.view(feed, 2.1)  # type: ignore[arg-type]
        assert (shown.state, shown.score, shown.since_s) == ("unknown", None, 2.1) and feed in shown.reason
    shown = history.view("running", 2.0)
    assert (shown.state, shown.since_s, shown.reason) == ("unknown", 2.0, "paused")


@pytest.mark.parametrize("bridged", [True, False])
def test_no_score_of_before_an_outage_stands_there_afterwards_and_none_beside_unknown(bridged: bool) -> None:
    history, before = OrganHistory("liver", IntervalOptions()), FrameScore(20, 2.0, 0.1, np.array([0.9], np.float32))
    history.scored(before, 0)
    assert history.view("running").score is None, "unknown: not begun"
    history.changed(Event("liver", "present", 1.0, 10, 1.3))
    assert history.view("running").score == pytest.approx(0.9)
    history.missed(5.0)
    if not bridged:
        history.changed(Event("liver", "unknown", 2.1, 21, 5.0, "no frame within 2 s"))
    history.scored(before, 0, coming=True)  # the newest that is decided, as long as the smoother looks ahead
    shown = history.view("running")
    assert (shown.score, shown.coming) == (None, False)
    history.scored(FrameScore(21, 5.0, 0.1, np.array([0.02], np.float32)), 0)
    assert history.view("running").score == (pytest.approx(0.02) if bridged else None)
    history.changed(Event("liver", "absent", 5.0, 21, 5.3))
    assert history.view("running").score == pytest.approx(0.02)


def test_spans_follow_the_events() -> None:
    history = OrganHistory("liver", IntervalOptions())
    for state, start_s in (("present", 1.0), ("absent", 3.0), ("unknown", 4.5)):
        history.changed(Event("liver", state, start_s, round(10 * start_s), start_s + 0.3, ""))  # type: ignore[arg-type]
    shown = history.view("running")
    assert shown.spans == (Span("present", 1.0, 3.0), Span("absent", 3.0, 4.5), Span("unknown", 4.5, None))
    assert shown.latest == (Span("present", 1.0, 3.0),) and shown.presences == 1
    history.ended(6.0)
    assert history.view("running").spans[-1] == Span("unknown", 4.5, 6.0)


def test_a_minute_of_scores_ten_a_second_is_kept() -> None:
    history = OrganHistory("liver", IntervalOptions())
    for number in range(200 * 50):
        history.scored(FrameScore(number, number / 50, 0.02, np.array([0.5], np.float32)), 0)
    trace = history.view("running").trace
    assert trace[-1][0] - trace[0][0] == pytest.approx(60.0, abs=0.2) and len(trace) <= 601
