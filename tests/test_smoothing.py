"""Smoothers: what each computes, by numbers; that none depends on chunking; that gaps and unscored frames pass on."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import seqcls.smoothing as smoothing_module
from seqcls.errors import UsageError
from seqcls.smoothing import Item, SmoothingKind, SmoothingOptions, open_smoother, smooth_windows
from seqcls.types import TIME_TOLERANCE_S, FrameScore, Gap

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
    unscored = out[1]
    assert isinstance(unscored, FrameScore) and unscored.scores is None


@KINDS
def test_only_the_scores_of_a_frame_change(options: SmoothingOptions) -> None:
    [out] = smooth(options, [FrameScore(7, 1.5, 0.04, np.array([0.3], np.float32), "", measured=False)])
    assert isinstance(out, FrameScore) and out.scores is not None and out.scores.dtype == np.float32
    assert (out.index, out.time_s, out.duration_s, out.reason, out.measured) == (7, 1.5, 0.04, "", False)
    [kept] = smooth(options, [FrameScore(7, 1.5, 0.04, np.array([0.3], np.float32), "of old")])
    assert isinstance(kept, FrameScore) and kept.reason == "of old" and kept.measured is True


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


# ---- the hidden Markov filter


def test_markov_filter_by_hand() -> None:
    """dwell 2 s: after 0.1 s the chain has switched with probability (1 - exp(-0.1)) / 2 = 0.0475813.

    Second frame: prior 0.8 x 0.9524187 + 0.2 x 0.0475813 = 0.7714512, odds 3.3754337; half of the 0.2 s have passed, so
    the ratio 4 counts as its root, 2: odds 6.7508673, score 0.8709822. Third, 0.4 s on: switch (1 - exp(-0.4)) / 2 =
    0.1648400, prior 0.7486768, odds 2.9789401; the whole ratio 0.25: odds 0.7447350, score 0.4268471.
    """
    options = SmoothingOptions(kind="hmm", dwell_s=2.0)
    out = values(smooth(options, [frame(0, 0.0, 0.8), frame(1, 0.1, 0.8), frame(2, 0.5, 0.2)]))
    assert out == pytest.approx([0.8, 0.8709822, 0.4268471], abs=1e-6)


def test_markov_filter_with_another_dwell() -> None:
    """dwell 0.5 s, 0.25 s on: switch (1 - exp(-1)) / 2 = 0.3160603, prior 0.9 -> 0.6471518; the ratio is 1."""
    out = values(smooth(SmoothingOptions(kind="hmm", dwell_s=0.5), [frame(0, 0.0, 0.9), frame(1, 0.25, 0.5)]))
    assert out == pytest.approx([0.9, 0.6471518], abs=1e-6)


def test_markov_filter_is_never_surer_than_its_margin() -> None:
    options = SmoothingOptions(kind="hmm", dwell_s=2.0)
    assert values(smooth(options, [frame(0, 0.0, 1.0)])) == pytest.approx([0.99])
    assert values(smooth(options, [frame(0, 0.0, 0.0)])) == pytest.approx([0.01])
    # However long it was certain: one second on, the prior is 0.6802609, odds 2.1275510, and the ratio 1 / 99.
    for sure, after in ((1.0, 0.0210383), (0.0, 0.9789617)):
        items: list[Item] = [frame(i, i / 2, sure) for i in range(20)]
        out = values(smooth(options, [*items, frame(20, 10.5, 1 - sure)]))
        assert out[19] == pytest.approx(0.99 if sure else 0.01)
        assert out[20] == pytest.approx(after, abs=1e-6)


def test_frames_of_one_time_are_no_new_evidence() -> None:
    options = SmoothingOptions(kind="hmm", dwell_s=2.0)
    for again_s in (1.0, 0.5):  # the same time, and one that runs back
        out = values(smooth(options, [frame(0, 1.0, 0.8), frame(1, again_s, 0.1)]))
        assert out == pytest.approx([0.8, 0.8])


# ---- windows, and the exponential filter's edges


def test_exponential_without_a_time_constant_changes_nothing() -> None:
    out = smooth(SmoothingOptions(kind="exponential", time_constant_s=0.0), at_10_hz([0.2, 0.9, 0.4]))
    assert values(out) == pytest.approx([0.2, 0.9, 0.4])


def test_exponential_takes_time_that_runs_back_as_standing_still() -> None:
    out = values(smooth(SmoothingOptions(kind="exponential"), [frame(0, 1.0, 0.2), frame(1, 0.4, 0.9)]))
    assert out == pytest.approx([0.2, 0.2])


@pytest.mark.parametrize("kind", ["mean", "median"])
def test_both_ends_of_a_window_belong_to_it(kind: SmoothingKind) -> None:
    reach_s = 0.25 + TIME_TOLERANCE_S
    options = SmoothingOptions(kind=kind, window_s=0.5, look_ahead_s=0.25)
    assert values(smooth(options, [frame(0, 0.0, 0.2), frame(1, reach_s, 0.8)])) == pytest.approx([0.5, 0.5])
    further_s = reach_s + 1e-9
    assert values(smooth(options, [frame(0, 0.0, 0.2), frame(1, further_s, 0.8)])) == pytest.approx([0.2, 0.8])


def test_a_window_of_one_organ_mixes_frames_not_organs() -> None:
    options = SmoothingOptions(kind="median", window_s=0.2, look_ahead_s=0.1)
    items = [
        FrameScore(i, i / 10, 0.1, np.array(row, np.float32)) for i, row in enumerate([(0, 1), (0.4, 0.2), (1, 0.6)])
    ]
    rows = [out.scores.tolist() for out in smooth(options, list(items)) if isinstance(out, FrameScore)]  # type: ignore[union-attr]
    assert rows == [pytest.approx(r) for r in ([0.2, 0.6], [0.4, 0.6], [0.7, 0.4])]


def test_without_look_ahead_nothing_waits_not_even_for_frames_of_the_same_time() -> None:
    smoother = open_smoother(SmoothingOptions(kind="mean", window_s=0.2, look_ahead_s=0.0))
    assert values(list(smoother.push(frame(0, 0.0, 0.2)))) == pytest.approx([0.2])
    assert values(list(smoother.push(frame(1, 0.0, 0.6)))) == pytest.approx([0.4])
    assert list(smoother.finish()) == []


def test_an_unscored_frame_at_the_front_holds_nothing_up() -> None:
    smoother = open_smoother(SmoothingOptions(kind="mean", window_s=0.2, look_ahead_s=0.1))
    assert not [*smoother.push(frame(0, 0.0, None)), *smoother.push(frame(1, 0.05, 0.4))]
    out = list(smoother.push(Gap(0.3, 0.5, "lost")))
    assert [item.time_s for item in out] == [0.0, 0.05, 0.3], "nothing comes before 0.5 s: the gap is told, too"
    assert not list(smoother.finish())


def test_a_short_gap_waits_for_what_comes_within_the_look_ahead() -> None:
    smoother = open_smoother(SmoothingOptions(kind="mean", window_s=0.4, look_ahead_s=0.2))
    assert not [*smoother.push(frame(0, 0.0, 0.4)), *smoother.push(Gap(0.05, 0.1, "lost"))]
    assert not list(smoother.push(frame(1, 0.1, 0.8)))
    first, *_ = smoother.finish()
    assert isinstance(first, FrameScore) and first.scores is not None and first.scores[0] == pytest.approx(0.6)


def test_delay_is_the_look_ahead_of_windows() -> None:
    assert [SmoothingOptions(kind=k, look_ahead_s=0.2).delay_s for k in get_args(SmoothingKind)] == [0, 0, 0.2, 0.2, 0]


# ---- many frames at once


def test_whole_runs_by_hand() -> None:
    time_s = np.array([0.0, 0.1, 0.2, 0.9])
    scores = np.array([[0.0], [0.3], [0.9], [0.5]], np.float32)
    for kind, expected in (("mean", [0.15, 0.4, 0.6, 0.5]), ("median", [0.15, 0.3, 0.6, 0.5])):
        options = SmoothingOptions(kind=kind, window_s=0.2, look_ahead_s=0.1)  # type: ignore[arg-type]
        assert smooth_windows(time_s, scores, options)[:, 0].tolist() == pytest.approx(expected)
    ends = np.array([0.0, 0.1 + TIME_TOLERANCE_S])
    both = SmoothingOptions(kind="mean", window_s=0.2, look_ahead_s=0.1)
    assert smooth_windows(ends, scores[1:3], both)[:, 0].tolist() == pytest.approx([0.6, 0.6])
    past = SmoothingOptions(kind="mean", window_s=0.1, look_ahead_s=0.0)
    assert smooth_windows(time_s, scores, past)[:, 0].tolist() == pytest.approx([0.0, 0.15, 0.6, 0.5])


def test_whole_runs_are_gathered_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.smoothing._CELLS", 12)
    sizes: list[int] = []
    reduced = smoothing_module._reduced

    def recorded(scores: NDArray[np.float32], options: SmoothingOptions, axis: int) -> NDArray[np.float64]:
        sizes.append(scores.shape[0] * scores.shape[1])
        return reduced(scores, options, axis)

    monkeypatch.setattr("seqcls.smoothing._reduced", recorded)
    scores = np.linspace(0, 1, 40, dtype=np.float32)[:, None]
    options = SmoothingOptions(kind="mean", window_s=0.2, look_ahead_s=0.1)
    smooth = smooth_windows(np.arange(40) / 10, scores, options)
    assert smooth[1:-1].ravel().tolist() == pytest.approx(scores[1:-1].ravel().tolist())
    assert max(sizes) <= 12 + 3  # a piece, and what does not divide evenly


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(OPTIONS[2:5]),
    st.lists(st.tuples(st.sampled_from([0, 10, 40, 250, 700]), st.floats(0, 1)), max_size=40),
)
def test_whole_runs_give_the_same_bits_as_one_by_one(options: SmoothingOptions, steps: list[tuple[int, float]]) -> None:
    time_s = np.cumsum([step for step, _ in steps]) / 1000
    items: list[Item] = [frame(i, float(t), score) for i, (t, (_, score)) in enumerate(zip(time_s, steps, strict=True))]
    one_by_one = [i.scores.tolist() for i in smooth(options, items) if isinstance(i, FrameScore)]  # type: ignore[union-attr]
    scores = np.array([i.scores for i in items], np.float32).reshape(-1, 2)  # type: ignore[union-attr]
    assert smooth_windows(time_s, scores, options).tolist() == one_by_one


# ---- options


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "magic"}, "unknown smoothing 'magic': choose one of none, exponential, median, mean, hmm"),
        ({"window_s": -1}, "smoothing window_s must be 0 or more seconds, not -1"),
        ({"window_s": math.nan}, "smoothing window_s must be 0 or more seconds, not nan"),
        ({"look_ahead_s": -0.1}, "smoothing look_ahead_s must be 0 or more seconds, not -0.1"),
        ({"time_constant_s": math.inf}, "smoothing time_constant_s must be 0 or more seconds, not inf"),
        ({"dwell_s": -2}, "smoothing dwell_s must be 0 or more seconds, not -2"),
        (
            {"window_s": 0.1, "look_ahead_s": 0.2},
            "smoothing look_ahead_s (0.2) is a part of window_s (0.1): make it shorter",
        ),
        ({"kind": "hmm", "dwell_s": 0}, "smoothing dwell_s must be above 0 seconds for hmm"),
    ],
    ids=str,
)
def test_impossible_options_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as error:
        SmoothingOptions(**wrong)  # type: ignore[arg-type]
    assert str(error.value) == message


def test_options_at_their_limits_are_taken() -> None:
    SmoothingOptions(window_s=0.25, look_ahead_s=0.25)
    SmoothingOptions(window_s=0, look_ahead_s=0, time_constant_s=0, dwell_s=0)
    assert asdict(SmoothingOptions()) == {
        "kind": "mean",
        "window_s": 0.5,
        "look_ahead_s": 0.25,
        "time_constant_s": 0.2,
        "dwell_s": 2.0,
    }


# ---- any signal


@settings(max_examples=40, deadline=None)
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
    assert values(early) == values(whole[: len(early)])  # what was emitted is never taken back


def test_durations_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(UsageError, match="smoothing window_s must be 0 or more seconds, not None"):
        SmoothingOptions(window_s=None)  # type: ignore[arg-type]
