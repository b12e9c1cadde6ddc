"""Training on drawn discs: it learns, repeats itself, stops when asked, and reports what it could not do."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support import tiny_network
from support.frame_sets import QUICK, SIZE, frame_set

from seqcls.datasets.dataset import FrameSet
from seqcls.datasets.kept_split import with_split
from seqcls.datasets.split_file import Split
from seqcls.engines import open_engine
from seqcls.errors import DataError, UsageError
from seqcls.evaluation.metrics import auroc
from seqcls.intervals import IntervalOptions
from seqcls.models.file import read_model, write_model
from seqcls.models.resnet import GrayResNet, build
from seqcls.training import fit
from seqcls.training import train as module
from seqcls.training.averaging import NORM_BATCHES
from seqcls.training.batches import training_batches
from seqcls.training.epoch import Epoch
from seqcls.training.options import AugmentOptions, TrainOptions
from seqcls.training.prediction import Judgement, predict
from seqcls.training.train import train


@pytest.fixture(scope="module")
def frames() -> FrameSet:
    return frame_set()


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    """What is tested trains a network of one convolution, but for the model file, which holds a ResNet-18."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "build", tiny_network.build)
        yield


@pytest.fixture(scope="module")
def result(frames: FrameSet) -> module.TrainResult:
    return train(frames, replace(QUICK, epochs=10, samples_per_epoch=96, lr=2e-2))


def test_progressive_training_begins_with_images_of_half_the_side(frames: FrameSet) -> None:
    options = replace(QUICK, progressive=0.4)  # of 4 epochs of 2 steps
    rows = np.flatnonzero(frames.split == "train")
    sides = [tuple(batch.images.shape[1:]) for batch in training_batches(frames, rows, options)]
    assert sides == [(SIZE // 2, SIZE // 2)] * 3 + [(SIZE, SIZE)] * 5
    still = replace(QUICK, augment=AugmentOptions(strength=0, flip=False))
    whole = next(iter(training_batches(frames, rows, still)))[0]
    half = next(iter(training_batches(frames, rows, replace(still, progressive=0.5))))[0]
    assert torch.equal(half, torch.nn.functional.avg_pool2d(whole, 2))
    done = train(frames, replace(QUICK, epochs=6, samples_per_epoch=96, progressive=0.5, lr=2e-2))
    assert done.metrics is not None and done.metrics[0].auroc > 0.97
    with pytest.raises(UsageError, match="progressive"):
        TrainOptions(progressive=1.0)


def test_it_learns_and_knows_what_it_learned(result: module.TrainResult, frames: FrameSet) -> None:
    assert result.history[-1].loss < result.history[0].loss
    assert all(math.isfinite(epoch.validation_loss) for epoch in result.history)  # unlabelled targets are NaN here
    for epoch in result.history:  # the mean is over the organs that have one
        known = [one.auroc for one in epoch.organs if not math.isnan(one.auroc)]
        assert [one.organ for one in epoch.organs] == ["disc", "bar"] and epoch.auroc == pytest.approx(np.mean(known))
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
    model = tiny_network.build(2)[0]
    model.load(result.tensors)
    seen = result.header.probabilities(predict(model, fresh.images, QUICK))
    known = fresh.mask[:, 1]
    assert auroc(fresh.targets[known, 1], seen[known, 1]) > 0.9


def test_the_result_is_a_model_file(frames: FrameSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "build", build)
    result = train(frames, replace(QUICK, epochs=1))
    write_model(tmp_path / "m.safetensors", result.header, result.tensors)
    header, _ = read_model(tmp_path / "m.safetensors")
    assert header == result.header
    scores = open_engine(tmp_path / "m.safetensors", device="cpu", precision="fp32").scores(frames.images[result.index])
    assert scores == pytest.approx(result.scores, abs=1e-4)


@pytest.mark.parametrize("extra", [{}, {"loss": "focal"}], ids=["plain", "focal"])
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
    assert first.header == again.header  # so that the files are the same, byte for byte
    assert [e.loss for e in first.history] != [e.loss for e in other.history]


def test_losses_of_training_and_validation_are_of_one_kind(frames: FrameSet) -> None:
    """Whatever is learned by, what is shown is the plain cross-entropy: on the very same images both are the same."""
    still = replace(QUICK, epochs=1, samples_per_epoch=96, lr=1e-9, augment=AugmentOptions(strength=0, flip=False))
    same = replace(frames, split=np.where(np.arange(len(frames.split)) // 2 % 2, "validation", "train"))
    kinds = [{}, {"loss": "focal", "focal_gamma": 4.0}, {"label_smoothing": 0.3}]
    shown = [train(same, replace(still, **kind)).history[0] for kind in kinds]
    assert [epoch.loss for epoch in shown] == pytest.approx([shown[0].loss] * 3, rel=1e-4)
    assert shown[1].loss == pytest.approx(shown[1].validation_loss, rel=0.2)


def test_a_kept_split_is_hashed_into_the_model(frames: FrameSet) -> None:
    split = Split(
        unit="patient", sides={"p0": "train", "p1": "train", "p2": "validation"}, folds={}, method="by hand", seed=7,
        data="", name="split.json", digest="123abc",
    )  # fmt: skip
    result = train(with_split(frames, split), replace(QUICK, epochs=1))
    expected = {"file": "split.json", "sha256": "123abc", "unit": "patient", "method": "by hand", "seed": 7}
    assert result.header.training["split"] == expected
    assert "split" not in train(frames, replace(QUICK, epochs=1)).header.training


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
    monkeypatch.setattr(
        fit, "validate", lambda model, *rest: (kept.append(model.tensors()), Judgement(*next(values), ()))[1]
    )
    result = train(frames, QUICK)
    assert [epoch.best for epoch in result.history] == [True, True, True, False]  # a tie goes to the lower loss
    assert np.array_equal(result.tensors["conv1.weight"], kept[2]["conv1.weight"])
    assert not np.array_equal(result.tensors["conv1.weight"], kept[3]["conv1.weight"])


def test_patience_ends_it(frames: FrameSet, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.9, 0.8, 0.8, 0.95])
    monkeypatch.setattr(fit, "validate", lambda *args: Judgement(0.5, next(values), ()))
    result = train(frames, replace(QUICK, patience=2))
    assert len(result.history) == 3
    assert result.header.training["best_epoch"] == 1


@pytest.mark.parametrize(("stop_after", "epochs"), [(1, 0), (8, 2)], ids=["in the first epoch", "in the third"])
def test_stopping_keeps_what_there_is(frames: FrameSet, stop_after: int, epochs: int) -> None:
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
    json.loads(result.header.to_json())


def test_progress_counts_every_batch(frames: FrameSet) -> None:
    steps: list[tuple[int, int]] = []
    train(frames, replace(QUICK, epochs=2, samples_per_epoch=48), on_step=lambda *step: steps.append(step))
    assert steps == [(number, 6) for number in range(1, 7)]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_frozen_backbone_does_not_move(frames: FrameSet, optimizer: str) -> None:
    options = replace(QUICK, epochs=1, freeze_epochs=1, optimizer=optimizer)
    start = module.build(2, weights="none")[0].tensors()
    still = train(frames, options).tensors
    assert all(np.array_equal(start[name], still[name]) for name in start if not name.startswith("fc."))
    assert not np.array_equal(start["fc.weight"], still["fc.weight"])
    thawed = train(frames, replace(options, epochs=2), validation_index=np.empty(0, np.int64)).tensors  # the last ones
    assert not np.array_equal(start["conv1.weight"], thawed["conv1.weight"])


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_frozen_stages_never_move(frames: FrameSet, optimizer: str) -> None:
    options = replace(QUICK, epochs=2, freeze_epochs=1, frozen_stages=1, optimizer=optimizer)
    start = module.build(2, weights="none")[0].tensors()
    still = train(frames, options).tensors
    assert all(np.array_equal(start[name], still[name]) for name in start if not name.startswith("fc."))
    assert not np.array_equal(start["fc.weight"], still["fc.weight"])


@pytest.mark.parametrize("stages", [0, 1, 2, 4])
def test_so_many_stages_are_frozen(stages: int) -> None:
    network = build(1)[0]
    fit._freeze(network, stages)
    parts = {name: part for name, part in network.net.named_children() if any(True for _ in part.parameters())}
    moving = [name for name, part in parts.items() if all(value.requires_grad for value in part.parameters())]
    still = [name for name, part in parts.items() if not any(value.requires_grad for value in part.parameters())]
    assert still == ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4"][: stages + 2 if stages else 0]
    assert still + moving == list(parts)
    norms = [part for name in still for part in parts[name].modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert len(norms) == {0: 0, 1: 5, 2: 10, 4: 20}[stages] and not any(part.training for part in norms)
    fit._freeze(network, 0)
    assert all(part.training for part in network.modules()) and all(v.requires_grad for v in network.parameters())
    with pytest.raises(UsageError, match="frozen_stages must be 0 or more and at most 4, not 5"):
        TrainOptions(frozen_stages=5)


def test_the_header_names_the_file_of_weights_without_its_folder(frames: FrameSet, tmp_path: Path) -> None:
    result = train(frames, replace(QUICK, epochs=1, weights=str(tmp_path / "other.safetensors")))
    assert result.header.training["options"]["weights"] == "other.safetensors"


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_other_optimizers_and_constant_rate(frames: FrameSet, optimizer: str) -> None:
    result = train(
        frames, replace(QUICK, epochs=1, optimizer=optimizer, schedule="constant", samples_per_epoch=48, warmup=0.0)
    )
    assert math.isfinite(result.history[0].loss)
    assert result.history[0].lr == QUICK.lr


def test_bfloat16_trains(frames: FrameSet) -> None:
    assert train(frames, replace(QUICK, epochs=1, precision="bf16")).history[0].loss < 2


def test_a_loss_that_explodes_is_an_error(frames: FrameSet) -> None:
    with pytest.raises(DataError, match=r"the loss became .* take a lower lr"):
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


def test_near_copies_that_the_checks_have_counted_are_not_looked_for_again(
    frames: FrameSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "leaked_rows", None)
    result = train(frames, replace(QUICK, epochs=1), leaked=7)
    assert result.header.training["leaked_frames"] == 7


def test_no_frames_at_all(frames: FrameSet) -> None:
    with pytest.raises(DataError, match="no frame to train on"):
        train(replace(frames, split=np.full(len(frames.split), "validation")), QUICK)


# The parts


def test_norms_are_measured_on_images_as_they_are(frames: FrameSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every epoch, on batches that are drawn as in training."""
    seen: list[torch.Tensor] = []

    def with_norms(model: GrayResNet, batches: Iterable[torch.Tensor], frozen: list[str]) -> GrayResNet:
        seen.append(torch.cat(list(batches)))
        return model

    monkeypatch.setattr(fit, "with_norms", with_norms)
    rows = np.flatnonzero(frames.split == "train")
    train(frames, replace(QUICK, epochs=2))
    own = {image.tobytes() for image in frames.images[rows]}
    assert [len(images) for images in seen] == [NORM_BATCHES * QUICK.batch_size] * 2
    assert {image.numpy().tobytes() for image in torch.cat(seen)} <= own
