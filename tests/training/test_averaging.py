"""The mean of the weights, and norms that fit it: by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import tiny_network

from seqcls.training.averaging import WeightAverage, measure_norms


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


def test_norms_have_the_statistics_of_the_images() -> None:
    model = tiny_network.build(1)[0]
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 16, 16), np.uint8))
    before = model.tensors()
    measure_norms(model, iter(images.split(3)))
    planes = ((images.float() / 255 - model.mean) / model.std).unsqueeze(1)
    with torch.no_grad():
        maps = model.net.conv1(planes)
    assert model.tensors()["bn1.running_mean"] == pytest.approx(maps.mean(dim=(0, 2, 3)).numpy(), abs=1e-5)
    assert not model.training
    changed = {name for name, value in model.tensors().items() if not np.array_equal(value, before[name])}
    assert changed == {"bn1.running_mean", "bn1.running_var"}
    still = model.tensors()
    measure_norms(model, [images[:2]], [model.net.bn1])
    assert all(np.array_equal(value, still[name]) for name, value in model.tensors().items())
