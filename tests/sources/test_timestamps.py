"""Times as decoders give them, put right: missing, repeated, scrambled, interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcls.sources.timestamps import Clock
from seqcls.types import Frame, Gap

MS = Fraction(1, 1000)
IMAGE = np.zeros((1, 1), np.uint8)


def run(
    ticks: Sequence[int | None], *, duration: int | None = 40, clock: Clock | None = None
) -> tuple[list[Frame | Gap], Clock]:
    clock = Clock(MS, 40, None) if clock is None else clock
    items: list[Frame | Gap] = []
    for tick in ticks:
        items += clock.add(tick, duration, IMAGE, "")
    return [*items, *clock.finish()], clock


def times_ms(items: Sequence[Frame | Gap]) -> list[float]:
    return [round(1000 * item.time_s, 6) for item in items if isinstance(item, Frame)]


CASES: dict[str, tuple[list[int | None], list[float]]] = {
    "regular": ([0, 40, 80], [0, 40, 80]),
    "one frame": ([500], [0]),
    "starts late": ([1000, 1040, 1080], [0, 40, 80]),
    "starts before zero": ([-80, -40, 0], [0, 40, 80]),
    "variable": ([0, 10, 200, 210], [0, 10, 200, 210]),
    "none at all": ([None, None, None], [0, 40, 80]),
    "one missing": ([0, None, 80, 120], [0, 40, 80, 120]),
    "first missing": ([None, 40, 80], [0, 40, 80]),
    "one repeated": ([0, 40, 40, 80, 120], [0, 40, 60, 80, 120]),
    "twice repeated": ([0, 40, 40, 40, 80], [0, 40, 60, 70, 80]),
    "pairs swapped": ([40, 0, 120, 80, 200, 160], [0, 40, 80, 120, 160, 200]),
    "clock set back": (
        [0, 40, 80, 100_000, 100_040, 100_080, 0, 40, 80],
        [0, 40, 80, 100_000, 100_040, 100_080, 100_120, 100_160, 100_200],
    ),
    "clock leaps a day": ([0, 40, 80_000_000, 80_000_040], [0, 40, 80, 120]),
}


@pytest.mark.parametrize("name", CASES)
def test_times(name: str) -> None:
    ticks, expected = CASES[name]
    clock = Clock(MS, 40, None)
    for tick in ticks:  # packets come before their frames
        clock.packet(tick, 100)
    items, clock = run(ticks, clock=clock)
    assert times_ms(items) == expected
    assert bool(clock.alarms) == ("clock" in name)
    assert bool(clock.notes) == any(word in name for word in ("missing", "repeated", "swapped", "none"))
    assert not any(isinstance(item, Gap) for item in items)


def test_a_deep_pyramid_in_decoding_order_is_sorted() -> None:
    order = [0, 160, 120, 200, 80, 280, 240, 320, 40, 360]  # shown order, stamped in the order of decoding
    clock = Clock(MS, 40, 0)
    items: list[Frame | Gap] = []
    for tick in sorted(order):
        clock.packet(tick, 100)
    for tick in order:
        items += clock.add(tick, 40, IMAGE, "")
    items += clock.finish()
    assert times_ms(items) == sorted(order) and clock.scrambled
    assert not any(isinstance(item, Gap) for item in items)


def test_a_late_frame_is_a_gap_only_when_something_is_known_to_be_lost() -> None:
    pause, _ = run([0, 40, 80, 400, 440])
    assert not any(isinstance(item, Gap) for item in pause)
    assert [round(item.duration_s, 6) for item in pause if isinstance(item, Frame)] == [0.04, 0.04, 0.32, 0.04, 0.04]

    clock = Clock(MS, 40, None)
    for tick in range(0, 480, 40):
        clock.packet(tick, 100)
    lost, _ = run([0, 40, 80, 400, 440], clock=clock)
    gap = lost[3]
    assert isinstance(gap, Gap) and (gap.start_s, gap.end_s) == (pytest.approx(0.12), pytest.approx(0.40))
    assert gap.reason == "7 frames lost"

    clock = Clock(MS, 40, None)
    clock.trouble()
    troubled, _ = run([0, 40, 80, 400, 440], clock=clock)
    assert [type(item) for item in troubled] == [Frame, Frame, Frame, Gap, Frame, Frame]


def test_holes_behind_damage_are_gaps_where_the_rate_was_regular() -> None:
    """One report of damage, two holes: 440 and 480 are missing, and 640. Without the damage they may be meant."""
    ticks = [t for t in range(0, 1000, 40) if t not in (440, 480, 640)]
    for damaged in (True, False):
        clock, items = Clock(MS, 40, None), list[Frame | Gap]()
        for tick in ticks:
            if damaged and tick == 520:
                clock.trouble()
            items += clock.add(tick, 40, IMAGE, "")
        found = [(item.start_s, item.end_s) for item in (*items, *clock.finish()) if isinstance(item, Gap)]
        assert found == ([(0.44, 0.52), (0.64, 0.68)] if damaged else [])


def test_sorted_times_show_what_was_lost() -> None:
    """Shown in order, stamped in the order of decoding; behind a report of damage three frames are missing. Which of
    some six nobody can tell: the gaps are as long as what is missing."""
    clock, items = Clock(MS, 40, 0), list[Frame | Gap]()
    stamps = [t for k in range(10) for t in (120 * k, 120 * k + 80, 120 * k + 40)]
    for place, tick in enumerate(stamps):
        clock.packet(tick, 100)
        if place in (15, 16, 17):
            clock.trouble()
        else:
            items += clock.add(tick, 40, IMAGE, "")
    items += clock.finish()
    gaps = [round(item.end_s - item.start_s, 3) for item in items if isinstance(item, Gap)]
    assert clock.was_scrambled and sum(gaps) == pytest.approx(3 * 0.04)


def test_a_damaged_time_at_the_end_does_not_make_the_clip_last_hours() -> None:
    """Of the last two packets comes nothing, and the time of one is wrong by 20 hours."""
    clock, items = Clock(MS, 40, 0), list[Frame | Gap]()
    for tick in range(0, 400, 40):
        clock.packet(tick, 100)
        items += clock.add(tick, 40, IMAGE, "")
    for tick in (400, 72_000_000):
        clock.packet(tick, 100)
    clock.trouble()
    gap = [*items, *clock.finish()][-1]
    assert isinstance(gap, Gap) and (gap.start_s, gap.end_s, gap.reason) == (0.4, 0.44, "1 frame lost")


def test_frames_behind_a_gap_are_unknown_up_to_a_key_frame() -> None:
    """Packets 3 to 5 give no frame; 6 and 7 are predicted from them, 8 is a key frame. One of long ago is none."""
    for keys, unknown in (((0, 8), [6, 7]), ((), [6, 7, 8, 9]), (range(10), [])):
        clock, items = Clock(MS, 40, 0), list[Frame | Gap]()
        for n in range(10):
            clock.packet(40 * n, 100)
            if n not in (3, 4, 5):
                items += clock.add(40 * n, 40, IMAGE, "", key=n in keys)
        items += clock.finish()
        follows = [round(f.time_s / 0.04) for f in items if isinstance(f, Frame) and "predicted from" in f.damaged]
        assert follows == unknown and sum(isinstance(item, Gap) for item in items) == 1


def test_a_container_that_is_known_to_be_damaged_makes_a_late_frame_a_loss() -> None:
    for is_known in (True, False):
        clock = Clock(MS, 40, 0)
        if is_known:
            clock.distrust()
        items, _ = run([*range(0, 480, 40), 600, 640], clock=clock)
        gaps = [(item.start_s, item.end_s) for item in items if isinstance(item, Gap)]
        assert gaps == ([(0.48, 0.6)] if is_known else [])


def test_frames_with_borrowed_times_end_nothing() -> None:
    """In an MPEG program stream: 3 to 5 are lost; the key frame 7 may be any, 10 is what it says. The last one before the
    hole may lack a part."""
    clock, items = Clock(MS, 40, 0, strict=True, borrowed=3), list[Frame | Gap]()
    for n in range(12):
        clock.packet(40 * n, 100)
        if n not in (3, 4, 5):
            items += clock.add(40 * n, 40, IMAGE, "", key=n in (0, 7, 10))
    items += clock.finish()
    reasons = {round(f.time_s / 0.04): f.damaged.split()[0] for f in items if isinstance(f, Frame) and f.damaged}
    assert reasons == {2: "damaged", 6: "predicted", 7: "predicted", 8: "predicted", 9: "predicted"}


def test_behind_damage_one_odd_distance_does_not_hide_a_hole() -> None:
    """A frame out of order lies 20 ms from its neighbour; 440 to 600 are missing."""
    for damaged in (True, False):
        clock, items = Clock(MS, 40, 0, strict=True), list[Frame | Gap]()
        for tick in (*range(0, 320, 40), 340, 360, 400, 640, 680):
            items += clock.add(tick, 40, IMAGE, "damaged picture" * (damaged and tick == 340))
        items += clock.finish()
        assert [(i.start_s, i.end_s) for i in items if isinstance(i, Gap)] == ([(0.44, 0.64)] if damaged else [])


def test_the_frame_across_a_break_is_damaged() -> None:
    clock, items = Clock(MS, 40, 0), list[Frame | Gap]()
    for tick in (0, 40, 80):
        items += clock.add(tick, 40, IMAGE, "")
    clock.spoil(40)  # is out of its hands
    clock.spoil(80)
    assert [f.damaged for f in [*items, *clock.finish()] if isinstance(f, Frame)] == ["", "", "damaged picture"]


def damaged_run(ticks: Sequence[int], *, damaged: int, packets: Sequence[int]) -> tuple[list[Frame | Gap], Clock]:
    """The frame at ``damaged`` is marked by the decoder; the packets came long before."""
    clock, items = Clock(MS, 40, None), list[Frame | Gap]()
    for tick in packets:
        clock.packet(tick, 100)
    for tick in ticks:
        items += clock.add(tick, 40, IMAGE, "damaged picture" if tick == damaged else "")
    return [*items, *clock.finish()], clock


def test_what_a_decoder_gives_too_late_moves_no_other_frame() -> None:
    """Where packets are lost, H.264 decoders give a frame of long ago, or of a little ago, behind later ones."""
    for late in (200, 2800):
        ticks = [*range(0, 160, 40), *range(240, 2800, 40), 2960, 3000, late, 3040, 3080, *range(3120, 8000, 40)]
        items, clock = damaged_run(ticks, damaged=2960, packets=range(0, 8000, 40))
        times = times_ms(items)
        place = ticks.index(late)
        assert times[:place] == ticks[:place] and times[place + 1 :] == ticks[place + 1 :]
        assert times[place] == 3020 and [f.damaged for f in items if isinstance(f, Frame)][place] == "out of order"
        assert not clock.scrambled and not clock.alarms
        assert "1 frame out of order, put behind the one before" in clock.notes


@pytest.mark.parametrize("is_marked", [True, False])
@pytest.mark.parametrize("wrong", [100, 9000, 50_000])
def test_a_single_wrong_time_moves_no_other_frame(wrong: int, is_marked: bool) -> None:
    """Bits of a time in a transport stream were turned: in the packet, and so in the frame."""
    ticks = [*range(1000, 2000, 40), wrong, *range(2040, 4000, 40)]
    clock, items = Clock(MS, 40, None), list[Frame | Gap]()
    for place, tick in enumerate(ticks):
        clock.packet(tick, 100)
        items += clock.add(tick, 40, IMAGE, "damaged picture" * (is_marked and tick == wrong)) if place else []
    items += clock.finish()
    times = [1040 + ms for ms in times_ms(items)]
    place = ticks.index(wrong)
    assert times[: place - 1] == ticks[1:place] and times[place:] == ticks[place + 1 :]
    unknown = [frame.index for frame in items if isinstance(frame, Frame) and frame.damaged]
    assert unknown == [place - 1] * (is_marked or wrong > 100), "it costs no other frame"
    assert 1960 < times[place - 1] < 2040 and bool(clock.alarms) == (not is_marked and wrong == 100)
    assert not any(isinstance(item, Gap) for item in items)


def test_times_in_the_order_of_decoding_are_right_again_behind_a_loss() -> None:
    """Two B-frames between others: shown as 0 2 3 1, stamped with the packets' own times. Of the packets 42 and 43 comes
    nothing."""
    stamps = [40 * n for k in range(40) for n in (4 * k, 4 * k + 2, 4 * k + 3, 4 * k + 1)]
    clock, items = Clock(MS, 40, 0), list[Frame | Gap]()
    for place in range(len(stamps)):
        clock.packet(40 * place, 100)
        if place < 3:
            continue  # what the decoder holds back
        shown = stamps[place - 3]
        if shown in (40 * 42, 40 * 43):
            clock.trouble()
        else:
            items += clock.add(shown, 40, IMAGE, "")
    items += clock.finish()
    times = times_ms(items)
    assert clock.scrambled and times[:40] == [40.0 * n for n in range(40)]
    assert times[50:] == [40.0 * n for n in range(52, 52 + len(times) - 50)], "two that never came take no later time"


LATE: dict[str, tuple[int | None, int | None, list[int], list[float], float]] = {
    # the track's start, the tick of the player's 0, the frames' ticks -> their times and the clip's start
    "sound first": (1500, 0, [1500, 1540], [1500, 1540], 1.5),
    "by less than a frame": (23, 0, [23, 63], [23, 63], 0.023),
    "both from ten hours": (36_001_500, 36_000_000, [36_001_500, 36_001_540], [1500, 1540], 1.5),
    "from the container's start": (1500, 1500, [1500, 1540], [0, 40], 0.0),
    "before its stated start": (80, 80, [0, 40], [0, 40], 0.0),
    "no clock of the container": (1500, None, [1500, 1540], [0, 40], 0.0),
    "a first frame behind the start": (0, 0, [20, 60], [20, 60], 0.02),
    "hours": (4_000_000, 0, [4_000_000, 4_000_040], [0, 40], 0.0),  # no sound runs so far ahead
}


@pytest.mark.parametrize("name", LATE)
def test_a_track_that_starts_late_has_the_times_of_a_player(name: str) -> None:
    start, zero, ticks, expected, start_s = LATE[name]
    items, clock = run(ticks, clock=Clock(MS, 40, start, zero=zero))
    assert times_ms(items) == expected and clock.start_s == start_s
    assert clock.end_s == pytest.approx(expected[-1] / 1000 + 0.04)


def test_frames_lost_at_a_late_start_are_a_gap_in_their_place() -> None:
    clock = Clock(MS, 40, 1500, zero=0)
    clock.packet(1500, 100)
    clock.packet(1540, 100)
    items, _ = run([1580, 1620], clock=clock)
    assert items[0] == Gap(1.5, 1.58, "2 frames lost") and times_ms(items) == [1580, 1620] and clock.start_s == 1.5


def test_a_start_can_be_put_right_before_the_first_frame() -> None:
    clock = Clock(Fraction(1, 25), 1, 0)
    clock.start_at(38)
    items, _ = run([39, 40], clock=clock, duration=1)  # one behind its packet: what reordering holds back
    assert times_ms(items) == [1520, 1560] and clock.start_s == 1.52


def test_where_the_rate_cannot_vary_a_late_frame_is_a_gap() -> None:
    ticks = [40 * k for k in range(20)]
    strict = Clock(MS, 40, None, strict=True)
    items, _ = run([*ticks, 880, 920], clock=strict)
    assert isinstance(items[20], Gap) and items[20].reason == "2 frames lost"
    irregular = Clock(MS, 40, None, strict=True)
    items, _ = run([k * 40 + (k % 3) * 9 for k in range(20)] + [1100], clock=irregular)
    assert not any(isinstance(item, Gap) for item in items)


def test_packets_that_hold_no_frame_are_not_missed() -> None:
    clock = Clock(MS, 40, None)
    for tick in range(0, 480, 40):
        clock.packet(tick, 7)
    items, _ = run([0, 40, 80, 400, 440], clock=clock)
    assert not any(isinstance(item, Gap) for item in items)


@given(st.lists(st.one_of(st.none(), st.integers(-(10**6), 10**6)), min_size=1, max_size=60))
def test_whatever_comes_the_frames_go_out_once_and_forward(ticks: list[int | None]) -> None:
    clock = Clock(MS, 40, 0)
    for tick in ticks[::2]:
        clock.packet(tick, 100)
    items, _ = run(ticks, clock=clock)
    frames = [item for item in items if isinstance(item, Frame)]
    assert [frame.index for frame in frames] == list(range(len(ticks))) and clock.delivered == len(ticks)
    starts = [item.time_s if isinstance(item, Frame) else item.start_s for item in items]
    assert starts == sorted(starts) and starts[0] == 0.0
    assert all(frame.duration_s >= 0 for frame in frames)
    assert all(item.end_s > item.start_s for item in items if isinstance(item, Gap))


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60))
def test_reliable_times_pass_unchanged(steps: list[int]) -> None:
    ticks = np.cumsum([0, *steps]).tolist()
    items, clock = run(ticks, duration=None)
    assert times_ms(items) == ticks and not clock.alarms and not clock.notes
    frames = [item for item in items if isinstance(item, Frame)]
    assert [f.duration_s for f in frames[:-1]] == pytest.approx([s / 1000 for s in steps])
