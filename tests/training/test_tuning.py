"""A model tuned to clips: its calibration undone and fitted anew, and its header with everything in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seqcls.errors import DataError
from seqcls.evaluation.clip_truth import IGNORE
from seqcls.geometry import Geometry
from seqcls.intervals import IntervalOptions
from seqcls.models.file import ModelHeader
from seqcls.postprocess import RawScores
from seqcls.training.operating_point import figures_of, mean_event_f1
from seqcls.training.operating_search import TuneOptions
from seqcls.training.scored_clips import ScoredClip
from seqcls.training.tuning import calibrated_anew, raw_logits, tune_model, with_calibration

HEADER = ModelHeader(organs=("liver", "kidney"), geometry=Geometry(size=32), calibration=((2.0, 0.5), (1.0, 0.0)))
TRUTH = np.tile(np.repeat([0, 1], 10), 4)


def clip(name: str, present: float, absent: float, header: ModelHeader = HEADER) -> ScoredClip:
    """Four presences of 1 s; the network gives these logits. Nothing is known of the kidney."""
    logits = np.where(TRUTH, present, absent)[:, None].repeat(2, 1)
    raw = RawScores(header.organs)
    time_s = np.arange(len(TRUTH)) * 0.1
    raw.add_frames(np.arange(len(TRUTH)), time_s, np.full(len(TRUTH), 0.1), header.probabilities(logits))
    codes = np.stack([TRUTH, np.full(len(TRUTH), IGNORE)], 1).astype(np.int8)
    return ScoredClip(name, raw, codes, 0.0, len(TRUTH) / 10)


CLIPS = [clip("a", 3.0, 1.0), clip("b", 3.0, 1.0)]


def test_what_the_network_gave_is_found_again() -> None:
    """sigmoid(2 * 1 + 0.5) is a score, (ln(p / (1 - p)) - 0.5) / 2 = 1 the logit behind it."""
    assert raw_logits(HEADER, CLIPS[0])[[0, 10], 0] == pytest.approx([1.0, 3.0], abs=1e-3)
    plain = with_calibration(CLIPS[0], HEADER, ((1.0, 0.0), (1.0, 0.0)))
    assert plain.raw.table().raw[0] == pytest.approx([1 / (1 + np.exp(-1))] * 2, abs=1e-4)


def test_scores_are_calibrated_anew_where_enough_is_labelled() -> None:
    """The odds become even between the logits 1 and 3, drawn towards 0 from their middle. The kidney keeps its own."""
    (slope, shift), kidney = calibrated_anew(HEADER, CLIPS)
    assert 1 < -shift / slope < 2 and kidney == (1.0, 0.0)


def test_a_tuned_header_holds_everything_and_reads_back() -> None:
    found = tune_model(HEADER, CLIPS, TuneOptions())
    before, after = found.before[0], found.after[0]
    assert before is not None and after is not None and found.after[1] is None
    assert before.event_f1 < after.event_f1 == 1
    assert found.header.intervals[1] == IntervalOptions()
    assert found.header.training["tuning"]["event_f1"]["liver"][1] == 1  # type: ignore[index]
    assert {point.organ for point in found.header.operating_curve} == {"liver"}
    assert ModelHeader.from_json(found.header.to_json()) == found.header
    scored = [with_calibration(clip, HEADER, found.header.calibration) for clip in CLIPS]
    measured = figures_of(scored, HEADER.organs, found.header.smoothing, found.header.intervals)
    assert measured == found.after


def test_a_model_that_fits_is_not_made_worse() -> None:
    """Its own calibration and options find everything; so does what comes of them."""
    fit = replace(HEADER, calibration=((2.0, -4.0), (1.0, 0.0)))
    clips = [clip(name, 3.0, 1.0, fit) for name in "ab"]
    found = tune_model(fit, clips, TuneOptions())
    assert mean_event_f1(found.after) >= mean_event_f1(found.before) == 1


def test_too_little_to_tune_on() -> None:
    with pytest.raises(DataError, match=r"no organ of liver, kidney is labelled with 5 presences in 2 clips"):
        tune_model(HEADER, CLIPS[:1], TuneOptions())
