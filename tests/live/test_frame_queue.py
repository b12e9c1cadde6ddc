"""Frames on their way to a run: which are dropped, what is counted, and when each arrived."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator

import pytest
from support.fakes import frames

from seqcls.live.frame_queue import DROPPED, FrameQueue, shifted
from seqcls.types import Frame, Gap


def drained(feed: FrameQueue) -> list[Frame | Gap]:
    return [item for _, item in iter(lambda: feed.get(20), None)]


def test_every_makes_the_source_wait() -> None:
    taken = 0

    def source() -> Iterator[Frame | Gap]:
        nonlocal taken
        for item in frames([0.5] * 100):
            taken += 1
            yield item

    feed = FrameQueue(source(), keep="every", limit=3)
    first = feed.get(20)
    assert first is not None and taken <= 6
    got = [first] + [arrival for arrival in iter(lambda: feed.get(20), None)]
    assert len(got) == 100 and feed.dropped == 0 and feed.ended and feed.join(20)


def test_gaps_are_never_dropped() -> None:
    items = [Gap(i, i + 1.0, "lost") for i in range(20)]
    feed = FrameQueue(iter(items), keep="latest", limit=1)
    assert feed.join(20)
    assert [item for _, item in iter(lambda: feed.get(1), None)] == items


def test_the_latest_frames_are_kept_and_the_others_counted() -> None:
    items = list(frames([0.1, 0.2, 0.3, 0.4, 0.5]))
    items.insert(2, Gap(0.15, 0.2, "lost"))
    seen: list[int] = []
    feed = FrameQueue(iter(items), keep="latest", limit=2, on_frame=lambda frame: seen.append(frame.index))
    assert feed.join(20)
    assert drained(feed) == [items[2], items[4], items[5]]  # the gap, and the last two frames
    assert (feed.received, feed.dropped, seen) == (5, 3, [0, 1, 2, 3, 4]) and feed.ended


def test_more_may_wait_for_a_while() -> None:
    start, go = threading.Event(), threading.Event()

    def source() -> Iterator[Frame | Gap]:
        start.wait(20)
        yield from itertools.islice(items, 7)
        go.wait(20)
        yield from items

    items = frames([0.5] * 8)
    seen = threading.Semaphore(0)
    feed = FrameQueue(source(), keep="latest", limit=2, on_frame=lambda frame: seen.release())
    feed.allow(3)
    start.set()
    assert all(seen.acquire(timeout=20) for _ in range(7)) and feed.dropped == 2
    feed.allow(0)
    go.set()
    assert feed.join(20)
    assert [item.index for item in drained(feed) if isinstance(item, Frame)] == [6, 7] and feed.dropped == 6


def dropped(count: int, check: Callable[[Frame], str] = lambda frame: "") -> list[Frame | Gap]:
    """What is left of so many frames at 10 Hz where nobody takes one until the last two wait."""
    feed = FrameQueue(frames([0.5] * count), keep="latest", limit=2, check=check)
    assert feed.join(20) and feed.dropped == count - 2
    return [item if isinstance(item, Gap) else item.index for item in drained(feed)]  # type: ignore[misc]


def test_a_long_stretch_of_dropped_frames_is_unknown_a_short_one_is_not() -> None:
    assert dropped(12) == [10, 11]  # 1.0 s
    assert dropped(13) == [Gap(0.0, 1.1, DROPPED), 11, 12]


def test_dropped_frames_that_are_not_scorable_are_unknown_for_their_reason() -> None:
    def menu(frame: Frame) -> str:
        return "not ultrasound" if 3 <= frame.index < 6 else ""

    assert dropped(10, menu) == [Gap(0.3, 0.6, "not ultrasound"), 8, 9]
    long = [Gap(0.0, 0.3, DROPPED), Gap(0.3, 0.6, "not ultrasound"), Gap(0.6, 1.8, DROPPED), 18, 19]
    assert dropped(20, menu) == long


def test_dropped_frames_before_and_behind_a_gap_stay_apart() -> None:
    items: list[Frame | Gap] = list(frames([0.5] * 40))
    items.insert(20, Gap(1.95, 2.0, "lost"))
    feed = FrameQueue(iter(items), keep="latest", limit=2)
    assert feed.join(20)
    assert drained(feed)[:3] == [Gap(0.0, 1.95, DROPPED), items[20], Gap(2.0, 3.8, DROPPED)]


def test_each_item_comes_with_its_time_of_arrival() -> None:
    now = iter([7.0, 7.5])
    feed = FrameQueue(frames([0.1, 0.2]), keep="latest", limit=2, clock=lambda: next(now))
    assert feed.join(20)
    assert [arrival_s for arrival_s, _ in iter(lambda: feed.get(20), None)] == [7.0, 7.5]


def test_after_stop_no_more_is_taken_from_the_source() -> None:
    go = threading.Event()

    def source() -> Iterator[Frame | Gap]:
        first, *rest = frames([0.5] * 5)
        yield first
        assert go.wait(20)
        yield from rest

    feed = FrameQueue(source(), keep="every", limit=8)
    assert feed.get(20) is not None
    feed.close()
    go.set()
    assert feed.join(20) and feed.get(0.0) is None and (feed.received, feed.dropped) == (1, 0)


def test_what_reading_raises_is_raised_after_the_frames() -> None:
    def source() -> Iterator[Frame | Gap]:
        yield from frames([0.5])
        raise OSError("the card is gone")

    feed = FrameQueue(source(), keep="latest", limit=2)
    assert feed.join(20) and feed.get(20) is not None and not feed.ended
    with pytest.raises(OSError, match="gone"):
        feed.get(20)
    assert feed.ended


def test_items_are_shifted_behind_those_of_the_run_before() -> None:
    first, gap, last = shifted([*frames([0.5]), Gap(0.1, 0.3, "lost"), *frames([0.5])], 40, 8.0)
    assert isinstance(first, Frame) and (first.index, first.time_s, first.duration_s) == (40, 8.0, 0.1)
    assert gap == Gap(8.1, 8.3, "lost") and isinstance(last, Frame) and last.index == 40
