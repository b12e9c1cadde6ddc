"""The operating point on clips small enough to know the best one by hand: 0.1 s a frame, `P` present, `.` absent."""

from __future__ import annotations

import numpy as np
import pytest

from seqcls.errors import DataError, UsageError
from seqcls.evaluation.clip_truth import IGNORE
from seqcls.intervals import IntervalOptions
from seqcls.postprocess import RawScores
from seqcls.smoothing import SmoothingOptions
from seqcls.training import operating_search as module
from seqcls.training.operating_point import Tuned, figures_of, mean_event_f1, tune
from seqcls.training.operating_search import TuneOptions
from seqcls.training.scored_clips import ScoredClip

NONE = SmoothingOptions(kind="none")
#: Four presences of 1 s, each 1 s after the other.
FOUR = ("." * 10 + "P" * 10) * 4 + "." * 10


def clip(truth: str, scores: np.ndarray, name: str = "a") -> ScoredClip:
    """scores (T,) of one organ, or (T, K) with the same truth for each."""
    table = scores.reshape(len(truth), -1).astype(np.float32)
    raw = RawScores(tuple(f"organ {k}" for k in range(table.shape[1])))
    time_s = np.arange(len(truth)) * 0.1
    raw.add_frames(np.arange(len(truth)), time_s, np.full(len(truth), 0.1), table)
    codes = np.array([{"P": 1, ".": 0, "?": IGNORE}[state] for state in truth], np.int8)
    return ScoredClip(name, raw, np.repeat(codes[:, None], table.shape[1], 1), 0.0, len(truth) / 10)


def two(present: float, absent: float, **changed: np.ndarray) -> list[ScoredClip]:
    """Two clips of four presences with these scores; ``changed``: frames of every clip with other ones."""
    scores = np.where(np.array(list(FOUR)) == "P", present, absent)
    for value, rows in changed.items():
        scores[rows] = float(value.removeprefix("to_").replace("_", "."))
    return [clip(FOUR, scores, name) for name in "ab"]


def tuned(clips: list[ScoredClip], smoothing: SmoothingOptions = NONE, **options: float) -> Tuned:
    organs = clips[0].raw.organs
    return tune(clips, organs, smoothing, (IntervalOptions(),) * len(organs), TuneOptions(**options))


@pytest.fixture
def unsmoothed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMOOTHINGS", ())


@pytest.mark.usefixtures("unsmoothed")
def test_the_threshold_between_presence_and_absence_is_found() -> None:
    """Absence scores 0.55, presence 0.72: onsets of 0.6, 0.65 and 0.7 tell them apart, the middle one is 0.65. The offset
    must lie above 0.55, too: of the ratios only 1 does, for all of them, and 0.9 for 0.65 and 0.7."""
    found = tuned(two(0.72, 0.55))
    assert found.intervals == (IntervalOptions(onset=0.65, offset=0.65),)
    (before,), (after,) = found.before, found.after
    assert before is not None and after is not None
    assert (before.event_f1, before.specificity) == (0, 0)  # all of it was present
    assert (after.event_f1, after.sensitivity, after.specificity) == (1, 1, 1)


@pytest.mark.usefixtures("unsmoothed")
def test_flicker_is_dropped_by_a_duration_within_the_delay() -> None:
    """Between the presences, 0.4 s score 0.9: only a least duration of 0.5 s tells them from presence."""
    flicker = np.concatenate([np.arange(3, 7) + 20 * n for n in range(5)])
    found = tuned(two(0.9, 0.1, to_0_9=flicker))
    assert found.intervals[0].min_present_s == 0.5
    assert found.event_f1 == 1 and mean_event_f1(found.before) < 0.7
    hasty = tuned(two(0.9, 0.1, to_0_9=flicker), max_delay_s=0.35)
    assert hasty.event_f1 < 1 and hasty.after[0].delay_s <= 0.35  # type: ignore[union-attr]


@pytest.mark.usefixtures("unsmoothed")
def test_too_few_presences_change_nothing() -> None:
    scores = np.where(np.array(list(FOUR)) == "P", 0.72, 0.55)
    found = tuned([clip(FOUR, scores)] * 1)
    assert (found.intervals, found.curve, found.after) == ((IntervalOptions(),), (), (None,))
    assert np.isnan(found.event_f1)
    # Twice as many in one clip are no more: another patient's would have to be there.
    assert tuned([clip(FOUR * 2, np.tile(scores, 2))]).after == (None,)


@pytest.mark.usefixtures("unsmoothed")
def test_less_than_one_event_is_no_reason() -> None:
    """The default finds all; sharper thresholds would only cover more of the time."""
    first = np.array([10, 30, 50, 70])
    found = tuned(two(0.9, 0.1, to_0_45=first))
    assert found.intervals == (IntervalOptions(),) and found.after == found.before
    assert found.curve  # it is measured all the same


@pytest.mark.usefixtures("unsmoothed")
def test_a_sensitivity_is_reached_or_refused() -> None:
    """Of each presence 5 of 10 frames score 0.3, and 1 of 10 absent ones 0.4, alone: half of the time is found with an
    onset above 0.3, all of it with less; the flicker is then dropped by its duration."""
    late = np.concatenate([np.arange(15, 20) + 20 * n for n in range(4)])
    alone = np.array([4, 24, 44, 64, 84])
    clips = two(0.9, 0.1, to_0_3=late, to_0_4=alone)
    found = tuned(clips, sensitivity=0.95)
    assert found.after[0].sensitivity == 1  # type: ignore[union-attr]
    assert found.after[0].specificity == 1 and found.intervals[0].offset <= 0.3  # type: ignore[union-attr]
    lost = np.concatenate([np.arange(10, 16) + 20 * n for n in range(4)])
    with pytest.raises(DataError, match=r"organ 0 is found for 0\.\d+ of its time at most within 0\.1 s.*0\.95"):
        tuned(two(0.9, 0.04, to_0_01=lost), sensitivity=0.95, max_delay_s=0.1)


def test_tuned_is_never_worse_and_never_later() -> None:
    """Two organs of random scores, whatever the delay and the start."""
    rng = np.random.default_rng(4)
    present = np.array(list(FOUR)) == "P"
    scores = [np.clip(np.where(present, 0.6, 0.4)[:, None] + rng.normal(0, 0.25, (90, 2)), 0, 1) for _ in range(2)]
    clips = [clip(FOUR, own, name) for own, name in zip(scores, "ab", strict=True)]
    for delay_s in (0.1, 0.55):
        found = tuned(clips, SmoothingOptions(), max_delay_s=delay_s)
        assert found.event_f1 >= mean_event_f1(found.before)
        assert all(one.delay_s <= delay_s + 1e-9 for one in (*found.before, *found.after))  # type: ignore[union-attr]
        assert all(point.delay_s <= delay_s + 1e-9 for point in found.curve)
        assert figures_of(clips, clips[0].raw.organs, found.smoothing, found.intervals) == found.after
    assert {point.organ for point in found.curve} == {"organ 0", "organ 1"}
    chosen = [point for point in found.curve if point.organ == "organ 1" and point.onset == found.intervals[1].onset]
    assert chosen[-1].event_f1 == pytest.approx(found.after[1].event_f1, abs=1e-4)  # type: ignore[union-attr]


def test_wishes_that_cannot_be() -> None:
    assert TuneOptions().max_delay_s == pytest.approx(0.55)  # 0.25 s of look-ahead, 0.3 s until a presence is certain
    for wrong in ({"max_delay_s": -1.0}, {"sensitivity": 0.0}, {"sensitivity": 1.5}):
        with pytest.raises(UsageError):
            TuneOptions(**wrong)
