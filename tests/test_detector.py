"""The stages joined: live is offline, every frame is accounted for, threads end, interruptions keep what was done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.drawn import picture
from support.fakes import BrightnessEngine, detector, frames

from seqcls.adaptive import SamplingOptions
from seqcls.detector import load
from seqcls.errors import ModelError, NoFramesError, UsageError
from seqcls.geometry import Geometry
from seqcls.intervals import IntervalOptions
from seqcls.preprocess import THUMBNAILS
from seqcls.reprocess import replay
from seqcls.smoothing import SmoothingOptions
from seqcls.sources import MemorySource
from seqcls.timeline import Provenance
from seqcls.types import Frame, Gap

SMOOTHERS = [
    SmoothingOptions(kind="none"),
    SmoothingOptions(kind="exponential"),
    SmoothingOptions(kind="median"),
    SmoothingOptions(kind="mean"),
    SmoothingOptions(kind="hmm", dwell_s=1.0),
]


def test_a_clip_becomes_a_timeline() -> None:
    timeline = detector().analyze(frames([0.1] * 5 + [0.9] * 6 + [0.1] * 4))
    assert [(i.state, i.start_s, i.end_s) for i in timeline.of("liver")] == [
        ("absent", 0.0, 0.5),
        ("present", 0.5, pytest.approx(1.1)),
        ("absent", pytest.approx(1.1), 1.5),
    ]
    present = timeline.of("liver", "present")[0]
    assert (present.start_index, present.end_index) == (5, 10) and present.mean_score == pytest.approx(0.9, abs=0.02)
    assert [i.state for i in timeline.of("kidney")] == ["present", "absent", "present"]
    assert timeline.frame_counts.received == timeline.frame_counts.classified == 15
    assert timeline.report.verdict == "complete" and timeline.coverage == 1.0


@pytest.mark.parametrize("smoothing", SMOOTHERS, ids=lambda o: o.kind)
@settings(max_examples=25, deadline=None)
@given(
    levels=st.lists(
        st.tuples(st.sampled_from([0.05, 0.3, 0.45, 0.6, 0.95, None]), st.integers(1, 12)), min_size=1, max_size=10
    )
)
def test_chunks_of_any_size_give_identical_events(
    smoothing: SmoothingOptions, levels: list[tuple[float | None, int]]
) -> None:
    clip = [level for level, count in levels for _ in range(count)]
    made = detector(smoothing=smoothing)
    one = list(made.stream(frames(clip)))
    for size in (2, 7, 64):
        assert list(made.stream(frames(clip), batch_size=size)) == one
    offline = made.analyze(frames(clip))
    for organ in made.organs:
        starts = [(e.state, e.start_s) for e in one if e.organ == organ]
        assert [(i.state, i.start_s) for i in offline.of(organ)] == starts


@pytest.mark.parametrize("smoothing", SMOOTHERS[::3], ids=lambda o: o.kind)
@settings(max_examples=10, deadline=None)
@given(levels=st.lists(st.tuples(st.sampled_from([0.05, 0.5, 0.9, None]), st.integers(1, 12)), min_size=1, max_size=8))
def test_frames_unlike_the_training_are_unknown_in_chunks_of_any_size(
    smoothing: SmoothingOptions, levels: list[tuple[float | None, int]]
) -> None:
    clip = [level for level, count in levels for _ in range(count)]
    made = detector(smoothing=smoothing, novelty=True)
    one = list(made.stream(frames(clip)))
    assert list(made.stream(frames(clip), batch_size=7)) == one
    offline = made.analyze(frames(clip))
    for organ in made.organs:
        starts = [(e.state, e.start_s, e.reason) for e in one if e.organ == organ]
        assert [(i.state, i.start_s, i.reason) for i in offline.of(organ)] == starts
    off = replace(made, novelty=False).analyze(frames(clip))
    assert str(replay(offline, novelty=False).intervals) == str(off.intervals)
    assert str(replay(off, novelty=True).intervals) == str(offline.intervals)


def test_a_stretch_unlike_the_training_is_told() -> None:
    made = detector(novelty=True).analyze(frames([0.9] * 10 + [0.5] * 10 + [0.9] * 10))
    # Averaged over six frames, 0.125 and 0.75: four strange ones make it 0.54, three 0.44.
    assert [(i.state, i.start_s, i.reason) for i in made.of("liver")] == [
        ("present", 0.0, ""), ("unknown", pytest.approx(1.3), "unlike training"), ("present", pytest.approx(2.2), ""),
    ]  # fmt: skip
    assert made.coverage == pytest.approx(0.7) and made.frame_counts.classified == 30
    used = made.provenance.novelty
    assert used is not None and (used.used, used.false_alarms) == (True, 0.004)
    assert made.warnings[-1].startswith("9 frames of 30 unlike anything that the model was trained on")
    assert Provenance.from_dict(made.provenance.to_dict(made.organs), made.organs).novelty == used
    every = detector(novelty=True)
    fewer = replace(every, sampling=SamplingOptions(kind="adaptive")).analyze(frames([0.9] * 10 + [0.5] * 10))
    assert "unlike training" in {i.reason for i in fewer.of("liver")} and fewer.frame_counts.skipped > 0


def test_a_model_that_is_half_trained_says_so_in_every_timeline() -> None:
    whole = detector()
    half = replace(whole, header=replace(whole.header, training={"interrupted": True, "epochs": 1}))
    told = half.analyze(frames([0.9] * 10)).warnings
    assert told[:1] == half.caveats and "training was interrupted" in told[0]
    assert whole.caveats == () and whole.analyze(frames([0.9] * 10)).warnings == told[1:]


def test_live_events_come_as_soon_as_they_are_certain() -> None:
    seen: list[int] = []

    def feed() -> Iterator[Frame | Gap]:
        for item in frames([0.1] * 3 + [0.9] * 9):
            seen.append(item.index if isinstance(item, Frame) else -1)
            yield item

    for event in detector(organs=("liver",)).stream(feed()):
        if event.state == "present":
            assert event.start_s == pytest.approx(0.3) and seen[-1] == 6  # 0.3 s of presence at the frame of 0.6 s
            return
    pytest.fail("the onset was never told")


def test_batches_are_full_and_none_is_lost() -> None:
    made = detector()
    timeline = made.analyze(frames([0.5] * 37), batch_size=16)
    engine = made.engine
    assert isinstance(engine, BrightnessEngine)
    assert engine.batches == [16, 16, 5] and list(timeline.scores.index) == list(range(37))


def test_damaged_frames_are_unknown_and_counted() -> None:
    timeline = detector(organs=("liver",)).analyze(frames([0.9] * 5 + [None] * 5 + [0.9] * 5))
    assert [i.state for i in timeline.of("liver")] == ["present", "unknown", "present"]
    assert (timeline.frame_counts.classified, timeline.frame_counts.rejected) == (10, 5)
    assert timeline.gaps == (Gap(0.5, 1.0, "corrupt packet"),)
    assert timeline.coverage == pytest.approx(2 / 3)
    assert np.isnan(timeline.scores.raw[5:10]).all() and not np.isnan(timeline.scores.raw[:5]).any()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["none", "mean", "exponential", "hmm"])
def test_a_score_that_is_no_number_costs_its_own_frame(kind: Any, wrong: float) -> None:
    made = detector(smoothing=SmoothingOptions(kind=kind))
    sound = made.engine.scores

    def scores(images: Any) -> Any:
        found = sound(images)
        found[found[:, 0] > 0.95, 1] = wrong
        return found

    made.engine.scores = scores  # type: ignore[method-assign]
    timeline = made.analyze(frames([0.8] * 20 + [1.0] * 10 + [0.8] * 20))
    blind = timeline.of("liver", "unknown")
    assert [(i.start_s, i.end_s, i.reason) for i in blind] == [(2.0, 3.0, "the model gave no number")]
    assert np.isnan(timeline.scores.smooth).any(axis=1).sum() == timeline.frame_counts.rejected == 10
    with pytest.raises(ModelError, match="no numbers"):
        replace(made, sampling=SamplingOptions(kind="adaptive")).analyze(frames([1.0] * 30))


def test_gaps_between_frames_reach_the_timeline() -> None:
    def feed() -> Iterator[Frame | Gap]:
        clip = list(frames([0.9] * 10))
        yield from clip[:5]
        yield Gap(0.5, 3.0, "lost")
        for frame in clip[5:]:
            assert isinstance(frame, Frame)
            yield Frame(frame.index, frame.time_s + 2.5, frame.duration_s, frame.image)

    timeline = detector(organs=("liver",)).analyze(feed())
    spans = [(i.state, i.start_s, i.end_s, i.reason) for i in timeline.of("liver")]
    assert spans == [("present", 0, 0.5, ""), ("unknown", 0.5, 3.0, "lost"), ("present", 3.0, 3.5, "")]
    assert timeline.report.gaps == (Gap(0.5, 3.0, "lost"),)


def test_a_clip_whose_images_come_late_claims_nothing_before_them() -> None:
    late = [replace(f, time_s=f.time_s + 1.5) for f in frames([0.1] * 5 + [0.9] * 5) if isinstance(f, Frame)]
    timeline = detector(("liver",)).analyze(late)
    assert (timeline.start_s, timeline.end_s, timeline.coverage) == (1.5, pytest.approx(2.5), 1.0)
    assert [(i.state, i.start_s, i.end_s) for i in timeline.intervals] == [
        ("absent", 1.5, 2.0),
        ("present", 2.0, pytest.approx(2.5)),
    ]


def test_a_change_of_picture_size_loses_no_frame() -> None:
    def feed() -> Iterator[Frame | Gap]:
        yield from frames([0.9] * 6)
        for frame in frames([0.9] * 6, size=(48, 48)):
            assert isinstance(frame, Frame)
            yield Frame(frame.index + 6, frame.time_s + 0.6, frame.duration_s, frame.image)

    timeline = detector(organs=("liver",)).analyze(feed())
    assert timeline.frame_counts.received == 12 and len(timeline.provenance.regions) == 2


def test_a_picture_size_that_changes_for_ever_does_not_fill_memory() -> None:
    def feed() -> Iterator[Frame | Gap]:
        for index in range(150):
            for frame in frames([0.9], size=(32, 32 + index)):
                assert isinstance(frame, Frame)
                yield Frame(index, index / 10, 0.1, frame.image)

    timeline = detector(organs=("liver",)).analyze(feed())
    assert timeline.frame_counts.received == 150 and len(timeline.provenance.regions) == 100


def test_stopping_keeps_what_was_read() -> None:
    asked = iter(range(100))
    timeline = detector(organs=("liver",)).analyze(frames([0.9] * 50), should_stop=lambda: next(asked) >= 20)
    assert timeline.frame_counts.received == 20 and timeline.end_s == pytest.approx(2.0)
    assert timeline.report.verdict == "interrupted" and "interrupted" in timeline.report.reasons[0]


def test_what_an_interrupted_run_did_not_read_is_unknown() -> None:
    """20 frames of 0.1 s were read of a clip that says that it lasts 5 s: 60 % of it nobody knows."""
    source = MemorySource([frame.image for frame in frames([0.9] * 50) if isinstance(frame, Frame)], rate_hz=10)
    source.info = replace(source.info, declared_duration_s=5.0)
    asked = iter(range(100))
    timeline = detector(organs=("liver",)).analyze(source, should_stop=lambda: next(asked) >= 20)
    assert timeline.end_s == 5.0 and timeline.coverage == pytest.approx(0.4)
    last = timeline.of("liver")[-1]
    assert (last.state, last.start_s, last.reason) == ("unknown", pytest.approx(2.0), "not read: interrupted")
    assert timeline.report.gaps[-1].end_s == 5.0


def test_no_frame_at_all_is_an_error() -> None:
    with pytest.raises(NoFramesError, match="holds no frame"):
        detector().analyze([])
    with pytest.raises(NoFramesError):
        detector().analyze([Gap(0, 5, "lost")])


def test_an_error_in_the_source_comes_through_and_no_thread_stays() -> None:
    def broken() -> Iterator[Frame | Gap]:
        yield from frames([0.5] * 40)
        raise ValueError("cable out")

    before = threading.active_count()
    with pytest.raises(ValueError, match="cable out"):
        detector().analyze(broken())
    assert threading.active_count() == before


def test_an_error_in_the_engine_stops_the_reader() -> None:
    closed: list[bool] = []

    def endless() -> Iterator[Frame | Gap]:
        try:
            yield from frames([0.5] * 100_000)
        finally:
            closed.append(True)

    made = detector()

    def refuse(images: object) -> object:
        raise RuntimeError("out of memory")

    made.engine.scores = refuse  # type: ignore[method-assign, assignment]
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="out of memory"):
        made.analyze(endless())
    assert threading.active_count() == before and closed == [True]


def test_leaving_a_stream_early_closes_the_feed() -> None:
    closed: list[bool] = []

    def feed() -> Iterator[Frame | Gap]:
        try:
            yield from frames([0.9] * 1000)
        finally:
            closed.append(True)

    events = detector().stream(feed())
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert closed == [True]


def test_progress_counts_up_to_the_last_frame() -> None:
    told: list[tuple[int, float]] = []
    detector().analyze(frames([0.5] * 20), on_progress=lambda done, time_s: told.append((done, time_s)))
    assert told[-1] == (20, pytest.approx(1.9)) and [d for d, _ in told] == sorted(d for d, _ in told)


def test_thumbnails_are_few_spread_and_inside_the_region() -> None:
    timeline = detector().analyze(frames([0.5] * 500))
    times = [time_s for time_s, _ in timeline.thumbnails]
    assert times == pytest.approx([0.8 * number for number in range(63)])  # of 500 frames at 10 Hz each eighth
    assert len(times) <= THUMBNAILS == 64  # 64 of 224 pixels squared: 3.2 MB
    assert all(picture.shape == (16, 16) for _, picture in timeline.thumbnails)


def test_a_missing_model_is_one_line() -> None:
    with pytest.raises(ModelError, match=r"nowhere\.safetensors"):
        load("nowhere.safetensors")
    assert UsageError.exit_code == 2


# Plain images


def plain_images(levels: list[float]) -> list[Any]:
    return [item.image for item in frames(levels) if isinstance(item, Frame)]


def test_plain_images_give_what_frames_give() -> None:
    levels = [0.1] * 5 + [0.9] * 6 + [0.1] * 4
    made, images = detector(), plain_images(levels)
    expected = list(made.stream(frames(levels)))
    assert [(e.state, e.start_s) for e in expected if e.organ == "liver"][1] == ("present", 0.5)
    for clip in (images, iter(images), np.stack(images), [np.dstack([image] * 3) for image in images]):
        events = list(made.stream(clip, rate_hz=10))
        assert [(e.organ, e.state, e.start_s, e.index) for e in events] == [
            (e.organ, e.state, e.start_s, e.index) for e in expected
        ]
    timeline = made.analyze(images, rate_hz=10)
    assert timeline.intervals == made.analyze(frames(levels)).intervals
    assert (timeline.source.rate_hz, timeline.end_s) == (10, 1.5)


def test_wrong_images_are_refused_by_stream_and_analyze() -> None:
    made, image = detector(), plain_images([0.5])[0]
    good = [image]
    for wrong in ([image / 255.0], good, image, None):
        for rate_hz in (None, float("nan"), 10.0):
            if wrong is good and rate_hz == 10:
                continue
            with pytest.raises(UsageError):
                list(made.stream(wrong, rate_hz=rate_hz))  # type: ignore[arg-type]
            with pytest.raises(UsageError):
                made.analyze(wrong, rate_hz=rate_hz)  # type: ignore[arg-type]
    for batch_size in (0, 1.5, True):
        with pytest.raises(UsageError, match="batch_size"):
            made.stream([image], rate_hz=10, batch_size=batch_size)  # type: ignore[arg-type]
    with pytest.raises(NoFramesError):
        made.analyze([], rate_hz=10)


def test_an_opened_source_has_its_own_times() -> None:
    made = detector()
    with pytest.raises(UsageError, match="frames is open and has its times"):
        made.analyze(MemorySource(frames([0.5] * 3)), rate_hz=10)
    assert len(made.analyze(MemorySource(frames([0.5] * 3))).scores.index) == 3


def test_score_gives_calibrated_probabilities() -> None:
    made, levels = detector(), [0.1, 0.9, 0.4] * 7
    scores = made.score(plain_images(levels))
    assert scores.shape == (21, 2) and scores.dtype == np.float32
    assert scores[:3, 0] == pytest.approx(
        [0.1, 0.9, 0.4], abs=0.02
    )  # brightness is the liver, its complement the kidney
    assert scores.sum(axis=1) == pytest.approx(1)
    assert np.array_equal(made.score(np.stack(plain_images(levels))), scores)
    assert np.array_equal(made.analyze(frames(levels)).scores.raw, scores)
    with pytest.raises(NoFramesError, match="no image"):
        made.score([])
    with pytest.raises(UsageError, match="float64"):
        made.score([plain_images([0.5])[0] / 255])


def test_score_finds_the_region_that_a_clip_has() -> None:
    images = [np.pad(picture(True, index), ((20, 20), (0, 60))) for index in range(40)]
    made = detector(organs=("liver",))
    header = replace(made.header, geometry=Geometry(size=16))
    made = replace(made, header=header)
    timeline = made.analyze(images, rate_hz=10)
    assert np.array_equal(made.score(images), timeline.scores.raw)
    whole = replace(made, header=replace(header, geometry=Geometry(size=16, region="none")))
    assert (whole.score(images) < made.score(images)).all()  # the black around the sector counts there


def test_a_detector_is_shown_in_one_line() -> None:
    assert repr(detector()) == "Detector(liver, kidney; model, none smoothing, every sampling)"


# Several clips


@pytest.mark.parametrize("duration_s", [0.0, 0.04])
@pytest.mark.parametrize(
    ("level", "state", "coverage"), [(0.1, "absent", 1.0), (0.9, "present", 1.0), (None, "unknown", 0.0)]
)
def test_a_single_frame_has_a_state_and_a_probability(
    level: float | None, state: str, coverage: float, duration_s: float
) -> None:
    still = [replace(frame, duration_s=duration_s) for frame in frames([level]) if isinstance(frame, Frame)]
    timeline = detector(("liver",), intervals=IntervalOptions(pad_s=0.2)).analyze(still)
    [interval] = timeline.intervals
    assert (interval.state, interval.start_s, interval.end_s) == (state, 0.0, duration_s)
    assert (interval.start_index, interval.end_index) == (0, 0) and timeline.coverage == coverage
    if level is not None:
        assert interval.mean_score == interval.peak_score == pytest.approx(level, abs=0.01)


@pytest.mark.parametrize("hint", [(0, 0, 10), "a", (50, 50, 20, 20), (0, 0, 0, 0), (0, 0, 1.5, 2)])
def test_a_hint_is_a_box(hint: Any) -> None:
    image = np.zeros((40, 40), np.uint8)
    for ask in (lambda: detector().score([image], hint=hint), lambda: detector().stream([image], rate_hz=1, hint=hint)):
        with pytest.raises(UsageError, match="hint takes"):
            ask()


@pytest.mark.parametrize("option", ["smoothing", "gate", "sampling", "intervals"])
def test_options_are_records_and_not_their_names(option: str) -> None:
    wrong: Any = {option: ("a", "b") if option == "intervals" else "a"}
    with pytest.raises(UsageError, match=f"{option} takes .*Options"):
        replace(detector(), **wrong)
