"""Every event is passed on, and that an organ is unknown while the feed is away."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from seqcls.live.notify import event_id
from seqcls.live.snapshot import LiveView, OrganView
from seqcls.live.state_changes import StateChanges
from seqcls.types import Event, FrameCounts

VIEW = LiveView(
    source="feed", feed="running", last_frame_s=5.0, now_s=5.0, frame_counts=FrameCounts(), rate_hz=30.0, latency_ms=(1.0, 1.0, 1.0),
    organs=(OrganView("liver", "absent", 1.0, 0.25, 0.5, 0.5, (), (), 0),),
)  # fmt: skip

PRESENT = Event("liver", "present", 5.5, 165, 6.75)


STALLED = replace(
    VIEW, feed="stalled", feed_reason="no frame within 2 s", last_frame_s=7.0, unknown_since_s=7.04, now_s=9.0,
    organs=(replace(VIEW.organs[0], state="unknown", since_s=7.04, score=None, reason="feed stalled"),),
)  # fmt: skip
#: What the run makes of the same outage.
OUTAGE = Event("liver", "unknown", 7.04, 170, 9.0, "no frame within 2 s")


def changes_to(passed: list[dict[str, object]]) -> StateChanges:
    changes = StateChanges(lambda _, line: passed.append(json.loads(line)), wall=lambda: 0.0)
    changes.begin("run 1")
    return changes


def test_events_and_outages_are_passed_on_with_the_last_known_state() -> None:
    passed: list[dict[str, object]] = []
    changes = changes_to(passed)
    changes.view(VIEW)
    changes.view(VIEW)
    changes.event(PRESENT)
    assert len(passed) == 1, "it waits for the snapshot that has its score"
    changes.view(replace(VIEW, now_s=7.0, organs=(replace(VIEW.organs[0], state="present", since_s=5.5, score=0.75),)))
    changes.view(STALLED)
    ids = [str(each.pop("id")) for each in passed]
    assert ids[1:] == [event_id(PRESENT, "run 1"), event_id(OUTAGE, "run 1")] and len({*ids}) == 3
    assert event_id(PRESENT, "run 1") != event_id(PRESENT, "run 2")
    begin = {"organ": "liver", "wall_time": "1970-01-01T00:00:00.000+00:00"}
    assert passed == [
        {**begin, "state": "absent", "score": 0.25, "start_s": 1.0, "time_s": 5.0, "delay_s": 0.0, "index": None, "reason": "", "last_known": "absent", "last_known_s": 1.0},
        {**begin, "state": "present", "score": 0.75, "start_s": 5.5, "time_s": 6.75, "delay_s": 0.25, "index": 165, "reason": "", "last_known": "present", "last_known_s": 5.5},
        {**begin, "state": "unknown", "score": None, "start_s": 7.04, "time_s": 9.0, "delay_s": 0.0, "index": None, "reason": "no frame within 2 s", "last_known": "present", "last_known_s": 5.5},
    ]  # fmt: skip
    assert json.loads(changes.latest["liver"]) == {**passed[-1], "id": ids[-1]}


@pytest.mark.parametrize("first", ["view", "event"])
def test_an_outage_is_one_message_whoever_tells_of_it_first(first: str) -> None:
    passed: list[dict[str, object]] = []
    changes = changes_to(passed)
    changes.view(VIEW)
    if first == "view":
        changes.view(STALLED)
        assert len(passed) == 2, "at once"
    changes.event(OUTAGE)
    for _ in range(2):
        changes.view(STALLED)
    (message,) = passed[1:]
    assert (message["state"], message["start_s"], message["id"]) == ("unknown", 7.04, event_id(OUTAGE, "run 1"))
    assert message["reason"] == "no frame within 2 s" and message["index"] == (None if first == "view" else 170)


def test_an_outage_is_told_again_with_its_start_and_id_where_its_reason_or_what_was_before_it_came_later() -> None:
    passed: list[dict[str, object]] = []
    changes = changes_to(passed)
    changes.view(replace(STALLED, feed="connecting", feed_reason=""))
    changes.event(replace(OUTAGE, reason="refused"))
    changes.event(replace(PRESENT, start_s=6.9))
    changes.event(replace(OUTAGE, reason="refused"))
    changes.view(STALLED)
    assert [(each["state"], each["reason"]) for each in passed] == [
        ("unknown", "feed stalled"), ("unknown", "refused"), ("present", ""), ("unknown", "refused"),
    ]  # fmt: skip
    assert {(each["id"], each["start_s"]) for each in passed if each["state"] == "unknown"} == {
        (event_id(OUTAGE, "run 1"), 7.04)
    }


def test_a_state_that_holds_again_after_a_bridged_outage_is_that_of_its_event() -> None:
    passed: list[dict[str, object]] = []
    changes = changes_to(passed)
    held = replace(VIEW.organs[0], state="present", since_s=5.5, score=0.75)
    changes.event(PRESENT)
    changes.view(replace(VIEW, now_s=6.75, organs=(held,)))
    changes.view(STALLED)
    changes.view(replace(VIEW, now_s=9.5, organs=(replace(held, score=None),)))  # no frame is decided yet
    assert [each["score"] for each in passed] == [0.75, None, None]
    assert [each["state"] for each in passed] == ["present", "unknown", "present"]
    assert passed[0]["id"] == passed[2]["id"] == event_id(PRESENT, "run 1") and passed[2]["start_s"] == 5.5


def test_a_resumed_run_knows_what_was_known_before() -> None:
    passed: list[dict[str, object]] = []
    changes = changes_to(passed)
    changes.begin("run 1", [PRESENT, OUTAGE])
    changes.view(STALLED)
    (message,) = passed
    assert (message["last_known"], message["last_known_s"]) == ("present", 5.5)


def test_an_end_without_a_last_view_leaves_nothing_known() -> None:
    passed: list[dict[str, object]] = []
    changes = changes_to(passed)
    changes.end()
    assert passed == []
    changes.view(VIEW)
    changes.end()
    changes.end()
    (message,) = passed[1:]
    assert (message["state"], message["start_s"], message["reason"]) == ("unknown", 5.0, "feed stopped")
    assert (message["last_known"], message["last_known_s"]) == ("absent", 1.0)
