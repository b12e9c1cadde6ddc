"""Times by the clock of the device: the network's jitter is gone, and no wrong clock moves anything."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.feeds import ignore, take

from seqcls.feeds.connection import Arrival, FeedTiming
from seqcls.feeds.reconnect import ReconnectingSource
from seqcls.feeds.sender_clock import MAX_BEHIND_S, SPAN_S, SenderClock
from seqcls.types import Frame

EPOCH_S = 1.7e9  # a sender that knows the date
STEP_S = 0.04
TRUSTED = round(2 * SPAN_S / STEP_S) + 8  # frames, with those that jitter adds, before the clock can be trusted
EARLY = round(2 * SPAN_S / STEP_S) - 3  # frames before which it cannot


def arrivals(count: int, seed: int, jitter_s: float = 0.08) -> list[float]:
    """Of frames sent every 40 ms over a network that keeps their order."""
    chance, last_s, found = random.Random(seed), 0.0, []
    for number in range(count):
        last_s = max(last_s, 100.0 + number * STEP_S + chance.uniform(0.0, jitter_s))
        found.append(last_s)
    return found


def stamps(count: int, rate: float = 1.0) -> list[float]:
    return [EPOCH_S + number * STEP_S * rate for number in range(count)]


def times(arrived: Iterable[float], stamped: Iterable[float]) -> list[float]:
    clock = SenderClock()
    return [clock.time_s(arrival_s, stamp_s) for arrival_s, stamp_s in zip(arrived, stamped, strict=True)]


def must_be_honest(told: list[float], arrived: list[float]) -> None:
    assert all(a <= b for a, b in pairwise(told))
    assert all(arrival - MAX_BEHIND_S - 1e-6 <= time <= arrival for time, arrival in zip(told, arrived, strict=True))


@pytest.mark.parametrize("jitter_s", [0.001, 0.02, 0.08])
@pytest.mark.parametrize("seed", range(5))
def test_jitter_of_the_network_is_gone(seed: int, jitter_s: float) -> None:
    arrived = arrivals(750, seed, jitter_s)
    told = times(arrived, stamps(750))
    must_be_honest(told, arrived)
    late = np.array(told) - 100.0 - np.arange(750) * STEP_S
    assert np.all((late[TRUSTED:] >= -1e-6) & (late[TRUSTED:] < 0.1 * jitter_s + 1e-6))
    assert np.all(np.abs(np.diff(told[TRUSTED:]) - STEP_S) < 0.1 * jitter_s + 1e-6)


def test_until_the_clock_is_known_the_arrival_counts() -> None:
    arrived = arrivals(TRUSTED + 50, 1)
    told = times(arrived, stamps(TRUSTED + 50))
    assert told[:EARLY] == arrived[:EARLY] and told[-50:] != arrived[-50:]


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    events=st.lists(
        st.tuples(
            st.integers(0, 900),
            st.sampled_from(["step", "zero", "repeat", "rate", "late"]),
            st.floats(-3.0, 3.0, allow_nan=False),
        ),
        max_size=6,
    ),
)
def test_whatever_the_clock_does_times_are_honest(seed: int, events: list[tuple[int, str, float]]) -> None:
    arrived: list[float] = []
    stamped: list[float] = []
    chance, planned = random.Random(seed), {number: (kind, size) for number, kind, size in events}
    now_s, stamp_s, rate = 50.0, EPOCH_S, 1.0
    for number in range(900):
        kind, size = planned.get(number, ("", 0.0))
        now_s += STEP_S + (abs(size) if kind == "late" else 0.0)
        stamp_s += STEP_S * rate + (size if kind == "step" else 0.0) - (STEP_S * rate if kind == "repeat" else 0.0)
        rate = 1.0 + size / 30 if kind == "rate" else rate
        arrived.append(max(arrived[-1] if arrived else 0.0, now_s + chance.uniform(0.0, 0.08)))
        stamped.append(0.0 if kind == "zero" else stamp_s)
    must_be_honest(times(arrived, stamped), arrived)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 100.0)), max_size=200))
def test_any_stamps_give_honest_times(pairs: list[tuple[float, float]]) -> None:
    arrived = list(np.cumsum([distance_s for distance_s, _ in pairs]))
    must_be_honest(times(arrived, [stamp_s for _, stamp_s in pairs]), arrived)


@pytest.mark.parametrize(
    "stamped",
    [
        [0.0] * 1500,
        [EPOCH_S] * 1500,
        [float(int(stamp_s)) for stamp_s in stamps(1500)],
        stamps(1500)[::-1],
        stamps(1500, 0.5),
        stamps(1500, 0.98),
        stamps(1500, 0.993),
        stamps(1500, 2.0),
    ],
    ids=["none", "stands still", "whole seconds", "backwards", "half speed", "2 % slow", "0.7 % slow", "double speed"],
)
def test_a_clock_that_is_not_sound_is_not_used(stamped: list[float]) -> None:
    arrived = arrivals(1500, 2, 0.0)
    assert times(arrived, stamped) == arrived


def test_a_quartz_may_drift() -> None:
    arrived = arrivals(3000, 3, 0.0)
    for rate in (1 - 1e-4, 1 + 1e-4):
        told = times(arrived, stamps(3000, rate))
        assert max(np.array(arrived) - told) < 0.0015


@pytest.mark.parametrize("step_s", [-0.3, -5.0, 5.0, 0.3], ids=lambda step_s: f"{step_s:+} s")
def test_a_step_of_the_clock_moves_nothing(step_s: float) -> None:
    arrived = arrivals(1200, 4)
    stamped = [stamp_s + (step_s if number >= 600 else 0.0) for number, stamp_s in enumerate(stamps(1200))]
    told = times(arrived, stamped)
    late = np.array(told) - 100.0 - np.arange(1200) * STEP_S
    assert np.all((late > -1e-6) & (late < 0.081))
    assert told[600] == arrived[600]
    if step_s != 0.3:  # less than is believed of a network, and forwards: as if it had become quicker
        assert told[600 : 600 + EARLY] == arrived[600 : 600 + EARLY]
    assert np.all(late[600 + TRUSTED :] < 0.008)


def test_frames_held_up_for_longer_than_can_be_believed_count_as_they_arrive() -> None:
    arrived = arrivals(800, 5, 0.0)
    held = [
        max(arrival_s, 100.0 + 430 * STEP_S) if number >= 400 else arrival_s for number, arrival_s in enumerate(arrived)
    ]
    told = times(held, stamps(800))
    must_be_honest(told, held)
    assert told[400] == held[400]


def test_the_probes_frames_have_the_senders_rhythm() -> None:
    image = np.zeros((4, 4), np.uint8)

    class Connection:
        def __iter__(self) -> Iterator[Arrival]:
            for arrival_s, stamp_s in zip(arrivals(600, 6), stamps(600), strict=True):
                yield Arrival(arrival_s, image, device_time_s=stamp_s)

        def close(self) -> None: ...

    timing = FeedTiming(clock=lambda: 100.0)
    source = ReconnectingSource("probe", Connection, kind="openigtlink", on_state=ignore, timing=timing)
    came = [item.time_s for item in take(source, 600) if isinstance(item, Frame)]
    assert came == pytest.approx(np.array(times(arrivals(600, 6), stamps(600))) - 100.0)
    assert np.all(np.abs(np.diff(came[TRUSTED:]) - STEP_S) < 0.008)
