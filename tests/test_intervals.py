"""The state machine: its edge cases one by one, and all of it against a plain offline restatement of the rules."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcls.errors import UsageError
from seqcls.intervals import Hysteresis, IntervalBuilder, IntervalOptions, intervals_from_events, one_per_organ
from seqcls.types import TIME_TOLERANCE_S, Event, Gap, ScoreTable

RATE_HZ = 10.0
Segment = tuple[str, float, float]


def segments_of(events: list[Event], end_s: float) -> list[Segment]:
    """(state, start, end), neighbours of one state but different reasons joined."""
    joined: list[list[object]] = []
    for event, following in zip(events, [*events[1:], None], strict=True):
        stop_s = end_s if following is None else following.start_s
        if following is not None and stop_s <= event.start_s:
            continue
        if joined and joined[-1][0] == event.state:
            joined[-1][2] = stop_s
        else:
            joined.append([event.state, event.start_s, stop_s])
    return [(str(a), round(float(b), 6), round(float(c), 6)) for a, b, c in joined]  # type: ignore[arg-type]


def run(scores: str | list[float | None], **options: float) -> list[Segment]:
    """One character a frame at 10 Hz: P 0.9, m 0.4 (between offset and onset), . 0.1, ? unscored."""
    table = {"P": 0.9, "m": 0.4, ".": 0.1, "?": None}
    values = [table[c] for c in scores] if isinstance(scores, str) else scores
    builder = IntervalBuilder("liver", IntervalOptions(**options))
    events: list[Event] = []
    for index, score in enumerate(values):
        events += builder.push(index, index / RATE_HZ, score, "black" if score is None else "")
    events += builder.close(len(values) / RATE_HZ)
    return segments_of(events, len(values) / RATE_HZ)


CASES = [
    ("nothing", "....", {}, [("absent", 0, 0.4)]),
    ("present throughout", "PPPP", {}, [("present", 0, 0.4)]),
    ("one frame is all there is", "P", {}, [("present", 0, 0.1)]),
    ("a clip shorter than min_present", "PP", {}, [("present", 0, 0.2)]),
    ("short with a bridged dip is all there is", "P.P", {"min_present_s": 1.0}, [("present", 0, 0.3)]),
    ("short presence dropped at the start", "PP..", {}, [("absent", 0, 0.4)]),
    ("short presence dropped at the end", "..PP", {}, [("absent", 0, 0.4)]),
    ("short presence dropped before one last absence", "PP.", {}, [("absent", 0, 0.3)]),
    ("one frame, long enough", "P", {"min_present_s": 0.1}, [("present", 0, 0.1)]),
    ("one absent frame", ".", {}, [("absent", 0, 0.1)]),
    ("one unknown frame", "?", {}, [("unknown", 0, 0.1)]),
    ("in the middle", "..PPPP..", {}, [("absent", 0, 0.2), ("present", 0.2, 0.6), ("absent", 0.6, 0.8)]),
    ("up to the last frame", "..PPPP", {}, [("absent", 0, 0.2), ("present", 0.2, 0.6)]),
    ("from the first frame", "PPPP..", {}, [("present", 0, 0.4), ("absent", 0.4, 0.6)]),
    ("short presence dropped", "..PP..", {}, [("absent", 0, 0.6)]),
    ("exactly min_present kept", "..PPP..", {}, [("absent", 0, 0.2), ("present", 0.2, 0.5), ("absent", 0.5, 0.7)]),
    ("short absence bridged", "PPP.PPP", {}, [("present", 0, 0.7)]),
    ("exactly min_absent not bridged", "PPP..PPP", {}, [("present", 0, 0.3), ("absent", 0.3, 0.5), ("present", 0.5, 0.8)]),
    ("bridge before drop", "PP.PP..", {}, [("present", 0, 0.5), ("absent", 0.5, 0.7)]),
    ("short absence at the start stays", ".PPPP", {}, [("absent", 0, 0.1), ("present", 0.1, 0.5)]),
    ("short absence at the end stays", "PPPP.", {}, [("present", 0, 0.4), ("absent", 0.4, 0.5)]),
    ("hysteresis holds", "PmmmP..", {}, [("present", 0, 0.5), ("absent", 0.5, 0.7)]),
    ("between thresholds is no onset", "mmmm", {}, [("absent", 0, 0.4)]),
    ("offset 0 never ends", "PPP....", {"offset": 0.0}, [("present", 0, 0.7)]),
    ("offset 0 before onset is absent", "..PPP.", {"offset": 0.0}, [("absent", 0, 0.2), ("present", 0.2, 0.6)]),
    ("short unknown bridged", "PPP?PPP", {}, [("present", 0, 0.7)]),
    ("long unknown ends presence", "PPP???PPP", {}, [("present", 0, 0.3), ("unknown", 0.3, 0.6), ("present", 0.6, 0.9)]),
    ("short unknown in absence stays unknown", "..?..", {}, [("absent", 0, 0.2), ("unknown", 0.2, 0.3), ("absent", 0.3, 0.5)]),
    ("unknown never opens", "??PPP", {}, [("unknown", 0, 0.2), ("present", 0.2, 0.5)]),
    ("a gap forgets hysteresis", "PPP???mmm", {}, [("present", 0, 0.3), ("unknown", 0.3, 0.6), ("absent", 0.6, 0.9)]),
    ("a short gap keeps hysteresis", "PPP?mmm", {}, [("present", 0, 0.7)]),
    ("unknown and absence add up", "PPP.?PPP", {}, [("present", 0, 0.3), ("absent", 0.3, 0.4), ("unknown", 0.4, 0.5), ("present", 0.5, 0.8)]),
    ("all there is to see, between unknowns", "???PP???", {}, [("unknown", 0, 0.3), ("present", 0.3, 0.5), ("unknown", 0.5, 0.8)]),
    ("all there is to see, between short unknowns", "?PP?", {}, [("unknown", 0, 0.1), ("present", 0.1, 0.3), ("unknown", 0.3, 0.4)]),
    ("all there is to see, in two parts", "PP???PP", {}, [("present", 0, 0.2), ("unknown", 0.2, 0.5), ("present", 0.5, 0.7)]),
    ("absence before a short one, across the unknown", ".???PP", {}, [("absent", 0, 0.1), ("unknown", 0.1, 0.4), ("absent", 0.4, 0.6)]),
    ("absence behind a short one, across the unknown", "PP???.", {}, [("absent", 0, 0.2), ("unknown", 0.2, 0.5), ("absent", 0.5, 0.6)]),
    ("absence on both sides, across the unknown", ".??PP??.", {}, [("absent", 0, 0.1), ("unknown", 0.1, 0.3), ("absent", 0.3, 0.5), ("unknown", 0.5, 0.7), ("absent", 0.7, 0.8)]),
    ("short absence, then unknown", "PP.???", {}, [("absent", 0, 0.3), ("unknown", 0.3, 0.6)]),
    ("short one behind a long one", "PPP???PP", {}, [("present", 0, 0.3), ("unknown", 0.3, 0.6), ("present", 0.6, 0.8)]),
    ("short one before a long one", "PP???PPP", {}, [("present", 0, 0.2), ("unknown", 0.2, 0.5), ("present", 0.5, 0.8)]),
    ("long one between an absence and short ones", "..PPP??PP", {}, [("absent", 0, 0.2), ("present", 0.2, 0.5), ("unknown", 0.5, 0.7), ("present", 0.7, 0.9)]),
    ("short one between a long one and an absence", "PPP??PP??.", {}, [("present", 0, 0.3), ("unknown", 0.3, 0.5), ("absent", 0.5, 0.7), ("unknown", 0.7, 0.9), ("absent", 0.9, 1.0)]),
    ("several short ones before an absence", "PP??P??.", {}, [("absent", 0, 0.2), ("unknown", 0.2, 0.4), ("absent", 0.4, 0.5), ("unknown", 0.5, 0.7), ("absent", 0.7, 0.8)]),
    ("several short ones behind an absence", ".??P??PP", {}, [("absent", 0, 0.1), ("unknown", 0.1, 0.3), ("absent", 0.3, 0.4), ("unknown", 0.4, 0.6), ("absent", 0.6, 0.8)]),
    ("dropped, what was bridged comes back", "P?P??.", {"min_present_s": 0.4}, [("absent", 0, 0.1), ("unknown", 0.1, 0.2), ("absent", 0.2, 0.3), ("unknown", 0.3, 0.5), ("absent", 0.5, 0.6)]),
    ("kept, what was bridged stays bridged", "P?P??", {"min_present_s": 0.4}, [("present", 0, 0.3), ("unknown", 0.3, 0.5)]),
    ("padding of a short one that is kept", "??P??PPP..", {"pad_s": 0.1}, [("unknown", 0, 0.2), ("present", 0.2, 0.3), ("unknown", 0.3, 0.5), ("present", 0.5, 0.9), ("absent", 0.9, 1.0)]),
    ("presence cut by the end after a short unknown", "PPP?", {}, [("present", 0, 0.3), ("unknown", 0.3, 0.4)]),
    ("padding", "....PPP....", {"pad_s": 0.1}, [("absent", 0, 0.3), ("present", 0.3, 0.8), ("absent", 0.8, 1.1)]),
    ("padding joins", "PPP...PPP", {"pad_s": 0.2}, [("present", 0, 0.9)]),
    ("padding stays in the clip", ".PPP.", {"pad_s": 0.3}, [("present", 0, 0.5)]),
    ("padding spares the unknown", "??.PPP.??", {"pad_s": 0.3, "min_absent_s": 0.1}, [("unknown", 0, 0.2), ("present", 0.2, 0.7), ("unknown", 0.7, 0.9)]),
    ("no minimum at all", "P.P", {"min_present_s": 0, "min_absent_s": 0}, [("present", 0, 0.1), ("absent", 0.1, 0.2), ("present", 0.2, 0.3)]),
]  # fmt: skip


@pytest.mark.parametrize(("scores", "options", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_rules(scores: str, options: dict[str, float], expected: list[Segment]) -> None:
    assert run(scores, **options) == expected


def test_nan_is_unknown() -> None:
    assert run([0.9, 0.9, 0.9, math.nan, math.nan]) == [("present", 0, 0.3), ("unknown", 0.3, 0.5)]


def test_a_gap_without_frames_ends_presence_at_its_start() -> None:
    builder = IntervalBuilder("liver", IntervalOptions())
    events = [e for i in range(4) for e in builder.push(i, i / RATE_HZ, 0.9)]
    events += builder.gap(Gap(0.4, 2.0, "lost"))
    events += [e for i in range(4, 8) for e in builder.push(i, 2.0 + (i - 4) / RATE_HZ, 0.9)]
    events += builder.close(2.4)
    assert segments_of(events, 2.4) == [("present", 0, 0.4), ("unknown", 0.4, 2.0), ("present", 2.0, 2.4)]
    assert [e.reason for e in events] == ["", "lost", ""]


def test_times_that_repeat_or_go_back_do_no_harm() -> None:
    builder = IntervalBuilder("liver", IntervalOptions(min_present_s=0.1, min_absent_s=0))
    events: list[Event] = []
    for index, (time_s, score) in enumerate([(0, 0.1), (0.1, 0.9), (0.1, 0.1), (0.05, 0.9), (0.3, 0.9), (0.4, 0.1)]):
        events += builder.push(index, time_s, score)
    events += builder.close(0.5)
    assert segments_of(events, 0.5) == [("absent", 0, 0.1), ("present", 0.1, 0.4), ("absent", 0.4, 0.5)]
    assert all(a.start_s <= b.start_s and a.final_s <= b.final_s for a, b in itertools.pairwise(events))


def test_variable_frame_rate_uses_times_not_counts() -> None:
    builder = IntervalBuilder("liver", IntervalOptions())
    times_s = [0.0, 0.01, 0.02, 0.03, 0.5, 0.6, 2.0]
    scores = [0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1]  # three frames are 30 ms: dropped; two frames are 1.5 s: kept
    events = [e for i, (t, s) in enumerate(zip(times_s, scores, strict=True)) for e in builder.push(i, t, s)]
    events += builder.close(2.1)
    assert segments_of(events, 2.1) == [("absent", 0, 0.5), ("present", 0.5, 2.0), ("absent", 2.0, 2.1)]


def test_onset_is_emitted_as_soon_as_it_is_certain() -> None:
    builder = IntervalBuilder("liver", IntervalOptions(min_present_s=0.3))
    emitted = {index: builder.push(index, index / RATE_HZ, 0.9 if index >= 2 else 0.1) for index in range(8)}
    assert [index for index, events in emitted.items() if events] == [0, 5]
    assert emitted[5] == [Event("liver", "present", 0.2, 2, 0.5)]
    assert builder.state == "present"


def test_offset_is_emitted_once_it_cannot_be_bridged() -> None:
    builder = IntervalBuilder("liver", IntervalOptions(min_absent_s=0.2))
    emitted = {index: builder.push(index, index / RATE_HZ, 0.9 if index < 5 else 0.1) for index in range(9)}
    assert [index for index, events in emitted.items() if events] == [3, 7]
    assert emitted[7] == [Event("liver", "absent", 0.5, 5, 0.7)]


def events_of(*steps: tuple[float, float | str | None] | Gap, end_s: float, **options: float) -> list[Event]:
    """Events of frames (time, score), or (time, reason) where unscored, and of gaps; frames are numbered from 0."""
    builder = IntervalBuilder("liver", IntervalOptions(**options))
    events: list[Event] = []
    index = 0
    for step in steps:
        if isinstance(step, Gap):
            events += builder.gap(step)
            continue
        time_s, score = step
        reason, value = (score, None) if isinstance(score, str) else ("", score)
        events += builder.push(index, time_s, value, reason)
        index += 1
    return events + builder.close(end_s)


NO_MINIMUM = {"min_present_s": 0.0, "min_absent_s": 0.0}


def test_a_score_at_a_threshold_counts_as_above() -> None:
    steps = [(0.0, 0.1), (1.0, 0.5), (2.0, 0.35), (3.0, 0.3499), (4.0, 0.35), (5.0, 0.4999), (6.0, 0.5)]
    events = events_of(*steps, end_s=7.0, **NO_MINIMUM)
    assert [(e.state, e.start_s) for e in events] == [("absent", 0), ("present", 1), ("absent", 3), ("present", 6)]


def test_events_carry_frame_reason_and_the_time_at_which_they_were_certain() -> None:
    steps = [(0.0, 0.1), (0.1, 0.9), (0.2, 0.9), (0.3, 0.9), (0.4, "black"), (0.5, "black"), (0.6, "black"), (0.7, 0.1)]
    assert events_of(*steps, end_s=0.8) == [
        Event("liver", "absent", 0.0, 0, 0.0),
        Event("liver", "present", 0.1, 1, 0.4),
        Event("liver", "unknown", 0.4, 4, 0.6, "black"),
        Event("liver", "absent", 0.7, 7, 0.7),
    ]


def test_another_reason_is_another_event() -> None:
    events = events_of((0.0, "black"), (0.1, "black"), (0.2, "frozen"), (0.3, "frozen"), end_s=0.4)
    assert events == [Event("liver", "unknown", 0.0, 0, 0.0, "black"), Event("liver", "unknown", 0.2, 2, 0.2, "frozen")]


def test_a_bridged_reason_leaves_no_trace() -> None:
    steps = [*((i / 10, 0.9) for i in range(4)), (0.4, "black"), (0.5, "frozen"), (0.55, 0.9), (0.6, 0.9)]
    assert events_of(*steps, end_s=0.7) == [Event("liver", "present", 0.0, 0, pytest.approx(0.3))]


def test_a_gap_has_the_index_of_the_first_frame_after_it() -> None:
    steps = [(0.0, 0.1), (0.1, 0.1), Gap(0.2, 1.0, "lost"), (1.0, 0.1), (1.1, 0.1)]
    assert events_of(*steps, end_s=1.2) == [
        Event("liver", "absent", 0.0, 0, 0.0),
        Event("liver", "unknown", 0.2, 2, 1.0, "lost"),
        Event("liver", "absent", 1.0, 2, 1.0),
    ]
    assert events_of(Gap(0.0, 0.5, "lost"), (0.5, 0.1), end_s=0.6)[0] == Event("liver", "unknown", 0.0, 0, 0.5, "lost")


def test_a_gap_ends_presence_when_it_has_lasted() -> None:
    steps = [*((i / 10, 0.9) for i in range(4)), Gap(0.4, 0.6, "lost"), (0.6, 0.4)]
    events = events_of(*steps, end_s=0.7)
    assert [(e.state, e.start_s, e.index, e.final_s) for e in events] == [
        ("present", 0.0, 0, pytest.approx(0.3)),
        ("unknown", 0.4, 4, 0.6),
        ("absent", 0.6, 4, 0.6),  # it began anew: 0.4 is no onset
    ]
    short = events_of(*steps[:4], Gap(0.4, 0.59, "lost"), (0.59, 0.4), end_s=0.7)
    assert [e.state for e in short] == ["present"]


def test_an_event_that_ends_a_stream_is_certain_at_its_end() -> None:
    assert events_of((0.0, 0.9), (0.1, 0.9), end_s=0.3) == [Event("liver", "present", 0.0, 0, 0.3)]
    # 0.2 s are short, and all there is to see
    assert events_of((0.0, 0.9), (0.1, 0.9), end_s=0.2) == [Event("liver", "present", 0.0, 0, 0.2)]
    assert events_of((0.0, 0.9), (0.1, 0.1), end_s=0.2) == [Event("liver", "absent", 0.0, 0, 0.2)]
    dropped = events_of((0.0, 0.1), (0.1, 0.9), end_s=0.2)
    assert dropped == [Event("liver", "absent", 0.0, 0, 0.0)]


@pytest.mark.parametrize(
    ("behind", "states", "final_s"),
    [
        ([(1.0, 0.9), (1.1, 0.9), (1.2, 0.9), (1.3, 0.9)], ["present", "unknown", "present", "unknown", "unknown", "present"], 1.3),
        ([(1.0, 0.1)], ["absent", "unknown", "absent", "unknown", "unknown", "absent"], 1.0),
        ([], ["present", "unknown", "present", "unknown", "unknown"], 1.5),
    ],
    ids=["presence", "absence", "the end"],
)  # fmt: skip
def test_what_is_seen_next_decides_on_short_presences(
    behind: list[tuple[float, float]], states: list[str], final_s: float
) -> None:
    """0.2 s and 0.1 s of presence, nothing known between and behind them, for two reasons: nothing is certain yet."""
    builder = IntervalBuilder("liver", IntervalOptions())
    before = [(0.0, 0.9), (0.1, 0.9), (0.2, "black"), (0.5, 0.9), (0.6, "black"), (0.8, "frozen"), (0.9, "frozen")]
    for index, (time_s, score) in enumerate(before):
        value, reason = (None, score) if isinstance(score, str) else (score, "")
        assert builder.push(index, time_s, value, reason) == [] and builder.state == "unknown"
    events = [event for index, frame in enumerate(behind, 7) for event in builder.push(index, *frame)]
    events += builder.close(1.5)
    assert [event.state for event in events] == states and {event.final_s for event in events} == {final_s}
    assert [event.start_s for event in events] == [0.0, 0.2, 0.5, 0.6, 0.8, 1.0][: len(events)]
    assert [event.index for event in events] == [0, 2, 3, 4, 5, 7][: len(events)]
    assert [event.reason for event in events] == ["", "black", "", "black", "frozen", ""][: len(events)]


def test_what_waits_for_a_verdict_does_not_grow_with_time() -> None:
    """A feed that shows the organ for one frame and nothing for a day."""
    builder = IntervalBuilder("liver", IntervalOptions(pad_s=0.5))
    for index in range(1000):
        assert builder.push(index, index / RATE_HZ, 0.9 if index == 0 else None, "black") == []
    assert (len(builder._kept), len(builder._pending), len(builder._padding._frames)) == (2, 0, 21)  # 97.9 to 99.9
    builder.gap(Gap(100.0, 200.0, "lost"))
    events = builder.push(1000, 200.0, 0.1)
    assert [(e.start_s, e.index, e.reason) for e in events] == [(0.0, 0, ""), (0.1, 1, "black"), (100.0, 1000, "lost")]


def test_state_is_what_is_certain() -> None:
    builder = IntervalBuilder("liver", IntervalOptions())
    assert builder.state == "unknown"
    states = []
    for index, score in enumerate([0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, None]):
        builder.push(index, index / RATE_HZ, score)
        states.append(builder.state)
    assert states == ["absent"] * 4 + ["present"] * 3 + ["absent", "unknown"]


@pytest.mark.parametrize(
    ("steps", "pad_s", "expected"),
    [
        # presence from 1.0 to 2.0: its onset moves to the frame at 0.75, its end to that at 2.25
        ([0.1] * 4 + [0.9] * 4 + [0.1] * 4, 0.25, [("absent", 0, 0, 0.75), ("present", 0.75, 3, 1.25), ("absent", 2.25, 9, 2.75)]),
        # an absence of 1.0 s is padded away from both sides by 0.5, and not by 0.25
        ([0.9] * 4 + [0.1] * 4 + [0.9] * 4, 0.5, [("present", 0, 0, 0.25)]),
        ([0.9] * 4 + [0.1] * 4 + [0.9] * 4, 0.25, [("present", 0, 0, 0.25), ("absent", 1.25, 5, 1.75), ("present", 1.75, 7, 2.25)]),
        # the end of the clip is no presence
        ([0.9] * 4 + [0.1] * 2, 0.5, [("present", 0, 0, 0.25)]),
        ([0.9] * 4 + [0.1] * 3, 0.5, [("present", 0, 0, 0.25), ("absent", 1.5, 6, 1.75)]),
        # unknown stretches are not touched
        ([None] * 2 + [0.9] * 4 + [None] * 2, 0.25, [("unknown", 0, 0, 0), ("present", 0.5, 2, 0.75), ("unknown", 1.5, 6, 1.75)]),
        ([None] * 2 + [0.1] + [0.9] * 4, 0.25, [("unknown", 0, 0, 0), ("present", 0.5, 2, 1.0)]),
        ([0.9] * 4 + [0.1] * 2 + [None] * 2, 0.25, [("present", 0, 0, 0.25), ("absent", 1.25, 5, 1.5), ("unknown", 1.5, 6, 1.5)]),
        ([0.9] * 4 + [0.1] + [None] * 2, 0.25, [("present", 0, 0, 0.25), ("unknown", 1.25, 5, 1.25)]),
    ],
    ids=["both sides", "grown together", "a rest", "to the end", "a rest at the end", "unknown", "up to unknown", "rest before unknown", "no rest before unknown"],
)  # fmt: skip
def test_padding_by_hand(
    steps: list[float | None], pad_s: float, expected: list[tuple[str, float, int, float]]
) -> None:
    """Four frames a second; state, start, frame and certain time of each event."""
    frames = [(i / 4, "?" if score is None else score) for i, score in enumerate(steps)]
    events = events_of(*frames, end_s=len(steps) / 4, min_present_s=0.25, min_absent_s=0.25, pad_s=pad_s)
    assert [(e.state, e.start_s, e.index, e.final_s) for e in events] == expected


def test_padding_forgets_frames_that_no_start_can_reach() -> None:
    builder = IntervalBuilder("liver", IntervalOptions(pad_s=0.1))
    for index in range(200):
        builder.push(index, index / RATE_HZ, 0.1)
    assert len(builder._padding._frames) == 5  # 19.5 to 19.9


def test_hysteresis_forgets_after_a_stretch_without_a_score() -> None:
    hysteresis = Hysteresis(IntervalOptions(min_absent_s=0.2))
    assert [hysteresis.update(score, 0.0) for score in (0.1, 0.4, 0.9, 0.4, 0.1)] == [False, False, True, True, False]
    for length_s, high in ((0.1, True), (0.2 - TIME_TOLERANCE_S, False)):
        assert hysteresis.update(0.9, 0.0) is True
        hysteresis.mark_unknown(0.0)
        assert hysteresis.update(0.4, length_s) is high


def test_a_duration_is_reached_within_the_tolerance() -> None:
    end_s = 0.3 - TIME_TOLERANCE_S
    assert [e.state for e in events_of((0.0, 0.9), (end_s, 0.1), end_s=1.0)] == ["present", "absent"]
    assert [e.state for e in events_of((0.0, 0.9), (end_s - TIME_TOLERANCE_S, 0.1), end_s=1.0)] == ["absent"]


def test_an_absence_outlasts_its_padding_by_more_than_the_tolerance() -> None:
    """From 1 s on, padded by 1 s: up to the end of the clip, up to a presence, and before anything follows."""
    exactly, more = TIME_TOLERANCE_S, 2 * TIME_TOLERANCE_S
    padded = {**NO_MINIMUM, "pad_s": 1.0}
    for rest_s, states in ((exactly, ["present"]), (more, ["present", "absent"])):
        assert [e.state for e in events_of((0.0, 0.9), (1.0, 0.1), end_s=2.0 + rest_s, **padded)] == states
    for rest_s, states in ((exactly, ["present"]), (more, ["present", "absent", "present"])):
        steps = [(0.0, 0.9), (1.0, 0.1), (3.0 + rest_s, 0.9)]
        assert [e.state for e in events_of(*steps, end_s=4.0, **padded)] == states
    for rest_s, final_s in ((exactly, 3.5), (more, 3.0 + more)):
        steps = [(0.0, 0.9), (1.0, 0.1), (3.0 + rest_s, 0.1), (3.5, 0.1)]
        assert events_of(*steps, end_s=4.0, **padded)[1] == Event("liver", "absent", 2.0, 2, final_s)


def test_a_frame_without_a_reason_has_none() -> None:
    assert IntervalBuilder("liver", IntervalOptions()).push(0, 0.0, None) == [Event("liver", "unknown", 0.0, 0, 0.0)]


def test_presence_can_become_certain_at_the_start_of_a_gap() -> None:
    events = events_of((0.0, 0.9), Gap(0.3, 1.0, "lost"), end_s=1.0)
    assert [(e.state, e.final_s) for e in events] == [("present", 0.3), ("unknown", 1.0)]


def test_padded_starts_have_the_frame_after_a_gap_or_that_after_the_last() -> None:
    events = events_of(Gap(0.0, 0.5, "lost"), (0.5, 0.1), (0.6, 0.9), (0.8, 0.9), (1.0, 0.9), end_s=1.2, pad_s=0.2)
    assert [(e.state, e.start_s, e.index) for e in events] == [("unknown", 0.0, 0), ("present", 0.5, 0)]
    steps = [*((i / 4, 0.9) for i in range(4)), (1.0, 0.1)]
    assert [(e.start_s, e.index) for e in events_of(*steps, end_s=2.0, pad_s=0.5)] == [(0.0, 0), (1.5, 5)]
    # A frame that is early by the tolerance is there in time.
    steps = [(0.0, 0.9), (1.0, 0.1), (2.0 - TIME_TOLERANCE_S, 0.1), (3.5, 0.1)]
    events = events_of(*steps, end_s=4.0, pad_s=1.0, **NO_MINIMUM)
    assert [(e.start_s, e.index) for e in events] == [(0.0, 0), (2.0, 2)]


def test_an_absence_waits_for_a_presence_that_is_not_yet_certain() -> None:
    steps = [(0.0, 0.1), (0.2, 0.1), *((0.4 + i / 5, 0.9) for i in range(6))]
    events = events_of(*steps, end_s=1.6, min_present_s=0.8, pad_s=0.5)
    assert [(e.state, e.start_s, e.index) for e in events] == [("present", 0.0, 0)]


def test_the_mean_is_taken_in_double_precision() -> None:
    events = events_of((0.0, 0.1), (0.1, 0.2), (0.2, 0.4), end_s=0.3, onset=1.0)
    [interval] = intervals_from_events(events, table_of([0.0, 0.1, 0.2], [0.1, 0.2, 0.4]), 0.3)
    single = [float(np.float32(score)) for score in (0.1, 0.2, 0.4)]
    assert interval.mean_score == pytest.approx(sum(single) / 3, abs=1e-12)


def table_of(times_s: list[float], scores: list[float | None], first_index: int = 0) -> ScoreTable:
    column = np.array([[math.nan if s is None else s] for s in scores], np.float32).reshape(-1, 1)
    count = len(times_s)
    index = np.arange(first_index, first_index + count)
    return ScoreTable(("liver",), index, np.array(times_s, np.float64), np.zeros(count), column, column, ("",) * count, np.ones(count, bool))  # fmt: skip


# ---- frames without duration, frames of one time


@pytest.mark.parametrize("pad_s", [0.0, 0.1])
@pytest.mark.parametrize(("score", "state"), [(0.1, "absent"), (0.9, "present"), ("black", "unknown")])
def test_a_clip_without_duration_has_one_interval(pad_s: float, score: float | str, state: str) -> None:
    """With padding it had none, and the timeline could not be made."""
    events = events_of((0.0, score), (0.0, score), end_s=0.0, pad_s=pad_s)
    assert [(e.state, e.start_s, e.index) for e in events] == [(state, 0.0, 0)]
    value = None if isinstance(score, str) else score
    [interval] = intervals_from_events(events, table_of([0.0, 0.0], [value, value]), 0.0)
    assert (interval.state, interval.start_s, interval.end_s) == (state, 0.0, 0.0)
    assert (interval.start_index, interval.end_index) == (0, 1)


def test_an_absence_without_duration_leaves_no_hole_before_the_unknown() -> None:
    events = events_of((0.0, 0.1), (5e-7, "black"), (1.0, "black"), end_s=2.0, pad_s=0.1)
    assert [(e.state, e.start_s) for e in events] == [("unknown", 0.0)]


def test_no_event_is_no_interval() -> None:
    assert intervals_from_events([], table_of([], []), 0.0) == ()


@st.composite
def any_times(draw: st.DrawFn) -> tuple[list[tuple[float, float | str | None] | Gap], float, dict[str, float]]:
    """Frames and gaps at any times, equal ones and ones that run back among them."""
    steps: list[tuple[float, float | str | None] | Gap] = []
    time_s = end_s = draw(st.sampled_from([0.0, 0.5]))
    for kind in draw(st.lists(st.sampled_from(["low", "high", "between", "?", "gap"]), min_size=1, max_size=25)):
        time_s = max(0.0, time_s + draw(st.sampled_from([0.0, 0.0, 5e-7, 0.04, 0.1, 0.3, -0.1])))
        if kind == "gap":
            length_s = draw(st.sampled_from([0.0, 0.1, 1.0]))
            steps.append(Gap(time_s, time_s + length_s, "lost"))
            time_s += length_s
        else:
            steps.append((time_s, {"low": 0.1, "high": 0.9, "between": 0.4}.get(kind, "black")))
        end_s = max(end_s, time_s)
    durations = st.sampled_from([0.0, 0.1, 0.3, 1.0])
    options = {name: draw(durations) for name in ("min_present_s", "min_absent_s", "pad_s")}
    return steps, end_s + draw(st.sampled_from([0.0, 0.0, 0.04])), options


@settings(max_examples=150, deadline=None)
@given(any_times())
def test_intervals_tile_the_clip_whatever_the_times(
    case: tuple[list[tuple[float, float | str | None] | Gap], float, dict[str, float]],
) -> None:
    steps, end_s, options = case
    frames = [step for step in steps if not isinstance(step, Gap)]
    table = table_of([t for t, _ in frames], [None if isinstance(score, str) else score for _, score in frames])
    found = intervals_from_events(events_of(*steps, end_s=end_s, **options), table, end_s)
    first = steps[0]
    assert found[0].start_s == (first.start_s if isinstance(first, Gap) else first[0])
    assert found[-1].end_s == end_s
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(found))
    assert all(i.start_s < i.end_s for i in found[:-1]) and found[-1].start_s <= end_s


# ---- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"onset": 0.3, "offset": 0.5},
            "thresholds must satisfy 0 <= offset <= onset <= 1, not offset 0.5 and onset 0.3",
        ),
        ({"onset": 1.5}, "thresholds must satisfy 0 <= offset <= onset <= 1, not offset 0.35 and onset 1.5"),
        ({"offset": -0.1}, "thresholds must satisfy 0 <= offset <= onset <= 1, not offset -0.1 and onset 0.5"),
        ({"onset": math.nan}, "thresholds must satisfy 0 <= offset <= onset <= 1, not offset 0.35 and onset nan"),
        ({"min_present_s": -1}, "min_present_s must be 0 or more seconds, not -1"),
        ({"min_absent_s": math.inf}, "min_absent_s must be 0 or more seconds, not inf"),
        ({"pad_s": math.nan}, "pad_s must be 0 or more seconds, not nan"),
    ],
    ids=str,
)
def test_impossible_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError) as error:
        IntervalOptions(**options)
    assert str(error.value) == message


def test_options_at_their_limits_are_taken() -> None:
    IntervalOptions(onset=1, offset=1)
    IntervalOptions(onset=0, offset=0, min_present_s=0, min_absent_s=0, pad_s=0)
    assert asdict(IntervalOptions()) == {
        "onset": 0.5,
        "offset": 0.35,
        "min_present_s": 0.3,
        "min_absent_s": 0.2,
        "pad_s": 0.0,
    }


# ---- against a plain offline restatement ---------------------------------------------------------------------------


def offline(times_s: list[float], scores: list[float | None], end_s: float, o: IntervalOptions) -> list[Segment]:
    """The rules in the order in which they are stated, on whole lists."""
    tolerance = 1e-6
    states, high, unknown_s = [], False, None
    for time_s, score in zip(times_s, scores, strict=True):
        if score is None:
            unknown_s = time_s if unknown_s is None else unknown_s
            states.append("unknown")
            continue
        if unknown_s is not None and time_s - unknown_s >= o.min_absent_s - tolerance:
            high = False
        unknown_s = None
        high = score >= o.onset or (high and score >= o.offset)
        states.append("present" if high else "absent")
    ends_s = [*times_s[1:], end_s]
    runs = join([(s, a, b) for s, a, b in zip(states, times_s, ends_s, strict=True)])
    presences = [[a, b] for s, a, b in runs if s == "present"]
    bridged: list[list[float]] = []
    for a, b in presences:
        if bridged and a - bridged[-1][1] < o.min_absent_s - tolerance:
            bridged[-1][1] = b
        else:
            bridged.append([a, b])
    # What is seen, in order: absences (but the bridged ones), long and short presences; unknown stretches say nothing.
    seen = [("long" if b - a >= o.min_present_s - tolerance else "short", a, b) for a, b in bridged]
    seen += [("absent", a, b) for s, a, b in runs if s == "absent" and not any(x <= a < y for x, y in bridged)]
    seen.sort(key=lambda one: one[1])
    kept = []
    for kind, group in itertools.groupby(enumerate(seen), key=lambda one: one[1][0]):
        members = list(group)
        neighbours = [seen[at][0] for at in (members[0][0] - 1, members[-1][0] + 1) if 0 <= at < len(seen)]
        if kind == "long" or (kind == "short" and "absent" not in neighbours):
            kept += [(a, b) for _, (_, a, b) in members]
    dropped = [("absent" if s == "present" else s, a, b) for s, a, b in runs]
    return pad(overlay(dropped, kept), o.pad_s)


def join(runs: list[Segment]) -> list[Segment]:
    joined: list[Segment] = []
    for state, start_s, end_s in runs:
        if joined and joined[-1][0] == state:
            joined[-1] = (state, joined[-1][1], end_s)
        elif end_s > start_s or not joined:
            joined.append((state, start_s, end_s))
    return joined


def overlay(runs: list[Segment], presences: list[tuple[float, float]]) -> list[Segment]:
    marks = sorted({t for r in runs for t in r[1:]} | {t for p in presences for t in p})  # type: ignore[arg-type]
    out = []
    for a, b in itertools.pairwise(marks):
        middle = (a + b) / 2
        state = next(s for s, x, y in runs if x <= middle < y)
        out.append(("present" if any(x <= middle < y for x, y in presences) else state, a, b))
    return join(out)


def pad(runs: list[Segment], pad_s: float) -> list[Segment]:
    out = []
    for i, (state, a, b) in enumerate(runs):
        if state == "absent":
            left = i > 0 and runs[i - 1][0] == "present"
            right = i + 1 < len(runs) and runs[i + 1][0] == "present"
            x, y = a + pad_s * left, b - pad_s * right
            if y <= x + 1e-6:
                x = y = b if left else a
            out += [("present", a, x), ("absent", x, y), ("present", y, b)]
        else:
            out.append((state, a, b))
    return [(s, round(a, 6), round(b, 6)) for s, a, b in join([r for r in out if r[2] > r[1]])]


@st.composite
def signals(draw: st.DrawFn) -> tuple[list[float], list[float | None], float, IntervalOptions]:
    pieces = draw(
        st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.45, 0.9, None]), st.integers(1, 12)), min_size=1, max_size=14)
    )
    scores = [score for score, count in pieces for _ in range(count)]
    steps = draw(st.lists(st.sampled_from([10, 40, 40, 40, 100, 300]), min_size=len(scores), max_size=len(scores)))
    times_s = [float(t) for t in np.cumsum([0, *steps[:-1]]) / 1000]
    durations = st.sampled_from([0.0, 0.04, 0.1, 0.2, 0.3, 0.5])
    options = IntervalOptions(min_present_s=draw(durations), min_absent_s=draw(durations), pad_s=draw(durations))
    return times_s, scores, times_s[-1] + steps[-1] / 1000, options


@settings(max_examples=250, deadline=None)
@given(signals())
def test_streaming_equals_the_rules_stated_offline(
    case: tuple[list[float], list[float | None], float, IntervalOptions],
) -> None:
    times_s, scores, end_s, options = case
    builder = IntervalBuilder("liver", options)
    events = [
        e
        for i, (t, s) in enumerate(zip(times_s, scores, strict=True))
        for e in builder.push(i, t, s, "?" if s is None else "")
    ]
    events += builder.close(end_s)
    assert segments_of(events, end_s) == offline(times_s, scores, end_s, options)
    assert all(a.start_s <= b.start_s and a.final_s <= b.final_s for a, b in itertools.pairwise(events))
    assert all(e.start_s <= e.final_s for e in events)
    for event in events:
        assert times_s[min(event.index, len(times_s) - 1)] >= event.start_s - 1e-6 or event.index == len(times_s)


# ---- intervals


def test_intervals_carry_frames_and_scores() -> None:
    values = [0.1, 0.2, 0.9, 0.8, 0.7, 0.6, 0.1]
    builder = IntervalBuilder("liver", IntervalOptions())
    events = [e for i, v in enumerate(values) for e in builder.push(i + 40, i / RATE_HZ, v)] + builder.close(0.7)
    times_s = [i / RATE_HZ for i in range(7)]
    intervals = intervals_from_events(events, table_of(times_s, list(values), first_index=40), 0.7)
    assert [(i.organ, i.state, i.start_s, i.end_s, i.start_index, i.end_index) for i in intervals] == [
        ("liver", "absent", 0.0, 0.2, 40, 41),
        ("liver", "present", 0.2, 0.6, 42, 45),
        ("liver", "absent", 0.6, 0.7, 46, 46),
    ]
    assert [i.mean_score for i in intervals] == pytest.approx([0.15, 0.75, 0.1])
    assert [i.peak_score for i in intervals] == pytest.approx([0.2, 0.9, 0.1])


def test_unscored_frames_have_no_part_in_mean_and_peak() -> None:
    events = events_of((0.0, 0.9), (0.1, "black"), (0.2, 0.7), (0.3, 0.8), end_s=0.4)
    [interval] = intervals_from_events(events, table_of([0.0, 0.1, 0.2, 0.3], [0.9, None, 0.7, 0.8]), 0.4)
    assert (interval.start_index, interval.end_index, interval.reason) == (0, 3, "")
    assert (interval.mean_score, interval.peak_score) == (pytest.approx(0.8), pytest.approx(0.9))


def test_a_gap_has_no_frames_no_scores_and_its_reason() -> None:
    events = events_of((0.0, 0.1), Gap(0.1, 1.0, "lost"), (1.0, 0.1), Gap(1.1, 2.0, "late"), end_s=2.0)
    absent, lost, _, late = intervals_from_events(events, table_of([0.0, 1.0], [0.1, 0.1]), 2.0)
    assert (absent.start_index, absent.end_index) == (0, 0)
    for gap, reason in ((lost, "lost"), (late, "late")):
        assert (gap.state, gap.reason, gap.start_index, gap.end_index) == ("unknown", reason, -1, -1)
        assert math.isnan(gap.mean_score) and math.isnan(gap.peak_score)


def test_an_unknown_stretch_has_frames_and_no_scores() -> None:
    [interval] = intervals_from_events(events_of((0.0, "black"), end_s=0.1), table_of([0.0], [None]), 0.1)
    assert (interval.start_index, interval.end_index, interval.reason) == (0, 0, "black")
    assert math.isnan(interval.mean_score) and math.isnan(interval.peak_score)


def test_every_organ_has_its_own_intervals_and_scores() -> None:
    events = [Event("kidney", "present", 0.0, 0, 0.1), Event("liver", "absent", 0.0, 0, 0.0), Event("kidney", "absent", 0.1, 1, 0.1)]  # fmt: skip
    scores = np.array([[0.1, 0.9], [0.2, 0.3]], np.float32)
    table = ScoreTable(("liver", "kidney"), np.arange(2), np.array([0.0, 0.1]), np.full(2, 0.1), scores, scores, ("", ""), np.ones(2, bool))  # fmt: skip
    found = intervals_from_events(events, table, 0.2)
    assert [(i.organ, i.state, i.start_s, i.end_s) for i in found] == [
        ("liver", "absent", 0.0, 0.2),
        ("kidney", "present", 0.0, 0.1),
        ("kidney", "absent", 0.1, 0.2),
    ]
    assert [i.mean_score for i in found] == pytest.approx([0.15, 0.9, 0.3])


def test_events_of_the_same_time_leave_the_last_one() -> None:
    events = [Event("liver", state, 0.1 * (n > 0), n, 0.1) for n, state in enumerate(("absent", "present", "absent"))]  # type: ignore[arg-type]
    found = intervals_from_events(events, table_of([0.0, 0.1, 0.1], [0.1, 0.9, 0.1]), 0.2)
    assert [(i.state, i.start_s, i.end_s, i.start_index, i.end_index) for i in found] == [
        ("absent", 0.0, 0.1, 0, 0),
        ("absent", 0.1, 0.2, 1, 2),
    ]


def test_frames_are_found_where_times_run_back() -> None:
    """The third frame stands where the second is: both lie in the second interval."""
    events = events_of((0.0, 0.1), (1.0, 0.9), (0.5, 0.9), (2.0, 0.1), end_s=3.0)
    found = intervals_from_events(events, table_of([0.0, 1.0, 0.5, 2.0], [0.1, 0.9, 0.9, 0.1]), 3.0)
    assert [(i.start_s, i.start_index, i.end_index) for i in found] == [(0.0, 0, 0), (1.0, 1, 2), (2.0, 3, 3)]


def test_one_set_of_options_serves_every_organ() -> None:
    one, other = IntervalOptions(onset=0.6), IntervalOptions(onset=0.7)
    assert one_per_organ(one, ("liver", "kidney")) == (one, one)
    assert one_per_organ([one, other], ("liver", "kidney")) == (one, other)
    with pytest.raises(UsageError, match=r"^2 organs need as many interval options, not 1$"):
        one_per_organ([one], ("liver", "kidney"))
    message = r"^intervals takes IntervalOptions, one for all organs or one for each, not \[IntervalOptions.*, 0\.5\]$"
    with pytest.raises(UsageError, match=message):
        one_per_organ([one, 0.5], ("liver", "kidney"))  # type: ignore[list-item]


def test_between_the_thresholds_there_is_no_presence_at_first() -> None:
    assert Hysteresis(IntervalOptions()).update(0.4, 0.0) is False


def test_an_absence_is_not_certain_while_a_presence_may_reach_over_it() -> None:
    """Presence from 0.15 s on is certain at 0.45 s, and padded by 0.2 s it begins with the clip."""
    builder = IntervalBuilder("liver", IntervalOptions(min_present_s=0.3, pad_s=0.2))
    frames = [(0.0, 0.1), (0.15, 0.9), (0.3, 0.9), (0.42, 0.9), (0.5, 0.9)]
    events = [event for index, (time_s, score) in enumerate(frames) for event in builder.push(index, time_s, score)]
    assert events == [Event("liver", "present", 0.0, 0, 0.5)]


@pytest.mark.parametrize("wrong", [{"onset": "a"}, {"offset": None}, {"pad_s": "1"}, {"min_present_s": True}])
def test_options_that_are_no_numbers_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"must (be 0 or more seconds|satisfy 0 <= offset)"):
        IntervalOptions(**wrong)  # type: ignore[arg-type]
