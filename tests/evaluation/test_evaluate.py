"""A timeline beside its labels: what counts as found, and that ignored stretches interrupt nothing."""

from __future__ import annotations

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.datasets.labels import ClipLabels, LabelledSpan
from seqcls.evaluation.evaluate import align_labels, clip_accuracy, figures


def labels(states: str, organ: str = "liver") -> ClipLabels:
    """One character a frame: P present, . absent, i ignore, blank not labelled."""
    names = {"P": "present", ".": "absent", "i": "ignore"}
    spans = [
        LabelledSpan("clip.mp4", organ, names[c], start_index=i, end_index=i)  # type: ignore[arg-type]
        for i, c in enumerate(states)
        if c != " "
    ]
    return ClipLabels("clip.mp4", "P1", tuple(spans))


def test_a_perfect_timeline() -> None:
    found = figures([align_labels(timeline(liver="....PPPPPP....PPPP.."), labels("....PPPPPP....PPPP.."))])
    (organ,) = found.organs
    assert organ.frames.auroc == organ.frames.accuracy == 1.0
    assert organ.intervals.f1_at == (1.0, 1.0, 1.0) and organ.intervals.edit == 1.0
    assert (organ.intervals.presences, organ.intervals.found, organ.intervals.false_events) == (2, 2, 0)
    assert organ.intervals.onset_median_s == organ.intervals.offset_median_s == 0


def test_false_and_missed_presences_are_counted() -> None:
    (organ,) = figures([align_labels(timeline(liver="PPPP......PPPP......"), labels("..........PPPP..PPP."))]).organs
    assert (organ.intervals.presences, organ.intervals.found, organ.intervals.false_events) == (2, 1, 1)
    assert organ.frames.accuracy == pytest.approx(13 / 20)


@pytest.mark.parametrize("found", ["..PPPPPPPPP...", "..PPPP...PP...", "..PPPP???PP..."])
def test_an_ignored_stretch_interrupts_no_presence(found: str) -> None:
    (organ,) = figures([align_labels(timeline(liver=found), labels("..PPPPiiiPP..."))]).organs
    assert organ.intervals.presences == 1 and organ.intervals.f1_at[2] == 1.0
    assert organ.intervals.false_events == 0


def test_absence_between_presences_does_interrupt() -> None:
    (organ,) = figures([align_labels(timeline(liver="..PPPPPPPPP..."), labels("..PPPi..PPP..."))]).organs
    assert organ.intervals.presences == 2 and organ.intervals.f1_at[2] < 1.0


def test_unlabelled_and_unjudged_frames_do_not_count() -> None:
    truth = align_labels(timeline(liver="PP??PPPP.."), labels("PPPPPP    "))
    assert np.array_equal(truth.codes[:, 0], [1, 1, 1, 1, 1, 1, -1, -1, -1, -1])
    assert clip_accuracy(truth, 0) == 1.0 and figures([truth]).organs[0].frames.count == 4


def test_an_organ_without_labels_is_left_out() -> None:
    found = figures([align_labels(timeline(liver="PPPP....", kidney="....PPPP"), labels("PPPP...."))])
    assert [organ.organ for organ in found.organs] == ["liver"]
