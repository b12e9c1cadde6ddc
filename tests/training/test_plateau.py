"""How many epochs are enough, by folds: numbers by hand, who is watched, and the same after a kill."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import tiny_network
from support.frame_sets import QUICK, frame_set

from seqcls.training import crossvalidation as module
from seqcls.training import fit
from seqcls.training import train as training
from seqcls.training.checkpoints import Checkpoints
from seqcls.training.crossvalidation import CrossValidation, cross_validate
from seqcls.training.epoch import Epoch
from seqcls.training.plateau import enough_epochs, watched_rows, why_all
from seqcls.training.prediction import Judgement


def course(*figures: float | tuple[float, float]) -> tuple[Epoch, ...]:
    """Of AUROCs, or of AUROCs and losses."""
    pairs = [figure if isinstance(figure, tuple) else (figure, 0.5) for figure in figures]
    return tuple(
        Epoch(number=n, loss=1.0, validation_loss=loss, auroc=auroc, lr=0.0, seconds=1.0, images_per_s=1.0, best=False)
        for n, (auroc, loss) in enumerate(pairs, 1)
    )


def test_the_rule_on_numbers_by_hand() -> None:
    """Means of the two: 0.6, 0.8, 0.75, 0.8, 0.9. The second is the best until the fifth, three epochs later."""
    two = course(0.5, 0.9, 0.7, 0.7, 0.8), course(0.7, 0.7, 0.8, 0.9, 1.0)
    assert [enough_epochs(two, patience) for patience in (1, 2, 3)] == [2, 2, None]
    assert enough_epochs(two[:1], 3) == 2  # alone, 0.9 is never reached again
    assert enough_epochs(two[:1], 3, folds=2) is None and enough_epochs((), 1) is None


def test_a_fold_of_one_state_does_not_count_and_a_lower_loss_is_a_gain() -> None:
    nothing = course(*[(math.nan, 0.1)] * 4)
    falls = course((1.0, 0.4), (1.0, 0.3), (1.0, 0.31), (1.0, 0.32))
    assert enough_epochs([nothing, falls], 2) == enough_epochs([falls], 2) == 2
    assert enough_epochs([nothing, falls], 2, folds=2) is None and enough_epochs([nothing], 1) is None
    assert why_all([nothing], 1).startswith("no fold left out patients of both states")


def test_labelled_frames_of_every_clip_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.training.plateau.MAX_WATCHED", 6)
    frames = frame_set(clips=4)
    frames = replace(frames, mask=frames.mask & (np.arange(48) % 12 > 1)[:, None])
    assert watched_rows(frames, np.arange(12, 48)).tolist() == [14, 23, 26, 35, 38, 47]


def test_who_was_watched_goes_on_to_the_end_and_the_others_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four patients the first two are watched, and gain nothing after epoch 2: so long learn the other two."""
    asked: list[tuple[int, list[str]]] = []

    def train(part: Any, options: Any, *, train_index: Any, watched: Any, validation_index: Any, **_: Any) -> Any:
        assert len(validation_index) == 0
        names = [] if watched is None else sorted(set(part.patient[watched]))
        assert not set(names) & set(part.patient[train_index])
        asked.append((options.epochs, names))
        return SimpleNamespace(organs=part.organs, interrupted=False, history=course(0.5, 0.9, 0.8, 0.8))

    def score_frames(result: Any, images: Any, options: Any, rows: Any) -> Any:
        return np.full((len(rows), len(result.organs)), 0.5, np.float32)

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module, "score_frames", score_frames)
    monkeypatch.setattr(module, "ROUNDS", 20)
    frames = frame_set(clips=8, frames=6).of_organs(["disc"])
    outcome = cross_validate(frames, replace(QUICK, patience=2))
    assert asked == [(4, ["p0"]), (4, ["p1"]), (2, []), (2, [])] and outcome.epochs == 2
    patient = cross_validate(frames, replace(QUICK, patience=3))
    assert patient.epochs is None
    assert "patients left out were never 3 epochs without gain, so all epochs are trained" in patient.notes
    asked.clear()
    outcome = cross_validate(frames, QUICK)
    assert asked == [(4, [])] * 4 and outcome.epochs is None and not any("epochs" in note for note in outcome.notes)


class KilledError(Exception):
    pass


def test_watching_decides_on_no_weights_and_a_kill_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "build", tiny_network.build)
    monkeypatch.setattr(module, "GrayResNet", lambda outputs, **_: tiny_network.TinyNetwork(outputs))
    monkeypatch.setattr(module, "ROUNDS", 20)
    falling = {1: 0.9, 2: 0.8, 3: 0.7}
    kept: list[Any] = []

    def validate(model: Any, frames: Any, rows: Any, options: Any) -> Judgement:
        kept.append(model.tensors())
        return Judgement(0.5, falling[len(kept) % 3 or 3], ())

    frames, options = frame_set(clips=8, frames=6).of_organs(["disc"]), replace(QUICK, epochs=3, patience=1)
    monkeypatch.setattr(fit, "validate", validate)

    def crossed(**given: Any) -> CrossValidation:
        return cross_validate(frames, options, **given)

    whole = crossed()
    first = whole.folds[0].result
    assert first is not None and [epoch.best for epoch in first.history] == [False, False, True]
    assert np.array_equal(first.tensors["conv1.weight"], kept[2]["conv1.weight"])
    assert [len(fold.result.history) for fold in whole.folds if fold.result] == [3, 3, 1, 1] and whole.epochs == 1
    steps: list[int] = []

    def dies(done: int, total: int) -> None:
        steps.append(done)
        if len(steps) == 14:  # the second step of the third fold, which takes its length from those before
            raise KilledError

    with pytest.raises(KilledError):
        crossed(on_step=dies, checkpoints=Checkpoints(tmp_path))
    again = crossed(checkpoints=Checkpoints(tmp_path, resume=True))
    assert [fold.result is None for fold in again.folds] == [True, True, False, False]
    assert again.scores.tobytes() == whole.scores.tobytes() and again.epochs == 1
