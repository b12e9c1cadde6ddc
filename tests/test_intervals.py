"""The state machine: its edge cases one by one, and all of it against a plain offline restatement of the rules."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcls.errors import UsageError
from seqcls.intervals import IntervalBuilder, IntervalOptions, intervals_from_events
from seqcls.types import Event, Gap, ScoreTable

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
    """One character a frame at 10 Hz: P 0.9, m 0.4 (between offset and onset), . 0.1, ? cannot be judged."""
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
    ("one frame, too short", "P", {}, [("absent", 0, 0.1)]),
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
    ("dropped presence between unknowns", "???PP???", {}, [("unknown", 0, 0.3), ("absent", 0.3, 0.5), ("unknown", 0.5, 0.8)]),
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


def test_onset_is_told_as_soon_as_it_is_certain() -> None:
    builder = IntervalBuilder("liver", IntervalOptions(min_present_s=0.3))
    told = {index: builder.push(index, index / RATE_HZ, 0.9 if index >= 2 else 0.1) for index in range(8)}
    assert [index for index, events in told.items() if events] == [0, 5]
    assert told[5] == [Event("liver", "present", 0.2, 2, 0.5)]
    assert builder.state == "present"


def test_offset_is_told_once_it_cannot_be_bridged() -> None:
    builder = IntervalBuilder("liver", IntervalOptions(min_absent_s=0.2))
    told = {index: builder.push(index, index / RATE_HZ, 0.9 if index < 5 else 0.1) for index in range(9)}
    assert [index for index, events in told.items() if events] == [3, 7]
    assert told[7] == [Event("liver", "absent", 0.5, 5, 0.7)]


@pytest.mark.parametrize(
    "options",
    [
        {"onset": 0.3, "offset": 0.5},
        {"onset": 1.5},
        {"offset": -0.1},
        {"onset": math.nan},
        {"min_present_s": -1},
        {"min_absent_s": math.inf},
        {"pad_s": math.nan},
    ],
    ids=str,
)
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        IntervalOptions(**options)


# ---- against a plain offline restatement ---------------------------------------------------------------------------


def offline(times_s: list[float], scores: list[float | None], end_s: float, o: IntervalOptions) -> list[Segment]:
    """The rules in the order in which they are stated, on whole lists."""
    tolerance = 1e-6
    states, high, blind_s = [], False, None
    for time_s, score in zip(times_s, scores, strict=True):
        if score is None:
            blind_s = time_s if blind_s is None else blind_s
            states.append("unknown")
            continue
        if blind_s is not None and time_s - blind_s >= o.min_absent_s - tolerance:
            high = False
        blind_s = None
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
    kept = [(a, b) for a, b in bridged if b - a >= o.min_present_s - tolerance]
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


@settings(max_examples=600, deadline=None)
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


def test_intervals_carry_frames_and_scores() -> None:
    values = [0.1, 0.2, 0.9, 0.8, 0.7, 0.6, 0.1]
    builder = IntervalBuilder("liver", IntervalOptions())
    events = [e for i, v in enumerate(values) for e in builder.push(i, i / RATE_HZ, v)] + builder.close(0.7)
    column = np.array(values, np.float32)[:, None]
    index = np.arange(len(values))
    table = ScoreTable(
        ("liver",),
        index,
        index / RATE_HZ,
        np.full(len(values), 0.1),
        column,
        column,
        ("",) * len(values),
        np.ones(len(values), bool),
    )
    intervals = intervals_from_events(events, table, 0.7)
    assert [(i.state, i.start_index, i.end_index) for i in intervals] == [
        ("absent", 0, 1),
        ("present", 2, 5),
        ("absent", 6, 6),
    ]
    assert intervals[1].mean_score == pytest.approx(0.75) and intervals[1].peak_score == pytest.approx(0.9)
    assert intervals[0].start_s == 0 and intervals[-1].end_s == 0.7
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(intervals))
