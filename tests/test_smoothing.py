"""Smoothers: what each computes, that none depends on chunking, that gaps and unjudged frames pass in order."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcls.errors import UsageError
from seqcls.smoothing import Item, SmoothingOptions, open_smoother
from seqcls.types import FrameScore, Gap

OPTIONS = [
    SmoothingOptions(kind="none"),
    SmoothingOptions(kind="exponential", time_constant_s=0.3),
    SmoothingOptions(kind="median", window_s=0.5, look_ahead_s=0.25),
    SmoothingOptions(kind="mean", window_s=0.5, look_ahead_s=0.1),
    SmoothingOptions(kind="mean", window_s=0.4, look_ahead_s=0.0),
    SmoothingOptions(kind="hmm", dwell_s=1.0),
]
KINDS = pytest.mark.parametrize("options", OPTIONS, ids=lambda o: f"{o.kind}-{o.look_ahead_s}")


def frame(index: int, time_s: float, score: float | None) -> FrameScore:
    return FrameScore(index, time_s, 0.1, None if score is None else np.array([score, 1 - score], np.float32), "")


def at_10_hz(scores: list[float | None]) -> list[Item]:
    return [frame(i, i / 10, s) for i, s in enumerate(scores)]


def smooth(options: SmoothingOptions, items: list[Item]) -> list[Item]:
    smoother = open_smoother(options)
    return [out for item in items for out in smoother.push(item)] + list(smoother.finish())


def values(items: list[Item]) -> list[float]:
    return [float(i.scores[0]) for i in items if isinstance(i, FrameScore) and i.scores is not None]


@KINDS
def test_every_item_comes_back_once_in_order(options: SmoothingOptions) -> None:
    items: list[Item] = [
        frame(0, 0.0, 0.2),
        frame(1, 0.1, None),
        Gap(0.2, 1.0, "lost"),
        frame(2, 1.0, 0.7),
        Gap(1.1, 1.2, "x"),
    ]
    out = smooth(options, items)
    assert [type(i) for i in out] == [type(i) for i in items]
    assert [i.index for i in out if isinstance(i, FrameScore)] == [0, 1, 2]
    assert out[2] == items[2] and out[4] == items[4]
    unjudged = out[1]
    assert isinstance(unjudged, FrameScore) and unjudged.scores is None


@KINDS
def test_a_constant_stays_what_it_is_or_more_certain(options: SmoothingOptions) -> None:
    out = values(smooth(options, at_10_hz([0.8] * 20)))
    if options.kind == "hmm":
        assert all(b >= a - 1e-6 for a, b in itertools.pairwise(out)) and out[-1] > 0.85
    else:
        assert out == pytest.approx([0.8] * 20)


@KINDS
def test_columns_do_not_mix(options: SmoothingOptions) -> None:
    out = smooth(options, at_10_hz([0.1, 0.9, 0.8, 0.2, 0.3]))
    both = np.array([i.scores for i in out if isinstance(i, FrameScore) and i.scores is not None])
    assert both.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)


@KINDS
def test_answers_keep_their_stated_delay(options: SmoothingOptions) -> None:
    smoother = open_smoother(options)
    waiting: list[float] = []
    for item in at_10_hz([0.5] * 30):
        assert isinstance(item, FrameScore)
        waiting.append(item.time_s)
        for out in smoother.push(item):
            assert isinstance(out, FrameScore)
            waiting.remove(out.time_s)
        # an answer may be held back no longer than its delay and one frame distance
        assert all(item.time_s - time_s <= options.delay_s + 0.1 + 1e-5 for time_s in waiting)


def test_exponential_follows_its_formula_at_any_frame_distance() -> None:
    options = SmoothingOptions(kind="exponential", time_constant_s=0.5)
    out = values(smooth(options, [frame(0, 0.0, 0.0), frame(1, 0.2, 1.0), frame(2, 1.7, 1.0)]))
    first = 1 - math.exp(-0.2 / 0.5)
    assert out == pytest.approx([0.0, first, first + (1 - math.exp(-1.5 / 0.5)) * (1 - first)], abs=1e-6)


def test_median_drops_one_outlier_and_mean_spreads_it() -> None:
    scores: list[float | None] = [0.0] * 5 + [1.0] + [0.0] * 5
    median = values(smooth(SmoothingOptions(kind="median", window_s=0.4, look_ahead_s=0.2), at_10_hz(scores)))
    mean = values(smooth(SmoothingOptions(kind="mean", window_s=0.4, look_ahead_s=0.2), at_10_hz(scores)))
    assert max(median) == 0.0
    assert mean == pytest.approx([0, 0, 0, 0.2, 0.2, 0.2, 0.2, 0.2, 0, 0, 0])


def test_look_ahead_zero_sees_only_the_past() -> None:
    out = values(
        smooth(SmoothingOptions(kind="mean", window_s=0.2, look_ahead_s=0.0), at_10_hz([0.0, 0.0, 0.9, 0.9, 0.9]))
    )
    assert out == pytest.approx([0, 0, 0.3, 0.6, 0.9], abs=1e-6)


def test_a_centred_window_moves_no_edge() -> None:
    scores: list[float | None] = [0.0] * 10 + [1.0] * 10
    out = values(smooth(SmoothingOptions(kind="mean", window_s=0.4, look_ahead_s=0.2), at_10_hz(scores)))
    assert [v >= 0.5 for v in out] == [False] * 10 + [True] * 10


def test_windows_do_not_reach_across_a_long_gap() -> None:
    items: list[Item] = [frame(0, 0.0, 0.0), frame(1, 0.1, 0.0), Gap(0.2, 3.0, "lost"), frame(2, 3.0, 1.0)]
    assert values(smooth(SmoothingOptions(kind="mean", window_s=0.4, look_ahead_s=0.2), items)) == [0, 0, 1]


def test_hmm_ignores_a_flicker_and_follows_a_change() -> None:
    options = SmoothingOptions(kind="hmm", dwell_s=2.0)
    flicker = values(smooth(options, at_10_hz([0.1] * 10 + [0.7] + [0.1] * 10)))
    change = values(smooth(options, at_10_hz([0.1] * 10 + [0.9] * 10)))
    assert max(flicker[1:]) < 0.5 and change[9] < 0.2 and change[14] > 0.5 and change[-1] > 0.9


def test_hmm_does_not_depend_on_the_frame_rate() -> None:
    options = SmoothingOptions(kind="hmm", dwell_s=2.0)
    slow = smooth(options, [frame(i, i / 10, 0.1 if i < 20 else 0.8) for i in range(40)])
    fast = smooth(options, [frame(i, i / 40, 0.1 if i < 80 else 0.8) for i in range(160)])
    assert values(slow)[29] == pytest.approx(values(fast)[119], abs=0.05)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "magic"},
        {"window_s": -1},
        {"window_s": math.nan},
        {"window_s": 0.1, "look_ahead_s": 0.2},
        {"kind": "hmm", "dwell_s": 0},
    ],
    ids=str,
)
def test_impossible_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        SmoothingOptions(**wrong)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(OPTIONS), st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=40), st.data())
def test_scores_stay_probabilities_and_a_prefix_gives_a_prefix(
    options: SmoothingOptions, scores: list[float | None], data: st.DataObject
) -> None:
    items = at_10_hz(scores)
    whole = smooth(options, items)
    assert all(0 <= v <= 1 for v in values(whole))
    smoother = open_smoother(options)
    cut = data.draw(st.integers(0, len(items)))
    early = [out for item in items[:cut] for out in smoother.push(item)]
    assert values(early) == values(whole[: len(early)])  # what was said is never taken back
