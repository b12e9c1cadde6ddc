"""What is written beside the weights: numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from seqcls import __version__
from seqcls.datasets.dataset import FrameSet
from seqcls.geometry import Geometry
from seqcls.intervals import IntervalOptions
from seqcls.models.file import ModelHeader, resnet18_shapes, write_model
from seqcls.models.trained_on import TrainedOn, known_frames, seen_in_training
from seqcls.training import header as module
from seqcls.training.header import chance_messages, logits_of, make_header, metrics_by_organ, trained_on
from seqcls.training.options import TrainOptions

#: Rows 0 to 8 are trained on; of the others, clips "a" and "b" show 10 frames present and 10 absent each.
TRAINED, UNSEEN = np.arange(9), np.arange(9, 49)
NONE = np.empty(0, np.int64)


@pytest.fixture
def frames() -> FrameSet:
    """The organ "disc" is labelled everywhere, "bar" in clip "a" alone."""
    disc = np.concatenate([np.arange(9) < 6, np.tile(np.arange(20) < 10, 2)])
    clip = np.repeat(["t", "a", "b"], [9, 20, 20])
    return FrameSet(
        images=np.zeros((49, 16, 16), np.uint8),
        targets=np.stack([disc, disc], axis=1).astype(np.float32),
        mask=np.stack([np.ones(49, bool), clip == "a"], axis=1),
        clip=clip,
        patient=np.where(clip == "b", "P2", "P1"),
        split=np.repeat(["train", "validation"], [9, 40]),
        time_s=np.full(49, math.nan),
        organs=("disc", "bar"),
        geometry=Geometry(size=16),
        hash="abc",
    )


def logits(frames: FrameSet, present: float, absent: float) -> np.ndarray:
    return np.where(frames.targets[UNSEEN] > 0.5, present, absent).astype(np.float32)


def test_thresholds_are_chosen_on_calibrated_scores(frames: FrameSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """sigmoid(2 * 1.5 - 1) = 0.8808 and sigmoid(2 * 0.5 - 1) = 0.5: every threshold of 0.51 to 0.88 tells them apart.

    The middle is 0.695; two clips of eight and two draw it to 0.5 + 0.195 * 2 / 10 = 0.539, and 0.7 of that is 0.377.
    """
    pairs = iter([(2.0, -1.0), (1.0, 0.0)])
    monkeypatch.setattr(module, "fit_calibration", lambda *_: next(pairs))
    header, messages = make_header(frames, TRAINED, UNSEEN, logits(frames, 1.5, 0.5), {})
    assert header.calibration == ((2.0, -1.0), (1.0, 0.0))
    assert header.intervals == (IntervalOptions(onset=0.539, offset=0.377), IntervalOptions())
    assert messages == ("too few validation clips show bar both present and absent: default thresholds kept",)


def test_calibration_sees_what_is_labelled_and_scored(frames: FrameSet, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[float], list[float], list[str]]] = []

    def fit(logits: np.ndarray, truth: np.ndarray, clips: np.ndarray) -> tuple[float, float]:
        seen.append((logits.tolist(), truth.tolist(), clips.tolist()))
        return 1.0, 0.0

    monkeypatch.setattr(module, "fit_calibration", fit)
    known = logits(frames, 3.0, -3.0)
    known[[0, 39], 0] = math.nan  # one present frame of "a", one absent frame of "b"
    make_header(frames, TRAINED, UNSEEN, known, {})
    disc, bar = seen
    assert disc == ([3.0] * 9 + [-3.0] * 10 + [3.0] * 10 + [-3.0] * 9, [1] * 9 + [0] * 10 + [1] * 10 + [0] * 9,
                    ["a"] * 19 + ["b"] * 19)  # fmt: skip
    assert bar == ([3.0] * 10 + [-3.0] * 10, [1] * 10 + [0] * 10, ["a"] * 20)


def test_even_evidence_about_zero_leaves_the_threshold_at_one_half(frames: FrameSet) -> None:
    header, _ = make_header(frames, TRAINED, UNSEEN, logits(frames, 3.0, -3.0), {})
    (slope, shift), plain = header.calibration
    assert 0.25 <= slope <= 4.0 and shift == pytest.approx(0.0, abs=1e-6) and plain == (1.0, 0.0)
    assert header.intervals[0] == IntervalOptions(onset=0.5, offset=0.35)


def test_the_summary_counts_frames_clips_and_patients(frames: FrameSet) -> None:
    header, _ = make_header(frames, TRAINED, UNSEEN, logits(frames, 3.0, -3.0), {"epochs": 3})
    assert (header.organs, header.geometry, header.dataset_hash) == (frames.organs, frames.geometry, "abc")
    assert (header.version, header.regions) == (__version__, ())
    assert set(header.training) == {"epochs", "classes", "validation"}
    assert header.training["epochs"] == 3
    assert header.training["classes"] == {
        "frames": 9, "clips": 1, "patients": 1, "disc": {"present": 6, "absent": 3}, "bar": {"present": 0, "absent": 0},
    }  # fmt: skip
    assert header.training["validation"] == {
        "frames": 40, "clips": 2, "patients": 2, "disc": {"present": 20, "absent": 20},
        "bar": {"present": 10, "absent": 10},
    }  # fmt: skip


def test_without_unseen_frames_everything_is_the_default(frames: FrameSet) -> None:
    nothing = np.empty(0, np.int64)
    header, messages = make_header(frames, TRAINED, nothing, np.empty((0, 2), np.float32), {})
    assert header.calibration == ((1.0, 0.0),) * 2 and header.intervals == (IntervalOptions(),) * 2
    assert [message.split(" show ")[1].split()[0] for message in messages] == ["disc", "bar"]
    assert header.training["validation"]["frames"] == 0  # type: ignore[index]


def test_metrics_are_taken_at_the_headers_thresholds(frames: FrameSet) -> None:
    """At 0.539, 0.53 is absence: 0.6 alone is found, so sensitivity is 1 / 2, specificity 2 / 2, accuracy 3 / 4."""
    header, _ = make_header(frames, TRAINED, UNSEEN, logits(frames, 3.0, -3.0), {})
    header = replace(header, intervals=(IntervalOptions(onset=0.539, offset=0.377), IntervalOptions()))
    rows = np.array([9, 10, 19, 20])  # present, present, absent, absent
    scores = np.repeat(np.array([0.6, 0.53, 0.53, 0.2], np.float32)[:, None], 2, axis=1)
    disc, bar = metrics_by_organ(frames, rows, scores, header)
    assert (disc.threshold, disc.sensitivity, disc.specificity, disc.accuracy) == (0.539, 0.5, 1.0, 0.75)
    assert (bar.threshold, bar.sensitivity, bar.specificity, bar.accuracy) == (0.5, 1.0, 0.5, 0.75)


def test_logits_are_the_inverse_of_the_sigmoid_and_finite() -> None:
    """ln(0.75 / 0.25) = ln 3 = 1.0986; at the ends, ln(1e7 - 1) = 16.118."""
    found = logits_of(np.array([[0.5, 0.75, 0.25, 0.0, 1.0]], np.float32))
    assert found.dtype == np.float32
    assert found[0].tolist() == pytest.approx([0.0, 1.098612, -1.098612, -16.118096, 16.118096], abs=1e-5)


def test_what_a_model_was_trained_on_is_kept_with_what_its_weights_had_seen(frames: FrameSet, tmp_path: Path) -> None:
    """Of clips "t" and "a" alone: clip "b" is held back, and its patient with it. Clip "a" is a known file."""
    images = np.random.default_rng(0).integers(0, 255, (49, 16, 16), np.uint8)
    frames = replace(frames, images=images, digests={"a": "da", "b": "db"})
    rows = np.arange(29)
    (own,) = trained_on(frames, rows, NONE, TrainOptions(weights="none"))
    assert known_frames([own], images).tolist() == [True] * 29 + [False] * 20
    assert [seen_in_training([own], clip_digest=d, patient=p) for d, p in (("da", "P1"), ("db", "P2"))] == [
        ("clip", "patient"),
        (),
    ]
    assert trained_on(frames, rows, NONE, TrainOptions(fingerprints="none")) == ()
    (hidden,) = trained_on(frames, rows, NONE, TrainOptions(fingerprints="no-names"))
    assert (hidden.clips, hidden.frames, hidden.patients) == (own.clips, own.frames, ())
    alone = replace(frames, patient=frames.clip)  # the labels name nobody
    assert trained_on(alone, rows, NONE, TrainOptions())[0].patients == ()
    both = trained_on(frames, rows, np.arange(29, 49), TrainOptions())
    assert [one.role for one in both] == ["training", "validation"] and both[0] == own
    assert seen_in_training(both, clip_digest="db", patient="P2") == ("validation",)
    before = TrainedOn.of("before", [], ["d0"])
    header = ModelHeader(organs=("disc",), geometry=frames.geometry, trained_on=(before,))
    tensors = {name: np.ones(shape, np.float32) for name, shape in resnet18_shapes(1).items()}
    write_model(tmp_path / "m.safetensors", header, tensors)
    assert trained_on(frames, rows, NONE, TrainOptions(weights=str(tmp_path / "m.safetensors"))) == (own, before)
    save_file(tensors, tmp_path / "foreign.safetensors")
    assert trained_on(frames, rows, NONE, TrainOptions(weights=str(tmp_path / "foreign.safetensors"))) == (own,)


def test_scores_that_know_nothing_are_called_chance(frames: FrameSet) -> None:
    """Clips a and b: 10 frames present, then 10 absent. "bar" is labelled in clip a alone."""
    known = np.where(frames.targets[UNSEEN] > 0.5, 0.9, 0.1).astype(np.float32)
    assert chance_messages(frames, UNSEEN, known) == ()
    blind = np.tile([[0.4, 0.9], [0.6, 0.1]], (20, 1)).astype(np.float32)
    blind[:, 1] = known[:, 1]
    (message,) = chance_messages(frames, UNSEEN, blind)
    assert message.startswith("disc: no better than chance (AUROC 0.50, ") and "2 stretches with it and 2" in message
