"""A live run: the same answers as offline, every frame accounted for, nothing that grows, never a stale PRESENT."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.fakes import Replay, detector, frames
from support.journals import entries_of

from seqcls.errors import EngineError, UsageError
from seqcls.journal import create_journal, read_journal, resume
from seqcls.live.frame_queue import DROPPED
from seqcls.live.notify import event_id
from seqcls.live.options import LiveOptions
from seqcls.live.session import LiveSession
from seqcls.live.snapshot import LiveView, Storage
from seqcls.live.state_changes import StateChanges
from seqcls.phantom import SweepOptions, sweep
from seqcls.smoothing import SmoothingOptions
from seqcls.types import Event, Frame, FrameScore, Gap, SourceInfo

LEVELS: list[float | None] = [0.1] * 20 + [0.9] * 30 + [None] * 4 + [0.9] * 20 + [0.1] * 30
EVERY = LiveOptions(keep="every")


class Told(list[Event]):
    def event(self, event: Event) -> None:
        self.append(event)


def plain(events: Iterable[Event]) -> list[tuple[str, str, float, int]]:
    return [(e.organ, e.state, e.start_s, e.index) for e in events]


@pytest.mark.parametrize("novelty", [False, True])
@pytest.mark.parametrize("kind", ["none", "exponential", "median", "mean", "hmm"])
def test_events_are_those_of_the_clip_offline(kind: str, novelty: bool, tmp_path: Path) -> None:
    made = detector(smoothing=SmoothingOptions(kind=kind), novelty=novelty)  # type: ignore[arg-type]
    levels = [*LEVELS, *[0.5] * 15, *LEVELS[:30]] if novelty else LEVELS
    told = Told()
    journal = create_journal(
        tmp_path / "run.journal",
        organs=made.organs,
        provenance=made.provenance,
        source=SourceInfo(name="probe", kind="stream"),
    )
    session = LiveSession(made, Replay(frames(levels)), options=EVERY, journal=journal, sinks=[told.event])
    summary = session.run()
    offline = made.analyze(frames(levels))
    assert plain(told) == plain(made.stream(frames(levels)))
    assert summary.verdict == "complete" and summary.frame_counts == offline.frame_counts
    written = read_journal(tmp_path / "run.journal").timeline()
    assert str(written.intervals) == str(offline.intervals)
    assert written.report.verdict == "complete" and written.frame_counts == offline.frame_counts
    assert written.scores.raw.tobytes() == offline.scores.raw.tobytes()


def test_a_change_is_told_with_the_score_of_its_own_time() -> None:
    """Where people are shown nothing else meanwhile: not with the score that they saw last."""
    told: list[dict[str, Any]] = []
    changes = StateChanges(lambda organ, line: told.append(json.loads(line)))
    made, options = detector(organs=("liver",)), replace(EVERY, view_every_s=1000.0)
    LiveSession(made, Replay(frames(LEVELS)), options=options, sinks=[changes.event], on_view=changes.view).run()
    scores = {
        state: [one["score"] for one in told if one["state"] == state and one["index"] is not None]
        for state in ("present", "absent")
    }
    assert scores["present"] and all(score == pytest.approx(0.9, abs=0.02) for score in scores["present"])
    assert scores["absent"] and all(score == pytest.approx(0.1, abs=0.02) for score in scores["absent"])


def test_every_organ_is_told_as_unknown_before_the_source_is_asked_for_anything() -> None:
    said: list[tuple[str, str]] = []
    first = threading.Event()

    def feed() -> Iterator[Frame | Gap]:
        assert first.wait(20)
        yield from frames([0.9] * 5)

    def tell(organ: str, line: str) -> None:
        said.append((organ, json.loads(line)["state"]))
        if len(said) == 2:
            first.set()

    changes = StateChanges(tell)
    options = replace(EVERY, view_every_s=1000.0)
    LiveSession(detector(), Replay(feed()), options=options, sinks=[changes.event], on_view=changes.view).run()
    assert said[:2] == [(organ, "unknown") for organ in detector().organs]


def test_an_outage_a_pause_and_the_end_are_one_message_each_with_the_start_and_id_of_the_event() -> None:
    """Shown at once, long before the event is certain: 20 frames, an outage of 2 s, 10 frames, 10 that are paused, 10."""
    said: list[dict[str, Any]] = []
    told, views, seen, taken = Told(), list[LiveView](), threading.Condition(), threading.Semaphore(0)
    operator = SimpleNamespace(paused=False)
    changes = StateChanges(lambda organ, line: said.append(json.loads(line)))
    changes.begin("run 1")

    def on_view(view: LiveView) -> None:
        changes.view(view)
        with seen:
            views.append(view)
            seen.notify_all()

    def shown(condition: Callable[[LiveView], bool]) -> None:
        with seen:
            assert seen.wait_for(lambda: views and condition(views[-1]), 20)

    def feed() -> Iterator[Frame | Gap]:
        for index, frame in enumerate(frames([0.9] * 50)):
            assert isinstance(frame, Frame)
            if index == 20:
                session.feed_state("stalled", "no frame within 2 s")
                shown(lambda view: view.organs[0].state == "unknown" and view.feed == "stalled")
                assert [one["state"] for one in said][-1] == "unknown" and told[-1].state == "present"
                yield Gap(2.0, 4.0, "no frame within 2 s")
                session.feed_state("running")
            if index == 40:
                shown(lambda view: view.frame_counts.rejected == 10)
            operator.paused = 30 <= index < 40
            yield replace(frame, time_s=frame.time_s + (2.0 if index >= 20 else 0.0))
            assert operator.paused or taken.acquire(timeout=20)

    session = LiveSession(
        detector(organs=("liver",)), Replay(feed()), options=replace(EVERY, view_every_s=1e-3),
        sinks=[told.event, changes.event], on_view=on_view, on_taken=lambda frame: taken.release(),
        operator=operator,  # type: ignore[arg-type]
    )  # fmt: skip
    session.run()
    events = [(e.state, e.start_s, e.reason, event_id(e, "run 1")) for e in told]
    assert [event[:3] for event in events] == [
        ("present", 0.0, ""), ("unknown", 2.0, "no frame within 2 s"), ("present", 4.0, ""),
        ("unknown", 5.0, "paused"), ("present", 6.0, ""),
    ]  # fmt: skip
    messages = [(one["state"], one["start_s"], one["reason"], one["id"]) for one in said]
    assert messages[0][:2] == ("unknown", 0.0) and messages[0][2] in ("feed connecting", "not begun")
    assert [message for message in messages[1:-1]] == events
    assert messages[-1][:3] == ("unknown", 7.0, "feed stopped")
    assert all(one["time_s"] >= one["start_s"] and one["delay_s"] >= 0 for one in said)


def test_a_pause_shorter_than_the_look_ahead_is_told_once() -> None:
    """Frames 20 to 22 are paused; the smoother decides 5 frames late, so that the newest decision is one of before the
    pause for a while behind it, and must not be told again."""
    said, views = list[tuple[str, float]](), list[LiveView]()
    taken, seen, operator = threading.Semaphore(0), threading.Condition(), SimpleNamespace(paused=False)

    def tell(_: str, line: str) -> None:
        one = json.loads(line)
        said.append((one["state"], one["start_s"]))

    def on_view(view: LiveView) -> None:
        changes.view(view)
        with seen:
            views.append(view)
            seen.notify_all()

    def feed() -> Iterator[Frame | Gap]:
        for index, frame in enumerate(frames([0.9] * 50)):
            assert isinstance(frame, Frame)
            operator.paused = 20 <= index < 23
            yield frame
            if not operator.paused:
                assert taken.acquire(timeout=20)
                continue
            with seen:
                assert seen.wait_for(lambda: views[-1].frame_counts.rejected == index - 19, 20)  # noqa: B023

    changes = StateChanges(tell)
    late = SmoothingOptions(kind="mean", window_s=1.1, look_ahead_s=0.5)
    LiveSession(
        detector(organs=("liver",), smoothing=late), Replay(feed()), options=replace(EVERY, view_every_s=1e-9),
        sinks=[changes.event], on_view=on_view, on_taken=lambda frame: taken.release(),
        operator=operator,  # type: ignore[arg-type]
    ).run()  # fmt: skip
    assert said[1:-1] == [("present", 0.0), ("unknown", 2.0), ("present", 2.3)]


def test_the_delay_of_a_change_is_from_the_time_of_the_frame_that_made_it_certain() -> None:
    """A busy machine: the first frame is looked at when it comes, and the fourth one 0.5 s late."""
    now, said = [100.0], list[dict[str, Any]]()
    changes = StateChanges(lambda organ, line: said.append(json.loads(line)))

    def feed() -> Iterator[Frame | Gap]:
        for frame in frames([0.9] * 4):
            assert isinstance(frame, Frame)
            now[0] = 100.0 + frame.time_s + (0.5 if frame.index == 3 else 0.0)
            yield frame
            assert taken.acquire(timeout=20)

    taken = threading.Semaphore(0)
    session = LiveSession(
        detector(organs=("liver",)), Replay(feed()), options=EVERY, sinks=[changes.event], on_view=changes.view,
        on_taken=lambda frame: taken.release(), clock=lambda: now[0],
    )  # fmt: skip
    session.run()
    (present,) = [one for one in said if one["state"] == "present"]
    assert (present["time_s"], present["delay_s"]) == (pytest.approx(0.3), pytest.approx(0.5))


class Gate:
    """An engine that waits until it is let."""

    def __init__(self, inner: object) -> None:
        self.header = inner.header  # type: ignore[attr-defined]
        self.description = "gate"
        self._inner = inner
        self.open = threading.Event()

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert self.open.wait(20)
        return self._inner.scores(images)  # type: ignore[attr-defined, no-any-return]


def test_a_flood_drops_the_oldest_and_counts_them() -> None:
    made = detector(organs=("liver",))
    engine = Gate(made.engine)
    made = replace(made, engine=engine)

    def flood() -> Iterator[Frame | Gap]:
        yield from frames([0.1] * 50 + [0.9] * 70)
        engine.open.set()

    told = Told()
    session = LiveSession(made, Replay(flood()), options=LiveOptions(keep="latest", waiting=5), sinks=[told.event])
    summary = session.run()
    frame_counts = summary.frame_counts
    assert frame_counts.balanced and frame_counts.received == 120
    assert summary.warnings == (
        f"{frame_counts.dropped} of 120 frames were dropped, because this computer could not keep up;"
        " keep=every lets the source wait",
    )
    assert 5 <= frame_counts.classified <= 7 and frame_counts.dropped == 120 - frame_counts.classified
    assert told[-1].state == "present"
    assert ("unknown", DROPPED) in {(event.state, event.reason) for event in told}


@pytest.mark.parametrize("sizes", [((160, 120),), ((160, 120), (120, 160))], ids=["start", "another size"])
def test_frames_that_come_while_the_first_ones_are_scored_are_caught_up_with(
    sizes: tuple[tuple[int, int], ...],
) -> None:
    """24 wait for the region; 15 come while the engine works on them. Later no more than 8 may wait, as stated."""
    made = detector(organs=("liver",))
    made = replace(made, header=replace(made.header, geometry=replace(made.header.geometry, region="auto")))
    engine, taken, numbers = Gate(made.engine), threading.Semaphore(0), itertools.count()
    seen: list[int] = []

    def some(pictures: Iterator[Any], count: int, *, paced: bool) -> Iterator[Frame | Gap]:
        for picture in itertools.islice(pictures, count):
            index = next(numbers)
            yield Frame(index, index / 25, 0.04, picture.image)
            assert not paced or taken.acquire(timeout=20)

    def feed() -> Iterator[Frame | Gap]:
        engine.open.set()
        for width, height in sizes:
            options = SweepOptions(patient=3, width=width, height=height, rate_hz=25, duration_s=4, overlay=False)
            pictures = sweep(options)
            yield from some(pictures, 1, paced=True)  # what was before it is scored
            engine.open.clear()
            yield from some(pictures, 23, paced=True)
            yield from some(pictures, 15, paced=False)
            engine.open.set()
            assert all(taken.acquire(timeout=20) for _ in range(15))
        yield from some(pictures, 40, paced=True)
        engine.open.clear()
        yield from some(pictures, 20, paced=False)
        engine.open.set()

    def took(frame: Frame) -> None:
        seen.append(frame.index)
        taken.release()

    options, views = LiveOptions(keep="latest", waiting=8, view_every_s=1e-6), list[LiveView]()
    session = LiveSession(
        replace(made, engine=engine), Replay(feed()), options=options, on_taken=took, on_view=views.append
    )
    counts = session.run().frame_counts
    assert session.searched == 24 * len(sizes) and not session._searching
    first = 39 * len(sizes) + 40
    assert seen[:first] == list(range(first)), "none of those is dropped"
    searching = [view.frame_counts.received for view in views if view.frame_counts.classified < 24]
    assert {2, 12, 23} <= {*searching}, "people are shown the run while the region is sought"
    assert counts.balanced and counts.received == first + 20 and len(seen) - first in (8, 9, 10)


def test_a_menu_among_dropped_frames_is_unknown_as_it_is_offline(tmp_path: Path) -> None:
    """Shown for 0.5 s while the engine was busy: the states before it are not taken over it."""
    made = detector(organs=("liver",), gate=True)
    clip = [
        replace(f, image=np.full_like(f.image, 200)) if 22 <= f.index < 27 else f
        for f in frames([0.9] * 30)
        if isinstance(f, Frame)
    ]
    offline = [(i.state, i.start_s, i.end_s, i.reason) for i in made.analyze(clip).intervals]
    assert offline[1] == ("unknown", 2.2, 2.7, "not ultrasound")
    engine, taken = Gate(made.engine), threading.Semaphore(0)

    def feed() -> Iterator[Frame | Gap]:
        engine.open.set()
        for frame in clip:
            if frame.index == 18:
                engine.open.clear()
            yield frame
            assert frame.index >= 18 or taken.acquire(timeout=20)
        engine.open.set()

    journal = create_journal(
        tmp_path / "run.journal", organs=made.organs, provenance=made.provenance,
        source=SourceInfo(name="probe", kind="stream"),
    )  # fmt: skip
    summary = LiveSession(
        replace(made, engine=engine),
        Replay(feed()),
        options=LiveOptions(keep="latest", waiting=3),
        journal=journal,
        on_taken=lambda frame: taken.release(),
    ).run()
    live = read_journal(tmp_path / "run.journal").timeline()
    assert [(i.state, i.start_s, i.end_s, i.reason) for i in live.intervals] == offline
    assert summary.frame_counts.dropped in (8, 9) and not any("no new frame" in line for line in live.warnings)


def test_stopping_takes_what_waits_and_no_more() -> None:
    stop = threading.Event()
    told = Told()

    def endless() -> Iterator[Frame | Gap]:
        for number, item in enumerate(frames([0.9] * 100_000)):
            yield item
            if number == 40:
                stop.set()

    source = Replay(endless())
    session = LiveSession(detector(), source, options=EVERY, should_stop=stop.is_set, sinks=[told.event])
    summary = session.run()
    assert summary.frame_counts.balanced and 40 <= summary.frame_counts.received < 1000 and source.closed.is_set()
    assert ("liver", "present") in {(e.organ, e.state) for e in told}


def test_a_blocked_source_does_not_keep_a_run_from_stopping() -> None:
    stop, blocked = threading.Event(), threading.Event()
    source: Replay

    def stalling() -> Iterator[Frame | Gap]:
        yield from frames([0.9] * 5)
        blocked.set()
        source.closed.wait(60)

    source = Replay(stalling())
    views: list[LiveView] = []

    def on_view(view: LiveView) -> None:
        views.append(view)
        if blocked.is_set() and view.frame_counts.received == 5:
            stop.set()

    summary = LiveSession(detector(), source, options=EVERY, should_stop=stop.is_set, on_view=on_view).run()
    assert summary.frame_counts.received == 5 and views[-1].feed == "stopped"


def test_after_a_failing_engine_everything_is_accounted_for(tmp_path: Path) -> None:
    made = detector()

    class Broken(type(made.engine)):  # type: ignore[misc]
        def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            if len(self.batches) == 10:
                raise EngineError(f"{tmp_path}/node.xml is gone")
            return super().scores(images)  # type: ignore[no-any-return]

    made = replace(made, engine=Broken(made.header))
    journal = create_journal(
        tmp_path / "run.journal", organs=made.organs, provenance=made.provenance,
        source=SourceInfo(name="probe", kind="stream"),
    )  # fmt: skip
    with pytest.raises(EngineError, match="gone"):
        LiveSession(made, Replay(frames([0.5] * 50)), options=EVERY, journal=journal).run()
    kept = read_journal(tmp_path / "run.journal")
    assert kept.closed is not None and kept.closed.verdict == "unknown" and "node.xml is gone" in kept.closed.reasons[0]
    assert str(tmp_path) not in (tmp_path / "run.journal").read_text()
    assert kept.closed.frame_counts.balanced and kept.closed.frame_counts.classified == 10


def test_a_resumed_run_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    path, made = tmp_path / "run.journal", detector(organs=("liver",))
    journal = create_journal(
        path, organs=made.organs, provenance=made.provenance,
        source=SourceInfo(name="probe", kind="stream"),
    )  # fmt: skip
    for item in made.stream(()):
        raise AssertionError(item)
    for index, frame in enumerate(frames([0.9] * 30)):
        assert isinstance(frame, Frame)
        journal.write(FrameScore(index, frame.time_s, frame.duration_s, np.array([0.9], np.float32)))
    journal.close()  # as a kill leaves it: without a close record
    resumed = resume(path)
    told = Told()
    session = LiveSession(
        made, Replay(frames([0.9] * 30)), options=EVERY, journal=resumed.writer, resumed=resumed, sinks=[told.event]
    )
    summary = session.run()
    assert summary.frame_counts.received == summary.frame_counts.classified == 60
    timeline = read_journal(path).timeline()
    assert timeline.frame_counts.received == 60 and timeline.report.verdict == "complete"
    assert [s for s in timeline.scores.index] == list(range(60))
    assert np.all(np.diff(timeline.scores.time_s) > 0)
    states = [i.state for i in timeline.intervals]
    assert states[0] == states[-1] == "present"


def test_what_was_present_before_a_crash_is_shown_after_it(tmp_path: Path) -> None:
    """Also after a second one, whether or not the sessions before came to tell of it."""
    made, views, shown = detector(organs=("liver",)), [], []
    create_journal(
        tmp_path / "j", organs=made.organs, provenance=made.provenance,
        source=SourceInfo(name="probe", kind="stream"),
    ).close()  # fmt: skip
    for _ in range(3):
        resumed = resume(tmp_path / "j")
        feed = Replay(frames([0.1] * 20 + [0.9] * 20))
        views = []
        session = LiveSession(made, feed, options=EVERY, journal=resumed.writer, resumed=resumed, on_view=views.append)
        session.run()
        shown.append(views[-1].organs[0])
    timeline = read_journal(tmp_path / "j").timeline()
    present = [(i.start_s, i.end_s) for i in timeline.intervals if i.state == "present"]
    assert [organ.presences for organ in shown] == [1, 2, 3] and len(present) == 3
    assert [s.start_s for s in shown[-1].latest] == pytest.approx([start_s for start_s, _ in present])
    assert [s.end_s for s in shown[-1].latest] == pytest.approx([end_s for _, end_s in present])


def test_feed_states_are_journalled_and_shown(tmp_path: Path) -> None:
    made = detector()
    journal = create_journal(
        tmp_path / "run.journal", organs=made.organs, provenance=made.provenance,
        source=SourceInfo(name="probe", kind="stream"),
    )  # fmt: skip
    session: LiveSession
    views: list[LiveView] = []

    def source() -> Iterator[Frame | Gap]:
        yield from frames([0.9] * 20)
        session.feed_state("stalled", "no frame within 2 s")
        session.feed_state("stalled", "no frame within 2 s")
        yield Gap(2.0, 5.0, "stalled")
        session.feed_state("running")

    session = LiveSession(made, Replay(source()), options=EVERY, journal=journal, on_view=views.append)
    session.run()
    states = [
        entry.record.state
        for entry in entries_of(tmp_path / "run.journal")
        if hasattr(entry.record, "wall") and hasattr(entry.record, "state")
    ]
    assert states[-3:] == ["stalled", "running", "stopped"] and states.count("stalled") == 1
    assert views[-1].feed == "stopped" and all(organ.state == "unknown" for organ in views[-1].organs)


@pytest.mark.parametrize(("duration_s", "end_s"), [(1e9, 20.0), (15.0, 15.0)], ids=["stopped", "duration"])
def test_an_outage_that_a_run_ends_in_lasts_until_its_end(duration_s: float, end_s: float, tmp_path: Path) -> None:
    """2 s of frames, a try that failed 4.5 s after the start, and nothing more until somebody stops the run after 20 s."""
    made, now, stop, told = detector(organs=("liver",)), [100.0], threading.Event(), Told()
    info = SourceInfo(name="probe", kind="stream")
    journal = create_journal(tmp_path / "j", organs=made.organs, provenance=made.provenance, source=info)

    def feed() -> Iterator[Frame | Gap]:
        for frame in frames([0.9] * 20):
            assert isinstance(frame, Frame)
            now[0] = 100.0 + frame.time_s
            yield frame
        session.feed_state("stalled", "no frame within 2 s")
        yield Gap(2.0, 4.5, "no frame within 2 s")
        session.feed_state("retrying", "refused")
        now[0] = 120.0
        stop.set()
        assert source.closed.wait(20)

    source = Replay(feed())
    session = LiveSession(
        made, source, options=replace(EVERY, duration_s=duration_s), journal=journal, sinks=[told.event],
        should_stop=stop.is_set, clock=lambda: now[0],
    )  # fmt: skip
    assert session.run().end_s == pytest.approx(end_s)
    timeline = read_journal(tmp_path / "j").timeline()
    assert timeline.end_s == pytest.approx(end_s)
    spans = [(one.state, one.start_s, one.end_s, one.reason) for one in timeline.intervals]
    assert spans == [
        ("present", 0.0, pytest.approx(2.0), ""),
        ("unknown", pytest.approx(2.0), pytest.approx(end_s), "no frame within 2 s"),
    ]
    assert [event.state for event in told] == ["present", "unknown"]


def test_a_resumed_run_to_which_nothing_comes_is_unknown_until_its_end(tmp_path: Path) -> None:
    made, now, info = detector(organs=("liver",)), [100.0], SourceInfo(name="probe", kind="stream")
    journal = create_journal(
        tmp_path / "j", organs=made.organs, provenance=made.provenance, source=info,
        wall=lambda: datetime.fromtimestamp(1000, timezone.utc), monotonic=lambda: 0.0,
    )  # fmt: skip
    journal.write(FrameScore(0, 0.0, 1.0, np.array([0.9], np.float32)))
    journal.close()
    resumed = resume(tmp_path / "j", wall=lambda: datetime.fromtimestamp(1011, timezone.utc))
    stop = threading.Event()

    def feed() -> Iterator[Frame | Gap]:
        session.feed_state("retrying", "refused")
        now[0] = 109.0
        stop.set()
        assert source.closed.wait(20)
        yield from ()

    source = Replay(feed())
    session = LiveSession(
        made, source, options=EVERY, journal=resumed.writer, resumed=resumed, should_stop=stop.is_set,
        clock=lambda: now[0],
    )  # fmt: skip
    assert session.run().end_s == pytest.approx(resumed.time_s + 9.0)
    gaps = read_journal(tmp_path / "j").timeline().gaps
    assert (gaps[-1].start_s, gaps[-1].end_s, gaps[-1].reason) == (
        pytest.approx(resumed.time_s), pytest.approx(resumed.time_s + 9.0), "refused",
    )  # fmt: skip


def test_after_an_outage_no_score_of_before_it_is_shown() -> None:
    """What is decided late, 0.5 s after its frame, is 0.9 before the outage and 0.1 after it."""
    views: list[LiveView] = []
    late = [replace(f, time_s=f.time_s + 6.0) for f in frames([0.1] * 20) if isinstance(f, Frame)]
    feed = Replay([*frames([0.9] * 20), Gap(2.0, 6.0, "no frame within 2 s"), *late])
    made = detector(organs=("liver",), smoothing=SmoothingOptions(kind="mean", look_ahead_s=0.5))
    LiveSession(made, feed, options=replace(EVERY, view_every_s=1e-9), on_view=views.append).run()
    shown = [(view.organs[0].state, view.organs[0].score) for view in views if view.organs[0].score is not None]
    assert {state for state, _ in shown} == {"present", "absent"}
    assert all(score == pytest.approx(0.9 if state == "present" else 0.1, abs=0.02) for state, score in shown)


def outage_views(tmp_path: Path, before: int, resumed: bool = False) -> tuple[list[LiveView], list[float]]:
    """A feed that fails again and again after so many frames, 28 s long, and when it was tried; by a clock of its own."""
    made, now, tried, views = detector(organs=("liver",)), [50.0], [], []
    seen = threading.Condition()
    if resumed:
        journal = create_journal(tmp_path / "j", organs=made.organs, provenance=made.provenance, source=SourceInfo(name="probe", kind="stream"), wall=lambda: datetime.fromtimestamp(1000, timezone.utc), monotonic=lambda: 0.0)  # fmt: skip
        journal.write(FrameScore(0, 0.0, 1.0, np.array([0.9], np.float32)))
        journal.close()
    went_on = resume(tmp_path / "j", wall=lambda: datetime.fromtimestamp(1011, timezone.utc)) if resumed else None

    def on_view(view: LiveView) -> None:
        with seen:
            views.append(view)
            seen.notify_all()

    def source() -> Iterator[Frame | Gap]:
        for item in frames([0.9] * before):
            session.feed_state("running")
            yield item
            now[0] += 0.1
        for second in range(28):
            now[0] += 1
            session.feed_state("retrying" if second % 3 else "stalled", "refused")
            tried.append(now[0] - 50)
            with seen:
                assert seen.wait_for(
                    lambda: views and views[-1].now_s >= (11 if resumed else 0) + now[0] - 50 - 1e-6, 20
                )

    options = replace(EVERY, view_every_s=1e-3)
    session = LiveSession(
        made, Replay(source()), options=options, on_view=on_view, clock=lambda: now[0], resumed=went_on,
        storage=lambda: Storage(recording=True, written_bytes=5_000_000, free_bytes=41_000_000_000),
    )  # fmt: skip
    session.run()
    for view in views:  # what does not come is not recorded
        assert view.storage is not None and view.storage.is_recording == (view.feed == "running")
        assert ("waits for frames" in view.storage.text) == (view.feed not in ("running", "stopped"))
    return [view for view in views if view.feed in ("stalled", "retrying")], tried


def test_the_outage_counts_from_the_last_frame_whatever_is_retried(tmp_path: Path) -> None:
    views, tried = outage_views(tmp_path, 20)
    assert len(tried) == 28 and {round(view.outage_s - 0.1, 6) for view in views} >= set(range(1, 29))
    assert all(view.outage_s == pytest.approx(view.now_s - 1.9) for view in views)  # 20 frames, the last at 1.9 s
    assert views[-1].outage == "no frame for 28 s"
    past = views[-1].organs[0].past(views[-1].now_s, views[-1].known_s)
    assert (past[-1].state, past[-1].start_s, past[-1].end_s) == ("unknown", pytest.approx(2.0), pytest.approx(30.0))
    assert all(view.organs[0].since_s == pytest.approx(2.0) for view in views)  # when the last frame ended


def test_the_outage_of_a_feed_that_never_came_counts_from_the_start(tmp_path: Path) -> None:
    views, _ = outage_views(tmp_path, 0)
    assert views[-1].outage == "no frame yet, 28 s"
    past = views[-1].organs[0].past(views[-1].now_s, views[-1].known_s)
    assert [(span.state, span.start_s, span.end_s) for span in past] == [("unknown", 0.0, 28.0)]


def test_after_a_crash_the_outage_counts_from_the_last_frame_before_it(tmp_path: Path) -> None:
    """One frame until 1 s, ten seconds without seqcls, and then no feed."""
    views, _ = outage_views(tmp_path, 0, resumed=True)
    assert views[-1].now_s == 39.0 and views[-1].outage == "no frame for 38 s"


def test_nothing_grows_in_a_long_run() -> None:
    made = detector(organs=("liver",), smoothing=SmoothingOptions())
    session = LiveSession(
        made, Replay(frames(([0.1] * 20 + [0.9] * 20) * 160)), options=EVERY, on_view=lambda view: None
    )
    session.run()
    history = session._histories[0]
    assert not session._arrived_s and len(history._trace) <= 601 and len(history._spans) <= 320
    shown = history.view("running")
    assert shown.presences == len(shown.latest) > 100  # the list of presences alone is whole, at two numbers each
    assert all(s.state == "present" and s.end_s is not None and s.end_s > s.start_s for s in shown.latest[:-1])
    with pytest.raises(AssertionError):
        session._process.table()


def test_pictures_show_the_region_alone() -> None:
    views: list[LiveView] = []
    session = LiveSession(
        detector(), Replay(frames([0.5] * 10)), options=replace(EVERY, with_image=True), on_view=views.append
    )
    session.run()
    picture = views[-1].image
    assert picture is not None and picture.shape == (32, 32) and picture.dtype == np.uint8


def test_where_no_region_is_found_no_picture_is_shown_and_that_is_said() -> None:
    made = detector()
    made = replace(made, header=replace(made.header, geometry=replace(made.header.geometry, region="auto")))
    menu = np.full((120, 160), 60, np.uint8)
    menu[10:110:6, 8:150:2] = 255
    items = [Frame(k, k / 25, 0.04, menu) for k in range(30)]
    views: list[LiveView] = []
    session = LiveSession(made, Replay(items), options=replace(EVERY, with_image=True), on_view=views.append)
    summary = session.run()
    assert [region.kind for region in summary.regions] == ["none"]
    assert all(view.image is None for view in views)
    assert any("no ultrasound region found" in message for message in views[-1].messages)
    assert any("nothing of it is shown or kept" in warning for warning in summary.warnings)


@pytest.mark.parametrize(
    "wrong", [{"keep": "some"}, {"waiting": 0}, {"view_every_s": 0.0}, {"duration_s": float("nan")}], ids=str
)
def test_impossible_options(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        LiveOptions(**wrong)  # type: ignore[arg-type]


def test_what_frames_wait_for_the_region_is_part_of_the_latency() -> None:
    """24 at 25 frames/s: the first one 0.92 s, the last one not at all."""
    now, taken = [100.0], threading.Semaphore(0)
    made = detector(organs=("liver",))
    made = replace(made, header=replace(made.header, geometry=replace(made.header.geometry, region="auto")))

    def feed() -> Iterator[Frame | Gap]:
        options = SweepOptions(patient=3, width=160, height=120, rate_hz=25, duration_s=1.04, overlay=False)
        for index, picture in enumerate(sweep(options)):
            now[0] = 100.0 + index / 25
            yield Frame(index, index / 25, 0.04, picture.image)
            assert taken.acquire(timeout=20)

    session = LiveSession(
        made, Replay(feed()), options=EVERY, on_taken=lambda frame: taken.release(), clock=lambda: now[0]
    )
    p50, p95, _ = session.run().latency_ms or (0, 0, 0)
    assert session.searched == 24 and session.searched_s == pytest.approx(0.92, abs=0.041)
    assert p50 == pytest.approx(440, abs=60) and p95 == pytest.approx(880, abs=60)  # of 26, 2 did not wait


def test_latency_is_from_arrival_to_decision() -> None:
    now = [100.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    made = detector()

    scored = threading.Event()

    class Slow(type(made.engine)):  # type: ignore[misc]
        def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            now[0] += 0.040
            scored.set()
            return super().scores(images)  # type: ignore[no-any-return]

    def paced() -> Iterator[Frame | Gap]:
        first, second = frames([0.5, 0.5])
        yield first  # waits for the region: counted as well
        assert scored.wait(20)
        yield second

    session = LiveSession(replace(made, engine=Slow(made.header)), Replay(paced()), options=EVERY, clock=clock)
    assert session.run().latency_ms == pytest.approx((40, 40, 40), rel=0.03)
