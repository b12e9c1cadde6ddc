"""Training on drawn discs: it learns, repeats itself, stops in order, and says what it could not do."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support.frame_sets import QUICK, SIZE, frame_set

from seqcls.datasets.dataset import FrameSet
from seqcls.engines import open_engine
from seqcls.errors import DataError, UsageError
from seqcls.evaluation.metrics import auroc
from seqcls.intervals import IntervalOptions
from seqcls.models.file import read_model, write_model
from seqcls.training import train as module
from seqcls.training.loss import masked_loss, mixup
from seqcls.training.optimizer import lr_factor
from seqcls.training.options import AugmentOptions, TrainOptions
from seqcls.training.plots import write_history
from seqcls.training.sampler import Sampler
from seqcls.training.train import Epoch, train


@pytest.fixture(scope="module")
def frames() -> FrameSet:
    return frame_set()


@pytest.fixture(scope="module")
def result(frames: FrameSet) -> module.TrainResult:
    return train(frames, replace(QUICK, epochs=6, samples_per_epoch=96))


def test_progressive_training_begins_with_pictures_of_half_the_side(frames: FrameSet) -> None:
    options = replace(QUICK, progressive=0.4)  # of 4 epochs of 2 steps
    rows = np.flatnonzero(frames.split == "train")
    sides = [tuple(x.shape[1:]) for x, _, _ in module._batches(frames, rows, options)]
    assert sides == [(SIZE // 2, SIZE // 2)] * 3 + [(SIZE, SIZE)] * 5
    still = replace(QUICK, augment=AugmentOptions(strength=0, flip=False))
    whole = next(iter(module._batches(frames, rows, still)))[0]
    half = next(iter(module._batches(frames, rows, replace(still, progressive=0.5))))[0]
    assert torch.equal(half, torch.nn.functional.avg_pool2d(whole, 2))
    done = train(frames, replace(QUICK, epochs=6, samples_per_epoch=96, progressive=0.5))
    assert done.metrics is not None and done.metrics[0].auroc > 0.97
    with pytest.raises(UsageError, match="progressive"):
        TrainOptions(progressive=1.0)


def test_it_learns_and_knows_what_it_learned(result: module.TrainResult, frames: FrameSet) -> None:
    assert result.history[-1].loss < result.history[0].loss
    assert all(math.isfinite(epoch.validation_loss) for epoch in result.history)  # unlabelled targets are NaN here
    assert result.header.training["best_epoch"] > 1
    assert result.metrics is not None
    assert result.metrics[0].auroc > 0.97
    assert np.array_equal(result.index, np.flatnonzero(frames.split == "validation"))
    assert result.scores.shape == (len(result.index), 2)
    assert sum(epoch.best for epoch in result.history) >= 1
    training = result.header.training
    assert training["best_epoch"] == max(epoch.number for epoch in result.history if epoch.best)
    assert training["best_auroc"] == pytest.approx(max(epoch.auroc for epoch in result.history), abs=1e-4)
    assert training["classes"]["disc"] == {"present": 12, "absent": 36}
    assert training["classes"]["patients"] == 2
    assert (training["weights"], training["torch"]) == ("random weights", torch.__version__)
    assert training["options"]["augment"]["strength"] == 0.2
    assert (result.header.organs, result.header.dataset_hash) == (("disc", "bar"), "abc")


def test_the_second_organ_is_learned_from_the_frames_that_have_it(result: module.TrainResult) -> None:
    fresh = frame_set(seed=9)
    seen = open_engine((result.header, result.tensors), device="cpu", precision="fp32").scores(fresh.images)
    known = fresh.mask[:, 1]
    assert auroc(fresh.targets[known, 1], seen[known, 1]) > 0.9


def test_the_result_is_a_model_file(result: module.TrainResult, frames: FrameSet, tmp_path: Path) -> None:
    write_model(tmp_path / "m.safetensors", result.header, result.tensors)
    header, _ = read_model(tmp_path / "m.safetensors")
    assert header == result.header
    scores = open_engine(tmp_path / "m.safetensors", device="cpu", precision="fp32").scores(frames.images[result.index])
    assert scores == pytest.approx(result.scores, abs=1e-4)


@pytest.mark.parametrize("extra", [{}, {"mixup": 0.3, "dropout": 0.2, "loss": "focal"}], ids=["plain", "random parts"])
def test_a_seed_repeats_everything(frames: FrameSet, extra: dict) -> None:
    options = replace(QUICK, epochs=1, **extra)
    torch.manual_seed(1)
    first = train(frames, options)
    torch.manual_seed(2)
    torch.rand(5)
    again, other = train(frames, options), train(frames, replace(options, seed=1))
    assert [e.loss for e in first.history] == [e.loss for e in again.history]
    assert all(np.array_equal(first.tensors[name], again.tensors[name]) for name in first.tensors)
    assert np.array_equal(first.scores, again.scores)
    assert [e.loss for e in first.history] != [e.loss for e in other.history]


def test_without_validation_the_last_weights_are_kept(frames: FrameSet) -> None:
    everything = replace(frames, split=np.full(len(frames.split), "train"))
    result = train(everything, replace(QUICK, epochs=2))
    assert result.metrics is None
    assert math.isnan(result.history[0].auroc)
    assert result.header.training["best_epoch"] == 2
    assert result.header.training["best_auroc"] is None
    assert result.header.intervals == (IntervalOptions(), IntervalOptions())
    assert result.header.calibration == ((1.0, 0.0), (1.0, 0.0))
    json.loads(result.header.to_json())


def test_the_best_epoch_is_kept_not_the_last(frames: FrameSet, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([(0.5, 0.7), (0.4, 0.9), (0.3, 0.9), (0.6, 0.8)])
    kept: list[dict] = []
    monkeypatch.setattr(module, "_validate", lambda model, *rest: (kept.append(model.tensors()), next(values))[1])
    result = train(frames, QUICK)
    assert [epoch.best for epoch in result.history] == [True, True, True, False]  # a tie goes to the lower loss
    assert np.array_equal(result.tensors["conv1.weight"], kept[2]["conv1.weight"])
    assert not np.array_equal(result.tensors["conv1.weight"], kept[3]["conv1.weight"])


def test_patience_ends_it(frames: FrameSet, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.9, 0.8, 0.8, 0.95])
    monkeypatch.setattr(module, "_validate", lambda *args: (0.5, next(values)))
    result = train(frames, replace(QUICK, patience=2))
    assert len(result.history) == 3
    assert result.header.training["best_epoch"] == 1


@pytest.mark.parametrize(("stop_after", "epochs"), [(1, 0), (8, 2)], ids=["in the first epoch", "in the third"])
def test_stopping_keeps_what_there_is(frames: FrameSet, stop_after: int, epochs: int, tmp_path: Path) -> None:
    steps: list[int] = []
    seen: list[Epoch] = []
    result = train(
        frames,
        replace(QUICK, samples_per_epoch=48),  # three batches
        on_step=lambda done, total: steps.append(done),
        on_epoch=seen.append,
        should_stop=lambda: len(steps) >= stop_after,
    )
    assert result.interrupted
    assert steps == list(range(1, stop_after + 1))
    assert len(result.history) == len(seen) == epochs
    assert result.header.training["interrupted"]
    write_model(tmp_path / "m.safetensors", result.header, result.tensors)


def test_progress_counts_every_batch(frames: FrameSet) -> None:
    steps: list[tuple[int, int]] = []
    train(frames, replace(QUICK, epochs=2, samples_per_epoch=48), on_step=lambda *step: steps.append(step))
    assert steps == [(number, 6) for number in range(1, 7)]


def test_a_frozen_backbone_does_not_move(frames: FrameSet) -> None:
    start = module.build(2, weights="none")[0].tensors()
    still = train(frames, replace(QUICK, epochs=1, freeze_epochs=1)).tensors
    assert all(np.array_equal(start[name], still[name]) for name in start if not name.startswith("fc."))
    assert not np.array_equal(start["fc.weight"], still["fc.weight"])
    thawed = train(frames, replace(QUICK, epochs=2, freeze_epochs=1)).tensors
    assert not np.array_equal(start["layer1.0.conv1.weight"], thawed["layer1.0.conv1.weight"])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_other_optimizers_and_constant_rate(frames: FrameSet, optimizer: str) -> None:
    result = train(
        frames, replace(QUICK, epochs=1, optimizer=optimizer, schedule="constant", samples_per_epoch=48, warmup=0.0)
    )
    assert math.isfinite(result.history[0].loss)
    assert result.history[0].lr == QUICK.lr


def test_bfloat16_trains(frames: FrameSet) -> None:
    assert train(frames, replace(QUICK, epochs=1, precision="bf16")).history[0].loss < 2


def test_a_loss_that_explodes_is_said(frames: FrameSet) -> None:
    with pytest.raises(DataError, match=r"the loss became .* lower --lr"):
        train(frames, replace(QUICK, lr=1e30, clip_norm=0.0, optimizer="sgd", warmup=0.0))


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_class_without_frames_is_named(frames: FrameSet, state: str) -> None:
    targets = frames.targets.copy()
    targets[:, 1] = 0.0 if state == "present" else 1.0
    with pytest.raises(DataError, match=f"no training frame shows bar {state}"):
        train(replace(frames, targets=targets), QUICK)


def test_near_copies_across_the_split_are_counted(frames: FrameSet, result: module.TrainResult) -> None:
    assert result.header.training["leaked_frames"] == 0
    images = frames.images.copy()
    images[frames.split == "validation"] = images[frames.split == "train"][:24]
    leaking = train(replace(frames, images=images), replace(QUICK, epochs=1))
    assert leaking.header.training["leaked_frames"] == 24


def test_no_frames_at_all(frames: FrameSet) -> None:
    with pytest.raises(DataError, match="no frame to train on"):
        train(replace(frames, split=np.full(len(frames.split), "validation")), QUICK)


# The parts


def test_the_rate_rises_then_falls() -> None:
    options = TrainOptions(warmup=0.1)
    factors = [lr_factor(step, 100, options) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[10] == 1.0
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] < 0.001


def test_balanced_draws_give_classes_and_clips_their_due(frames: FrameSet) -> None:
    rows = np.flatnonzero(frames.split == "train")
    drawn = Sampler(frames, rows, np.random.default_rng(0), balance=True).draw(4000)
    assert set(drawn) <= set(rows)
    by_organ = drawn.reshape(-1, 4)  # present and absent of the first organ, then of the second
    disc, bar = by_organ[:, :2].ravel(), by_organ[:, 2:].ravel()
    assert frames.targets[disc, 0].mean() == 0.5
    assert frames.targets[bar, 1].mean() == 0.5
    assert frames.mask[bar, 1].all()
    present = disc[frames.targets[disc, 0] > 0.5]
    shares = [float((frames.clip[present] == clip).mean()) for clip in ("clip0", "clip2")]
    assert shares == pytest.approx([0.5, 0.5], abs=0.05)
    anything = Sampler(frames, rows, np.random.default_rng(0), balance=False).draw(4000)
    assert frames.targets[anything, 0].mean() == pytest.approx(0.25, abs=0.03)


def test_a_clip_that_shows_both_classes_stands_for_neither() -> None:
    frames = frame_set(clips=8, frames=20)
    targets = frames.targets.copy()
    targets[np.isin(frames.clip, [f"clip{n}" for n in range(2, 8)]), 0] = 0  # absent only
    targets[frames.clip == "clip1", 0] = 1  # present only
    targets[frames.clip == "clip0", 0] = np.arange(20) < 4
    frames = replace(frames, targets=targets, mask=np.ones_like(frames.mask))
    frames = frames.of_organs(frames.organs[:1])
    rows = np.arange(len(frames.clip))
    drawn = Sampler(frames, rows, np.random.default_rng(0), balance=True).draw(4000)
    inside = drawn[frames.clip[drawn] == "clip0"]
    assert frames.targets[inside, 0].mean() == pytest.approx(0.5, abs=0.04)
    assert len(inside) / len(drawn) == pytest.approx(0.5, abs=0.04)


def test_a_clip_of_many_frames_counts_no_more_than_a_short_one() -> None:
    long = frame_set(clips=4, frames=40)
    rows = np.flatnonzero((long.clip != "clip0") | (np.arange(len(long.clip)) % 40 >= 38))  # clip0: 2 of 40 frames
    drawn = Sampler(long, rows, np.random.default_rng(0), balance=True).draw(4000).reshape(-1, 4)[:, 0]
    assert (long.clip[drawn] == "clip0").mean() == pytest.approx(0.5, abs=0.05)


def test_the_loss_looks_at_labelled_entries_only() -> None:
    logits = torch.tensor([[0.0, 5.0], [2.0, -3.0]])
    targets, known = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[True, False], [True, False]])
    plain = TrainOptions(label_smoothing=0.0)
    expected = (math.log(2) + math.log(1 + math.exp(2))) / 2
    assert float(masked_loss(logits, targets, known, plain)) == pytest.approx(expected)
    assert float(masked_loss(logits, targets, torch.zeros_like(known), plain)) == 0.0
    focal = replace(plain, loss="focal", focal_gamma=2.0)
    weighted = (math.log(2) * 0.25 + math.log(1 + math.exp(2)) * (1 / (1 + math.exp(-2))) ** 2) / 2
    assert float(masked_loss(logits, targets, known, focal)) == pytest.approx(weighted)
    smoothed = replace(plain, label_smoothing=0.2)  # targets 0.9 and 0.1
    by_hand = (math.log(2) + 0.9 * math.log(1 + math.exp(2)) + 0.1 * math.log(1 + math.exp(-2))) / 2
    assert float(masked_loss(logits, targets, known, smoothed)) == pytest.approx(by_hand)


def test_mixup_counts_only_what_both_know() -> None:
    x = torch.arange(4.0).view(4, 1, 1).expand(4, 2, 2)
    y, known = torch.tensor([[0.0], [1.0], [0.0], [1.0]]), torch.tensor([[True], [True], [True], [False]])
    mixed, targets, both = mixup(x, y, known, 0.5, np.random.default_rng(0))
    assert not torch.equal(mixed, x)
    assert int(both.sum()) < int(known.sum())
    share = float(np.random.default_rng(0).beta(0.5, 0.5))
    assert 0 < share < 1
    assert set(np.round(targets.flatten().tolist(), 4)) <= set(np.round([0, share, 1 - share, 1], 4))
    assert mixup(x, y, known, 0.0, np.random.default_rng(0))[0] is x


def test_the_average_follows_slowly() -> None:
    model, average = (module.build(1, weights="none", seed=seed)[0] for seed in (0, 1))
    start, goal = average.tensors()["conv1.weight"], model.tensors()["conv1.weight"]
    module._update_average(average, model, 0.9, step=1000)
    assert average.tensors()["conv1.weight"] == pytest.approx(0.9 * start + 0.1 * goal, abs=1e-6)
    module._update_average(average, model, 0.0, step=1000)
    assert np.array_equal(average.tensors()["conv1.weight"], goal)


# Options and pictures


WRONG = [
    {"epochs": 0}, {"batch_size": 1}, {"lr": 0.0}, {"lr": float("nan")}, {"warmup": 1.0}, {"ema": 1.0}, {"ema": -0.1},
    {"optimizer": "lion"}, {"loss": "hinge"}, {"schedule": "step"}, {"label_smoothing": 1.0}, {"mixup": -1.0},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_impossible_options_are_refused(wrong: dict) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        TrainOptions(**wrong)


def test_history_is_written_for_people_and_programs(result: module.TrainResult, tmp_path: Path) -> None:
    paths = write_history(result.history, tmp_path / "run")
    assert [path.name for path in paths] == ["history.csv", "history.json", "learning-curves.png"]
    with paths[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [epoch.loss for epoch in result.history]
    assert json.loads(paths[1].read_text())[0]["number"] == 1
    picture = cv2.imread(str(paths[2]))
    assert picture.shape == (840, 840, 3)
    assert picture.std() > 10


def test_history_without_validation_is_drawn_too(tmp_path: Path) -> None:
    epoch = Epoch(
        number=1, loss=0.5, validation_loss=math.nan, auroc=math.nan, lr=0.1, seconds=1, images_per_s=9, best=True
    )
    paths = write_history([epoch], tmp_path)
    assert json.loads(paths[1].read_text())[0]["auroc"] is None
    assert paths[2].stat().st_size > 1000
    write_history([], tmp_path)
