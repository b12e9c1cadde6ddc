"""Adaptive sampling: fewer inferences, the same intervals wherever the stated assumption holds."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.fakes import detector, frames

from seqcls.adaptive import NOVELTY_MARGIN, AdaptiveScorer, SamplingOptions, shortest_s
from seqcls.errors import UsageError
from seqcls.exports import read_run, write_run
from seqcls.geometry import Geometry
from seqcls.intervals import IntervalOptions, intervals_from_events
from seqcls.models.file import ModelHeader
from seqcls.postprocess import PostProcess
from seqcls.preprocess import PreprocessedFrame
from seqcls.reprocess import replay
from seqcls.scoring import score_every
from seqcls.smoothing import SmoothingOptions
from seqcls.types import FrameScore, Gap, Interval

RATE_HZ = 25.0
ORGANS = ("liver", "kidney")
SMOOTHERS = [
    SmoothingOptions(kind="none"),
    SmoothingOptions(),
    SmoothingOptions(kind="mean", window_s=0.4, look_ahead_s=0.0),
    SmoothingOptions(kind="median", window_s=0.6, look_ahead_s=0.2),
    SmoothingOptions(kind="exponential"),
    SmoothingOptions(kind="hmm"),
]
INTERVALS = (IntervalOptions(), IntervalOptions(onset=0.7, offset=0.6, min_present_s=0.4, pad_s=0.1))


class Table:
    """An engine that reads a frame's number from its image and looks the scores up; counts what it was asked.

    scores: (count, K), or (count, K + 1) with the novelty."""

    description = "table"
    header = ModelHeader(organs=ORGANS, geometry=Geometry(size=32))

    def __init__(self, scores: NDArray[np.float32]) -> None:
        self._scores = scores
        self.asked: list[int] = []

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        index = images.reshape(len(images), -1)[:, :4].copy().view(np.int32)[:, 0]
        self.asked += index.tolist()
        return self._scores[index]

    answers = scores


def image(number: int, scene: int) -> NDArray[np.uint8]:
    """A picture like those of the same scene, and unlike that of the next one, which holds its number."""
    drawn = np.full((16, 16), 60 + 60 * (scene % 3), np.uint8)
    drawn[0, :4] = np.array([number], np.int32).view(np.uint8)
    return drawn


def prepared(
    count: int,
    unknown: set[int] = frozenset(),  # type: ignore[assignment]
    pictures: list[int] | None = None,
    scenes: list[int] | None = None,
) -> list[PreprocessedFrame]:
    """Without ``scenes`` every picture is unlike the one before."""
    shown = list(range(count)) if pictures is None else pictures
    return [
        PreprocessedFrame(i, i / RATE_HZ, 1 / RATE_HZ, None, "black")
        if i in unknown
        else PreprocessedFrame(
            i, i / RATE_HZ, 1 / RATE_HZ, image(shown[i], shown[i] if scenes is None else scenes[i]), ""
        )
        for i in range(count)
    ]


def timeline(items: list[FrameScore | Gap], smoothing: SmoothingOptions) -> list[tuple[str, str, float, float, int]]:
    process = PostProcess(ORGANS, smoothing, INTERVALS)
    events = [event for item in items for event in process.push(item)]
    end_s = max(i.end_s if isinstance(i, Gap) else i.time_s + i.duration_s for i in items)
    events += process.close(end_s)
    found: tuple[Interval, ...] = intervals_from_events(events, process.table(), end_s)
    return [(i.organ, i.state, i.start_s, i.end_s, i.start_index) for i in found]


def adaptive(
    items: list[PreprocessedFrame | Gap],
    scores: NDArray[np.float32],
    smoothing: SmoothingOptions,
    options: SamplingOptions,
) -> tuple[list[FrameScore | Gap], Table, AdaptiveScorer]:
    engine = Table(scores)
    scorer = AdaptiveScorer(engine, smoothing, INTERVALS, options)  # type: ignore[arg-type]
    return list(scorer.scores(items)), engine, scorer


def every(items: list[PreprocessedFrame | Gap], scores: NDArray[np.float32]) -> list[FrameScore | Gap]:
    return list(score_every(items, Table(scores), 16))  # type: ignore[arg-type]


def steady(
    seed: int, count: int, step_s: float, margin: float, columns: int = len(ORGANS)
) -> tuple[NDArray[np.float32], list[int]]:
    """Scores under the assumption, (count, columns), and the scene of each frame.

    Levels last longer than step_s, and wander on top by so little that the margin holds in twice that: frames at most
    2 step_s apart in one scene differ by no more, and those closer by less in proportion. Each level is a scene."""
    rng = np.random.default_rng(seed)
    scores, jumps = [], np.zeros(count, np.int64)
    slope = 0.45 * margin / max(step_s, 1 / RATE_HZ)
    for _ in range(columns):
        level: list[float] = []
        while len(level) < count:
            jumps[len(level)] += len(level) > 0
            level += [rng.uniform()] * (int(step_s * RATE_HZ) + 2 + int(rng.exponential(15)))
        wander = np.cumsum(rng.uniform(-slope, slope, count) / RATE_HZ) * rng.choice([0.0, 0.3, 1.0])
        scores.append(np.clip(np.array(level[:count]) + wander, 0, 1))
    return np.stack(scores, axis=1).astype(np.float32), np.cumsum(jumps).tolist()


@pytest.mark.parametrize("smoothing", SMOOTHERS, ids=lambda o: f"{o.kind}-{o.delay_s}")
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 10**9), count=st.integers(1, 300), step_s=st.sampled_from([0.0, 0.12, 0.3, 1.0]), data=st.data()
)
def test_intervals_are_those_of_every_frame(
    smoothing: SmoothingOptions, seed: int, count: int, step_s: float, data: st.DataObject
) -> None:
    margin = data.draw(st.sampled_from([0.05, 0.2]))
    scores, scenes = steady(seed, count, step_s, margin)
    hidden = data.draw(st.sets(st.integers(0, count - 1), max_size=10))
    moves = data.draw(st.booleans())
    items: list[PreprocessedFrame | Gap] = list(prepared(count, hidden, scenes=None if moves else scenes))
    if data.draw(st.booleans()):  # a hole in the clip
        place = data.draw(st.integers(0, count))
        items = [
            *items[:place],
            Gap(place / RATE_HZ, place / RATE_HZ + 1.5, "lost"),
            *(PreprocessedFrame(i.index, i.time_s + 1.5, i.duration_s, i.image, i.reason) for i in items[place:]),  # type: ignore[union-attr]
        ]
    options = SamplingOptions(kind="adaptive", step_s=step_s, margin=margin)
    got, engine, scorer = adaptive(items, scores, smoothing, options)
    assert len(got) == len(items) and len(engine.asked) == len(set(engine.asked))
    if scorer.undecided == 0:
        assert timeline(got, smoothing) == timeline(every(items, scores), smoothing)
    else:
        assert smoothing.kind in ("exponential", "hmm")


def test_clips_shorter_than_a_presence_have_the_intervals_of_every_frame() -> None:
    """0.04 to 0.28 s, some of it unknown: what is in view all the time is present."""
    short = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        count = 1 + seed % 7
        hidden = set(rng.choice(count, rng.integers(0, count), replace=False).tolist())
        scores = np.repeat(rng.choice([0.1, 0.9], (1, 2)), count, axis=0).astype(np.float32)
        items: list[PreprocessedFrame | Gap] = list(prepared(count, hidden))
        for smoothing in SMOOTHERS[:4]:
            got, _, _ = adaptive(items, scores, smoothing, SamplingOptions(kind="adaptive"))
            found = timeline(got, smoothing)
            assert found == timeline(every(items, scores), smoothing)
            short += any(state == "present" and end_s - start_s < 0.28 for _, state, start_s, end_s, _ in found)
    assert short > 100


def test_undecided_frames_are_rare_in_filters_that_never_forget() -> None:
    undecided = 0
    for seed in range(2):
        for smoothing in SMOOTHERS[4:]:
            options = SamplingOptions(kind="adaptive", step_s=0.2)
            scores, scenes = steady(seed, 250, 0.2, 0.2)
            undecided += adaptive(prepared(250, scenes=scenes), scores, smoothing, options)[2].undecided  # type: ignore[arg-type]
    assert undecided <= 1  # of 1,000 frames


def test_few_frames_are_measured_where_nothing_moves_and_all_are_scored() -> None:
    scores = np.full((1000, 2), 0.05, np.float32)
    scores[350:700] = 0.95
    got, engine, _ = adaptive(prepared(1000), scores, SmoothingOptions(), SamplingOptions(kind="adaptive"))  # type: ignore[arg-type]
    step = shortest_s(SmoothingOptions(), INTERVALS) * RATE_HZ
    assert len(engine.asked) < 1000 / math.floor(step) + 60
    assert [s.index for s in got if s.measured] == sorted(engine.asked)  # type: ignore[union-attr]
    assert len(got) == 1000 and all(s.scores is not None for s in got)  # type: ignore[union-attr]


def test_where_scores_are_uncertain_more_frames_are_measured() -> None:
    scores = np.full((300, 2), 0.05, np.float32)
    scores[100:200] = 0.5  # amid the thresholds: any margin reaches across
    got, engine, _ = adaptive(prepared(300), scores, SmoothingOptions(), SamplingOptions(kind="adaptive"))  # type: ignore[arg-type]
    inside = [i for i in engine.asked if 110 <= i < 190]
    assert len(inside) > 2 * 80 / (shortest_s(SmoothingOptions(), INTERVALS) * RATE_HZ)
    assert timeline(got, SmoothingOptions()) == timeline(every(prepared(300), scores), SmoothingOptions())  # type: ignore[arg-type]


def test_while_the_picture_hardly_changes_half_as_many_are_measured() -> None:
    scores = np.full((600, 2), 0.05, np.float32)
    moving, still = (
        len(
            adaptive(prepared(600, scenes=scenes), scores, SmoothingOptions(), SamplingOptions(kind="adaptive"))[
                1
            ].asked
        )  # type: ignore[arg-type]
        for scenes in (None, [0] * 600)
    )
    step = shortest_s(SmoothingOptions(), INTERVALS) * RATE_HZ
    assert moving == pytest.approx(600 / math.floor(step), abs=2)
    assert still == pytest.approx(600 / math.floor(2 * step), abs=2)


def test_a_flash_is_seen_between_two_frames_that_are_alike() -> None:
    """0.4 s of another picture, with nothing before and behind it: the frames beside it are not far apart."""
    scenes, scores = [0] * 300, np.full((300, 2), 0.05, np.float32)
    for start in range(20, 280, 40):
        scenes[start : start + 10], scores[start : start + 10] = [1] * 10, 0.95
    for smoothing in SMOOTHERS[:2]:
        items: list[PreprocessedFrame | Gap] = list(prepared(300, scenes=scenes))
        found = timeline(adaptive(items, scores, smoothing, SamplingOptions(kind="adaptive"))[0], smoothing)
        assert found == timeline(every(items, scores), smoothing)
        assert sum(organ == "liver" and state == "present" for organ, state, *_ in found) == 7


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**9), count=st.integers(1, 300), likely=st.sampled_from([0.3, 0.5, 0.7]))
def test_the_same_frames_are_unlike_training_as_of_every_frame(seed: int, count: int, likely: float) -> None:
    smoothing, step_s = SmoothingOptions(), 0.24
    drawn, scenes = steady(seed, count, step_s, NOVELTY_MARGIN, columns=3)
    drawn[:, 2] = np.clip(drawn[:, 2] - 0.5 + likely, 0, 1)
    items: list[PreprocessedFrame | Gap] = list(prepared(count, scenes=scenes))
    engine = Table(drawn)
    options = SamplingOptions(kind="adaptive", step_s=step_s, margin=NOVELTY_MARGIN)
    scorer = AdaptiveScorer(engine, smoothing, INTERVALS, options, has_novelty=True, uses_novelty=True)  # type: ignore[arg-type]
    whole = [FrameScore(i, i / RATE_HZ, 1 / RATE_HZ, drawn[i, :2], novelty=float(drawn[i, 2])) for i in range(count)]
    assert timeline(list(scorer.scores(items)), smoothing) == timeline(list(whole), smoothing)


def test_what_the_assumption_forbids_can_be_missed() -> None:
    """The limit that the documentation states: a burst between two measured frames stays hidden."""
    scores = np.full((300, 2), 0.05, np.float32)
    scores[102:112] = 0.95  # 0.4 s, reportable, but shorter than the distance asked for
    wide = SamplingOptions(kind="adaptive", step_s=1.0)
    none = SmoothingOptions(kind="none")
    assert timeline(adaptive(prepared(300), scores, none, wide)[0], none) != timeline(
        every(prepared(300), scores), none
    )  # type: ignore[arg-type]
    own = SamplingOptions(kind="adaptive")
    assert timeline(adaptive(prepared(300), scores, none, own)[0], none) == timeline(every(prepared(300), scores), none)  # type: ignore[arg-type]


@pytest.mark.parametrize("smoothing", SMOOTHERS[:4], ids=lambda o: f"{o.kind}-{o.delay_s}")
@pytest.mark.parametrize("high", [True, False], ids=["burst", "dip"])
def test_nothing_shorter_than_the_shortest_is_ever_reported(smoothing: SmoothingOptions, high: bool) -> None:
    least = shortest_s(smoothing, INTERVALS[:1])
    rate_hz = 250.0
    for length_s, reportable in ((least - 0.004, False), (least + 0.06, True)):
        value = np.full(750, 0.0 if high else 1.0, np.float32)
        value[250 : 250 + round(length_s * rate_hz)] = 1.0 if high else 0.0
        process = PostProcess(("liver",), smoothing, INTERVALS[:1])
        events = [
            event
            for i, own in enumerate(value)
            for event in process.push(FrameScore(i, i / rate_hz, 1 / rate_hz, np.array([own], np.float32)))
        ] + list(process.close(3.0))
        reported = any(event.state == ("present" if high else "absent") for event in events[1:])
        # The bound is that of the quicker of burst and dip; the other may need longer.
        assert not reported or reportable


@pytest.mark.parametrize("closing_repeat", [False, True])
def test_repeated_images_cost_nothing(closing_repeat: bool) -> None:
    shown = [0] * 100 + list(range(1, 51)) + [50] * 100 * closing_repeat
    scores = np.linspace(0, 0.9, 60).astype(np.float32)[:, None].repeat(2, axis=1)
    items: list[PreprocessedFrame | Gap] = list(prepared(len(shown), pictures=shown))
    got, engine, _ = adaptive(
        items, scores, SmoothingOptions(kind="none"), SamplingOptions(kind="adaptive", step_s=0.0)
    )
    assert len(engine.asked) <= 52 + 1  # once each; a block's border may ask again
    assert [float(s.scores[0]) for s in got] == [float(scores[k, 0]) for k in shown]  # type: ignore[union-attr, index]


def test_hours_of_unknown_frames_are_let_go() -> None:
    engine = Table(np.zeros((5000, 2), np.float32))
    scorer = AdaptiveScorer(engine, SmoothingOptions(), INTERVALS, SamplingOptions(kind="adaptive"))  # type: ignore[arg-type]
    taken = 0

    def items():  # type: ignore[no-untyped-def]
        nonlocal taken
        for item in prepared(5000, set(range(10, 5000))):
            taken += 1
            yield item

    most = max(taken - given for given, _ in enumerate(scorer.scores(items())))
    assert most < 400


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "some"}, {"step_s": -1.0}, {"step_s": math.nan}, {"margin": 1.5}, {"margin": math.nan}],
    ids=str,
)
def test_impossible_sampling(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="sampling"):
        SamplingOptions(**wrong)  # type: ignore[arg-type]


def test_a_whole_clip_and_what_is_written_of_it(tmp_path: Path) -> None:
    from dataclasses import replace

    levels: list[float | None] = [0.05] * 60 + [0.9] * 80 + [None] * 3 + [0.05] * 100
    plain = detector()
    few = replace(plain, sampling=SamplingOptions(kind="adaptive"))
    whole, sampled = plain.analyze(frames(levels)), few.analyze(frames(levels))
    assert [(i.state, i.start_s, i.end_s) for i in sampled.intervals] == [
        (i.state, i.start_s, i.end_s) for i in whole.intervals
    ]
    frame_counts = sampled.frame_counts
    assert frame_counts.balanced and frame_counts.rejected == 3 and frame_counts.skipped > 50
    assert frame_counts.classified == int(sampled.scores.measured.sum()) - 3
    assert whole.frame_counts.skipped == 0 and whole.scores.measured.all()
    said = sampled.provenance.sampling
    assert said is not None and (said.kind, said.undecided) == ("adaptive", 0)
    write_run(sampled, tmp_path)
    assert read_run(tmp_path).scores.measured.tolist() == sampled.scores.measured.tolist()
    # A stream cannot wait: every frame is scored.
    assert [str(e) for e in few.stream(frames(levels))] == [str(e) for e in plain.stream(frames(levels))]


@pytest.mark.real
def test_real_clips_keep_their_intervals(real_clips: Path) -> None:
    from dataclasses import replace

    from seqcls.sources import expand

    edges = 0
    for clip in [found.spec for found in expand([str(real_clips)]).sources][:3]:
        seen = detector(("liver",), gate=True).analyze(clip)
        level = float(np.median(seen.scores.raw[:, 0]))  # so that it is crossed
        options = IntervalOptions(onset=level, offset=level - 0.002, min_present_s=0.1, min_absent_s=0.1)
        plain = detector(("liver",), SmoothingOptions(), options, gate=True)
        few = replace(plain, sampling=SamplingOptions(kind="adaptive", margin=0.02))
        whole, sampled = replay(seen, smoothing=plain.smoothing, intervals=plain.intervals), few.analyze(clip)
        spans = [[(i.state, i.start_s, i.end_s) for i in found.intervals] for found in (whole, sampled)]
        assert spans[0] == spans[1]
        edges += len(spans[0]) - 1
    assert edges > 6
