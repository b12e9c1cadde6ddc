"""A feed that breaks and is mended, on a clock that only moves when everybody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from support.feeds import DEADLINE_S, nothing_left, take  # noqa: F401 - a fixture

from seqcls.errors import FinalError, SourceError
from seqcls.feeds.connection import Arrival, Connection, FeedTiming
from seqcls.feeds.reconnect import FIRST_DURATION_S, HELD_BACK, MAX_WAITING, STOOD_STILL, ReconnectingSource
from seqcls.steady_clock import steady_s
from seqcls.types import FeedState, Frame, Gap

#: Seconds after the connection began at which frames come; then how it goes on.
Script = tuple[Sequence[float], str]


class World:
    """A clock, and the connections of one feed. Time stands still while any connection's thread is at work."""

    def __init__(self, scripts: Sequence[Script], sizes: Sequence[tuple[int, int]] = ((8, 8),)) -> None:
        self.now_s = 100.0
        self.scripts = list(scripts)
        self.sizes = sizes
        self.made: list[Scripted] = []
        self.states: list[tuple[float, FeedState, str]] = []
        self.sent = 0
        self._parked: dict[threading.Thread, tuple[float, threading.Event]] = {}
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now_s

    def connect(self) -> Connection:
        script = self.scripts[len(self.made)] if len(self.made) < len(self.scripts) else ((), "silence")
        self.made.append(Scripted(self, script))
        if script[1] == "refuse":
            raise SourceError("rtsp://user:secret@probe/1: refused; is it on?")
        return self.made[-1]

    def on_state(self, state: FeedState, reason: str) -> None:
        self.states.append((round(self.now_s - 100, 6), state, reason))

    def watched(self) -> ReconnectingSource:
        timing = FeedTiming(clock=self.clock, wait=self.wait)
        return ReconnectingSource("probe", self.connect, kind="stream", on_state=self.on_state, timing=timing)

    def park(self, until_s: float, closed: threading.Event) -> None:
        """The calling thread waits for its time, or to be closed."""
        event = threading.Event()
        with self._lock:
            self._parked[threading.current_thread()] = (until_s, event)
        while not event.wait(0.001) and not closed.is_set():
            pass
        with self._lock:
            self._parked.pop(threading.current_thread(), None)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        end_s = self.now_s + seconds
        limit_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < limit_s:
            quiet = self._quiet()
            if event.is_set():
                return True
            if quiet and not self._advance(end_s):
                return False
            time.sleep(0.0005)
        raise AssertionError("the world stands still")

    def _quiet(self) -> bool:
        with self._lock:
            busy = [t for t in threading.enumerate() if t.name == "seqcls-connection" and t not in self._parked]
            return not busy

    def _advance(self, end_s: float) -> bool:
        """To the next thread's time, which goes on then, or to ``end_s``: False."""
        with self._lock:
            due = [(until_s, thread) for thread, (until_s, _) in self._parked.items() if until_s <= end_s]
            if not due:
                self.now_s = end_s
                return False
            until_s, thread = min(due, key=lambda pair: pair[0])
            self.now_s = max(self.now_s, until_s)
            self._parked.pop(thread)[1].set()
            return True


class Scripted:
    def __init__(self, world: World, script: Script) -> None:
        self._world, (self._times_s, self._end) = world, script
        self._number = len(world.made)
        self._closed = threading.Event()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def __iter__(self) -> Iterator[Arrival]:
        world, began_s = self._world, self._world.now_s
        for time_s in self._times_s:
            world.park(began_s + time_s, self._closed)
            if self._closed.is_set():
                return
            height, width = world.sizes[self._number % len(world.sizes)]
            world.sent += 1
            yield Arrival(world.now_s, np.full((height, width), world.sent - 1, np.uint8))
        if self._end == "silence":
            world.park(float("inf"), self._closed)
        elif self._end == "raise":
            raise SourceError("https://user:secret@probe/1?token=secret: broke")
        elif self._end == "final":
            raise FinalError("https://user:secret@probe/1: the server refuses the login" + " and more" * 40)
        elif self._end == "crash":
            raise ZeroDivisionError

    def close(self) -> None:
        self._closed.set()


def frames_in(items: list[Frame | Gap]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame)]


def gaps_in(items: list[Frame | Gap]) -> list[tuple[float, float, str]]:
    return [(round(i.start_s, 6), round(i.end_s, 6), i.reason) for i in items if isinstance(i, Gap)]


EVEN = [k / 10 for k in range(1, 11)]  # ten frames, 0.1 s apart


def test_frames_keep_their_order_times_and_pictures() -> None:
    world = World([(EVEN, "silence")])
    source = world.watched()
    frames = frames_in(take(source, 10))
    assert [f.index for f in frames] == list(range(10))
    assert [f.image[0, 0] for f in frames] == list(range(10))
    assert [f.time_s for f in frames] == pytest.approx(EVEN)
    assert frames[0].duration_s == FIRST_DURATION_S
    assert [f.duration_s for f in frames[1:]] == pytest.approx([0.1] * 9)
    assert [(s, r) for _, s, r in world.states] == [("connecting", ""), ("running", ""), ("stopped", "")]
    assert source.report().delivered == 10 and source.report().gaps == () and world.made[0].closed


def test_one_late_frame_does_not_change_what_is_expected() -> None:
    late = [0.1, 0.2, 0.3, 1.9, 2.0, 2.1]
    frames = frames_in(take(World([(late, "silence")]).watched(), 6))
    assert [f.duration_s for f in frames[2:]] == pytest.approx([0.1] * 4)


def test_a_break_says_nothing_of_the_distance_between_frames() -> None:
    world = World([([0.1], "end"), ([0.1, 0.2], "silence")])
    frames = frames_in(take(world.watched(), 3))
    assert [f.duration_s for f in frames] == pytest.approx([FIRST_DURATION_S, FIRST_DURATION_S, 0.1])


def test_frames_of_one_moment_still_last() -> None:
    frames = frames_in(take(World([([0.1, 0.1, 0.1], "silence")]).watched(), 3))
    assert [f.time_s for f in frames] == pytest.approx([0.1] * 3)
    assert all(f.duration_s > 0 for f in frames)


def test_a_hole_that_nobody_saw_is_a_gap() -> None:
    """This computer slept for 4 s: the frames that waited meanwhile are all there when it looks."""
    source = World([]).watched()
    source._began_s = 100.0
    times = [0.1, 0.2, 4.2, 4.201, 4.202]
    items = [item for at in times for item in source._take(Arrival(100.0 + at, np.zeros((8, 8), np.uint8)))]
    assert [f.time_s for f in frames_in(items)] == pytest.approx(times)
    (gap,) = gaps_in(items)
    assert gap[1:] == (4.2, "no frame within 2 s") and 0.2 < gap[0] <= 0.3 and isinstance(items[2], Gap)
    assert "interrupted once" in source.report().reasons[1]


def test_images_that_waited_in_a_hole_have_no_time_of_their_own() -> None:
    """At 10 images/s this computer stands still for 4 s: 30 images that waited come within 30 ms, then they come as
    they are made. Those of the burst show what was in the hole, and are unknown."""
    source = World([]).watched()
    source._began_s = 100.0
    before, burst = [0.1 * k for k in range(1, 16)], [5.5 + 0.001 * k for k in range(30)]
    after = [5.6 + 0.1 * k for k in range(5)]
    times = [*before, *burst, *after]
    items = [item for at in times for item in source._take(Arrival(100.0 + at, np.zeros((8, 8), np.uint8)))]
    frames = frames_in(items)
    assert [f.time_s for f in frames] == pytest.approx(times) and len(gaps_in(items)) == 1
    assert [f.damaged for f in frames] == [""] * 15 + [HELD_BACK] * 30 + [""] * 5
    assert frames[-1].duration_s == pytest.approx(0.1)


class Stopped(World):
    """From ``at_s`` seconds on nothing of this computer runs for a while; what comes meanwhile waits."""

    def __init__(self, scripts: Sequence[Script], at_s: float, pause_s: float = 3.0) -> None:
        super().__init__(scripts)
        self._at_s: float | None = 100 + at_s
        self._pause_s = pause_s

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if self._at_s is None or self.now_s + seconds < self._at_s:
            return super().wait(event, seconds)
        if not super().wait(event, self._at_s - self.now_s):
            self.now_s, self._at_s = self._at_s + self._pause_s, None
        return event.is_set()


def test_a_short_pause_of_this_computer_is_a_gap_too() -> None:
    """1.5 s, in which a feed may be silent: but here nobody looked, and what waited comes at once."""
    world = Stopped([([*EVEN, 1.7, 2.0, 2.3, 2.65, 2.7, 2.8, 2.9], "silence")], 1.05, 1.5)
    items = take(world.watched(), 17)
    frames = frames_in(items)
    assert gaps_in(items) == [(pytest.approx(1.1), pytest.approx(2.55), STOOD_STILL)]
    assert [f.damaged for f in frames[10:]] == [HELD_BACK] * 3 + [""] * 4
    short = take(Stopped([([*EVEN, 1.2, 1.3, 1.5, 1.6], "silence")], 1.05, 0.4).watched(), 14)
    assert not gaps_in(short) and not any(f.damaged for f in frames_in(short))


@pytest.mark.parametrize("at_s", [1.05, 1.3, 2.9], ids=["at once", "after a look", "just before the end of the wait"])
def test_this_computers_own_pause_costs_no_connection(at_s: float) -> None:
    """Ten frames, and 3 s in which nobody could look; the next ones wait in the socket, or come just after it."""
    back_s = at_s + 3
    world = Stopped([([*EVEN, back_s - 0.5, back_s + 0.05, back_s + 0.1], "silence")], at_s)
    source = world.watched()
    items = take(source, 13)
    assert len(world.made) == 1 and [state for _, state, _ in world.states] == ["connecting", "running", "stopped"]
    assert [f.time_s for f in frames_in(items)] == pytest.approx([*EVEN, back_s, back_s + 0.05, back_s + 0.1])
    assert gaps_in(items) == [(pytest.approx(1.1), pytest.approx(back_s), STOOD_STILL)]
    assert "interrupted once" in source.report().reasons[1]


def test_after_its_own_pause_this_computer_waits_as_long_as_was_left() -> None:
    """Half a second without a frame, 1 s of pause, and a second and a half without a frame: that is a stall."""
    world = Stopped([(EVEN, "silence"), ([0.0], "silence")], at_s=1.5, pause_s=1.0)
    items = take(world.watched(), 11)
    assert [reason for *_, reason in gaps_in(items)] == ["no frame within 2 s"]
    (stalled_s,) = (at_s for at_s, state, _ in world.states if state == "stalled")
    assert 4.0 - 0.25 <= stalled_s <= 4.25


def test_a_connection_that_a_long_sleep_has_cost_is_not_the_feeds_fault() -> None:
    """Ten minutes; then nothing comes any more, the connection is given up, and another takes its place."""
    world = Stopped([(EVEN, "silence"), ([0.0, 0.1], "silence")], at_s=1.1, pause_s=600.0)
    items = take(world.watched(), 12)
    ((start_s, end_s, reason),) = gaps_in(items)
    assert reason == STOOD_STILL and start_s == pytest.approx(1.1) and 601 < end_s < 604.6
    assert {r for _, state, r in world.states if state in ("stalled", "retrying")} == {STOOD_STILL}


def test_a_consumer_that_takes_its_time_is_no_silence_of_the_feed() -> None:
    """3 s with each of two frames, while the connection has the next one already."""
    world = World([([0.1, 0.2, 0.3], "silence")])
    source, numbers = world.watched(), []
    for item in source:
        if isinstance(item, Frame):
            numbers.append(item.index)
            if len(numbers) == 3:
                source.close()
            world.now_s += 3.0
    assert numbers == [0, 1, 2] and len(world.made) == 1


def test_a_stall_is_told_at_once_and_is_a_gap() -> None:
    world = World([(EVEN, "silence"), ([0.2, 0.3], "silence")])
    items = take(world.watched(), 12)
    # The last frame comes at 1.0 and lasts 0.1; the stall shows 2 s after it, the next try comes 0.5 s later.
    assert gaps_in(items) == [(1.1, 3.7, "no frame within 2 s")]
    assert isinstance(items[10], Gap) and [f.index for f in frames_in(items)] == list(range(12))
    assert world.states == [
        (0.0, "connecting", ""),
        (0.1, "running", ""),
        (3.0, "stalled", "no frame within 2 s"),
        (3.0, "retrying", "no frame within 2 s"),
        (3.7, "running", ""),
        (3.8, "stopped", ""),
    ]
    assert world.made[0].closed


def test_an_outage_is_told_while_it_lasts() -> None:
    world = World([(EVEN, "silence"), ([0.2], "silence")])
    source, told = world.watched(), []
    for item in source:
        told.append((item, world.now_s))
        if isinstance(item, Frame) and item.index == 10:
            source.close()
    gaps = [(item, now_s) for item, now_s in told if isinstance(item, Gap)]
    assert [(round(g.start_s, 6), round(g.end_s, 6)) for g, _ in gaps] == [(1.1, 3.0), (3.0, 3.7)]
    assert gaps[0][1] - gaps[1][1] == pytest.approx(3.0 - 3.7)  # not when frames come again


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("end", "the connection ended"),
        ("raise", "https://***@probe/1?token=***: broke"),
        ("crash", "ZeroDivisionError"),
    ],
)
def test_a_break_costs_no_frame_that_came_before_it(end: str, reason: str) -> None:
    world = World([(EVEN, end), (EVEN, end), (EVEN, "silence")])
    source = world.watched()
    items = take(source, 30)
    assert [f.image[0, 0] for f in frames_in(items)] == list(range(30)) and world.sent == 30
    # Breaks at 1.0 and (1.5 + 1.0): retried 0.5 and 1.0 s later, first frames 0.1 s after that.
    assert gaps_in(items) == [(1.1, 1.6, reason), (2.6, 3.6, reason)]
    assert [s for _, s, _ in world.states if s in ("stalled", "retrying")] == ["stalled", "retrying"] * 2
    report = source.report()
    assert report.verdict == "unknown" and "interrupted 2 times, 1.50 s in all" in report.reasons
    assert list(report.gaps) == [item for item in items if isinstance(item, Gap)]


def test_an_outage_in_which_watching_ends_lasts_until_then() -> None:
    """The last frame ends at 1.1 s, the feed never comes back, and watching ends at 9 s."""
    world = World([(EVEN, "end"), *[((), "refuse")] * 9])
    source = world.watched()
    items = iter(source)
    while not isinstance(next(items), Gap):
        pass
    world.now_s = 109.0
    source.close()
    assert list(items) == []
    assert "interrupted once, 7.90 s in all" in source.report().reasons


def test_twenty_breaks_lose_no_frame_and_leave_a_gap_each() -> None:
    world = World([(EVEN, "raise")] * 20 + [(EVEN, "silence")])
    source = world.watched()
    items = take(source, 210)
    assert [f.image[0, 0] for f in frames_in(items)] == list(range(210))
    assert [f.index for f in frames_in(items)] == list(range(210))
    assert len(gaps_in(items)) == len(source.report().gaps) == 20 and all(made.closed for made in world.made)


def test_waits_double_up_to_the_longest() -> None:
    world = World([((), "refuse")] * 8 + [([0.0], "silence")])
    items = take(world.watched(), 1)
    tries = [at_s for at_s, state, _ in world.states if state == "stalled"]
    assert np.diff(tries) == pytest.approx([0.5, 1, 2, 4, 8, 10, 10])
    reason = "rtsp://***@probe/1: refused; is it on?"
    assert gaps_in(items) == [(0.0, 45.5, reason)]
    assert {r for _, s, r in world.states if s in ("stalled", "retrying")} == {reason}


def test_the_first_cause_is_the_gaps_reason() -> None:
    world = World([([0.1], "silence"), ((), "refuse"), ((), "end"), ([0.0], "silence")])
    assert [reason for *_, reason in gaps_in(take(world.watched(), 2))] == ["no frame within 2 s"]


@pytest.mark.parametrize(("good_s", "wait_s"), [(9.9, 2.0), (10.0, 0.5)])
def test_ten_good_seconds_forget_earlier_breaks(good_s: float, wait_s: float) -> None:
    steady = [0.1 * k for k in range(round(good_s * 10) + 1)]
    world = World([((), "refuse"), ((), "refuse"), (steady, "end"), ([0.0], "silence")])
    take(world.watched(), len(steady) + 1)
    (broke_s,) = (at_s for at_s, state, reason in world.states if state == "stalled" and "ended" in reason)
    assert world.states[-2][:2] == (pytest.approx(broke_s + wait_s), "running")


def test_a_connection_has_longer_for_its_first_frame() -> None:
    world = World([([9.9], "silence"), ((), "silence"), ([0.0], "silence")])
    take(world.watched(), 2)
    stalls = [(at_s, reason) for at_s, state, reason in world.states if state == "stalled"]
    assert stalls == [(11.9, "no frame within 2 s"), (22.4, "no frame within 10 s")]


def test_a_picture_of_another_size_passes() -> None:
    world = World([([0.1], "end"), ([0.1], "end"), ([0.1], "silence")], sizes=((8, 8), (16, 24)))
    frames = frames_in(take(world.watched(), 3))
    assert [f.image.shape for f in frames] == [(8, 8), (16, 24), (8, 8)]


def test_a_break_shorter_than_a_frame_leaves_no_gap_but_is_told() -> None:
    slow = [1.0, 2.0, 3.0]
    world = World([(slow, "end"), ([0.0], "silence")])
    source = world.watched()
    items = take(source, 4)
    assert gaps_in(items) == [] and [f.time_s for f in frames_in(items)] == pytest.approx([1, 2, 3, 3.5])
    assert any("interrupted once" in reason for reason in source.report().reasons)


@pytest.mark.parametrize("before", [[], [((), "refuse"), ((), "end")]], ids=["at once", "after other breaks"])
def test_what_is_final_before_the_first_frame_ends_it_with_its_reason(before: list[Script]) -> None:
    world = World([*before, ((), "final"), (EVEN, "silence")])
    with pytest.raises(FinalError) as caught:
        list(world.watched())
    assert str(caught.value) == "https://***@probe/1: the server refuses the login" + " and more" * 40
    assert len(world.made) == len(before) + 1 and world.states[-1][1:] == ("stopped", "")


def test_what_is_final_after_frames_is_tried_again() -> None:
    world = World([(EVEN, "end"), ((), "final"), (EVEN, "final"), (EVEN, "silence")])
    assert len(frames_in(take(world.watched(), 30))) == 30
    tries = [at_s for at_s, state, _ in world.states if state == "retrying"]
    assert np.diff(tries) == pytest.approx([0.5, 1.0 + 1.0])  # the back-off of any break


# --- Closing a feed, whatever it waits for, and whatever waits for it


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


class Blocked:
    """Blocks for ever in ``where`` until closed."""

    def __init__(self, frames: int = 0) -> None:
        self.frames = frames
        self.reached, self._closed = threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[Arrival]:
        for number in range(self.frames):
            yield Arrival(steady_s(), np.full((8, 8), number % 256, np.uint8))
        self.reached.set()
        self._closed.wait(DEADLINE_S)

    def close(self) -> None:
        self._closed.set()


def test_closing_ends_a_blocked_iteration() -> None:
    states: list[str] = []
    connection = Blocked()
    source = ReconnectingSource(
        "probe", lambda: connection, kind="stream", on_state=lambda state, _: states.append(state)
    )
    consumer = in_thread(lambda: list(source))
    assert connection.reached.wait(DEADLINE_S)
    source.close()
    consumer.join(DEADLINE_S)
    assert not consumer.is_alive() and states == ["connecting", "stopped"]
    source.close()
    with pytest.raises(SourceError, match="closed"):
        iter(source)


def test_closing_ends_the_pause_between_two_tries() -> None:
    retrying = threading.Event()

    def refuse() -> Connection:
        raise SourceError("no")

    source = ReconnectingSource(
        "probe",
        refuse,
        kind="stream",
        on_state=lambda state, _: retrying.set() if state == "retrying" else None,
        timing=FeedTiming(backoff_s=(1000.0, 1000.0)),
    )
    consumer = in_thread(lambda: list(source))
    assert retrying.wait(DEADLINE_S)
    source.close()
    consumer.join(DEADLINE_S)
    assert not consumer.is_alive()


def test_a_slow_consumer_makes_the_connection_wait_and_loses_nothing() -> None:
    sent = 5 * MAX_WAITING
    connection = Blocked(frames=sent)
    source = ReconnectingSource("probe", lambda: connection, kind="stream", on_state=lambda *_: None)
    numbers = []
    for item in source:
        assert isinstance(item, Frame)
        numbers.append(int(item.image[0, 0]))
        if len(numbers) == 1:
            assert not connection.reached.wait(0.05)  # the thread waits with the rest
        if len(numbers) == sent:
            break
    source.close()
    assert numbers == list(range(sent))


def test_leaving_the_iteration_early_leaves_no_thread_behind() -> None:
    connection = Blocked(frames=3)
    source = ReconnectingSource("probe", lambda: connection, kind="stream", on_state=lambda *_: None)
    items = iter(source)
    assert isinstance(next(items), Frame)
    source.close()  # the generator is not run again; the fixture looks for the thread


def test_a_connection_made_too_late_is_closed() -> None:
    connecting, go_on = threading.Event(), threading.Event()
    connection = Blocked()

    def connect() -> Connection:
        connecting.set()
        go_on.wait(DEADLINE_S)
        return connection

    source = ReconnectingSource("probe", connect, kind="stream", on_state=lambda *_: None)
    consumer = in_thread(lambda: list(source))
    assert connecting.wait(DEADLINE_S)
    source.close()
    go_on.set()
    consumer.join(DEADLINE_S)
    assert not consumer.is_alive() and connection._closed.wait(DEADLINE_S) and not connection.reached.is_set()


def test_the_name_shows_no_credentials() -> None:
    source = ReconnectingSource("rtsp://me:secret@probe/1?key=secret", Blocked, kind="stream", on_state=lambda *_: None)
    assert source.info.name == "rtsp://***@probe/1?key=***" and "secret" not in repr(vars(source))
