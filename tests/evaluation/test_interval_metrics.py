"""Interval metrics against examples worked out by hand. Times in seconds; a clip lasts from 0 to 10 unless stated."""

from __future__ import annotations

import math
import random
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcls.errors import DataError
from seqcls.evaluation.interval_metrics import (
    MAX_PRESENCES,
    ClipIntervals,
    edit_score,
    event_f1,
    event_f1_and_shares,
    interval_metrics,
    segmental_f1,
    spans_of,
)
from seqcls.evaluation.metrics import ratio
from seqcls.types import TIME_TOLERANCE_S

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import event_f1_by_sed_eval as event_cases


def clip(
    truth: list, prediction: list, ignore: list | None = None, end_s: float = 10.0, start_s: float = 0.0
) -> ClipIntervals:
    return ClipIntervals(
        truth=tuple(truth), prediction=tuple(prediction), ignore=tuple(ignore or []), end_s=end_s, start_s=start_s
    )


# truth, prediction, ignore -> F1 at IoU 0.5
SEGMENTS = {
    "same": ([(2, 6)], [(2, 6)], [], 1.0),
    "IoU exactly one half": ([(2, 6)], [(2, 4)], [], 1.0),
    "IoU below": ([(2, 6)], [(2, 3.9)], [], 0.0),
    "IoU below, too long": ([(2, 6)], [(1, 9.1)], [], 0.0),  # 4 of 8.1 s
    "split in two, one counts": ([(2, 6)], [(2, 4.2), (4.5, 6)], [], 2 / 3),
    "one for two": ([(1, 3), (4, 9)], [(1, 9)], [], 2 / 3),  # IoU 5/8 with the second
    "missed": ([(2, 6)], [], [], 0.0),
    "false": ([], [(2, 6)], [], 0.0),
    "nothing to find, nothing found": ([], [], [], math.nan),
    "three of four": ([(0, 1), (2, 3), (4, 5)], [(0, 1), (2, 3), (4, 5), (6, 7)], [], 6 / 7),
    "false inside ignore": ([(2, 6)], [(2, 6), (7, 8)], [(6.5, 9)], 1.0),
    "ignored time counts for neither": ([(2, 4)], [(2, 9)], [(4, 9)], 1.0),
    "one event across an ignore span stays one": ([(2, 6)], [(2, 6)], [(3, 4)], 1.0),
    "an ignore span makes two presences one": ([(2, 4), (5, 6)], [(2, 6)], [(4, 5)], 1.0),
    "in the prediction too": ([(2, 6)], [(2, 3), (4, 6)], [(2.5, 4.5)], 1.0),
    "two ignore spans between": ([(2, 6)], [(2, 3), (4, 6)], [(3, 3.5), (3.5, 4)], 1.0),
    "ignore spans that overlap": ([(2, 6)], [(2, 5)], [(4, 7), (6, 8)], 1.0),
    "absence beside the ignore span keeps them two": ([(2, 4), (5, 6)], [(2, 6)], [(4, 4.5)], 2 / 3),  # IoU 2/3.5
    "truth wholly ignored": ([(2, 6)], [], [(1, 7)], math.nan),
    "ignored beyond the clip": ([(2, 8)], [(2, 9)], [(8, 12)], 1.0),
    "out of order": ([(6, 8), (2, 4)], [(2, 4), (6, 8)], [], 1.0),
    "one without length": ([(1, 1), (2, 6)], [(2, 6)], [], 1.0),
    "inside one another": ([(2, 8)], [(2, 8), (3, 4)], [], 1.0),
}


@pytest.mark.parametrize(("truth", "prediction", "ignore", "expected"), SEGMENTS.values(), ids=SEGMENTS.keys())
def test_segmental_f1(truth: list, prediction: list, ignore: list, expected: float) -> None:
    assert segmental_f1([clip(truth, prediction, ignore)], 0.5) == pytest.approx(expected, nan_ok=True)


def test_a_presence_is_found_once() -> None:
    """Both halves have an IoU of 0.4 or more; counting both would give an F1 of 4/3."""
    assert segmental_f1([clip([(2, 6)], [(2, 3.9), (4.1, 6)])], 0.25) == pytest.approx(2 / 3)


def test_segments_are_pooled_over_clips() -> None:
    both = [clip([(2, 6)], [(2, 6)]), clip([(1, 2)], [(3, 4), (5, 6)])]
    assert segmental_f1(both, 0.5) == pytest.approx(2 / 5)
    assert event_f1(both) == pytest.approx(2 / 5)


EDITS = {
    "same order, other times": ([(2, 6)], [(3, 9)], [], 1.0),  # APA, APA
    "one event too many": ([(2, 6)], [(2, 3), (4, 6)], [], 3 / 5),  # APA, APAPA
    "missed": ([(2, 6)], [], [], 1 / 3),  # APA, A
    "starts present": ([(0, 6)], [(1, 6)], [], 2 / 3),  # PA, APA
    "ends present": ([(1, 10)], [(1, 6)], [], 2 / 3),  # AP, APA
    "present throughout, never found": ([(0, 10)], [], [], 0.0),  # P, A
    "the other way round": ([(0, 5)], [(5, 10)], [], 0.0),  # PA, AP
    "shifted": ([(0, 2), (4, 6)], [(2, 4), (6, 10)], [], 1 / 2),  # PAPA, APAP
    "longer and shifted": ([(0, 2), (4, 6)], [(2, 4)], [], 3 / 4),  # PAPA, APA
    "split inside an ignore span": ([(2, 6)], [(2, 3), (4, 6)], [(3, 4)], 1.0),
    "an ignored start": ([(2, 6)], [(0, 6)], [(0, 2)], 1.0),  # PA, PA
    "all ignored": ([(2, 6)], [(2, 3)], [(0, 10)], 1.0),
}


@pytest.mark.parametrize(("truth", "prediction", "ignore", "expected"), EDITS.values(), ids=EDITS.keys())
def test_edit_score(truth: list, prediction: list, ignore: list, expected: float) -> None:
    assert edit_score(clip(truth, prediction, ignore)) == pytest.approx(expected)


STATES = st.lists(st.booleans(), min_size=10, max_size=10).map(np.array)


@settings(max_examples=80, deadline=None)
@given(STATES, STATES)
def test_the_edit_score_is_levenshteins(truth: np.ndarray, prediction: np.ndarray) -> None:
    spans = [list(spans_of(state, np.arange(10), 10.0)) for state in (truth, prediction)]
    ours, theirs = (state[np.append(True, state[1:] != state[:-1])].tolist() for state in (truth, prediction))
    row = list(range(len(theirs) + 1))
    for i, state in enumerate(ours, start=1):
        row, above = [i], row
        for j, other in enumerate(theirs, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (state != other)))
    assert edit_score(clip(*spans)) == pytest.approx(1 - row[-1] / max(len(ours), len(theirs)))


EVENTS = {
    "inside both collars": ([(2, 6)], [(2.2, 8)], [], 1.0),  # offset may be off by half of 4 s
    "onset late": ([(2, 6)], [(2.3, 6)], [], 0.0),
    "onset early": ([(2, 6)], [(1.7, 6)], [], 0.0),
    "offset late": ([(2, 6)], [(2, 8.1)], [], 0.0),
    "offset early": ([(2, 6)], [(2, 3.9)], [], 0.0),
    "a short one has the collar": ([(2, 2.2)], [(2, 2.4)], [], 1.0),
    "and no more": ([(2, 2.2)], [(2, 2.41)], [], 0.0),
    "unsure onset": ([(2, 6)], [(1.2, 6)], [(1, 2)], 1.0),
    "missed": ([(2, 6)], [], [], 0.0),
    "false": ([], [(2, 6)], [], 0.0),
    "nothing to find, nothing found": ([], [], [], math.nan),
    "one for one": ([(2, 6)], [(2, 3.9), (4, 6)], [(3.9, 4)], 1.0),
    "a second one is false": ([(2, 4)], [(2, 4), (6, 8)], [], 2 / 3),
    # The first presence can only take the first prediction, so the second must take the other.
    "as many pairs as possible": ([(2, 2.15), (2.25, 2.4)], [(2.16, 2.3), (2.41, 2.5)], [], 1.0),
}


@pytest.mark.parametrize(("truth", "prediction", "ignore", "expected"), EVENTS.values(), ids=EVENTS.keys())
def test_event_f1(truth: list, prediction: list, ignore: list, expected: float) -> None:
    assert event_f1([clip(truth, prediction, ignore)]) == pytest.approx(expected, nan_ok=True)


def sed_eval_hits(truth: list, prediction: list, collar_s: float) -> int:
    """sed_eval 0.2.1's ``EventBasedMetrics`` written out: a matrix of hits, and the largest matching in it."""
    hits = [
        [
            k
            for k, (start, end) in enumerate(truth)
            if abs(start - found[0]) <= collar_s and abs(end - found[1]) <= max(collar_s, 0.5 * (end - start))
        ]
        for found in prediction
    ]
    taken: dict[int, int] = {}

    def augment(at: int, tried: set[int]) -> bool:
        for k in hits[at]:
            if k not in tried:
                tried.add(k)
                if k not in taken or augment(taken[k], tried):
                    taken[k] = at
                    return True
        return False

    return sum(augment(at, set()) for at in range(len(prediction)))


def test_event_f1_is_sed_evals_on_random_cases() -> None:
    """scripts/event_f1_by_sed_eval.py asks sed_eval itself."""
    chance = random.Random(0)
    values = set()
    for number in range(150):
        truth = event_cases.spans(chance)
        prediction, collar_s = event_cases.moved(chance, truth), event_cases.COLLARS[number % 3]
        value = event_f1([clip(truth, prediction, end_s=20.0)], collar_s=collar_s)
        pairs = sed_eval_hits(truth, prediction, collar_s)
        assert value == pytest.approx(ratio(2 * pairs, len(truth) + len(prediction)), nan_ok=True)
        values.add(round(value, 3))
    assert len(values) > 20


def test_event_f1_with_other_collars() -> None:
    late = clip([(2, 6)], [(3, 9)])
    assert event_f1([late], collar_s=1.0, length_share=0.75) == 1.0
    assert event_f1([late], collar_s=0.9, length_share=0.75) == 0.0
    assert event_f1([late], collar_s=1.0, length_share=0.74) == 0.0


def test_interval_metrics_by_hand() -> None:
    first = clip([(2, 4), (6, 8)], [(2.1, 4.3), (9, 9.5)], [(8.9, 9.2)])
    second = clip([], [(25, 26)], start_s=20.0, end_s=40.0)
    assert asdict(interval_metrics([first, second])) == {
        "clips": 2,
        "presences": 2,
        "found": 1,
        "predictions": 3,
        "false_events": 2,
        "false_events_per_min": pytest.approx(60 * 2 / 29.7),
        "missed_events_per_min": pytest.approx(60 * 1 / 29.7),
        "f1_at": pytest.approx((0.4, 0.4, 0.4)),
        "edit": pytest.approx((1 + 1 / 3) / 2),  # APAPA, APAPA; A, APA
        "event_f1": pytest.approx(0.4),
        "collar_s": 0.2,
        "onsets": 1,
        "onset_median_s": pytest.approx(0.1),
        "onset_p90_s": pytest.approx(0.1),
        "offsets": 1,
        "offset_median_s": pytest.approx(0.3),
        "offset_p90_s": pytest.approx(0.3),
        "unknown_share": pytest.approx(math.nan, nan_ok=True),
        "delays": 0,
        "delay_median_s": pytest.approx(math.nan, nan_ok=True),
        "delay_p90_s": pytest.approx(math.nan, nan_ok=True),
    }


def test_what_a_search_asks_by_hand() -> None:
    """The same two clips as above: 1.9 of 4 s in view found; of 9.7 + 20 - 4 other seconds 0.3 + 0.3 + 1 predicted."""
    first = clip([(2, 4), (6, 8)], [(2.1, 4.3), (9, 9.5)], [(8.9, 9.2)])
    second = clip([], [(25, 26)], start_s=20.0, end_s=40.0)
    f1, sensitivity, specificity = event_f1_and_shares([first, second])
    assert f1 == pytest.approx(event_f1([first, second])) == 0.4
    assert (sensitivity, specificity) == pytest.approx((1.9 / 4, 1 - 1.6 / 25.7))
    assert event_f1_and_shares([clip([(0, 10)], [(0, 10)])])[1:] == pytest.approx((1, math.nan), nan_ok=True)


def test_found_presences_and_false_events_are_counted() -> None:
    result = interval_metrics([clip([(1, 2), (3, 4), (5, 6)], [(1, 2), (3, 4), (7, 8), (8.5, 9)])])
    assert (result.found, result.presences, result.false_events, result.predictions) == (2, 3, 2, 4)


@pytest.mark.parametrize("ignore", [(-5, -3), (12, 13)], ids=["before", "after"])
def test_ignore_spans_outside_of_the_clip_do_not_lengthen_it(ignore: tuple[float, float]) -> None:
    result = interval_metrics([clip([(0, 10)], [], [ignore]), clip([], [(6, 7)], [ignore])])
    assert result.false_events_per_min == pytest.approx(60 / 20)
    assert edit_score(clip([(0, 10)], [(0, 2)], [ignore])) == 0.5  # P, PA


def test_times_that_differ_by_the_tolerance_are_the_same() -> None:
    """1 us, in numbers whose difference is exactly that; all but the last 1 us of a clip is all of it."""
    us = TIME_TOLERANCE_S
    assert event_f1([clip([(0, 4)], [(us, 4)])], collar_s=0.0) == 1.0
    assert event_f1([clip([(0, 0.0625)], [(0, 0.0625 + (0.25 + us))])], collar_s=0.25) == 1.0
    assert interval_metrics([clip([(us, 5)], [(0, 2 * us)])]).found == 0
    merged = interval_metrics([clip([(0, us), (2, 4), (4 + us, 6)], [])])
    assert merged.presences == 1
    ends = interval_metrics([clip([(us, 10 - us)], [(1, 9)])])
    assert (ends.found, ends.onsets, ends.offsets) == (1, 0, 0)
    assert edit_score(clip([(us, 10 - us)], [(0, 10)])) == 1.0


def test_segmental_f1_is_given_at_three_overlaps() -> None:
    """IoU 0.1, 0.2, 0.3 and 0.6, in this order."""
    clips = [clip([(0, 10)], [(0, 10 * iou)]) for iou in (0.1, 0.2, 0.3, 0.6)]
    assert interval_metrics(clips).f1_at == (1.0, 0.5, 0.25)


def test_edge_errors_have_a_median_and_a_90th_percentile() -> None:
    clips = [clip([(2, 8)], [(2 + late, 8 - 2 * late)]) for late in (0.0, 0.1, 0.2, 0.3, 1.0)]
    result = interval_metrics(clips)
    assert (result.onsets, result.offsets) == (5, 5)
    assert (result.onset_median_s, result.onset_p90_s) == pytest.approx((0.2, 0.3 + 0.6 * 0.7))
    assert (result.offset_median_s, result.offset_p90_s) == pytest.approx((0.4, 0.6 + 0.6 * 1.4))


def test_errors_are_those_of_the_prediction_that_overlaps_most() -> None:
    result = interval_metrics([clip([(2, 8)], [(1, 3), (4, 7.5)])])
    assert (result.found, result.false_events) == (1, 0)
    assert (result.onset_median_s, result.offset_median_s) == (2.0, 0.5)


def test_a_touch_is_no_overlap() -> None:
    result = interval_metrics([clip([(2, 4)], [(4, 6)])])
    assert (result.found, result.false_events, result.onsets) == (0, 1, 0)
    assert math.isnan(result.onset_median_s)


def test_edges_at_the_ends_of_the_clip_have_no_error() -> None:
    result = interval_metrics([clip([(0, 10)], [(1, 9)]), clip([(1, 9)], [(2, 7)], [(0, 1), (9, 9.5)])])
    assert (result.onsets, result.offsets) == (0, 1)  # 0..1 is unsure up to the clip's start; 9..9.5 is not the end
    assert result.offset_median_s == pytest.approx(2.0)


def test_an_edge_error_counts_no_ignored_time() -> None:
    result = interval_metrics([clip([(2, 6)], [(1, 9)], [(6, 8), (1.5, 1.75)])])
    assert result.onset_median_s == pytest.approx(0.75)
    assert result.offset_median_s == pytest.approx(1.0)


def test_a_clip_may_begin_at_any_time() -> None:
    later = clip([(102, 106)], [(101, 106)], [(103, 104)], start_s=100.0, end_s=110.0)
    result = interval_metrics([later])
    assert (result.onset_median_s, result.offset_median_s, result.f1_at[2]) == (1.0, 0.0, 1.0)
    assert edit_score(later) == 1.0


def test_no_clips_give_nan() -> None:
    result = interval_metrics([])
    assert result.clips == result.presences == 0
    for value in (result.edit, result.false_events_per_min, result.event_f1, result.f1_at[0], result.offset_p90_s):
        assert math.isnan(value)


def test_spans_of_frames() -> None:
    time_s = [0.0, 0.1, 0.3, 0.35, 0.5]
    assert spans_of([True, False, True, True, False], time_s, 0.6) == ((0.0, 0.1), (0.3, 0.5))
    assert spans_of([False, True], [0.0, 1.0], 2.5) == ((1.0, 2.5),)
    assert spans_of([], [], 0.0) == ()


def test_presences_are_counted_before_they_are_paired() -> None:
    many = [(2 * k, 2 * k + 1) for k in range(MAX_PRESENCES + 1)]
    with pytest.raises(DataError, match="3,000 presences"):
        event_f1([clip(many, [(0, 1)], end_s=1e5)])
    # as many stretches to be ignored are one pass
    (one,) = (clip([(0, 1)], [(0, 1)], [(2 * k, 2 * k + 1) for k in range(1, 40_000)], end_s=1e5),)
    assert event_f1([one]) == 1.0
