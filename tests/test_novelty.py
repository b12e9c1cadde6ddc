from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.novelties import reference
from support.scored import ORGANS, Item, frame, raw_of

from seqcls.errors import ModelError
from seqcls.intervals import IntervalOptions
from seqcls.novelty import NoveltyFilter, text_of, unlike_rows, with_novelty
from seqcls.postprocess import PostProcess
from seqcls.reprocess import catch_up, post_process
from seqcls.smoothing import SmoothingOptions
from seqcls.types import UNLIKE_TRAINING, FrameScore, Gap

OPTIONS = [IntervalOptions()] * 2
#: As many as models of an older seqcls have, whose square root is whole.
FEATURES = 256
NOVELTY = reference(features=FEATURES)


def features(*roots: float) -> np.ndarray:
    return np.array([*roots, *[2.0] * (FEATURES - len(roots))])[None] ** 2


@pytest.mark.parametrize(
    ("roots", "distance"),
    [
        ((2.0,), 0.0),
        ((5.0,), 3.0 / 16),  # (5 - 2) / 0.5 / 2 = 3, in 256 directions: sqrt(9 / 256)
        ((2.0, 2.75), 3.0 / 16),  # (0.75 / 0.5) / 0.5 = 3
        ((5.0, 3.0), 5.0 / 16),  # 3 and 4 make 5
        ((0.0, 2.0, 2.5), math.sqrt(4 + 4) / 16),
    ],
)
def test_distances_by_hand(roots: tuple[float, ...], distance: float) -> None:
    assert NOVELTY.distances(features(*roots)) == pytest.approx([distance], abs=1e-6)
    squared = (distance / (3 / 16)) ** 2
    assert NOVELTY.scores(features(*roots)) == pytest.approx([squared / (1 + squared)], abs=1e-6)


def test_models_of_an_older_seqcls_have_features_of_one_stage() -> None:
    assert (NOVELTY.stages, reference().stages) == ((3,), (1, 2, 3))
    assert reference().features == 64 + 128 + 256


def test_a_frame_s_novelty_does_not_hang_on_the_others() -> None:
    rng = np.random.default_rng(0)
    many = rng.random((5, FEATURES)).astype(np.float32) * 9
    alone = np.concatenate([NOVELTY.scores(own[None]) for own in many])
    assert NOVELTY.scores(many).tobytes() == alone.tobytes()
    assert NOVELTY.scores(many[:0]).shape == (0,)
    with pytest.raises(ValueError, match="features"):
        NOVELTY.distances(many[:, 1:])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"centre": text_of(np.zeros(3))}, "3 features instead of 448 or 256"),
        ({"centre": "?"}, "no base64"),
        ({"centre": text_of(np.full(FEATURES, np.nan))}, "NaN"),
        ({"axes": (text_of(np.zeros(3)),)}, "differ in length"),
        ({"scale": text_of(np.zeros(FEATURES))}, "no scale"),
        ({"deviations": (1.0,)}, "1 deviations of 1 axes"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        replace(NOVELTY, **wrong)  # type: ignore[arg-type]


def scored(index: int, novelty: float) -> FrameScore:
    return FrameScore(index, index / 10, 0.1, np.float32([0.9, 0.1]), novelty=novelty)


def test_the_novelty_is_averaged_over_the_last_half_second() -> None:
    told = [0.1, 0.1, 0.1, 0.8, 0.1, 0.1, 0.8, 0.8, 0.8, 0.8, 0.8, 0.1, 0.1, 0.1, 0.1]
    # Six frames from t - 0.5 to t: the first mean of 0.5 and more is that of two familiar and four strange frames.
    unlike = [False] * 8 + [True] * 5 + [False] * 2
    watch = NoveltyFilter()
    assert [watch.is_unlike(scored(index, own)) for index, own in enumerate(told)] == unlike
    times_s = np.arange(len(told)) / 10
    assert unlike_rows(times_s, np.array(told, np.float32)).tolist() == unlike
    assert not unlike_rows(times_s, np.full(len(told), np.nan, np.float32)).any()
    assert unlike_rows(np.zeros(1), np.float32([0.6])).tolist() == [True]


def test_an_unlike_frame_is_unknown_and_keeps_its_score() -> None:
    process = PostProcess(ORGANS, SmoothingOptions(kind="none"), OPTIONS)
    items = [scored(index, 0.8 if 10 <= index < 20 else 0.1) for index in range(30)]
    events = [event for item in items for event in process.push(item)] + list(process.close(3.0))
    liver = [(event.state, event.start_s, event.reason) for event in events if event.organ == "liver"]
    assert liver == [("present", 0.0, ""), ("unknown", 1.3, UNLIKE_TRAINING), ("present", 2.2, "")]
    table = process.table()
    unlike = [reason == UNLIKE_TRAINING for reason in table.reason]
    assert np.flatnonzero(unlike).tolist() == list(range(13, 22))
    assert table.raw[:, 0].tolist() == pytest.approx([0.9] * 30) and np.isnan(table.smooth[unlike]).all()
    assert table.novelty is not None and table.novelty.tolist() == pytest.approx([i.novelty for i in items])
    counts = table.frame_counts()
    assert (counts.classified, counts.rejected) == (30, 0)
    (line,) = with_novelty(("of old",), table)[1:]
    assert line.startswith("9 frames of 30 unlike anything")
    assert with_novelty(("of old", line), replace(table, reason=("",) * 30)) == ("of old",)


def test_it_can_be_switched_off() -> None:
    process = PostProcess(ORGANS, SmoothingOptions(kind="none"), OPTIONS, novelty=False)
    events = [event for index in range(9) for event in process.push(scored(index, 0.9))] + list(process.close(0.9))
    assert sorted((e.organ, e.state) for e in events) == [("kidney", "absent"), ("liver", "present")]


@pytest.mark.parametrize("kind", ["none", "mean", "median", "exponential", "hmm"])
@pytest.mark.parametrize("seed", range(2))
def test_many_frames_at_once_are_as_one_by_one(kind: str, seed: int) -> None:
    """Also where a run is caught up with, and goes on."""
    rng, smoothing = np.random.default_rng(seed), SmoothingOptions(kind=kind)  # type: ignore[arg-type]
    items: list[Item] = []
    time_s = 0.0
    for index in range(60):
        strange = 0.45 + 0.4 * math.sin(index / 6) + rng.normal(0, 0.1)
        score = rng.random(2).astype(np.float32)
        items.append(FrameScore(index, time_s, 0.05, score, novelty=float(np.float32(np.clip(strange, 0, 1)))))
        if index % 17 == 5:
            items.append(frame(index + 1000, time_s + 0.01, reason="black"))
        if index % 23 == 9:
            items.append(Gap(time_s + 0.02, time_s + 0.3, "lost"))
            time_s += 0.3
        time_s += float(rng.choice([0.03, 0.05, 0.2]))
    items.sort(key=lambda item: item.time_s)
    whole = PostProcess(ORGANS, smoothing, OPTIONS)
    numbered = [(number, event) for number, item in enumerate(items) for event in whole.push(item)]
    rest = list(whole.close(time_s))
    table, _ = post_process(raw_of(items), smoothing, OPTIONS, time_s)
    assert table.reason == whole.table().reason and UNLIKE_TRAINING in table.reason
    assert table.smooth.tobytes() == whole.table().smooth.tobytes()
    for cut in (0, 1, 20, 41, len(items)):
        process, events = catch_up(raw_of(items[:cut]), smoothing, OPTIONS)
        assert events == [one for one in numbered if one[0] < cut]
        later = [(number, event) for number, item in enumerate(items) if number >= cut for event in process.push(item)]
        assert events + later == numbered and list(process.close(time_s)) == rest
