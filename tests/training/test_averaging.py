"""The mean of the weights, and norms that fit it: by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from support import tiny_network
from support.frame_sets import QUICK, frame_set

from seqcls.training import fit
from seqcls.training import train as training
from seqcls.training.averaging import WeightAverage, forgetting, with_norms


def test_the_mean_begins_in_the_middle() -> None:
    """Of five steps the last three count: 2, 3 and 7 make 4. Before, the network itself is kept."""
    model = tiny_network.build(1)[0]
    average, found = WeightAverage(model, 5), []
    for step, value in enumerate([9.0, 5.0, 2.0, 3.0, 7.0]):
        with torch.no_grad():
            model.net.conv1.weight.fill_(value)
        average.update(model, step)
        found.append(float(average.model.tensors()["conv1.weight"].mean()))
    assert found == pytest.approx([9, 5, 2, 2.5, 4])
    assert not average.model.training


def test_the_first_half_costs_nothing_until_it_is_asked_for() -> None:
    """Whoever asks between two steps gets the weights as they are then; nothing is kept of them later."""
    model = tiny_network.build(1)[0]
    average = WeightAverage(model, 6)
    for step, value in enumerate([9.0, 5.0, 2.0, 4.0, 6.0]):
        with torch.no_grad():
            model.net.bn1.running_mean.fill_(value)
        average.update(model, step)
        if step == 1:
            assert float(average.model.net.bn1.running_mean.mean()) == 5
    assert float(average.model.net.bn1.running_mean.mean()) == 5  # of 4 and 6, from step 3 of 0 to 5 on
    assert all(value.grad_fn is None for value in average.model.parameters())


def test_norms_stand_between_their_own_statistics_and_those_of_the_images() -> None:
    model = tiny_network.build(1)[0]
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 16, 16), np.uint8))
    before = model.tensors()
    found = with_norms(model, iter(images.split(3)))
    planes = ((images.float() / 255 - model.mean) / model.std).unsqueeze(1)
    with torch.no_grad():
        maps = model.net.conv1(planes)
    half = (maps.mean(dim=(0, 2, 3)).numpy() + before["bn1.running_mean"]) / 2
    assert found.tensors()["bn1.running_mean"] == pytest.approx(half, abs=1e-5)
    assert not found.training
    changed = {name for name, value in found.tensors().items() if not np.array_equal(value, before[name])}
    assert changed == {"bn1.running_mean", "bn1.running_var"}
    assert all(np.array_equal(value, before[name]) for name, value in model.tensors().items())  # found is a copy
    still = with_norms(model, [images[:2]], ["bn1"])
    assert all(np.array_equal(value, before[name]) for name, value in still.tensors().items())


def test_steps_with_small_images_do_not_count() -> None:
    """Of 9, 5, 2, 3 and 7 the first three are such: 3 and 7 make 5."""
    model = tiny_network.build(1)[0]
    average = WeightAverage(model, 5, after=3)
    for step, value in enumerate([9.0, 5.0, 2.0, 3.0, 7.0]):
        with torch.no_grad():
            model.net.conv1.weight.fill_(value)
        average.update(model, step)
    assert float(average.model.tensors()["conv1.weight"].mean()) == pytest.approx(5)


def test_running_statistics_become_those_of_one_batch_and_go_on_from_there() -> None:
    """Of a norm whose mean was 0: 8 in place of 0.8, and a tenth of the way to 18 after that; a frozen one stays."""
    norm = torch.nn.BatchNorm2d(1)
    model: Any = torch.nn.Sequential(norm)
    with forgetting(model):
        norm(torch.tensor([[[[6.0, 10.0]]]]))
    assert float(norm.running_mean) == pytest.approx(8) and norm.momentum == 0.1
    norm(torch.tensor([[[[17.0, 19.0]]]]))
    assert float(norm.running_mean) == pytest.approx(9)
    with forgetting(model.eval()):
        norm(torch.tensor([[[[0.0, 2.0]]]]))
    assert float(norm.running_mean) == pytest.approx(9)


@pytest.mark.parametrize(("progressive", "expected"), [(0.75, [3]), (0.0, [])])
def test_what_was_gathered_of_small_images_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, progressive: float, expected: list[int]
) -> None:
    monkeypatch.setattr(training, "build", tiny_network.build)
    sides: list[int] = []
    forgot: list[int] = []
    real = fit.forgetting
    monkeypatch.setattr(fit, "forgetting", lambda model: (forgot.append(len(sides)), real(model))[1])
    learn = fit._learn

    def watched(state: Any, batch: Any, options: Any) -> None:
        learn(state, batch, options)
        sides.append(batch.images.shape[-1])

    monkeypatch.setattr(fit, "_learn", watched)
    frames = frame_set(clips=4, frames=6)
    everything = replace(frames, split=np.full(len(frames.split), "train"))
    training.train(everything, replace(QUICK, epochs=2, samples_per_epoch=32, progressive=progressive), for_scores=True)
    assert forgot == expected and sides == ([16, 16, 16, 32] if progressive else [32] * 4)
