"""Several processes that train together see each frame once and make one model."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support import tiny_network
from support.frame_sets import QUICK, frame_set
from support.many_processes import together

from seqcls.errors import DataError, EngineError, UsageError
from seqcls.training import checkpoints as checkpoints_module
from seqcls.training import fit as fit_module
from seqcls.training import process_group
from seqcls.training import train as module
from seqcls.training.batches import training_batches
from seqcls.training.checkpoints import Checkpoints
from seqcls.training.loss import masked_loss
from seqcls.training.options import AugmentOptions
from seqcls.training.process_group import Processes, joined
from seqcls.training.train import TrainResult, train, train_along
from seqcls.training.training_state import weights_digest

FRAMES = frame_set()
ROWS = np.flatnonzero(FRAMES.split == "train")
STILL = replace(QUICK, augment=AugmentOptions(strength=0, flip=False))
LONG = replace(QUICK, epochs=6, samples_per_epoch=96, lr=2e-2)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    one_at_a_time = threading.Lock()  # PyTorch's seed is that of all threads

    def build(*arguments, **more):
        with one_at_a_time:
            return tiny_network.build(*arguments, **more)

    monkeypatch.setattr(module, "build", build)
    monkeypatch.setattr(checkpoints_module, "MAX_SHARE", float("inf"))  # after every epoch, however short


def test_each_image_of_a_batch_is_learned_from_by_one() -> None:
    whole = [batch.images for batch in training_batches(FRAMES, ROWS, STILL)]
    parts = together(4, lambda own: [batch.images for batch in training_batches(FRAMES, ROWS, STILL, None, own)])
    assert [len(images) for images in parts[0]] == [4] * 8
    assert all(torch.equal(torch.cat(four), one) for one, *four in zip(whole, *parts, strict=True))
    first, second = together(2, lambda own: next(training_batches(FRAMES, ROWS, QUICK, None, own)).after)
    assert first.sampler == second.sampler and not torch.equal(first.changes, second.changes)  # numbers of its own


def test_sums_by_hand() -> None:
    """Means over 1 and over 3 entries: (1 * 10 + 3 * 2) / 4 = 4; running means 1 and 2 give 1.5, of a still norm none."""

    def work(own: Processes) -> list[float]:
        model = torch.nn.Sequential(torch.nn.BatchNorm2d(1), torch.nn.BatchNorm2d(1).eval(), torch.nn.Linear(1, 1))
        model[2].weight.grad = torch.full((1, 1), (10.0, 2.0)[own.rank])
        for norm in model[:2]:
            norm.running_mean.fill_(own.rank + 1)
        (loss,) = own.share_step(model, torch.tensor((1.0, 3.0)[own.rank]), torch.tensor((5.0, 1.0)[own.rank]))
        grad, means = model[2].weight.grad.item(), [norm.running_mean.item() for norm in model[:2]]
        return [loss.item(), grad, *means, float(own.any(own.rank == 1)), float(own.any(False))]

    assert together(2, work) == [[2.0, 4.0, 1.5, 1.0, 1.0, 0.0], [2.0, 4.0, 1.5, 2.0, 1.0, 0.0]]
    assert together(3, lambda own: own.gathered(f"of {own.rank}")) == [["of 0", "of 1", "of 2"]] * 3
    assert together(2, lambda own: own.from_first(lambda: own.rank + 7)) == [7, 7]


@pytest.mark.parametrize("count", [2, 4])
def test_gradients_are_those_of_the_whole_batch(count: int) -> None:
    """However unevenly the labels lie: a part may have none."""
    random = torch.Generator().manual_seed(count)
    images = torch.rand(16, 32, 32, generator=random) * 255
    targets = (torch.rand(16, 2, generator=random) > 0.5).float()
    known = torch.rand(16, 2, generator=random) > 0.6
    known[:4] = False

    def gradients(own: Processes) -> list[torch.Tensor]:
        model, part = module.build(2)[0].eval(), own.part_of(16)
        loss = masked_loss(model(images[part]), targets[part], known[part], STILL)
        loss.backward()
        (shared,) = own.share_step(model, known[part].float().sum(), loss.detach())
        return [shared, *(value.grad for value in model.parameters())]

    expected = gradients(Processes())
    for own in together(count, gradients):
        for found, value in zip(own, expected, strict=True):
            torch.testing.assert_close(found, value, rtol=1e-5, atol=1e-6)


def trained(options=LONG, **first) -> TrainResult:
    def work(own: Processes) -> TrainResult | bool:
        if own.is_first:
            return train(FRAMES, options, processes=own, **first)
        return train_along(FRAMES, options, own)

    return together(2, work)[0]


def test_two_processes_learn_what_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    monkeypatch.setattr(
        fit_module, "weights_digest", lambda model: digests.append(weights_digest(model)) or digests[-1]
    )
    result, alone = trained(), train(FRAMES, LONG)
    assert len(digests) == 12 and len(set(digests)) == 6  # both have the same after each epoch
    assert result.metrics[0].auroc > 0.97 and alone.metrics[0].auroc > 0.97
    assert [epoch.loss for epoch in result.history] == pytest.approx([epoch.loss for epoch in alone.history], abs=0.1)


def test_norms_that_stand_still_make_it_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    still = replace(STILL, frozen_stages=4, epochs=2)
    monkeypatch.setattr(fit_module, "_with_norms", lambda state, *_: state.average.model)
    several, alone = trained(still), train(FRAMES, still)
    for name, value in alone.tensors.items():
        assert several.tensors[name] == pytest.approx(value, abs=1e-6), name
    assert [epoch.loss for epoch in several.history] == pytest.approx([epoch.loss for epoch in alone.history], abs=1e-6)


def test_stopped_in_an_epoch_it_goes_on_to_the_same_model(tmp_path) -> None:
    options, stop = replace(QUICK, epochs=3), []
    whole = trained(options)
    kept = Checkpoints(tmp_path / "kept")
    cut = trained(
        options,
        checkpoints=kept,
        on_step=lambda done, _: stop.append(done) if done == 3 else None,
        should_stop=lambda: bool(stop),
    )
    assert cut.interrupted and len(cut.history) == 1 and kept.exist()
    resumed = trained(options, checkpoints=Checkpoints(tmp_path / "kept", resume=True))
    assert {n: t.tobytes() for n, t in resumed.tensors.items()} == {n: t.tobytes() for n, t in whole.tensors.items()}
    with pytest.raises(UsageError, match="processes was 2, now 1"):
        train(FRAMES, options, checkpoints=Checkpoints(tmp_path / "kept", resume=True))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="batch of 16 images cannot be shared out among 3 processes"):
        together(3, lambda own: own.part_of(16))
    with pytest.raises(UsageError, match="two images or more"):
        together(2, lambda own: own.part_of(2))
    other = replace(FRAMES, hash="other")

    def work(own: Processes) -> object:
        return train(FRAMES, QUICK, processes=own) if own.is_first else train_along(other, QUICK, own)

    with pytest.raises(DataError, match=r"process 1 trains on something else \(data: other, not abc\)"):
        together(2, work)
    other = replace(FRAMES, patient=FRAMES.patient[::-1])
    with pytest.raises(DataError, match=r"process 1 trains on something else \(patients of the frames\): start"):
        together(2, work)


def test_processes_that_drift_apart_end(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = iter("ab")
    monkeypatch.setattr(fit_module, "weights_digest", lambda model: next(counted))
    with pytest.raises(EngineError, match="process 1 computes otherwise than process 0"):
        trained(QUICK)


def test_one_that_has_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(own: Processes) -> None:
        if own.is_first:
            own.gathered(0)

    with pytest.raises(EngineError, match="or one has ended"):
        together(2, work, timeout_s=0.5)


def test_where_in_its_source_a_library_failed_is_left_out() -> None:
    told = r"says why\): Read error \[127\.0\.0\.1\]:5: reset"
    with pytest.raises(EngineError, match=told), process_group._told():
        raise RuntimeError("[/__w/pytorch/third_party/gloo/gloo/pair.cc:545] Read error [127.0.0.1]:5: reset")


def test_who_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in process_group._NAMES:
        monkeypatch.delenv(name, raising=False)
    with joined("cpu") as processes:
        assert (processes.count, processes.is_first, processes.seed(5), processes.part_of(3)) == (
            1,
            True,
            5,
            slice(0, 3),
        )
    monkeypatch.setenv("WORLD_SIZE", "2")  # of a cluster's scheduler, which says no more than that
    with joined("cpu") as processes:
        assert processes.count == 1


def test_each_process_sees_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    process_group._see_one_gpu(1)
    assert process_group.os.environ["CUDA_VISIBLE_DEVICES"] == "6"
    with pytest.raises(UsageError, match="shows 1 GPUs"):
        process_group._see_one_gpu(1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    process_group._see_one_gpu(3)
    assert process_group.os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # none is to be used
    process_group._see_one_gpu(0)
    assert process_group.os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_two_real_processes_train_and_name_themselves() -> None:
    """As torchrun starts them, by the environment. Both end with the weights of the threads above."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(__file__).parent.parent / "support" / "trains_together.py"
    common = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common["PYTHONPATH"] = os.pathsep.join([str(program.parent.parent), *filter(None, sys.path)])
    started = [
        subprocess.Popen(
            [sys.executable, program],
            env={**common, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    printed = [one.communicate(timeout=200) for one in started]
    assert [one.returncode for one in started] == [0, 0], printed
    first, second = (out.splitlines() for out, _ in printed)
    expected = [f"{epoch.loss:.6f}" for epoch in trained(QUICK).history]
    assert first[:-1] == expected and second[:-1] == []
    assert first[-1] == "process 0 of 2: wrong on purpose" and second[-1] == "process 1 of 2: wrong on purpose"
