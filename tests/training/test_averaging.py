"""The mean of the weights, and norms that fit it: by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import tiny_network

from seqcls.training.averaging import WeightAverage, with_norms


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
