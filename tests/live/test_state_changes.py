"""Every event is passed on, and that an organ is unknown while the feed is away."""

from __future__ import annotations

import json
from dataclasses import replace

from seqcls.live.notify import event_id
from seqcls.live.snapshot import LiveView, OrganView
from seqcls.live.state_changes import StateChanges
from seqcls.types import Event, FrameCounts

VIEW = LiveView(
    source="feed", feed="running", last_frame_s=5.0, now_s=5.0, frame_counts=FrameCounts(), rate_hz=30.0, latency_ms=(1.0, 1.0, 1.0),
    organs=(OrganView("liver", "absent", 1.0, 0.25, 0.5, 0.5, (), (), 0),),
)  # fmt: skip

PRESENT = Event("liver", "present", 5.5, 165, 6.75)


def test_events_and_outages_are_passed_on_with_the_last_known_state() -> None:
    now_s = [100.0]
    passed: list[dict[str, object]] = []
    changes = StateChanges(lambda _, line: passed.append(json.loads(line)), clock=lambda: now_s[0], wall=lambda: 0.0)
    changes.begin("run 1")
    changes.view(VIEW)  # 100 by the clock is 5 s of the run
    changes.view(VIEW)
    now_s[0] = 102.0
    changes.event(PRESENT)
    stalled = replace(VIEW.organs[0], state="unknown", score=None, reason="feed stalled")
    changes.view(replace(VIEW, feed="stalled", last_frame_s=7.0, now_s=9.0, organs=(stalled,)))
    ids = [str(each.pop("id")) for each in passed]
    assert ids[1] == event_id(PRESENT, "run 1") != event_id(PRESENT, "run 2") and len({*ids}) == 3
    begin = {"organ": "liver", "wall_time": "1970-01-01T00:00:00.000+00:00"}
    assert passed == [
        {**begin, "state": "absent", "score": 0.25, "start_s": 1.0, "time_s": 5.0, "delay_s": 0.0, "index": None, "reason": "", "last_known": "absent", "last_known_s": 1.0},
        {**begin, "state": "present", "score": 0.25, "start_s": 5.5, "time_s": 6.75, "delay_s": 0.25, "index": 165, "reason": "", "last_known": "present", "last_known_s": 5.5},
        {**begin, "state": "unknown", "score": None, "start_s": 7.0, "time_s": 9.0, "delay_s": 0.0, "index": None, "reason": "feed stalled", "last_known": "present", "last_known_s": 5.5},
    ]  # fmt: skip
    assert json.loads(changes.latest["liver"]) == {**passed[-1], "id": ids[-1]}
